// key.ts — names of things, and the one way to encode them
import { hash } from 'node:crypto';

declare const brand: unique symbol;
type Brand<T, Name> = T & { readonly [brand]: Name };

/** SHA-256 of some bytes, in lower-case hex: the name of a blob. */
export type Digest = Brand<string, 'Digest'>;
/** SHA-256 of everything that can change an action's outputs: the name of a trace. */
export type Key = Brand<string, 'Key'>;
/** A stage at one point of its matrix, as people read it: `rigl[mnist,0.9,lognormal-cv1,3]`. */
export type TaskId = Brand<string, 'TaskId'>;

/** What JSON can hold. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/** Things by name. */
export type Named<T> = { readonly [name: string]: T };

/** The labels of a task on its axes, by axis. */
export type Coordinates = Named<string>;

/** Why a task gave nothing: it cannot be done, it failed, or it was not run because something it needs failed. */
export type AbsentReason = {
  readonly kind: 'infeasible' | 'failed' | 'skipped';
  readonly message: string;
};

/** One blob of a collected input; where there is none (partial inputs only), null and why. */
export type CollectedDigest =
  | readonly [task: TaskId, at: Coordinates, digest: Digest]
  | readonly [task: TaskId, at: Coordinates, digest: null, reason: AbsentReason];

/** What one input port holds: a blob, nothing (optional), or blobs collected over axes, in matrix order. */
export type InputDigest = Digest | null | readonly CollectedDigest[] | readonly FileDigest[];

/** A file of the project as an input: its name counts, too. In a list they stand by code unit of their names. */
export type FileDigest = readonly [name: string, digest: Digest];

/** What a command runs, as its key knows it. */
export type CommandParts = {
  /** As pipeline.yaml has it: what is filled into it is in the other parts. */
  readonly argv: readonly string[];
  readonly env: Named<string | null>;
  /** Where each input lies in the scratch folder; null: under its own names. */
  readonly inputs: Named<string | null>;
  /** Where each output is looked for. */
  readonly outputs: Named<string>;
  /** Inputs whose paths are listed in a file. Absent, not empty, when there is none. */
  readonly lists?: readonly string[];
};

/** What a key is made of, kept part by part so that `why` can say which part changed. */
export interface KeyParts {
  /** The stage, bundled: its imports count, its comments do not. */
  readonly code: Digest;
  /** Every declared param by name, after defaults. */
  readonly params: Named<Json>;
  /** Of contents, not of upstream keys: hence early cutoff. */
  readonly inputs: Named<InputDigest>;
  /** Kind of each declared output, by name. */
  readonly outputs: Named<string>;
  /** For a source: the digest of each file that it declares, by name. Null for other stages. */
  readonly source: Named<Digest> | null;
  /** Exact version of each tool that runs beside the bundle, by name. Absent, not empty, when there is none. */
  readonly tools?: Named<string>;
  /** For a command. Absent for a module. */
  readonly command?: CommandParts;
}

/** Orders strings by code unit: the one order of everything that is hashed. Never by locale. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The canonical text of a JSON value: names sorted by code unit, numbers as ECMAScript prints them, -0 as 0.
 * @throws TypeError for what JSON cannot hold (NaN, Infinity, undefined, functions), naming where it stands.
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalText(value);
  if (text !== undefined) return text;
  const [path, unfit] = findUnfit(value, '$') ?? ['$', value];
  throw new TypeError(`${path} is ${describe(unfit)}, which JSON cannot hold`);
}

/**
 * A JSON value as its canonical text tells it: what a stage is given differs only where its key does, down to the order
 * of names and the sign of zero.
 */
export function canonical<T>(value: T): T {
  return JSON.parse(canonicalJson(value)) as T;
}

/** Undefined when something in it is unfit. Every key of every task comes through here: it keeps no account of where it is. */
function canonicalText(value: unknown): string | undefined {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    return Number.isFinite(value) ? String(value) : undefined; // String(-0) is 0
  }
  if (Array.isArray(value)) {
    let text = '[';
    // By index: a hole is undefined, which is unfit.
    for (let index = 0; index < value.length; index++) {
      const item = canonicalText(value[index]);
      if (item === undefined) return undefined;
      text += index === 0 ? item : `,${item}`;
    }
    return `${text}]`;
  }
  if (typeof value !== 'object' || !isPlain(value)) return undefined;
  const fields = value as { readonly [name: string]: unknown };
  let text = '{';
  // Without a comparison of its own, `sort` goes by code unit.
  for (const name of Object.keys(fields).sort()) {
    const field = canonicalText(fields[name]);
    if (field === undefined) return undefined;
    text += `${text === '{' ? '' : ','}${JSON.stringify(name)}:${field}`;
  }
  return `${text}}`;
}

/** Where the first thing stands that JSON cannot hold. */
function findUnfit(value: unknown, path: string): readonly [path: string, unfit: unknown] | null {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = findUnfit(value[index], `${path}[${index}]`);
      if (found) return found;
    }
    return null;
  }
  if (typeof value === 'object' && value !== null && isPlain(value)) {
    for (const [name, field] of Object.entries(value).sort(([a], [b]) => byCodeUnit(a, b))) {
      const found = findUnfit(field, `${path}.${name}`);
      if (found) return found;
    }
    return null;
  }
  return canonicalText(value) === undefined ? [path, value] : null;
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const describe = (value: unknown): string => {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return typeof value;
  return value.constructor ? `a ${value.constructor.name}` : 'an object of no class';
};

/** The digest of some bytes or of a text in UTF-8. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return hash('sha256', bytes, 'hex') as Digest;
}

/** Whether a text has the form of a digest or key. */
export function isDigest(text: string): text is Digest {
  return /^[0-9a-f]{64}$/.test(text);
}

/** The form of keys. A change of it makes every key new, and `why` says so. */
export const KEY_FORMAT = 'action/1';

/** The key of an action: the digest of its parts, tagged with their format. */
export function keyOf(parts: KeyParts): Key {
  return digestOf(canonicalJson([KEY_FORMAT, parts])) as string as Key;
}

/** The id of a stage at a point: the labels stand in the order in which the stage declares its axes. */
export function taskId(stage: string, labels: readonly string[]): TaskId {
  return (labels.length === 0 ? stage : `${stage}[${labels.join(',')}]`) as TaskId;
}

/**
 * Where a task stands, axes in the order in which its id has their labels, so that the order too is what the key says
 * it is. Axes of one label stand by name.
 */
export function coordinatesAsNamed(task: TaskId, at: Coordinates): Coordinates {
  const labels = task.slice(task.indexOf('[') + 1, -1).split(',');
  const places = new Map(labels.map((label, place) => [label, place]));
  const placeOf = ([, label]: readonly [string, string]): number => places.get(label) ?? -1;
  const byName = Object.entries(at).sort(([a], [b]) => byCodeUnit(a, b));
  return Object.fromEntries(byName.sort((a, b) => placeOf(a) - placeOf(b)));
}

/** The id that a person wrote: `rigl[a,b]`, or `rigl/a/b`, which no shell mangles. */
export function taskIdFromText(text: string): TaskId {
  const [stage = '', ...labels] = text.includes('[') ? [text] : text.split('/');
  return taskId(stage, labels);
}

/** The form of a task id that no shell mangles. */
export function shellTaskId(task: TaskId): string {
  return task.replace('[', '/').replace(']', '').replaceAll(',', '/');
}

/** What a label, an axis or a stage may not contain: it would blur task ids and shell words. */
export const UNFIT_IN_NAMES = /[,[\]:=/\s"'`$\\]/;
