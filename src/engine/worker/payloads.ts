// payloads.ts — outputs and checkpoints that are too large for a message: taken in as they come
import { PassThrough } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Named } from '../model/key.ts';
import type { KeptOutput } from '../model/record.ts';
import type { Payload } from '../process/frame.ts';
import { LARGE_BLOB_BYTES } from '../store/blob-files.ts';
import { type BlobStore, keptOutput } from '../store/store.ts';
import type { PayloadMessage } from './protocol.ts';

/** The pipe that payloads come from. */
export interface Flow {
  pause(): void;
  resume(): void;
}

/** What payloads of one action go into. */
export interface PayloadOptions {
  readonly blobs: Pick<BlobStore, 'putStream'>;
  /** Its outputs: no other may come, and none twice. */
  readonly outputs: readonly string[];
  checkpoint(bytes: Uint8Array): void;
}

/** A checkpoint is held in memory. */
const CHECKPOINT_BYTES_MAX = 2 ** 31 - 1;

/** Takes in the payloads of one action. A large output goes to the store as it comes, and is never whole in memory. */
export class Payloads {
  private readonly outputs = new Map<string, Promise<KeptOutput>>();
  private readonly open = new Set<PassThrough>();
  private readonly options: PayloadOptions;

  constructor(options: PayloadOptions) {
    this.options = options;
  }

  /** What takes the bytes that follow a message. @throws RangeError when they may not come */
  begin({ of, name, bytes, crc }: PayloadMessage, flow: Flow): Payload {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError('a payload has no size');
    if (of === 'checkpoint') {
      if (bytes > CHECKPOINT_BYTES_MAX) throw new RangeError('a checkpoint is too large');
      return inMemory(bytes, crc, (content) => this.options.checkpoint(content));
    }
    if (!this.options.outputs.includes(name) || this.outputs.has(name)) {
      throw new RangeError('no such output is expected');
    }
    if (bytes >= LARGE_BLOB_BYTES) return this.intoStore(name, bytes, crc, flow);
    const { promise, resolve } = promised<KeptOutput>();
    this.outputs.set(name, promise);
    return inMemory(bytes, crc, (content) => resolve(keptOutput(content)));
  }

  private intoStore(name: string, bytes: number, crc: number, flow: Flow): Payload {
    const channel = new PassThrough({ highWaterMark: 2 ** 20 });
    // Whoever waits for the output hears of its errors.
    channel.on('error', () => undefined).on('close', () => flow.resume());
    channel.on('drain', () => flow.resume());
    const kept = this.options.blobs.putStream(channel);
    kept.catch(() => channel.destroy());
    this.open.add(channel);
    this.outputs.set(name, kept);
    const check = checksum(crc);
    return {
      bytes,
      take(chunk) {
        check.add(chunk);
        // Where the store has failed, the rest goes nowhere: the worker must not wait for it.
        if (!channel.destroyed && !channel.write(chunk)) flow.pause();
      },
      end: () => {
        check.end();
        this.open.delete(channel);
        channel.end();
      },
    };
  }

  /** The outputs that came as payloads, once they are kept. @throws StoreError */
  async kept(): Promise<Named<KeptOutput>> {
    const entries = [...this.outputs].map(async ([name, output]) => [name, await output] as const);
    return Object.fromEntries(await Promise.all(entries));
  }

  /** No more will come: what is not whole is not kept. */
  abort(): void {
    for (const channel of this.open) channel.destroy(new Error('the worker ended'));
    this.open.clear();
  }
}

function inMemory(bytes: number, crc: number, done: (content: Uint8Array) => void): Payload {
  const content = Buffer.allocUnsafeSlow(bytes);
  const check = checksum(crc);
  let at = 0;
  return {
    bytes,
    take(chunk) {
      check.add(chunk);
      content.set(chunk, at);
      at += chunk.length;
    },
    end() {
      check.end();
      done(content);
    },
  };
}

/** A stage may write into the pipe: then what comes is not what was sent. */
function checksum(expected: number): { add(chunk: Uint8Array): void; end(): void } {
  let crc = 0;
  return {
    add(chunk) {
      crc = crc32(chunk, crc);
    },
    end() {
      if (crc !== expected) throw new RangeError('a payload is damaged');
    },
  };
}

function promised<T>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
