// schema.ts — pipeline.yaml as a JSON Schema, for editors: written from the very keys that the reader knows

import { PIPELINE_KEYS, STORE_KEYS } from '../config/config.ts';
import { PLOT_KEYS, PLOT_KIND_NAMES } from '../config/plots.ts';
import { REMOTE_KEYS, REMOTE_NAME } from '../config/remote.ts';
import { STORE_ACCESSES } from '../files/store-access.ts';
import type { Json, Named } from '../model/key.ts';
import { executorDefinitions } from './executor-schema.ts';
import { reportDefinitions } from './report-schema.ts';
import { AMOUNT, closed, SIZE } from './schema-parts.ts';
import { stageDefinitions } from './stage-schema.ts';

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
      ...stageDefinitions(),
      totals: {
        type: 'object',
        properties: { memory: { description: 'A size, such as 4GiB.', ...SIZE } },
        additionalProperties: {
          anyOf: [AMOUNT, { type: 'array', minItems: 1, items: { type: ['string', 'number'] } }],
        },
      },
      ...executorDefinitions(),
    },
  };
}
