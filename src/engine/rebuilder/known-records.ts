// known-records.ts — what records of the store gave, kept beside it, so that a look need not read ten thousand of them again
import { join } from 'node:path';
import { elementAt, entryOf } from '../../present.ts';
import { readSealed, writeSealed } from '../files/sealed-file.ts';
import { canonicalJson, type Digest, digestOf, type Key } from '../model/key.ts';
import type { ActionRecord, Output, RecordResult } from '../model/record.ts';
import { byteMark } from '../store/byte-mark.ts';
import { missingOutputs } from '../store/folder-blobs.ts';
import type { Store } from '../store/store.ts';
import { contentState, historyState } from '../store/store-state.ts';
import type { CostSample, KnownCosts } from './estimate.ts';
import type { KnownKey, KnownResults } from './forecast.ts';

/**
 * Results of records that the store holds together with all their outputs. They are taken from a sealed file beside the store,
 * which is only a hint: it counts while the store's state is the one that it was written for. In another state each record
 * counts whose stored bytes have the mark that they had, and whose outputs are there. Whatever is not known is asked of
 * the store.
 */
export interface KnownRecords extends KnownResults, KnownCosts {
  /** Keeps what is known, if that is more than was kept before. To be called before the store is closed. */
  keep(): void;
}

/** Whose records these are. */
export interface KnownRecordsRequest {
  /** Folder of the store. */
  readonly cache: string;
  /** `contentState` of the store before it was opened; null when there was none. */
  readonly state: string | null;
  /** Which pipeline is asked for: each has a file of its own. */
  readonly file: string;
  readonly presets: readonly string[];
  readonly paramsFiles: readonly string[];
  readonly sets: readonly string[];
}

const FORM = 'known/3';
const SEAL = 'known records';
/** Files for so many ways to ask are kept; the oldest go. */
const FILES_MAX = 8;
const DIGEST_LENGTH = 64;
/** Records that a plan does not have (any more) are left out where there are so many for each that it has. */
const UNUSED_SHARE_MAX = 3;
/** A file is written anew when so many of its records are others. */
const CHANGES_SHARE_MIN = 0.02;

/** As it is written: long texts and lists of numbers, since those are read fast. */
interface Kept {
  readonly form: typeof FORM;
  /** `contentState` when everything was found; null when only marks tell. */
  readonly state: string | null;
  /** Keys, one after the other. */
  readonly keys: string;
  /** Marks of the records, as the store tells them. */
  readonly marks: readonly number[];
  /** Names and kinds of outputs: those that a record has are one of these. */
  readonly shapes: readonly Shape[];
  readonly shapeOf: readonly number[];
  /** Digests and sizes of all outputs, record by record. */
  readonly digests: string;
  readonly sizes: readonly number[];
  /** Who made them: runs, which of these each was, and when. */
  readonly runs: readonly string[];
  readonly runOf: readonly number[];
  readonly times: readonly string[];
  /** Of actions that cannot be done: the place of the record, and why. */
  readonly infeasible: readonly (readonly [at: number, message: string])[];
  /** The keys of the tasks of stages, by the fingerprints of these: their places. */
  readonly stages: readonly (readonly [fingerprint: Digest, places: readonly number[]])[];
  /** What was read of the history, and the `historyState` in which it was read. */
  readonly costs?: KeptCosts | undefined;
  /** What the store had as the latest keys of tasks in `state`. */
  readonly latest?: Digest | undefined;
}

interface KeptCosts {
  readonly state: string;
  readonly samples: readonly CostSample[];
}

/** In place of a shape: a key whose record was not found. */
const LOST = -1;

type Shape = readonly (readonly [name: string, kind: string])[];

class Known implements KnownKey {
  readonly key: Key;
  /** Of the stored bytes of its record. */
  mark: number;
  /** Undefined for a key whose record was not found. */
  result: RecordResult | undefined;
  /** Whether the plan has it. */
  isUsed = false;

