// messages.ts — what workers write into their outboxes and the head into their inboxes, and how it is read

import type { SizedBlob } from '../engine/executors/executor.ts';
import { FAILURE_CAUSES, type Failure } from '../engine/model/failure.ts';
import { type Digest, isDigest, type Key, type Named } from '../engine/model/key.ts';
import type { JobId } from './batch.ts';

/** A worker presents itself. */
export interface Here {
  readonly say: 'here';
  readonly host: string;
  readonly pid: number;
  readonly job: JobId | null;
  /** Of node, pipeline and its build. */
  readonly versions: Named<string>;
  readonly machine: Named<string>;
  readonly at: number;
}

/** How an order ended. Blobs that are `inline` stand in the body, in this order. */
export interface Ended {
  readonly say: 'ended';
  readonly order: string;
  readonly key: Key;
  readonly seconds: number;
  readonly end:
    | {
        readonly status: 'done';
        readonly outputs: Named<SizedBlob>;
        readonly inline: readonly SizedBlob[];
        /** Files of folders that lie in the depot. */
        readonly further: readonly SizedBlob[];
        readonly peak_bytes?: number;
      }
    | { readonly status: 'stopped'; readonly saved: boolean }
    | { readonly status: 'lost-inputs'; readonly digests: readonly Digest[] }
    | { readonly status: 'failed'; readonly failure: Failure }
    /** The node has other tools than the key says: nothing ran. */
    | { readonly status: 'mismatch'; readonly message: string };
}

/** What orders said since the last frame. */
export interface Said {
  readonly say: 'said';
  readonly begun?: readonly string[];
  readonly lines?: readonly (readonly [order: string, line: string])[];
  readonly warnings?: readonly (readonly [order: string, message: string])[];
  readonly metrics?: readonly (readonly [order: string, step: number, values: Named<number>])[];
  readonly progress?: readonly (readonly [order: string, done: number, of: number, note: string])[];
}

/** What a worker says. */
export type WorkerSays =
  | Here
  | Ended
  | Said
  /** It has read orders. */
  | { readonly say: 'took'; readonly orders: readonly (readonly [id: string, key: Key])[] }
  | { readonly say: 'alive' }
  /** It cannot go on for a while, such as when the disk is full. */
  | { readonly say: 'trouble'; readonly message: string }
  /** Its last frame. */
  | { readonly say: 'left'; readonly why: string };

/** Why a worker leaves that a signal asked to: somebody else ended its job, or put it back into the queue. */
export const LEFT_BY_SIGNAL = 'asked';

/** What the head says. */
export type HeadSays =
  /** The order stands in the body. */
  | { readonly say: 'order' }
  | { readonly say: 'stop'; readonly orders: readonly string[]; readonly grace_ms: number }
  | { readonly say: 'checkpoint' }
  /** It is to take nothing more, and to leave when it has nothing to do. */
  | { readonly say: 'finish' }
  /** It is to leave now: what runs saves and stops. */
  | { readonly say: 'leave'; readonly grace_ms: number };

type Fields = { readonly [name: string]: unknown };

/** Longer texts are cut. */
const TEXT_MAX = 65_536;
const ITEMS_MAX = 100_000;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, TEXT_MAX) : '';
const number = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;
const list = (value: unknown): readonly unknown[] =>
  Array.isArray(value) && value.length <= ITEMS_MAX ? value : [];

/** Fields by name, each read; names that are no own words of a frame cannot reach a prototype. */
function named<T>(value: unknown, read: (field: unknown) => T | undefined): Named<T> {
  const fields = isFields(value) ? Object.entries(value) : [];
  const kept = fields.flatMap(([name, field]): readonly (readonly [string, T])[] => {
    const one = read(field);
    return one === undefined ? [] : [[name, one]];
  });
  return Object.fromEntries(kept);
}

function sizedBlob(value: unknown): SizedBlob | undefined {
  if (!isFields(value)) return undefined;
  const { digest, bytes } = value;
  const isSize = typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0;
  return typeof digest === 'string' && isDigest(digest) && isSize ? { digest, bytes } : undefined;
}

const sizedBlobs = (value: unknown): readonly SizedBlob[] =>
  (Array.isArray(value) ? value : []).flatMap((one) => sizedBlob(one) ?? []);

