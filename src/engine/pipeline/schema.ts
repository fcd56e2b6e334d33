// schema.ts — pipeline.yaml as a JSON Schema, for editors: written from the very keys that the reader knows

import { FILE_KINDS } from '../config/codecs.ts';
import { COMMAND_KEYS } from '../config/command.ts';
import { PIPELINE_KEYS, STORE_KEYS } from '../config/config.ts';
import { DURATION_PATTERN } from '../config/duration.ts';
import { EXECUTOR_KEYS, EXECUTOR_TYPES, LINES } from '../config/executors.ts';
import { INPUT_KEYS } from '../config/input.ts';
import { JOB_CLASS_KEYS } from '../config/job-class.ts';
import { GROWING_KEYS, NEEDS_KEYS, ON_PATTERN } from '../config/needs.ts';
import { METRICS_LOG, OUTPUT_KEYS } from '../config/outputs.ts';
import { PLOT_KEYS, PLOT_KIND_NAMES } from '../config/plots.ts';
import { POLICY_KEYS, RETRIES_KEYS, RETRY_CAUSES } from '../config/policy.ts';
import { ENVIRONMENT_KEYS } from '../config/program-environment.ts';
import { CHECKPOINT_KEYS, SOURCE_COUNTINGS, STOP_SIGNALS } from '../config/program-options.ts';
import { REMOTE_KEYS, REMOTE_NAME } from '../config/remote.ts';
import { STAGE_KEYS } from '../config/stage-config.ts';
import { SIZE_PATTERN } from '../files/size.ts';
import { STORE_ACCESSES } from '../files/store-access.ts';
import type { Json, Named } from '../model/key.ts';
import { closed, reportDefinitions } from './report-schema.ts';

const DESCRIBED: Named<Json> = {
  params: {
    description:
      'The settings of the study. The key of a task covers the params that its stage reads.',
    type: 'object',
  },
  presets: {
    description: 'Named sets of changes to params: --preset NAME.',
    type: 'object',
    additionalProperties: { type: ['object', 'null'] },
  },
  stages: {
    description: 'The computations.',
    type: 'object',
    minProperties: 1,
    additionalProperties: false,
    patternProperties: { '^[A-Za-z][A-Za-z0-9_-]*$': { $ref: '#/$defs/stage' } },
  },
  mirrors: {
    description: 'Folders or URLs that are searched for data files; never part of a key.',
    type: 'array',
    items: { type: 'string' },
  },
  resources: {
    description:
      'The totals of the resources that stages use, or lists of their units; never part of a key.',
    $ref: '#/$defs/totals',
  },
  store: { description: 'Size limit and permissions of the store.', $ref: '#/$defs/store' },
  remote: {
    description: 'Whose results are accepted besides your own; never part of a key.',
    $ref: '#/$defs/remote',
  },
  executors: {
    description: 'Clusters that tasks may run on, by name; never part of a key.',
    type: 'object',
    additionalProperties: false,
    patternProperties: { '^(?!local$)[A-Za-z][A-Za-z0-9_-]*$': { $ref: '#/$defs/executor' } },
  },
  plots: {
    description: 'Named plots for `pipeline plot`; never part of a key.',
    type: 'object',
    additionalProperties: false,
    patternProperties: { '^[A-Za-z][A-Za-z0-9_-]*$': { $ref: '#/$defs/plot' } },
  },
  report: {
    description: 'A report page with results of stages: a stage named `report`.',
    $ref: '#/$defs/report',
  },
};

const AMOUNT = { type: 'number', exclusiveMinimum: 0 };
const SIZE = { anyOf: [AMOUNT, { type: 'string', pattern: SIZE_PATTERN.source }] };

const STORE_DESCRIBED: Named<Json> = {
  access: {
    description:
      'Who may use a new store: its owner (private, the default), its group, or everyone (read-only).',
    enum: [...STORE_ACCESSES],
  },
  limit: {
    description: 'The size limit of the store, such as 20GB.',
    ...SIZE,
  },
};