  constructor(key: Key, mark = 0, result?: RecordResult) {
    this.key = key;
    this.mark = mark;
    this.result = result;
  }
}

export const NOTHING_KNOWN: KnownRecords = {
  get: () => undefined,
  note: () => undefined,
  costs: () => undefined,
  noteCosts: () => undefined,
  keep: () => undefined,
};

/** Reads what is known of the records of a plan. */
export async function knownRecords(
  request: KnownRecordsRequest,
  store: Store,
): Promise<KnownRecords> {
  const { state } = request;
  const kept = state === null ? undefined : readKept(fileOf(request));
  const records = new Records(request, store);
  records.take(kept);
  if (kept?.state !== state) await records.dropChanged();
  return records;
}

class Records implements KnownRecords {
  /** In the order of the file; those that were noted since stand behind them. */
  private all: Known[] = [];
  /** By key: made when one is looked for. */
  private byKey: Map<Key, Known> | undefined;
  private stages = new Map<Digest, () => readonly Known[]>();
  /** The keys of stages by fingerprints that were asked for and known, or noted. */
  private readonly used = new Map<Digest, readonly Key[]>();
  private kept: KeptCosts | undefined;
  private latestKeys: Digest | undefined;
  /** `historyState` when costs were asked for. */
  private memory: string | null = null;
  /** How many records were noted or dropped. */
  private changes = 0;
  private isMore = false;
  private readonly request: KnownRecordsRequest;
  private readonly store: Store;

  constructor(request: KnownRecordsRequest, store: Store) {
    this.request = request;
    this.store = store;
  }

  take(kept: Kept | undefined): void {
    if (kept === undefined) return;
    try {
      const all = recordsOf(kept);
      for (const [fingerprint, places] of kept.stages) {
        this.stages.set(fingerprint, () => places.map((place) => elementAt(all, place)));
      }
      this.all = all;
      this.kept = kept.costs;
      if (kept.state === this.request.state) this.latestKeys = kept.latest;
    } catch {
      // Nobody of us wrote it.
      this.stages.clear();
    }
  }

  /** Drops those whose records are not as they were, or whose outputs are not there. */
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
    this.changes += 1;
  }

  private find(key: Key): Known | undefined {
    this.byKey ??= new Map(this.all.map((one) => [one.key, one]));
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
    // Whether what others made counts is decided anew each time: trust may be withdrawn.
    if (record.origin !== undefined) return;
    const mark = this.store.actions.mark?.(key);
    // Somebody may have put another in its place since it was read.
    if (mark === undefined || mark !== byteMark(Buffer.from(JSON.stringify(record)))) return;
    const result = { key, outputs, made, ...(infeasible !== undefined && { infeasible }) };
    let noted = this.find(key);
    if (noted === undefined) {
      noted = new Known(key);
      this.all.push(noted);
      this.byKey?.set(key, noted);
    }
    Object.assign(noted, { mark, result, isUsed: true });
    this.changes += 1;
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
    const { request, used } = this;
    const all = this.all.filter(({ result }) => result !== undefined);
    // What is told of a few records is found again sooner than a file is written.
    const isWorth = this.isMore || this.changes > all.length * CHANGES_SHARE_MIN;
    if (!isWorth || request.state === null) return;
    const ofPlan = all.filter(({ isUsed }) => isUsed);
    const chosen = all.length > UNUSED_SHARE_MAX * ofPlan.length ? ofPlan : all;
    if (chosen.length === 0) return;
    // Whoever wrote into the store meanwhile may have taken away what was found in it.
    const isSame = contentState(request.cache) === request.state;
    const kept = encoded(chosen, [...used], isSame ? request.state : null);
    const costs = this.kept?.state === historyState(request.cache) ? this.kept : undefined;
    const latest = isSame ? this.latestKeys : undefined;
    const body = Buffer.from(JSON.stringify({ ...kept, costs, latest }));
    writeSealed(fileOf(request), SEAL, body, FILES_MAX);
  }
}

