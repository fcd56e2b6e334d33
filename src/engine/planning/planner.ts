// planner.ts — a Pipeline and its stages' declarations → a plan, or everything that is wrong
import { elementAt } from '../../present.ts';
import type { Pipeline } from '../config/config.ts';
import { FILE_NAME_BYTES_MAX, longName } from '../config/input.ts';
import { type Point, pointsOf } from '../config/matrix.ts';
import type { StageConfig } from '../config/stage-config.ts';
import {
  type Diagnostic,
  failure,
  inReadingOrder,
  type Place,
  type Result,
  success,
} from '../model/event.ts';
import type { Json, Named, TaskId } from '../model/key.ts';
import type {
  GivenValues,
  ParamsAnswer,
  StageAnswers,
  StageModule,
} from '../worker/declaration.ts';
import { answerByKind } from '../worker/param-kinds.ts';
import { checkFit } from './declaration-check.ts';
import { Joiner, labelsAt } from './join.ts';
import { type JudgedParams, judgeParams } from './params-schema.ts';
import type { PlanWithoutTools, Task } from './plan.ts';
import { stageGraphOf } from './stage-graph.ts';
import { type Draft, taskMaker } from './task-maker.ts';
import { formatFault, type GivenParams, ParamsReader, type ParsedParams } from './task-params.ts';
import { Upstream } from './upstream.ts';

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

/** A task's name is a key of the store, and those have a greatest length. */
const TASK_ID_BYTES_MAX = 1900;

/** The tasks of one stage. */
interface StageTasks {
  readonly stage: StageConfig;
  readonly module: StageModule;
  readonly drafts: readonly Draft[];
  /** Params about which the stage is to be asked. */
  readonly open: readonly OpenParams[];
}

/** The params of some tasks of a stage: gathered once for all of them. */
interface GivenTasks {
  /** What the stage makes of them; `open` until it has been asked. */
  parsed: ParsedParams | 'open' | 'refused';
  usesTools: boolean;
  floats?: readonly string[] | undefined;
  /** Those that wait for the answer. */
  readonly drafts: Draft[];
}

/** Params about which their stage is to be asked. */
interface OpenParams extends GivenTasks {
  readonly given: GivenValues;
  /** Gathers them again, to say where they were written. */
  readonly gather: () => GivenParams | undefined;
}

