// queue-watch.ts — looks at the queue of a batch system, ever more seldom, and finds jobs that are over, lost or will never start
import type { Batch, JobSight } from '../batch.ts';
import type { WorkerView } from './worker-view.ts';

/** What is watched, and who hears. */
export interface QueueWatchParts {
  readonly batch: Batch;
  readonly workers: ReadonlySet<WorkerView>;
  /** The names of all jobs that were asked for. */
  names(): readonly string[];
  /** The job of a worker is over. */
  over(worker: WorkerView): Promise<void>;
  /** No job of a class will ever start. */
  close(cls: string, message: string, hint: string | undefined): void;
  /** To be told once. */
  warn(message: string): void;
  changed(): void;
}

/** A worker that was not heard of for so long is looked after. */
const SILENT_MS = 60_000;
/** A worker says something at least so often. */
const SPEAKS_MS = 20_000;
/** A job that was never listed counts as missing only after this time: the queue may list it late. */
const UNSEEN_MS = 10_000;
/** A job is ended when so many looks in a row found that it will never start. */
const HOPELESS_LOOKS = 2;

/** Jobs as the batch system sees them. */
export class QueueWatch {
  private lookAt = Number.POSITIVE_INFINITY;
  private pace_ms: number;
  private looking: Promise<void> | undefined;
  private readonly parts: QueueWatchParts;

  constructor(parts: QueueWatchParts) {
    this.parts = parts;
    this.pace_ms = parts.batch.pace.first_ms;
  }

  /** Jobs were asked for: from now on the queue is looked at often again. */
  submitted(): void {
    this.pace_ms = this.parts.batch.pace.first_ms;
    this.soon();
  }

  /** Looks as soon as the pace allows. */
  soon(): void {
    this.lookAt = Math.min(this.lookAt, performance.now() + this.parts.batch.pace.least_ms);
  }

  /** To be called again and again: looks when it is time, or when somebody has gone silent. */
  watch(): void {
    const { workers } = this.parts;
    const now = performance.now();
    const isSilent = [...workers].some(
      (one) => one.state === 'here' && now - one.heardAt > SILENT_MS,
    );
    if (isSilent) this.soon();
    if (this.looking !== undefined || workers.size === 0 || now < this.lookAt) return;
    this.looking = this.look().finally(() => {
      this.looking = undefined;
    });
  }

  private async look(): Promise<void> {
    const { batch, names, over } = this.parts;
    const { least_ms, most_ms } = batch.pace;
    const sights = await batch.look(names());
    this.lookAt = performance.now() + Math.max(least_ms, this.pace_ms);
    this.pace_ms = Math.min(this.pace_ms * 2, most_ms);
    if (sights === 'unknown') return;
    this.see(sights);
    const missing = this.missing();
    await this.endRequeued();
    await Promise.all([...missing.map((worker) => over(worker)), this.giveUp()]);
  }

  /** Workers whose jobs are over. */
  private missing(): readonly WorkerView[] {
    const now = Date.now();
    const unseen_ms = Math.min(UNSEEN_MS, this.parts.batch.pace.least_ms * 4);
    // One that speaks lives, whatever the queue says: a controller may have forgotten its job.
    const isSpeaking = ({ state, isConnected, heardAt }: WorkerView): boolean =>
      state === 'here' && isConnected && performance.now() - heardAt < SPEAKS_MS;
    const living = [...this.parts.workers].filter(
      (worker) => worker.state !== 'over' && !isSpeaking(worker),
    );
    const over = living.filter(({ sight }) => sight?.state === 'over');
    const unseen = living.filter(({ sight }) => sight === undefined);
    const lost = unseen.filter(({ set }) => now - set.asked >= unseen_ms);
    // Jobs that ended before their worker started are reported soon.
    if (lost.length < unseen.length) this.soon();
    return [...over, ...lost];
  }

  /** Notes how jobs are. */
  see(sights: readonly JobSight[]): void {
    const byName = new Map(sights.map((sight) => [`${sight.name} ${sight.element}`, sight]));
    let isOther = false;
    for (const worker of this.parts.workers) {
      const sight = byName.get(`${worker.set.name} ${worker.element}`);
      isOther ||= sight?.state !== worker.sight?.state || sight?.reason !== worker.sight?.reason;
      worker.sight = sight;
      worker.job = sight?.id ?? worker.job;
      if (sight?.node) worker.node = sight.node;
      const { obstacle } = sight ?? {};
      worker.hopelessLooks = obstacle?.isFinal ? worker.hopelessLooks + 1 : 0;
      if (obstacle)
        this.parts.warn(`${obstacle.message}${obstacle.hint ? `: ${obstacle.hint}` : ''}`);
    }
    if (isOther) this.parts.changed();
  }

  /** Ends jobs that somebody put back into the queue: another one is asked for, which has boxes of its own. */
  private async endRequeued(): Promise<void> {
    const waiting = [...this.parts.workers].filter(
      ({ state, sight, isConnected }) =>
        state === 'here' && sight?.state === 'pending' && !isConnected,
    );
    const isSilent = ({ heardAt }: WorkerView): boolean => performance.now() - heardAt > SPEAKS_MS;
    const requeued = waiting.filter(isSilent);
    if (requeued.length < waiting.length) this.soon();
    for (const { job } of requeued) {
      this.parts.warn(
        `job ${job} was put back into the queue, and is cancelled: its tasks run again`,
      );
    }
    await this.endJobs(requeued);
    await Promise.all(requeued.map((worker) => this.parts.over(worker)));
  }

  /** Ends jobs that will never start. A reason is believed when it stands there twice. */
  private async giveUp(): Promise<void> {
    const hopeless = [...this.parts.workers].filter(({ hopelessLooks }) => hopelessLooks > 0);
    const sure = hopeless.filter(({ hopelessLooks }) => hopelessLooks >= HOPELESS_LOOKS);
    if (sure.length < hopeless.length) this.soon();
    for (const { cls, sight } of sure) {
      const { message = '', hint } = sight?.obstacle ?? {};
      this.parts.close(cls.name, message, hint);
    }
    await this.endJobs(sure);
    await Promise.all(sure.map((worker) => this.parts.over(worker)));
  }

  private async endJobs(workers: readonly WorkerView[]): Promise<void> {
    for (const { name, count } of new Set(workers.map(({ set }) => set))) {
      const elements = workers.flatMap(({ set, element }) => (set.name === name ? [element] : []));
      await this.parts.batch.end([name], elements.length < count ? elements : undefined);
    }
  }
}
