// head-link.ts — a worker's view of its head: whether it is alive, by its note in the depot, and the connection to it
import type { SetLayout } from '../layout.ts';
import { type HeadNote, readHead } from '../sets.ts';
import { connectToHead, type Line, type LineBytes, type LineEnd } from '../tcp-line.ts';

/** What a link needs, and whom it tells. */
export interface HeadLinkParts {
  readonly files: SetLayout;
  readonly end: LineEnd;
  readonly mayConnect: boolean;
  /** Bytes of the inbox. */
  heard(message: LineBytes): void;
  /** From now on only the file brings what the head says. */
  closed(): void;
}

const CONNECT_MS = 3000;
/** The connection is retried after this time. */
const RECONNECT_MS = 30_000;

/** How a worker knows its head. */
export class HeadLink {
  private line: Line | undefined;
  private head: HeadNote | undefined;
  private seenAt = performance.now();
  private isConnecting = false;
  private lastTry = Number.NEGATIVE_INFINITY;
  private triedHead = '';
  private readonly parts: HeadLinkParts;

  constructor(parts: HeadLinkParts) {
    this.parts = parts;
  }

  get isConnected(): boolean {
    return this.line !== undefined;
  }

  /** For how long nothing was heard of the head; 0 where it has left on purpose. */
  get silence_ms(): number {
    return this.head?.isDetached === true ? 0 : performance.now() - this.seenAt;
  }

  send(offset: number, bytes: Buffer): void {
    this.line?.send(offset, bytes);
  }

  /** To be called again and again. Clocks of machines differ: what counts is that the note changes. */
  look(): void {
    const note = readHead(this.parts.files);
    if (note && (note.at !== this.head?.at || note.id !== this.head.id)) {
      this.seenAt = performance.now();
    }
    const isOther = note?.id !== this.head?.id;
    this.head = note ?? this.head;
    if (isOther) this.line?.close();
    if (this.line === undefined || isOther) void this.connect();
  }

  close(): void {
    this.line?.close();
  }

  private async connect(): Promise<void> {
    const { mayConnect, end } = this.parts;
    const { head } = this;
    if (!mayConnect || head?.address === null || head === undefined || this.isConnecting) return;
    const now = performance.now();
    if (this.triedHead === head.id && now - this.lastTry < RECONNECT_MS) return;
    [this.triedHead, this.lastTry, this.isConnecting] = [head.id, now, true];
    const line = await connectToHead({ ...head.address, secret: head.secret }, end, {
      heard: (message) => {
        this.seenAt = performance.now();
        this.parts.heard(message);
      },
      closed: () => {
        if (this.line === line) this.line = undefined;
        this.parts.closed();
      },
      within_ms: CONNECT_MS,
    });
    this.isConnecting = false;
    this.line = line;
  }
}
