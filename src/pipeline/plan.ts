// plan.ts — a Pipeline and its stages' declarations → every task, in order, or everything that is wrong
import type { StageModule } from './code.ts';
import type { OutputFile } from './command.ts';
import type { Pipeline } from './config.ts';
import {
  type Diagnostic,
  failure,
  inReadingOrder,
  type Place,
  type Result,
  success,
} from './event.ts';
import { checkFit } from './fit.ts';
import { Joiner, type Link } from './join.ts';
import { type Coordinates, type Json, type Named, type TaskId, taskId } from './key.ts';
import { type Point, pointsOf } from './matrix.ts';
import type { ProjectFile } from './project-file.ts';
import type { StageConfig } from './section.ts';
import { type Arity, asPort, type SourceFile, type Tools } from './stage.ts';
import { stageGraphOf } from './stage-graph.ts';
import { ParamsParser } from './task-params.ts';
import { Upstream } from './upstream.ts';

/** What an input port is connected to: as many links as its arity says. */
export interface Binding {
  readonly arity: Arity;
  readonly links: readonly Link[];
  /** Files of the project in place of links, by code unit of their names. `withOutside` finds them. */
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
  /** Where each input lies in the scratch folder: a file, or a folder (`runs/`). Null: under its own names. */
  readonly inputs: Named<string | null>;
  /** For inputs that are lists: the end of the names of their files, such as `.json`. */
  readonly ends: Named<string>;
  readonly outputs: Named<OutputFile>;
  /** What each fingerprint command said, by its words. */
  readonly fingerprints: Named<string>;
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
  /** For a command, once `withOutside` has looked around. */
  readonly command: Invocation | null;
  /** Whether a task that asks for what cannot be done is left out, and not a failure. */
  readonly skipsInfeasible: boolean;
  /** Why it cannot be done, as far as its params alone tell; null when they do not. */
  readonly infeasible: string | null;
}

/** Every task of a pipeline, upstream ones first. */
export interface Plan {
  readonly tasks: ReadonlyMap<TaskId, Task>;
  readonly stages: ReadonlyMap<string, StageModule>;
}

/** What a task is made of that comes from pipeline.yaml and the stages' code, and from nowhere else. */
const FROM_FILES: readonly string[] = [
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
] satisfies readonly (keyof Task)[];

/**
 * Whether the same pipeline file and code always give the same plan. Whatever else a task may rest on (tools that were
 * found, files outside, the environment) makes it false, unless it is not there.
 */
export function restsOnFiles({ tasks }: Plan): boolean {
  for (const task of tasks.values()) {
    for (const [part, value] of Object.entries(task)) {
      if (value !== null && value !== undefined && !FROM_FILES.includes(part)) return false;
    }
    for (const binding of Object.values(task.inputs)) {
      for (const part in binding) if (part !== 'arity' && part !== 'links') return false;
    }
  }
  return true;
}

/** Expands every stage's matrix, joins inputs, checks params. Linear in tasks and links. */
export function makePlan(
  pipeline: Pipeline,
  modules: ReadonlyMap<string, StageModule>,
): Result<Plan> {
  const planner = new Planner(pipeline, modules);
  for (const stage of topological(pipeline.stages)) planner.addStage(stage);
  planner.checkArtifacts();
  const problems = [...planner.problems.values()];
  if (problems.length > 0) return failure(...inReadingOrder(problems));
  return success({ tasks: planner.tasks, stages: modules });
}

/** Stages, upstream ones first; among equals, in the order of pipeline.yaml. */
function topological(stages: ReadonlyMap<string, StageConfig>): readonly StageConfig[] {
  const order = new Set<StageConfig>();
  const visit = (stage: StageConfig): void => {
    if (order.has(stage)) return;
    for (const { from } of stage.inputs.values()) {
      for (const source of from) {
        const upstream = stages.get(source.stage);
        if (upstream) visit(upstream);
      }
    }
    order.add(stage);
  };
  for (const stage of stages.values()) visit(stage);
  return [...order];
}

class Planner {
  /** By message and place: many tasks share one mistake. */
  readonly problems = new Map<string, Diagnostic>();
  readonly tasks = new Map<TaskId, Task>();
  private readonly upstream = new Upstream(this.tasks);
  private readonly joiner: Joiner;
  private readonly params: ParamsParser;
  private readonly pipeline: Pipeline;
  private readonly modules: ReadonlyMap<string, StageModule>;

