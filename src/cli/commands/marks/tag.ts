// tag.ts — pipeline tag: marks on runs, by which they are found
import type { RunRecord } from '../../../engine/model/record.ts';
import type { Store } from '../../../engine/store/store.ts';
import { didYouMean } from '../../../hint.ts';
import { placesOf } from '../../session/places.ts';
import { writeJson, writeStdout } from '../../session/printing.ts';
import { checkRunName, oneRun } from '../../session/run-selection.ts';
import { type CommonOptions, EXIT, storeAt } from '../../session/session.ts';
import { UsageError } from '../../session/usage-error.ts';
import { type CommandDeclaration, STORE } from '../../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'tag',
  group: 'Runs',
  about: 'tag a run, so that commands find it by that name; using a tag again moves it',
  arguments: [
    { name: '<run>', about: 'its id or a beginning of it, a name, a tag, or last, last~1, …' },
    { name: '[tag]', about: 'the tag; without it, the tags of the run are printed' },
  ],
  options: [{ flags: '--remove', about: 'remove the tag' }, ...STORE],
  examples: ['tag last best', 'tag best', 'tag last best --remove'],
};
export { tag as run };

interface TagOptions extends CommonOptions {
  readonly remove?: boolean;
}

/** Marks a run, takes a mark away, or tells its marks. A tag is on one run at a time: it moves. */
async function tag(word: string, name: string | undefined, options: TagOptions): Promise<number> {
  if (name !== undefined && !options.remove) checkRunName(name, 'tag');
  const store = storeAt(placesOf(options).cache, 'read');
  try {
    const run = oneRun(store, word);
    if (name !== undefined) change(store, run, name, options.remove === true);
    const { tags = [] } = store.history.run(run.id) ?? run;
    if (options.json) writeJson({ run: run.id, tags });
    else writeStdout(`${run.id}${tags.map((one) => ` #${one}`).join('')}`);
    return EXIT.success;
  } finally {
    await store.close();
  }
}

function change(store: Store, run: RunRecord, name: string, isRemoved: boolean): void {
  const { tags = [], state = 'finished', id } = run;
  if (isRemoved) {
    if (!tags.includes(name)) {
      const message = `run ${id} has no tag \`${name}\``;
      throw new UsageError([{ message, hint: didYouMean(name, tags) }]);
    }
    put(
      store,
      run,
      tags.filter((one) => one !== name),
    );
    return;
  }
  if (state === 'running' || state === 'unknown') {
    const message = `run ${id} is still running: its record is written when it ends`;
    throw new UsageError([{ message, hint: 'make --name names a run that begins' }]);
  }
  for (const other of store.history.runs()) {
    if (other.id === id || !other.tags?.includes(name)) continue;
    put(
      store,
      other,
      other.tags.filter((one) => one !== name),
    );
  }
  if (!tags.includes(name)) put(store, run, [...tags, name]);
}

function put(store: Store, { tags: _, ...run }: RunRecord, tags: readonly string[]): void {
  store.history.put(tags.length > 0 ? { ...run, tags } : run);
}
