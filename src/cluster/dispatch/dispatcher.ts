// dispatcher.ts — which order goes to which worker, and how many jobs to ask for: decisions only, no clock and no I/O of its own
import type { JobClass } from '../../engine/config/job-class.ts';
import { type Held, type Lane, type OrderFacts, OrderQueue } from './order-queue.ts';

/** A worker process within a job. */
export interface WorkerFacts {
  readonly id: string;
  readonly class: JobClass;
  /** When its job ends; null where nobody knows. */
  readonly ends_ms: number | null;
}

/** What may be turned of the policy. */
export interface DispatchTerms {
  /** A worker holds orders for so long beyond those that run, so that it never waits for the head. */
  readonly prefetch_s: number;
  /** A worker that is silent for so long is doubted: its orders may be given to another. */
  readonly doubt_ms: number;
  /** An order is not given where less than this would be left of the time of the job after it. */
  readonly margin_ms: number;
  /** An order whose workers went without a word so often in a row is given up. */
  readonly goneMax: number;
  /** As many jobs are asked for as finish what waits within this time. */
  readonly target_s: number;
}

export const DISPATCH_TERMS: DispatchTerms = {
  ...{ prefetch_s: 30, doubt_ms: 60_000, margin_ms: 60_000, goneMax: 5, target_s: 300 },
};

interface WorkerState extends WorkerFacts {
  /** What it has, and how many seconds of the job each takes by the estimate. */
  readonly held: Map<Held, number>;
  heard_ms: number;
  isLeaving: boolean;
  isDoubted: boolean;
  /** The share of the job that its orders take: 1 is full. */
  load: number;
  /** Seconds that its orders take, divided among what runs at once. */
  backlog_s: number;
}

interface ClassState {
  readonly class: JobClass;
  readonly queues: OrderQueue[];
  /** Workers that take orders. */
  workers: number;
}

/** What becomes of the orders of a worker that is gone. */
export interface Orphans {
  /** They wait again. */
  readonly again: readonly string[];
  /** Their workers have gone too often: they are no longer known. */
  readonly givenUp: readonly string[];
}

/**
 * Who runs what. An order waits, or one worker holds it, or two where one of them fell silent: giving it twice costs time and
 * nothing else. All times are given by the caller.
 */
export class Dispatcher {
  private readonly terms: DispatchTerms;
  private readonly orders = new Map<string, Held>();
  private readonly workers = new Map<string, WorkerState>();
  private readonly queues = new Map<string, OrderQueue>();
  private readonly lanes = new WeakMap<Lane, OrderQueue>();
  private readonly classes = new Map<string, ClassState>();
  private sequence = 0;

  constructor(terms: DispatchTerms = DISPATCH_TERMS) {
    this.terms = terms;
  }

  /** So many orders are known. */
  get size(): number {
    return this.orders.size;
  }

  /** An order waits. Known ones are left as they are. */
  add(order: OrderFacts): void {
    if (this.orders.has(order.id)) return;
    const queue = this.queueOf(order.lane);
    const held: Held = {
      ...{ id: order.id, lane: queue.lane, seconds: order.seconds, urgency: order.urgency, queue },
      ...{ isWaiting: false, holders: NOBODY, hasBegun: false, gone: 0 },
      sequence: this.sequence++,
    };
    this.orders.set(order.id, held);
    queue.push(held);
  }

  /**
   * An order has ended, or is not wanted any more. Gives the workers that hold it still.
   * @param seconds how long it took, where it was made
   */
  end(id: string, seconds?: number): readonly string[] {
    const order = this.orders.get(id);
    if (order === undefined) return [];
    if (seconds !== undefined) order.queue.learn(seconds);
    order.queue.withdraw(order);
    const { holders } = order;
    for (const holder of holders) this.release(order, holder);
    this.orders.delete(id);
    return holders;
  }

  /** A worker is there. @param holds orders that it has, of an earlier head or from before it fell silent */
  arrive(worker: WorkerFacts, now_ms: number, holds: readonly string[] = []): void {
    const known = this.workers.get(worker.id);
    if (known === undefined) {
      const fresh = {
        held: new Map<Held, number>(),
        isLeaving: false,
        isDoubted: false,
        load: 0,
        backlog_s: 0,
      };
      this.workers.set(worker.id, { ...worker, ...fresh, heard_ms: now_ms });
      this.classOf(worker.class).workers += 1;
    }
    this.hear(worker.id, now_ms);
    for (const id of holds) this.hold(id, worker.id);
  }

