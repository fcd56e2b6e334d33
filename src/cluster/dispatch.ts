// dispatch.ts — which worker gets which order, and how many workers there should be
import { randomBytes } from 'node:crypto';
import type { JobClass } from '../engine/config/job-class.ts';
import type { Fleet } from './fleet.ts';
import { encodeOrder, type Order } from './order.ts';
import type { Work } from './work.ts';
import type { WorkerView } from './worker-view.ts';

/** Actions of a class that wait, in the order in which they came. */
interface Queue {
  readonly cls: JobClass;
  readonly works: Set<Work>;
}

/** Beyond what runs, a worker gets as much as it does in this time, so that it never waits for its head. */
const AHEAD_S = { tcp: 1, files: 5 } as const;
/** A job is asked for where there is at least this much to do for it. */
const WORTH_S = 60;
/** What is not known to be short is taken to be worth a job. */
const UNKNOWN_S = 60;
/** How much of a new time counts in the estimate of a stage. */
const LEARN = 0.2;
const STAFF_DELAY_MS = 20;

/** Gives orders. */
export class Dispatch {
  private readonly queues = new Map<string, Queue>();
  private readonly seconds = new Map<string, number>();
  private readonly prefix = randomBytes(6).toString('hex');
  private count = 0;
  private isDue = false;
  private staffing: NodeJS.Timeout | undefined;
  private readonly fleet: Fleet;

  constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  add(work: Work, cls: JobClass): void {
    const queue = this.queues.get(cls.name) ?? { cls, works: new Set() };
    this.queues.set(cls.name, queue);
    queue.works.add(work);
    this.giveSoon();
    // All that comes together is asked for together.
    this.staffing ??= setTimeout(() => {
      this.staffing = undefined;
      this.staff();
    }, STAFF_DELAY_MS);
  }

  has(work: Work): boolean {
    return [...this.queues.values()].some(({ works }) => works.has(work));
  }

  remove(work: Work): void {
    for (const { works } of this.queues.values()) works.delete(work);
  }

  /** Takes all that wait for a class. */
  take(cls: string): readonly Work[] {
    const works = [...(this.queues.get(cls)?.works ?? [])];
    this.queues.delete(cls);
    return works;
  }

  /** Notes how long a task of a stage took. */
  learn(stage: string, seconds: number): void {
    const before = this.seconds.get(stage);
    this.seconds.set(stage, before === undefined ? seconds : before + LEARN * (seconds - before));
  }

  /** Asks for workers where there is work for them. */
  staff(): void {
    for (const { cls, works } of this.queues.values()) {
      let shares = 0;
      let seconds = 0;
      const count = (work: Work): void => {
        const share = work.shareOf(cls);
        shares += share;
        seconds += share * (this.seconds.get(work.action.stage) ?? UNKNOWN_S);
      };
      for (const work of works) count(work);
      if (works.size === 0) continue;
      for (const { held } of this.fleet.open(cls.name)) {
        for (const { work } of held.values()) if (work) count(work);
      }
      const wanted = Math.min(Math.ceil(shares - 1e-9), Math.max(1, Math.ceil(seconds / WORTH_S)));
      this.fleet.want(cls, Math.min(cls.maxJobs, wanted));
    }
  }

  giveSoon(): void {
    if (this.isDue) return;
    this.isDue = true;
    setImmediate(() => {
      this.isDue = false;
      this.give();
    });
  }

  /** Gives what waits to workers that have room. */
  give(): void {
    for (const { cls, works } of this.queues.values()) {
      if (works.size === 0) continue;
      const able = this.fleet
        .open(cls.name)
        .filter(({ state, isTroubled }) => state === 'here' && !isTroubled);
      const loads = able.map((worker) => this.loadOf(worker));
      // In turns, so that none gets much while others have nothing.
      for (let isGiven = true; isGiven && works.size > 0; ) {
        isGiven = false;
        for (const load of loads) {
          const [work] = works;
          if (work === undefined) break;
          if (!this.hasRoom(load, work, cls) || work.holders.has(load.worker)) continue;
          works.delete(work);
          this.send(load.worker, work, cls);
          this.count_(load, work, cls);
          isGiven = true;
        }
      }
    }
  }

  /** Gives everything that waits, also to workers whose jobs have not begun. */
  giveAll(): void {
    for (const { cls, works } of this.queues.values()) {
      const loads = this.fleet.open(cls.name).map((worker) => this.loadOf(worker));
      for (const work of works) {
        loads.sort((a, b) => a.taken - b.taken);
        const [load] = loads;
        if (load === undefined) break;
        works.delete(work);
        this.send(load.worker, work, cls);
        this.count_(load, work, cls);
      }
    }
  }

  private loadOf(worker: WorkerView): Load {
    let [taken, seconds, isKnown] = [0, 0, true];
    for (const { share, work } of worker.held.values()) {
      const estimate = work && this.seconds.get(work.action.stage);
      taken += share;
      seconds += share * (estimate ?? 0);
      isKnown &&= estimate !== undefined;
    }
    return { worker, taken, seconds, isKnown };
  }

  private count_(load: Load, work: Work, cls: JobClass): void {
    const share = work.shareOf(cls);
    const estimate = this.seconds.get(work.action.stage);
    load.taken += share;
    load.seconds += share * (estimate ?? 0);
    load.isKnown &&= estimate !== undefined;
  }

  private hasRoom(load: Load, work: Work, cls: JobClass): boolean {
    const share = work.shareOf(cls);
    if (load.taken + share <= 1 + 1e-9) return true;
    const estimate = this.seconds.get(work.action.stage);
    if (estimate === undefined || !load.isKnown) return false;
    const ahead = load.worker.isConnected ? AHEAD_S.tcp : AHEAD_S.files;
    return load.seconds + share * estimate <= ahead;
  }

  private send(worker: WorkerView, work: Work, cls: JobClass): void {
    const { prepared, action } = work;
    if (prepared === undefined) return;
    this.count += 1;
    const id = `${this.prefix}-${this.count}`;
    const share = work.shareOf(cls);
    const estimate_s = this.seconds.get(action.stage) ?? null;
    const order: Order = { ...prepared, id, share, estimate_s };
    worker.held.set(id, { id, key: action.key, work, share, hasBegun: false });
    work.holders.add(worker);
    worker.send({ say: 'order' }, Buffer.from(encodeOrder(order)));
  }
}

interface Load {
  readonly worker: WorkerView;
  taken: number;
  seconds: number;
  isKnown: boolean;
}
