// session.ts — what every command begins with: the folder, the plan, the store, and the ways to end
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspections } from 'pipeline:inspections';
import { useStoreFolder } from '../../engine/files/store-access.ts';
import type { Diagnostic } from '../../engine/model/event.ts';
import type { TaskId } from '../../engine/model/key.ts';
import { LIMIT_VARIABLE } from '../../engine/modules/stage-host.ts';
import { meaningOf } from '../../engine/pipeline/meaning.ts';
import { type Loaded, loadPipeline, readPipelineFile } from '../../engine/planning/load.ts';
import { type Plan, restsOnFiles } from '../../engine/planning/plan.ts';
import type { KnownCosts } from '../../engine/rebuilder/estimate.ts';
import { type Forecasts, forecastKnowing } from '../../engine/rebuilder/forecast.ts';
import {
  type KnownRecords,
  knownRecords,
  NOTHING_KNOWN,
  type ReadRecords,
  readRecords,
} from '../../engine/rebuilder/known-records.ts';
import { emptyStore } from '../../engine/store/empty-store.ts';
import { damagedStore } from '../../engine/store/lmdb/lmdb-error.ts';
import { isNetworkFolder, loadLmdbAhead } from '../../engine/store/lmdb/lmdb-root.ts';
import { hasStore, openStore } from '../../engine/store/lmdb/lmdb-store.ts';
import { mayOpenStore, openStoreReadOnly } from '../../engine/store/lmdb/read-only-store.ts';
import type { DamageKind } from '../../engine/store/lmdb/record-table.ts';
import { dropOpenings, openingsOf } from '../../engine/store/openings.ts';
import type { Store } from '../../engine/store/store.ts';
import { contentState, STORE_FILE } from '../../engine/store/store-state.ts';
import { storeTrusting } from '../../remote/trusting-store.ts';
import { loadTimeoutSetting } from '../settings/settings.ts';
import { ERASE_LINE } from '../terminal/ink.ts';
import { accessWarning, declaredAccess, isLoose, noteAccess } from './access-warning.ts';
import { type InspectionRecorder, recordInspection } from './inspection-shortcut.ts';
import { demand, ownSettings } from './own-settings.ts';
import { lookedAt, placesOf } from './places.ts';
import { hearPrinted, stderrColors, writeStderr } from './printing.ts';
import { probeStore } from './store-process.ts';
import { askedCommand, identity, PROGRAM } from './this-process.ts';
import { UsageError } from './usage-error.ts';

