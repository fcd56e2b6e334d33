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

/**
 * Takes what comes out of a pipe, chunk by chunk, and gives every message once it is whole.
 * @param broken hears of a frame that holds no message: what comes after it cannot be trusted
 */
export function frameReader<Message>(
  hear: (message: Message) => void,
  broken: () => void = () => undefined,
): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let total = 0;
  let wanted = HEADER_BYTES;
  let inBody = false;
  return (chunk) => {
    chunks.push(chunk);
    total += chunk.length;
    while (total >= wanted) {
      // Joined once a message, however many chunks it came in.
      const [first] = chunks;
      const all = first && chunks.length === 1 ? first : Buffer.concat(chunks, total);
      const junk = inBody ? 0 : junkBefore(all);
      if (junk > 0) {
        chunks = [all.subarray(junk)];
        total -= junk;
        continue;
      }
      const part = all.subarray(0, wanted);
      chunks = total > wanted ? [all.subarray(wanted)] : [];
      total -= wanted;
      if (inBody) tell(part, hear, broken);
      wanted = inBody ? HEADER_BYTES : part.readUInt32LE(MARK.length);
      inBody = !inBody;
    }
  };
}

/** How many bytes stand before the mark, or before what may become one. */
function junkBefore(bytes: Buffer): number {
  if (MARK.equals(bytes.subarray(0, MARK.length))) return 0;
  const at = bytes.indexOf(MARK);
  return at >= 0 ? at : bytes.length - MARK.length + 1;
}

function tell<Message>(body: Buffer, hear: (message: Message) => void, broken: () => void): void {
  let message: Message;
  try {
    message = deserialize(body) as Message;
  } catch {
    broken();
    return;
  }
  hear(message);
}
