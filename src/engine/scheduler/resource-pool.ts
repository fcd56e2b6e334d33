// resource-pool.ts — how many tasks at once, and which of those that wait comes first

import type { Named } from '../model/key.ts';
import { Heap } from '../rebuilder/heap.ts';
import { type UnitLeases, UnitStock } from './unit-stock.ts';

/** The units that a piece of work has, by resource. */
export type HeldUnits = Named<readonly string[]>;

/** Resources whose units are handed out. */
export interface PoolUnits {
  /** The names of the units, by resource. */
  readonly units: ReadonlyMap<string, readonly string[]>;
  /** Other makes may have them. Absent where there can be none. */
  readonly leases?: UnitLeases;
  /** Hears that work waits for units of a resource that another make has. */
  readonly waits?: (resource: string, holder: string) => void;
}

/** What a piece of work takes while it runs, besides a slot, and how urgent it is. */
export interface ResourceRequest {
  readonly resources: Named<number>;
  /** The more urgent of two goes first. Asked only when more wait than can run. */
  readonly urgency: () => number;
  /** Whether it need not run any more: then it waits for no resource. */
  readonly isEnding?: () => boolean;
}

/** Slots for tasks that do not run on this machine. */
export interface AwayPools {
  /** The pool of the tasks of a stage; undefined where they run here. */
  poolOf(stage: string): ResourcePool | undefined;
  /** Whether many of them run: then results are gathered. */
  readonly isBusy: boolean;
}

/** How often to look whether another make has given units back. */
const LOOK_AGAIN_MS = 100;

interface Waiting {
  readonly request: ResourceRequest;
  readonly order: number;
  readonly begin: (slot: number, units: HeldUnits) => void;
  readonly refuse: (error: unknown) => void;
  urgency: number;
}

/** A fixed number of slots and named resources, given to the most urgent that fits. */
export class ResourcePool {
  /** Numbers of the free slots, the lowest last. */
  private readonly free: number[];
  private readonly left: Map<string, number>;
  /** What has asked since slots were given last. */
  private asking: Waiting[] = [];
  /** Those that had to wait: one heap for each set of resources, so that one look tells whether any of it fits. */
  private readonly waiting = new Map<string, Heap<Waiting>>();
  /** How much there is of each resource. */
  readonly totals: ReadonlyMap<string, number>;
  private readonly stocks: ReadonlyMap<string, UnitStock>;
  private readonly waits: PoolUnits['waits'];
  private asked = 0;
  private due = false;
  private looksAgain = false;
  /** How many slots there are. */
  readonly count: number;

  constructor(count: number, totals: ReadonlyMap<string, number>, handedOut?: PoolUnits) {
    const { units, leases, waits } = handedOut ?? { units: new Map() };
    const stocks = [...units].map(
      ([name, all]) => [name, new UnitStock(name, all, leases)] as const,
    );
    this.stocks = new Map(stocks);
    this.waits = waits;
    this.count = count;
    this.free = Array.from({ length: count }, (_, index) => count - 1 - index);
    this.totals = totals;
    this.left = new Map(totals);
  }

  /** Whether anything waits for a slot. */
  get busy(): boolean {
    return this.asking.length > 0 || [...this.waiting.values()].some(({ size }) => size > 0);
  }

  /** How many slots are taken. */
  get taken(): number {
    return this.count - this.free.length;
  }

  /** Runs work in a slot, and gives the slot back. */
  async withSlot<T>(
    request: ResourceRequest,
    work: (slot: number, units: HeldUnits) => Promise<T>,
  ): Promise<T> {
    for (const [name, n] of Object.entries(request.resources)) {
      const all = this.totals.get(name) ?? 0;
      if (n > all) throw new Error(`it asks for ${n} of \`${name}\`, of which there is ${all}`);
    }
    const got = await new Promise<{ slot: number; units: HeldUnits }>((resolve, refuse) => {
      const begin = (slot: number, units: HeldUnits): void => resolve({ slot, units });
      this.asking.push({ request, order: this.asked++, begin, refuse, urgency: 0 });
      this.giveSoon();
    });
    const { slot, units } = got;
    try {
      return await work(slot, units);
    } finally {
      this.free.splice(placeOf(slot, this.free), 0, slot);
      this.take(request, -1);
      this.giveBack(units, request);
      this.giveSoon();
    }
  }

