// logged-results.ts — results that other heads left in the depot, for a run that lacks them
import type { Key } from '../../engine/model/key.ts';
import {
  type ActionRecord,
  logKey,
  type RunRecord,
  type TaskLog,
} from '../../engine/model/record.ts';
import { asRunRecord, asTaskLog } from '../../engine/model/record-check.ts';
import type { Trust } from '../../engine/signing/public-key.ts';
import { openBlobFiles } from '../../engine/store/blob-files.ts';
import { Commits } from '../../engine/store/commits.ts';
import type { SharedResults, WantedBlob } from '../../engine/store/shared-results.ts';
import type { Store } from '../../engine/store/store.ts';
import { Gate } from '../../remote/gate.ts';
import { counts } from '../../remote/trusting-store.ts';
import { openDepot } from '../depot.ts';
import type { DepotLayout } from '../layout.ts';
import { unpackResult } from './packed-result.ts';
import { type LoggedNotes, type LoggedRun, readNoteAt, readRecordLogs } from './record-log.ts';

/** So many results are brought at once. */
const AT_ONCE = 8;
/** Contents were written before their record: what is not seen after this time is gone. */
const PATIENCE_MS = 5000;

/** What logged results are brought into. */
export interface LoggedResultsParts {
  readonly layout: DepotLayout;
  readonly project: string;
  readonly store: Pick<Store, 'blobs' | 'actions' | 'history'>;
  /** Of results of others only those count whose signer is trusted now. */
  readonly trust: Trust;
  /** Hears of each result that was brought. */
  found(record: ActionRecord): void;
}

/** Results that lie in a depot. Nothing is read before something is wanted. */
export class LoggedResults implements SharedResults {
  private notes: Promise<LoggedNotes> | undefined;
  private readonly gate = new Gate(AT_ONCE);
  private readonly commits: Commits;
  private readonly parts: LoggedResultsParts;

  constructor(parts: LoggedResultsParts) {
    this.parts = parts;
    this.commits = new Commits(parts.store.actions, () => true);
  }

  async find(key: Key): Promise<ActionRecord | undefined> {
    const { layout, project } = this.parts;
    this.notes ??= readRecordLogs(layout, project);
    const place = (await this.notes).records.get(key);
    return place && this.gate.pass(() => this.take(key, place));
  }

  private async take(
    key: Key,
    place: Parameters<typeof readNoteAt>[0],
  ): Promise<ActionRecord | undefined> {
    const { layout, store, trust } = this.parts;
    const noted = await readNoteAt(place);
    if (noted?.note.say !== 'record' || noted.note.key !== key) return undefined;
    const { note, body } = noted;
    const depot = openDepot(layout, PATIENCE_MS);
    const unpacked = await unpackResult({ note, body }, { depot, blobs: store.blobs });
    if (unpacked === undefined || !counts(unpacked.record, trust)) return undefined;
    const { record, contents } = unpacked;
    await this.commits.keep({ record, outputs: contents });
    this.parts.found(record);
    return record;
  }

  /** What the store has lost of a result may still lie in the depot. */
  async fetch(blobs: readonly WantedBlob[]): Promise<void> {
    const { layout, store } = this.parts;
    const lacking = new Set(await store.blobs.missing(blobs.map(({ digest }) => digest)));
    const files = openBlobFiles(layout.blobs);
    const wanted = blobs.filter(
      ({ digest, bytes }) => lacking.delete(digest) && files.sizeOf(digest) === bytes,
    );
    const depot = openDepot(layout, 0);
    for (const { digest, bytes } of wanted) await depot.give({ digest, bytes }, store.blobs);
  }

  made(): void {
    // Whoever publishes results does so before they count.
  }

  /** Takes over the runs of other heads that this store does not know. */
  async takeRuns(): Promise<void> {
    const { layout, project, store } = this.parts;
    this.notes ??= readRecordLogs(layout, project);
    for (const [id, place] of (await this.notes).runs) {
      if (store.history.run(id) !== undefined) continue;
      const noted = await readNoteAt(place);
      const told = noted?.note.say === 'run' ? runIn(id, noted.body) : undefined;
      if (told) store.history.put(told.run, told.logs);
    }
  }
}

function runIn(
  id: string,
  body: Uint8Array,
): { readonly run: RunRecord; readonly logs: readonly TaskLog[] } | undefined {
  let value: Partial<LoggedRun>;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8')) as Partial<LoggedRun>;
  } catch {
    return undefined;
  }
  const run = asRunRecord(value?.run, id);
  if (run === undefined || !Array.isArray(value.logs)) return undefined;
  const logs = value.logs.flatMap((log) => logOf(log, id) ?? []);
  return { run, logs };
}

function logOf(value: Partial<TaskLog> | null, run: string): TaskLog | undefined {
  const { task } = value ?? {};
  return typeof task === 'string' ? asTaskLog(value, logKey(run, task)) : undefined;
}

/** Results of two places: what the first has is not asked of the other. */
export function jointResults(
  first: SharedResults,
  second: SharedResults | undefined,
): SharedResults {
  return {
    find: async (key) => (await first.find(key)) ?? second?.find(key),
    async fetch(blobs) {
      await first.fetch(blobs);
      await second?.fetch(blobs);
    },
    made(record) {
      second?.made(record);
    },
  };
}
