// stage.ts — the door: what a stage module declares and what it is given. Bundled into every stage, so keep it small
import type * as z from 'zod/mini';
import { parseExactJson } from '../exact-json.ts';
import { decodeSafetensors, encodeSafetensors, type TensorFile } from '../tensor.ts';
import { decodeUtf8 } from '../utf8.ts';
import {
  type AbsentReason,
  type Coordinates,
  canonicalJson,
  type Digest,
  type Json,
  type Named,
  type TaskId,
} from './model/key.ts';

export { ForeignTensor } from '../tensor.ts';

/** The names of the codecs, as traces and `show` tell them. */
export type CodecKind = 'json' | 'tensors' | 'text' | 'bytes' | 'files' | 'folder';

/** How a value becomes the bytes of a blob and back. Equal values give equal bytes. */
export interface Codec<T> {
  readonly kind: CodecKind;
  encode(value: T): Uint8Array;
  /** @throws when the bytes do not hold such a value. */
  decode(bytes: Uint8Array): T;
}

/**
 * Canonical JSON. With a schema, what is read is checked against it. What JavaScript cannot hold exactly is refused, not
 * rounded: integers beyond 2^53, names that a map has twice, halves of surrogate pairs.
 */
export function json<T>(schema?: z.ZodMiniType<T>): Codec<T> {
  return {
    kind: 'json',
    encode(value) {
      const canonical = canonicalJson(value);
      checkSurrogates(canonical);
      return new TextEncoder().encode(canonical);
    },
    decode(bytes) {
      const value = parseExactJson(bytes);
      return schema ? schema.parse(value) : (value as T);
    },
  };
}

/** Named typed arrays, in safetensors form: Python reads them as they are. */
export function tensors(): Codec<TensorFile> {
  return { kind: 'tensors', encode: encodeSafetensors, decode: decodeSafetensors };
}

/** UTF-8 text, exactly: a byte order mark and line ends of any kind are part of it. */
export function text(): Codec<string> {
  return {
    kind: 'text',
    encode(value) {
      if (/\p{Surrogate}/u.test(value)) throw new RangeError(HALF_CHARACTER);
      return new TextEncoder().encode(value);
    },
    decode: decodeUtf8,
  };
}

const HALF_CHARACTER = 'it holds half of a surrogate pair, which no UTF-8 can hold';

/** Canonical JSON escapes a surrogate only where its other half is missing. */
function checkSurrogates(canonical: string): void {
  const found = /(?<!\\)(?:\\\\)*\\ud[89a-f]/.exec(canonical);
  if (found === null) return;
  const near = canonical.slice(Math.max(0, found.index - 30), found.index + 30);
  throw new RangeError(`${HALF_CHARACTER}, at \`${near}\``);
}

/** Bytes as they are. */
export function bytes(): Codec<Uint8Array> {
  return { kind: 'bytes', encode: (value) => value, decode: (value) => value };
}

/** One blob of a collected input, with the task that made it. */
export interface Collected<T> {
  readonly task: TaskId;
  /** The labels of that task, by axis. */
  readonly at: Coordinates;
  readonly digest: Digest;
  readonly value: T;
}

/** A task of a partially collected input that has no output, and why. */
export interface Absent {
  readonly task: TaskId;
  /** The labels of that task, by axis. */
  readonly at: Coordinates;
  readonly reason: AbsentReason;
}

/** What there is of a collected input, and what is missing; both in matrix order. */
export interface Gathered<T> {
  readonly items: readonly Collected<T>[];
  readonly missing: readonly Absent[];
}

/**
 * How many blobs a port takes: one, one or none, a list over axes that the stage itself lacks, or what there is of
 * such a list.
 */
export type Arity = 'one' | 'optional' | 'many' | 'partial';

/** An input of a stage. */
export interface Port<T> {
  readonly codec: Codec<unknown>;
  readonly arity: Arity;
  /** Never there: it carries the type of what `run` is given. */
  readonly type?: T;
}

