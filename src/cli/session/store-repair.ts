// store-repair.ts — repairs a store: drops damaged records, or rebuilds it from what is whole
import { mkdtempSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beginCompaction } from '../../engine/store/lmdb/compaction.ts';
import { isNoFile } from '../../engine/store/lmdb/lmdb-fault.ts';
import type { Defect } from '../../engine/store/maintenance/fsck.ts';
import {
  dropFolder,
  newAside,
  putAside,
  replaceStore,
  type Saved,
} from '../../engine/store/maintenance/rebuild.ts';
import { dropOpenings, openingsOf } from '../../engine/store/openings.ts';
import { StoreError } from '../../engine/store/store.ts';
import { STORE_FILE } from '../../engine/store/store-state.ts';
import { runStoreProcess, type StoreReport, type StoreVerdict } from './store-process.ts';
import { identity } from './this-process.ts';

/** What is wrong in a store. */
export interface Findings {
  readonly examined: number;
  readonly defects: readonly Defect[];
}

/** What was done about it. */
export interface Repair {
  /** What was saved from a store that is damaged as a whole; absent when only some of what it holds was dropped. */
  readonly rebuilt?: { readonly saved: Saved; readonly aside: string };
}

/** Hears how far the check is, in blobs. */
type OnProgress = (done: number, of: number) => void;

/** Reads everything in a store, in a process of its own. Changes nothing. @throws StoreError when it cannot be read */
export async function findDefects(
  cache: string,
  onProgress: OnProgress = () => undefined,
): Promise<Findings> {
  const file = join(cache, STORE_FILE);
  const displaced = isFile(file) ? `${file}-lock` : file;
  if (isNoFile(displaced)) {
    const why = 'a folder, a pipe or a link that leads nowhere is in the place of a file';
    return { examined: 0, defects: [{ kind: 'damaged store', file: displaced, why }] };
  }
  let examined = 0;
  const onReport = (report: StoreReport): void => {
    if (!('progress' in report)) return;
    const [done, of] = report.progress;
    examined = of;
    if (of > 0) onProgress(done, of);
  };
  const verdict = await runStoreProcess(['check', cache], { onReport });
  refuseOn(verdict);
  const { damaged: why, reports } = verdict;
  if (why !== undefined) return { examined, defects: [{ kind: 'damaged store', file, why }] };
  return { examined, defects: reports.flatMap((one) => ('defect' in one ? [one.defect] : [])) };
}

/** Puts right what was found. @throws StoreError where that cannot be */
export async function repair(cache: string, defects: readonly Defect[]): Promise<Repair> {
  if (defects.length === 0) return {};
  if (defects.every(({ kind }) => kind !== 'damaged store')) {
    const verdict = await runStoreProcess(['drop', cache], { input: JSON.stringify(defects) });
    refuseOn(verdict);
    if (verdict.damaged === undefined) return {};
  }
  const rebuilt = await rebuild(cache);
  // Large blobs lie beside the file, and records may name what is lost.
  const { defects: left } = await findDefects(cache);
  const rest = left.filter(({ kind }) => kind !== 'damaged store');
  if (rest.length > 0) {
    refuseOn(await runStoreProcess(['drop', cache], { input: JSON.stringify(rest) }));
  }
  return { rebuilt };
}

async function rebuild(cache: string): Promise<{ readonly saved: Saved; readonly aside: string }> {
  const file = join(cache, STORE_FILE);
  const { alive, dead } = openingsOf(cache, identity);
  const [other] = alive;
  if (other) {
    const message = `the store in ${cache} cannot be repaired: process ${other.pid} has it open`;
    throw new StoreError(message, 'wait until it ends, or stop it');
  }
  // Whoever comes meanwhile waits.
  const release = beginCompaction(file, Date.now());
  if (release === undefined) {
    throw new StoreError(`the store in ${cache} is being compacted: try again when that is over`);
  }
  try {
    for (const name of readdirSync(cache)) {
      if (name.startsWith(DRAFT)) dropFolder(join(cache, name));
    }
    const made = mkdtempSync(join(cache, DRAFT));
    try {
      const saved = isFile(file) ? await savedInto(cache, made) : undefined;
      const aside = newAside(cache);
      if (saved) replaceStore(cache, made, aside);
      else for (const path of [file, `${file}-lock`]) putAside(path, aside);
      putLeasesAside(cache, aside);
      dropOpenings(dead);
      return { saved: saved ?? {}, aside };
    } finally {
      dropFolder(made);
    }
  } finally {
    release();
  }
}

const DRAFT = 'repair-';

/** Undefined when nothing can be saved. */
async function savedInto(cache: string, made: string): Promise<Saved | undefined> {
  const verdict = await runStoreProcess(['rebuild', cache, made]);
  refuseOn(verdict);
  const found = verdict.reports.flatMap((report) => ('saved' in report ? [report.saved] : []));
  return verdict.damaged === undefined ? found[0] : undefined;
}

/** Leases end with their processes, and none has the store open. */
function putLeasesAside(cache: string, aside: string): void {
  for (const name of readdirSync(cache)) {
    if (/^leases.*\.lmdb/.test(name)) putAside(join(cache, name), aside);
  }
}

function refuseOn({ error }: StoreVerdict): void {
  if (error) throw new StoreError(error.message, error.hint);
}

const isFile = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
