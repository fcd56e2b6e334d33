// orders.ts — actions on their way through a head: given to workers, taken up from earlier heads, ended, and given again
import { type ActionResult, failed } from '../../engine/model/action-result.ts';
import type { Key } from '../../engine/model/key.ts';
import type { DeathCause } from '../batch.ts';
import type { Ended } from '../messages.ts';
import type { Fleet } from './fleet.ts';
import type { OrderDesk } from './order-desk.ts';
import type { OrderEnds } from './order-ends.ts';
import type { Prepared } from './prepare.ts';
import type { Work } from './work.ts';
import type { WorkerView } from './worker-view.ts';

/** What orders go through. */
export interface OrdersParts {
  /** Of the executor. */
  readonly name: string;
  readonly fleet: Fleet;
  readonly desk: OrderDesk;
  readonly ends: OrderEnds;
  prepare(work: Work): Promise<Prepared>;
  warn(message: string): void;
}

/** A result that an earlier head did not take. */
interface Left {
  readonly worker: WorkerView;
  readonly ended: Ended;
  readonly body: Buffer;
}

/** The orders of a head. */
export class Orders {
  private readonly works = new Map<Key, Work>();
  private readonly left = new Map<Key, Left>();
  private readonly parts: OrdersParts;

  constructor(parts: OrdersParts) {
    this.parts = parts;
  }

  /** So many actions are on their way. */
  get size(): number {
    return this.works.size;
  }

  /** Runs an action: by what an earlier head left of it, or by an order to a worker. */
  async run(work: Work): Promise<ActionResult> {
    const { action } = work;
    this.works.set(action.key, work);
    try {
      if (!action.isFresh && (this.takeLeft(work) || this.attach(work))) return await work.result;
      const prepared = await this.parts.prepare(work);
      if ('lost' in prepared) return { status: 'lost-inputs', digests: prepared.lost };
      work.prepared = prepared;
      if (!work.isOver) this.enqueue(work);
      return await work.result;
    } finally {
      this.parts.desk.end(work);
      if (this.works.get(action.key) === work) this.works.delete(action.key);
    }
  }

  /** A worker has begun an order. */
  begun(worker: WorkerView, id: string): void {
    const held = worker.held.get(id);
    if (held === undefined) return;
    held.hasBegun = true;
    this.parts.desk.begin(id, worker);
    held.work?.begin(this.whereIs(worker));
  }

  private enqueue(work: Work): void {
    const { cls } = work;
    const message = cls && this.parts.fleet.hopeless(cls.name);
    if (cls === undefined) {
      work.end(failed({ cause: 'infrastructure', message: 'no class has what it needs' }));
    } else if (message !== undefined) {
      work.end(
        failed({ cause: 'infrastructure', message: `${this.parts.name}/${cls.name}: ${message}` }),
      );
    } else this.parts.desk.add(work, cls);
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
    for (const worker of this.parts.fleet.workers) {
      for (const held of worker.held.values()) {
        if (held.key !== work.action.key || held.work) continue;
        held.work = work;
        work.holders.add(worker);
        this.parts.desk.attach(work, worker, held.id);
        if (held.hasBegun) work.begin(this.whereIs(worker));
        return true;
      }
    }
    return false;
  }

  private whereIs({ cls, host, node }: WorkerView): { readonly on: string; readonly node: string } {
    return { on: `${this.parts.name}/${cls.name}`, node: node || host };
  }

  /** An order has ended on a worker. */
  ended(worker: WorkerView, ended: Ended, body: Buffer): void {
    const held = worker.held.get(ended.order);
    worker.held.delete(ended.order);
    const work = held?.work ?? this.works.get(ended.key);
    this.parts.ends.note(worker, ended);
    if (work && !work.isOver) {
      work.holders.delete(worker);
      void this.finish(work, worker, ended, body);
    } else if (work === undefined && !this.parts.ends.isKnown(ended.key)) {
      this.left.set(ended.key, { worker, ended, body });
    }
    this.parts.desk.giveSoon();
  }

  /** Takes the end of an order. */
  private async finish(work: Work, worker: WorkerView, ended: Ended, body: Buffer): Promise<void> {
    try {
      const result = await this.parts.ends.resultOf(work, worker, ended, body);
      if (work.isOver) return;
      if (result === undefined) await this.again(work);
      else {
        if (result.status === 'done') {
          work.begin(this.whereIs(worker));
          this.parts.desk.end(work, ended.seconds);
        }
        work.end(result);
      }
    } catch (error) {
      work.fail(error);
    }
  }

  /** Gives an order anew. */
  private async again(work: Work): Promise<void> {
    this.parts.desk.end(work);
    if (work.signal.aborted) return work.end({ status: 'stopped' });
    try {
      const prepared = await this.parts.prepare(work);
      if ('lost' in prepared) return work.end({ status: 'lost-inputs', digests: prepared.lost });
      work.prepared = prepared;
      if (!work.isOver) this.enqueue(work);
    } catch (error) {
      work.fail(error);
    }
  }

  /** A worker is no more: what it had runs again, or fails. */
  gone(worker: WorkerView, cause: DeathCause | undefined): void {
    const lack = cause?.kind === 'memory' || cause?.kind === 'time' ? cause.kind : undefined;
    for (const { work, hasBegun } of worker.held.values()) {
      if (work === undefined || work.isOver) continue;
      work.holders.delete(worker);
      if (work.holders.size > 0) continue;
      if (work.signal.aborted) work.end({ status: 'stopped' });
      else if (work.prepared === undefined) void this.again(work);
      else if (hasBegun && lack) {
        const end = this.parts.ends.lacking(work, lack, worker);
        if (end) work.end(end);
        else void this.again(work);
      }
    }
    // The others wait again.
    for (const work of this.parts.desk.gone(worker)) {
      const last = cause ? `, the last with: ${cause.detail}` : '';
      const message = `its jobs ended while it ran, too often in a row${last}`;
      work.end(failed({ cause: 'infrastructure', message }));
    }
    worker.held.clear();
    const { name } = worker.cls;
    const message = this.parts.fleet.hopeless(name);
    if (message !== undefined) this.failWaiting(name, message);
  }

  /** No more jobs of a class are asked for: those that run go on, and what waits is left to them. */
  closed(cls: string, message: string): void {
    if (this.parts.fleet.hopeless(cls) !== undefined) this.failWaiting(cls, message);
    else this.parts.warn(`${this.parts.name}/${cls}: ${message}; the jobs that run go on`);
  }

  private failWaiting(cls: string, message: string): void {
    for (const work of this.parts.desk.take(cls)) {
      work.end(
        failed({ cause: 'infrastructure', message: `${this.parts.name}/${cls}: ${message}` }),
      );
    }
  }
}
