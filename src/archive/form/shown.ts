// shown.ts — an output for people as the files that it becomes
import { posix } from 'node:path';
import { fileSet } from '../../file-set.ts';

/** The files of an artifact: one, or those of a folder. @throws RangeError when a folder's paths are unfit */
export function shownFiles(
  path: string,
  kind: string,
  bytes: Uint8Array,
): readonly (readonly [path: string, bytes: Uint8Array])[] {
  if (kind !== 'files') return [[path, bytes]];
  const files = Object.entries(fileSet().decode(bytes));
  return files.map(([name, text]) => [posix.join(path, name), Buffer.from(text)]);
}
