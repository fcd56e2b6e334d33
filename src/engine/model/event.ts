// event.ts — everything that the engine says, and everything that can be wrong with a pipeline
import type { FailureCause } from './failure.ts';
import type { Digest, Json, Key, Named, TaskId } from './key.ts';

/** A place in a text that a person wrote: pipeline.yaml, or a `--set` on the command line. */
export interface Place {
  /** What the text is called, such as `pipeline.yaml` or `--set`. */
  readonly file: string;
  readonly text: string;
  /** Offsets in `text`, the end exclusive. */
  readonly start: number;
  readonly end: number;
}

/** Something wrong that the user can mend, at a place where one is known. */
export interface Diagnostic {
  readonly message: string;
  readonly place?: Place | undefined;
  /** What to do about it, such as `did you mean lognormal?`. */
  readonly hint?: string | undefined;
  /** The stage with which it is wrong, where the place alone does not tell. */
  readonly stage?: string;
}

/** A value, or the diagnostics that prevented it. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/** A value that is there. */
export const success = <T>(value: T): Result<T> => ({ ok: true, value });
/** Nothing but diagnostics. */
export const failure = (...diagnostics: readonly Diagnostic[]): Result<never> => ({
  ok: false,
  diagnostics,
});

/** In the order in which a person meets them: the command line first, then from the top of the file. */
export function inReadingOrder(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const rank = ({ place }: Diagnostic): number =>
    place === undefined || place.file.startsWith('--') ? -1 : place.start;
  return [...diagnostics].sort((a, b) => rank(a) - rank(b));
}

/** One difference between two key parts, told by path: `params.profile.cv`, `inputs.mask`, `code`. */
export interface Change {
  readonly path: string;
  readonly before: Json;
  readonly after: Json;
  /** For an input: the upstream tasks whose output changed. */
  readonly through?: readonly TaskId[];
}

/** Why a task runs. */
export type Reason =
  | { readonly kind: 'new' }
  | { readonly kind: 'changed'; readonly changes: readonly Change[] }
  | { readonly kind: 'forced' }
  | { readonly kind: 'lost'; readonly outputs: readonly string[] }
  | { readonly kind: 'resumed' };

/** What became of a task. */
export type Outcome = 'built' | 'reused' | 'failed' | 'skipped' | 'interrupted' | 'infeasible';

/** How many tasks had each outcome. */
export type Tally = { readonly [outcome in Outcome]: number };

/** An error that a task ended with. */
export interface TaskError {
  readonly message: string;
  /** The stage's own stack, mapped to its sources. */
  readonly stack?: string | undefined;
  /** Why it failed. Absent in what older versions wrote. */
  readonly cause?: FailureCause;
  /** The exit code of its process, where that ended by itself. */
  readonly exit?: number;
  /** The signal that ended its process. */
  readonly signal?: string;
  /** The timeout that it exceeded, in seconds. */
  readonly timeout?: number;
}

/** The form of what `--json` prints. Fields and kinds of events are added to it; what is there does not change. */
export const EVENTS_VERSION = 1;

/** A job of a cluster. */
export interface ClusterJob {
  /** As the batch system calls it; null where that is not known yet. */
  readonly job: string | null;
  readonly class: string;
  readonly state: 'asked' | 'pending' | 'running';
  /** Of a pending job: why, as the batch system says it. */
  readonly reason?: string;
  readonly node?: string;
  /** How many tasks it has. */
  readonly tasks: number;
}

