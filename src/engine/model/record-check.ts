// record-check.ts — whether what a store holds has the form of a record, and stands in its own place
import { isDigest, type Key, keyOf } from './key.ts';
import { type ActionRecord, logKey, type RunRecord, type TaskLog } from './record.ts';

/** What is read from a store was written by anybody: by an earlier version, by a failing disk. */
type Fields = { readonly [name: string]: unknown };
type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === 'string';
const isName: Check = (value) => typeof value === 'string' && value !== '';
const isAmount: Check = (value) => typeof value === 'number' && value >= 0;
// A clock may go back: durations are below zero in what earlier versions wrote.
const isNumber: Check = (value) => typeof value === 'number';
const isHash: Check = (value) => typeof value === 'string' && isDigest(value);
const isTime: Check = (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value));
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const namedOf =
  (check: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(check);
const absentOr =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const nullOr =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

const hasForm = (value: unknown, form: { readonly [field: string]: Check }): value is Fields =>
  isObject(value) && Object.entries(form).every(([field, check]) => check(value[field]));

const PARTS = {
  code: isHash,
  params: isObject,
  inputs: isObject,
  outputs: namedOf(isText),
  source: nullOr(namedOf(isHash)),
  tools: absentOr(namedOf(isText)),
  command: absentOr(isObject),
};
const OUTPUT = { digest: isHash, bytes: isAmount, kind: isText };
const COST = { seconds: isNumber, work: nullOr(isNumber), memory: absentOr(isAmount) };
const MADE = {
  run: isText,
  host: isText,
  at: isTime,
  versions: namedOf(isText),
  machine: absentOr(namedOf(isText)),
};
const ORIGIN = {
  by: isName,
  signer: isName,
  delegation: absentOr(isText),
  lost: absentOr((value) => value === true),
};
const ACTION = {
  task: isName,
  parts: (value: unknown) => hasForm(value, PARTS),
  outputs: namedOf((value) => hasForm(value, OUTPUT)),
  cost: (value: unknown) => hasForm(value, COST),
  made: (value: unknown) => hasForm(value, MADE),
  tolerance: absentOr(isAmount),
  infeasible: absentOr(isText),
  origin: absentOr((value) => hasForm(value, ORIGIN)),
};

/**
 * The record of an action that stands at `key`; undefined for anything else. Whether its parts give its key is not asked:
 * that takes longer than all else, and nothing that a make does rests on it (`isOfItsParts`).
 */
export function asActionRecord(value: unknown, key: string): ActionRecord | undefined {
  if (!isDigest(key) || !hasForm(value, ACTION) || value.key !== key) return undefined;
  const record = value as unknown as ActionRecord;
  // What it declares is in its key, and every output is there but for one that cannot be made.
  const declared = record.parts.outputs;
  const names = Object.keys(record.outputs);
  const expected = record.infeasible === undefined ? Object.keys(declared).length : 0;
  const areDeclared = names.every(
    (name) => Object.hasOwn(declared, name) && record.outputs[name]?.kind === declared[name],
  );
  return names.length === expected && areDeclared ? record : undefined;
}

/** Whether the parts of a record give its key. */
export function isOfItsParts({ key, parts }: ActionRecord): boolean {
  try {
    return keyOf(parts) === key;
  } catch {
    return false;
  }
}

const STATES = ['running', 'finished', 'interrupted', 'aborted', 'killed', 'unknown'];
const OUTCOMES = ['built', 'reused', 'failed', 'skipped', 'interrupted', 'infeasible', 'running'];
const isOutcome: Check = (value) => OUTCOMES.includes(value as string);
const LIFE = { boot: isText, space: isText, started: isText };
const PROCESS = {
  host: isText,
  pid: Number.isInteger,
  life: absentOr((value) => hasForm(value, LIFE)),
};
/** Whether a value is the identity of a process. */
export const isProcess = (value: unknown): boolean => hasForm(value, PROCESS);

const RUN = {
  at: isTime,
  started: absentOr(isTime),
  state: absentOr((value) => STATES.includes(value as string)),
  process: absentOr(isProcess),
  error: absentOr(isText),
  host: isText,
  command: isText,
  seconds: isNumber,
  tally: namedOf(isAmount),
  tasks: namedOf(isHash),
  begun: absentOr(namedOf(isHash)),
  outcomes: absentOr(namedOf(isOutcome)),
  targets: absentOr(listOf(isText)),
  presets: absentOr(listOf(isText)),
  paramsFiles: absentOr(listOf(isText)),
  sets: absentOr(listOf(isText)),
  params: absentOr(isObject),
  versions: absentOr(namedOf(isText)),
  name: absentOr(isText),
  tags: absentOr(listOf(isText)),
  axes: absentOr(namedOf(listOf(isText))),
  sources: absentOr(namedOf(isHash)),
  makers: absentOr(namedOf(isAmount)),
};

/** The record of a run that stands at `id`; undefined for anything else. */
export const asRunRecord = (value: unknown, id: string): RunRecord | undefined =>
  hasForm(value, RUN) && value.id === id ? (value as unknown as RunRecord) : undefined;

const ERROR = {
  message: isText,
  stack: absentOr(isText),
  cause: absentOr(isText),
  exit: absentOr(Number.isInteger),
  signal: absentOr(isText),
  timeout: absentOr(isAmount),
};
const LOG = {
  task: isName,
  run: isText,
  at: isTime,
  outcome: isOutcome,
  lines: listOf(isText),
  dropped: absentOr(isAmount),
  error: absentOr((value) => hasForm(value, ERROR)),
  params: absentOr(isObject),
  key: absentOr(isHash),
};

/** What a task said, as it stands at `place` (`logKey`); undefined for anything else. */
export function asTaskLog(value: unknown, place: string): TaskLog | undefined {
  if (!hasForm(value, LOG)) return undefined;
  const log = value as unknown as TaskLog;
  return logKey(log.run, log.task) === place ? log : undefined;
}

/** A key; undefined for anything else. */
export const asKey = (value: unknown): Key | undefined =>
  isHash(value) ? (value as Key) : undefined;

/** Since when a run is pinned; undefined for anything else. */
export const asPin = (value: unknown): string | undefined =>
  isTime(value) ? (value as string) : undefined;
