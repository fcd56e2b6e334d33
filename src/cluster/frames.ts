// frames.ts — what head and workers write into their files and send each other: a header in JSON, a body, and a digest over both
import { createHash } from 'node:crypto';

/** Every frame begins with it. */
const MARK = Buffer.from('plf1');
const [HEADER_AT, BODY_AT, DIGEST_AT, START_BYTES] = [4, 8, 12, 44];
/** Nothing that is larger is read: larger contents lie in the depot. */
const HEADER_BYTES_MAX = 64 * 2 ** 20;
const BODY_BYTES_MAX = 256 * 2 ** 20;

/** A frame that was read whole. */
export interface Frame {
  readonly header: unknown;
  readonly body: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** The bytes of a frame. */
export function encodeFrame(header: unknown, body: Uint8Array = NOTHING): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const frame = Buffer.allocUnsafe(START_BYTES + text.length + body.length);
  MARK.copy(frame);
  frame.writeUInt32LE(text.length, HEADER_AT);
  frame.writeUInt32LE(body.length, BODY_AT);
  text.copy(frame, START_BYTES);
  frame.set(body, START_BYTES + text.length);
  digest(frame.subarray(START_BYTES)).copy(frame, DIGEST_AT);
  return frame;
}

const digest = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Takes bytes as they come, and gives the frames in them. */
export class FrameReader {
  /** Where the next frame begins, from the beginning of all bytes. */
  position = 0;
  /** What came is no frame, or a damaged one: nothing behind it is read. */
  isBroken = false;
  private rest: Buffer = NOTHING;

  /** How many bytes have come. */
  get received(): number {
    return this.position + this.rest.length;
  }

  /** Bytes of a frame that is not whole are to come again. */
  forgetRest(): void {
    this.rest = NOTHING;
    this.isBroken = false;
  }

  *push(bytes: Buffer): Generator<Frame> {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    while (!this.isBroken) {
      const frame = this.next();
      if (frame === undefined) return;
      yield frame;
    }
  }

  private next(): Frame | undefined {
    const { rest } = this;
    if (rest.length < START_BYTES) {
      const { length } = rest.subarray(0, MARK.length);
      this.isBroken = !MARK.subarray(0, length).equals(rest.subarray(0, length));
      return undefined;
    }
    const [headerBytes, bodyBytes] = [rest.readUInt32LE(HEADER_AT), rest.readUInt32LE(BODY_AT)];
    const isMarked = MARK.equals(rest.subarray(0, MARK.length));
    if (!isMarked || headerBytes > HEADER_BYTES_MAX || bodyBytes > BODY_BYTES_MAX) {
      this.isBroken = true;
      return undefined;
    }
    const end = START_BYTES + headerBytes + bodyBytes;
    if (rest.length < end) return undefined;
    const content = rest.subarray(START_BYTES, end);
    if (!digest(content).equals(rest.subarray(DIGEST_AT, START_BYTES))) {
      this.isBroken = true;
      return undefined;
    }
    this.rest = rest.subarray(end);
    this.position += end;
    const header = parsed(content.subarray(0, headerBytes));
    return { header, body: content.subarray(headerBytes) };
  }
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}