/** How a command ends: 0 made, 1 a task failed, 2 something the user can mend, 130 interrupted. */
export const EXIT = { success: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Options that every command takes. */
export interface CommonOptions {
  readonly directory: string;
  readonly file: string;
  readonly cache?: string;
  readonly preset: readonly string[];
  /** Files that are laid over the params. */
  readonly params: readonly string[];
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** The options that decide what the tasks are, as words of a command line. */
export const askedWords = ({ file, preset, params, set }: CommonOptions): readonly string[] => [
  ...(file === 'pipeline.yaml' ? [] : ['--file', file]),
  ...preset.flatMap((name) => ['--preset', name]),
  ...params.flatMap((path) => ['--params', path]),
  ...set.flatMap((one) => ['--set', one]),
];

/** A loaded pipeline and its store. */
export interface Session extends Loaded {
  readonly root: string;
  readonly cache: string;
  readonly store: Store;
}

/** `verify`: what is damaged in the store is dropped first. */
type InspectionOptions = CommonOptions & { readonly verify?: boolean };

/** A session of a command that only inspects. */
export interface Inspection extends Session {
  /** What is known of what tasks cost. */
  readonly costs: KnownCosts;
  /** What would become of the tasks of a plan. */
  foresee(plan: Plan, forced: ReadonlySet<TaskId>): Promise<Forecasts>;
}

/**
 * What is known of the records that a command will ask for. To be called before the store is opened; what it gives, when it
 * is. `PIPELINE_NO_HINTS=1` and `PIPELINE_LOG=debug` have the store asked about every task.
 */
export function knownBefore(options: InspectionOptions): RecordsAhead {
  const { file, preset: presets, params: paramsFiles, set: sets } = options;
  const { PIPELINE_NO_HINTS: off = '', PIPELINE_LOG: log } = process.env;
  const { cache } = placesOf(options);
  if (off !== '' || log === 'debug' || options.verify) {
    return { read: () => undefined, of: async () => NOTHING_KNOWN };
  }
  const found = contentState(cache);
  const state = found !== null && mayRepeat(cache) ? found : null;
  const request = { cache, state, file, presets, paramsFiles, sets };
  let known: { readonly records: ReadRecords | undefined } | undefined;
  const read = (): ReadRecords | undefined => {
    known ??= { records: readRecords(request) };
    return known.records;
  };
  return { read, of: (store) => knownRecords(request, store, read()) };
}

/** What is known of records, before the store is opened. */
interface RecordsAhead {
  /** Reads it, while there is nothing else to do. */
  read(): void;
  of(store: Store): Promise<KnownRecords>;
}

/**
 * Runs a command that only inspects, and keeps what it prints for the next time, unless that depends on more than files
 * and the store.
 */
export async function inspect(
  options: InspectionOptions,
  show: (session: Inspection) => Promise<void>,
  open: (ahead: Ahead) => Promise<Session> = (ahead) => openToLook(options, ahead),
): Promise<number> {
  const recorder = recordInspection(process.argv.slice(2), inspections);
  hearPrinted(recorder);
  const known = knownBefore(options);
  const read = await readFor(options);
  if (recorder && isRepeated(read, recorder)) return EXIT.success;
  const session = await open({ read, meanwhile: known.read });
  try {
    const records = await known.of(session.store);
    const foresee = (plan: Plan, forced: ReadonlySet<TaskId>): Promise<Forecasts> =>
      forecastKnowing(plan, session.store, forced, records);
    await show({ ...session, costs: records, foresee });
    records.keep();
  } finally {
    await session.store.close();
  }
  const { plan, pipeline, readsOutside, cache } = session;
  if (recorder && restsOnFiles(plan) && !readsOutside && mayRepeat(cache)) {
    recorder.keep({ ...session, meaning: meaningOf(pipeline), file: options.file });
  }
  return EXIT.success;
}

/** A pipeline file that was read, or what is wrong with it. */
type ReadFile = Awaited<ReturnType<typeof readPipelineFile>>;

/** What is there before a session is opened, and what may be done while stage modules are asked. */
export interface Ahead {
  readonly read?: ReadFile;
  readonly meanwhile?: () => void;
}

const readFor = (options: CommonOptions): Promise<ReadFile> => {
  const { file, preset: presets, params: paramsFiles, set: sets } = options;
  const { root } = placesOf(options);
  return readPipelineFile({ root, file, presets, paramsFiles, sets });
};

/** Whether a pipeline file was written anew and means what it meant: then what was printed is printed again. */
function isRepeated(read: ReadFile, { repeat }: InspectionRecorder): boolean {
  if (!read.ok || process.env.PIPELINE_LOG === 'debug') return false;
  const { parts, text } = read.value;
  const meaning = parts.problems.length > 0 ? undefined : meaningOf(parts.pipeline);
  return meaning !== undefined && repeat({ text, meaning });
}

/** Tells a person what keeps them waiting, for as long as it does; gives what ends it. */
function sayIfLong({ json }: CommonOptions, words: string): () => void {
  if (json || !process.stderr.isTTY) return () => undefined;
  let isSaid = false;
  const timer = setTimeout(() => {
    isSaid = true;
    process.stderr.write(stderrColors.dim(words));
  }, PATIENCE_MS);
  return () => {
    clearTimeout(timer);
    if (isSaid) process.stderr.write(ERASE_LINE);
  };
}

/** A command may be silent for so long. */
const PATIENCE_MS = 400;

/** A folder of this process alone, which goes when it ends. */
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-look-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What a command does with a plan: make it, or look at it. Looking needs no tools of the tasks. */
export type Purpose = 'make' | 'look';

/** Loads the pipeline. @throws UsageError */
export async function loadFor(
  options: CommonOptions,
  purpose: Purpose = 'make',
  { read, meanwhile }: Ahead = {},
): Promise<Loaded> {
  const { file, preset: presets, params: paramsFiles, set: sets } = options;
  const { value: limit_ms } = demand(loadTimeoutSetting(LIMIT_VARIABLE, ownSettings()));
  const limits = { limit_ms, parallel: availableParallelism(), program: PROGRAM };
  const looking = purpose === 'look';
  const around = { worker: askedCommand, environment: process.env, looking, newFolder, meanwhile };
  const places = { ...placesOf(options), file, ...around };
  const done = sayIfLong(options, 'bundling stages (done once) …');
  const asked = { presets, paramsFiles, sets, clock: Date.now };
  const loaded = await loadPipeline({ ...places, ...limits, ...asked }, read).finally(done);
  if (!loaded.ok) throw new UsageError(loaded.diagnostics);
  noteAccess(places.cache, loaded.value.pipeline.storeAccess);
  warnOfAccess(places.cache);
  return loaded.value;
}

/**
 * Opens the store of a folder. One who only reads makes none: where there is none, it is empty; one who may not write
 * reads without a lock.
 */
export function storeAt(cache: string, access: 'read' | 'write'): Store {
  if (access === 'read' && !hasStore(cache)) return emptyStore();
  const warning = stderrColors.yellow('warning');
  if (!hasStore(cache)) useStoreFolder(cache, STORE_FILE, declaredAccess(cache));
  const isOurs = access === 'write' || mayOpenStore(cache);
  if (isOurs) checkAfterDeath(cache);
  const store = isOurs
    ? openStore(cache, (name, kind) => tellDamage(name, kind, 'repaired'), identity)
    : openStoreReadOnly(cache, (name, kind) => tellDamage(name, kind, 'seen'), identity);
  if (access === 'write') store.history.settle();
  warnOfAccess(cache);
  if (isNetworkFolder(cache)) {
    writeStderr(
      `${warning}: ${cache} is on a network file system: its file locks cannot be relied on`,
    );
  }
  return store;
}

function warnOfAccess(cache: string): void {
  const message = accessWarning(cache);
  if (message !== undefined) writeStderr(`${stderrColors.yellow('warning')}: ${message}`);
}

/** Whether what a command found may be said again without another look at the store. */
export const mayRepeat = (cache: string): boolean => !isNetworkFolder(cache) && !isLoose(cache);
/** Warns of something in the store that is damaged: it counts as absent. */
function tellDamage(name: string, kind: DamageKind, what: 'repaired' | 'seen'): void {
  const warning = stderrColors.yellow('warning');
  const isDropped = kind === 'blob' || kind === 'checkpoint';
  if (isDropped && what === 'repaired') {
    writeStderr(`${warning}: ${kind} ${name} was damaged: dropped, to be made again`);
  } else if (isDropped) writeStderr(`${warning}: ${kind} ${name} is damaged`);
  else {
    const repair = '`pipeline fsck --repair` drops it';
    writeStderr(`${warning}: the ${kind} ${name} is damaged, and counts as absent: ${repair}`);
  }
}

/**
 * Looks at a store that a process had open which is dead: LMDB may have ended it, for the file is damaged, and would end us.
 * @throws StoreError when it is
 */
function checkAfterDeath(cache: string): void {
  const { dead } = openingsOf(cache, identity);
  if (dead.length === 0) return;
  const why = probeStore(cache);
  if (why !== undefined) throw damagedStore(cache, why);
  dropOpenings(dead);
}

/** Loads the pipeline to look at it, and opens its store, which need not be writable. @throws UsageError */
export async function openToLook(options: CommonOptions, ahead: Ahead = {}): Promise<Session> {
  const places = placesOf(options);
  const loaded = await loadFor(options, 'look', beforeStore(places.cache, 'read', ahead));
  return { ...loaded, ...places, store: trustedStore(loaded, storeAt(places.cache, 'read')) };
}

/** The store, and the plan if there is one: what was made can be shown without. */
export interface Remains {
  readonly store: Store;
  readonly plan: Plan | undefined;
  /** What is wrong with the pipeline, where there is no plan. */
  readonly problems: readonly Diagnostic[];
}

/** Opens the store of a pipeline to show what is in it, whether or not the pipeline can be loaded. */
export async function openToShow(options: CommonOptions): Promise<Remains> {
  const store = storeAt(placesOf(options).cache, 'read');
  try {
    const { plan } = await loadFor(options, 'look');
    return { store, plan, problems: [] };
  } catch (error) {
    if (error instanceof UsageError) return { store, plan: undefined, problems: error.diagnostics };
    await store.close();
    throw error;
  }
}

/** Loads the pipeline and opens its store. @throws UsageError */
export async function openSession(
  options: CommonOptions,
  access: 'read' | 'write' = 'read',
  ahead: Ahead = {},
): Promise<Session> {
  const places = placesOf(options);
  const loaded = await loadFor(options, 'make', beforeStore(places.cache, access, ahead));
  return { ...loaded, ...places, store: trustedStore(loaded, storeAt(places.cache, access)) };
}

/** Loads LMDB as well, where it will open the store. */
const beforeStore = (
  cache: string,
  access: 'read' | 'write',
  { meanwhile, ...ahead }: Ahead,
): Ahead => ({
  ...ahead,
  meanwhile() {
    const isThere = lookedAt(join(cache, STORE_FILE)) !== undefined && mayOpenStore(cache);
    if (access === 'write' || isThere) loadLmdbAhead();
    meanwhile?.();
  },
});

/** A store in which only those results of others count whom the pipeline trusts now. */
const trustedStore = ({ pipeline }: Loaded, store: Store): Store =>
  storeTrusting(store, pipeline.remote.trust, (by) => {
    const message = `results that ${by} made are not used: pipeline.yaml does not trust their key`;
    const hint = `\`pipeline invalidate --by ${by}\` drops them`;
    writeStderr(`${stderrColors.yellow('warning')}: ${message} (${hint})`);
  });

export { LIMIT_VARIABLE as LOAD_LIMIT_VARIABLE } from '../../engine/modules/stage-host.ts';