  /** A worker said something: it is no longer doubted, and what it holds need not be given again. */
  hear(worker: string, now_ms: number): void {
    const state = this.workers.get(worker);
    if (state === undefined) return;
    state.heard_ms = now_ms;
    if (!state.isDoubted) return;
    state.isDoubted = false;
    for (const order of state.held.keys()) order.queue.withdraw(order);
  }

  /** A worker runs an order. */
  begin(id: string, worker: string): void {
    this.hold(id, worker);
    const order = this.orders.get(id);
    if (order) order.hasBegun = true;
  }

  /** An order has come further, and that is kept: that its workers went before counts no more. */
  saved(id: string): void {
    const order = this.orders.get(id);
    if (order) order.gone = 0;
  }

  /** A worker is known to have an order, whoever gave it. */
  private hold(id: string, worker: string): void {
    const order = this.orders.get(id);
    const state = this.workers.get(worker);
    if (order === undefined || state === undefined || order.holders.includes(worker)) return;
    order.queue.withdraw(order);
    this.take(order, state);
  }

  /** A worker gives orders back: they were stopped, or it never began them. They wait again. */
  giveBack(ids: readonly string[], worker: string): void {
    for (const id of ids) {
      const order = this.orders.get(id);
      if (order === undefined || !order.holders.includes(worker)) continue;
      this.release(order, worker);
      if (order.holders.length > 0) continue;
      order.hasBegun = false;
      order.gone = 0;
      order.queue.push(order);
    }
  }

  /** A worker takes no more orders. What it holds, it ends or gives back. */
  leave(worker: string): void {
    const state = this.workers.get(worker);
    if (state === undefined || state.isLeaving) return;
    state.isLeaving = true;
    this.classOf(state.class).workers -= 1;
  }

  /** A worker is no more. */
  gone(worker: string): Orphans {
    this.leave(worker);
    const again: string[] = [];
    const givenUp: string[] = [];
    for (const order of [...(this.workers.get(worker)?.held.keys() ?? [])]) {
      this.release(order, worker);
      if (order.holders.length > 0) continue;
      // One that it never began is not why it went.
      if (order.hasBegun) order.gone += 1;
      order.hasBegun = false;
      if (order.gone >= this.terms.goneMax) {
        order.queue.withdraw(order);
        this.orders.delete(order.id);
        givenUp.push(order.id);
      } else {
        order.queue.push(order);
        again.push(order.id);
      }
    }
    this.workers.delete(worker);
    return { again, givenUp };
  }

  /** Workers that fall silent: a copy of what they hold waits for another. Gives those that are doubted from now on. */
  doubt(now_ms: number): readonly string[] {
    const doubted: string[] = [];
    for (const state of this.workers.values()) {
      if (state.isDoubted || now_ms - state.heard_ms < this.terms.doubt_ms) continue;
      state.isDoubted = true;
      doubted.push(state.id);
      for (const order of state.held.keys())
        if (order.holders.length === 1) order.queue.push(order);
    }
    return doubted;
  }

  /**
   * What a worker is to have now: enough to fill its slots and to keep it busy for a while, the most urgent first. Towards the
   * end of the work it is less, so that no worker sits on what others could do.
   */
  give(worker: string, now_ms: number): readonly string[] {
    const state = this.workers.get(worker);
    if (state === undefined || state.isLeaving || state.isDoubted) return [];
    const of = this.classOf(state.class);
    const left_s = this.secondsOf(of);
    const ahead_s = Math.min(this.terms.prefetch_s, left_s / (2 * Math.max(1, of.workers)));
    const given: string[] = [];
    // Many at once, not one for each that ends.
    const isFull = state.load + 1e-9 >= 1;
    if (isFull && state.backlog_s > ahead_s / 2) return given;
    for (;;) {
      const next = this.mostUrgent(of, state, now_ms);
      if (next === undefined) return given;
      const share = 1 / next.queue.perJob;
      const isFree = state.load + share <= 1 + 1e-9;
      const seconds = next.queue.estimate(next);
      // Beyond what runs at once, only what is known to be short.
      if (!isFree && (seconds === undefined || state.backlog_s + seconds * share > ahead_s))
        return given;
      next.queue.withdraw(next);
      this.take(next, state);
      given.push(next.id);
    }
  }

