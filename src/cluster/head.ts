// head.ts — runs actions on a cluster: gives orders to workers, takes what comes back, and survives its own death

import type { ActionSpec, Executor, Hooks } from '../engine/executors/executor.ts';
import { isSystemError } from '../engine/files/system-error.ts';
import { type ActionResult, failed, graceOf } from '../engine/model/action-result.ts';
import type { Key } from '../engine/model/key.ts';
import type { DeathCause } from './batch.ts';

import { DepotPatience, formatDepotTrouble } from './depot-patience.ts';
import { Fleet, type FleetParts } from './fleet.ts';
import type { Frame } from './frames.ts';
import { Intake, type IntakeParts } from './intake.ts';
import { DepotError } from './layout.ts';
import { type Ended, type Here, readWorkerSays, type Said } from './messages.ts';
import { OrderDesk } from './order-desk.ts';
import { OrderEnds } from './order-ends.ts';
import { Preparation, type PreparationParts, type Prepared } from './prepare.ts';
import type { HeadNote } from './sets.ts';
import { HEAD_EVERY_MS } from './sets.ts';
import { type StagePlace, Work } from './work.ts';
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

/** A result that an earlier head did not take. */
interface Left {
  readonly worker: WorkerView;
  readonly ended: Ended;
  readonly body: Buffer;
}

