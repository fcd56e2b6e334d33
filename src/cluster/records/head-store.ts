// head-store.ts — the store of a head that runs as a job: each record is in the depot before it counts
import { isSystemError, systemSentence } from '../../engine/files/system-error.ts';
import { openJournal } from '../../engine/store/journal.ts';
import {
  type CheckpointStore,
  type Commit,
  type Store,
  StoreError,
} from '../../engine/store/store.ts';
import type { Depot, Saves } from '../depot.ts';
import { packPatiently } from './packed-result.ts';
import type { Noted, RecordLogWriter } from './record-log.ts';

/** What such a store is made of. */
export interface HeadStoreParts {
  readonly depot: Depot;
  readonly log: RecordLogWriter;
  /** Where journals of its runs lie: where others see them. */
  readonly journals: string;
  /** The depot is full or gone, and waited for. */
  trouble(error: Error): void;
}

/**
 * The disk of a node goes with the job, whenever that ends. So a result is in the depot before it is in this store, and
 * checkpoints are there alone. Runs and their journals are seen from elsewhere.
 */
export function headStore(store: Store, parts: HeadStoreParts): Store {
  const { depot, log, journals } = parts;
  const actions: Store['actions'] = {
    ...store.actions,
    async put(commits) {
      const own = commits.filter(({ record }) => record.origin === undefined);
      await log.write(await packed(own, store, parts));
      await store.actions.put(commits);
      for (const { record } of commits) await dropSave(depot.saves, record.key);
    },
  };
  const history: Store['history'] = {
    ...store.history,
    begin: (run, notes) => openJournal(journals, run, notes),
    put(run, logs = []) {
      store.history.put(run, logs);
      const body = Buffer.from(JSON.stringify({ run, logs }));
      // `flushed` of the log tells when it is there.
      void log.write([{ note: { say: 'run', id: run.id }, body }]);
    },
  };
  // What else a store has is asked for where it is: some of it is made when it is wanted first.
  return Object.create(store, {
    actions: { value: actions, enumerable: true },
    history: { value: history, enumerable: true },
    checkpoints: { value: checkpointsIn(depot.saves), enumerable: true },
  }) as Store;
}

async function packed(
  commits: readonly Commit[],
  { blobs }: Store,
  { depot, trouble }: HeadStoreParts,
): Promise<readonly Noted[]> {
  const all = commits.map((commit) => packPatiently(commit, { depot, blobs }, trouble));
  // What lost a content since it was made is made again by whoever wants it.
  return (await Promise.all(all)).flatMap((noted) => noted ?? []);
}

async function dropSave(saves: Saves, key: Parameters<Saves['drop']>[0]): Promise<void> {
  if (saves.has(key) || (await saves.folders.has(key))) await saves.drop(key);
}

function checkpointsIn(saves: Saves): CheckpointStore {
  return {
    get: async (key) => saves.read(key),
    has: async (key) => saves.has(key) || saves.folders.has(key),
    async put(key, bytes) {
      try {
        await saves.write(key, bytes);
      } catch (error) {
        if (!isSystemError(error)) throw error;
        throw new StoreError(`the depot takes no checkpoint: ${systemSentence(error)}`);
      }
    },
    folder: (key) => saves.folders.open(key),
    drop: (key) => saves.drop(key),
  };
}
