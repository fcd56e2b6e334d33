// resource-pool.ts — how many tasks at once, and which of those that wait comes first

import type { Named } from '../model/key.ts';
import { Heap } from '../rebuilder/heap.ts';

/** What a piece of work takes while it runs, besides a slot, and how urgent it is. */
export interface ResourceRequest {
  readonly resources: Named<number>;
  /** The more urgent of two goes first. Asked only when more wait than can run. */
  readonly urgency: () => number;
}

interface Waiting {
  readonly request: ResourceRequest;
  readonly order: number;
  readonly begin: (slot: number) => void;
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
  private readonly waiting = new Map<
    string,
    { readonly request: ResourceRequest; readonly heap: Heap<Waiting> }
  >();
  private asked = 0;
  private due = false;
  /** How many slots there are. */
  readonly count: number;

  constructor(count: number, totals: ReadonlyMap<string, number>) {
    this.count = count;
    this.free = Array.from({ length: count }, (_, index) => count - 1 - index);
    this.left = new Map(totals);
  }

  /** Whether anything waits for a slot. */
  get busy(): boolean {
    return this.asking.length > 0 || [...this.waiting.values()].some(({ heap }) => heap.size > 0);
  }

  /** Runs work in a slot, and gives the slot back. */
  async withSlot<T>(request: ResourceRequest, work: (slot: number) => Promise<T>): Promise<T> {
    const slot = await new Promise<number>((begin, refuse) => {
      this.asking.push({ request, order: this.asked++, begin, refuse, urgency: 0 });
      this.giveSoon();
    });
    try {
      return await work(slot);
    } finally {
      this.free.push(slot);
      this.free.sort((a, b) => b - a);
      this.take(request, -1);
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
      if (enough && this.fits(one.request)) this.begin(one);
      else this.line(one);
    }
    while (this.free.length > 0) {
      let first: Heap<Waiting> | undefined;
      for (const [name, { request, heap }] of this.waiting) {
        if (heap.size === 0) this.waiting.delete(name);
        else if (this.fits(request) && (!first || before(heap.first, first.first))) first = heap;
      }
      if (first === undefined) return;
      this.begin(first.take());
    }
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
    const known = this.waiting.get(name);
    const { heap } = known ?? { heap: new Heap(before) };
    heap.add(one);
    if (!known) this.waiting.set(name, { request, heap });
  }

  private begin({ request, begin }: Waiting): void {
    this.take(request, 1);
    begin(this.free.pop() as number);
  }

  private fits({ resources }: ResourceRequest): boolean {
    return Object.entries(resources).every(([name, n]) => n <= (this.left.get(name) ?? 0));
  }

  private take({ resources }: ResourceRequest, sign: 1 | -1): void {
    for (const [name, n] of Object.entries(resources)) {
      this.left.set(name, (this.left.get(name) ?? 0) - sign * n);
    }
  }
}

/** Whether one comes before another: by urgency, then in the order in which they asked. */
const before = (a: Waiting, b: Waiting): boolean =>
  a.urgency > b.urgency || (a.urgency === b.urgency && a.order < b.order);
