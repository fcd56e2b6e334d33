// up-to-date.ts — the up-to-date cache: what a command printed that changed nothing, and what that depends on
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Sources } from '../bundler/code.ts';
import { type EnvironmentMark, marksHold } from '../files/environment-mark.ts';
import { Folders } from '../files/lookups.ts';
import { readSealed, writeSealed } from '../files/sealed-file.ts';
import { folderStamp, isStable, type Stamp, sameStamp, stampOf } from '../files/stamp.ts';
import { canonicalJson, type Digest, digestOf, type Named } from '../model/key.ts';
import { memoryState, storeState } from '../store/store-state.ts';

/** Everything on the command line that decides what a command prints. */
export interface Request {
  /** Folder of the pipeline file, absolute. */
  readonly root: string;
  readonly file: string;
  /** Folder of the store, absolute. */
  readonly cache: string;
  readonly presets: readonly string[];
  /** Absolute paths of `--params` files. */
  readonly paramsFiles: readonly string[];
  readonly sets: readonly string[];
  readonly targets: readonly string[];
  /** Files of settings, absolute; they need not be there. */
  readonly settings: readonly string[];
  /** For a command that only inspects: its words, and all else around it that decides what it prints. */
  readonly inspection?: Named<unknown>;
}

/** What a command that only inspects printed, in order. */
export type Printed = readonly (readonly [stream: 'stdout' | 'stderr', text: string])[];

/** What a make with nothing to do printed. */
export interface Output {
  /** The coloured lines for a terminal, except the last one, which tells the duration. */
  readonly talk: readonly string[];
  /** The lines among these that `--quiet` does not suppress. */
  readonly warnings?: readonly string[];
  /** Artifacts, absolute. */
  readonly results: readonly string[];
  /** The last event. Its `seconds` are replaced when it is printed again. */
  readonly finished: Named<unknown>;
  /** All other events, a line of JSON each. */
  readonly events: string;
}

/** The same when it is looked up: events stay bytes, since they are only copied to stdout. */
export interface KeptOutput extends Omit<Output, 'events'> {
  readonly events: Uint8Array;
}

/** Everything that an output depends on. */
export interface Dependencies {
  /** Milliseconds since 1970 when the command began. */
  readonly since: number;
  /** What tells this program, and the Node under it, from any other. */
  readonly program: string;
  /** Of the pipeline file, as it was read. */
  readonly text: Digest;
  /** `meaningOf` the pipeline, so that another text with the same meaning counts too. Absent where only this text counts. */
  readonly meaning?: Digest | undefined;
  /** `stateFor` the request, before anything was looked up in the store. */
  readonly store: string | null;
  readonly sources: Sources;
  /** Variables of the environment that stage modules looked at. */
  readonly environment: readonly EnvironmentMark[];
  /** Digest of each artifact, by absolute path. */
  readonly artifacts: ReadonlyMap<string, Digest>;
  /** Digests of the files beside the artifacts that tell their provenance, by absolute path. */
  readonly companions: ReadonlyMap<string, Digest>;
}

/** The form of an entry. Entries of other forms are ignored. */
const FORM = 'memo/5';
/** Artifacts that changed too recently for their stamps to be trusted are compared by digest, up to this many bytes. */
const FRESH_BYTES_MAX = 4_000_000;
/** Files beyond this size are compared by stamp only. */
const DIGESTED_BYTES_MAX = 4_000_000;
/** One entry for each request; the oldest are deleted. */
const ENTRIES_MAX = 64;

/** What lookups in a folder found. While the folder has this stamp they need not be repeated. */
interface Folder {
  readonly found: readonly (readonly [name: string, found: string])[];
  readonly stamp: Stamp | null;
}

