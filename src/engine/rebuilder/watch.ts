// watch.ts — which files a pipeline rests on, and what happens to them
import { once } from 'node:events';
import { existsSync, watch as watchFolder } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { type ChokidarOptions, type FSWatcher, watch } from 'chokidar';
import type { Sources } from '../bundler/code.ts';
import { rememberedSources } from '../bundler/code.ts';
import type { Pipeline } from '../config/config.ts';
import { isGlob, unescapeGlob } from '../files/glob.ts';
import { Folders, isWithin } from '../files/lookups.ts';
import { isSourceName, type Stamp, sameStamp, stampOf } from '../files/stamp.ts';
import type { Diagnostic } from '../model/event.ts';
import { canonicalJson, type Digest, digestOf, type Json, type Key } from '../model/key.ts';
import type { Loaded } from '../planning/load.ts';
import type { Plan, Task } from '../planning/plan.ts';
import type { Store } from '../store/store.ts';
import { forecast } from './forecast.ts';

/** Where a pipeline is. */
export interface WatchedPlace {
  readonly root: string;
  /** Name of the pipeline file within `root`. */
  readonly file: string;
  /** Files of `--params`, absolute. */
  readonly paramsFiles: readonly string[];
  readonly cache: string;
  /** Folder for artifacts: what is written there is our own doing. */
  readonly artifacts: string;
}

/** What to watch. All paths are absolute. */
export interface Watchlist {
  /** Files that decide something, and what they looked like; undefined when nobody looked. */
  readonly files: ReadonlyMap<string, Stamp | null | undefined>;
  /** Names that decide which files imports mean, by folder, and what was found there. */
  readonly lookups: Sources['lookups'];
  /** Folders in which new files may fit a pattern, at any depth. */
  readonly trees: ReadonlySet<string>;
}

/** What a pipeline rests on that could be loaded. */
export function watchlistOf(
  { root, file }: WatchedPlace,
  { pipeline, plan, sources, paramsFiles }: Loaded,
): Watchlist {
  const files = new Map<string, Stamp | null | undefined>([...sources.files, ...paramsFiles]);
  for (const task of plan.tasks.values()) {
    for (const binding of Object.values(task.inputs)) {
      for (const { path, stamp } of binding.files ?? []) files.set(path, stamp);
    }
    for (const { path, stamp } of task.command?.environment?.files ?? []) files.set(path, stamp);
  }
  files.set(join(root, file), undefined);
  const { named, trees } = patternsOf(root, pipeline);
  for (const path of named) if (!files.has(path)) files.set(path, undefined);
  return { files, lookups: sources.lookups, trees };
}

/**
 * What may mend a pipeline that could not be loaded: what it rested on before, and whatever is known of what it would.
 * @param pipeline undefined when the pipeline file itself cannot be read
 */
export async function watchlistOfBroken(
  { root, file, paramsFiles, cache }: WatchedPlace,
  pipeline: Pipeline | undefined,
  diagnostics: readonly Diagnostic[],
  before: Watchlist | undefined,
): Promise<Watchlist> {
  const files = new Set([join(root, file), ...paramsFiles, ...(before?.files.keys() ?? [])]);
  for (const { place } of diagnostics) if (place) files.add(resolve(root, place.file));
  const { named, trees } = pipeline
    ? patternsOf(root, pipeline)
    : { named: [], trees: before?.trees ?? [] };
  for (const path of named) files.add(path);
  const runs = [...(pipeline?.stages.values() ?? [])].flatMap(({ command, run }) =>
    command === null ? [run] : [],
  );
  for (const run of runs) files.add(resolve(root, run));
  const remembered = await rememberedSources(root, cache, runs);
  for (const path of remembered.files.keys()) files.add(path);
  return {
    files: new Map([...files].map((path) => [path, undefined])),
    lookups: new Map([...(before?.lookups ?? []), ...remembered.lookups]),
    trees: new Set(trees),
  };
}

