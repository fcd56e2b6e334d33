// known-records.ts — results of the store's records, kept beside the store so that a look need not read every record
import { elementAt, entryOf } from '../../present.ts';
import type { Digest, Key } from '../model/key.ts';
import type { ActionRecord, Output, RecordResult } from '../model/record.ts';
import { byteMark } from '../store/byte-mark.ts';
import { missingOutputs } from '../store/folder-blobs.ts';
import type { Store } from '../store/store.ts';
import { contentState, historyState } from '../store/store-state.ts';
import type { CostSample, KnownCosts } from './estimate.ts';
import type { KnownKey, KnownResults } from './forecast.ts';
import {
  encodeKept,
  type Kept,
  type KeptCosts,
  Known,
  type KnownRecordsRequest,
  readKept,
  recordsOf,
  writeKept,
} from './known-records-file.ts';

/**
 * Results of records whose outputs are all in the store. They come from a sealed file beside the store, which is only a hint.
 * While the store is in the state for which the file was written, all of them count. In any other state a record counts only if
 * its stored bytes still have the same mark and its outputs are still there. What is not known is looked up in the store.
 */
export interface KnownRecords extends KnownResults, KnownCosts {
  /** Keeps what is known, if that is more than was kept before. To be called before the store is closed. */
  keep(): void;
}

/** Records that the plan does not use are dropped from the file when there are more than this many for each that it uses. */
const UNUSED_SHARE_MAX = 3;

export const NOTHING_KNOWN: KnownRecords = {
  get: () => undefined,
  note: () => undefined,
  costs: () => undefined,
  noteCosts: () => undefined,
  keep: () => undefined,
};

/** A file that was read before the store was opened. */
export interface ReadRecords {
  readonly kept: Kept;
  readonly all: Known[];
}

/** Reads the file. It is a hint: which of it counts is decided when there is a store. */
export function readRecords(request: KnownRecordsRequest): ReadRecords | undefined {
  const kept = request.state === null ? undefined : readKept(request);
  if (kept === undefined) return undefined;
  try {
    return { kept, all: recordsOf(kept) };
  } catch {
    // Sealed, but not in the form that we write: use nothing of it.
    return undefined;
  }
}

/** What is known of the records of a plan, from the file that was read. */
export async function knownRecords(
  request: KnownRecordsRequest,
  store: Store,
  read = readRecords(request),
): Promise<KnownRecords> {
  const records = new Records(request, store);
  records.take(read);
  if (read?.kept.state !== request.state) await records.dropChanged();
  return records;
}

class Records implements KnownRecords {
  /** In the order of the file; newly noted records follow. */
  private all: Known[] = [];
  /** By key. Built on the first lookup. */
  private byKey: Map<Key, Known> | undefined;
  private stages = new Map<Digest, () => readonly Known[]>();
  /** Keys of stages by fingerprint: those that were found in the file, and those that were noted. */
  private readonly used = new Map<Digest, readonly Key[]>();
  private kept: KeptCosts | undefined;
  private latestKeys: Digest | undefined;
  /** `historyState` when costs were asked for. */
  private memory: string | null = null;
  /** How many records were noted. */
  private notes = 0;
  /** The file as it was read. */
  private file: Kept | undefined;
  private isMore = false;
  private readonly request: KnownRecordsRequest;
  private readonly store: Store;

  constructor(request: KnownRecordsRequest, store: Store) {
    this.request = request;
    this.store = store;
  }

  take(read: ReadRecords | undefined): void {
    if (read === undefined) return;
    const { kept, all } = read;
    try {
      for (const [fingerprint, places] of kept.stages) {
        this.stages.set(fingerprint, () => places.map((place) => elementAt(all, place)));
      }
      this.all = all;
      this.file = kept;
      this.kept = kept.costs;
      if (kept.state === this.request.state) this.latestKeys = kept.latest;
    } catch {
      // Sealed, but not in the form that we write: use nothing of it.
      this.stages.clear();
    }
  }

