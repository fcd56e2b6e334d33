// streams.ts — stdout and stderr that cannot be written: what is said, and how the process ends
import { writeSync } from 'node:fs';
import { renderTexts } from './ink.ts';

/** Whoever read is gone: a pipe that was closed (`| head`), a terminal that is no more. */
const GONE = new Set(['EPIPE', 'EIO', 'ECONNRESET', 'ERR_STREAM_DESTROYED']);
/** What the system says of a stream that takes nothing more, in words. */
const REASONS: { readonly [code: string]: string } = {
  ENOSPC: 'no space left on device',
  EDQUOT: 'the quota is exceeded',
  EFBIG: 'the file would be too large',
};
const EXIT_MEND = 2;

/**
 * A reader that goes away ends nothing: a command goes on without it, and its exit code says what came of its work. Any
 * other reason why results cannot be written is an error, told once on stderr. What stderr does not take is left out. No
 * text that is written reaches a terminal before it is harmless (`ink.ts`).
 */
export function guardStreams(): void {
  const { stdout, stderr } = process;
  let failed = false;
  for (const stream of [stdout, stderr]) {
    writeWhole(stream);
    renderTexts(stream);
  }
  stderr.on('error', () => undefined);
  stdout.on('error', ({ code = '', message }: NodeJS.ErrnoException) => {
    if (GONE.has(code) || failed) return;
    failed = true;
    stderr.write(`error: stdout cannot be written: ${REASONS[code] ?? message}\n`);
  });
  process.on('exit', (code) => {
    if (failed && code === 0) process.exitCode = EXIT_MEND;
  });
}

/**
 * Node takes it for done when a file took only a part of what was written, as one does on a disk that has just become full.
 * Other streams see to that themselves.
 */
function writeWhole(stream: NodeJS.WriteStream): void {
  if (stream.constructor.name !== 'SyncWriteStream') return;
  // Every such stream has it, and Node's types do not.
  const { fd } = stream as unknown as { readonly fd: number };
  stream._write = (chunk: Uint8Array | string, _encoding, done) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
}
