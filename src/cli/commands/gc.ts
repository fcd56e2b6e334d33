// gc.ts — pipeline gc: drops what nothing reaches, and gives space back to the disk
import { statSync } from 'node:fs';
import prettyBytes from 'pretty-bytes';
import {
  compact,
  dropFiles,
  dropGarbage,
  findGarbage,
  type Garbage,
  keptRuns,
  liveLeases,
  type StrayFile,
  strayFiles,
} from '../../engine/store/maintenance/gc.ts';
import type { Store, Upkeep } from '../../engine/store/store.ts';
import { KEPT_RUNS_DEFAULT, rootsOf } from '../runs/store-limit.ts';
import { placesOf } from '../session/places.ts';
import { stderrColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, loadFor, storeAt } from '../session/session.ts';
import { identity } from '../session/this-process.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { count } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'gc',
  group: 'Store',
  about: 'delete data that the pipeline, recent runs and pinned runs do not use',
  options: [
    { flags: '-n, --dry-run', about: 'print what would be deleted, without deleting it' },
    {
      flags: '--keep-runs <n>',
      about: 'keep the results of the last n runs (default: 10)',
      value: 'not-negative',
    },
    {
      flags: '--compact',
      about: 'return free space to the file system (default: when half is free)',
    },
    { flags: '--no-compact', about: 'do not shrink the file' },
    ...COMMON,
  ],
  examples: ['gc --dry-run', 'gc --keep-runs 3 --compact', 'gc --preset mnist'],
};
export { gc as run };

interface GcOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly keepRuns?: number;
  readonly compact?: boolean;
}

/** A store of which more than this share is free is compacted without being asked, from this size on. */
const COMPACT = { freeShare: 0.5, bytesMin: 16_000_000 };

/** Collects garbage. */
async function gc(options: GcOptions): Promise<number> {
  const { plan } = await loadFor(options);
  const { cache } = placesOf(options);
  const store = storeAt(cache, 'read');
  const { upkeep } = store;
  if (upkeep === undefined) {
    await store.close();
    writeStderr(`there is no store in ${cache}`);
    return EXIT.success;
  }
  try {
    refuseWhileShared(upkeep);
    if (!options.dryRun) store.history.settle();
    const runs = keptRuns(store, upkeep, options.keepRuns ?? KEPT_RUNS_DEFAULT);
    const roots = await rootsOf(plan, store);
    const garbage = findGarbage(upkeep, roots, runs);
    const files = await strayFiles(cache, roots.bundles, identity, Date.now());
    if (!options.dryRun) {
      dropGarbage(upkeep, garbage);
      for (const obstacle of await dropFiles(files)) {
        writeStderr(`${c.yellow('warning')} not dropped: ${obstacle}`);
      }
    }
    const before = statSync(upkeep.file).size;
    const compacted =
      !options.dryRun && (await compactIfWorthwhile(store, upkeep, options.compact));
    const freed = compacted ? before - statSync(upkeep.file).size : 0;
    tellGarbage(garbage, files, { kept: runs.length, freed, before }, options);
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/** What another process has in hand would look like garbage. */
function refuseWhileShared(upkeep: Upkeep): void {
  const [lease] = liveLeases(upkeep, Date.now(), identity);
  if (lease === undefined && !upkeep.shared()) return;
  const who = lease ? `run ${lease.owner} is making something` : 'another process has it open';
  throw new UsageError([
    { message: `the store is in use: ${who}`, hint: 'try again when that is over' },
  ]);
}

async function compactIfWorthwhile(
  store: Store,
  upkeep: Upkeep,
  asked: boolean | undefined,
): Promise<boolean> {
  if (asked === false) return false;
  const size = statSync(upkeep.file).size;
  const free = 1 - upkeep.bytes() / size;
  if (!asked && (size < COMPACT.bytesMin || free < COMPACT.freeShare)) return false;
  if (await compact(store, upkeep, Date.now())) return true;
  if (asked) writeStderr('not compacted: another process has the store open');
  return false;
}

function tellGarbage(
  garbage: Garbage,
  files: readonly StrayFile[],
  {
    kept,
    freed,
    before,
  }: { readonly kept: number; readonly freed: number; readonly before: number },
  { json, dryRun }: GcOptions,
): void {
  const bytes = garbage.bytes + files.reduce((sum, file) => sum + file.bytes, 0);
  if (json) {
    writeJson({
      dryRun: dryRun ?? false,
      bytes,
      blobs: garbage.blobs,
      traces: garbage.traces,
      checkpoints: [...garbage.partials, ...garbage.folders],
      runs: garbage.runs,
      files: files.map(({ path }) => path),
      compacted: freed,
    });
    return;
  }
  const dropped: readonly (readonly [number, string])[] = [
    [garbage.blobs.length, 'blob'],
    [garbage.traces.length, 'trace'],
    [garbage.partials.length + garbage.folders.length, 'checkpoint'],
    [garbage.runs.length, 'run'],
    [files.length, 'file'],
  ];
  const parts = dropped.flatMap(([n, noun]) => (n > 0 ? count(n, noun) : []));
  const verb = dryRun ? 'would drop' : 'dropped';
  writeStdout(
    parts.length > 0 ? `${verb} ${parts.join(', ')}: ${prettyBytes(bytes)}` : 'nothing to drop',
  );
  writeStderr(`kept what the pipeline and ${count(kept, 'run')} reach`);
  if (freed > 0) writeStderr(`compacted: ${prettyBytes(before)} → ${prettyBytes(before - freed)}`);
}