/** An input that may be left unconnected; then it is null. */
export function optional<T>(codec: Codec<T>): Port<T | null> {
  return { codec: codec as Codec<unknown>, arity: 'optional' };
}

/** An input that is a list: every task of the upstream stage that agrees on the shared axes, in matrix order. */
export function collect<T>(codec: Codec<T>): Port<readonly Collected<T>[]> {
  return { codec: codec as Codec<unknown>, arity: 'many' };
}

/**
 * Like `collect`, but the task runs with what there is: without the tasks that are infeasible and, under
 * `--keep-going`, without those that failed. What is missing is listed, with the reason, and enters the key.
 */
export function collectPartial<T>(codec: Codec<T>): Port<Gathered<T>> {
  return { codec: codec as Codec<unknown>, arity: 'partial' };
}

/** A file that a source stage needs from outside. The engine finds, fetches, verifies and keeps it. */
export interface SourceFile {
  /** Path below a mirror, such as `mnist/train-images-idx3-ubyte.gz`. */
  readonly name: string;
  /** Where it is published, tried in this order after the mirrors. */
  readonly urls: readonly string[];
  /** Neither the file nor, where the checksum is of it, its content has more bytes than this. */
  readonly bytes?: number | undefined;
  readonly sha256: string;
  /** What the checksum is of: the file, or its decompressed content (a mirror may have gzipped it anew). */
  readonly of: 'file' | 'content';
  /** The file is published inside a zip archive: `urls` are those of the archive, which is not unpacked further. */
  readonly member?:
    | {
        /** The archive's path below a mirror, such as `emnist/gzip.zip`. */
        readonly archive: string;
        /** Path inside the archive. */
        readonly path: string;
        /** The archive has no more bytes than this. */
        readonly archiveBytes?: number | undefined;
      }
    | undefined;
  /** What one can do when the file is out of reach, such as which data set needs no download. */
  readonly instead?: string | undefined;
}

/** Something wrong with params that a schema cannot say, at a path below `params`. */
export interface ParamProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string | undefined;
  /** The params are infeasible. Where the stage says `infeasible: skip`, its task is left out instead. */
  readonly infeasible?: boolean | undefined;
}

/** Gives a package from the project's `node_modules`, by its name. @throws when it is not there, or breaks */
export type Load = (name: string) => unknown;

/** Code that a task runs and that is not in its stage's bundle, such as a native library. */
export interface Tools {
  /** Exact version of each, by name: they enter the key. */
  readonly versions: Named<string>;
  /** How far apart, relatively, the numbers of two runs may lie: their traces are marked as inexact. */
  readonly tolerance: number;
  /** Something that the user should know, such as why it is not the best choice. */
  readonly note?: string | undefined;
}

/** A stage among those that a task is made from: which of its tasks, and which outputs they read. */
export interface GraphStage {
  /** Ids, in matrix order. */
  readonly tasks: readonly string[];
  /** As pipeline.yaml names them, `mask.fanIn`, by code unit. */
  readonly reads: readonly string[];
}

/** Finds the tools that would be used here and now; `run` must come to the same ones. */
export type FindTools = (load: Load) => Tools | Promise<Tools>;

/** Keeps an unfinished task, so that a killed run loses seconds and a resumed one ends in the same bits. */
export interface Checkpoint {
  /** The state that was saved last for this very action, if any. */
  load(): TensorFile | undefined;
  save(state: TensorFile): void;
  /** Whether the engine wants one now. Cheap: ask at every step. */
  due(): boolean;
}

/** What `run` is given. */
export interface StageContext<P, I> {
  readonly params: P;
  readonly inputs: I;
  /** Content of each source file, by name. */
  readonly files: Named<Uint8Array>;
  /** Tells how far the task is, in units of its own. */
  progress(done: number, of: number, note?: string): void;
  /** A line for the task's log. */
  log(line: string): void;
  readonly checkpoint: Checkpoint;
  /** For stages that declare `tools`: whatever it gives must be told by them. */
  readonly load: Load;
}