class Planner {
  /** By message and place: many tasks share one mistake. */
  readonly problems = new Map<string, Diagnostic>();
  /** A task with wrong params still stands here, so that nothing downstream seems to be missing. */
  readonly tasks = new Map<TaskId, Task>();
  readonly needTools = new Set<TaskId>();
  private readonly stages: StageTasks[] = [];
  /** The stage that is judged now: what is wrong with it may stand elsewhere in the file. */
  private judged: string | undefined;
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
    const stage = this.judged && { stage: this.judged };
    this.problems.set(`${place.file}:${place.start}:${message}`, {
      message,
      place,
      hint,
      ...stage,
    });
  };

  addStage(stage: StageConfig): void {
    const module = this.modules.get(stage.name);
    if (module === undefined) return;
    this.judged = stage.name;
    checkFit(stage, this.modules, this.say);
    const open: OpenParams[] = [];
    const drafts: Draft[] = [];
    const make = taskMaker(stage, module, this.joiner);
    const axes = this.params.axesOf(stage, module);
    const byLabels = new Map<string, GivenTasks>();
    for (const point of pointsOf(stage)) {
      const draft = make(point);
      drafts.push(draft);
      // What the engine gives may differ from task to task.
      const labels = module.declaration.graph === undefined ? labelsAt(point, axes) : draft.id;
      let tasks = byLabels.get(labels);
      if (tasks === undefined) {
        tasks = this.gather(stage, module, point, draft, open);
        byLabels.set(labels, tasks);
      }
      this.add(tasks, draft);
    }
    this.joiner.close(stage, drafts);
    // A param that is an empty list turns a stage off.
    const turnedOff = [...stage.axes.values()].some(({ length }) => length === 0);
    if (drafts.length === 0 && !turnedOff) {
      this.say(`stage \`${stage.name}\` has no tasks: everything is excluded`, stage.place);
    }
    const long = drafts.find(({ id }) => Buffer.byteLength(id) > TASK_ID_BYTES_MAX);
    if (long) {
      const message = `tasks of stage \`${stage.name}\` have names of more than ${TASK_ID_BYTES_MAX} bytes`;
      this.say(message, stage.place, 'give values of the axes a short `name`');
    }
    for (const draft of drafts) this.tasks.set(draft.id, draft);
    this.stages.push({ stage, module, drafts, open });
  }

  /** Gathers the params of a task, and of all that come to the same. */
  private gather(
    stage: StageConfig,
    module: StageModule,
    point: Point,
    draft: Draft,
    open: OpenParams[],
  ): GivenTasks {
    const gather = (): GivenParams | undefined =>
      this.params.gather(stage, module, point, this.filledOf(module, draft));
    const found = gather();
    if (found === undefined) return { parsed: 'refused', usesTools: false, drafts: [] };
    const given = { values: found.values, text: found.text };
    const tasks: OpenParams = { given, gather, parsed: 'open', usesTools: false, drafts: [] };
    const known = this.known(stage, module, found);
    if (known) this.take(stage, tasks, known);
    else {
      if (open.length === 0) this.answers.expect?.(module);
      open.push(tasks);
    }
    return tasks;
  }

  /** A command takes its params as they are; a module may have said what is enough, or may have been asked before. */
  private known(
    { command }: StageConfig,
    module: StageModule,
    { values, text, located }: GivenParams,
  ): ParamsAnswer | undefined {
    if (command === null) {
      const { kinds } = module.declaration;
      return answerByKind(kinds, values) ?? this.answers.known(module, text);
    }
    const judged = module.schemas && judgeParams(module.schemas, located, values);
    return taken(values, judged);
  }

  /** Params that the engine gives: what is upstream of a task stands in the plan before it. */
  private filledOf(
    { declaration: { graph } }: StageModule,
    task: Pick<Task, 'id' | 'stage' | 'inputs'>,
  ): Named<Json> {
    if (graph === undefined) return {};
    // An interface of JSON values, which TypeScript takes for no Json: it might be extended.
    return { [graph]: stageGraphOf(task, this.tasks) as unknown as Json };
  }

  /** Has every stage read those params of its tasks that it has not seen before. */
  async readParams(): Promise<void> {
    const asking = this.stages.filter(({ open }) => open.length > 0);
    const answered = asking.map(async (one) => [one, await askOnce(one, this.answers)] as const);
    for (const [{ stage, open }, said] of await Promise.all(answered)) {
      this.judged = stage.name;
      for (const tasks of open) {
        const answer = said.get(tasks.given.text);
        if (answer) this.take(stage, tasks, answer);
      }
    }
  }

  /** Gives tasks what their stage makes of their params. */
  private take(stage: StageConfig, tasks: OpenParams, answer: ParamsAnswer): void {
    const { given, gather } = tasks;
    const parsed = this.params.judge(stage, given.text, answer, () => gather()?.located);
    tasks.parsed = parsed ?? 'refused';
    tasks.usesTools = answer.usesTools;
    tasks.floats = answer.floats;
    for (const draft of tasks.drafts.splice(0)) this.add(tasks, draft);
  }

  /** Adds a task to those that have the same params. */
  private add({ parsed, usesTools, floats, drafts }: GivenTasks, draft: Draft): void {
    if (parsed === 'open') drafts.push(draft);
    else if (parsed === 'refused') this.refused.add(draft);
    else {
      draft.params = parsed.params;
      draft.files = parsed.files;
      draft.infeasible = parsed.infeasible;
      if (floats) draft.floats = floats;
      if (usesTools) this.needTools.add(draft.id);
    }
  }

  /** Has every stage that predicts sizes tell those of its tasks. */
  async readWork(): Promise<void> {
    const upstream = new Upstream(this.tasks);
    const asking = this.stages.filter(({ module }) => module.declaration.hasWork);
    const answered = asking.map(async ({ stage, module, drafts }) => {
      const sound = drafts.filter((draft) => !this.refused.has(draft));
      const params = sound.map((draft) => draft.params);
      const lookup = (index: number, name: string): Json | undefined =>
        upstream.of(elementAt(sound, index).inputs)(name);
      return { stage, sound, said: await this.answers.work(module, params, lookup) };
    });
    for (const { stage, sound, said } of await Promise.all(answered)) {
      this.judged = stage.name;
      for (const [at, { work, fault }] of said.entries()) {
        if (fault) this.say(...formatFault(stage, fault));
        else elementAt(sound, at).work = work;
      }
    }
  }

  /** Two tasks on one path would overwrite each other, and a name that is too long cannot be written at all. */
  checkArtifacts(): void {
    this.judged = undefined;
    const owner = new Map<string, Task>();
    for (const task of this.tasks.values()) {
      for (const [output, path] of Object.entries(task.artifacts)) {
        const other = owner.get(path);
        const place = this.pipeline.stages.get(task.stage)?.artifacts.get(output)?.place;
        const long = longName(path);
        if (long !== undefined && place) {
          const message = `an artifact of stage \`${task.stage}\` has a name of ${long} bytes: files may have ${FILE_NAME_BYTES_MAX}`;
          this.say(message, place, 'labels fill it in: give values of the axes a short `name`');
        }
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
  return new Map([...distinct.keys()].map((text, at) => [text, elementAt(said, at)]));
}

const taken = (
  params: Named<Json>,
  { problems, floats }: JudgedParams = { problems: [] },
): ParamsAnswer => ({
  params,
  problems,
  ...(floats && { floats }),
  files: null,
  usesTools: false,
  fault: null,
});
