// plan.ts — a Pipeline and its stages' declarations → every task, in order, or everything that is wrong
import type { StageModule } from './code.ts';
import type { Pipeline } from './config.ts';
import {
  type Diagnostic,
  failure,
  inReadingOrder,
  type Place,
  type Result,
  success,
} from './event.ts';
import { type SchemaProblem, wordIssue } from './issue.ts';
import {
  type Coordinates,
  canonicalJson,
  type Json,
  type Named,
  type TaskId,
  taskId,
} from './key.ts';
import { didYouMean, fillAxes, type Located, locatedMap, lookupIn, partAt } from './located.ts';
import type { AxisValue, InputConfig, InputSource, StageConfig } from './section.ts';
import { type Arity, asPort, type ParamProblem, type SourceFile, type Tools } from './stage.ts';

/** Where one input comes from. */
export interface Link {
  readonly task: TaskId;
  readonly output: string;
  /** The upstream task's labels, by axis. */
  readonly at: Coordinates;
}

/** What an input port is connected to: as many links as its arity says. */
export interface Binding {
  readonly arity: Arity;
  readonly links: readonly Link[];
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

type Point = ReadonlyMap<string, AxisValue>;

/** The tasks of a stage, by their labels on some of its axes. */
type JoinIndex = ReadonlyMap<string, readonly Task[]>;

class Planner {
  /** By message and place: many tasks share one mistake. */
  readonly problems = new Map<string, Diagnostic>();
  readonly tasks = new Map<TaskId, Task>();
  private readonly byStage = new Map<string, readonly Task[]>();
  private readonly indexes = new Map<string, JoinIndex>();
  /** The points of the stage that is being added at which an input found nothing, by port. */
  private readonly emptyJoins = new Map<string, Point[]>();
  private readonly paramsSeen = new Map<string, ParsedParams | undefined>();
  private readonly pipeline: Pipeline;
  private readonly modules: ReadonlyMap<string, StageModule>;

  constructor(pipeline: Pipeline, modules: ReadonlyMap<string, StageModule>) {
    this.pipeline = pipeline;
    this.modules = modules;
  }

  say(message: string, place: Place, hint?: string): void {
    this.problems.set(`${place.file}:${place.start}:${message}`, { message, place, hint });
  }

  addStage(stage: StageConfig): void {
    const module = this.modules.get(stage.name);
    if (module === undefined) return;
    this.checkStage(stage, module);
    const tasks = pointsOf(stage).map((point) => this.makeTask(stage, module, point));
    this.tellEmptyJoins(stage);
    if (tasks.length === 0) {
      this.say(`stage \`${stage.name}\` has no tasks: everything is excluded`, stage.place);
    }
    this.byStage.set(stage.name, tasks);
    for (const task of tasks) this.tasks.set(task.id, task);
  }

  /** What can be said of a stage without looking at its tasks. */
  private checkStage(stage: StageConfig, { declaration }: StageModule): void {
    const names = Object.keys(declaration.params.shape);
    for (const [name, located] of stage.params) {
      const place = located.named ?? located.place;
      if (!names.includes(name)) {
        this.say(`${stage.run} has no param \`${name}\``, place, didYouMean(name, names));
      } else if (stage.axes.has(name)) {
        const message = `\`${name}\` is both an axis and a param of stage \`${stage.name}\``;
        this.say(
          message,
          place,
          'the value on the axis is the param already: leave one of them out',
        );
      }
    }
    for (const [port, input] of stage.inputs) {
      const known = Object.keys(declaration.inputs);
      if (known.includes(port)) this.checkKinds(stage, port, input, declaration.inputs[port]);
      else this.say(`${stage.run} has no input \`${port}\``, input.named, didYouMean(port, known));
    }
    for (const [port, declared] of Object.entries(declaration.inputs)) {
      if (stage.inputs.has(port) || asPort(declared).arity === 'optional') continue;
      const message = `stage \`${stage.name}\` needs an input \`${port}\``;
      this.say(message, stage.place, `inputs: { ${port}: stage.output }`);
    }
    for (const [output, located] of stage.artifacts) {
      const known = Object.keys(declaration.outputs);
      if (known.includes(output)) continue;
      const place = located.named ?? located.place;
      this.say(`${stage.run} has no output \`${output}\``, place, didYouMean(output, known));
    }
  }

