// pins.ts — pinned runs: gc keeps what they made

import { placesOf } from './places.ts';
import { writeJson, writeStdout } from './printing.ts';
import { oneRun } from './run-selection.ts';
import { type CommonOptions, EXIT, storeAt } from './session.ts';

/** Pins runs, so that gc keeps what they made, or lets go of them. */
export async function setPins(
  words: readonly string[],
  pinned: boolean,
  options: CommonOptions,
): Promise<number> {
  const store = storeAt(placesOf(options).cache, 'read');
  try {
    const ids = words.map((word) => oneRun(store, word).id);
    const { upkeep } = store;
    upkeep?.write(() => {
      for (const id of ids) {
        if (pinned) upkeep.tables.pins.putSync(id, new Date().toISOString());
        else upkeep.tables.pins.removeSync(id);
      }
    });
    if (options.json) writeJson({ runs: ids, pinned });
    else for (const id of ids) writeStdout(`${pinned ? 'pinned' : 'unpinned'} ${id}`);
    return EXIT.success;
  } finally {
    await store.close();
  }
}