  constructor(pipeline: Pipeline, modules: ReadonlyMap<string, StageModule>) {
    this.pipeline = pipeline;
    this.modules = modules;
    this.joiner = new Joiner(pipeline.stages, this.say);
    this.params = new ParamsParser(this.say);
  }

  private readonly say = (message: string, place: Place, hint?: string): void => {
    this.problems.set(`${place.file}:${place.start}:${message}`, { message, place, hint });
  };

  addStage(stage: StageConfig): void {
    const module = this.modules.get(stage.name);
    if (module === undefined) return;
    checkFit(stage, this.modules, this.say);
    const tasks = pointsOf(stage).map((point) => this.makeTask(stage, module, point));
    this.joiner.close(stage, tasks);
    // A param that is an empty list turns a stage off.
    const turnedOff = [...stage.axes.values()].some(({ length }) => length === 0);
    if (tasks.length === 0 && !turnedOff) {
      this.say(`stage \`${stage.name}\` has no tasks: everything is excluded`, stage.place);
    }
    for (const task of tasks) this.tasks.set(task.id, task);
  }

  private makeTask(stage: StageConfig, module: StageModule, point: Point): Task {
    const labels = [...point.values()].map(({ label }) => label);
    const at = Object.fromEntries([...point].map(([axis, { label }]) => [axis, label]));
    const inputs: Record<string, Binding> = {};
    for (const [port, declared] of Object.entries(module.declaration.inputs)) {
      const config = stage.inputs.get(port);
      const { arity } = asPort(declared);
      const links =
        config && !config.files ? this.joiner.join(stage, point, port, config, arity) : [];
      inputs[port] = { arity, links };
    }
    const id = taskId(stage.name, labels);
    const filled = this.filledOf(module, { id, stage: stage.name, inputs });
    const parsed = this.params.parse(stage, module, point, filled);
    const artifacts = [...stage.artifacts].map(
      ([output, path]) => [output, fillPath(`${stage.name}/${path.value}`, at)] as const,
    );
    return {
      id,
      stage: stage.name,
      at,
      inputs,
      artifacts: Object.fromEntries(artifacts),
      // `withTools` finds them, when the plan holds.
      tools: null,
      command: null,
      skipsInfeasible: stage.infeasible === 'skip',
      // A task with wrong params still stands in the plan, so that nothing downstream seems to be missing.
      ...(parsed ?? { params: {}, files: null, infeasible: null }),
      work: parsed ? this.workOf(stage, module, parsed.params, inputs) : null,
    };
  }

  /** Params that the engine gives: what is upstream of a task stands in the plan before it. */
  private filledOf(
    { declaration: { graph } }: StageModule,
    task: Pick<Task, 'id' | 'stage' | 'inputs'>,
  ): Named<Json> {
    if (graph === undefined) return {};
    return { [graph]: stageGraphOf(task, this.tasks) as unknown as Json };
  }

  private workOf(
    stage: StageConfig,
    { declaration }: StageModule,
    params: Named<Json>,
    inputs: Named<Binding>,
  ): number | null {
    try {
      return declaration.work?.(params, this.upstream.of(inputs)) ?? null;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const hint = `${stage.run} throws in its check, work or files for these params: mend it there`;
      this.say(`stage \`${stage.name}\` cannot be planned: ${text}`, stage.place, hint);
      return null;
    }
  }

  /** Two tasks on one path would overwrite each other. */
  checkArtifacts(): void {
    const owner = new Map<string, Task>();
    for (const task of this.tasks.values()) {
      for (const [output, path] of Object.entries(task.artifacts)) {
        const other = owner.get(path);
        const place = this.pipeline.stages.get(task.stage)?.artifacts.get(output)?.place;
        const writers =
          other === task ? `two outputs of ${task.id}` : `${other?.id} and ${task.id}`;
        if (other && place) this.say(`${writers} would both write ${path}`, place);
        owner.set(path, task);
      }
    }
  }
}

/** A path with the task's labels in place of `{axis}`. */
export const fillPath = (path: string, at: Coordinates): string =>
  path.replace(/\{([\w-]+)\}/g, (whole, axis: string) => at[axis] ?? whole);
