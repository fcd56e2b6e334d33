// node-worker.ts — the worker on a node: takes orders out of its inbox, runs them, and writes what came of it into its outbox
import { setTimeout as pause } from 'node:timers/promises';
import type { Executor } from '../../engine/executors/executor.ts';
import { EXECUTORS, openExecutors } from '../../engine/executors/registry.ts';
import { isSystemError, systemSentence } from '../../engine/files/system-error.ts';
import type { Named } from '../../engine/model/key.ts';
import type { Identity } from '../../engine/model/process-identity.ts';
import type { WorkerCommand } from '../../engine/worker/launch.ts';
import type { JobId } from '../batch.ts';
import { BoxReader, BoxWriter } from '../box.ts';
import { type Depot, openDepot } from '../depot.ts';
import type { Frame } from '../frames.ts';
import { type DepotLayout, SetLayout } from '../layout.ts';
import { type Here, LEFT_BY_SIGNAL, readHeadSays } from '../messages.ts';
import { decodeOrder, type Order } from '../order.ts';
import type { LineBytes } from '../tcp-line.ts';
import { HeadLink } from './head-link.ts';
import { NodeMachine } from './node-machine.ts';
import { OrderRun } from './order-run.ts';
import { OrderSlots, unitsOf } from './order-slots.ts';
import { Reports } from './reports.ts';

/** What a worker is told when it is started. */
export interface NodeWorkerOptions {
  readonly layout: DepotLayout;
  readonly project: string;
  readonly set: string;
  readonly element: number;
  readonly slots: number;
  /** Its job ends after this time; null for never. */
  readonly time_ms: number | null;
  readonly maxIdle_ms: number;
  readonly orphan_ms: number;
  readonly mayConnect: boolean;
  readonly gpus: number;
  readonly root: string;
  readonly job: JobId | null;
  readonly identity: Identity;
  readonly environment: NodeJS.ProcessEnv;
  readonly worker: WorkerCommand;
  readonly versions: Named<string>;
  readonly facts: Named<string>;
  /** Aborted when the job is to end: with how much time there is. */
  readonly ending: AbortSignal;
  /** Words for the log of the job. */
  note(text: string): void;
  /** Ends this process at once: it has left, and what it made cannot be written. */
  abandon(why: string): void;
}

/** A worker that leaves has this time beyond its grace to write its results. */
const ABANDON_MS = 120_000;

const CHECKPOINT_EVERY_MS = 30_000;
const ALIVE_EVERY_MS = 15_000;
const HEAD_LOOK_MS = 3000;
/** How often an inbox is looked at: soon after something came, and ever less often; seldom while all of it is sent. */
const [LOOK_LEAST_MS, LOOK_MOST_MS, LOOK_BESIDE_TCP_MS] = [20, 1000, 2000];
/** What runs has so long to save when the time of the job is nearly over. */
const MARGIN_MS = 60_000;
const LEAVE_GRACE_MS = 10_000;

/** Runs until there is nothing to do, or it is to leave. */
export async function runNodeWorker(options: NodeWorkerOptions): Promise<void> {
  const worker = new NodeWorker(options);
  try {
    await worker.run();
  } finally {
    await worker.close();
  }
}

class NodeWorker {
  private readonly files: SetLayout;
  private readonly depot: Depot;
  private readonly machine: NodeMachine;
  private readonly executor: Executor;
  private readonly outbox: BoxWriter;
  private readonly inbox: BoxReader;
  private readonly reports: Reports;
  private readonly slots: OrderSlots;
  private readonly link: HeadLink;
  /** Ids of orders that came once. */
  private readonly known = new Set<string>();
  /** Something stands in the inbox that was not sent. */
  private isBehind = false;
  private lastWork = performance.now();
  private leaving: string | undefined;
  private isFinishing = false;
  private wake: () => void = () => undefined;
  private readonly begun = performance.now();
  private readonly options: NodeWorkerOptions;

  constructor(options: NodeWorkerOptions) {
    const { layout, project, set, element, environment } = options;
    this.options = options;
    this.files = new SetLayout(layout, project, set);
    this.depot = openDepot(layout);
    this.machine = new NodeMachine({ ...options, depot: this.depot });
    this.executor = openExecutors(this.machine.local, () => EXECUTORS);
    this.outbox = new BoxWriter(this.files.outbox(element), {
      offset: 0,
      isDurable: true,
      sent: (offset, bytes) => this.link.send(offset, bytes),
      trouble: (error) => options.note(`the outbox cannot be written: ${wordsOf(error)}`),
    });
    this.inbox = new BoxReader(this.files.inbox(element), (frame) => this.hear(frame));
    this.reports = new Reports((said) => void this.outbox.write(said));
    this.link = new HeadLink({
      ...{ files: this.files, end: { set, element }, mayConnect: options.mayConnect },
      heard: (message) => this.receive(message),
      closed: () => this.wake(),
    });
    this.slots = new OrderSlots({
      units: unitsOf(environment, options.gpus),
      start: (order, units) => this.start(order, units),
      neverBegan: (order) =>
        this.reports.neverBegan(order, (frame) => void this.outbox.write(frame)),
      ended: () => {
        this.lastWork = performance.now();
        this.wake();
      },
    });
  }

