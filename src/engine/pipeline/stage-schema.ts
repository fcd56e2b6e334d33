// stage-schema.ts — a stage in the JSON Schema of pipeline.yaml
import { FILE_KINDS } from '../config/codecs.ts';
import { COMMAND_KEYS } from '../config/command.ts';
import { INPUT_KEYS } from '../config/input.ts';
import { GROWING_KEYS, NEEDS_KEYS, ON_PATTERN } from '../config/needs.ts';
import { METRICS_LOG, OUTPUT_KEYS } from '../config/outputs.ts';
import { POLICY_KEYS, RETRIES_KEYS, RETRY_CAUSES } from '../config/policy.ts';
import { ENVIRONMENT_KEYS } from '../config/program-environment.ts';
import { CHECKPOINT_KEYS, SOURCE_COUNTINGS, STOP_SIGNALS } from '../config/program-options.ts';
import { STAGE_KEYS } from '../config/stage-config.ts';
import type { Json, Named } from '../model/key.ts';
import { AMOUNT, closed, DURATION, SIZE, SIZE_TEXT } from './schema-parts.ts';

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
    ...growing(SIZE_TEXT),
  },
  time: {
    description: 'Time; it doubles from start to limit when it was too short.',
    ...growing(DURATION),
  },
  gpus: { description: 'GPUs.', type: 'number', minimum: 0 },
};

const SOURCE = { type: 'string', pattern: '^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$' };

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

const CHECKPOINT_DESCRIBED: Named<Json> = {
  grace: { description: 'The time to save after the signal.', ...DURATION },
  signal: {
    description: 'The signal that stops the program.',
    enum: STOP_SIGNALS.flatMap((name) => [name, `SIG${name}`]),
  },
};

/** What a stage is made up of. */
export const stageDefinitions = (): Named<Json> => ({
  stage: closed([...STAGE_KEYS, ...POLICY_KEYS, ...COMMAND_KEYS], {
    ...STAGE_DESCRIBED,
    ...POLICY_DESCRIBED,
  }),
  amounts: {
    type: 'object',
    properties: { memory: { description: 'A size, such as 4GiB.', ...SIZE } },
    additionalProperties: AMOUNT,
  },
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
  checkpoint: closed(CHECKPOINT_KEYS, CHECKPOINT_DESCRIBED),
});
