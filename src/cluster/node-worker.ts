// node-worker.ts — the worker on a node: takes orders out of its inbox, runs them, and writes what came of it into its outbox
import { setTimeout as pause } from 'node:timers/promises';
import type { Executor } from '../engine/executors/executor.ts';
import { EXECUTORS, openExecutors } from '../engine/executors/registry.ts';
import { isSystemError, systemSentence } from '../engine/files/system-error.ts';
import type { Named } from '../engine/model/key.ts';
import type { Identity } from '../engine/model/process-identity.ts';
import type { WorkerCommand } from '../engine/worker/launch.ts';
import type { JobId } from './batch.ts';
import { BoxReader, BoxWriter } from './box.ts';
import { type Depot, openDepot } from './depot.ts';
import type { Frame } from './frames.ts';
import { type DepotLayout, SetLayout } from './layout.ts';
import { type Here, readHeadSays } from './messages.ts';
import { NodeMachine } from './node-machine.ts';
import { decodeOrder, type Order } from './order.ts';
import { OrderRun } from './order-run.ts';
import { Reports } from './reports.ts';
import { type HeadNote, readHead } from './sets.ts';
import { connectToHead, type Line } from './tcp-line.ts';

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

/** A worker that leaves has so long beyond its grace to write what it has made. */
const ABANDON_MS = 120_000;

