// rig.ts — a pipeline in a folder of its own, driven by the real binary
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject, onTestFinished } from 'vitest';
import { readSealedJson, sealedJson } from '../src/engine/files/hint.ts';
import { stampOf } from '../src/engine/files/stamp.ts';
import { commandServer, type Ended } from './command-server.ts';

export type { Ended } from './command-server.ts';

export const repository = fileURLToPath(new URL('..', import.meta.url));
const binary = join(repository, 'dist', 'cli.cjs');

/** An event as `--json` prints it. */
export interface SaidEvent {
  readonly event: string;
  readonly task?: string;
  readonly [field: string]: unknown;
}

/** A command that is running. */
export interface Started {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stdout holds a line that fits. */
  line(fits: (line: string) => boolean): Promise<string>;
}

/** A folder with a pipeline. */
export interface Rig {
  readonly folder: string;
  write(path: string, text: string): void;
  read(path: string): string;
  /** Replaces text in a file; it must be there. */
  edit(path: string, before: string, after: string): void;
  /** Runs a command to its end, in a process that earlier ones were run in. */
  run(...words: string[]): Promise<Ended>;
  /** `make --json`, as events. */
  make(
    ...words: string[]
  ): Promise<{ readonly code: number | null; readonly events: readonly SaidEvent[] }>;
  /** As `run`, with other variables around it. */
  runWith(words: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ended>;
  /** Starts a command in a process of its own. */
  start(words: readonly string[], environment?: NodeJS.ProcessEnv): Started;
}

/** What a stage module in a rig begins with. `z` is `zod/mini`, as far as rigs use it (`setup.ts`). */
export const DOOR = `import { bytes, collect, collectPartial, defineStage, InfeasibleError, json, optional, StageError, tensors, text } from '${join(repository, 'src/engine/stage.ts')}';
import * as z from '${inject('schemas')}';
`;

/**
 * Files are written as if long ago, one after another, in seconds since 1970: the stamp of a fresh file is not
 * trusted, and every command would bundle the stages anew, which takes longer than all else that it does.
 */
const SETTLED_s = 1_600_000_000;

/** Makes a folder with some files, and removes it when the test is over. */
export function makeRig(
  files: { readonly [path: string]: string },
  parent = inject('folder'),
): Rig {
  const rig = rigIn(newFolder(parent));
  symlinkSync(join(repository, 'node_modules'), join(rig.folder, 'node_modules'));
  for (const [path, text] of Object.entries(files)) rig.write(path, text);
  return rig;
}

/** Rigs lie side by side: what one of them has bundled of files outside, the others may take from it. */
function newFolder(parent = inject('folder')): string {
  const folder = mkdtempSync(join(parent, 'rig-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** @param since when its first file is written: what is written into a copy is younger than all that was copied */
function rigIn(folder: string, since = SETTLED_s): Rig {
  let written = since;
  const rig: Rig = {
    folder,
    write(path, text) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
      written += 1;
      utimesSync(join(folder, path), written, written);
    },
    read: (path) => readFileSync(join(folder, path), 'utf8'),
    edit(path, before, after) {
      const text = rig.read(path);
      if (!text.includes(before)) throw new Error(`${path} does not hold ${before}`);
      rig.write(path, text.replace(before, after));
    },
    run: (...words) => run(folder, words),
    runWith: (words, environment) => run(folder, words, environment),
    async make(...words) {
      const { code, stdout, stderr } = await rig.run('make', ...words, '--json');
      if (stderr !== '' && stderr.includes('bug')) throw new Error(stderr);
      const lines = stdout.split('\n').filter((line) => line !== '');
      return { code, events: lines.map((line) => JSON.parse(line) as SaidEvent) };
    },
    start: (words, environment = {}) => start(folder, words, environment),
  };
  return rig;
}

/** A rig in which everything was made once. */
export interface MadeRig extends Rig {
  /** What that make said. */
  readonly made: readonly SaidEvent[];
}

/** Rigs that were made, by what they were made of. */
const models = new Map<string, Promise<MadeRig>>();

/**
 * A rig in which `make` ran. It runs once for all tests of a process that begin with the same files and words: each of
 * them is given a copy of what it left, which knows nothing of the others.
 */
export const madeRig = (
  files: { readonly [path: string]: string },
  ...words: string[]
): Promise<MadeRig> =>
  copyOf(JSON.stringify([files, words]), async () => makeModel(makeRig(files), words));

/**
 * A rig in which nothing was made yet, with modules that are bundled already: that takes longer than most of what is then
 * done. They are bundled once for all tests of a process that begin with the same files.
 */
export const bundledRig = (files: { readonly [path: string]: string }): Promise<Rig> =>
  copyOf(JSON.stringify(['check', files]), async () => {
    const rig = makeRig(files);
    const { code, stderr } = await rig.run('check');
    if (code !== 0) throw new Error(stderr);
    return { ...asModel(rig), made: [] };
  });

/** A rig of the study itself in which `make` ran, as `madeRig`. */
export const madeStudy = (...words: string[]): Promise<MadeRig> =>
  copyOf(JSON.stringify(words), async () => makeModel(await studyRig(), words));

async function copyOf(name: string, make: () => Promise<MadeRig>): Promise<MadeRig> {
  const model = models.get(name) ?? make();
  models.set(name, model);
  // One that failed fails its own test, and is tried again by the next.
  model.catch(() => models.delete(name));
  const { folder, made } = await model;
  const copy = newFolder();
  // Memos and locks are of that folder.
  const own = /^(?:memos|.*-lock)$/;
  cpSync(folder, copy, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: (path) => !own.test(basename(path)),
  });
  trustBundles(copy);
  return { ...rigIn(copy, SETTLED_s + 1_000_000), made };
}

async function makeModel(rig: Rig, words: readonly string[]): Promise<MadeRig> {
  const { code, events } = await rig.make(...words);
  if (code !== 0) throw new Error(JSON.stringify(events));
  return { ...asModel(rig), made: events };
}

/** Not to be removed with what else the test leaves that came first. */
function asModel(rig: Rig): Rig {
  const folder = `${rig.folder}-model`;
  renameSync(rig.folder, folder);
  return rigIn(folder);
}

/** A copied file has another inode and date of change: what was bundled of it is true of the copy all the same. */
function trustBundles(folder: string): void {
  const index = join(folder, 'cache/bundles/index.json');
  if (!existsSync(index)) return;
  const read = readSealedJson('bundles', readFileSync(index, 'utf8')) as {
    readonly files: readonly (readonly [path: string, stamp: unknown])[];
    readonly records: readonly (readonly [run: string, record: object])[];
  };
  const files = read.files.map(([path]) => [path, stampOf(resolve(folder, path))]);
  const since = Date.now() + 1000;
  const records = read.records.map(([run, record]) => [run, { ...record, since }]);
  writeFileSync(index, sealedJson('bundles', JSON.stringify({ ...read, files, records })));
}

/** What a rig of the study has that is not the study's. */
interface Own {
  /** In place of the study's pipeline.yaml. */
  readonly pipeline?: string;
  /** Packages that it links to, in a `node_modules` of its own. */
  readonly packages?: readonly string[];
}

/** A rig with the stages of the study itself, which are bundled already. */
export async function studyRig(own: Own = {}): Promise<Rig> {
  const { packages } = own;
  const rig = unbundledStudy(own);
  const name = createHash('sha256')
    .update(JSON.stringify(packages ?? null))
    .digest('hex');
  const bundles = join(inject('folder'), `bundles-${name}`);
  if (!existsSync(bundles)) {
    const model = unbundledStudy(packages ? { packages } : {});
    const { code, stderr } = await model.run('check');
    if (code !== 0) throw new Error(stderr);
    try {
      renameSync(join(model.folder, 'cache/bundles'), bundles);
    } catch (error) {
      // The other process of tests was at it, too, and came first.
      if (!existsSync(bundles)) throw error;
    }
  }
  cpSync(bundles, join(rig.folder, 'cache/bundles'), { recursive: true });
  return rig;
}

function unbundledStudy({ pipeline, packages }: Own): Rig {
  const text = pipeline ?? readFileSync(join(repository, 'pipeline.yaml'), 'utf8');
  const rig = makeRig({ 'pipeline.yaml': text });
  if (packages) ownPackages(rig, packages);
  symlinkSync(join(repository, 'stages'), join(rig.folder, 'stages'));
  return rig;
}

/** Gives a rig a `node_modules` of its own, with links to some of ours, so that packages can come and go. */
export function ownPackages(rig: Rig, names: readonly string[]): void {
  unlinkSync(join(rig.folder, 'node_modules'));
  for (const name of names) {
    const place = join(rig.folder, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(repository, 'node_modules', name), place);
  }
}

/** Whoever runs the tests may have settings of their own. */
const noSettings = (): NodeJS.ProcessEnv => ({
  XDG_CONFIG_HOME: join(inject('folder'), 'no-settings'),
  PIPELINE_SITE_CONFIG: '',
});

/** What every command finds around it. */
function surroundings(): NodeJS.ProcessEnv {
  const inherited = { ...process.env };
  delete inherited.PIPELINE_MIRROR;
  delete inherited.PIPELINE_CACHE;
  return { ...inherited, ...noSettings(), NO_COLOR: '1' };
}

const server = commandServer(binary);

/** These go on until they are stopped, read what is typed, or leave processes behind that outlive them. */
const ALONE = new Set(['shell', 'ui', 'watch', 'worker', '--detach', '--on']);

/**
 * Most commands of tests run one after another in one process, which takes a fifth of the time. `npm run test:full` gives
 * each of them a process of its own.
 */
function run(
  folder: string,
  words: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const isAlone = process.env.FULL || server.isBusy() || words.some((word) => ALONE.has(word));
  if (isAlone) return start(folder, words, environment).ended;
  onTestFinished(() => {
    if (server.isBusy()) server.kill();
  });
  return server.run({ words, cwd: folder, env: { ...surroundings(), ...environment } });
}

function start(folder: string, words: readonly string[], environment: NodeJS.ProcessEnv): Started {
  const child = spawn(process.execPath, [binary, ...words], {
    cwd: folder,
    env: { ...surroundings(), ...environment },
  });
  // A test that fails or times out leaves nothing running.
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const check of waiting) check();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    process: child,
    ended,
    line: (fits) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = stdout.split('\n').slice(0, -1).find(fits);
          if (found === undefined) return;
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        check();
        void ended.then((end) => reject(new Error(`ended first: ${JSON.stringify(end)}`)));
      }),
  };
}

/** The tasks of the events of one kind, sorted. */
export function tasksOf(events: readonly SaidEvent[], kind: string): readonly string[] {
  return events.flatMap((said) => (said.event === kind && said.task ? [said.task] : [])).sort();
}

/** The digest of every output that a run built, by `task:output`. */
export function digestsOf(events: readonly SaidEvent[]): Record<string, string> {
  const digests: Record<string, string> = {};
  for (const { event, task, outputs } of events) {
    if (event !== 'built') continue;
    const named = outputs as Record<string, { digest: string }>;
    for (const [name, { digest }] of Object.entries(named)) digests[`${task}:${name}`] = digest;
  }
  return digests;
}