interface Entry {
  readonly form: typeof FORM;
  readonly request: Request;
  readonly program: string;
  readonly text: Digest;
  readonly meaning?: Digest | undefined;
  readonly store: string;
  readonly stamps: Named<Stamp | null>;
  /** Digests of files that have stamps: a file that was touched, copied or checked out again may be unchanged. */
  readonly digests: Named<Digest>;
  readonly folders: readonly (readonly [path: string, folder: Folder])[];
  /** Digests of files that changed too recently for their stamps to be trusted. */
  readonly fresh: Named<Digest>;
  readonly output: unknown;
  readonly environment: readonly EnvironmentMark[];
}

// ---- looking up ----

/** What a make would print, if it has nothing to do; undefined when it may have something to do. */
export function lookUp(
  request: Request,
  program: string,
  environment: NodeJS.ProcessEnv,
): KeptOutput | undefined {
  const found = entryFor(request, program, environment);
  return found && { ...(found.output as Omit<Output, 'events'>), events: found.rest };
}

/** What a command that only inspects would print; undefined when that may have changed. */
export const lookUpPrinted = (
  request: Request,
  program: string,
  environment: NodeJS.ProcessEnv,
): Printed | undefined => entryFor(request, program, environment)?.output as Printed | undefined;

/** A pipeline file that was read: its bytes, and what it means. */
export interface ReadText {
  readonly text: Digest;
  readonly meaning: Digest;
}

/** The same after the pipeline file was read: its text may differ as long as its meaning does not. */
export const lookUpMeant = (
  request: Request,
  program: string,
  environment: NodeJS.ProcessEnv,
  read: ReadText,
): Printed | undefined =>
  entryFor(request, program, environment, read)?.output as Printed | undefined;

/** The entry of a request, if nothing that it depends on has changed. */
function entryFor(
  request: Request,
  program: string,
  environment: NodeJS.ProcessEnv,
  read?: ReadText,
): { readonly output: unknown; readonly rest: Buffer } | undefined {
  try {
    const body = readSealed(entryFile(request), sealName(request));
    if (body === undefined) return undefined;
    const [head, rest] = headAndRest(body);
    const entry = JSON.parse(head.toString()) as Entry;
    if (!marksHold(entry.environment, environment)) return undefined;
    const now = Date.now();
    const moved = new Map<string, Stamp>();
    const text = read?.text ?? digestOf(readFileSync(resolve(request.root, request.file)));
    if (entry.text !== text && (read === undefined || entry.meaning !== read.meaning)) {
      return undefined;
    }
    if (!holds(entry, request, program, moved)) return undefined;
    if (moved.size > 0 || entry.text !== text) {
      rewrite(request, { ...entry, text }, rest, { moved, now });
    }
    return { output: entry.output, rest };
  } catch {
    return undefined; // Absent, damaged, or of files that cannot be read: the make says what is wrong.
  }
}

const headAndRest = (text: Buffer): readonly [head: Buffer, rest: Buffer] => {
  const end = text.indexOf(10); // the end of a line
  return [text.subarray(0, end), text.subarray(end + 1)];
};

/** @param moved receives the new stamps of files that were touched but not changed */
function holds(
  entry: Entry,
  request: Request,
  program: string,
  moved: Map<string, Stamp>,
): boolean {
  return (
    entry.form === FORM &&
    canonicalJson(entry.request) === canonicalJson(request) &&
    entry.program === program &&
    entry.store === stateFor(request) &&
    Object.entries(entry.stamps).every(([path, stamp]) => {
      const now = stampOf(path);
      if (sameStamp(stamp, now)) return true;
      if (stamp === null || now?.size !== stamp.size) return false;
      if (digestOf(readFileSync(path)) !== entry.digests[path]) return false;
      moved.set(path, now);
      return true;
    }) &&
    entry.folders.every(([path, folder]) => folderHolds(path, folder)) &&
    Object.entries(entry.fresh).every(([path, digest]) => digestOf(readFileSync(path)) === digest)
  );
}

/** Rewrites an entry with the new text and the new stamps of its files, if all of these can be trusted by now. */
function rewrite(
  request: Request,
  entry: Entry,
  rest: Buffer,
  { moved, now }: { readonly moved: ReadonlyMap<string, Stamp>; readonly now: number },
): void {
  if (![...moved.values()].every((stamp) => isStable(stamp, now))) return;
  const stamps = { ...entry.stamps, ...Object.fromEntries(moved) };
  writeEntry(request, { ...entry, stamps }, rest);
}