/** Files that inputs name, and folders in which patterns look. */
function patternsOf(
  root: string,
  { stages }: Pipeline,
): { readonly named: readonly string[]; readonly trees: ReadonlySet<string> } {
  const named: string[] = [];
  const trees = new Set<string>();
  for (const { inputs, command } of stages.values()) {
    const environment = command?.environment;
    // An environment that is made anew has this file anew.
    if (environment?.folder) named.push(resolve(root, environment.folder, 'pyvenv.cfg'));
    if (environment) named.push(resolve(root, environment.lock));
    for (const { files } of inputs.values()) {
      if (files === null) continue;
      if (!isGlob(files.pattern)) named.push(resolve(root, unescapeGlob(files.pattern)));
      else {
        // `{axis}` counts as a wildcard, too: what is before the first is the same for every task.
        const steps = files.pattern.split('/');
        const fixed = steps.slice(0, steps.findIndex(isGlob)).map(unescapeGlob);
        trees.add(resolve(root, fixed.join('/') || (files.pattern.startsWith('/') ? '/' : '.')));
      }
    }
  }
  return { named, trees };
}

/** Whether anything is no longer what it was when the list was made. */
export function isOutdated({ files, lookups }: Watchlist): boolean {
  const folders = new Folders();
  return (
    [...files].some(([path, stamp]) => stamp !== undefined && !sameStamp(stamp, stampOf(path))) ||
    [...lookups].some(([folder, names]) =>
      [...names].some(([name, found]) => folders.found(folder, name) !== found),
    )
  );
}

/** Everything that decides what a make of a plan would do, beside the store. */
export function planPrint({ tasks, stages }: Plan): Digest {
  const printed = ({ inputs, stage, ...task }: Task): Json => {
    const bound = Object.entries(inputs).map(([port, { arity, links, files }]) => [
      port,
      [arity, links, files?.map(({ name, digest }) => [name, digest]) ?? null],
    ]);
    const all = { ...task, code: stages.get(stage)?.code.digest, inputs: bound };
    return JSON.parse(JSON.stringify(all)) as Json;
  };
  return digestOf(canonicalJson([...tasks.values()].map(printed)));
}

/** The actions that a make of a plan would run, as far as they are known before any of them has run. */
export async function wantedKeys(plan: Plan, store: Store): Promise<ReadonlySet<Key>> {
  const forecasts = [...(await forecast(plan, store, new Set())).values()];
  return new Set(
    forecasts.flatMap((one) =>
      one.status === 'run' || one.status === 'same' ? [one.action.key] : [],
    ),
  );
}

/**
 * What a change means: `sure` for a file that decides something, `maybe` for one that may now be found where another, or
 * none, was found before.
 */
export type Change = 'sure' | 'maybe';

/** Watches until it is closed. */
export interface Watcher {
  /** Whether it sees everything on a list. */
  covers(list: Watchlist): boolean;
  close(): Promise<void>;
}

