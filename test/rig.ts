// rig.ts — a pipeline in a folder of its own, driven by the real binary
import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const repository = fileURLToPath(new URL('..', import.meta.url));
const binary = join(repository, 'dist', 'cli.cjs');

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

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
  run(...words: string[]): Promise<Ended>;
  /** `make --json`, as events. */
  make(
    ...words: string[]
  ): Promise<{ readonly code: number | null; readonly events: readonly SaidEvent[] }>;
  start(words: readonly string[], environment?: NodeJS.ProcessEnv): Started;
}

/** What a stage module in a rig begins with. */
export const DOOR = `import { bytes, collect, collectPartial, defineStage, InfeasibleError, json, optional, StageError, tensors, text } from '${join(repository, 'src/pipeline/stage.ts')}';
import * as z from 'zod/mini';
`;

/**
 * Files are written as if long ago, one after another, in seconds since 1970: the stamp of a fresh file is not
 * trusted, and every command would bundle the stages anew, which takes longer than all else that it does.
 */
const SETTLED_s = 1_600_000_000;

/** Makes a folder with some files, and removes it when the test is over. */
export function makeRig(files: { readonly [path: string]: string }, parent = tmpdir()): Rig {
  const folder = mkdtempSync(join(parent, 'pipeline-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  let written = SETTLED_s;
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
    run: (...words) => rig.start(words).ended,
    async make(...words) {
      const { code, stdout, stderr } = await rig.run('make', ...words, '--json');
      if (stderr !== '' && stderr.includes('bug')) throw new Error(stderr);
      const lines = stdout.split('\n').filter((line) => line !== '');
      return { code, events: lines.map((line) => JSON.parse(line) as SaidEvent) };
    },
    start: (words, environment = {}) => start(folder, words, environment),
  };
  for (const [path, text] of Object.entries(files)) rig.write(path, text);
  return rig;
}

function start(folder: string, words: readonly string[], environment: NodeJS.ProcessEnv): Started {
  const inherited = { ...process.env };
  delete inherited.PIPELINE_MIRROR;
  delete inherited.PIPELINE_CACHE;
  const child = spawn(process.execPath, [binary, ...words], {
    cwd: folder,
    env: { ...inherited, NO_COLOR: '1', ...environment },
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
