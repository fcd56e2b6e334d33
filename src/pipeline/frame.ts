// frame.ts — messages through a pipe between processes: a length, then a structured clone
import { deserialize, serialize } from 'node:v8';

const HEADER_BYTES = 4;

/** The bytes of a message. Typed arrays in it are copied, nothing else of their buffers. */
export function frameOf(message: unknown): Buffer {
  const body = serialize(message);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** Takes what comes out of a pipe, chunk by chunk, and gives every message once it is whole. */
export function frameReader<Message>(hear: (message: Message) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let total = 0;
  let wanted = HEADER_BYTES;
  let inBody = false;
  return (chunk) => {
    chunks.push(chunk);
    total += chunk.length;
    while (total >= wanted) {
      // Joined once a message, however many chunks it came in.
      const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, total);
      const part = all.subarray(0, wanted);
      chunks = total > wanted ? [all.subarray(wanted)] : [];
      total -= wanted;
      if (inBody) hear(deserialize(part) as Message);
      wanted = inBody ? HEADER_BYTES : part.readUInt32LE();
      inBody = !inBody;
    }
  };
}