/** Reads what a worker said; undefined for what no worker says. */
export function readWorkerSays(header: unknown): WorkerSays | undefined {
  if (!isFields(header)) return undefined;
  switch (header.say) {
    case 'here':
      return {
        say: 'here',
        host: text(header.host),
        pid: number(header.pid),
        job: typeof header.job === 'string' ? (text(header.job) as JobId) : null,
        versions: named(header.versions, text),
        machine: named(header.machine, text),
        at: number(header.at),
      };
    case 'ended':
      return readEnded(header);
    case 'said':
      return readSaid(header);
    case 'took': {
      const orders = list(header.orders).flatMap((one): readonly (readonly [string, Key])[] => {
        const [id, key] = list(one);
        return typeof key === 'string' && isDigest(key) ? [[text(id), key as string as Key]] : [];
      });
      return { say: 'took', orders };
    }
    case 'alive':
      return { say: 'alive' };
    case 'trouble':
      return { say: 'trouble', message: text(header.message) };
    case 'left':
      return { say: 'left', why: text(header.why) };
    default:
      return undefined;
  }
}

function readSaid(header: Fields): Said {
  const lines = list(header.lines).map((one) => {
    const [order, line] = list(one);
    return [text(order), text(line)] as const;
  });
  const warnings = list(header.warnings).map((one) => {
    const [order, message] = list(one);
    return [text(order), text(message)] as const;
  });
  const metrics = list(header.metrics).map((one) => {
    const [order, step, values] = list(one);
    const read = (value: unknown) => (typeof value === 'number' ? value : undefined);
    return [text(order), number(step), named(values, read)] as const;
  });
  const progress = list(header.progress).map((one) => {
    const [order, done, of, note] = list(one);
    return [text(order), number(done), number(of), text(note)] as const;
  });
  return { say: 'said', begun: list(header.begun).map(text), lines, warnings, metrics, progress };
}

function readEnded(header: Fields): Ended | undefined {
  const { key, end } = header;
  if (typeof key !== 'string' || !isDigest(key) || !isFields(end)) return undefined;
  const read = endOf(end);
  const { order, seconds } = header;
  const ended = { say: 'ended', order: text(order), key: key as string as Key } as const;
  return read && { ...ended, seconds: number(seconds), end: read };
}

function endOf(end: Fields): Ended['end'] | undefined {
  switch (end.status) {
    case 'done': {
      const outputs = named(end.outputs, sizedBlob);
      const inline = sizedBlobs(end.inline);
      const further = sizedBlobs(end.further);
      const peak_bytes = number(end.peak_bytes);
      return { status: 'done', outputs, inline, further, ...(peak_bytes > 0 && { peak_bytes }) };
    }
    case 'stopped':
      return { status: 'stopped', saved: end.saved === true };
    case 'lost-inputs': {
      const digests = list(end.digests).map(text).filter(isDigest);
      return { status: 'lost-inputs', digests };
    }
    case 'failed': {
      const failure = readFailure(end.failure);
      return failure && { status: 'failed', failure };
    }
    case 'mismatch':
      return { status: 'mismatch', message: text(end.message) };
    default:
      return undefined;
  }
}

const optionalText = (value: unknown): string | undefined =>
  typeof value === 'string' ? text(value) : undefined;

function readFailure(value: unknown): Failure | undefined {
  if (!isFields(value)) return undefined;
  const { cause, process, timeout_ms } = value;
  const notes = list(value.notes).map(text);
  const rest = notes.length > 0 ? { notes } : {};
  if (cause === 'timeout') return { cause, timeout_ms: number(timeout_ms), ...rest };
  if (typeof cause !== 'string' || !Object.hasOwn(FAILURE_CAUSES, cause)) return undefined;
  if (isFields(process) && (cause === 'exit' || cause === 'signal' || cause === 'memory')) {
    const { argv, code, signal, last } = process;
    const read = {
      argv: Array.isArray(argv) ? list(argv).map(text) : null,
      code: typeof code === 'number' ? code : null,
      signal: typeof signal === 'string' ? text(signal) : null,
      last: list(last).map(text),
    };
    return { cause, process: read, ...rest };
  }
  const message = text(value.message);
  const stack = optionalText(value.stack);
  const described = cause === 'exit' || cause === 'signal' ? 'infrastructure' : cause;
  const infeasible = value.infeasible === true;
  return { cause: described, message, ...(stack && { stack }), infeasible, ...rest } as Failure;
}

/** Reads what the head said; undefined for what no head says. */
export function readHeadSays(header: unknown): HeadSays | undefined {
  if (!isFields(header)) return undefined;
  switch (header.say) {
    case 'stop': {
      const orders = list(header.orders).map(text);
      return { say: 'stop', orders, grace_ms: number(header.grace_ms) };
    }
    case 'order':
    case 'checkpoint':
    case 'finish':
      return { say: header.say };
    case 'leave':
      return { say: 'leave', grace_ms: number(header.grace_ms) };
    default:
      return undefined;
  }
}