  private checkKinds(
    stage: StageConfig,
    port: string,
    input: InputConfig,
    declared: Parameters<typeof asPort>[0],
  ): void {
    const wanted = asPort(declared).codec.kind;
    for (const source of input.from) {
      const outputs = this.modules.get(source.stage)?.declaration.outputs;
      if (outputs === undefined) continue;
      const output = Object.hasOwn(outputs, source.output) ? outputs[source.output] : undefined;
      if (output === undefined) {
        const hint = didYouMean(source.output, Object.keys(outputs));
        this.say(
          `stage \`${source.stage}\` has no output \`${source.output}\``,
          source.place,
          hint,
        );
      } else if (output.kind !== wanted) {
        const message = `input \`${port}\` of stage \`${stage.name}\` takes ${wanted}, not ${output.kind}`;
        this.say(message, source.place);
      }
    }
  }

  private makeTask(stage: StageConfig, module: StageModule, point: Point): Task {
    const labels = [...point.values()].map(({ label }) => label);
    const at = Object.fromEntries([...point].map(([axis, { label }]) => [axis, label]));
    const parsed = this.parseParams(stage, module, point);
    const inputs: Record<string, Binding> = {};
    for (const [port, declared] of Object.entries(module.declaration.inputs)) {
      const config = stage.inputs.get(port);
      const { arity } = asPort(declared);
      const links = config ? this.join(stage, point, port, config, arity) : [];
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
      skipsInfeasible: stage.infeasible === 'skip',
      // A task with wrong params still stands in the plan, so that nothing downstream seems to be missing.
      ...(parsed ?? { params: {}, files: null, work: null, infeasible: null }),
    };
  }

  // ---- params ----

  /** An axis value becomes a param only if the stage's schema names the axis; otherwise it is a coordinate. */
  private parseParams(
    stage: StageConfig,
    module: StageModule,
    point: Point,
  ): ParsedParams | undefined {
    const fields = new Map<string, Located>();
    let unfilled = false;
    for (const name of Object.keys(module.declaration.params.shape)) {
      const axis = point.get(name);
      const given = stage.params.get(name);
      if (axis) fields.set(name, axis.located);
      else if (given) {
        const filled = fillAxes(given, (path, at) => valueAt(point, path, at));
        if (filled.ok) fields.set(name, filled.value);
        else {
          unfilled = true;
          for (const { message, place, hint } of filled.diagnostics) {
            if (place) this.say(message, place, hint);
          }
        }
      }
    }
    if (unfilled) return undefined;
    const located = locatedMap(fields, { place: stage.place });
    const memo = canonicalJson([stage.name, located.value]);
    if (!this.paramsSeen.has(memo)) {
      this.paramsSeen.set(memo, this.validateParams(stage, module, located));
    }
    return this.paramsSeen.get(memo);
  }

  private validateParams(
    stage: StageConfig,
    { declaration }: StageModule,
    located: Located,
  ): ParsedParams | undefined {
    const sayAt = (problem: SchemaProblem): void => this.sayOfParam(stage, located, problem);
    const result = declaration.params.safeParse(located.value);
    if (!result.success) {
      const worded = result.error.issues.flatMap((issue) => wordIssue(issue, declaration.params));
      for (const problem of worded) sayAt(problem);
      return undefined;
    }
    const params = result.data as Named<Json>;
    try {
      const problems = declaration.check?.(params) ?? [];
      if (stage.infeasible === 'skip' && problems.some(({ infeasible }) => infeasible)) {
        const rest = problems.filter(({ infeasible }) => !infeasible);
        for (const problem of rest) sayAt(problem);
        return { params, files: null, work: null, infeasible: reasonOf(problems) };
      }
      for (const problem of problems) sayAt(problem);
      if (problems.length > 0) return undefined;
      const work = declaration.work?.(params) ?? null;
      return { params, files: declaration.files?.(params) ?? null, work, infeasible: null };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const hint = `${stage.run} throws in its check, work or files for these params: mend it there`;
      this.say(`stage \`${stage.name}\` cannot be planned: ${text}`, stage.place, hint);
      return undefined;
    }
  }

