// stage.ts — the public API of stage modules. Bundled into every stage, so keep it small
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

/** The names of the codecs, as they appear in action records and in `pipeline show`. */
export type CodecKind = 'json' | 'tensors' | 'text' | 'bytes' | 'files' | 'folder';

/** Converts values to the bytes of a blob and back. Equal values must have equal bytes. */
export interface Codec<T> {
  readonly kind: CodecKind;
  encode(value: T): Uint8Array;
  /** @throws if the bytes do not encode a valid value */
  decode(bytes: Uint8Array): T;
}

/**
 * Canonical JSON. With a schema, decoded values are validated against it. Values that JavaScript cannot represent exactly are
 * rejected rather than rounded: integers beyond 2^53, duplicate keys, and unpaired surrogates.
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

/** Named typed arrays in the safetensors format, which Python reads without conversion. */
export function tensors(): Codec<TensorFile> {
  return { kind: 'tensors', encode: encodeSafetensors, decode: decodeSafetensors };
}

/** UTF-8 text, unchanged: byte order marks and line endings of any kind are kept. */
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

/** Canonical JSON escapes a surrogate only when it is unpaired. */
function checkSurrogates(canonical: string): void {
  const found = /(?<!\\)(?:\\\\)*\\ud[89a-f]/.exec(canonical);
  if (found === null) return;
  const near = canonical.slice(Math.max(0, found.index - 30), found.index + 30);
  throw new RangeError(`${HALF_CHARACTER}, at \`${near}\``);
}

/** Raw bytes, unchanged. */
export function bytes(): Codec<Uint8Array> {
  return { kind: 'bytes', encode: (value) => value, decode: (value) => value };
}

/** One blob of a collected input, with the task that produced it. */
export interface Collected<T> {
  readonly task: TaskId;
  /** The labels of that task, by axis. */
  readonly at: Coordinates;
  readonly digest: Digest;
  readonly value: T;
}

/** A task of a partially collected input that produced no output, with the reason. */
export interface Absent {
  readonly task: TaskId;
  /** The labels of that task, by axis. */
  readonly at: Coordinates;
  readonly reason: AbsentReason;
}

/** The available items of a partially collected input, and the missing ones; both in matrix order. */
export interface Gathered<T> {
  readonly items: readonly Collected<T>[];
  readonly missing: readonly Absent[];
}

/**
 * How many blobs an input takes: exactly one, at most one, a list over the axes that the stage itself does not have, or
 * the available part of such a list.
 */
export type Arity = 'one' | 'optional' | 'many' | 'partial';

/** An input of a stage. */
export interface Port<T> {
  readonly codec: Codec<unknown>;
  readonly arity: Arity;
  /** Never set. It only carries the type of the value that `run` receives. */
  readonly type?: T;
}

/** An input that may be left unconnected. Its value is then null. */
export function optional<T>(codec: Codec<T>): Port<T | null> {
  return { codec: codec as Codec<unknown>, arity: 'optional' };
}

/** A list input: one item for each upstream task with the same values on the shared axes, in matrix order. */
export function collect<T>(codec: Codec<T>): Port<readonly Collected<T>[]> {
  return { codec: codec as Codec<unknown>, arity: 'many' };
}

/**
 * Like `collect`, but the task also runs when some items are missing: those of infeasible tasks and, with `--keep-going`,
 * those of failed tasks. Missing items are listed with the reason, and are part of the key.
 */
export function collectPartial<T>(codec: Codec<T>): Port<Gathered<T>> {
  return { codec: codec as Codec<unknown>, arity: 'partial' };
}

/** An external file that a source stage needs. The engine finds, downloads, verifies and stores it. */
export interface SourceFile {
  /** Path below a mirror, such as `mnist/train-images-idx3-ubyte.gz`. */
  readonly name: string;
  /** Where the file is published. URLs are tried in this order, after the mirrors. */
  readonly urls: readonly string[];
  /** Upper bound on the size of the file and, with `of: 'content'`, of its decompressed content. */
  readonly bytes?: number | undefined;
  readonly sha256: string;
  /** What the checksum covers: the file, or its decompressed content (a mirror may have recompressed the file). */
  readonly of: 'file' | 'content';
  /** Set if the file is published inside a zip archive: `urls` are then the URLs of the archive. */
  readonly member?:
    | {
        /** Path of the archive below a mirror, such as `emnist/gzip.zip`. */
        readonly archive: string;
        /** Path inside the archive. */
        readonly path: string;
        /** Upper bound on the size of the archive, in bytes. */
        readonly archiveBytes?: number | undefined;
      }
    | undefined;
  /** What to do if the file cannot be downloaded, such as a data set to use instead. */
  readonly instead?: string | undefined;
}

/** A problem with params that a schema cannot express, at a path below `params`. */
export interface ParamProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string | undefined;
  /** The params are infeasible. With `infeasible: skip` in pipeline.yaml, the task is skipped instead of being an error. */
  readonly infeasible?: boolean | undefined;
}

/** Loads a package from the project's `node_modules` by name. @throws if it is not installed or fails to load */
export type Load = (name: string) => unknown;

/** Code that a task runs from outside its stage's bundle, such as a native library. */
export interface Tools {
  /** The exact version of each tool, by name. Versions are part of the key. */
  readonly versions: Named<string>;
  /** The greatest relative difference expected between two runs. Results are marked as inexact. */
  readonly tolerance: number;
  /** A note for the user, such as why this tool is not the fastest choice. */
  readonly note?: string | undefined;
}

