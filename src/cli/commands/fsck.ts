// fsck.ts — pipeline fsck: reads all that is in the store, and puts right what is wrong
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { lmdbFault } from '../../engine/store/lmdb/lmdb-file.ts';
import { checkStore, type Defect, repairStore } from '../../engine/store/maintenance/fsck.ts';
import { STORE_FILE } from '../../engine/store/store-state.ts';
import {
  type CommonOptions,
  stdoutColors as c,
  EXIT,
  placesOf,
  stderrColors,
  storeAt,
  writeJson,
  writeStderr,
  writeStdout,
} from '../session/session.ts';
import { type CommandDeclaration, STORE } from '../terminal/declaration.ts';
import { count } from '../terminal/format.ts';
import { ERASE_LINE } from '../terminal/ink.ts';

export const command: CommandDeclaration = {
  name: 'fsck',
  group: 'Store',
  about: 'read everything in the store and report what is damaged',
  options: [
    { flags: '--repair', about: 'delete what is damaged, so that the next make replaces it' },
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
  if (options.repair) putAside(join(cache, STORE_FILE));
  const store = storeAt(cache, 'read');
  try {
    if (store.upkeep === undefined) {
      if (options.json) writeJson({ examined: 0, defects: [], repaired: false });
      else writeStderr(`there is no store in ${cache}`);
      return EXIT.success;
    }
    let examined = 0;
    const live = process.stderr.isTTY && !options.json;
    const defects = await checkStore(store.upkeep, (done, of) => {
      examined = of;
      if (live)
        process.stderr.write(
          `${ERASE_LINE}${done} of ${count(of, 'blob')}${done === of ? '\n' : ''}`,
        );
    });
    if (options.repair && defects.length > 0) repairStore(store.upkeep, defects);
    if (options.json) writeJson({ examined, defects, repaired: options.repair ?? false });
    else tellDefects(defects, examined, options.repair ?? false);
    return defects.length > 0 && !options.repair ? EXIT.usage : EXIT.success;
  } finally {
    await store.close();
  }
}

/** A file that cannot even be opened is put aside: what it held is made again. */
function putAside(file: string): void {
  if (lmdbFault(file) === undefined) return;
  let number = 1;
  while (existsSync(`${file}.damaged-${number}`)) number += 1;
  renameSync(file, `${file}.damaged-${number}`);
  const warning = stderrColors.yellow('warning');
  writeStderr(`${warning}: the store cannot be read at all; it is now ${file}.damaged-${number}`);
}

function tellDefects(defects: readonly Defect[], examined: number, repaired: boolean): void {
  for (const defect of defects) writeStdout(`${c.red(defect.kind)} ${words(defect)}`);
  const all = count(examined, 'blob');
  if (defects.length === 0) writeStderr(`${all} read: nothing is wrong`);
  else if (repaired)
    writeStderr(`${all} read, ${count(defects.length, 'defect')} dropped: make again`);
  else
    writeStderr(
      `${all} read, ${count(defects.length, 'defect')}: pipeline fsck --repair drops them`,
    );
}

function words(defect: Defect): string {
  switch (defect.kind) {
    case 'damaged blob':
      return `${defect.digest}${defect.made.length > 0 ? ` of ${defect.made.join(', ')}` : ''}`;
    case 'missing blob':
      return `${defect.digest} of ${defect.task}`;
    default:
      return defect.key;
  }
}