  /** Drops records that were changed or removed since, and those with missing outputs. */
  async dropChanged(): Promise<void> {
    const { actions, blobs } = this.store;
    const outputs = new Map<Digest, Output>();
    for (const one of this.all) {
      if (one.result === undefined) continue;
      if (actions.mark?.(one.key) !== one.mark) {
        this.drop(one);
        continue;
      }
      for (const name in one.result.outputs) {
        const output = entryOf(one.result.outputs, name);
        outputs.set(output.digest, output);
      }
    }
    const missing = await missingOutputs(blobs, outputs.values());
    if (missing.size === 0) return;
    for (const one of this.all) {
      const outputs = Object.values(one.result?.outputs ?? {});
      if (outputs.some(({ digest }) => missing.has(digest))) this.drop(one);
    }
  }

  private drop(one: Known): void {
    one.result = undefined;
  }

  private find(key: Key): Known | undefined {
    if (this.byKey === undefined) {
      this.byKey = new Map();
      for (const one of this.all) this.byKey.set(one.key, one);
    }
    return this.byKey.get(key);
  }

  get(key: Key): RecordResult | undefined {
    const found = this.find(key);
    if (found === undefined) return undefined;
    found.isUsed = true;
    return found.result;
  }

  note(record: ActionRecord): void {
    const { key, outputs, infeasible, made } = record;
    // Results of others are checked each time: trust in them may be withdrawn.
    if (record.origin !== undefined) return;
    const mark = this.store.actions.mark?.(key);
    // Another process may have replaced the record since it was read.
    if (mark === undefined || mark !== byteMark(Buffer.from(JSON.stringify(record)))) return;
    const result = { key, outputs, made, ...(infeasible !== undefined && { infeasible }) };
    let noted = this.find(key);
    if (noted === undefined) {
      noted = new Known(key);
      this.all.push(noted);
      this.byKey?.set(key, noted);
    }
    Object.assign(noted, { mark, result, isUsed: true });
    this.notes += 1;
  }

  keysOf(fingerprint: Digest): readonly KnownKey[] | undefined {
    const keys = this.stages.get(fingerprint)?.();
    if (keys === undefined) return undefined;
    for (const one of keys) one.isUsed = true;
    this.used.set(
      fingerprint,
      keys.map(({ key }) => key),
    );
    return keys;
  }

  noteKeys(fingerprint: Digest, keys: readonly Key[]): void {
    this.used.set(fingerprint, keys);
    this.isMore = true;
  }

  costs(): readonly CostSample[] | undefined {
    this.memory = historyState(this.request.cache);
    return this.kept?.state === this.memory ? this.kept.samples : undefined;
  }

  noteCosts(samples: readonly CostSample[]): void {
    const { memory: state } = this;
    if (state === null) return;
    this.kept = { state, samples };
    this.isMore = true;
  }

  latest(): Digest | undefined {
    return this.latestKeys;
  }

  noteLatest(latest: Digest): void {
    this.latestKeys = latest;
    this.isMore = true;
  }

  keep(): void {
    const { request, file } = this;
    const isOther = this.isMore || this.notes > 0;
    if (request.state === null || (!isOther && file?.state === request.state)) return;
    // Another process may have removed records since they were read.
    const state = contentState(request.cache) === request.state ? request.state : null;
    const kept = isOther || file === undefined ? this.encoded() : { ...file, lost: this.lost() };
    if (kept === undefined) return;
    const costs = this.kept?.state === historyState(request.cache) ? this.kept : undefined;
    const latest = state === null ? undefined : this.latestKeys;
    writeKept(request, { ...kept, state, costs, latest });
  }

  /** The content of the file; undefined when there is nothing to keep. */
  private encoded(): Kept | undefined {
    const all = this.all.filter(({ result }) => result !== undefined);
    const ofPlan = all.filter(({ isUsed }) => isUsed);
    const chosen = all.length > UNUSED_SHARE_MAX * ofPlan.length ? ofPlan : all;
    return chosen.length === 0 ? undefined : encodeKept(chosen, [...this.used]);
  }

  /** Indices of keys whose records are gone. */
  private lost(): readonly number[] {
    return this.all.flatMap(({ result }, place) => (result === undefined ? [place] : []));
  }
}
