// head.ts — runs actions on a cluster: gives orders to workers, takes what comes back, and survives its own death

import type { ActionSpec, Executor, Hooks } from '../../engine/executors/executor.ts';
import { isSystemError } from '../../engine/files/system-error.ts';
import { type ActionResult, failed, graceOf } from '../../engine/model/action-result.ts';
import type { Key } from '../../engine/model/key.ts';
import { DepotError } from '../layout.ts';
import type { Here } from '../messages.ts';
import type { HeadNote } from '../sets.ts';
import { HEAD_EVERY_MS } from '../sets.ts';
import { DepotPatience, formatDepotTrouble } from './depot-patience.ts';
import { Fleet, type FleetParts } from './fleet.ts';
import { Intake, type IntakeParts } from './intake.ts';
import { OrderDesk } from './order-desk.ts';
import { OrderEnds } from './order-ends.ts';
import { Orders } from './orders.ts';
import { Preparation, type PreparationParts, type Prepared } from './prepare.ts';
import { type StagePlace, Work } from './work.ts';
import { WorkerReports } from './worker-reports.ts';
import type { WorkerView } from './worker-view.ts';

/** What a head is made of. */
export interface HeadParts {
  readonly name: string;
  readonly fleet: Omit<FleetParts, 'listener'>;
  readonly preparation: PreparationParts;
  readonly intake: IntakeParts;
  placeOf(stage: string): StagePlace | undefined;
  /** Whether the store has a result: then what workers wrote of it is not needed any more. */
  isKept(key: Key): Promise<boolean>;
  /** What a worker must say of its versions; undefined where it may work. */
  misfit(here: Here): string | undefined;
  warn(message: string): void;
  /** How the jobs are now. */
  changed(workers: readonly WorkerView[]): void;
  isGone(head: HeadNote): boolean;
}

const TICK_MS = 250;
/** A worker that does not answer a stop is not waited for longer than its grace and this. */
const STOP_EXTRA_MS = 5000;
const LEAVE_MS = 4000;

/** The executor of one cluster. */
export class Head implements Executor {
  readonly name: string;
  readonly fleet: Fleet;
  private readonly desk: OrderDesk;
  private readonly preparation: Preparation;
  private readonly intake: Intake;
  private readonly patience: DepotPatience;
  private readonly ends: OrderEnds;
  private readonly orders: Orders;
  private readonly reports: WorkerReports;
  private readonly timers: NodeJS.Timeout[] = [];
  private isStopping = false;
  /** It has left, and lets the workers go on. */
  isDetached = false;
  private lastTroubled = '';
  private readonly parts: HeadParts;

  constructor(parts: HeadParts) {
    this.parts = parts;
    this.name = parts.name;
    this.preparation = new Preparation(parts.preparation);
    this.intake = new Intake(parts.intake);
    this.patience = new DepotPatience({
      folder: parts.fleet.layout.folder,
      trouble: (error) => this.tellTrouble(error),
    });
    this.fleet = new Fleet({
      ...parts.fleet,
      listener: {
        heard: (worker, frame) => this.reports.hear(worker, frame),
        trouble: (error) => this.tellTrouble(error),
        gone: (worker, cause) => this.orders.gone(worker, cause),
        closed: (cls, message) => this.orders.closed(cls, message),
        warn: parts.warn,
        changed: () => this.changed(),
      },
    });
    this.ends = new OrderEnds({
      ...{ name: this.name, intake: this.intake, patience: this.patience, warn: parts.warn },
      depot: parts.intake.depot,
    });
    const { saves } = parts.intake.depot;
    this.desk = new OrderDesk(this.fleet, ({ action }) => saves.has(action.key));
    const { fleet, desk, ends } = this;
    this.orders = new Orders({
      ...{ name: this.name, fleet, desk, ends, warn: parts.warn },
      prepare: (work) => this.prepare(work),
    });
    this.reports = new WorkerReports({
      ...{ fleet, desk, orders: this.orders, misfit: parts.misfit },
      trouble: (error) => this.tellTrouble(error),
      changed: () => this.changed(),
    });
  }

  private changed(): void {
    this.parts.changed([...this.fleet.workers]);
  }

  /** Takes over what an earlier head left, before anything is asked for. */
  async recover(): Promise<void> {
    await this.fleet.recover(this.parts.isGone);
    this.timers.push(
      setInterval(() => this.tick(), TICK_MS),
      setInterval(
        () => void this.fleet.beat().catch((error) => this.tellTrouble(error)),
        HEAD_EVERY_MS,
      ),
    );
  }