const REMOTE_DESCRIBED: Named<Json> = {
  trust: {
    description:
      'Public keys, by name, whose signed results count: ed25519:BASE64 or ssh-ed25519 …',
    type: 'object',
    additionalProperties: { type: 'string', pattern: '^(ed25519:|ssh-ed25519 )' },
    propertyNames: { pattern: REMOTE_NAME.source },
  },
  space: {
    description: 'Separates studies that share a remote.',
    type: 'string',
    pattern: REMOTE_NAME.source,
  },
};

const PLOT_DESCRIBED: Named<Json> = {
  stage: { description: 'STAGE, or STAGE:output.', type: 'string' },
  kind: {
    description: 'The kind of plot; chosen from the data by default.',
    enum: [...PLOT_KIND_NAMES],
  },
  x: { description: 'An axis, a number, or `step`.', type: 'string' },
  y: { description: 'A number; for a heat map, an axis.', type: 'string' },
  color: { description: 'An axis or a number.', type: 'string' },
  facet: { description: 'One panel for each label of this axis.', type: 'string' },
  band: { description: 'Means and 95 % intervals over this axis.', type: 'string' },
  where: {
    description: 'Conditions such as profile=uniform or loss<0.5.',
    anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
  },
  at: {
    description: 'The step at which series are read.',
    anyOf: [{ enum: ['last', 'best'] }, { type: 'number', minimum: 0 }],
  },
  title: { description: 'The title.', type: 'string' },
};

const SOURCE = { type: 'string', pattern: '^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$' };

const ENVIRONMENT_DESCRIBED: Named<Json> = {
  uv: { description: 'uv.lock; the environment is .venv beside it, or `venv`.', type: 'string' },
  venv: { description: 'The folder of the environment.', type: 'string' },
  lock: { description: 'Requirements with versions, for `venv`.', type: 'string' },
  conda: {
    description: 'environment.yml; the environment is known by its name, or `prefix`.',
    type: 'string',
  },
  prefix: { description: 'The folder of a Conda environment.', type: 'string' },
};

const STAGE_DESCRIBED: Named<Json> = {
  run: {
    description: 'A module whose default export is defineStage({ … }).',
    type: 'string',
  },
  matrix: {
    description:
      'Axes, each a list of values or a reference to one. There is a task for each combination.',
    type: 'object',
    properties: { include: { $ref: '#/$defs/points' }, exclude: { $ref: '#/$defs/points' } },
    additionalProperties: { anyOf: [{ type: 'array' }, { $ref: '#/$defs/reference' }] },
  },
  inputs: {
    description: 'Outputs of other stages (stage.output) or project files, by input.',
    type: 'object',
    additionalProperties: { $ref: '#/$defs/input' },
  },
  params: {
    description: 'Params of the stage; $name refers to params, or to an axis of the stage.',
    type: 'object',
  },
  artifacts: {
    description: 'Outputs to write as files: a path in artifacts/STAGE/, by output.',
    type: 'object',
    additionalProperties: { type: 'string' },
  },
  infeasible: {
    description: 'Skips infeasible tasks, and tasks that need them; otherwise they are errors.',
    const: 'skip',
  },
  command: {
    description:
      'A program instead of a module: a list of arguments, with {params.x}, {inputs.x}, {outputs.x}.',
    type: 'array',
    minItems: 1,
    items: { type: ['string', 'number', 'boolean'] },
  },
  outputs: {
    description: 'Files that the command writes, by output.',
    type: 'object',
    additionalProperties: { anyOf: [{ type: 'string' }, { $ref: '#/$defs/output' }] },
  },
  env: {
    description: 'Environment variables of the command: names to pass on, or values.',
    type: ['array', 'object'],
  },
  fingerprint: {
    description: 'One or more commands that print the version of a tool, for the key.',
    type: 'array',
  },
  checkpoint: {
    description: 'Gives the command a folder, $PIPELINE_CHECKPOINT, that survives stops and kills.',
    anyOf: [{ type: 'boolean' }, { $ref: '#/$defs/checkpoint' }],
  },
  events: {
    description: 'The command can report progress and metrics as JSON lines in $PIPELINE_EVENTS.',
    type: 'boolean',
  },
  'params-schema': {
    description: 'A file of the project with a JSON Schema of all params of the command.',
    type: 'string',
  },
  typed: {
    description: 'params.json keeps floats as floats, and index.json of lists the values of axes.',
    type: 'boolean',
  },
  code: {
    description:
      'python: the script and the modules that it imports are inputs, by their code; files: what inputs name.',
    enum: [...SOURCE_COUNTINGS],
  },
  environment: {
    description: 'The Python environment of the command, and its lock file.',
    ...closed(ENVIRONMENT_KEYS, ENVIRONMENT_DESCRIBED),
  },
  'shared-home': {
    description: 'A home folder that tasks share, for downloads: true, or a name.',
    anyOf: [{ type: 'boolean' }, { type: 'string', pattern: '^[A-Za-z0-9][\\w.-]{0,63}$' }],
  },
  pass: {
    description: 'Environment variables that are passed on; their values are not part of the key.',
    type: 'array',
    items: { type: 'string' },
  },
  'task-file': {
    description: '$PIPELINE_TASK_FILE names a file with the paths of inputs and outputs.',
    type: 'boolean',
  },
};

