// executor-schema.ts — `executors:` in the JSON Schema of pipeline.yaml
import { EXECUTOR_KEYS, EXECUTOR_TYPES, LINES } from '../config/executors.ts';
import { JOB_CLASS_KEYS } from '../config/job-class.ts';
import type { Json, Named } from '../model/key.ts';
import { closed, DURATION, SIZE_TEXT } from './schema-parts.ts';

const WORDS = { type: 'array', items: { type: ['string', 'number'] } };
const LINES_OF_SHELL = { anyOf: [{ type: 'string' }, WORDS] };
const COUNT = { type: 'integer', minimum: 1, maximum: 10_000 };

const JOB_CLASS_DESCRIBED: Named<Json> = {
  cpus: { description: 'Processors of a job.', ...COUNT },
  memory: { description: 'Memory of a job, such as 8GiB.', ...SIZE_TEXT },
  time: { description: 'The time limit of a job, such as 2h.', ...DURATION },
  gpus: {
    description: 'GPUs of a job: a number, or TYPE:COUNT.',
    anyOf: [{ type: 'integer', minimum: 0 }, { type: 'string' }],
  },
  partition: { description: 'The partition.', type: 'string' },
  account: { description: 'The account that is charged.', type: 'string' },
  qos: { description: 'The quality of service.', type: 'string' },
  constraint: { description: 'Features that nodes must have.', type: 'string' },
  extra: { description: 'Further arguments of sbatch.', ...WORDS },
  prologue: { description: 'Shell lines that run first in a job.', ...LINES_OF_SHELL },
  wrap: { description: 'A command prefix for the program, such as a container.', ...WORDS },
  'max-jobs': { description: 'The maximum number of simultaneous jobs; 10 by default.', ...COUNT },
  slots: { description: 'The number of tasks that run at once in a job.', ...COUNT },
};

const EXECUTOR_DESCRIBED: Named<Json> = {
  type: { description: 'What starts jobs.', enum: [...EXECUTOR_TYPES] },
  depot: { description: 'A folder shared by this machine and all nodes.', type: 'string' },
  line: { description: 'How instructions are sent; auto by default.', enum: [...LINES] },
  listen: { description: 'Where the head listens: HOST, HOST:PORT or :PORT.', type: 'string' },
  node: {
    description: 'The Node.js program on the nodes; by default the path of the one that runs here.',
    type: 'string',
  },
  prologue: { description: 'Shell lines that run first in every job.', ...LINES_OF_SHELL },
  wrap: { description: 'A command prefix for the program, such as a container.', ...WORDS },
  'max-idle': {
    description: 'A job without work ends after this time; 2m by default.',
    ...DURATION,
  },
  orphan: {
    description: 'A job without contact to `pipeline` ends after this time; 15m by default.',
    ...DURATION,
  },
  classes: {
    description: 'Job sizes, by name.',
    type: 'object',
    minProperties: 1,
    additionalProperties: false,
    patternProperties: { '^[A-Za-z][A-Za-z0-9_-]*$': { $ref: '#/$defs/class' } },
  },
  head: {
    description: 'The job of `make --submit`; by default of the first class without GPUs.',
    $ref: '#/$defs/class',
  },
};

/** What `executors` is made up of. */
export const executorDefinitions = (): Named<Json> => ({
  executor: {
    ...closed(EXECUTOR_KEYS, EXECUTOR_DESCRIBED),
    required: ['type', 'depot', 'classes'],
  },
  class: closed(JOB_CLASS_KEYS, JOB_CLASS_DESCRIBED),
});
