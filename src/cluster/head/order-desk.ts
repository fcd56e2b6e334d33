// order-desk.ts — gives orders to workers, and asks for jobs, as the dispatcher decides
import { randomBytes } from 'node:crypto';
import type { JobClass } from '../../engine/config/job-class.ts';
import { tasksPerJob } from '../../engine/pipeline/placement.ts';
import { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Lane } from '../dispatch/order-queue.ts';
import { encodeOrder, type Order } from '../order.ts';
import type { Fleet } from './fleet.ts';
import type { Work } from './work.ts';
import type { WorkerView } from './worker-view.ts';

/** What comes within this time is asked for together. */
const STAFF_DELAY_MS = 20;

/** Between works and workers. All decisions are the dispatcher's. */
export class OrderDesk {
  private readonly dispatcher = new Dispatcher();
  private readonly works = new Map<string, Work>();
  private readonly lanes = new Map<string, Lane>();
  private readonly prefix = randomBytes(6).toString('hex');
  private count = 0;
  private isDue = false;
  private staffing: NodeJS.Timeout | undefined;
  private readonly fleet: Fleet;
  /** Whether a checkpoint lies in the depot, for what was given before. */
  private readonly resumes: (work: Work) => boolean;

  constructor(fleet: Fleet, resumes: (work: Work) => boolean) {
    this.fleet = fleet;
    this.resumes = resumes;
  }

  /** An action waits for a worker of a class. */
  add(work: Work, cls: JobClass): void {
    this.count += 1;
    this.enter(work, cls, `${this.prefix}-${this.count}`);
    this.giveSoon();
    this.staffing ??= setTimeout(() => {
      this.staffing = undefined;
      this.staff();
    }, STAFF_DELAY_MS);
  }

  /** An action is waited for that a worker has from an earlier head. */
  attach(work: Work, worker: WorkerView, id: string): void {
    this.enter(work, worker.cls, id);
    this.arrive(worker, [id]);
  }

  private enter(work: Work, cls: JobClass, id: string): void {
    work.order = id;
    this.works.set(id, work);
    const { urgency = 0, estimate_s = null } = work.action;
    this.dispatcher.add({ id, lane: this.laneOf(work, cls), seconds: estimate_s, urgency });
  }

  private laneOf(work: Work, cls: JobClass): Lane {
    const { stage } = work.action;
    const { memory, time } = work.growth;
    const name = JSON.stringify([stage, cls.name, memory, time]);
    const lane = this.lanes.get(name) ?? {
      ...{ stage, class: cls, demand: work.demand, isResumable: work.isResumable },
    };
    this.lanes.set(name, lane);
    return lane;
  }

  /** An action has ended, or is to be given anew. @param seconds how long it took, where it was made */
  end(work: Work, seconds?: number): void {
    if (work.order === undefined) return;
    this.dispatcher.end(work.order, seconds);
    this.works.delete(work.order);
    work.order = undefined;
  }

  /** A worker is there, or has said something. */
  arrive(worker: WorkerView, holds: readonly string[] = []): void {
    const ends_ms = worker.sight?.ends_ms ?? worker.ends_ms;
    this.dispatcher.arrive({ id: idOf(worker), class: worker.cls, ends_ms }, Date.now(), holds);
  }

  hear(worker: WorkerView): void {
    this.dispatcher.hear(idOf(worker), Date.now());
  }

  begin(id: string, worker: WorkerView): void {
    this.dispatcher.begin(id, idOf(worker));
  }

  leave(worker: WorkerView): void {
    this.dispatcher.leave(idOf(worker));
  }

  /** A worker is no more. Gives the actions of which too many workers went. */
  gone(worker: WorkerView): readonly Work[] {
    const { givenUp } = this.dispatcher.gone(idOf(worker));
    this.giveSoon();
    return givenUp.flatMap((id) => this.works.get(id) ?? []);
  }

  /** Removes and returns all orders that wait for a class and that no worker has. */
  take(cls: string): readonly Work[] {
    const waiting = [...this.works.values()].filter(
      (work) => work.holders.size === 0 && work.cls?.name === cls,
    );
    for (const work of waiting) this.end(work);
    return waiting;
  }

  /** Asks for workers where there is work for them; copies of orders wait where their workers are silent. */
  staff(): void {
    this.dispatcher.doubt(Date.now());
    const classes = new Map([...this.lanes.values()].map((lane) => [lane.class.name, lane.class]));
    for (const cls of classes.values()) {
      const have = this.fleet.open(cls.name).length;
      const more = this.dispatcher.jobsWanted(cls, have);
      if (more > 0) this.fleet.want(cls, have + more);
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
    for (const worker of this.fleet.workers) {
      if (worker.state !== 'here' || worker.isTroubled || worker.isLeaving) continue;
      for (const id of this.dispatcher.give(idOf(worker), Date.now())) this.sendTo(worker, id);
    }
  }

  /** Gives everything that waits, also to workers whose jobs have not begun. */
  giveAll(): void {
    const waiting = [...this.works].filter(([, { holders }]) => holders.size === 0);
    for (const [id, work] of waiting) {
      const able = this.fleet.open(work.cls?.name ?? '');
      const [worker] = [...able].sort((a, b) => a.held.size - b.held.size);
      if (worker) this.sendTo(worker, id);
    }
  }

  private sendTo(worker: WorkerView, id: string): void {
    const work = this.works.get(id);
    const isTwice = work !== undefined && work.holders.size > 0;
    // Two would write into one folder.
    if (work?.prepared === undefined || (isTwice && !work.mayCopy)) {
      this.dispatcher.giveBack([id], idOf(worker));
      return;
    }
    const { prepared, action, wasGiven } = work;
    const share = 1 / tasksPerJob(worker.cls, work.demand);
    const resumes = prepared.resumes || (wasGiven && this.resumes(work));
    const order: Order = { ...prepared, resumes, id, share };
    worker.held.set(id, { id, key: action.key, work, hasBegun: false });
    work.holders.add(worker);
    work.wasGiven = true;
    worker.send({ say: 'order' }, Buffer.from(encodeOrder(order)));
  }
}

const idOf = ({ set, element }: WorkerView): string => `${set.id}/${element}`;
