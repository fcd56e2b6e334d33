// frame.ts — messages through a pipe between processes: a mark, a length, then a structured clone
import { deserialize, serialize } from 'node:v8';

/**
 * Every frame begins with it. A stage may write into the pipe itself, by the number of its descriptor: what does not
 * begin so is skipped.
 */
const MARK = Buffer.from([0xf1, 0x50, 0x49, 0x50, 0x45, 0x4c, 0x4e, 0xfe]);
const HEADER_BYTES = MARK.length + 4;

/** The bytes of a message. Typed arrays in it are copied, nothing else of their buffers. */
export function frameOf(message: unknown): Buffer {
  const body = serialize(message);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  MARK.copy(frame);
  frame.writeUInt32LE(body.length, MARK.length);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** The message of one whole frame. @throws when it holds none */
export const messageOf = (frame: Buffer): unknown => deserialize(frame.subarray(HEADER_BYTES));

/** Bytes that follow a message as they are, in no frame: they are passed on as they come. */
export interface Payload {
  readonly bytes: number;
  take(chunk: Uint8Array): void;
  /** All have come. @throws when they are not those that were sent */
  end(): void;
}

/** Who reads frames. */
export interface FrameListener<Message> {
  /** A message, once it is whole; the payload that follows it, if one does. @throws when it may not be said */
  hear(message: Message): Payload | undefined;
  /** A frame holds no message, or one that may not be said: what comes after it cannot be trusted, and is not read. */
  broken(): void;
  /** A frame may be no larger; any size unless told. */
  readonly bytesMax?: number;
}

/** Takes what comes out of a pipe, chunk by chunk. */
export function frameReader<Message>({
  hear,
  broken,
  bytesMax = Number.POSITIVE_INFINITY,
}: FrameListener<Message>): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let total = 0;
  let wanted = HEADER_BYTES;
  let inBody = false;
  let isBroken = false;
  let payload: { readonly of: Payload; left: number } | undefined;
  const trust = <T>(step: () => T): T | undefined => {
    try {
      return step();
    } catch {
      isBroken = true;
      broken();
      return undefined;
    }
  };
  /** Passes on what belongs to the payload, and gives the rest. */
  const passOn = (chunk: Buffer): Buffer => {
    if (payload === undefined) return chunk;
    const { of } = payload;
    const part = chunk.subarray(0, payload.left);
    of.take(part);
    payload.left -= part.length;
    if (payload.left === 0) {
      payload = undefined;
      trust(() => of.end());
    }
    return chunk.subarray(part.length);
  };
  /** What has come, in one piece; joined once a message, however many chunks it came in. */
  const joined = (): Buffer => {
    const [first] = chunks;
    return first && chunks.length === 1 ? first : Buffer.concat(chunks, total);
  };
  const keep = (rest: Buffer): void => {
    chunks = rest.length > 0 ? [rest] : [];
    total = rest.length;
  };
  return (given) => {
    if (isBroken) return;
    const chunk = passOn(given);
    if (chunk.length === 0) return;
    chunks.push(chunk);
    total += chunk.length;
    while (total >= wanted && !isBroken) {
      const all = joined();
      const junk = inBody ? 0 : junkBefore(all);
      if (junk > 0) {
        keep(all.subarray(junk));
        continue;
      }
      const part = all.subarray(0, wanted);
      const rest = all.subarray(wanted);
      if (inBody) {
        const follows = trust(() => hear(deserialize(part) as Message));
        if (follows) payload = { of: follows, left: follows.bytes };
      }
      wanted = inBody ? HEADER_BYTES : part.readUInt32LE(MARK.length);
      inBody = !inBody;
      if (wanted > bytesMax) {
        trust(() => {
          throw new RangeError('a frame is too large');
        });
      }
      keep(passOn(rest));
    }
  };
}

/** How many bytes stand before the mark, or before what may become one. */
function junkBefore(bytes: Buffer): number {
  if (MARK.equals(bytes.subarray(0, MARK.length))) return 0;
  const at = bytes.indexOf(MARK);
  return at >= 0 ? at : bytes.length - MARK.length + 1;
}