  /** Deferred, so that all requests of this turn of the event loop compete by priority. */
  private giveSoon(): void {
    if (this.due || this.free.length === 0) return;
    this.due = true;
    setImmediate(() => {
      this.due = false;
      this.give();
    });
  }

  private give(): void {
    const asking = this.asking;
    this.asking = [];
    // As long as there is enough for all, nobody needs to know what is urgent.
    const enough = this.waiting.size === 0 && asking.length <= this.free.length;
    for (const one of asking) {
      if (!enough || !this.begin(one)) this.line(one);
    }
    /** Those whose units another make has. */
    const stuck = new Set<Heap<Waiting>>();
    while (this.free.length > 0) {
      let first: Heap<Waiting> | undefined;
      for (const [name, heap] of this.waiting) {
        if (heap.size === 0) this.waiting.delete(name);
        else if (stuck.has(heap) || !this.fits(heap.first.request)) continue;
        else if (!first || before(heap.first, first.first)) first = heap;
      }
      if (first === undefined) break;
      if (this.begin(first.first)) first.take();
      else stuck.add(first);
    }
    if (stuck.size > 0) this.lookAgain();
  }

  /** Another make tells nobody that it gives units back. */
  private lookAgain(): void {
    if (this.looksAgain) return;
    this.looksAgain = true;
    setTimeout(() => {
      this.looksAgain = false;
      this.giveSoon();
    }, LOOK_AGAIN_MS);
  }

  private line(one: Waiting): void {
    const { request } = one;
    try {
      one.urgency = request.urgency();
    } catch (error) {
      one.refuse(error);
      return;
    }
    const name = JSON.stringify(Object.entries(request.resources).sort());
    const heap = this.waiting.get(name) ?? new Heap(before);
    heap.add(one);
    this.waiting.set(name, heap);
  }

  /** Begins work that fits. False where it does not, or where another make has its units. */
  private begin({ request, begin }: Waiting): boolean {
    if (!this.fits(request)) return false;
    const units = this.takeUnits(request);
    if (units === undefined) return false;
    this.take(request, 1);
    begin(this.free.pop() as number, units);
    return true;
  }

  private fits({ resources, isEnding }: ResourceRequest): boolean {
    return (
      isEnding?.() === true ||
      Object.entries(resources).every(
        ([name, n]) => n <= (this.left.get(name) ?? 0) && this.stocks.get(name)?.fits(n) !== false,
      )
    );
  }

  /** The units for a piece of work that fits; undefined where another make has them. */
  private takeUnits({ resources, isEnding }: ResourceRequest): HeldUnits | undefined {
    const taken: Record<string, readonly string[]> = {};
    if (this.stocks.size === 0 || isEnding?.()) return taken;
    for (const [name, n] of Object.entries(resources)) {
      const stock = this.stocks.get(name);
      const units = stock?.take(n);
      if (units) taken[name] = units;
      else if (stock) {
        this.giveBack(taken, { resources });
        this.waits?.(name, stock.heldBy ?? '');
        return undefined;
      }
    }
    return taken;
  }

  private giveBack(units: HeldUnits, { resources }: Pick<ResourceRequest, 'resources'>): void {
    for (const [name, held] of Object.entries(units)) {
      this.stocks.get(name)?.give(held, resources[name] ?? 0);
    }
  }

  private take({ resources }: ResourceRequest, sign: 1 | -1): void {
    for (const [name, n] of Object.entries(resources)) {
      this.left.set(name, (this.left.get(name) ?? 0) - sign * n);
    }
  }
}

/** Where a slot belongs among the free ones: there may be thousands. */
function placeOf(slot: number, free: readonly number[]): number {
  let [from, to] = [0, free.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((free[middle] ?? 0) > slot) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Whether one comes before another: by urgency, then in the order in which they asked. */
const before = (a: Waiting, b: Waiting): boolean =>
  a.urgency > b.urgency || (a.urgency === b.urgency && a.order < b.order);