  async execute(action: ActionSpec, hooks: Hooks, signal: AbortSignal): Promise<ActionResult> {
    const place = this.parts.placeOf(action.stage);
    if (place === undefined) throw new Error(`bug: no place for stage ${action.stage}`);
    const work = new Work(action, hooks, signal, place);
    if (signal.aborted) return { status: 'stopped' };
    const onAbort = (): void => this.stop(work);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.orders.run(work);
    } catch (error) {
      if (error instanceof DepotError) return depotFailure(error, signal);
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  private prepare({ action, signal }: Work): Promise<Prepared> {
    const isOver = (): boolean => signal.aborted;
    return this.patience.during(() => this.preparation.prepare(action), isOver);
  }

  checkpointNow(): void {
    // Workers do so by themselves, in the same rhythm.
  }

  async close(): Promise<void> {
    if (this.isDetached) return;
    for (const timer of this.timers) clearInterval(timer);
    const workers = [...this.fleet.workers].filter(({ state }) => state !== 'over');
    for (const worker of workers) worker.send({ say: 'leave', grace_ms: LEAVE_MS });
    const until = performance.now() + LEAVE_MS;
    // Jobs that have not begun are ended at once; others leave by themselves.
    const isBusy = (): boolean => [...this.fleet.workers].some(({ state }) => state === 'here');
    while (isBusy() && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const areLeft = [...this.fleet.workers].some(({ state }) => state !== 'over');
    if (areLeft || this.fleet.isAsking) await this.fleet.endAll();
    else await this.fleet.endRequeued();
    await this.tidy();
  }

  /** Leaves, and lets the workers do what they have been given. Everything that waits is given to them first. */
  async detach(): Promise<number> {
    this.isDetached = true;
    for (const timer of this.timers) clearInterval(timer);
    this.desk.giveAll();
    const workers = [...this.fleet.workers];
    for (const worker of workers) worker.send({ say: 'finish' });
    await Promise.all(workers.map((worker) => worker.flushed()));
    await this.fleet.beat();
    this.fleet.release();
    return workers.reduce((sum, { held }) => sum + held.size, 0);
  }

  /** How many actions are on their way, and whether more workers are being asked for. */
  get load(): { readonly works: number; readonly isAsking: boolean } {
    return { works: this.orders.size, isAsking: this.fleet.isAsking };
  }

  /** For who ends this process now. */
  endNow(): void {
    this.parts.fleet.batch.endNow(this.fleet.names);
  }

  private async tidy(): Promise<void> {
    for (const worker of this.fleet.workers)
      if (worker.state === 'over') await this.fleet.bury(worker);
    const unkept = await this.ends.unkeptSets(this.parts.isKept);
    this.fleet.release();
    // What this run ended is gone: its sets are not waited for.
    for (const worker of [...this.fleet.workers]) this.fleet.workers.delete(worker);
    this.fleet.tidy((set) => unkept.has(set));
  }

  private tick(): void {
    this.fleet.watch();
    this.desk.staff();
    this.desk.give();
  }

  private stop(work: Work): void {
    if (work.isOver) return;
    this.isStopping = true;
    if (work.holders.size === 0 || this.isDetached) {
      work.end({ status: 'stopped' });
      return;
    }
    const grace_ms = graceOf(work.signal);
    for (const worker of work.holders) {
      const orders = [...worker.held.values()].filter((held) => held.work === work);
      worker.send({ say: 'stop', orders: orders.map(({ id }) => id), grace_ms });
    }
    const late = setTimeout(() => work.end({ status: 'stopped' }), grace_ms + STOP_EXTRA_MS);
    void work.result.finally(() => clearTimeout(late));
  }

  private tellTrouble(error: Error): void {
    const { folder } = this.parts.fleet.layout;
    const message = isSystemError(error) ? formatDepotTrouble(folder, error) : error.message;
    if (message === this.lastTroubled) return;
    this.lastTroubled = message;
    if (!this.isStopping) this.parts.warn(`${this.name}: ${message}`);
  }
}

/** A depot that cannot be used fails what needs it; whoever was to stop anyway has stopped. */
function depotFailure({ message, hint }: DepotError, signal: AbortSignal): ActionResult {
  if (signal.aborted) return { status: 'stopped' };
  return failed({
    cause: 'infrastructure',
    message: hint === undefined ? message : `${message} (${hint})`,
  });
}