  private mostUrgent(of: ClassState, state: WorkerState, now_ms: number): Held | undefined {
    const left_ms = state.ends_ms === null ? Number.POSITIVE_INFINITY : state.ends_ms - now_ms;
    // A fresh job is all that an order can get.
    const isFresh = left_ms >= 0.9 * state.class.time_ms;
    const mayTake = (order: Held): boolean => {
      if (order.holders.includes(state.id)) return false;
      if (isFresh || order.lane.isResumable) return left_ms > this.terms.margin_ms || isFresh;
      const seconds = order.queue.estimate(order) ?? (order.lane.demand.time_ms ?? 0) / 1000;
      return 1000 * seconds <= left_ms - this.terms.margin_ms;
    };
    let best: Held | undefined;
    for (const queue of of.queues) {
      if (queue.size === 0) continue;
      const next = queue.peek(mayTake);
      if (next && (best === undefined || next.urgency > best.urgency)) best = next;
    }
    return best;
  }

  /**
   * How many more jobs of a class to ask for: as many as finish the work in time, no more than there are tasks for, and no
   * more than the class may have.
   * @param jobs those that there are, or that were asked for
   */
  jobsWanted(job: JobClass, jobs: number): number {
    const of = this.classOf(job);
    let seconds = this.secondsOf(of);
    let full = of.queues.reduce((sum, { size, perJob }) => sum + size / perJob, 0);
    if (full === 0) return 0;
    for (const worker of this.workers.values()) {
      if (worker.class.name !== job.name) continue;
      seconds += worker.backlog_s;
      full += worker.load;
    }
    // A job is to have work for a good part of its time.
    const target_s = Math.min(this.terms.target_s, job.time_ms / 2000);
    const wanted = Math.ceil(Math.min(seconds / target_s, full) - 1e-6);
    return Math.max(0, Math.min(job.maxJobs, Math.max(1, wanted)) - jobs);
  }

  private secondsOf({ queues }: ClassState): number {
    return queues.reduce((sum, queue) => sum + queue.seconds / queue.perJob, 0);
  }

  private take(order: Held, state: WorkerState): void {
    const share = 1 / order.queue.perJob;
    const seconds = (order.queue.estimate(order) ?? 0) * share;
    order.holders = [...order.holders, state.id];
    state.held.set(order, seconds);
    state.load += share;
    state.backlog_s += seconds;
  }

  private release(order: Held, worker: string): void {
    order.holders = without(order.holders, worker);
    const state = this.workers.get(worker);
    const seconds = state?.held.get(order);
    if (state === undefined || seconds === undefined) return;
    state.held.delete(order);
    // Sums of floats drift: an idle worker has nothing.
    const isIdle = state.held.size === 0;
    state.load = isIdle ? 0 : state.load - 1 / order.queue.perJob;
    state.backlog_s = isIdle ? 0 : state.backlog_s - seconds;
  }

  private queueOf(lane: Lane): OrderQueue {
    const before = this.lanes.get(lane);
    if (before) return before;
    const { stage, class: job, demand, isResumable } = lane;
    const name = JSON.stringify([job.name, stage, isResumable, ...Object.values(demand)]);
    const queue = this.queues.get(name) ?? new OrderQueue(lane);
    if (!this.queues.has(name)) this.classOf(job).queues.push(queue);
    this.queues.set(name, queue);
    this.lanes.set(lane, queue);
    return queue;
  }

  private classOf(job: JobClass): ClassState {
    const known = this.classes.get(job.name);
    if (known) return known;
    const fresh: ClassState = { class: job, queues: [], workers: 0 };
    this.classes.set(job.name, fresh);
    return fresh;
  }
}

/** One list for all that nobody holds: there may be a million of them. */
const NOBODY: readonly string[] = [];

function without(holders: readonly string[], worker: string): readonly string[] {
  const left = holders.filter((one) => one !== worker);
  return left.length > 0 ? left : NOBODY;
}