const DURATION = {
  anyOf: [
    { type: 'number', exclusiveMinimum: 0 },
    { type: 'string', pattern: DURATION_PATTERN.source },
  ],
};

const RETRIES_DESCRIBED: Named<Json> = {
  times: { description: 'The number of retries.', type: 'integer', minimum: 0 },
  delay: { description: 'The pause before the first retry; it doubles each time.', ...DURATION },
  on: {
    description: 'Retry only after failures with these causes.',
    anyOf: [{ enum: RETRY_CAUSES }, { type: 'array', minItems: 1, items: { enum: RETRY_CAUSES } }],
  },
};

const ON = { type: 'string', pattern: ON_PATTERN.source };

const POLICY_DESCRIBED: Named<Json> = {
  resources: {
    description:
      'How much of each resource a task uses while it runs. `cpus`, `memory` (4GiB) and `gpu` have a meaning.',
    $ref: '#/$defs/amounts',
  },
  retries: {
    description: 'How often a failed task is retried.',
    anyOf: [{ type: 'integer', minimum: 0 }, { $ref: '#/$defs/retries' }],
  },
  timeout: { description: 'A task is stopped after this time, such as 10m.', ...DURATION },
  'allow-failure': {
    description: 'A failed task of this stage does not fail the run.',
    type: 'boolean',
  },
  on: {
    description:
      'Where tasks run (the first that can): local, EXECUTOR or EXECUTOR/CLASS; never part of a key.',
    anyOf: [ON, { type: 'array', minItems: 1, items: ON }],
  },
  needs: {
    description: 'What a task needs on a cluster node; never part of a key.',
    $ref: '#/$defs/needs',
  },
};

const WORDS = { type: 'array', items: { type: ['string', 'number'] } };
const MEMORY_SIZE = { type: 'string', pattern: SIZE_PATTERN.source };
const LINES_OF_SHELL = { anyOf: [{ type: 'string' }, WORDS] };
const COUNT = { type: 'integer', minimum: 1, maximum: 10_000 };

