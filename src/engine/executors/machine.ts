// machine.ts — what executors on this machine draw on, and how they are made known
import type { EnvironmentPlace } from '../environments/environment.ts';
import type { Digest } from '../model/key.ts';
import type { Identity } from '../model/process-identity.ts';
import type { BlobStore } from '../store/store.ts';
import type { WorkerCommand } from '../worker/launch.ts';
import type { GivenBundle } from '../worker/protocol.ts';
import type { ActionSpec, Executor, ProjectFileSpec } from './executor.ts';

/** What executors on this machine draw on: everything that an `ActionSpec` does not name. */
export interface LocalMachine {
  /** Folder of the project. */
  readonly root: string;
  /** Folder of the store, for workers that read large blobs themselves. */
  readonly cache: string;
  /** Folder in which commands get theirs. */
  readonly scratch: string;
  /** Where programs are looked for. */
  readonly path: string;
  /** The variables around us, of which commands are passed those that they declare. */
  readonly environment: NodeJS.ProcessEnv;
  /** Folder in which homes lie that tasks share. Absent where nothing outlives a task. */
  readonly homes?: string;
  /** The environment of Python that the commands of a stage run in. Absent where none is known. */
  readonly environmentOf?: (stage: string) => EnvironmentPlace | undefined;
  readonly identity: Identity;
  readonly blobs: Pick<
    BlobStore,
    | 'get'
    | 'copyTo'
    | 'lendTo'
    | 'takeBack'
    | 'takeFile'
    | 'putStream'
    | 'putAll'
    | 'verify'
    | 'forget'
  >;
  /** Starts a worker process. */
  readonly worker: WorkerCommand;
  /** The bundle of a module, as it was verified. */
  bundle(code: Digest): Required<GivenBundle>;
  /** Where a file of the project lies. */
  projectFile(file: ProjectFileSpec): string;
  /** Puts the program of a command behind walls, which let it write into the folder of its attempt alone. */
  readonly enclose?: (
    argv: readonly string[],
    attempt: { readonly cwd: string; readonly folder: string },
  ) => readonly string[];
}

/** What commands need of it. */
export type CommandMachine = Pick<
  LocalMachine,
  | 'root'
  | 'scratch'
  | 'path'
  | 'environment'
  | 'homes'
  | 'environmentOf'
  | 'identity'
  | 'blobs'
  | 'projectFile'
  | 'enclose'
>;

/** A kind of executor. */
export interface ExecutorProvider {
  readonly name: string;
  /** Whether it runs an action. */
  accepts(action: ActionSpec): boolean;
  open(machine: LocalMachine): Executor;
}
