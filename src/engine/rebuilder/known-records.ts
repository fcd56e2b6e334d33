// known-records.ts — what records of the store gave, kept beside it, so that a look need not read ten thousand of them again
import { join } from 'node:path';
import { elementAt, entryOf } from '../../present.ts';
import { readSealed, writeSealed } from '../files/sealed-file.ts';
import { canonicalJson, type Digest, digestOf, type Key } from '../model/key.ts';
import type { Output, RecordResult } from '../model/record.ts';
import type { Store } from '../store/store.ts';
import { contentState } from '../store/store-state.ts';

/**
 * Results of records that the store holds together with all their outputs. They are taken from a sealed file beside the store,
 * which is only a hint: it counts while the store's state is the one that it was written for. In another state each record
 * counts whose stored bytes have the mark that they had, and whose outputs are there. Whatever is not known is asked of
 * the store.
 */
export interface KnownRecords {
  get(key: Key): RecordResult | undefined;
  /** Notes what the store was found to hold beside what is known. */
  note(result: RecordResult): void;
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

const FORM = 'known/1';
const SEAL = 'known records';
/** Files for so many ways to ask are kept; the oldest go. */
const FILES_MAX = 8;
const DIGEST_LENGTH = 64;
/** Records that a plan does not have (any more) are left out where there are so many for each that it has. */
const UNUSED_SHARE_MAX = 3;

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
  /** Of actions that cannot be done: the place of the record, and why. */
  readonly infeasible: readonly (readonly [at: number, message: string])[];
}

type Shape = readonly (readonly [name: string, kind: string])[];

interface Known {
  readonly result: RecordResult;
  readonly mark: number;
}

export const NOTHING_KNOWN: KnownRecords = {
  get: () => undefined,
  note: () => undefined,
  keep: () => undefined,
};

/** Reads what is known of the records of a plan. */
export async function knownRecords(
  request: KnownRecordsRequest,
  store: Store,
): Promise<KnownRecords> {
  const { state, cache } = request;
  const file = fileOf(request);
  const kept = state === null ? undefined : readKept(file);
  const known = new Map<Key, Known>();
  try {
    for (const one of kept ? resultsOf(kept) : []) known.set(one.result.key, one);
  } catch {
    known.clear(); // Nobody of us wrote it.
  }
  let isMore = kept?.state !== state;
  if (isMore) await dropChanged(known, store);
  const { mark } = store.actions;
  const used = new Set<Key>();
  return {
    get(key) {
      const found = known.get(key)?.result;
      if (found) used.add(key);
      return found;
    },
    note(result) {
      const found = mark?.(result.key);
      if (found === undefined) return;
      known.set(result.key, { result, mark: found });
      used.add(result.key);
      isMore = true;
    },
    keep() {
      if (!isMore || state === null || known.size === 0) return;
      const all = [...known.values()];
      const isCrowded = all.length > UNUSED_SHARE_MAX * used.size;
      const chosen = isCrowded ? all.filter(({ result }) => used.has(result.key)) : all;
      // Whoever wrote into the store meanwhile may have taken away what was found in it.
      const found = encoded(chosen, contentState(cache) === state ? state : null);
      writeSealed(file, SEAL, Buffer.from(JSON.stringify(found)), FILES_MAX);
    },
  };
}

/** Drops those whose records are not as they were, or whose outputs are not there. */
async function dropChanged(known: Map<Key, Known>, { actions, blobs }: Store): Promise<void> {
  const { mark } = actions;
  if (mark === undefined) {
    known.clear();
    return;
  }
  for (const [key, one] of known) if (mark(key) !== one.mark) known.delete(key);
  const digests = new Set<Digest>();
  for (const { result } of known.values()) {
    for (const name in result.outputs) digests.add(outputOf(result, name).digest);
  }
  const missing = new Set(await blobs.missing(digests));
  if (missing.size === 0) return;
  for (const [key, { result }] of known) {
    if (Object.values(result.outputs).some(({ digest }) => missing.has(digest))) known.delete(key);
  }
}

const outputOf = ({ outputs }: RecordResult, name: string): Output => entryOf(outputs, name);

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

/** The records of a file that was written whole. */
function* resultsOf({ keys, marks, shapes, shapeOf, ...kept }: Kept): Generator<Known> {
  const { digests, sizes, infeasible } = kept;
  const messages = new Map(infeasible);
  let at = 0;
  for (const [place, mark] of marks.entries()) {
    const outputs: Record<string, Output> = {};
    for (const [name, kind] of elementAt(shapes, elementAt(shapeOf, place))) {
      const digest = slot(digests, at) as Digest;
      outputs[name] = { digest, bytes: elementAt(sizes, at), kind };
      at += 1;
    }
    const message = messages.get(place);
    const key = slot(keys, place) as Key;
    const result = { key, outputs, ...(message !== undefined && { infeasible: message }) };
    yield { result, mark };
  }
}

const slot = (texts: string, at: number): string =>
  texts.slice(at * DIGEST_LENGTH, (at + 1) * DIGEST_LENGTH);

function encoded(known: readonly Known[], state: string | null): Kept {
  const shapes: Shape[] = [];
  const places = new Map<string, number>();
  const shapeOf = known.map(({ result: { outputs } }) => {
    const shape = Object.entries(outputs).map(([name, { kind }]) => [name, kind] as const);
    const text = JSON.stringify(shape);
    const place = places.get(text) ?? shapes.push(shape) - 1;
    places.set(text, place);
    return place;
  });
  const outputs = known.flatMap(({ result }) => Object.values(result.outputs));
  return {
    form: FORM,
    state,
    keys: known.map(({ result }) => result.key).join(''),
    marks: known.map(({ mark }) => mark),
    shapes,
    shapeOf,
    digests: outputs.map(({ digest }) => digest).join(''),
    sizes: outputs.map(({ bytes }) => bytes),
    infeasible: known.flatMap(({ result: { infeasible } }, at) =>
      infeasible === undefined ? [] : [[at, infeasible] as const],
    ),
  };
}
