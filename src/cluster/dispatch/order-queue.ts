// order-queue.ts — orders that wait, the most urgent first, and how much work they are
import type { JobClass } from '../../engine/config/job-class.ts';
import { type Demand, tasksPerJob } from '../../engine/pipeline/placement.ts';

/** Orders that are alike: of a stage, for a class of jobs, with the same needs. */
export interface Lane {
  readonly stage: string;
  readonly class: JobClass;
  readonly demand: Demand;
  /** Its tasks go on from a checkpoint, so that one may begin though its job ends before it. */
  readonly isResumable: boolean;
}

/** An order, as far as it is decided who runs it. */
export interface OrderFacts {
  readonly id: string;
  readonly lane: Lane;
  /** Estimated; null where nothing is known. */
  readonly seconds: number | null;
  /** Seconds to the end of all that waits for it, itself included. The greatest goes first. */
  readonly urgency: number;
}

/** An order that is known, and where it is. */
export interface Held extends OrderFacts {
  readonly queue: OrderQueue;
  /** Waits in the queue. Of one that runs on a silent worker, a copy may wait too. */
  isWaiting: boolean;
  /** Those that hold it: one, or two where one of them fell silent. */
  holders: readonly string[];
  hasBegun: boolean;
  /** So often its worker went without a word, in a row. */
  gone: number;
  /** Told by whoever waits: of two equal ones the first goes first. */
  readonly sequence: number;
}

/** What an order is taken to last of which nothing is known, when jobs are counted: it may take long. */
const UNKNOWN_S = 600;
/** An order that fits the time of a worker is looked for among so many. */
const SCAN_MAX = 32;

/** The orders of a lane that wait: a heap. */
export class OrderQueue {
  readonly lane: Lane;
  /** So many of the lane run at once in a job. */
  readonly perJob: number;
  private readonly heap: Held[] = [];
  private known_s = 0;
  private unknown = 0;
  private learned_s = 0;
  private learned = 0;

  constructor(lane: Lane) {
    this.lane = lane;
    this.perJob = tasksPerJob(lane.class, lane.demand);
  }

  /** How many wait. */
  get size(): number {
    return this.waiting;
  }
  private waiting = 0;

  /** Estimated seconds of all that wait. */
  get seconds(): number {
    return this.known_s + this.unknown * (this.mean ?? UNKNOWN_S);
  }

  /** How long an order of the lane took in this run; undefined where none has ended. */
  get mean(): number | undefined {
    return this.learned === 0 ? undefined : this.learned_s / this.learned;
  }

  /** The estimate of an order; undefined where nothing is known. */
  estimate({ seconds }: OrderFacts): number | undefined {
    return seconds ?? this.mean;
  }

  learn(seconds: number): void {
    this.learned_s += seconds;
    this.learned += 1;
  }

  push(order: Held): void {
    if (order.isWaiting) return;
    order.isWaiting = true;
    this.count(order, 1);
    this.heap.push(order);
    this.rise(this.heap.length - 1);
  }

  /** Takes one out that waits. It stays in the heap until it would be next. */
  withdraw(order: Held): void {
    if (!order.isWaiting) return;
    order.isWaiting = false;
    this.count(order, -1);
    // Withdrawn ones must not pile up.
    if (this.heap.length > 64 && this.heap.length > 2 * this.waiting) this.rebuild();
  }

  /** The most urgent that may be taken; it stays. */
  peek(mayTake: (order: Held) => boolean): Held | undefined {
    this.drain();
    const top = this.heap[0];
    if (top === undefined || mayTake(top)) return top;
    // A heap is not sorted: among its first ones are the most urgent.
    return this.heap
      .slice(1, SCAN_MAX)
      .filter((order) => order.isWaiting && mayTake(order))
      .sort(byUrgency)[0];
  }

  private count({ seconds }: OrderFacts, by: 1 | -1): void {
    this.waiting += by;
    if (seconds === null) this.unknown += by;
    else this.known_s = this.waiting === 0 ? 0 : this.known_s + by * seconds;
  }

  /** Drops what is at the top and does not wait any more. */
  private drain(): void {
    while (this.heap[0] && !this.heap[0].isWaiting) {
      const last = this.heap.pop();
      if (last === undefined || this.heap.length === 0) return;
      this.heap[0] = last;
      this.sink(0);
    }
  }

  private rebuild(): void {
    const waiting = [...new Set(this.heap.filter((order) => order.isWaiting))].sort(byUrgency);
    this.heap.length = 0;
    for (const order of waiting) this.heap.push(order);
  }

  private rise(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.swapped(parent, at)) return;
      at = parent;
    }
  }

  private sink(from: number): void {
    for (let at = from; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const [a, b] = [this.heap[left], this.heap[right]];
      if (a === undefined) return;
      const child = b !== undefined && byUrgency(b, a) < 0 ? right : left;
      if (!this.swapped(at, child)) return;
      at = child;
    }
  }

  /** Swaps a parent with a child that is more urgent. */
  private swapped(parent: number, child: number): boolean {
    const [above, below] = [this.heap[parent], this.heap[child]];
    if (above === undefined || below === undefined || byUrgency(above, below) <= 0) return false;
    this.heap[parent] = below;
    this.heap[child] = above;
    return true;
  }
}

const byUrgency = (a: Held, b: Held): number => b.urgency - a.urgency || a.sequence - b.sequence;
