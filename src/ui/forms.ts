// forms.ts — what `pipeline ui` serves to its page: plain JSON, bounded in size
import type { Cell, Column } from '../analysis/frame.ts';
import type { Outcome } from '../engine/model/event.ts';
import type { Json, Named } from '../engine/model/key.ts';
import type { RunStatus } from '../engine/model/record.ts';

/** How far a task is. `unmade`: nothing is known of it yet. `waiting`: another process makes it. */
export type TaskStatus = Outcome | 'running' | 'waiting' | 'unmade';

/** Statuses in the order in which they are shown: what needs attention first. */
export const STATUSES: readonly TaskStatus[] = [
  'failed',
  'running',
  'waiting',
  'built',
  'reused',
  'skipped',
  'interrupted',
  'infeasible',
  'unmade',
];

/** How many tasks of a stage are how far. */
export interface StageProgress {
  readonly stage: string;
  /** Number of its tasks; null where no plan could be read. */
  readonly of: number | null;
  readonly counts: { readonly [status in TaskStatus]?: number };
  /** Upstream stages that are not done: what its unmade tasks wait for. */
  readonly waitsFor: readonly string[];
}

export interface RunningTask {
  readonly task: string;
  /** Milliseconds since 1970. */
  readonly since: number | null;
  readonly slot: number | null;
  /** Where it runs, if not in the process of its run. */
  readonly node?: string;
  readonly done?: number;
  readonly of?: number;
  readonly note?: string;
  /** Why it runs, in a few words. */
  readonly why?: string;
  /** It failed and is tried again: which attempt of how many. */
  readonly retry?: string;
  /** Another process makes it: who. */
  readonly waitsFor?: string;
}

export interface FailedTask {
  readonly task: string;
  readonly message: string;
  readonly cause?: string;
  /** The last lines that it printed. */
  readonly lines: readonly string[];
}

/** A run as the overview shows it. */
export interface RunProgress {
  readonly id: string;
  readonly name?: string;
  readonly command: string;
  readonly host: string;
  readonly state: RunStatus;
  readonly error?: string;
  /** Milliseconds since 1970. */
  readonly started: number | null;
  readonly ended: number | null;
  readonly total: number | null;
  readonly tally: { readonly [status in TaskStatus]?: number };
  /** How often tasks have reported a step: curves have grown since it was less. */
  readonly measured: number;
  /** Tasks that ran to their end, a minute; null while nothing has. */
  readonly rate: number | null;
  /** Seconds to the end at this rate. */
  readonly left: number | null;
  readonly stages: readonly StageProgress[];
  readonly running: readonly RunningTask[];
  /** In the order in which they failed; the first ones. */
  readonly failures: readonly FailedTask[];
  readonly warnings: readonly string[];
}

/** The state of everything, as one message: whoever misses some needs only the last. */
export interface Overview {
  readonly title: string;
  readonly root: string;
  readonly store: { readonly state: 'ok' | 'none' | 'unreadable'; readonly problem?: string };
  readonly plan: { readonly state: 'loading' | 'ok' | 'failed'; readonly problem?: string };
  readonly edges: readonly (readonly [from: string, to: string])[];
  /** Those that go on; where there are none, the newest one. */
  readonly runs: readonly RunProgress[];
  /** Runs that another version of this program writes, in a form that this one cannot read. */
  readonly foreign: readonly string[];
  /** Changes with everything that other answers depend on. */
  readonly version: string;
  /** Whether the page is a copy that follows nothing. */
  readonly isCopy?: boolean;
}

export interface TaskLine {
  readonly task: string;
  readonly status: TaskStatus;
  readonly seconds?: number;
}

export interface TaskList {
  readonly tasks: readonly TaskLine[];
  /** How many fit beyond those. */
  readonly more: number;
  /** How many fit. */
  readonly total: number;
}

export interface OutputLine {
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
  readonly kind: string;
}

export interface InputLine {
  readonly port: string;
  readonly items: readonly {
    readonly from: string;
    readonly isTask: boolean;
    readonly digest: string | null;
  }[];
  readonly more: number;
}