  /** Says what is wrong with a param where it was written; of one that is missing, where it should stand. */
  private sayOfParam(
    { name: stage, place: stagePlace }: StageConfig,
    located: Located,
    { path, message, hint, isName = false }: SchemaProblem,
  ): void {
    const name = path.join('.');
    const part = partAt(located, path);
    if (path.length === 0 || lookupPath(located, path) !== undefined) {
      const place = isName ? (part.named ?? part.place) : part.place;
      this.say(`${message} (stage \`${stage}\`)`, place, hint);
    } else if (path.length === 1) {
      const advice = `params: { ${name}: … }, or an axis of this name`;
      this.say(`stage \`${stage}\` needs a param \`${name}\``, stagePlace, advice);
    } else {
      const must = message.replace(`\`${name}\` must`, 'it must');
      this.say(`\`${name}\` is missing (stage \`${stage}\`)`, part.place, hint ?? must);
    }
  }

  // ---- inputs ----

  /**
   * The join rule: equal labels on shared axes; axes that only the upstream has are collected, in matrix order;
   * an axis that `where` pins to one label is neither.
   */
  private join(
    stage: StageConfig,
    point: Point,
    port: string,
    config: InputConfig,
    arity: Arity,
  ): readonly Link[] {
    const links = config.from.flatMap((source) => this.linksFrom(point, config, source));
    const upstreamMissing = config.from.some(({ stage: name }) => !this.byStage.get(name)?.length);
    if (links.length === 0 && arity !== 'optional' && !upstreamMissing) {
      const points = this.emptyJoins.get(port);
      if (points) points.push(point);
      else this.emptyJoins.set(port, [point]);
    } else if (links.length > 1 && (arity === 'one' || arity === 'optional'))
      this.sayTooMany(stage, port, config, links);
    return links;
  }

  private sayTooMany(
    stage: StageConfig,
    port: string,
    { from, where, place }: InputConfig,
    links: readonly Link[],
  ): void {
    const message = `input \`${port}\` of stage \`${stage.name}\` takes one blob, but ${links.length} tasks of ${names(from)} fit`;
    const axes = Object.keys(links[0].at).filter((axis) => !stage.axes.has(axis));
    const open = axes.filter((axis) => !where.get(axis)?.single).map((axis) => `${axis}: …`);
    const source = `${from[0].stage}.${from[0].output}`;
    const narrowed = `narrow it: ${port}: { from: ${source}, where: { ${open.join(', ')} } }`;
    const hint = open.length > 0 ? narrowed : 'the tasks of a union must not share coordinates';
    this.say(message, place, hint);
  }

  /** Says which tasks of a stage found nothing for an input, once for each input. */
  private tellEmptyJoins(stage: StageConfig): void {
    for (const [port, points] of this.emptyJoins) {
      const config = stage.inputs.get(port) as InputConfig;
      const labels = [...points[0].values()].map(({ label }) => label);
      const more = points.length - 1;
      const others = more > 0 ? ` and of ${more} other task${more > 1 ? 's' : ''}` : '';
      const message = `input \`${port}\` of ${taskId(stage.name, labels)}${others} finds no task of ${names(config.from)}`;
      this.say(message, config.place, this.whyEmpty(points[0], config));
    }
    this.emptyJoins.clear();
  }

