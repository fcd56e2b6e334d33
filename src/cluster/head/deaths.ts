// deaths.ts — why workers ended without a message: one question for all of them, and what follows for their class
import type { Batch, DeathCause, JobId } from '../batch.ts';
import { lastLinesOf } from '../small-files.ts';
import type { WorkerView } from './worker-view.ts';

/** What is asked, and who hears. */
export interface DeathsParts {
  readonly batch: Batch;
  /** The folder with what jobs print. */
  readonly logs: string;
  /** No more workers of a class are to be asked for. */
  close(cls: string, message: string, hint: string | undefined): void;
  /** Something about the jobs of a class that a person should know. */
  warn(cls: string, message: string): void;
}

/** How a worker ended. */
export interface Death {
  /** It had presented itself. */
  readonly wasHere: boolean;
  /** So many tasks were to be done by it. */
  readonly tasks: number;
  readonly cause: DeathCause | undefined;
}

/** So many workers of a class that ended without a word, one after another, close it. */
const DEAD_AT_START_MAX = 3;
/** Causes of what ends within this time are asked for in one question; within less where the batch system is looked at often. */
const GATHER_MS = 1100;

interface Asked {
  readonly job: Parameters<Batch['causes']>[0][number];
  readonly resolve: (cause: DeathCause | undefined) => void;
}

/** Deaths of workers. */
export class Deaths {
  private asked: Asked[] = [];
  private readonly atStart = new Map<string, number>();
  private readonly parts: DeathsParts;

  constructor(parts: DeathsParts) {
    this.parts = parts;
  }

  /** Why the job of a worker ended; undefined where that is unknown. */
  causeOf({ set, element, job: id }: WorkerView): Promise<DeathCause | undefined> {
    if (id === undefined) return Promise.resolve(undefined);
    const { pace } = this.parts.batch;
    return new Promise((resolve) => {
      this.asked.push({ job: { id, name: set.name, element }, resolve });
      if (this.asked.length > 1) return;
      setTimeout(() => void this.ask(), Math.min(GATHER_MS, pace.least_ms / 4));
    });
  }

  private async ask(): Promise<void> {
    const { asked } = this;
    this.asked = [];
    const nothing: ReadonlyMap<JobId, DeathCause> = new Map();
    const causes = await this.parts.batch.causes(asked.map(({ job }) => job)).catch(() => nothing);
    for (const { job, resolve } of asked) resolve(causes.get(job.id));
  }

  /** A worker is over that has not said that it leaves. */
  note({ set, element, cls, node, host }: WorkerView, { wasHere, tasks, cause }: Death): void {
    const { name } = cls;
    if (cause?.kind === 'cancelled') {
      const hint = 'pipeline make goes on with what is left';
      this.parts.close(name, `somebody cancelled jobs (${cause.detail})`, hint);
      return;
    }
    const dead = wasHere ? 0 : (this.atStart.get(name) ?? 0) + 1;
    this.atStart.set(name, dead);
    if (wasHere) {
      const isNews = cause?.kind === 'node' || cause?.kind === 'failed';
      if (tasks > 0 && cause && isNews) {
        const where = node || host;
        this.parts.warn(name, `a job on ${where} is over (${cause.detail}): its tasks run again`);
      }
      return;
    }
    const log = `${this.parts.logs}/${set.name}.${element}.log`;
    const last = lastLinesOf(log);
    const why = last === '' ? (cause?.detail ?? 'nothing was printed') : last;
    if (dead < DEAD_AT_START_MAX) {
      this.parts.warn(name, `a job ended before a worker could start: ${why} (see ${log})`);
      return;
    }
    const message = `its jobs end before a worker can start: ${why}`;
    this.parts.close(name, message, `see ${log}`);
  }

  /** What died under an earlier head says nothing about the jobs of this one. */
  forget(): void {
    this.atStart.clear();
  }
}
