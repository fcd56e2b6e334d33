// known-records-file.ts — the file in which results of records are kept beside the store
import { join } from 'node:path';
import { elementAt } from '../../present.ts';
import { readSealed, writeSealed } from '../files/sealed-file.ts';
import { canonicalJson, type Digest, digestOf, type Key } from '../model/key.ts';
import type { Output, RecordResult } from '../model/record.ts';
import type { CostSample } from './estimate.ts';
import type { KnownKey } from './forecast.ts';

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

const FORM = 'known/4';
const SEAL = 'known records';
/** One file for each combination of presets and params; the oldest are deleted. */
const FILES_MAX = 8;
const DIGEST_LENGTH = 64;
/** The file's content. Long strings and lists of numbers, since those parse fast. */
export interface Kept {
  readonly form: typeof FORM;
  /** `contentState` in which everything was found; null when each record must be checked by its mark. */
  readonly state: string | null;
  /** Keys, one after the other. */
  readonly keys: string;
  /** `byteMark` of each stored record. */
  readonly marks: readonly number[];
  /** The distinct lists of output names and kinds. */
  readonly shapes: readonly Shape[];
  readonly shapeOf: readonly number[];
  /** Digests and sizes of all outputs, record by record. */
  readonly digests: string;
  readonly sizes: readonly number[];
  /** The runs that made them, the index of the run for each record, and when it was made. */
  readonly runs: readonly string[];
  readonly runOf: readonly number[];
  readonly times: readonly string[];
  /** Infeasible actions: the index of the record, and the reason. */
  readonly infeasible: readonly (readonly [at: number, message: string])[];
  /** For the fingerprint of a stage: the indices of the keys of its tasks. */
  readonly stages: readonly (readonly [fingerprint: Digest, places: readonly number[]])[];
  /** Indices of records that are gone. */
  readonly lost?: readonly number[];
  /** What was read of the history, and the `historyState` in which it was read. */
  readonly costs?: KeptCosts | undefined;
  /** What the store had as the latest keys of tasks in `state`. */
  readonly latest?: Digest | undefined;
}

export interface KeptCosts {
  readonly state: string;
  readonly samples: readonly CostSample[];
}

/** In place of a shape: the record of this key was not found. */
const LOST = -1;

type Shape = readonly (readonly [name: string, kind: string])[];

/** A known record, or a key whose record is gone. */
export class Known implements KnownKey {
  readonly key: Key;
  /** `byteMark` of the stored record. */
  mark: number;
  /** Undefined for a key whose record was not found. */
  result: RecordResult | undefined;
  /** Whether the current plan uses it. */
  isUsed = false;

  constructor(key: Key, mark = 0, result?: RecordResult) {
    this.key = key;
    this.mark = mark;
    this.result = result;
  }
}

const fileOf = ({ cache, file, presets, paramsFiles, sets }: KnownRecordsRequest): string =>
  join(cache, 'known', digestOf(canonicalJson([file, presets, paramsFiles, sets])));

/** Undefined when the file is missing, damaged, or of another form. */
export function readKept(request: KnownRecordsRequest): Kept | undefined {
  try {
    const body = readSealed(fileOf(request), SEAL);
    const kept = body && (JSON.parse(body.toString()) as Kept);
    return kept?.form === FORM ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a file, whole or not at all. */
export function writeKept(request: KnownRecordsRequest, kept: Kept): void {
  writeSealed(fileOf(request), SEAL, Buffer.from(JSON.stringify(kept)), FILES_MAX);
}

/** Decodes the records of a file. Keys whose records are gone have no result. */
export function recordsOf({ keys, marks, shapes, shapeOf, lost = [], ...kept }: Kept): Known[] {
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
  for (const place of lost) elementAt(all, place).result = undefined;
  return all;
}

const slot = (texts: string, at: number): string =>
  texts.slice(at * DIGEST_LENGTH, (at + 1) * DIGEST_LENGTH);

/** @param stages keys of stages by their fingerprints; keys without a record follow the others */
export function encodeKept(
  chosen: readonly Known[],
  stages: readonly (readonly [Digest, readonly Key[]])[],
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
    state: null,
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
