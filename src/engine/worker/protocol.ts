// protocol.ts — what the engine and a worker say to each other

import type { DescribedFailure } from '../model/failure.ts';
import type { Coordinates, Digest, Json, Named, TaskId } from '../model/key.ts';
import type { Absent, Arity, Tools } from '../stage.ts';
import type { Declaration, ParamsAnswer, WorkAnswer, WorkQuestion } from './declaration.ts';

/** A blob that a task reads: small ones are sent along, the worker takes the others from the store. */
export interface GivenBlob {
  readonly digest: Digest;
  readonly bytes?: Uint8Array;
}

/** A stage's code. Its bytes come with the first request that a process gets for it. */
export interface GivenBundle {
  readonly digest: Digest;
  /** Where it is said to lie: stacks name it, and its source map lies beside it. */
  readonly file: string;
  readonly bytes?: Uint8Array | undefined;
}

/** The blobs of one input port, as many as its arity says. */
export interface InputBlobs {
  readonly arity: Arity;
  readonly items: readonly (GivenBlob & { readonly task: TaskId; readonly at: Coordinates })[];
  /** For a partial input: the tasks that produced no output. */
  readonly missing?: readonly Absent[];
}

/** Asks which tools a stage would use, for each of several params. */
export interface ToolsQuestion {
  readonly ask: 'tools';
  readonly bundle: GivenBundle;
  /** Folder of the project, whose packages are loaded. */
  readonly root: string;
  readonly params: readonly Named<Json>[];
}

/** Asks what every module can be asked. */
export type ModuleQuestion = (
  | { readonly ask: 'declaration' }
  | { readonly ask: 'params'; readonly given: readonly Named<Json>[] }
  | { readonly ask: 'work'; readonly questions: readonly WorkQuestion[] }
) & {
  readonly bundle: GivenBundle;
  /** Whether the process loads other modules, too. Then the answer may be that this module must not share it. */
  readonly isShared?: boolean;
};

/** What a stage module is asked when a pipeline is planned. */
export type StageQuestion = ModuleQuestion | ToolsQuestion;

/** One action to run. */
export interface ActionRequest {
  readonly ask: 'run';
  /** Whether another process ends the worker when the engine ends: then it needs no thread that listens for that. */
  readonly isSupervised?: boolean;
  readonly bundle: GivenBundle;
  /** Folder of the project, whose packages are loaded. */
  readonly root: string;
  /** Folder of the store that holds the blobs which are not sent along. */
  readonly cache: string;
  readonly params: Named<Json>;
  /** Versions of the tools that the action is keyed by; null when it needs none. */
  readonly tools: Named<string> | null;
  readonly inputs: Named<InputBlobs>;
  readonly files: Named<GivenBlob>;
  readonly checkpoint: Uint8Array | null;
}

/** What a worker is asked. */
export type WorkerRequest = ActionRequest | StageQuestion;

/** What a module looked at beside its bundle since it was loaded. */
export interface OutsideReads {
  /** Variables of the environment. */
  readonly environment: readonly string[];
  /** Anything else, in words, such as `files` or `a clock`. */
  readonly other: readonly string[];
}

/** An answer to one item of a question. */
export type StageAnswer = ParamsAnswer | WorkAnswer | Tools | null;

/** Announces bytes that follow it as they are: an output or a checkpoint that is too large for a message. */
export interface PayloadMessage {
  readonly say: 'payload';
  readonly of: 'output' | 'checkpoint';
  /** Of the output. */
  readonly name: string;
  readonly bytes: number;
  readonly crc: number;
}

/** Outputs and checkpoints of more bytes come as payloads. */
export const INLINE_BYTES_MAX = 65_536;

/** What a worker says fits into so many bytes: texts are cut, and what is large comes as a payload. */
export const MESSAGE_BYTES_MAX = 64 * 2 ** 20;

/**
 * What a worker says back. All but begun, progress, log, checkpoint, payload and answers are its last word on what it was asked.
 */
export type WorkerMessage =
  /** What the module declares; null when it exports no stage. */
  | {
      readonly say: 'declared';
      readonly declaration: Declaration | null;
      readonly reads: OutsideReads;
    }
  /** Some answers to a question of many items, in their order. */
  | { readonly say: 'answers'; readonly answers: readonly StageAnswer[] }
  /** There are no more answers. */
  | { readonly say: 'answered'; readonly reads: OutsideReads }
  /** In a shared process: only in a process of its own can the module be asked. */
  | {
      readonly say: 'unshareable';
      readonly why: string;
      /** Whether the module changed the process, so that nothing else may be asked there. */
      readonly isSpoilt: boolean;
    }
  /** The module's top-level `await` never settles: nothing is left to do. The process ends. */
  | { readonly say: 'unsettled' }
  /** It has taken up the action: what kills it from now on is this action's doing. */
  | { readonly say: 'begun' }
  | { readonly say: 'progress'; readonly done: number; readonly of: number; readonly note: string }
  | { readonly say: 'log'; readonly line: string }
  | { readonly say: 'checkpoint'; readonly bytes: Uint8Array }
  | PayloadMessage
  /** Outputs beside those that came as payloads. */
  | { readonly say: 'done'; readonly outputs: Named<Uint8Array> }
  | { readonly say: 'stopped' }
  /** Blobs that the store lacks, or holds damaged: nothing ran. */
  | { readonly say: 'lost'; readonly digests: readonly Digest[] }
  | {
      readonly say: 'failed';
      /** `stage` where it is absent. */
      readonly cause?: DescribedFailure['cause'];
      readonly message: string;
      readonly stack?: string | undefined;
      /** What the params ask for cannot be done. */
      readonly infeasible?: boolean;
    }
  /** Nobody caught an error: the process ends. */
  | { readonly say: 'died'; readonly message: string; readonly stack?: string | undefined };

/** What the engine may raise in a worker while its stage computes: positions in shared memory of that process. */
export const CONTROL_FLAGS = { checkpointDue: 0, stop: 1, count: 2 } as const;

/** File descriptors, in a worker, of its pipes to the engine. */
export const PIPES = { requests: 3, answers: 4, control: 5 } as const;

/**
 * The argument of a worker that is started to answer questions of a plan: about one module, or about several that share it.
 * It makes itself ready while they are still bundled.
 */
export const PLANNING = { alone: 'plans-one-module', shared: 'plans-modules' } as const;
export type Planning = (typeof PLANNING)[keyof typeof PLANNING];

export const isPlanning = (argument: string | undefined): argument is Planning =>
  argument === PLANNING.alone || argument === PLANNING.shared;
