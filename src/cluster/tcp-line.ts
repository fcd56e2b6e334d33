// tcp-line.ts — what is appended to boxes, sent at once over TCP: each message is sealed with a secret that never travels
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';

/** Who speaks: the worker of an element of a set. */
export interface LineEnd {
  readonly set: string;
  readonly element: number;
}

/** Bytes of a box, and where they stand in it. */
export interface LineBytes {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** One open connection. */
export interface Line {
  send(offset: number, bytes: Buffer): void;
  close(): void;
}

const NONCE_BYTES = 32;
const SEAL_BYTES = 32;
const START_BYTES = 4 + SEAL_BYTES;
/** A worker presents itself in so many bytes. */
const HELLO_BYTES_MAX = 1024;
const MESSAGE_BYTES_MAX = 384 * 2 ** 20;
/** What does not present itself within this time is let go. */
const HELLO_MS = 10_000;
/** A peer that takes nothing is let go when so much waits for it: the file has it, too. */
const WAITING_BYTES_MAX = 64 * 2 ** 20;

/** Seals messages in one direction: each has its number in its seal, so that none can be left out or come twice. */
class Seal {
  private count = 0n;
  private readonly key: Buffer;
  private readonly direction: string;

  constructor(key: Buffer, direction: string) {
    this.key = key;
    this.direction = direction;
  }

  next(payload: Buffer): Buffer {
    this.count += 1n;
    return createHmac('sha256', this.key)
      .update(`${this.direction} ${this.count}\n`)
      .update(payload)
      .digest();
  }
}

const sessionKey = (secret: string, server: Buffer, client: Buffer): Buffer =>
  createHmac('sha256', secret).update('pipeline line/1\n').update(server).update(client).digest();

/** Splits what comes into sealed messages. */
class Messages {
  private rest: Buffer = Buffer.alloc(0);
  /** Whoever has not shown that it knows the secret is not listened to for long. */
  private bytesMax: number;
  private readonly seal: Seal;

  constructor(seal: Seal, firstBytesMax: number) {
    this.seal = seal;
    this.bytesMax = firstBytesMax;
  }

  /** @throws Error for what is not sealed with the secret */
  *push(chunk: Buffer): Generator<Buffer> {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= START_BYTES) {
      const length = this.rest.readUInt32LE(0);
      if (length > this.bytesMax) throw new Error('a message is too large');
      const end = START_BYTES + length;
      if (this.rest.length < end) return;
      const payload = this.rest.subarray(START_BYTES, end);
      const seal = this.rest.subarray(4, START_BYTES);
      if (!timingSafeEqual(this.seal.next(payload), seal)) throw new Error('a seal is wrong');
      this.rest = this.rest.subarray(end);
      this.bytesMax = MESSAGE_BYTES_MAX;
      yield payload;
    }
  }
}

function sealed(seal: Seal, payload: Buffer): Buffer {
  const start = Buffer.alloc(4);
  start.writeUInt32LE(payload.length);
  return Buffer.concat([start, seal.next(payload), payload]);
}

const OFFSET_BYTES = 8;

function bytesMessage(offset: number, bytes: Buffer): Buffer {
  const start = Buffer.alloc(OFFSET_BYTES);
  start.writeBigUInt64LE(BigInt(offset));
  return Buffer.concat([start, bytes]);
}

const bytesIn = (payload: Buffer): LineBytes => ({
  offset: Number(payload.readBigUInt64LE(0)),
  bytes: payload.subarray(OFFSET_BYTES),
});

function lineOn(socket: Socket, seal: Seal): Line {
  return {
    send(offset, bytes) {
      if (socket.destroyed) return;
      if (socket.writableLength > WAITING_BYTES_MAX) socket.destroy();
      else socket.write(sealed(seal, bytesMessage(offset, bytes)));
    },
    close: () => socket.end(),
  };
}

/** What a head does about connections. */
export interface LineListener {
  /** A worker is there. @returns what hears it; undefined for one that is not known */
  connected(
    end: LineEnd,
    line: Line,
  ): { heard(message: LineBytes): void; closed(): void } | undefined;
}

/** A port at which workers reach their head. */
export interface LineServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens at an address. @throws the system's error */
export async function listenForWorkers(
  { host, port, secret }: { readonly host: string; readonly port: number; readonly secret: string },
  listener: LineListener,
): Promise<LineServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
    accept(socket, secret, listener);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  server.unref();
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function accept(socket: Socket, secret: string, listener: LineListener): void {
  const mine = randomBytes(NONCE_BYTES);
  socket.write(mine);
  let first = Buffer.alloc(0);
  let messages: Messages | undefined;
  let seal: Seal | undefined;
  let peer: ReturnType<LineListener['connected']>;
  let isHeard = false;
  const late = setTimeout(() => socket.destroy(), HELLO_MS);
  const hear = (payload: Buffer): void => {
    if (isHeard) {
      peer?.heard(bytesIn(payload));
      return;
    }
    const { set, element } = JSON.parse(payload.toString('utf8')) as LineEnd;
    isHeard = true;
    clearTimeout(late);
    peer = seal && listener.connected({ set, element }, lineOn(socket, seal));
    if (peer === undefined) socket.destroy();
  };
  socket.on('error', () => undefined);
  socket.on('close', () => {
    clearTimeout(late);
    peer?.closed();
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      let rest = chunk;
      if (messages === undefined) {
        first = Buffer.concat([first, chunk]);
        if (first.length < NONCE_BYTES) return;
        const key = sessionKey(secret, mine, first.subarray(0, NONCE_BYTES));
        messages = new Messages(new Seal(key, 'worker'), HELLO_BYTES_MAX);
        seal = new Seal(key, 'head');
        rest = first.subarray(NONCE_BYTES);
      }
      for (const payload of messages.push(rest)) hear(payload);
    } catch {
      // Whoever does not know the secret is not heard.
      socket.destroy();
    }
  });
}

/** Where a head listens. */
export interface LineAddress {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
}

/** Connects to a head. Undefined where that cannot be within `within_ms`. */
export function connectToHead(
  { host, port, secret }: LineAddress,
  end: LineEnd,
  {
    heard,
    closed,
    within_ms,
  }: {
    heard(message: LineBytes): void;
    closed(): void;
    readonly within_ms: number;
  },
): Promise<Line | undefined> {
  return new Promise((resolve) => {
    const socket = netConnect({ host, port });
    socket.setNoDelay(true);
    const mine = randomBytes(NONCE_BYTES);
    let first = Buffer.alloc(0);
    let messages: Messages | undefined;
    const late = setTimeout(() => socket.destroy(), within_ms);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(late);
      if (messages) closed();
      resolve(undefined);
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        let rest = chunk;
        if (messages === undefined) {
          first = Buffer.concat([first, chunk]);
          if (first.length < NONCE_BYTES) return;
          const key = sessionKey(secret, first.subarray(0, NONCE_BYTES), mine);
          messages = new Messages(new Seal(key, 'head'), MESSAGE_BYTES_MAX);
          const seal = new Seal(key, 'worker');
          socket.write(mine);
          socket.write(sealed(seal, Buffer.from(JSON.stringify(end))));
          rest = first.subarray(NONCE_BYTES);
          clearTimeout(late);
          resolve(lineOn(socket, seal));
        }
        for (const payload of messages.push(rest)) heard(bytesIn(payload));
      } catch {
        socket.destroy();
      }
    });
  });
}
