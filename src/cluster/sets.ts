// sets.ts — sets of workers: what is written down of them before their jobs are asked for, and who gives them orders
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { writeAtomically } from '../engine/files/files.ts';
import { makeFolder } from '../engine/files/make-folder.ts';
import { type DepotLayout, SetLayout } from './layout.ts';

/** Jobs that were asked for together. */
export interface WorkerSet {
  readonly form: 'set/1';
  readonly id: string;
  /** The name of its jobs. */
  readonly name: string;
  readonly executor: string;
  readonly cls: string;
  readonly count: number;
  readonly slots: number;
  /** Its jobs end after this time. */
  readonly time_ms: number;
  readonly gpus: number;
  readonly maxIdle_ms: number;
  readonly orphan_ms: number;
  /** Whether workers connect to their head; by files alone otherwise. */
  readonly mayConnect: boolean;
  /** Folder of the project, for packages that modules load. */
  readonly root: string;
  /** When it was asked for, in milliseconds since 1970. */
  readonly asked: number;
}

/** Who gives orders to a set. A head that was not seen for `HEAD_MS` is gone. */
export interface HeadNote {
  readonly form: 'head/1';
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly life: unknown;
  /** Milliseconds since 1970, by the clock of its host. */
  readonly at: number;
  readonly address: { readonly host: string; readonly port: number } | null;
  readonly secret: string;
  /** It has left on purpose: what the workers have is to be done. */
  readonly isDetached: boolean;
}

export const HEAD_EVERY_MS = 10_000;
/** A head that has not written for so long is gone. */
export const HEAD_MS = 60_000;

export const newId = (): string => randomBytes(8).toString('hex');

/** Makes the files of a set, before anything is asked for: no worker looks for a file that is not there. */
export async function writeSet(
  layout: DepotLayout,
  project: string,
  set: WorkerSet,
  head: HeadNote,
): Promise<SetLayout> {
  const files = new SetLayout(layout, project, set.id);
  makeFolder(files.folder);
  for (let element = 0; element < set.count; element += 1) {
    for (const box of [files.outbox(element), files.inbox(element)]) {
      writeFileSync(box, '', { mode: 0o600, flag: 'wx' });
    }
  }
  await writeHead(files, head);
  await writeAtomically(files.about, JSON.stringify(set));
  return files;
}

export const writeHead = (files: SetLayout, head: HeadNote): Promise<void> =>
  writeAtomically(files.head, JSON.stringify(head));

/** What is written down of a set; undefined where it is not whole. */
export function readSet({ about }: SetLayout, id: string): WorkerSet | undefined {
  const set = readJson(about) as Partial<WorkerSet> | undefined;
  if (set?.form !== 'set/1' || set.id !== id) return undefined;
  const isWhole =
    [set.name, set.executor, set.cls, set.root].every((text) => typeof text === 'string') &&
    isCount(set.count) &&
    isCount(set.slots) &&
    [set.time_ms, set.gpus, set.maxIdle_ms, set.orphan_ms, set.asked].every(isAmount);
  return isWhole ? (set as WorkerSet) : undefined;
}

const isCount = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 100_000;

const isAmount = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

export function readHead({ head }: Pick<SetLayout, 'head'>): HeadNote | undefined {
  const note = readJson(head) as Partial<HeadNote> | undefined;
  const isWhole =
    note?.form === 'head/1' &&
    [note.id, note.host, note.secret].every((text) => typeof text === 'string') &&
    [note.pid, note.at].every((value) => typeof value === 'number');
  return isWhole ? (note as HeadNote) : undefined;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
