// bounded-file.ts — reads files that somebody else may have written, and no more of them than they may have
import { closeSync, openSync, readSync } from 'node:fs';
import { readRegularFile } from './regular-file.ts';

const FIRST_BYTES = 65_536;

/**
 * The content of a file, a pipe or a device of no more than so many bytes. Its size is found by reading: what the system
 * tells of it may be 0, or grow.
 * @throws RangeError beyond that; the errors of the system
 */
export function readAtMost(path: string, bytesMax: number): Buffer {
  const file = openSync(path, 'r');
  try {
    let content = Buffer.allocUnsafe(Math.min(FIRST_BYTES, bytesMax + 1));
    for (let length = 0; ; ) {
      if (length > bytesMax) throw new RangeError(`it has more than ${bytesMax} bytes`);
      if (length === content.length) {
        const more = Buffer.allocUnsafe(Math.min(2 * length, bytesMax + 1));
        content.copy(more);
        content = more;
      }
      const read = readSync(file, content, length, content.length - length, null);
      if (read === 0) return content.subarray(0, length);
      length += read;
    }
  } finally {
    closeSync(file);
  }
}

/** The text of a shortcut (an index, answers). @throws when it is absent, too large or no file: then there is none */
export const readShortcut = (path: string): string => readRegularFile(path).toString('utf8');