/** Resolves when every change from now on will be told. */
export async function openWatcher(
  place: WatchedPlace,
  list: Watchlist,
  onChange: (change: Change) => void,
  onError: (error: unknown) => void,
): Promise<Watcher> {
  const { root, cache, artifacts } = place;
  const { files, lookups, trees } = list;
  const folders = foldersOf(root, list);
  const own = [cache, artifacts];
  const isOwn = (path: string): boolean => own.some((folder) => isWithin(folder, path));
  let moved = false;
  const hear = (event: string, path: string): void => {
    const change = meaningOf(event, path, list, folders);
    if (event.endsWith('Dir')) moved ||= change === 'sure';
    if (change) onChange(change);
  };
  const open = (paths: Iterable<string>, options: ChokidarOptions): FSWatcher[] => {
    const there = [...paths].filter((path) => existsSync(path));
    if (there.length === 0) return [];
    // Hearing is enough: what a file holds is looked at when the pipeline is loaded.
    const watcher = watch(there, { ...options, ignoreInitial: true, atomic: false });
    return [watcher.on('all', hear).on('error', onError)];
  };
  const watchers = [
    // Folders are watched, and not files: editors replace files, and new files may take the place of others.
    ...open(folders, {
      depth: 0,
      ignored: (path, stats) =>
        isOwn(path) || (stats?.isFile() === true && !files.has(path) && !isLikelySource(path)),
    }),
    ...open(trees, { ignored: (path) => isOwn(path) || isNeverMeant(trees, path) }),
  ];
  const closeLookups = watchLookups(lookups, isOwn, () => onChange('maybe'), onError);
  await Promise.all(watchers.map((watcher) => once(watcher, 'ready')));
  return {
    covers: (other) =>
      !moved &&
      [...other.files.keys()].every((path) => files.has(path)) &&
      [...other.lookups].every(([path, names]) => isCovered(names, lookups.get(path))) &&
      [...other.trees].every((path) => trees.has(path)),
    async close() {
      closeLookups();
      await Promise.all(watchers.map((watcher) => watcher.close()));
    },
  };
}

const isCovered = (
  names: ReadonlyMap<string, string>,
  watched: ReadonlyMap<string, string> | undefined,
): boolean => watched !== undefined && [...names.keys()].every((name) => watched.has(name));

function meaningOf(
  event: string,
  path: string,
  { files }: Watchlist,
  folders: ReadonlySet<string>,
): Change | undefined {
  if (files.has(path)) return 'sure';
  // A folder that went, or came back, with what is on the list.
  if (event.endsWith('Dir') && folders.has(path)) return 'sure';
  return event === 'add' || event === 'unlink' ? 'maybe' : undefined;
}

/** Watches folders for names that were looked up in them: only where one is found now that was not, or not so, counts. */
function watchLookups(
  lookups: Watchlist['lookups'],
  isOwn: (path: string) => boolean,
  onChange: () => void,
  onError: (error: unknown) => void,
): () => void {
  const watchers = [...lookups].flatMap(([folder, names]) => {
    if (isOwn(folder) || !existsSync(folder)) return [];
    const look = (): void => {
      const folders = new Folders();
      if ([...names].some(([name, found]) => folders.found(folder, name) !== found)) onChange();
    };
    try {
      return [watchFolder(folder, { persistent: false }, look).on('error', onError)];
    } catch (error) {
      // One that went meanwhile is noticed by the folder that it was in; one that is closed shows nothing.
      if (!/ENOENT|ENOTDIR|EACCES|EPERM/.test(String(error))) onError(error);
      return [];
    }
  });
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}

/** The folders of all files, and the way to them, to lookups and to the trees, as far as it lies in the project. */
function foldersOf(root: string, { files, lookups, trees }: Watchlist): ReadonlySet<string> {
  const folders = new Set<string>([root]);
  const add = (folder: string): void => {
    if (folders.has(folder)) return;
    folders.add(folder);
    if (isWithin(root, folder)) add(dirname(folder));
  };
  for (const path of files.keys()) add(dirname(path));
  // One that is not there yet is heard of by the folder that it would be in.
  for (const path of lookups.keys()) if (isWithin(root, path) && !existsSync(path)) add(path);
  for (const path of trees) add(path);
  return folders;
}

const PACKAGES = `${sep}node_modules${sep}`;

/** A new file that may take the place of an import. Packages are installed with a change to what is on the list. */
const isLikelySource = (path: string): boolean => isSourceName(path) && !path.includes(PACKAGES);

/** What no pattern fits: packages, and hidden files and folders. */
const isNeverMeant = (trees: ReadonlySet<string>, path: string): boolean =>
  [...trees]
    .filter((tree) => isWithin(tree, path))
    .every((tree) =>
      relative(tree, path)
        .split(sep)
        .some((step) => step === 'node_modules' || /^\.[^.]/.test(step)),
    );
