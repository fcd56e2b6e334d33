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
import { type Json, type Named, type TaskId, taskId } from '../model/key.ts';
import type {
  GivenValues,
  ParamsAnswer,
  StageAnswers,
  StageModule,
} from '../worker/declaration.ts';
import { checkFit } from './declaration-check.ts';
import { Joiner } from './join.ts';
import { type Binding, fillPath, type PlanWithoutTools, type Task } from './plan.ts';
import { stageGraphOf } from './stage-graph.ts';
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
    const long = drafts.find(({ id }) => Buffer.byteLength(id) > TASK_ID_BYTES_MAX);
    if (long) {
      const message = `tasks of stage \`${stage.name}\` have names of more than ${TASK_ID_BYTES_MAX} bytes`;
      this.say(message, stage.place, 'give values of the axes a short `name`');
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
      this.judged = stage.name;
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

const taken = (params: Named<Json>): ParamsAnswer => ({
  params,
  problems: [],
  files: null,
  usesTools: false,
  fault: null,
});