const JOB_CLASS_DESCRIBED: Named<Json> = {
  cpus: { description: 'Processors of a job.', ...COUNT },
  memory: { description: 'Memory of a job, such as 8GiB.', ...MEMORY_SIZE },
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

const growing = (amount: Named<Json>): Named<Json> => ({
  anyOf: [
    amount,
    { ...closed(GROWING_KEYS, { start: amount, limit: amount }), required: [...GROWING_KEYS] },
  ],
});

const NEEDS_DESCRIBED: Named<Json> = {
  cpus: { description: 'Processors.', ...AMOUNT },
  memory: {
    description: 'Memory; it doubles from start to limit when it was too little.',
    ...growing(MEMORY_SIZE),
  },
  time: {
    description: 'Time; it doubles from start to limit when it was too short.',
    ...growing(DURATION),
  },
  gpus: { description: 'GPUs.', type: 'number', minimum: 0 },
};

const SOURCES = { anyOf: [SOURCE, { type: 'array', minItems: 1, items: SOURCE }] };

const INPUT_DESCRIBED: Named<Json> = {
  from: { description: 'stage.output, or several of them.', ...SOURCES },
  where: { description: 'Labels on axes of the upstream stage.', type: 'object' },
  file: {
    description: 'A project file, or a glob; with `from`, the name in the scratch folder.',
    type: 'string',
  },
  outside: { description: 'The file may be outside the project.', type: 'boolean' },
  partial: {
    description: 'The command also runs when items of the list are missing.',
    type: 'boolean',
  },
};

const OUTPUT_DESCRIBED: Named<Json> = {
  file: {
    description: 'The name in the scratch folder; a folder ends with /.',
    type: 'string',
  },
  max: {
    description: 'The maximum size, such as 50GiB; not part of the key.',
    ...SIZE,
  },
  kind: {
    description: 'The kind of file; by default from the file extension.',
    enum: [...FILE_KINDS, METRICS_LOG],
  },
};

/** The JSON Schema (draft 2020-12) of pipeline.yaml. It says what a stage's own schema does not. */
export function pipelineSchema(): Named<Json> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'pipeline.yaml',
    ...closed(PIPELINE_KEYS, DESCRIBED),
    required: ['stages'],
    $defs: {
      store: closed(STORE_KEYS, STORE_DESCRIBED),
      remote: closed(REMOTE_KEYS, REMOTE_DESCRIBED),
      ...reportDefinitions(),
      plot: { ...closed(PLOT_KEYS, PLOT_DESCRIBED), required: ['stage'] },
      stage: closed([...STAGE_KEYS, ...POLICY_KEYS, ...COMMAND_KEYS], {
        ...STAGE_DESCRIBED,
        ...POLICY_DESCRIBED,
      }),
      amounts: {
        type: 'object',
        properties: { memory: { description: 'A size, such as 4GiB.', ...SIZE } },
        additionalProperties: AMOUNT,
      },
      totals: {
        type: 'object',
        properties: { memory: { description: 'A size, such as 4GiB.', ...SIZE } },
        additionalProperties: {
          anyOf: [AMOUNT, { type: 'array', minItems: 1, items: { type: ['string', 'number'] } }],
        },
      },
      executor: {
        ...closed(EXECUTOR_KEYS, EXECUTOR_DESCRIBED),
        required: ['type', 'depot', 'classes'],
      },
      class: closed(JOB_CLASS_KEYS, JOB_CLASS_DESCRIBED),
      needs: closed(NEEDS_KEYS, NEEDS_DESCRIBED),
      retries: { ...closed(RETRIES_KEYS, RETRIES_DESCRIBED), required: ['times'] },
      reference: { type: 'string', pattern: '^\\$[^$]' },
      points: { type: 'array', items: { type: 'object' } },
      input: {
        anyOf: [
          SOURCE,
          { type: 'array', minItems: 1, items: SOURCE },
          {
            ...closed(INPUT_KEYS, INPUT_DESCRIBED),
            anyOf: [{ required: ['from'] }, { required: ['file'] }],
          },
        ],
      },
      output: closed(OUTPUT_KEYS, OUTPUT_DESCRIBED),
      checkpoint: closed(CHECKPOINT_KEYS, {
        grace: {
          description: 'The time to save after the signal.',
          ...DURATION,
        },
        signal: {
          description: 'The signal that stops the program.',
          enum: STOP_SIGNALS.flatMap((name) => [name, `SIG${name}`]),
        },
      }),
    },
  };
}
