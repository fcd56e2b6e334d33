// record.ts — the forms of what the pipeline remembers: action records, leases, runs, logs
import type { Outcome, TaskError } from './event.ts';
import {
  type Digest,
  digestOf,
  type Json,
  type Key,
  type KeyParts,
  type Named,
  type TaskId,
} from './key.ts';
import type { LeaseHolder, ProcessIdentity } from './process-identity.ts';

/** An output as a trace remembers it. */
export interface Output {
  readonly digest: Digest;
  readonly bytes: number;
  /** The codec that wrote it: json, tensors, text or bytes. */
  readonly kind: string;
}

/** Content and its digest, which was taken once. Without `content` the blob lies in the store already. */
export interface KeptOutput {
  readonly digest: Digest;
  readonly bytes: number;
  readonly content?: Uint8Array;
}

/** Who made something, when and with what. Told by `why`, never part of a key. */
export interface Maker {
  readonly run: string;
  readonly host: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Versions of node, pipeline and esbuild. */
  readonly versions: Named<string>;
  /** Operating system, architecture and processor. Absent in what older versions made. */
  readonly machine?: Named<string>;
}

/** What an action took. */
export interface Cost {
  readonly seconds: number;
  readonly work: number | null;
  /** The most memory that its processes were seen to have together, in bytes. Absent where nobody looked. */
  readonly memory?: number;
}

/** What the store remembers of an action that ran. */
export interface ActionRecord {
  readonly key: Key;
  /** The task for which it ran first. */
  readonly task: TaskId;
  readonly parts: KeyParts;
  readonly outputs: Named<Output>;
  readonly cost: Cost;
  readonly made: Maker;
  /** Inexact: another run of the same action may differ by so much, relatively. Absent: the same bits everywhere. */
  readonly tolerance?: number;
  /** What the action asks for cannot be done, and why: then it has no outputs. Absent otherwise. */
  readonly infeasible?: string;
  /** From whom it came, if it was not made with this store. */
  readonly origin?: Origin;
}

/** Who vouches for a record that came from a remote. Its blobs are fetched when they are wanted. */
export interface Origin {
  /** By what name the project trusted its signer when it came. */
  readonly by: string;
  /** The public key of the signer. */
  readonly signer: string;
  /** The signature of an SSH key that vouches for the signer. */
  readonly delegation?: string;
  /** Some of its blobs could not be had when they were wanted: the record counts only while all are in the store. */
  readonly lost?: true;
}

/** As much of a record as decides what becomes of tasks, and tells one making of it from another. */
export interface RecordResult extends Pick<ActionRecord, 'key' | 'outputs' | 'infeasible'> {
  readonly made: Pick<Maker, 'run' | 'at'>;
}

/** Who is running an action now. A lease that was not renewed for `LEASE_MS` has expired: another may take it. */
export interface Lease {
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly renewed: number;
  /** The process that has it, and for which of its tasks. */
  readonly holder?: LeaseHolder;
}

/** After so long without renewal a lease has expired, where its process cannot be seen: pids lie across containers. */
export const LEASE_MS = 5000;
/** One that can be seen to live may be slow, on a machine with too much to do. One that is gone has no lease. */
export const LEASE_ALIVE_MS = 120_000;

/**
 * How far a run is. `interrupted`: its user stopped it. `aborted`: an error ended it that was no task's own, such as a full
 * disk. `killed`: its process is gone and left no record. `unknown`: its process cannot be seen from here.
 */
export type RunStatus = 'running' | 'finished' | 'interrupted' | 'aborted' | 'killed' | 'unknown';

/** One invocation, as the history keeps it. */
export interface RunRecord {
  readonly id: string;
  /** When it ended, or was seen last. */
  readonly at: string;
  /** When it began. Absent in what older versions wrote. */
  readonly started?: string;
  /** Absent in what older versions wrote, which was written only at an orderly end. */
  readonly state?: RunStatus;
  /** The process that it ran in. Absent in what older versions wrote. */
  readonly process?: ProcessIdentity;
  /** What ended an aborted run. */
  readonly error?: string;
  readonly host: string;
  readonly command: string;
  readonly seconds: number;
  readonly tally: Named<number>;
  /** Key of every task that was made or reused. */
  readonly tasks: Named<Key>;
  /** Key of every task that was begun and not ended: its checkpoint is kept for as long as the run is. */
  readonly begun?: Named<Key>;
  /** `running` only while the run is. */
  readonly outcomes?: Named<Outcome | 'running'>;
  readonly targets?: readonly string[];
  readonly presets?: readonly string[];
  /** Files of `--params`, as they were named. Absent where there were none. */
  readonly paramsFiles?: readonly string[];
  readonly sets?: readonly string[];
  /** All params of the pipeline, after presets, files and `--set`. */
  readonly params?: Named<Json>;
  readonly versions?: Named<string>;
  /** What its user calls it. */
  readonly name?: string;
  /** What it was marked with afterwards; a tag is on one run at a time. */
  readonly tags?: readonly string[];
  /** The axes of each stage, in the order of the labels in its tasks' names. Absent in what older versions wrote. */
  readonly axes?: Named<readonly string[]>;
  /** Digest of pipeline.yaml and of each source file that stages were bundled from, by path from the folder of the pipeline. */
  readonly sources?: Named<Digest>;
  /** How many results came from a remote, by the name of their maker. Absent where none did. */
  readonly makers?: Named<number>;
}

/** What is known of a run when it begins. */
export type RunStart = Required<
  Pick<RunRecord, 'id' | 'host' | 'command' | 'targets' | 'presets' | 'sets' | 'params'>
> &
  Required<Pick<RunRecord, 'versions' | 'started' | 'process'>> &
  Pick<RunRecord, 'axes' | 'sources' | 'name' | 'paramsFiles'>;

/** What a task said in a run, and how it ended there. */
export interface TaskLog {
  readonly task: TaskId;
  readonly run: string;
  readonly at: string;
  readonly outcome: Outcome | 'running';
  readonly lines: readonly string[];
  /** Lines that were left out from the middle, because there were too many. */
  readonly dropped?: number;
  readonly error?: TaskError;
  readonly params?: Named<Json>;
  /** Of the action that failed. Absent for other outcomes, and in what older versions wrote. */
  readonly key?: Key;
}

/** The key of a task's log in the store. Tasks stand in it by digest: keys have a greatest length. */
export const logKey = (run: string, task: TaskId): string => `${run}/${digestOf(task)}`;
