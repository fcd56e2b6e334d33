// worker-view.ts — a worker as its head sees it: its boxes, its connection, what it has
import type { JobClass } from '../../engine/config/job-class.ts';
import type { Key, Named } from '../../engine/model/key.ts';
import type { JobId, JobSight } from '../batch.ts';
import { BoxReader, BoxWriter } from '../box.ts';
import type { Frame } from '../frames.ts';
import type { SetLayout } from '../layout.ts';
import type { HeadSays } from '../messages.ts';
import type { WorkerSet } from '../sets.ts';
import type { Line, LineBytes } from '../tcp-line.ts';
import type { Work } from './work.ts';

/** An order that a worker has. */
export interface Held {
  readonly id: string;
  readonly key: Key;
  /** Absent where an earlier head gave it, and nobody has asked for it yet. */
  work: Work | undefined;
  hasBegun: boolean;
}

/** What a worker view tells its head. */
export interface WorkerViewListener {
  heard(worker: WorkerView, frame: Frame): void;
  trouble(error: Error): void;
  /** Its connection was closed, though it has not said that it leaves. */
  disconnected(worker: WorkerView): void;
}

const [LOOK_LEAST_MS, LOOK_MOST_MS, LOOK_BESIDE_TCP_MS] = [20, 1000, 5000];

/** A worker. */
export class WorkerView {
  readonly set: WorkerSet;
  readonly element: number;
  readonly cls: JobClass;
  /** By order. */
  readonly held = new Map<string, Held>();
  state: 'asked' | 'here' | 'over' = 'asked';
  /** It is to take nothing more. */
  isLeaving = false;
  isTroubled = false;
  host = '';
  machine: Named<string> = {};
  node = '';
  /** When its time is over, as far as that is known. */
  ends_ms: number | null = null;
  sight: JobSight | undefined;
  /** So many looks in a row found that its job will never start. */
  hopelessLooks = 0;
  job: JobId | undefined;
  heardAt = performance.now();
  private line: Line | undefined;
  private readonly inbox: BoxWriter;
  private readonly outbox: BoxReader;
  private readonly disconnected: () => void;
  private timer: NodeJS.Timeout | undefined;
  private wait = LOOK_LEAST_MS;
  private looking: Promise<boolean> | undefined;
  private isClosed = false;

  constructor(
    set: WorkerSet,
    element: number,
    cls: JobClass,
    files: SetLayout,
    listener: WorkerViewListener,
    inboxBytes: number,
  ) {
    this.set = set;
    this.element = element;
    this.cls = cls;
    this.inbox = new BoxWriter(files.inbox(element), {
      offset: inboxBytes,
      // Orders need not outlive their head. That each write closes the file is what a network file system goes by.
      isDurable: false,
      sent: (offset, bytes) => this.line?.send(offset, bytes),
      trouble: listener.trouble,
    });
    this.disconnected = () => listener.disconnected(this);
    this.outbox = new BoxReader(files.outbox(element), (frame) => {
      this.heardAt = performance.now();
      listener.heard(this, frame);
    });
  }

  get isConnected(): boolean {
    return this.line !== undefined;
  }

  send(says: HeadSays, body?: Uint8Array): void {
    void this.inbox.write(says, body);
  }

  /** Resolves when all that was sent is in the file. */
  flushed(): Promise<void> {
    return this.inbox.write({ say: 'nothing' });
  }

  connect(line: Line): { heard(message: LineBytes): void; closed(): void } {
    this.line?.close();
    this.line = line;
    return {
      heard: ({ offset, bytes }) => {
        if (this.outbox.take(offset, bytes) !== 'gap') return;
        // One that goes on may have seen the file as it was before.
        void this.look().then(() => this.look());
      },
      closed: () => {
        if (this.line !== line) return;
        this.line = undefined;
        this.wait = LOOK_LEAST_MS;
        this.follow();
        if (!this.isClosed && this.state === 'here') this.disconnected();
      },
    };
  }

  /** Reads what is new in the outbox. Resolves to whether there was something. */
  look(): Promise<boolean> {
    this.looking ??= this.outbox
      .look()
      .catch(() => false)
      .finally(() => {
        this.looking = undefined;
      });
    return this.looking;
  }

  /** Looks again and again, ever less often while nothing comes, and seldom while it is all sent. */
  follow(): void {
    if (this.isClosed) return;
    clearTimeout(this.timer);
    const timer = setTimeout(
      async () => {
        const isNew = await this.look();
        // A connection was closed meanwhile, and it is followed anew.
        if (this.timer !== timer) return;
        this.wait = isNew ? LOOK_LEAST_MS : Math.min(this.wait * 2, LOOK_MOST_MS);
        this.follow();
      },
      this.isConnected ? LOOK_BESIDE_TCP_MS : this.wait,
    );
    this.timer = timer;
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.inbox.close();
    this.line?.close();
  }
}
