// plan.ts — a Pipeline and its stages' declarations → every task, in order, or everything that is wrong

import type { OutputFile } from './command.ts';
import type { Pipeline } from './config.ts';
import type { GivenValues, ParamsAnswer, StageAnswers, StageModule } from './declaration.ts';
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
import type { Arity, SourceFile, Tools } from './stage.ts';
import { stageGraphOf } from './stage-graph.ts';
import { faultWords, type GivenParams, ParamsReader, type ParsedParams } from './task-params.ts';
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
  /** For a command, once `withOutside` has looked around. */
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

/** A plan, and which of its tasks need code from outside their bundle that `withTools` is to find. */
export interface PlanWithoutTools extends Plan {
  readonly needTools: ReadonlySet<TaskId>;
}

/**
 * Expands every stage's matrix, joins inputs, has the stages' modules check params. Linear in tasks and links; modules
 * are asked in batches.
 */
export async function makePlan(
  pipeline: Pipeline,
  modules: ReadonlyMap<string, StageModule>,
  answers: StageAnswers,
): Promise<Result<PlanWithoutTools>> {
  const planner = new Planner(pipeline, modules, answers);
  for (const stage of topological(pipeline.stages)) planner.addStage(stage);
  await planner.readParams();
  await planner.readWork();
  planner.checkArtifacts();
  const problems = [...planner.problems.values()];
  if (problems.length > 0) return failure(...inReadingOrder(problems));
  const { tasks, needTools } = planner;
  return success({ tasks, stages: modules, needTools });
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

/** A task that is not finished: its stage is still to be asked about its params. */
type Draft = { -readonly [Field in keyof Task]: Task[Field] };

/** The tasks of one stage. */
interface StageTasks {
  readonly stage: StageConfig;
  readonly module: StageModule;
  readonly drafts: readonly Draft[];
  /** Those about whose params the stage is to be asked. */
  readonly open: readonly OpenTask[];
}

/** A task about whose params its stage is to be asked. Most tasks never become one: what they take up stays small. */
interface OpenTask {
  readonly draft: Draft;
  readonly given: GivenValues;
  /** Gathers its params again, to say where they were written. */
  readonly gather: () => GivenParams | undefined;
}

/** What a task has until its stage has seen its params, and for good when it refuses them. */
const UNREAD: ParsedParams = { params: {}, files: null, infeasible: null };

class Planner {
  /** By message and place: many tasks share one mistake. */
  readonly problems = new Map<string, Diagnostic>();
  /** A task with wrong params still stands here, so that nothing downstream seems to be missing. */
  readonly tasks = new Map<TaskId, Task>();
  readonly needTools = new Set<TaskId>();
  private readonly stages: StageTasks[] = [];
  /** Tasks whose params their stage refuses. */
  private readonly refused = new Set<Task>();
  private readonly joiner: Joiner;
  private readonly params: ParamsReader;
  private readonly pipeline: Pipeline;
  private readonly modules: ReadonlyMap<string, StageModule>;
  private readonly answers: StageAnswers;

  constructor(
    pipeline: Pipeline,
    modules: ReadonlyMap<string, StageModule>,
    answers: StageAnswers,
  ) {
    this.answers = answers;
    this.pipeline = pipeline;
    this.modules = modules;
    this.joiner = new Joiner(pipeline.stages, this.say);
    this.params = new ParamsReader(this.say);
  }

  private readonly say = (message: string, place: Place, hint?: string): void => {
    this.problems.set(`${place.file}:${place.start}:${message}`, { message, place, hint });
  };

  addStage(stage: StageConfig): void {
    const module = this.modules.get(stage.name);
    if (module === undefined) return;
    checkFit(stage, this.modules, this.say);
    const open: OpenTask[] = [];
    const drafts = pointsOf(stage).map((point) => {
      const draft = this.makeTask(stage, module, point);
      const gather = (): GivenParams | undefined =>
        this.params.gather(stage, module, point, this.filledOf(module, draft));
      const given = gather();
      const known = given && this.known(stage, module, given);
      if (given && known) this.take(stage, { draft, given, gather }, known);
      else if (given)
        open.push({ draft, given: { values: given.values, text: given.text }, gather });
      else this.refused.add(draft);
      return draft;
    });
    this.joiner.close(stage, drafts);
    // A param that is an empty list turns a stage off.
    const turnedOff = [...stage.axes.values()].some(({ length }) => length === 0);
    if (drafts.length === 0 && !turnedOff) {
      this.say(`stage \`${stage.name}\` has no tasks: everything is excluded`, stage.place);
    }
    for (const draft of drafts) this.tasks.set(draft.id, draft);
    this.stages.push({ stage, module, drafts, open });
  }

  /** A command takes its params as they are; a module may have been asked before. */
  private known(
    { command }: StageConfig,
    module: StageModule,
    { values, text }: GivenParams,
  ): ParamsAnswer | undefined {
    return command ? taken(values) : this.answers.known(module, text);
  }

  private makeTask(stage: StageConfig, module: StageModule, point: Point): Draft {
    const labels = [...point.values()].map(({ label }) => label);
    const at = Object.fromEntries([...point].map(([axis, { label }]) => [axis, label]));
    const inputs: Record<string, Binding> = {};
    for (const [port, { arity }] of Object.entries(module.declaration.inputs)) {
      const config = stage.inputs.get(port);
      const links =
        config && !config.files ? this.joiner.join(stage, point, port, config, arity) : [];
      inputs[port] = { arity, links };
    }
    const artifacts = [...stage.artifacts].map(
      ([output, path]) => [output, fillPath(`${stage.name}/${path.value}`, at)] as const,
    );
    return {
      id: taskId(stage.name, labels),
      stage: stage.name,
      at,
      inputs,
      artifacts: Object.fromEntries(artifacts),
      // `withTools` finds them, when the plan holds.
      tools: null,
      command: null,
      skipsInfeasible: stage.infeasible === 'skip',
      ...UNREAD,
      work: null,
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

  /** Has every stage read those params of its tasks that it has not seen before. */
  async readParams(): Promise<void> {
    const asking = this.stages.filter(({ open }) => open.length > 0);
    const answered = asking.map(async (one) => [one, await askOnce(one, this.answers)] as const);
    for (const [{ stage, open }, said] of await Promise.all(answered)) {
      for (const task of open) {
        const answer = said.get(task.given.text);
        if (answer) this.take(stage, task, answer);
      }
    }
  }

  /** Gives a task what its stage makes of its params. */
  private take(stage: StageConfig, { draft, given, gather }: OpenTask, answer: ParamsAnswer): void {
    const parsed = this.params.judge(stage, given.text, answer, () => gather()?.located);
    if (parsed === undefined) {
      this.refused.add(draft);
      return;
    }
    draft.params = parsed.params;
    draft.files = parsed.files;
    draft.infeasible = parsed.infeasible;
    if (answer.usesTools) this.needTools.add(draft.id);
  }

  /** Has every stage that predicts sizes tell those of its tasks. */
  async readWork(): Promise<void> {
    const upstream = new Upstream(this.tasks);
    const asking = this.stages.filter(({ module }) => module.declaration.hasWork);
    const answered = asking.map(async ({ stage, module, drafts }) => {
      const sound = drafts.filter((draft) => !this.refused.has(draft));
      const params = sound.map((draft) => draft.params);
      const lookup = (index: number, name: string): Json | undefined =>
        upstream.of(sound[index].inputs)(name);
      return { stage, sound, said: await this.answers.work(module, params, lookup) };
    });
    for (const { stage, sound, said } of await Promise.all(answered)) {
      for (const [at, { work, fault }] of said.entries()) {
        if (fault) this.say(...faultWords(stage, fault));
        else sound[at].work = work;
      }
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

/** Asks a stage about the params of its open tasks, about equal ones once. Answers are by text. */
async function askOnce(
  { module, open }: StageTasks,
  answers: StageAnswers,
): Promise<ReadonlyMap<string, ParamsAnswer>> {
  const distinct = new Map(open.map(({ given }) => [given.text, given]));
  const said = await answers.params(module, [...distinct.values()]);
  return new Map([...distinct.keys()].map((text, at) => [text, said[at]]));
}

const taken = (params: Named<Json>): ParamsAnswer => ({
  params,
  problems: [],
  files: null,
  usesTools: false,
  fault: null,
});

/** A path with the task's labels in place of `{axis}`. */
export const fillPath = (path: string, at: Coordinates): string =>
  path.replace(/\{([\w-]+)\}/g, (whole, axis: string) => at[axis] ?? whole);