  /** The label that no upstream task has, when there is one; the rule, when only the combination is lacking. */
  private whyEmpty(point: Point, { from }: InputConfig): string {
    const tasks = from.flatMap(({ stage }) => this.byStage.get(stage) ?? []);
    for (const [axis, { label }] of point) {
      const known = new Set(tasks.flatMap(({ at }) => at[axis] ?? []));
      if (known.size === 0 || known.has(label)) continue;
      const source = from.map(({ stage }) => `\`${stage}\``).join(' or ');
      return `${source} has no ${axis} \`${label}\`, only ${[...known].slice(0, 12).join(', ')}`;
    }
    return 'on the axes that both stages have, the labels must be equal; `where` narrows further';
  }

  private linksFrom(point: Point, config: InputConfig, source: InputSource): readonly Link[] {
    const upstream = this.pipeline.stages.get(source.stage);
    if (upstream === undefined) return [];
    const shared = [...upstream.axes.keys()].filter((axis) => point.has(axis));
    const index = this.indexOf(source.stage, shared);
    const found = index.get(joinKey(shared.map((axis) => point.get(axis)?.label ?? ''))) ?? [];
    return found
      .filter(({ at }) =>
        [...config.where].every(([axis, { labels }]) => labels.has(at[axis] ?? '')),
      )
      .map(({ id, at }) => ({ task: id, output: source.output, at }));
  }

  private indexOf(stage: string, axes: readonly string[]): JoinIndex {
    const name = joinKey([stage, ...axes]);
    const known = this.indexes.get(name);
    if (known) return known;
    const index = new Map<string, Task[]>();
    for (const task of this.byStage.get(stage) ?? []) {
      const key = joinKey(axes.map((axis) => task.at[axis]));
      const entry = index.get(key);
      if (entry) entry.push(task);
      else index.set(key, [task]);
    }
    this.indexes.set(name, index);
    return index;
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

interface ParsedParams {
  readonly params: Named<Json>;
  readonly files: readonly SourceFile[] | null;
  readonly work: number | null;
  readonly infeasible: string | null;
}

/** Why params cannot be met, in one line: what is wrong, and what could be. */
const reasonOf = (problems: readonly ParamProblem[]): string =>
  problems
    .filter(({ infeasible }) => infeasible)
    .map(({ message, hint }) => (hint ? `${message}: ${hint}` : message))
    .join('; ');

/** Joins labels into one text that no two lists of labels share. */
const joinKey = (labels: readonly string[]): string => labels.join('\u0000');

const names = (from: readonly InputSource[]): string =>
  from.map(({ stage, output }) => `${stage}.${output}`).join(' or ');

const fillPath = (path: string, at: Coordinates): string =>
  path.replace(/\{([\w-]+)\}/g, (whole, axis: string) => at[axis] ?? whole);

function lookupPath(located: Located, path: readonly (string | number)[]): Located | undefined {
  let part: Located | undefined = located;
  for (const step of path) {
    part = part?.fields?.get(String(step)) ?? part?.items?.[Number(step)];
  }
  return part;
}

function valueAt(point: Point, path: readonly string[], at: Place): Result<Located> {
  const [axis, ...rest] = path;
  const value = point.get(axis);
  if (value === undefined)
    return failure({ message: `this task has no axis \`${axis}\``, place: at });
  return lookupIn(value.located, rest, at, [axis]);
}

/** The points of a stage's matrix in declaration order (the last axis fastest), less exclude, plus include. */
function pointsOf(stage: StageConfig): readonly Point[] {
  let points: readonly Point[] = [new Map()];
  for (const [axis, values] of stage.axes) {
    points = points.flatMap((point) => values.map((value) => new Map(point).set(axis, value)));
  }
  const matches = (point: Point, labels: ReadonlyMap<string, string>): boolean =>
    [...labels].every(([axis, label]) => point.get(axis)?.label === label);
  const excluded = (point: Point): boolean =>
    stage.exclude.some(({ labels }) => matches(point, labels)) &&
    !stage.include.some(({ labels }) => matches(point, labels));
  return points.filter((point) => !excluded(point));
}
