// plan.ts — every task of a pipeline, in order
import { entryOf } from '../../present.ts';
import type { OutputFile } from '../config/outputs.ts';
import type { StopPolicy } from '../config/program-options.ts';
import { escapeGlob } from '../files/glob.ts';
import type { Coordinates, Json, Named, TaskId } from '../model/key.ts';
import type { Arity, SourceFile, Tools } from '../stage.ts';
import type { StageModule } from '../worker/declaration.ts';
import type { SecondForm } from './command-module.ts';
import type { CommandEnvironment } from './environments.ts';
import type { Link } from './join.ts';
import type { ProjectFile } from './project-files.ts';

/** What an input port is connected to: as many links as its arity says. */
export interface Binding {
  readonly arity: Arity;
  readonly links: readonly Link[];
  /** Files of the project in place of links, by code unit of their names. `resolveExternalInputs` finds them. */
  readonly files?: readonly ProjectFile[];
}

/** What a task runs in place of a module. */
export interface Invocation {
  /** The program and its arguments as pipeline.yaml has them, with `{params.x}` and the like still in them. */
  readonly argv: readonly string[];
  /** Variables that pipeline.yaml names; null for one that is not set. They enter the key. */
  readonly env: Named<string | null>;
  /** Where programs are looked for. It does not enter the key: `fingerprint` does. */
  readonly path: string;
  /**
   * Where each input lies in the scratch folder: a file, or a folder (`runs/`), of a list or of one output that is a folder.
   * Null: under its own names.
   */
  readonly inputs: Named<string | null>;
  /** For inputs that are lists: the end of the names of their files, such as `.json`; `/` where they are folders. */
  readonly ends: Named<string>;
  readonly outputs: Named<OutputFile>;
  /** Inputs whose paths are listed in a file, for `{inputs.x.list}`. */
  readonly lists: readonly string[];
  /** How it is asked to stop, where it keeps checkpoints; null when it keeps none. */
  readonly checkpoint: StopPolicy | null;
  /** Variables that are passed on and whose values enter no key. */
  readonly pass: readonly string[];
  /** The environment of Python that it runs in; null where it names none. */
  readonly environment: CommandEnvironment | null;
  /** What of the second form enters its key. */
  readonly second: SecondForm;
  /** What each fingerprint command said, by its words joined by blanks. */
  readonly fingerprints: Named<string>;
  /** Those words, by the same names. */
  readonly fingerprintWords: Named<readonly string[]>;
  /** What the user should know, such as a script that is no input. */
  readonly notes: readonly string[];
}

/** A stage at one point of its matrix. */
export interface Task {
  readonly id: TaskId;
  readonly stage: string;
  readonly at: Coordinates;
  /** After defaults: exactly what the stage reads. */
  readonly params: Named<Json>;
  readonly inputs: Named<Binding>;
  readonly files: readonly SourceFile[] | null;
  /** Size in the stage's own units, or null. */
  readonly work: number | null;
  /** Where each artifact goes, by output: a path within artifacts/. */
  readonly artifacts: Named<string>;
  /** What it runs beside its stage's bundle; null when nothing. */
  readonly tools: Tools | null;
  /** For a command, filled in by `resolveExternalInputs`. */
  readonly command: Invocation | null;
  /** Whether a task that asks for what cannot be done is left out, and not a failure. */
  readonly skipsInfeasible: boolean;
  /** Why it cannot be done, as far as its params alone tell; null when they do not. */
  readonly infeasible: string | null;
  /**
   * Why its key cannot be told here: a program, a package or a file that the key depends on could not be looked at. Only
   * in plans that are looked at and not made.
   */
  readonly unknown?: string;
}

/** Every task of a pipeline, upstream ones first. */
export interface Plan {
  readonly tasks: ReadonlyMap<TaskId, Task>;
  readonly stages: ReadonlyMap<string, StageModule>;
}

/** What a task is made of that comes from pipeline.yaml and the stages' code, and from nowhere else. */
const FROM_FILES: ReadonlySet<string> = new Set([
  'id',
  'stage',
  'at',
  'params',
  'inputs',
  'files',
  'work',
  'artifacts',
  'skipsInfeasible',
  'infeasible',
] satisfies readonly (keyof Task)[]);

/**
 * Whether the same pipeline file and code always give the same plan. Whatever else a task may rest on (tools that were
 * found, files outside, the environment) makes it false, unless it is not there.
 */
export function restsOnFiles({ tasks }: Plan): boolean {
  let looked: Task['inputs'] | undefined;
  let stage: string | undefined;
  for (const task of tasks.values()) {
    if (task.tools !== null || task.command !== null || task.unknown !== undefined) return false;
    // Tasks of a stage have the same parts: what else there may be is looked for once.
    if (task.stage !== stage) {
      stage = task.stage;
      for (const part in task) {
        if (!FROM_FILES.has(part) && (task[part as keyof Task] ?? null) !== null) return false;
      }
    }
    // Tasks that follow each other share them.
    if (task.inputs === looked) continue;
    looked = task.inputs;
    for (const binding of Object.values(looked)) {
      for (const part in binding) if (part !== 'arity' && part !== 'links') return false;
    }
  }
  return true;
}

/** A plan, and which of its tasks need code from outside their bundle that `withTools` is to find. */
export interface PlanWithoutTools extends Plan {
  readonly needTools: ReadonlySet<TaskId>;
}

/** A path with the task's labels in place of `{axis}`. */
export const fillPath = (path: string, at: Coordinates): string =>
  path.replace(/\{([\w-]+)\}/g, (whole, axis: string) =>
    Object.hasOwn(at, axis) ? entryOf(at, axis) : whole,
  );

/** A pattern with the task's labels in place of `{axis}`. They are names: nothing in them is a wildcard. */
export const fillPattern = (pattern: string, at: Coordinates): string =>
  pattern.replace(/(?<!\\)\{([\w-]+)\}/g, (whole, axis: string) =>
    Object.hasOwn(at, axis) ? escapeGlob(entryOf(at, axis)) : whole,
  );
