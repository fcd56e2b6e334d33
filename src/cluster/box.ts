// box.ts — a file to which one process appends frames, and which others read: an outbox of a worker, or its inbox
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { encodeFrame, type Frame, FrameReader } from './frames.ts';

/** Hears the bytes of frames that lie in the file, durably, with their place in it. */
export type Sent = (offset: number, bytes: Buffer) => void;

/** A file that is full or gone is tried again after this time. */
const RETRY_MS = 1000;
const RETRY_MOST_MS = 30_000;

/** Appends frames to a file. Those that come while others are being written are written together. */
export class BoxWriter {
  private queue: Buffer[] = [];
  private writing: Promise<void> | undefined;
  private readonly path: string;
  private offset: number;
  private readonly sent: Sent;
  private readonly trouble: (error: Error) => void;
  private isClosed = false;
  private readonly isDurable: boolean;

  constructor(
    path: string,
    {
      offset,
      isDurable,
      sent,
      trouble,
    }: {
      readonly offset: number;
      /** Whether each write is flushed to the disk. */
      readonly isDurable: boolean;
      readonly sent: Sent;
      readonly trouble: (error: Error) => void;
    },
  ) {
    this.path = path;
    this.offset = offset;
    this.isDurable = isDurable;
    this.sent = sent;
    this.trouble = trouble;
  }

  /** Resolves when the frame is in the file. */
  async write(header: unknown, body?: Uint8Array): Promise<void> {
    if (this.isClosed) return;
    this.queue.push(encodeFrame(header, body));
    while (this.queue.length > 0 || this.writing) {
      this.writing ??= this.flush().finally(() => {
        this.writing = undefined;
      });
      const mine = this.writing;
      await mine;
      if (this.isClosed) return;
    }
  }

  /** Nothing is written any more. */
  close(): void {
    this.isClosed = true;
    this.queue = [];
  }

  private async flush(): Promise<void> {
    // What else comes in this turn goes with it.
    await Promise.resolve();
    const bytes = Buffer.concat(this.queue);
    this.queue = [];
    if (bytes.length === 0) return;
    for (let wait = RETRY_MS; !this.isClosed; wait = Math.min(wait * 2, RETRY_MOST_MS)) {
      try {
        await this.append(bytes);
        break;
      } catch (error) {
        this.trouble(error as Error);
        await pause(wait);
      }
    }
    if (this.isClosed) return;
    const { offset } = this;
    this.offset += bytes.length;
    this.sent(offset, bytes);
  }

  /** Writes at the place where the last frame ended: what an attempt that failed has left is written over. */
  private async append(bytes: Buffer): Promise<void> {
    const file = await open(this.path, constants.O_WRONLY);
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, at, bytes.length - at, this.offset + at);
        at += bytesWritten;
      }
      if (this.isDurable) await file.datasync();
    } finally {
      await file.close();
    }
  }
}

/** A file may show its length before its content: a frame that is not whole is read again so often. */
const LOOKS_MAX = 20;
/** At most so much is read at once. */
const PIECE_BYTES = 4 * 2 ** 20;

/** Reads the frames of a box, from its file or from what its writer sends: whichever brings the next bytes first. */
export class BoxReader {
  readonly frames = new FrameReader();
  private readonly path: string;
  private readonly hear: (frame: Frame) => void;
  private looks = 0;

  constructor(path: string, hear: (frame: Frame) => void) {
    this.path = path;
    this.hear = hear;
  }

  /** Takes bytes that stand at a place in the file. What is not next is left for the file. */
  take(offset: number, bytes: Buffer): boolean {
    const { received } = this.frames;
    const end = offset + bytes.length;
    if (offset > received || end <= received) return false;
    for (const frame of this.frames.push(bytes.subarray(received - offset))) this.hear(frame);
    return true;
  }

  /** Reads what is new in the file. True when there was something. @throws the system's error */
  async look(): Promise<boolean> {
    // Opened anew each time: a network file system tells the length of a file when it is opened.
    const file = await open(this.path, 'r');
    let isNew = false;
    if (this.frames.isBroken && this.looks < LOOKS_MAX) {
      this.looks += 1;
      this.frames.forgetRest();
    }
    try {
      for (;;) {
        const { received, isBroken } = this.frames;
        if (isBroken) return isNew;
        const { size } = await file.stat();
        const length = Math.min(size - received, PIECE_BYTES);
        if (length <= 0) return isNew;
        const buffer = Buffer.allocUnsafe(length);
        const { bytesRead } = await file.read(buffer, 0, length, received);
        if (bytesRead === 0) return isNew;
        isNew = this.take(received, buffer.subarray(0, bytesRead)) || isNew;
      }
    } finally {
      await file.close();
    }
  }
}
