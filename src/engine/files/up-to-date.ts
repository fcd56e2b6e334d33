// up-to-date.ts — the proof that a make had nothing to do, kept so that the next one needs neither plan nor store
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { canonicalJson, type Digest, digestOf, type Named } from '../model/key.ts';
import { type EnvironmentMark, marksHold } from './environment-mark.ts';
import { Folders } from './lookups.ts';
import { folderStamp, isSettled, type Stamp, sameStamp, stampOf } from './stamp.ts';

/** What a make was asked for: everything on its command line that decides whether there is something to do. */
export interface Question {
  /** Folder of the pipeline file, absolute. */
  readonly root: string;
  readonly file: string;
  /** Folder of the store, absolute. */
  readonly cache: string;
  readonly presets: readonly string[];
  readonly sets: readonly string[];
  readonly targets: readonly string[];
}

/** What a make said that had nothing to do. */
export interface Answer {
  /** Lines for people, coloured, but for the last one, which tells the time. */
  readonly talk: readonly string[];
  /** Those of these lines that are said even to who wants quiet. */
  readonly warnings?: readonly string[];
  /** Artifacts, absolute. */
  readonly results: readonly string[];
  /** The last event; its seconds are another time's. */
  readonly finished: Named<unknown>;
  /** All other events, a line of JSON each. */
  readonly events: string;
}

/** What bundles were made from, as it was then. Paths are absolute. */
export interface Sources {
  readonly files: ReadonlyMap<string, Stamp | null>;
  /** What was looked up, by folder: names, and what was found. */
  readonly lookups: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Whether this is surely all: otherwise nothing may be concluded from it. */
  readonly isWhole: boolean;
}

/** Everything that an answer rests on. */
export interface Grounds {
  /** Milliseconds since 1970 when the command began. */
  readonly since: number;
  /** What tells this program, and the Node under it, from any other. */
  readonly program: string;
  /** Of the pipeline file, as it was read. */
  readonly text: Digest;
  /** `storeState` before anything was looked up in the store. */
  readonly store: string | null;
  readonly sources: Sources;
  /** Variables of the environment that stage modules looked at. */
  readonly environment: readonly EnvironmentMark[];
  /** Digest of each artifact, by absolute path. */
  readonly artifacts: ReadonlyMap<string, Digest>;
  /** Digests of the files beside the artifacts that tell their provenance, by absolute path. */
  readonly companions: ReadonlyMap<string, Digest>;
}

/** The form of a memo: one of another form is as good as none. */
const FORM = 'memo/3';
/** Artifacts that are too fresh for stamps are known by their bytes, up to so many of them. */
const FRESH_BYTES_MAX = 4_000_000;
/** One memo for each way to ask; the oldest go. */
const MEMOS_MAX = 64;

/** What was found in a folder; it need not be looked up while the folder has this stamp. */
interface Folder {
  readonly found: readonly (readonly [name: string, found: string])[];
  readonly stamp: Stamp | null;
}

interface Memo {
  readonly form: typeof FORM;
  readonly question: Question;
  readonly program: string;
  readonly text: Digest;
  readonly store: string;
  readonly stamps: Named<Stamp | null>;
  readonly folders: readonly (readonly [path: string, folder: Folder])[];
  /** Files whose stamps prove nothing yet, by their bytes. */
  readonly fresh: Named<Digest>;
  readonly answer: Omit<Answer, 'events'>;
  readonly environment: readonly EnvironmentMark[];
}

/** The store's file within its folder. */
export const STORE_FILE = 'store.lmdb';

/** LMDB's meta pages stand at the beginning, and the number of the last transaction in them. */
const META_BYTES = 8192;

/**
 * What tells one state of a store from every other: each commit changes it, and so does another file in its place.
 * It is read without LMDB, which takes longer to load than all else that a no-op does. Null when there is no store.
 */
export function storeState(cache: string): string | null {
  const path = join(cache, STORE_FILE);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return null;
  const meta = Buffer.alloc(META_BYTES);
  const file = openSync(path, 'r');
  try {
    const digest = digestOf(meta.subarray(0, readSync(file, meta, 0, META_BYTES, 0)));
    const { size, mtimeMs, ctimeMs, birthtimeMs, ino, dev } = found;
    return [size, mtimeMs, ctimeMs, birthtimeMs, ino, dev, digest].join(' ');
  } finally {
    closeSync(file);
  }
}

// ---- recalling ----