function folderHolds(path: string, { found, stamp }: Folder): boolean {
  if (stamp !== null && sameStamp(stamp, folderStamp(path))) return true;
  const folders = new Folders();
  return found.every(([name, before]) => folders.found(path, name) === before);
}

/** The state of the store that a request depends on. */
export const stateFor = ({ cache, inspection }: Request): string | null =>
  inspection === undefined ? storeState(cache) : memoryState(cache);

const entriesFolder = (cache: string): string => join(cache, 'memos');

const nameOf = (request: Request): Digest => digestOf(canonicalJson(request));
const entryFile = (request: Request): string => join(entriesFolder(request.cache), nameOf(request));
/** An entry is printed unchanged, so it must be one that this user wrote. */
const sealName = (request: Request): string => `memo ${nameOf(request)}`;

// ---- recording ----

/**
 * Keeps what a make said that had nothing to do, if all that this rests on can be recognised again. To be called when
 * its store is closed.
 */
export function record(request: Request, dependencies: Dependencies, output: Output): void {
  const { events, ...said } = output;
  keep(request, dependencies, said, events);
}

/** Keeps what a command printed that only inspects. To be called when its store is closed. */
export const recordPrinted = (
  request: Request,
  dependencies: Omit<Dependencies, 'artifacts' | 'companions'>,
  printed: Printed,
): void =>
  keep(request, { ...dependencies, artifacts: new Map(), companions: new Map() }, printed, '');

function keep(request: Request, dependencies: Dependencies, output: unknown, rest: string): void {
  const { since, program, text, meaning, store, sources, companions } = dependencies;
  // Another process may have removed records since they were read.
  if (store === null || store !== stateFor(request)) return;
  if (!sources.isWhole) return;
  for (const stamp of sources.files.values()) {
    if (stamp !== null && !isStable(stamp, since)) return;
  }
  const stamps: Record<string, Stamp | null> = Object.fromEntries(sources.files);
  const digests = digestsOf(sources.files);
  const fresh: Record<string, Digest> = {};
  let freshBytes = 0;
  for (const [path, digest] of [...dependencies.artifacts, ...companions]) {
    const stamp = stampOf(path);
    if (stamp === null) return;
    if (isStable(stamp, since)) {
      stamps[path] = stamp;
      digests[path] = digest;
    } else {
      fresh[path] = digest;
      freshBytes += stamp.size;
    }
  }
  if (freshBytes > FRESH_BYTES_MAX) return;
  const folders = [...sources.lookups].map(([path, found]): [string, Folder] => {
    const stamp = folderStamp(path);
    return [path, { found: [...found], stamp: stamp && isStable(stamp, since) ? stamp : null }];
  });
  const { environment } = dependencies;
  const facts = { program, text, meaning, store, stamps, digests, folders, fresh, environment };
  writeEntry(request, { form: FORM, request, ...facts, output }, Buffer.from(rest));
}

/** Digests of files that still have their recorded stamps. */
function digestsOf(files: ReadonlyMap<string, Stamp | null>): Record<string, Digest> {
  const digests: Record<string, Digest> = {};
  for (const [path, stamp] of files) {
    if (stamp === null || stamp.size > DIGESTED_BYTES_MAX) continue;
    try {
      const digest = digestOf(readFileSync(path));
      if (sameStamp(stamp, stampOf(path))) digests[path] = digest;
    } catch {
      // It went away, or may not be read any more: its stamp will not hold either.
    }
  }
  return digests;
}

const writeEntry = (request: Request, entry: Entry, rest: Buffer): void =>
  writeSealed(
    entryFile(request),
    sealName(request),
    Buffer.concat([Buffer.from(`${JSON.stringify(entry)}\n`), rest]),
    ENTRIES_MAX,
  );
