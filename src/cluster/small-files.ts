// small-files.ts — sizes and ends of files that may not be there
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { plainText } from '../plain-text.ts';

export const fileSize = (path: string): number =>
  statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const END_BYTES = 4096;
const LINES = 3;

/** The last lines of a text, in one line; empty where there are none. */
export function lastLinesOf(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const buffer = Buffer.alloc(Math.min(size, END_BYTES));
      readSync(file, buffer, 0, buffer.length, size - buffer.length);
      const lines = buffer
        .toString('utf8')
        .split('\n')
        .filter((line) => line.trim() !== '');
      return plainText(lines.slice(-LINES).join(' / '));
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
