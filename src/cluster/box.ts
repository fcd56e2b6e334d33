// box.ts — a file to which one process appends frames, and which others read: an outbox of a worker, or its inbox
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { encodeFrame, type Frame, FrameReader } from './frames.ts';

/** Hears the bytes of frames that lie in the file, durably, with their place in it. */
export type Sent = (offset: number, bytes: Buffer) => void;

/** A file that is full or gone is tried again after this time. */
const RETRY_MS = 1000;
const RETRY_MOST_MS = 30_000;
/** Writes are so far apart, at least: what comes soon after one goes with what comes a little later. */
const GATHER_MS = 10;

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
  private file: FileHandle | undefined;
  private lastWritten = Number.NEGATIVE_INFINITY;

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
    // Who is writing closes it.
    if (this.writing === undefined) void this.letGo();
  }

  private async flush(): Promise<void> {
    // What else comes in this turn goes with it.
    await Promise.resolve();
    const rest_ms = this.lastWritten + GATHER_MS - performance.now();
    if (rest_ms > 0) await pause(rest_ms);
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
    if (this.isClosed) return this.letGo();
    this.lastWritten = performance.now();
    const { offset } = this;
    this.offset += bytes.length;
    this.sent(offset, bytes);
  }

  /** Writes at the place where the last frame ended: what an attempt that failed has left is written over. */
  private async append(bytes: Buffer): Promise<void> {
    this.file ??= await open(this.path, constants.O_WRONLY);
    let isWritten = false;
    try {
      for (let at = 0; at < bytes.length; ) {
        const length = bytes.length - at;
        const { bytesWritten } = await this.file.write(bytes, at, length, this.offset + at);
        at += bytesWritten;
      }
      if (this.isDurable) await this.file.datasync();
      isWritten = true;
    } finally {
      // On a network file system others see what was flushed, or what lies in a file that was closed.
      if (!isWritten || !this.isDurable) await this.letGo();
    }
  }

  private async letGo(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    await file?.close().catch(() => undefined);
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

  /**
   * Takes bytes that stand at a place in the file. `known`: they were read before. `gap`: something is missing before them,
   * which stands in the file.
   */
  take(offset: number, bytes: Buffer): 'taken' | 'known' | 'gap' {
    const { received } = this.frames;
    if (offset > received) return 'gap';
    if (offset + bytes.length <= received) return 'known';
    for (const frame of this.frames.push(bytes.subarray(received - offset))) this.hear(frame);
    return 'taken';
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
        isNew = this.take(received, buffer.subarray(0, bytesRead)) === 'taken' || isNew;
      }
    } finally {
      await file.close();
    }
  }
}