/** One sentence that the engine says while it works. With `--json` each is one line (docs/events.md). */
export type Event =
  /** The plan is made and nothing has run. The first of all. */
  | {
      readonly event: 'planned';
      readonly version: typeof EVENTS_VERSION;
      readonly tasks: number;
      readonly targets: readonly string[];
    }
  /**
   * A task's action was found in the store. `sameAs`: it was made in this run, by another task. `by`: it came from a remote,
   * signed by somebody whom pipeline.yaml trusts under this name; `made`: where and when that was.
   */
  | {
      readonly event: 'reused';
      readonly task: TaskId;
      readonly key: Key;
      readonly sameAs?: TaskId;
      readonly by?: string;
      readonly made?: { readonly host: string; readonly at: string };
    }
  /** A task begins to run. */
  | {
      readonly event: 'started';
      readonly task: TaskId;
      readonly key: Key;
      readonly reason: Reason;
      /** Number of the slot in which it runs, from 0. */
      readonly slot: number;
      /** The executor and its class, where it does not run on this machine: `cluster/gpu`. */
      readonly on?: string;
      readonly node?: string;
    }
  /**
   * A task waits for an action that is running: its own, in another process, or that of an input whose bytes were lost.
   * `for`: the run.
   */
  | {
      readonly event: 'waiting';
      readonly task: TaskId;
      readonly for: string;
      /** The process, and which of its tasks it is. */
      readonly by?: { readonly task: TaskId; readonly host: string; readonly pid: number };
    }
  /** A task failed and is tried again after a pause. */
  | {
      readonly event: 'retrying';
      readonly task: TaskId;
      readonly error: TaskError;
      /** Which retry comes, from 1. */
      readonly attempt: number;
      /** How many there may be. */
      readonly of: number;
      /** In seconds. */
      readonly pause: number;
    }
  /** A task tells how far it is, in units of its own. */
  | {
      readonly event: 'progress';
      readonly task: TaskId;
      readonly done: number;
      readonly of: number;
      readonly note: string;
    }
  /** A program that runs reports numbers of a step: of a batch, an epoch. */
  | {
      readonly event: 'metrics';
      readonly task: TaskId;
      readonly step: number;
      readonly values: Named<number>;
    }
  /** A line that a stage said. */
  | { readonly event: 'log'; readonly task: TaskId; readonly line: string }
  /** A task's outputs are in the store, durably. */
  | {
      readonly event: 'built';
      readonly task: TaskId;
      readonly key: Key;
      readonly seconds: number;
      /** The most memory that its processes were seen to have together, in bytes. Absent where nobody looked. */
      readonly memory?: number;
      readonly outputs: Named<{ readonly digest: Digest; readonly bytes: number }>;
      /** True when every output equals the one before: nothing below needs to run for its sake. */
      readonly unchanged: boolean;
    }
  /** A task ended with an error. */
  | {
      readonly event: 'failed';
      readonly task: TaskId;
      readonly error: TaskError;
      readonly params: Named<Json>;
      /** Its stage says `allow-failure`: the run does not fail for it. */
      readonly allowed?: boolean;
    }
  /**
   * A task was not run. `because`: the task that failed, which it needs directly or by way of others. Absent when the run
   * ended before its turn came.
   */
  | { readonly event: 'skipped'; readonly task: TaskId; readonly because?: TaskId }
  /**
   * What a task asks for cannot be done, and its stage says `infeasible: skip`. `because`: it needs the output of that
   * task, which is infeasible. `known`: that was found before, and nothing ran.
   */
  | {
      readonly event: 'infeasible';
      readonly task: TaskId;
      readonly message: string;
      readonly known: boolean;
      readonly because?: TaskId;
    }
  /** A task was stopped because the user asked for it. `checkpoint`: the store has one, from which the next make goes on. */
  | { readonly event: 'interrupted'; readonly task: TaskId; readonly checkpoint: boolean }
  /** An output was written for people. `kept`: where a file that a person had edited was put aside. */
  | {
      readonly event: 'artifact';
      readonly task: TaskId;
      readonly path: string;
      readonly kept?: string;
    }
  /** The jobs of a cluster that are there now. */
  | {
      readonly event: 'jobs';
      readonly executor: string;
      readonly jobs: readonly ClusterJob[];
    }
  /** Something worth knowing that stops nothing. */
  | {
      readonly event: 'warning';
      readonly message: string;
      readonly task?: TaskId;
      /** What it is of, where it is of a text that a person wrote. */
      readonly file?: string;
      readonly line?: number;
      readonly column?: number;
      readonly hint?: string;
    }
  /** Something that only those want to know who asked for it with `--verbose`. */
  | { readonly event: 'note'; readonly message: string }
  /** The run is over. */
  | { readonly event: 'finished'; readonly tally: Tally; readonly seconds: number };

/** Whoever wants to hear what the engine says. */
export type Listener = (event: Event) => void;
