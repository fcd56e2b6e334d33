// output.ts — files that a person named: there whole or not at all, and never in folders that nobody made
import { stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { writeAtomically } from '../pipeline/files.ts';

/** Writes a file. A device or a pipe (`/dev/stdout`) is written to as it is. */
export async function writeOutput(file: string, bytes: Uint8Array | string): Promise<void> {
  const there = await stat(file).catch(() => undefined);
  if (there && !there.isFile()) await writeFile(file, bytes);
  else {
    // A folder that is missing is a slip: it is told, not made.
    await stat(dirname(resolve(file)));
    await writeAtomically(file, bytes);
  }
}
