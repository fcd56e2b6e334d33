// load.ts — from a folder with a pipeline.yaml to a plan, or everything that is wrong on the way

import { existsSync, type Stats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { elementAt, entryOf } from '../../present.ts';
import type { Bundles, BundleTerms, ModuleRequest, Sources, StageCode } from '../bundler/code.ts';
import { bundleAnywhere } from '../bundler/spare-bundles.ts';
import { type Pipeline, type PipelineParts, readPipelineParts } from '../config/config.ts';
import { DiagnosticCollector } from '../config/diagnostic-collector.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { EnvironmentMark } from '../files/environment-mark.ts';
import { type Stamp, stampOf } from '../files/stamp.ts';
import { useStoreFolder } from '../files/store-access.ts';
import { formatSystem, isSystemError, systemHint } from '../files/system-error.ts';
import { debug } from '../model/debug-log.ts';
import { type Diagnostic, failure, type Result, success } from '../model/event.ts';
import { type Digest, digestOf } from '../model/key.ts';
import { type ClientOptions, StageClient } from '../modules/stage-client.ts';
import { Mistakes } from '../pipeline/problems.ts';
import { connectReport, REPORT_MODULE, REPORT_STAGE, withReport } from '../pipeline/report.ts';
import { STORE_FILE } from '../store/store-state.ts';
import { decodeSource } from '../text/source-text.ts';
import type { StageModule } from '../worker/declaration.ts';
import { commandModule } from './command-module.ts';
import { type ResolvedPlan, resolveExternalInputs } from './external-inputs.ts';
import { readParamsFiles } from './params-files.ts';
import { schemasOf } from './params-schema.ts';
import type { Plan } from './plan.ts';
import { makePlan } from './planner.ts';
import { withTools } from './tools.ts';

/** What to load. */
export interface LoadOptions extends ClientOptions {
  /** Name of the pipeline file within `root`. */
  readonly file: string;
  readonly presets: readonly string[];
  /** Files of `--params`, relative to the working directory. */
  readonly paramsFiles: readonly string[];
  readonly sets: readonly string[];
  readonly clock: () => number;
  /** Whether the plan is only looked at, and not made: what cannot be told of a task leaves it unknown. */
  readonly looking?: boolean;
  /** What may be done while stage modules are bundled or asked, when there is nothing to do here. */
  readonly meanwhile?: (() => void) | undefined;
  /** Makes an empty folder that goes when the process ends: for bundles, where the cache cannot be written. */
  readonly newFolder: () => string;
}

/** A pipeline that is ready to be made. */
export interface Loaded {
  readonly pipeline: Pipeline;
  readonly plan: Plan;
  /** Of the pipeline file, as it was read. */
  readonly text: Digest;
  /** What the files of `--params` looked like when they were read, by absolute path. */
  readonly paramsFiles: ReadonlyMap<string, Stamp | null>;
  /** What the stages' bundles were made from. */
  readonly sources: Sources;
  /** Whether a stage module looked at more than its bundle when it was planned, such as files or a clock. */
  readonly readsOutside: boolean;
  /** The variables of the environment that stage modules looked at. */
  readonly environment: readonly EnvironmentMark[];
}

/** A pipeline file that was read, before anything is bundled. */
export interface ReadPipeline extends Pick<Loaded, 'text' | 'paramsFiles'> {
  readonly parts: PipelineParts;
}

/** What a pipeline file is read by. */
export type ReadOptions = Pick<LoadOptions, 'root' | 'file' | 'presets' | 'paramsFiles' | 'sets'>;

/** Reads the pipeline file with what is laid over it. Parts of it may be wrong. */
export async function readPipelineFile(options: ReadOptions): Promise<Result<ReadPipeline>> {
  const { root, file, presets, sets } = options;
  const unfit = unfitFile(resolve(root, file), file);
  if (unfit !== undefined) return failure(unfit);
  const bytes = await readFile(resolve(root, file)).catch((error: unknown) => {
    if (isSystemError(error)) return error;
    throw error;
  });
  if (bytes instanceof Error) return failure(unreadable(bytes, root, file));
  const text = decodeSource(bytes, file);
  if (!text.ok) return text;
  const given = readParamsFiles(options.paramsFiles);
  if (!given.ok) return given;
  const { files: paramsFiles, stamps } = given.value;
  const parts = readPipelineParts({ text: text.value, file, presets, paramsFiles, sets });
  if (!parts.ok) return parts;
  return success({
    parts: withReport(parts.value),
    text: digestOf(bytes),
    paramsFiles: stamps,
  });
}

/**
 * Reads, bundles and plans. What is wrong is told all together: a stage with a mistake does not keep others from being
 * judged, as far as they do not need it.
 * @param given the pipeline file, where it was read before
 */
export async function loadPipeline(
  options: LoadOptions,
  given?: Result<ReadPipeline>,
): Promise<Result<Loaded>> {
  const { file } = options;
  const read = given ?? (await readPipelineFile(options));
  if (!read.ok) return read;
  const { parts, text, paramsFiles } = read.value;
  const { pipeline } = parts;
  useStoreFolder(options.cache, STORE_FILE, pipeline.storeAccess);
  const client = new StageClient(options, options.meanwhile);
  try {
    const mistakes = new Mistakes(pipeline, parts);
    debug?.('plan', `${file}: ${pipeline.stages.size} stages read`);
    const { stages, sources, schemaFiles } = await loadModules(pipeline, options, client, mistakes);
    debug?.('plan', `${stages.size} stage modules loaded, ${sources.files.size} source files`);
    connect(pipeline, stages, mistakes);
    const plan = await planSoundStages(stages, options, client, mistakes);
    if (plan === undefined || mistakes.all.length > 0) return failure(...mistakes.all);
    debug?.('plan', `${plan.tasks.size} tasks planned`);
    const { readsOutside, environment } = client;
    const { warnings = [], lookups = new Map(), ...planned } = plan;
    const rests = { ...sources, lookups: new Map([...sources.lookups, ...lookups]) };
    const files = new Map([...paramsFiles, ...schemaFiles]);
    const seen = { text, sources: rests, environment, readsOutside, paramsFiles: files };
    const told = { ...mistakes.pipeline, warnings: [...pipeline.warnings, ...warnings] };
    return success({ pipeline: told, plan: planned, ...seen });
  } finally {
    await client.close();
  }
}

/** Connects the report with outputs of stages that it names without one. */
function connect(
  { stages }: Pipeline,
  modules: ReadonlyMap<string, StageModule>,
  mistakes: Mistakes,
): void {
  const report = stages.get(REPORT_STAGE);
  if (report?.run !== REPORT_MODULE) return;
  const reader = new DiagnosticCollector();
  const connected = connectReport(reader, report, (name) => {
    const outputs = modules.get(name)?.declaration.outputs;
    if (outputs === undefined) return undefined;
    return Object.keys(outputs).filter((output) => entryOf(outputs, output).kind === 'json');
  });
  mistakes.add(reader.problems);
  mistakes.replace(connected);
}

/** Plans the stages in which nothing is wrong yet. Undefined when there are none, or when one of them has mistakes. */
async function planSoundStages(
  modules: ReadonlyMap<string, StageModule>,
  options: LoadOptions,
  client: StageClient,
  mistakes: Mistakes,
): Promise<ResolvedPlan | undefined> {
  const made = await makePlan(mistakes.sound(), modules, client);
  if (!made.ok) mistakes.add(made.diagnostics);
  // What is left once more, to look at what it takes from outside.
  const rest = made.ok ? made : await makePlan(mistakes.sound(), modules, client);
  if (!rest.ok) return undefined;
  const tooled = await withTools(rest.value, client, options.looking === true);
  if (!tooled.ok) mistakes.add(tooled.diagnostics);
  const found = tooled.ok ? tooled.value : rest.value;
  const plan = await resolveExternalInputs(found, mistakes.sound().stages, options);
  if (!plan.ok) mistakes.add(plan.diagnostics);
  return plan.ok ? plan.value : undefined;
}

/** A pipeline file beyond this size was not written by a person, and would take minutes to read. */
const PIPELINE_BYTES_MAX = 64 * 2 ** 20;

/** What keeps something that is there from being a pipeline file. */
function unfitFile(path: string, file: string): Diagnostic | undefined {
  let found: Stats;
  try {
    found = statSync(path);
  } catch {
    return undefined; // Told when it is read.
  }
  if (found.isDirectory()) return undefined;
  if (!found.isFile()) return { message: `${file} is not a file but a device or a pipe` };
  if (found.size <= PIPELINE_BYTES_MAX) return undefined;
  const most = `a pipeline file may have ${PIPELINE_BYTES_MAX}`;
  return { message: `${file} has ${found.size} bytes: ${most}` };
}

/** Why the pipeline file cannot be read. */
function unreadable(error: NodeJS.ErrnoException, root: string, file: string): Diagnostic {
  const hint = 'run this in the folder of a pipeline, or name it with -C DIR';
  const folder = stampOf(root);
  if (!existsSync(root)) return { message: `there is no folder ${root}`, hint };
  if (folder !== null) return { message: `${root} is a file and not a folder`, hint };
  if (error.code === 'ENOENT') return { message: `there is no ${file} in ${root}`, hint };
  return { message: `${file} cannot be read: ${formatSystem(error)}`, hint: systemHint(error) };
}

/** The modules of all stages whose mistakes, if they have some, are not in their code. */
async function loadModules(
  { stages }: Pipeline,
  options: LoadOptions,
  client: StageClient,
  mistakes: Mistakes,
): Promise<{
  stages: ReadonlyMap<string, StageModule>;
  sources: Sources;
  /** What schemas of params looked like when they were read, by absolute path. */
  schemaFiles: ReadonlyMap<string, Stamp | null>;
}> {
  const schemaFiles = new Map<string, Stamp | null>();
  const bundled = [...stages.values()].filter(({ command, run }) => command === null && run !== '');
  const all = new Set(bundled.map(({ run }) => run)).size;
  const hooks = {
    onStale: (count: number): void => client.prepare(count, all),
    onWait: (): void => client.whileWaiting(),
  };
  const { codes, sources } = await bundlesOf(bundled, { ...options, ...hooks }, mistakes);
  const modules = new Map<string, StageModule>();
  const declared = [...stages.values()].map(async (stage) => {
    if (stage.command) {
      const schemas = schemasOf(stage, options.root, schemaFiles);
      return schemas.ok
        ? success(commandModule(stage, stage.command, stages, schemas.value))
        : schemas;
    }
    const code = codes.get(stage.run);
    return code && (await client.declaration(code, requestOf(stage)));
  });
  const asked = [...stages.values()];
  for (const [at, module] of (await Promise.all(declared)).entries()) {
    const stage = elementAt(asked, at);
    if (module?.ok) modules.set(stage.name, module.value);
    else mistakes.add(module?.diagnostics ?? [], stage);
  }
  return { stages: modules, sources, schemaFiles };
}

const requestOf = ({ run, runPlace }: StageConfig): ModuleRequest => ({ run, place: runPlace });

/** Bundles stages; where one cannot be, each by itself, so that the others can be judged. */
async function bundlesOf(
  stages: readonly StageConfig[],
  {
    root,
    cache,
    clock,
    newFolder,
    environment,
    onStale,
    onWait,
  }: LoadOptions & Pick<BundleTerms, 'onStale' | 'onWait'>,
  mistakes: Mistakes,
): Promise<Bundles> {
  const { ESBUILD_BINARY_PATH: esbuild } = environment;
  const around = { clock, esbuild, newFolder };
  const together = await bundleAnywhere(root, cache, stages.map(requestOf), {
    ...around,
    onStale,
    onWait,
  });
  if (together.ok) return together.value;
  const codes = new Map<string, StageCode>();
  const distinct = new Map(stages.map((stage) => [stage.run, stage]));
  for (const stage of distinct.values()) {
    const alone = await bundleAnywhere(root, cache, [requestOf(stage)], around);
    if (alone.ok) for (const [run, code] of alone.value.codes) codes.set(run, code);
    else mistakes.add(alone.diagnostics, stage);
  }
  for (const stage of stages) if (!codes.has(stage.run)) mistakes.spoil(stage.name);
  return { codes, sources: { files: new Map(), lookups: new Map(), isWhole: false } };
}
