// checked-file.ts — files that only save time: read when they are whole, written whole or not at all, the oldest dropped
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { digestOf } from '../model/key.ts';
import { stampOf } from './stamp.ts';

const DIGEST_LENGTH = 64;

/** What was written to a file. @throws Error when it is not there, or damaged */
export function readChecked(path: string): Buffer {
  const bytes = readFileSync(path);
  const body = bytes.subarray(DIGEST_LENGTH + 1);
  if (digestOf(body) === bytes.toString('latin1', 0, DIGEST_LENGTH)) return body;
  throw new Error(`${path} is damaged`);
}

/** Writes a file, and keeps so many of its folder. Where it cannot be written, there is none. */
export function writeChecked(path: string, body: Uint8Array, filesMax: number): void {
  const folder = dirname(path);
  const draft = join(folder, `${randomUUID()}.tmp`);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(draft, Buffer.concat([Buffer.from(`${digestOf(body)}\n`), body]));
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