export interface ChangeLine {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

export interface TaskDetail {
  readonly task: string;
  readonly stage: string;
  readonly at: Named<string>;
  readonly status: TaskStatus;
  readonly run: string | null;
  readonly key: string | null;
  readonly params: Named<Json> | null;
  readonly argv?: readonly string[];
  readonly inputs: readonly InputLine[];
  readonly outputs: readonly OutputLine[];
  /** Facts about its making, as label and text. */
  readonly facts: readonly (readonly [label: string, text: string])[];
  /** Why it ran, was reused, or was not made, in a sentence. */
  readonly why: string;
  readonly changes: readonly ChangeLine[];
  readonly error?: { readonly message: string; readonly stack?: string; readonly cause?: string };
  /** The command that makes it alone. */
  readonly command: string;
  readonly needs: readonly TaskLine[];
  readonly neededBy: readonly TaskLine[];
  readonly neighbours: readonly {
    readonly axis: string;
    readonly tasks: readonly (TaskLine & { readonly label: string })[];
  }[];
}

/** Lines of a log from a number on. Where lines were left out, `first` is greater than what was asked for. */
export interface LogPart {
  readonly first: number;
  readonly lines: readonly string[];
  /** How many lines there are so far, left out ones included. */
  readonly total: number;
  readonly dropped: number;
  /** Before which of these lines the ones are missing that were left out; null where none are. */
  readonly gapAt: number | null;
  readonly isOpen: boolean;
}

/** A column of numbers over steps. */
export interface Curve {
  readonly task: string;
  readonly name: string;
  readonly steps: readonly number[];
  /** null where there is none. */
  readonly values: readonly (number | null)[];
}

/** A number that JSON cannot hold stands in a list: `["NaN"]`. */
export type SentCell = Cell | readonly [string];

export interface TableAnswer {
  readonly stage: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly SentCell[])[];
  readonly notes: readonly string[];
  /** Names of series that can be drawn as curves. */
  readonly series: readonly string[];
}

export interface RunLine {
  readonly id: string;
  readonly name?: string;
  readonly tags: readonly string[];
  readonly pinned: boolean;
  readonly state: RunStatus;
  readonly at: string;
  readonly started?: string;
  readonly seconds: number;
  readonly host: string;
  readonly command: string;
  readonly tally: Named<number>;
  readonly error?: string;
  /** Against the run before it. */
  readonly changes: readonly string[];
}

export interface EffectLine {
  readonly task: string;
  readonly name: string;
  readonly before: number | null;
  readonly after: number | null;
}

export interface RunComparison {
  readonly before: string;
  readonly after: string;
  readonly causes: readonly { readonly kind: string; readonly lines: readonly ChangeLine[] }[];
  readonly effects: readonly EffectLine[];
  readonly moreEffects: number;
  readonly outputs: number;
  readonly only: { readonly before: readonly string[]; readonly after: readonly string[] };
  readonly forgotten: number;
}

export interface Span {
  readonly task: string;
  readonly from: number;
  readonly to: number;
  readonly lane: number;
  readonly status: TaskStatus;
}

export interface Timeline {
  readonly run: string;
  readonly lanes: readonly string[];
  readonly spans: readonly Span[];
  readonly more: number;
}

export interface TensorView {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly min?: number;
  readonly max?: number;
  readonly mean?: number;
  readonly zeros?: number;
  /** Counts of equal bins from min to max. */
  readonly histogram?: readonly number[];
}

export interface FoundLine {
  /** From 0. */
  readonly number: number;
  readonly text: string;
}

/** An output, as much of it as a page shows. */
export interface OutputView {
  readonly kind: string;
  readonly bytes: number;
  readonly text?: string;
  /** Of a long text: its end, after what is left out. */
  readonly long?: {
    readonly tail: string;
    /** Bytes that are left out. */
    readonly between: number;
    readonly lines: number;
  };
  /** Lines that hold the words that were looked for. */
  readonly found?: readonly FoundLine[];
  readonly moreFound?: number;
  readonly json?: Json;
  readonly tensors?: readonly TensorView[];
  /** Whether there is a picture of it. */
  readonly hasPicture?: boolean;
  readonly files?: readonly { readonly path: string; readonly bytes: number }[];
  readonly problem?: string;
}

export interface VerifyAnswer {
  readonly run: string;
  readonly whole: number;
  readonly lost: readonly string[];
  readonly seconds: number;
}

export interface PlotLine {
  readonly name: string;
  readonly title: string;
}

export interface ReportLine {
  readonly task: string;
  readonly output: string;
  /** Of the page within the output; empty where the output is the page. */
  readonly path: string;
}
