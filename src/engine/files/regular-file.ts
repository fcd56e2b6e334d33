// regular-file.ts — reads a file that others may have put there: never a pipe or a device, and never more than fits
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** No file that only saves time is so large. */
const BYTES_MAX = 2 ** 28;

/** The content of a file. @throws Error when it cannot be read, is no file, or is too large */
export function readRegularFile(path: string): Buffer {
  // A pipe that nobody writes to would be waited for.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new Error(`${path} is no file`);
    if (found.size > BYTES_MAX) throw new Error(`${path} is too large`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}
