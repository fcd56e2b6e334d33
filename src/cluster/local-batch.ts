// local-batch.ts — a batch system that is none: jobs are processes on this machine, to try a cluster out and to test it
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { instanceOf, type ProcessInstance } from '../engine/model/process-identity.ts';
import type { Batch, DeathCause, JobId, JobSight, SubmitAsk, SubmitEnd } from './batch.ts';

/** A process that was started as a job, as it is written down. */
interface LocalJob {
  readonly pid: number;
  readonly life: ProcessInstance | null;
  readonly ends_ms: number | null;
}

const PACE = { least_ms: 500, first_ms: 1000, most_ms: 5000 };
/** A job has so long to end after SIGTERM. */
const KILL_WAIT_MS = 5000;
const LOOK_MS = 50;

/** The process that starts jobs. */
export interface LocalStarter {
  readonly environment: NodeJS.ProcessEnv;
  /** @throws where there is no such process any more */
  kill(pid: number, signal: NodeJS.Signals): void;
}

/** @param folder in which it is written down which processes are jobs: they outlive who started them */
export function localBatch(folder: string, starter: LocalStarter): Batch {
  const children = new Map<string, ChildProcess>();
  const causes = new Map<string, DeathCause>();
  const counts = new Map<string, number>();
  const fileOf = (name: string, element: number): string => join(folder, `${name}.${element}.job`);

  const start = ({ name, cls, argv, logs, env }: SubmitAsk, element: number): JobId => {
    const words = [...cls.wrap, ...argv, String(element)];
    const script = [...cls.prologue, 'exec "$@"'].join('\n');
    const log = openSync(join(logs, `${name}.${element}.log`), 'a', 0o600);
    const child = spawn('/bin/sh', ['-c', script, 'sh', ...words], {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...starter.environment, ...env },
    });
    closeSync(log);
    child.unref();
    child.on('error', () => undefined);
    child.once('exit', (code, signal) => {
      const kind = code === 0 ? 'ended' : signal === null ? 'failed' : 'node';
      causes.set(`${name} ${element}`, { kind, detail: signal ?? `exit code ${code}` });
    });
    const { pid = -1 } = child;
    children.set(`${name} ${element}`, child);
    const job: LocalJob = { pid, life: instanceOf(pid) ?? null, ends_ms: Date.now() + cls.time_ms };
    writeFileSync(fileOf(name, element), JSON.stringify(job), { mode: 0o600 });
    return String(pid) as JobId;
  };

  const jobOf = (name: string, element: number): LocalJob | undefined => {
    try {
      return JSON.parse(readFileSync(fileOf(name, element), 'utf8')) as LocalJob;
    } catch {
      return undefined;
    }
  };
  const living = (name: string): readonly (readonly [number, LocalJob])[] => {
    const found: (readonly [number, LocalJob])[] = [];
    for (let element = 0; ; element += 1) {
      const job = jobOf(name, element);
      if (job === undefined) {
        if (element >= (counts.get(name) ?? 0)) return found;
        continue;
      }
      if (isAlive(job)) found.push([element, job]);
      else skip(name, element);
    }
  };
  /** One that is over is asked after no more, but those behind it are found. */
  const skip = (name: string, element: number): void => {
    counts.set(name, Math.max(counts.get(name) ?? 0, element + 1));
  };
  const signal = (name: string, signalName: NodeJS.Signals, elements?: readonly number[]): void => {
    for (const [element, { pid }] of living(name)) {
      if (elements && !elements.includes(element)) continue;
      try {
        // The worker alone: it ends what it has started.
        starter.kill(pid, signalName);
      } catch {
        // It is over.
      }
    }
  };
  return {
    name: 'processes',
    pace: PACE,
    async submit(ask): Promise<SubmitEnd> {
      counts.set(ask.name, ask.count);
      const jobs = Array.from({ length: ask.count }, (_, element) => start(ask, element));
      return { end: 'accepted', jobs };
    },
    async look(names) {
      return names.flatMap((name) =>
        living(name).map(
          ([element, { pid, ends_ms }]): JobSight => ({
            ...{ id: String(pid) as JobId, name, element, state: 'running', reason: null },
            ...{ node: hostname(), ends_ms },
          }),
        ),
      );
    },
    async causes(jobs) {
      const known = jobs.flatMap(({ id, name, element }) => {
        const cause = causes.get(`${name} ${element}`);
        return cause ? [[id, cause] as const] : [];
      });
      return new Map(known);
    },
    async end(names, elements) {
      for (const name of names) signal(name, 'SIGTERM', elements);
      const until = performance.now() + KILL_WAIT_MS;
      const some = (): boolean =>
        names.some((name) => living(name).some(([element]) => elements?.includes(element) ?? true));
      while (some() && performance.now() < until) await pause(LOOK_MS);
      for (const name of names) signal(name, 'SIGKILL', elements);
      for (const name of elements ? [] : names) {
        for (let element = 0; element < (counts.get(name) ?? 0); element += 1) {
          rmSync(fileOf(name, element), { force: true });
        }
      }
    },
    endNow(names) {
      for (const name of names) signal(name, 'SIGTERM');
    },
    async close() {
      for (const child of children.values()) child.removeAllListeners('exit');
    },
  };
}

const isAlive = ({ pid, life }: LocalJob): boolean => {
  const now = pid > 0 ? instanceOf(pid) : undefined;
  if (now === undefined || life === null) return false;
  return now.boot === life.boot && now.started === life.started;
};