/** What a make would say that has nothing to do; undefined when it may have something to do. */
export function recall(
  question: Question,
  program: string,
  environment: NodeJS.ProcessEnv,
): Answer | undefined {
  try {
    const [digest, body] = headAndRest(readFileSync(memoFile(question)));
    if (digestOf(body) !== digest.toString()) return undefined;
    const [head, events] = headAndRest(body);
    const memo = JSON.parse(head.toString()) as Memo;
    return holds(memo, question, program) && marksHold(memo.environment, environment)
      ? { ...memo.answer, events: events.toString() }
      : undefined;
  } catch {
    return undefined; // Absent, damaged, or of files that cannot be read: the make says what is wrong.
  }
}

const headAndRest = (text: Buffer): readonly [head: Buffer, rest: Buffer] => {
  const end = text.indexOf(10); // the end of a line
  return [text.subarray(0, end), text.subarray(end + 1)];
};

function holds(memo: Memo, question: Question, program: string): boolean {
  return (
    memo.form === FORM &&
    canonicalJson(memo.question) === canonicalJson(question) &&
    memo.program === program &&
    memo.text === digestOf(readFileSync(resolve(question.root, question.file))) &&
    memo.store === storeState(question.cache) &&
    Object.entries(memo.stamps).every(([path, stamp]) => sameStamp(stamp, stampOf(path))) &&
    memo.folders.every(([path, folder]) => folderHolds(path, folder)) &&
    Object.entries(memo.fresh).every(([path, digest]) => digestOf(readFileSync(path)) === digest)
  );
}

function folderHolds(path: string, { found, stamp }: Folder): boolean {
  if (stamp !== null && sameStamp(stamp, folderStamp(path))) return true;
  const folders = new Folders();
  return found.every(([name, before]) => folders.found(path, name) === before);
}

const memosFolder = (cache: string): string => join(cache, 'memos');

const memoFile = (question: Question): string =>
  join(memosFolder(question.cache), digestOf(canonicalJson(question)));

// ---- remembering ----

/**
 * Keeps what a make said that had nothing to do, if all that this rests on can be recognised again. To be called when
 * its store is closed.
 */
export function remember(question: Question, grounds: Grounds, answer: Answer): void {
  const { since, program, text, store, sources, companions } = grounds;
  // Whoever wrote into the store meanwhile may have taken away what was found in it.
  if (store === null || store !== storeState(question.cache)) return;
  if (!sources.isWhole) return;
  for (const stamp of sources.files.values()) {
    if (stamp !== null && !isSettled(stamp, since)) return;
  }
  const stamps: Record<string, Stamp | null> = Object.fromEntries(sources.files);
  const fresh: Record<string, Digest> = {};
  let freshBytes = 0;
  for (const [path, digest] of [...grounds.artifacts, ...companions]) {
    const stamp = stampOf(path);
    if (stamp === null) return;
    if (isSettled(stamp, since)) stamps[path] = stamp;
    else {
      fresh[path] = digest;
      freshBytes += stamp.size;
    }
  }
  if (freshBytes > FRESH_BYTES_MAX) return;
  const folders = [...sources.lookups].map(([path, found]): [string, Folder] => {
    const stamp = folderStamp(path);
    return [path, { found: [...found], stamp: stamp && isSettled(stamp, since) ? stamp : null }];
  });
  const { events, ...said } = answer;
  const { environment } = grounds;
  const facts = { program, text, store, stamps, folders, fresh, environment };
  const head = JSON.stringify({ form: FORM, question, ...facts, answer: said } satisfies Memo);
  const body = `${head}\n${events}`;
  write(question, `${digestOf(body)}\n${body}`);
}

/** A memo that cannot be written costs the next make time, and nothing else. */
function write(question: Question, text: string): void {
  const folder = memosFolder(question.cache);
  const draft = join(folder, `${randomUUID()}.tmp`);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(draft, text);
    renameSync(draft, memoFile(question));
    dropOldest(folder);
  } catch {
    rmSync(draft, { force: true });
  }
}

function dropOldest(folder: string): void {
  const names = readdirSync(folder);
  if (names.length <= MEMOS_MAX) return;
  const age = (name: string): number => stampOf(join(folder, name))?.mtimeMs ?? 0;
  const oldest = names.map((name) => [age(name), name] as const).sort(([a], [b]) => a - b);
  for (const [, name] of oldest.slice(0, names.length - MEMOS_MAX)) {
    rmSync(join(folder, name), { force: true });
  }
}