// ---- the file ----

const fileOf = ({ cache, file, presets, paramsFiles, sets }: KnownRecordsRequest): string =>
  join(cache, 'known', digestOf(canonicalJson([file, presets, paramsFiles, sets])));

/** Undefined when there is none, or it is damaged, or of another form. */
function readKept(file: string): Kept | undefined {
  try {
    const body = readSealed(file, SEAL);
    const kept = body && (JSON.parse(body.toString()) as Kept);
    return kept?.form === FORM ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** The records of a file that was written whole, and keys whose records are lost. */
function recordsOf({ keys, marks, shapes, shapeOf, ...kept }: Kept): Known[] {
  const { digests, sizes, infeasible, runs, runOf, times } = kept;
  const messages = new Map(infeasible);
  const all: Known[] = [];
  let at = 0;
  for (let place = 0; place < marks.length; place++) {
    const key = slot(keys, place) as Key;
    const mark = elementAt(marks, place);
    const shape = elementAt(shapeOf, place);
    if (shape === LOST) {
      all.push(new Known(key));
      continue;
    }
    const outputs: Record<string, Output> = {};
    for (const [name, kind] of elementAt(shapes, shape)) {
      const digest = slot(digests, at) as Digest;
      outputs[name] = { digest, bytes: elementAt(sizes, at), kind };
      at += 1;
    }
    const made = { run: elementAt(runs, elementAt(runOf, place)), at: elementAt(times, place) };
    const message = messages.get(place);
    const result =
      message === undefined ? { key, outputs, made } : { key, outputs, made, infeasible: message };
    all.push(new Known(key, mark, result));
  }
  return all;
}

const slot = (texts: string, at: number): string =>
  texts.slice(at * DIGEST_LENGTH, (at + 1) * DIGEST_LENGTH);

/** @param stages keys of stages by their fingerprints; those of records that are lost stand behind the others */
function encoded(
  chosen: readonly Known[],
  stages: readonly (readonly [Digest, readonly Key[]])[],
  state: string | null,
): Kept {
  const known = chosen.flatMap(({ result, mark }) => (result ? [{ result, mark }] : []));
  const placeOf = new Map(known.map(({ result }, place) => [result.key, place]));
  for (const key of stages.flatMap(([, keys]) => keys)) {
    if (!placeOf.has(key)) placeOf.set(key, placeOf.size);
  }
  const lost = new Array<number>(placeOf.size - known.length);
  const shapes: Shape[] = [];
  const places = new Map<string, number>();
  const shapeOf = known.map(({ result: { outputs } }) => {
    const shape = Object.entries(outputs).map(([name, { kind }]) => [name, kind] as const);
    const text = JSON.stringify(shape);
    const place = places.get(text) ?? shapes.push(shape) - 1;
    places.set(text, place);
    return place;
  });
  const runs = new Map<string, number>();
  for (const { result } of known) {
    if (!runs.has(result.made.run)) runs.set(result.made.run, runs.size);
  }
  const outputs = known.flatMap(({ result }) => Object.values(result.outputs));
  return {
    form: FORM,
    state,
    keys: [...placeOf.keys()].join(''),
    marks: [...known.map(({ mark }) => mark), ...lost.fill(0)],
    shapes,
    shapeOf: [...shapeOf, ...lost.fill(LOST)],
    digests: outputs.map(({ digest }) => digest).join(''),
    sizes: outputs.map(({ bytes }) => bytes),
    runs: [...runs.keys()],
    runOf: known.map(({ result }) => runs.get(result.made.run) ?? 0),
    times: known.map(({ result }) => result.made.at),
    infeasible: known.flatMap(({ result: { infeasible } }, at) =>
      infeasible === undefined ? [] : [[at, infeasible] as const],
    ),
    stages: stages.map(([fingerprint, keys]) => [
      fingerprint,
      keys.map((key) => placeOf.get(key) ?? 0),
    ]),
  };
}