// biome-ignore lint/suspicious/noExplicitAny: a declared input of any type
type InputDeclaration = Codec<any> | Port<any>;
type InputValue<D> = D extends Port<infer T> ? T : D extends Codec<infer T> ? T : never;
type OutputValue<D> = D extends Codec<infer T> ? T : never;

/** What a stage module exports as its default. */
export interface StageDeclaration<
  P extends z.ZodMiniObject = z.ZodMiniObject,
  // biome-ignore lint/suspicious/noExplicitAny: a declaration of any type is a declaration
  I extends Named<Codec<any> | Port<any>> = Named<Codec<any> | Port<any>>,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  O extends Named<Codec<any>> = Named<Codec<any>>,
> {
  /** The params that this stage reads: it is keyed by these and no others. */
  readonly params: P;
  readonly inputs: I;
  readonly outputs: O;
  /** What is wrong with params beyond their schema. Called when the pipeline is planned. */
  readonly check?: (params: z.infer<P>) => readonly ParamProblem[];
  /**
   * The size of the task in units of the stage's choice, from which its time is predicted. `upstream` gives the nearest
   * param of a name among the tasks that it is made from, as it was declared.
   */
  readonly work?: (params: z.infer<P>, upstream: (name: string) => Json | undefined) => number;
  /** What a source stage needs from outside. */
  readonly files?: (params: z.infer<P>) => readonly SourceFile[];
  /**
   * For params that need code from outside the bundle, how it is found. The engine asks before keying, in a worker,
   * and again before `run`: a task never runs with other tools than it is keyed by. Such a task has a worker of its own.
   */
  readonly tools?: (params: z.infer<P>) => FindTools | undefined;
  /**
   * The param that the engine fills with the graph of what the task is made from, itself included: a `GraphStage` by
   * the name of each stage. Like every param it is in the key; pipeline.yaml may not give it.
   */
  readonly graph?: keyof z.infer<P> & string;
  /** Runs in a worker of its own: for modules that keep state between calls. */
  readonly isolate?: boolean;
  /** A pure function: same context, same outputs. */
  readonly run: (
    context: StageContext<z.infer<P>, { readonly [N in keyof I]: InputValue<I[N]> }>,
  ) => StageOutputs<O> | Promise<StageOutputs<O>>;
}

type StageOutputs<O> = { readonly [N in keyof O]: OutputValue<O[N]> };

/** Declares a stage. It only gives types to what it is given. */
export function defineStage<
  P extends z.ZodMiniObject,
  // biome-ignore lint/suspicious/noExplicitAny: types are inferred from the declaration
  I extends Named<Codec<any> | Port<any>>,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  O extends Named<Codec<any>>,
>(declaration: StageDeclaration<P, I, O>): StageDeclaration<P, I, O> {
  return declaration;
}

/** An input as a port: a bare codec is a port that takes exactly one blob. */
export function asPort(declared: InputDeclaration): Port<unknown> {
  return 'arity' in declared ? declared : { codec: declared, arity: 'one' };
}

/** Thrown by a stage that cannot go on for a reason that its user can correct; no stack is shown. */
export class StageError extends Error {
  override readonly name: string = 'StageError';
}

/**
 * Thrown by a stage when its params are infeasible, with what would be possible: `CV 2.5 is infeasible for
 * lognormal at sparsity 0.9: at most CV 2.00`. Where pipeline.yaml says `infeasible: skip`, it is no failure.
 */
export class InfeasibleError extends StageError {
  override readonly name = 'InfeasibleError';
}

/** What an error that came out of a stage is, told by its name: the bundle has its own copy of the classes. */
export function errorKind(error: unknown): 'infeasible' | 'known' | 'bug' {
  const name = error instanceof Error ? error.name : '';
  if (name === 'InfeasibleError') return 'infeasible';
  return name === 'StageError' ? 'known' : 'bug';
}