const CHECKPOINT_EVERY_MS = 30_000;
const ALIVE_EVERY_MS = 15_000;
const HEAD_LOOK_MS = 3000;
const CONNECT_MS = 3000;
/** After so long without a connection it is tried again. */
const RECONNECT_MS = 30_000;
/** How often an inbox is looked at: soon after something came, and ever less often. */
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
  private readonly waiting: Order[] = [];
  private readonly running = new Map<string, OrderRun>();
  /** Ids of orders that came once. */
  private readonly known = new Set<string>();
  private line: Line | undefined;
  private isConnecting = false;
  private head: HeadNote | undefined;
  private headSeen = performance.now();
  private lastWork = performance.now();
  private leaving: string | undefined;
  private isFinishing = false;
  private wake: () => void = () => undefined;
  private readonly begun = performance.now();
  private readonly freeUnits: string[];
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
      sent: (offset, bytes) => this.line?.send(offset, bytes),
      trouble: (error) => options.note(`the outbox cannot be written: ${wordsOf(error)}`),
    });
    this.inbox = new BoxReader(this.files.inbox(element), (frame) => this.hear(frame));
    this.reports = new Reports((said) => void this.outbox.write(said));
    this.freeUnits = unitsOf(environment, options.gpus);
  }

  async run(): Promise<void> {
    const { options, outbox } = this;
    await outbox.write(this.here());
    options.ending.addEventListener('abort', () => this.leave('asked', LEAVE_GRACE_MS));
    const timers = [
      setInterval(() => this.executor.checkpointNow(), CHECKPOINT_EVERY_MS),
      setInterval(() => void outbox.write({ say: 'alive' }), ALIVE_EVERY_MS),
      setInterval(() => this.lookAtHead(), HEAD_LOOK_MS),
    ];
    this.lookAtHead();
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
    this.line?.close();
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
    while (!this.isOver()) {
      const isNew = await this.inbox.look().catch((error: Error) => {
        this.options.note(`the inbox cannot be read: ${wordsOf(error)}`);
        return false;
      });
      const most = this.line ? LOOK_BESIDE_TCP_MS : LOOK_MOST_MS;
      wait = isNew ? LOOK_LEAST_MS : Math.min(wait * 2, most);
      this.watchTime();
      if (this.isOver()) break;
      await this.awaitMore(wait);
    }
    await Promise.all([...this.running.values()].map(({ ended }) => ended));
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
    const isBusy = this.running.size > 0 || this.waiting.length > 0;
    if (isBusy) return false;
    if (this.leaving !== undefined || this.isFinishing) return true;
    return performance.now() - this.lastWork > this.options.maxIdle_ms;
  }

  private hear({ header, body }: Frame): void {
    const said = readHeadSays(header);
    if (said === undefined) return;
    if (said.say === 'order') {
      this.lastWork = performance.now();
      this.take(body.toString('utf8'));
    } else if (said.say === 'stop') this.stop(said.orders, said.grace_ms);
    else if (said.say === 'checkpoint') this.executor.checkpointNow();
    else if (said.say === 'finish') this.isFinishing = true;
    else this.leave('asked by the head', said.grace_ms);
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
    this.waiting.push(order);
    this.begin();
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

  /** Begins what fits beside what runs. */
  private begin(): void {
    for (;;) {
      const order = this.waiting[0];
      if (order === undefined || !this.fits(order)) return;
      this.waiting.shift();
      const isLeft = this.leaving !== undefined;
      const run = new OrderRun(order, {
        machine: this.machine,
        executor: this.executor,
        depot: this.depot,
        reports: this.reports,
        outbox: this.outbox,
        units: isLeft ? {} : this.unitsFor(order),
      });
      this.running.set(order.id, run);
      if (isLeft) run.stop(0);
      void run.ended.then(() => {
        this.running.delete(order.id);
        for (const unit of run.units.gpu ?? []) this.freeUnits.push(unit);
        this.lastWork = performance.now();
        this.begin();
        this.wake();
      });
    }
  }

  private fits({ share }: Order): boolean {
    if (this.leaving !== undefined) return true;
    const taken = [...this.running.values()].reduce((sum, { order }) => sum + order.share, 0);
    return this.running.size === 0 || taken + share <= 1 + 1e-9;
  }

  private unitsFor({ action }: Order): Named<readonly string[]> {
    const second = action.parts.command as { readonly shows?: Named<number> } | undefined;
    const wanted = Math.ceil(second?.shows?.gpu ?? 0);
    return wanted > 0 ? { gpu: this.freeUnits.splice(0, wanted) } : {};
  }

  private stop(orders: readonly string[], grace_ms: number): void {
    for (const id of orders) this.running.get(id)?.stop(grace_ms);
    const stopped = new Set(orders);
    for (const order of this.waiting.filter(({ id }) => stopped.has(id))) {
      this.waiting.splice(this.waiting.indexOf(order), 1);
      this.reports.neverBegan(order, (frame) => void this.outbox.write(frame));
    }
    this.wake();
  }

  /** Takes nothing more; what runs saves and stops. */
  private leave(why: string, grace_ms: number): void {
    if (this.leaving !== undefined) return;
    this.leaving = why;
    this.stop([...this.waiting.map(({ id }) => id), ...this.running.keys()], grace_ms);
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
    if (this.head?.isDetached !== true && now - this.headSeen > orphan_ms) {
      this.leave('nothing was heard of its head', LEAVE_GRACE_MS);
    }
  }

  /** Clocks of machines differ: what counts is that the note changes. */
  private lookAtHead(): void {
    const note = readHead(this.files);
    if (note && (note.at !== this.head?.at || note.id !== this.head.id)) {
      this.headSeen = performance.now();
    }
    const isOther = note?.id !== this.head?.id;
    this.head = note ?? this.head;
    if (isOther) this.line?.close();
    if (this.line === undefined || isOther) void this.connect();
  }

  private lastTry = Number.NEGATIVE_INFINITY;
  private triedHead = '';

  private async connect(): Promise<void> {
    const { mayConnect, set, element } = this.options;
    const { head } = this;
    if (!mayConnect || head?.address === null || head === undefined || this.isConnecting) return;
    const now = performance.now();
    if (this.triedHead === head.id && now - this.lastTry < RECONNECT_MS) return;
    [this.triedHead, this.lastTry, this.isConnecting] = [head.id, now, true];
    const line = await connectToHead(
      { ...head.address, secret: head.secret },
      { set, element },
      {
        heard: ({ offset, bytes }) => {
          // What came before the connection stands in the file.
          if (!this.inbox.take(offset, bytes)) void this.inbox.look().catch(() => undefined);
          this.headSeen = performance.now();
        },
        closed: () => {
          if (this.line === line) this.line = undefined;
          this.wake();
        },
        within_ms: CONNECT_MS,
      },
    );
    this.isConnecting = false;
    this.line = line;
  }
}

/** The devices that the batch system has left to this job. */
function unitsOf({ CUDA_VISIBLE_DEVICES: visible }: NodeJS.ProcessEnv, gpus: number): string[] {
  const named = visible
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return named ?? Array.from({ length: gpus }, (_, unit) => String(unit));
}

const wordsOf = (error: unknown): string =>
  isSystemError(error)
    ? systemSentence(error)
    : error instanceof Error
      ? error.message
      : String(error);