  async run(): Promise<void> {
    const { options, outbox } = this;
    await outbox.write(this.here());
    options.ending.addEventListener('abort', () => this.leave(LEFT_BY_SIGNAL, LEAVE_GRACE_MS));
    const timers = [
      setInterval(() => this.executor.checkpointNow(), CHECKPOINT_EVERY_MS),
      setInterval(() => void outbox.write({ say: 'alive' }), ALIVE_EVERY_MS),
      setInterval(() => this.link.look(), HEAD_LOOK_MS),
    ];
    this.link.look();
    try {
      await this.untilOver();
    } finally {
      for (const timer of timers) clearInterval(timer);
    }
    this.reports.flush();
    const why = this.leaving ?? (this.isFinishing ? 'finished' : 'idle');
    await Promise.race([
      outbox.write({ say: 'left', why }),
      pause(LEAVE_GRACE_MS, undefined, { ref: false }),
    ]);
    options.note(`left: ${why}`);
  }

  async close(): Promise<void> {
    this.outbox.close();
    this.link.close();
    await this.executor.close();
    await this.machine.close();
  }

  private here(): Here {
    const { identity, job, versions, facts } = this.options;
    const { host, pid } = identity;
    return { say: 'here', host, pid, job, versions, machine: facts, at: Date.now() };
  }

  /** Looks at the inbox, ever less often while nothing comes. */
  private async untilOver(): Promise<void> {
    let wait = LOOK_LEAST_MS;
    let lookAt = 0;
    while (!this.isOver()) {
      // The file is not needed while orders arrive over the connection or wait here.
      const isSent = this.link.isConnected || !this.slots.isHungry;
      if (this.isBehind || !isSent || performance.now() >= lookAt) {
        wait = (await this.look()) ? LOOK_LEAST_MS : Math.min(wait * 2, LOOK_MOST_MS);
        lookAt = performance.now() + (this.link.isConnected ? LOOK_BESIDE_TCP_MS : wait);
      }
      this.watchTime();
      if (this.isOver()) break;
      if (!this.isBehind) await this.awaitMore(Math.max(1, lookAt - performance.now()));
    }
    await this.slots.settled();
  }

  /** Reads what is new in the inbox. Resolves to whether there was something. */
  private look(): Promise<boolean> {
    this.isBehind = false;
    return this.inbox.look().catch((error: Error) => {
      this.options.note(`the inbox cannot be read: ${wordsOf(error)}`);
      return false;
    });
  }

  private receive({ offset, bytes }: LineBytes): void {
    // What came before the connection stands in the file.
    if (this.inbox.take(offset, bytes) !== 'gap') return;
    this.isBehind = true;
    this.wake();
  }

  /** Resolves after a while, or when something has ended. */
  private awaitMore(wait_ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait_ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private isOver(): boolean {
    if (this.slots.isBusy) return false;
    if (this.leaving !== undefined || this.isFinishing) return true;
    return performance.now() - this.lastWork > this.options.maxIdle_ms;
  }

  private hear({ header, body }: Frame): void {
    const said = readHeadSays(header);
    if (said === undefined) return;
    if (said.say === 'order') {
      this.lastWork = performance.now();
      this.take(body.toString('utf8'));
    } else if (said.say === 'stop') {
      this.slots.stop(said.orders, said.grace_ms);
      this.wake();
    } else if (said.say === 'checkpoint') this.executor.checkpointNow();
    else if (said.say === 'finish') {
      this.isFinishing = true;
      this.wake();
    } else this.leave('asked by the head', said.grace_ms);
  }

  private take(text: string): void {
    let order: Order;
    try {
      order = decodeOrder(text);
    } catch (error) {
      this.options.note(`an order is not taken: ${wordsOf(error)}`);
      this.refuse(text, wordsOf(error));
      return;
    }
    if (this.known.has(order.id)) return;
    this.known.add(order.id);
    this.reports.took(order);
    this.slots.add(order);
  }

  private start(order: Order, units: Named<readonly string[]>): OrderRun {
    const { machine, executor, depot, reports, outbox } = this;
    return new OrderRun(order, { machine, executor, depot, reports, outbox, units });
  }

  /** Says of an order that cannot be read that it failed, as far as it can be told which it is. */
  private refuse(text: string, why: string): void {
    try {
      const { id, action } = JSON.parse(text) as Order;
      const failure = {
        cause: 'infrastructure',
        message: `the order was not taken: ${why}`,
      } as const;
      const end = { status: 'failed', failure } as const;
      void this.outbox.write({ say: 'ended', order: id, key: action.key, seconds: 0, end });
    } catch {
      // Nobody knows which order it was: its head gives it again when this worker is gone.
    }
  }

  /** Takes nothing more; what runs saves and stops. */
  private leave(why: string, grace_ms: number): void {
    if (this.leaving !== undefined) return;
    this.leaving = why;
    this.slots.leave(grace_ms);
    // Where not even that can be written, such as when the depot is gone, nothing is waited for.
    setTimeout(() => this.options.abandon(why), grace_ms + ABANDON_MS).unref();
    this.wake();
  }

  private watchTime(): void {
    const { time_ms, orphan_ms } = this.options;
    const now = performance.now();
    const margin = time_ms === null ? 0 : Math.min(MARGIN_MS, time_ms / 4);
    if (time_ms !== null && now - this.begun > time_ms - margin) {
      this.leave('its time is nearly over', margin / 2);
    }
    if (this.link.silence_ms > orphan_ms) {
      this.leave('nothing was heard of its head', LEAVE_GRACE_MS);
    }
  }
}

const wordsOf = (error: unknown): string =>
  isSystemError(error)
    ? systemSentence(error)
    : error instanceof Error
      ? error.message
      : String(error);
