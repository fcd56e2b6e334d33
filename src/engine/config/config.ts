// config.ts — pipeline.yaml, presets and overrides → Pipeline, or everything that is wrong with them

import { sizeIn } from '../files/size.ts';
import { STORE_ACCESSES, type StoreAccess } from '../files/store-access.ts';
import {
  type Diagnostic,
  failure,
  inReadingOrder,
  type Place,
  type Result,
  success,
} from '../model/event.ts';
import { DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { type ExecutorConfig, readDeclaredExecutors } from './executors.ts';
import { checkConnections } from './graph-validation.ts';
import { type Located, locatedMap, type Placed } from './located.ts';
import { countPoints } from './matrix.ts';
import { type PipelineSource, readParams } from './params.ts';
import { type PlotConfig, readPlots } from './plots.ts';
import { type RemoteConfig, readRemote } from './remote.ts';
import { checkResources, readTotals, type Total } from './resources.ts';
import { readStages, type StageConfig } from './stage-config.ts';
import { parseYaml } from './yaml.ts';

/** Everything that pipeline.yaml says, with presets and overrides laid over it. */
export interface Pipeline {
  readonly params: Located;
  /** What was laid over the params beyond presets, as values of `--set`: files of `--params` are told so, too. */
  readonly overrides: readonly string[];
  readonly stages: ReadonlyMap<string, StageConfig>;
  readonly mirrors: readonly Placed<string>[];
  /** How much there is of each named resource that the pipeline tells of. */
  readonly resources: ReadonlyMap<string, Total>;
  /** A make keeps the store within so many bytes, if it can. Undefined where the pipeline does not say. */
  readonly storeLimit: Placed<number> | undefined;
  /** Who may use a store that is made now; undefined where nothing is said, which means its owner. */
  readonly storeAccess?: StoreAccess | undefined;
  /** Whose results count beside one's own. */
  readonly remote: RemoteConfig;
  /** Clusters that the study names. */
  readonly executors?: ReadonlyMap<string, ExecutorConfig>;
  /** Plots that the study names. */
  readonly plots: readonly PlotConfig[];
  /** A report as it is written: `pipeline/report.ts` makes a stage of it. */
  readonly report: Located | undefined;
  /** What other readers of YAML would take for something else. */
  readonly warnings: readonly Diagnostic[];
}

/** The keys of a pipeline file. */
export const PIPELINE_KEYS = [
  'params',
  'presets',
  'stages',
  'mirrors',
  'resources',
  'store',
  'remote',
  'executors',
  'plots',
  'report',
];
/** Settings that only settings files may have (docs/settings.md). */
export const PERSONAL_SETTINGS = ['jobs', 'browser', 'load-timeout', 'on-finish'];
/** The keys of `store`. */
export const STORE_KEYS = ['limit', 'access'];
/** A pipeline as far as it can be read, and what is wrong with it. */
export interface PipelineParts {
  /** Without the stages that cannot be read. */
  readonly pipeline: Pipeline;
  /** In reading order. */
  readonly problems: readonly Diagnostic[];
  /** Where each stage is written, those with mistakes too. */
  readonly stages: ReadonlyMap<string, Place>;
  /** Names of plots, those with mistakes too. */
  readonly plotNames: readonly string[];
}

/** Reads a pipeline, or gives every diagnostic at once. */
export function readPipeline(source: PipelineSource): Result<Pipeline> {
  const parts = readPipelineParts(source);
  if (!parts.ok) return parts;
  const { pipeline, problems } = parts.value;
  return problems.length > 0 ? failure(...problems) : success(pipeline);
}

/** Reads of a pipeline what can be read; nothing where it is not even a map. */
export function readPipelineParts(source: PipelineSource): Result<PipelineParts> {
  const reader = new DiagnosticCollector();
  const root = parseYaml(source.text, source.file, ({ diagnostic }) => {
    reader.warnings.push(diagnostic);
  });
  if (!root.ok) return root;
  const fields = reader.map(withoutSettings(reader, root.value), 'a pipeline', PIPELINE_KEYS);
  if (fields === undefined) return failure(...reader.problems);
  const { params, overrides } = readParams(reader, fields, source);
  const stages = fields.get('stages');
  if (stages === undefined) {
    reader.report(
      'there are no `stages`',
      root.value.place,
      'add `stages:` with at least one stage',
    );
  }
  const read = stages ? readStages(reader, stages, params) : new Map<string, StageConfig>();
  checkConnections(reader, read, [...(stages?.fields?.keys() ?? [])]);
  checkSizes(reader, read);
  const mirrors = readMirrors(reader, fields.get('mirrors'));
  const resources = readTotals(reader, fields.get('resources'));
  checkResources(reader, read, resources);
  const storeLimit = readStoreLimit(reader, fields.get('store'));
  const storeAccess = readStoreAccess(reader, fields.get('store'));
  const remote = readRemote(reader, fields.get('remote'));
  const executors = readDeclaredExecutors(reader, fields.get('executors'));
  const plots = readPlots(reader, fields.get('plots'), read, [...(stages?.fields?.keys() ?? [])]);
  const places = [...(stages?.fields ?? [])].map(([name, { place, named }]) => {
    return [name, { ...place, start: named?.start ?? place.start }] as const;
  });
  return success({
    pipeline: {
      params,
      overrides,
      stages: read,
      mirrors,
      resources,
      storeLimit,
      storeAccess,
      remote,
      executors,
      plots,
      report: fields.get('report'),
      warnings: reader.warnings,
    },
    problems: inReadingOrder(reader.problems),
    stages: new Map(places),
    plotNames: [...(fields.get('plots')?.fields?.keys() ?? [])],
  });
}

/** Refuses what is a setting of a person or a place, and leaves it out. */
function withoutSettings(reader: DiagnosticCollector, root: Located): Located {
  const own = PERSONAL_SETTINGS.filter((name) => root.fields?.has(name));
  if (own.length === 0) return root;
  const fields = new Map(root.fields);
  for (const name of own) {
    const { named, place } = fields.get(name) ?? root;
    const message = `\`${name}\` belongs to a person or a site, not to a study`;
    const hint =
      'write it into ~/.config/pipeline/config.yaml; `pipeline config` shows what is set';
    reader.report(message, named ?? place, hint);
    fields.delete(name);
  }
  return locatedMap(fields, root);
}

/** More tasks than this cannot be planned on any machine that is at hand. */
const TASKS_MAX = 1_000_000n;

/** Refuses matrices of too many tasks before anything is made of them. */
function checkSizes(reader: DiagnosticCollector, stages: ReadonlyMap<string, StageConfig>): void {
  const counted = [...stages.values()].map((stage) => ({ stage, tasks: countPoints(stage) }));
  const hint = 'shorten an axis, or remove points with `exclude`';
  const most = `a pipeline may have ${grouped(TASKS_MAX)}`;
  const large = counted.filter(({ tasks }) => tasks > TASKS_MAX);
  for (const { stage, tasks } of large) {
    const message = `the matrix of stage \`${stage.name}\` has ${grouped(tasks)} tasks: ${most}`;
    reader.report(message, stage.place, hint);
  }
  const total = counted.reduce((sum, { tasks }) => sum + tasks, 0n);
  if (large.length > 0 || total <= TASKS_MAX) return;
  const largest = counted.reduce((a, b) => (b.tasks > a.tasks ? b : a));
  const share = `\`${largest.stage.name}\` has ${grouped(largest.tasks)} of them`;
  const message = `the stages have ${grouped(total)} tasks together (${share}): ${most}`;
  reader.report(message, largest.stage.place, hint);
}

const grouped = (count: bigint): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

function readMirrors(
  reader: DiagnosticCollector,
  located: Located | undefined,
): readonly Placed<string>[] {
  if (located === undefined) return [];
  if (located.items === undefined) {
    const hint = 'mirrors: [DIR or URL, …]';
    reader.report(`\`mirrors\` must be a list, not ${kindOf(located)}`, located.place, hint);
  }
  return (located.items ?? []).flatMap((item) => {
    const value = reader.text(item, 'a mirror');
    return value === undefined ? [] : [{ value, place: item.place }];
  });
}

/** `store: { access: group }`. Undefined where it says nothing of it, or what it says is wrong. */
function readStoreAccess(
  reader: DiagnosticCollector,
  located: Located | undefined,
): StoreAccess | undefined {
  const access = located?.fields?.get('access');
  const known = STORE_ACCESSES.find((one) => one === access?.value);
  if (access === undefined || known !== undefined) return known;
  const hint = `store: { access: ${STORE_ACCESSES.join(' | ')} }`;
  reader.report('`access` of `store` must say who may use it', access.place, hint);
  return undefined;
}

/** `store: { limit: 20GB }`, in bytes. Undefined where it says nothing of it, or what it says is wrong. */
export function readStoreLimit(
  reader: DiagnosticCollector,
  located: Located | undefined,
): Placed<number> | undefined {
  const fields = located && reader.map(located, '`store`', STORE_KEYS);
  const limit = fields?.get('limit');
  if (limit === undefined) return undefined;
  const bytes = sizeIn(limit.value);
  if (bytes !== undefined) return { value: bytes, place: limit.place };
  const hint = 'store: { limit: 20GB }';
  reader.report('`limit` of `store` must be a size', limit.place, hint);
  return undefined;
}