/** The executor of one cluster. */
export class Head implements Executor {
  readonly name: string;
  readonly fleet: Fleet;
  private readonly desk: OrderDesk;
  private readonly preparation: Preparation;
  private readonly intake: Intake;
  private readonly patience: DepotPatience;
  private readonly works = new Map<Key, Work>();
  private readonly left = new Map<Key, Left>();
  private readonly ends: OrderEnds;
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
        heard: (worker, frame) => this.hear(worker, frame),
        trouble: (error) => this.tellTrouble(error),
        gone: (worker, cause) => this.gone(worker, cause),
        closed: (cls, message) => this.closed(cls, message),
        warn: parts.warn,
        changed: () => this.parts.changed([...this.fleet.workers]),
      },
    });
    this.ends = new OrderEnds({
      ...{ name: this.name, intake: this.intake, patience: this.patience, warn: parts.warn },
      depot: parts.intake.depot,
    });
    const { saves } = parts.intake.depot;
    this.desk = new OrderDesk(this.fleet, ({ action }) => saves.has(action.key));
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
    this.works.set(action.key, work);
    const onAbort = (): void => this.stop(work);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (!action.isFresh && (this.takeLeft(work) || this.attach(work))) return await work.result;
      const prepared = await this.prepare(work);
      if ('lost' in prepared) return { status: 'lost-inputs', digests: prepared.lost };
      work.prepared = prepared;
      if (!work.isOver) this.enqueue(work);
      return await work.result;
    } catch (error) {
      if (error instanceof DepotError) return depotFailure(error, signal);
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.desk.end(work);
      if (this.works.get(action.key) === work) this.works.delete(action.key);
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
    return { works: this.works.size, isAsking: this.fleet.isAsking };
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

  private enqueue(work: Work): void {
    const { cls } = work;
    const message = cls && this.fleet.hopeless(cls.name);
    if (cls === undefined) {
      work.end(failed({ cause: 'infrastructure', message: 'no class has what it needs' }));
    } else if (message !== undefined) {
      work.end(
        failed({ cause: 'infrastructure', message: `${this.name}/${cls.name}: ${message}` }),
      );
    } else this.desk.add(work, cls);
  }

  /** What a worker has ended for an earlier head. */
  private takeLeft(work: Work): boolean {
    const left = this.left.get(work.action.key);
    if (left === undefined) return false;
    this.left.delete(work.action.key);
    if (left.ended.end.status !== 'done') return false;
    void this.finish(work, left.worker, left.ended, left.body);
    return true;
  }

  /** An order that a worker has from an earlier head is waited for. */
  private attach(work: Work): boolean {
    for (const worker of this.fleet.workers) {
      for (const held of worker.held.values()) {
        if (held.key !== work.action.key || held.work) continue;
        held.work = work;
        work.holders.add(worker);
        this.desk.attach(work, worker, held.id);
        if (held.hasBegun) work.begin(this.whereIs(worker));
        return true;
      }
    }
    return false;
  }

  private whereIs({ cls, host, node }: WorkerView): { readonly on: string; readonly node: string } {
    return { on: `${this.name}/${cls.name}`, node: node || host };
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

  private hear(worker: WorkerView, { header, body }: Frame): void {
    const said = readWorkerSays(header);
    if (said === undefined) return;
    if (said.say !== 'trouble') worker.isTroubled = false;
    this.desk.hear(worker);
    switch (said.say) {
      case 'here':
        this.welcome(worker, said);
        return;
      case 'took':
        for (const [id, key] of said.orders) {
          if (worker.held.has(id)) continue;
          worker.held.set(id, { id, key, work: undefined, hasBegun: false });
        }
        return;
      case 'said':
        this.tell(worker, said);
        return;
      case 'ended':
        this.orderEnded(worker, said, body);
        return;
      case 'trouble':
        worker.isTroubled = true;
        this.tellTrouble(new Error(`${worker.host} waits for the depot: ${said.message}`));
        return;
      case 'left':
        worker.state = 'over';
        this.desk.leave(worker);
        void this.fleet.bury(worker);
        return;
      default:
    }
  }

  private welcome(worker: WorkerView, here: Here): void {
    worker.state = 'here';
    Object.assign(worker, { host: here.host, machine: here.machine, job: here.job ?? worker.job });
    const misfit = this.parts.misfit(here);
    if (misfit !== undefined) {
      worker.isLeaving = true;
      worker.send({ say: 'leave', grace_ms: 0 });
      this.fleet.close(worker.cls.name, misfit, undefined);
    }
    worker.ends_ms = Math.min(Date.now(), here.at) + worker.cls.time_ms;
    if (misfit === undefined) this.desk.arrive(worker);
    this.parts.changed([...this.fleet.workers]);
    this.desk.giveSoon();
  }

  private tell(worker: WorkerView, said: Said): void {
    const hooksOf = (id: string): Hooks | undefined => {
      const work = worker.held.get(id)?.work;
      return work?.isOver ? undefined : work?.hooks;
    };
    for (const id of said.begun ?? []) {
      const held = worker.held.get(id);
      if (held === undefined) continue;
      held.hasBegun = true;
      this.desk.begin(id, worker);
      held.work?.begin(this.whereIs(worker));
    }
    for (const [id, line] of said.lines ?? []) hooksOf(id)?.log(line);
    for (const [id, message] of said.warnings ?? []) hooksOf(id)?.warn(message);
    for (const [id, step, values] of said.metrics ?? []) hooksOf(id)?.metrics(step, values);
    for (const [id, ...told] of said.progress ?? []) hooksOf(id)?.progress(...told);
  }

  private orderEnded(worker: WorkerView, ended: Ended, body: Buffer): void {
    const held = worker.held.get(ended.order);
    worker.held.delete(ended.order);
    const work = held?.work ?? this.works.get(ended.key);
    this.ends.note(worker, ended);
    if (work && !work.isOver) {
      work.holders.delete(worker);
      void this.finish(work, worker, ended, body);
    } else if (work === undefined && !this.ends.isKnown(ended.key)) {
      this.left.set(ended.key, { worker, ended, body });
    }
    this.desk.giveSoon();
  }

  /** Takes the end of an order. */
  private async finish(work: Work, worker: WorkerView, ended: Ended, body: Buffer): Promise<void> {
    try {
      const result = await this.ends.resultOf(work, worker, ended, body);
      if (work.isOver) return;
      if (result === undefined) await this.again(work);
      else {
        if (result.status === 'done') {
          work.begin(this.whereIs(worker));
          this.desk.end(work, ended.seconds);
        }
        work.end(result);
      }
    } catch (error) {
      work.fail(error);
    }
  }

  /** Gives an order anew. */
  private async again(work: Work): Promise<void> {
    this.desk.end(work);
    if (work.signal.aborted) return work.end({ status: 'stopped' });
    try {
      const prepared = await this.prepare(work);
      if ('lost' in prepared) return work.end({ status: 'lost-inputs', digests: prepared.lost });
      work.prepared = prepared;
      if (!work.isOver) this.enqueue(work);
    } catch (error) {
      work.fail(error);
    }
  }

  private gone(worker: WorkerView, cause: DeathCause | undefined): void {
    const lack = cause?.kind === 'memory' || cause?.kind === 'time' ? cause.kind : undefined;
    for (const { work, hasBegun } of worker.held.values()) {
      if (work === undefined || work.isOver) continue;
      work.holders.delete(worker);
      if (work.holders.size > 0) continue;
      if (work.signal.aborted) work.end({ status: 'stopped' });
      else if (work.prepared === undefined) void this.again(work);
      else if (hasBegun && lack) {
        const end = this.ends.lacking(work, lack, worker);
        if (end) work.end(end);
        else void this.again(work);
      }
    }
    // The others wait again.
    for (const work of this.desk.gone(worker)) {
      const last = cause ? `, the last with: ${cause.detail}` : '';
      const message = `its jobs ended while it ran, too often in a row${last}`;
      work.end(failed({ cause: 'infrastructure', message }));
    }
    worker.held.clear();
    const { name } = worker.cls;
    const message = this.fleet.hopeless(name);
    if (message !== undefined) this.failWaiting(name, message);
  }

  /** No more jobs of a class are asked for: those that run go on, and what waits is left to them. */
  private closed(cls: string, message: string): void {
    if (this.fleet.hopeless(cls) !== undefined) this.failWaiting(cls, message);
    else this.parts.warn(`${this.name}/${cls}: ${message}; the jobs that run go on`);
  }

  private failWaiting(cls: string, message: string): void {
    for (const work of this.desk.take(cls)) {
      work.end(failed({ cause: 'infrastructure', message: `${this.name}/${cls}: ${message}` }));
    }
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
