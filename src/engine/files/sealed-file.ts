// sealed-file.ts — sealed files that only save time: read when their seal holds, written whole or not at all, the oldest dropped
import { randomUUID } from 'node:crypto';
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sealHolds, sealOf } from './hint.ts';
import { makeFolder } from './make-folder.ts';
import { readRegularFile } from './regular-file.ts';
import { stampOf } from './stamp.ts';
import { newFileMode, settleFile } from './store-access.ts';

const SEAL_LENGTH = 64;

/** What was written under a name; undefined when it is damaged, or nobody of us wrote it. @throws Error when it cannot be read */
export function readSealed(path: string, name: string): Buffer | undefined {
  const bytes = readRegularFile(path);
  const body = bytes.subarray(SEAL_LENGTH + 1);
  return sealHolds(bytes.toString('latin1', 0, SEAL_LENGTH), name, body) ? body : undefined;
}

/** Writes a file, and keeps so many of its folder. Where it cannot be written, there is none. */
export function writeSealed(path: string, name: string, body: Uint8Array, filesMax: number): void {
  const folder = dirname(path);
  const draft = join(folder, `${randomUUID()}.tmp`);
  try {
    makeFolder(folder);
    const content = Buffer.concat([Buffer.from(`${sealOf(name, body)}\n`), body]);
    writeFileSync(draft, content, { mode: newFileMode(draft) });
    settleFile(draft);
    renameSync(draft, path);
    dropOldest(folder, filesMax);
  } catch {
    rmSync(draft, { force: true });
  }
}

function dropOldest(folder: string, filesMax: number): void {
  const names = readdirSync(folder);
  if (names.length <= filesMax) return;
  const age = (name: string): number => stampOf(join(folder, name))?.mtimeMs ?? 0;
  const oldest = names.map((name) => [age(name), name] as const).sort(([a], [b]) => a - b);
  for (const [, name] of oldest.slice(0, names.length - filesMax)) {
    rmSync(join(folder, name), { force: true });
  }
}
