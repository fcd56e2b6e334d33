// executor.ts — the seam between an action that may run and whatever runs it
import type { StopPolicy } from '../config/program-options.ts';
import type { ActionResult } from '../model/action-result.ts';
import type {
  AbsentReason,
  Coordinates,
  Digest,
  Key,
  KeyParts,
  Named,
  TaskId,
} from '../model/key.ts';
import type { NamedFile } from '../planning/project-files.ts';
import type { Arity } from '../stage.ts';
import type { CheckpointFolder } from '../store/checkpoint-folders.ts';

/** What to run. It names code, inputs and files by digest, and holds no path, host or time: it can run anywhere. */
export interface ActionSpec {
  readonly key: Key;
  /** What the key is the digest of: code, params, tools, the command, and the kinds of the outputs. */
  readonly parts: KeyParts;
  /** The task for which it runs, for logs and for people. */
  readonly task: TaskId;
  readonly stage: string;
  readonly inputs: Named<ActionInput>;
  /** Files that the stage declares, by name: their contents are in the store. */
  readonly files: Named<Digest>;
  /** Whether it needs a process of its own. */
  readonly isolate: boolean;
  readonly timeout_ms: number | null;
  /** A command that takes more memory is ended; undefined where nothing is said. */
  readonly memory_bytes?: number | undefined;
  /** Of a program that keeps checkpoints: how it is asked to stop. */
  readonly stop?: StopPolicy | undefined;
  /** How many bytes outputs may have at most, by name. Absent where nothing is said. It changes no result. */
  readonly limits?: Named<number>;
  /** Which units of resources it has, where some are handed out. */
  readonly units?: Named<readonly string[]>;
  /** What the user should know when it fails, line by line. */
  readonly notes: readonly string[];
  /** Commands whose words tell versions of tools, by the names that `parts.tools` has: a node of a cluster is asked again. */
  readonly fingerprints?: Named<readonly string[]>;
  /** It runs whatever came of it before: results and checkpoints of earlier runs do not count. */
  readonly isFresh?: boolean;
  /** Seconds to the end of all that waits for it, as far as that is known: the greatest goes first where not all can run. */
  readonly urgency?: number;
  /** How long it took when it, or another like it, ran last. */
  readonly estimate_s?: number;
}

/** Where an action runs that does not run on this machine. */
export interface RunningOn {
  /** The executor and its class: `cluster/gpu`. */
  readonly on: string;
  readonly node: string;
}

/** A blob by its name. */
export interface SizedBlob {
  readonly digest: Digest;
  readonly bytes: number;
}

/** The inputs at one port, in matrix order. */
export type ActionInput =
  | { readonly arity: Arity; readonly items: readonly ActionInputItem[] }
  /** Files of the project, by the names that the key has. */
  | { readonly projectFiles: readonly ProjectFileSpec[] };

/** A file of the project, by the name that the key has. */
export type ProjectFileSpec = NamedFile;

/** What an upstream task gave: a blob, or the reason why there is none. */
export type ActionInputItem = {
  readonly task: TaskId;
  readonly at: Coordinates;
} & (
  | {
      readonly blob: SizedBlob;
      /** The bytes of a small blob. */
      readonly content?: Uint8Array;
    }
  | { readonly missing: AbsentReason }
);

/** What an executor tells while an action runs. */
export interface Hooks {
  /** The action begins to run. Not called when inputs are lost, or when it never comes so far. */
  begun(where?: RunningOn): void;
  /** How far it is. */
  progress(done: number, of: number, note: string): void;
  log(line: string): void;
  warn(message: string): void;
  /** The newest checkpoint of the action. */
  loadCheckpoint(): Promise<Uint8Array | undefined>;
  /**
   * The folder in which a program keeps its checkpoint. It outlives the attempt, and goes when the action is made.
   * Undefined where nothing outlives the attempt.
   */
  checkpointFolder(): Promise<CheckpointFolder | undefined>;
  /** Drops the checkpoint, folder included. */
  dropCheckpoint(): Promise<void>;
  /** A step of training reports numbers. */
  metrics(step: number, values: Named<number>): void;
  /** Keeps a checkpoint, durably when it resolves. One that cannot be kept costs time and no result. */
  saveCheckpoint(bytes: Uint8Array): Promise<void>;
}

/** Where actions run. It knows nothing of order, retries or caches. */
export interface Executor {
  readonly name: string;
  /**
   * Runs an action once. Whatever the action does is told by the result; an error that is thrown is a failure of cause
   * `infrastructure`.
   * @param signal aborted when the action is to stop: at its next checkpoint, or when the grace of the `StopReason` is over
   */
  execute(action: ActionSpec, hooks: Hooks, signal: AbortSignal): Promise<ActionResult>;
  /** Asks every running action to save a checkpoint soon. */
  checkpointNow(): void;
  /** Ends whatever still runs. */
  close(): Promise<void>;
}
