// fsck.ts — pipeline fsck: reads all that is in the store, and puts right what is wrong
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { REPAIR } from '../../engine/store/lmdb/lmdb-error.ts';
import type { Defect } from '../../engine/store/maintenance/fsck.ts';
import type { Saved } from '../../engine/store/maintenance/rebuild.ts';
import { STORE_FILE } from '../../engine/store/store-state.ts';
import { placesOf } from '../session/places.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT } from '../session/session.ts';
import { findDefects, type Repair, repair } from '../session/store-repair.ts';
import { type CommandDeclaration, STORE } from '../terminal/declaration.ts';
import { count, shownPath } from '../terminal/format.ts';
import { ERASE_LINE } from '../terminal/ink.ts';

export const command: CommandDeclaration = {
  name: 'fsck',
  group: 'Store',
  about: 'verify everything in the store and report damage',
  options: [
    {
      flags: '--repair',
      about: 'delete what is damaged and keep the rest; the next make rebuilds it',
    },
    ...STORE,
  ],
  examples: ['fsck', 'fsck --repair', 'fsck --json'],
};
export { fsck as run };

interface FsckOptions extends CommonOptions {
  readonly repair?: boolean;
}

/** Examines the store. Ends with 2 while something is wrong. */
async function fsck(options: FsckOptions): Promise<number> {
  const { cache } = placesOf(options);
  if (lstatSync(join(cache, STORE_FILE), { throwIfNoEntry: false }) === undefined) {
    if (options.json) writeJson({ examined: 0, defects: [], repaired: false });
    else writeStderr(`there is no store in ${cache}`);
    return EXIT.success;
  }
  const live = process.stderr.isTTY && !options.json;
  const { examined, defects } = await findDefects(cache, (done, of) => {
    if (live)
      process.stderr.write(
        `${ERASE_LINE}${done} of ${count(of, 'blob')}${done === of ? '\n' : ''}`,
      );
  });
  const repaired = options.repair ? await repair(cache, defects) : undefined;
  if (options.json) {
    writeJson({ examined, defects, repaired: options.repair ?? false, ...repaired?.rebuilt });
  } else {
    for (const defect of defects) writeStdout(`${c.red(defect.kind)} ${words(defect)}`);
    writeStderr(outcomeOf(defects, examined, repaired));
  }
  return defects.length > 0 && !options.repair ? EXIT.usage : EXIT.success;
}

function outcomeOf(
  defects: readonly Defect[],
  examined: number,
  repaired: Repair | undefined,
): string {
  if (repaired?.rebuilt) {
    const { saved, aside } = repaired.rebuilt;
    return `${savedWords(saved)}; the damaged store is now in ${shownPath(aside)}: make again`;
  }
  const isWhole = defects.every(({ kind }) => kind !== 'damaged store');
  if (!isWhole) return `the store is damaged: ${REPAIR}`;
  const all = count(examined, 'blob');
  if (defects.length === 0) return `${all} read: nothing is wrong`;
  const found = count(defects.length, 'defect');
  if (repaired) return `${all} read, ${found} dropped: make again`;
  return `${all} read, ${found}: pipeline fsck --repair drops them`;
}

function savedWords({ blobs = 0, traces = 0, runs = 0 }: Saved): string {
  const parts = [count(blobs, 'blob'), count(traces, 'result'), count(runs, 'run')];
  return `a new store was made: ${parts.join(', ')} saved`;
}

function words(defect: Defect): string {
  switch (defect.kind) {
    case 'damaged blob':
      return `${defect.digest}${defect.made.length > 0 ? ` of ${defect.made.join(', ')}` : ''}`;
    case 'missing blob':
      return `${defect.digest} of ${defect.task}`;
    case 'damaged store':
      return `${shownPath(defect.file)}: ${defect.why}`;
    case 'damaged checkpoint':
    case 'damaged trace':
      return defect.key;
    default:
      return defect.name;
  }
}