/** A stage in the upstream graph of a task: its tasks in that graph, and the outputs that they read. */
export interface GraphStage {
  /** Task ids, in matrix order. */
  readonly tasks: readonly string[];
  /** Outputs as written in pipeline.yaml, such as `mask.fanIn`, sorted by code unit. */
  readonly reads: readonly string[];
}

/** Finds the tools that a task would use now. `run` must use the same ones. */
export type FindTools = (load: Load) => Tools | Promise<Tools>;

/** Saves the state of an unfinished task. A resumed task must produce the same bits as an uninterrupted one. */
export interface Checkpoint {
  /** The state last saved for this action, if any. */
  load(): TensorFile | undefined;
  save(state: TensorFile): void;
  /** Whether a checkpoint should be saved now. Cheap enough to call at every step. */
  due(): boolean;
}

/** The argument of `run`. */
export interface StageContext<P, I> {
  readonly params: P;
  readonly inputs: I;
  /** The content of each source file, by name. */
  readonly files: Named<Uint8Array>;
  /** Reports progress: `done` of `of` steps, in any unit. */
  progress(done: number, of: number, note?: string): void;
  /** Adds a line to the task's log. */
  log(line: string): void;
  readonly checkpoint: Checkpoint;
  /** For stages that declare `tools`: loads a package. Every package loaded here must be listed in `versions`. */
  readonly load: Load;
}

// biome-ignore lint/suspicious/noExplicitAny: a declared input of any type
type InputDeclaration = Codec<any> | Port<any>;
type InputValue<D> = D extends Port<infer T> ? T : D extends Codec<infer T> ? T : never;
type OutputValue<D> = D extends Codec<infer T> ? T : never;

/** The default export of a stage module. */
export interface StageDeclaration<
  P extends z.ZodMiniObject = z.ZodMiniObject,
  // biome-ignore lint/suspicious/noExplicitAny: a declaration of any type is a declaration
  I extends Named<Codec<any> | Port<any>> = Named<Codec<any> | Port<any>>,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  O extends Named<Codec<any>> = Named<Codec<any>>,
> {
  /** The schema of the params that the stage reads. Only these are part of its keys. */
  readonly params: P;
  readonly inputs: I;
  readonly outputs: O;
  /** Returns problems with params that the schema cannot express. Called when the pipeline is planned. */
  readonly check?: (params: z.infer<P>) => readonly ParamProblem[];
  /**
   * Returns the size of the task, from which its duration is predicted. Any unit will do. `upstream(name)` returns the
   * nearest param of that name among the upstream tasks, as it was declared.
   */
  readonly work?: (params: z.infer<P>, upstream: (name: string) => Json | undefined) => number;
  /** Returns the external files that a source stage needs. */
  readonly files?: (params: z.infer<P>) => readonly SourceFile[];
  /**
   * Returns a function that finds the tools, or undefined if these params need none. The engine calls it in a worker before
   * it computes the key, and again before `run`: a task never runs with tools other than those in its key. Tasks with tools
   * run in their own worker.
   */
  readonly tools?: (params: z.infer<P>) => FindTools | undefined;
  /**
   * The name of a param that the engine sets to the upstream graph of the task, the task included: a `GraphStage` for each
   * stage name. Like every param it is part of the key. pipeline.yaml must not set it.
   */
  readonly graph?: keyof z.infer<P> & string;
  /** Run each task in its own worker: for modules that keep state between calls. */
  readonly isolate?: boolean;
  /** Computes the outputs. Must be a pure function: same context, same outputs. */
  readonly run: (
    context: StageContext<z.infer<P>, { readonly [N in keyof I]: InputValue<I[N]> }>,
  ) => StageOutputs<O> | Promise<StageOutputs<O>>;
}

type StageOutputs<O> = { readonly [N in keyof O]: OutputValue<O[N]> };

/** Declares a stage. Returns its argument; only the types are inferred. */
export function defineStage<
  P extends z.ZodMiniObject,
  // biome-ignore lint/suspicious/noExplicitAny: types are inferred from the declaration
  I extends Named<Codec<any> | Port<any>>,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  O extends Named<Codec<any>>,
>(declaration: StageDeclaration<P, I, O>): StageDeclaration<P, I, O> {
  return declaration;
}

/** Converts a declared input to a port: a plain codec takes exactly one blob. */
export function asPort(declared: InputDeclaration): Port<unknown> {
  return 'arity' in declared ? declared : { codec: declared, arity: 'one' };
}

/** Thrown by a stage for an error that the user can correct. No stack trace is shown. */
export class StageError extends Error {
  override readonly name: string = 'StageError';
}

/**
 * Thrown by a stage when its params are infeasible. The message should say what is possible: `CV 2.5 is infeasible for
 * lognormal at sparsity 0.9: at most CV 2.00`. With `infeasible: skip` in pipeline.yaml, the task is skipped.
 */
export class InfeasibleError extends StageError {
  override readonly name = 'InfeasibleError';
}

/** Classifies an error thrown by a stage. It goes by the name, because each bundle has its own copy of the classes. */
export function errorKind(error: unknown): 'infeasible' | 'known' | 'bug' {
  const name = error instanceof Error ? error.name : '';
  if (name === 'InfeasibleError') return 'infeasible';
  return name === 'StageError' ? 'known' : 'bug';
}
