// estimate.ts — how long a make would take, from what tasks like these took before

import { elementAt } from '../../present.ts';
import type { Policy } from '../config/policy.ts';
import { canonicalJson, type Digest } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import { upstreamOf } from '../planning/visit-order.ts';
import type { Store } from '../store/store.ts';
import type { Forecasts } from './forecast.ts';
import { type Capacity, type ScheduledTask, simulatedSeconds } from './simulate.ts';

/** A guess at what a make would cost. */
export interface Estimate {
  /** Tasks that would or may run, those that share a key counted once. */
  readonly tasks: number;
  /** Of one slot: that the tasks of which something is recorded take together. */
  readonly seconds: number;
  /** Seconds from the first to the last of them, on the slots and with the resources that there are. */
  readonly wall: number;
  /** Named resources without whose limits it would be less. */
  readonly limitedBy: readonly string[];
  /** Recorded tasks that the guess rests on. */
  readonly recorded: number;
  /** Stages of which nothing is recorded, with their tasks: they are not in `seconds`. */
  readonly unknown: ReadonlyMap<string, number>;
}

/** Of a make that runs nothing. */
export const NO_ESTIMATE: Estimate = {
  tasks: 0,
  seconds: 0,
  wall: 0,
  limitedBy: [],
  recorded: 0,
  unknown: new Map(),
};

/** What an estimate needs to know of how tasks are run. */
export interface EstimateOptions {
  readonly capacity: Capacity;
  readonly policies: { get(stage: string): Policy | undefined };
  /** What was read of the history before, while the store is as it was. */
  readonly known?: KnownCosts;
}

/** What a task cost. */
export interface CostSample {
  /** The stage under which the history has it. */
  readonly listedAs: string;
  /** The stage for which it ran. */
  readonly stage: string;
  readonly code: Digest;
  readonly seconds: number;
  readonly work: number | null;
  readonly isInfeasible: boolean;
}

/** Keeps what was read of the history. */
export interface KnownCosts {
  costs(): readonly CostSample[] | undefined;
  noteCosts(samples: readonly CostSample[]): void;
}

/** Runs of the history that are looked through, the newest first. */
const RUNS_READ = 8;
/** Traces of a stage that are read: enough to average, few enough to be read at once. */
const TRACES_READ = 24;

/**
 * Predicts from recorded costs: of the same stage or, where it has none, of any that runs the same module; per unit of
 * work where the module tells its work, else per task. A module that tells its work and has no record takes the rate of
 * the others that tell theirs: a first short task calibrates a machine.
 */
export async function estimate(
  plan: Plan,
  forecasts: Forecasts,
  store: Store,
  { capacity, policies, known }: EstimateOptions,
): Promise<Estimate> {
  const costs = recordedCosts(plan, known?.costs() ?? (await readCosts(store, known)));
  const identities = new Identities(plan, forecasts);
  /** Places in the schedule, by identity. */
  const counted = new Map<number, number>();
  const schedule: ScheduledTask[] = [];
  const unknown = new Map<string, number>();
  const resourcesOf = resourcesByStage(policies);
  for (const { task: id, status } of forecasts.values()) {
    const task = plan.tasks.get(id);
    if (task === undefined || (status !== 'run' && status !== 'pending')) continue;
    const identity = identities.of(task);
    if (counted.has(identity)) continue;
    counted.set(identity, counted.size);
    const predicted = costs.predict(task);
    if (predicted === undefined) unknown.set(task.stage, (unknown.get(task.stage) ?? 0) + 1);
    if (costs.recorded === 0) continue;
    const after = new Set<number>();
    for (const one of upstreamOf(task)) {
      const upstream = plan.tasks.get(one);
      const place = upstream && counted.get(identities.of(upstream));
      if (place !== undefined) after.add(place);
    }
    const resources = resourcesOf(task.stage);
    schedule.push({ seconds: predicted ?? 0, resources, after: [...after] });
  }
  const seconds = schedule.reduce((sum, one) => sum + one.seconds, 0);
  const wall = simulatedSeconds(schedule, capacity);
  const limitedBy = limitsOf(schedule, capacity, wall);
  return { tasks: counted.size, seconds, wall, limitedBy, recorded: costs.recorded, unknown };
}

/** What the tasks of each stage take while they run: one map for all tasks of a stage. */
function resourcesByStage(
  policies: EstimateOptions['policies'],
): (stage: string) => ReadonlyMap<string, number> {
  const known = new Map<string, ReadonlyMap<string, number>>();
  return (stage) => {
    let resources = known.get(stage);
    if (resources === undefined) {
      const amounts = [...(policies.get(stage)?.resources ?? [])];
      resources = new Map(amounts.map(([name, { amount }]) => [name, amount]));
      known.set(stage, resources);
    }
    return resources;
  };
}

/** The named resources that keep a schedule from being shorter. */
function limitsOf(
  schedule: readonly ScheduledTask[],
  { slots, resources }: Capacity,
  wall: number,
): readonly string[] {
  const all = new Set(schedule.map((one) => one.resources));
  const named = new Set([...all].flatMap((one) => [...one.keys()]));
  return [...named].filter((name) => {
    const enough = new Map([...resources, [name, Number.POSITIVE_INFINITY]]);
    return simulatedSeconds(schedule, { slots, resources: enough }) < wall * LIMIT_SHARE;
  });
}

/** A resource is told as a limit from this share of the time on. */
const LIMIT_SHARE = 0.95;

/** What is recorded of some tasks, summed. */
interface Sum {
  tasks: number;
  seconds: number;
  /** Seconds and units of those that told their work. */
  measured: number;
  work: number;
}

interface Costs {
  readonly recorded: number;
  predict(task: Task): number | undefined;
}

function recordedCosts(plan: Plan, all: readonly CostSample[]): Costs {
  const samples = samplesFor(plan, all);
  const byStage = sumBy(samples, ({ stage }) => stage);
  const byModule = sumBy(samples, ({ code }) => code);
  const byWork = sumBy(samples, ({ work }) => work !== null).get(true);
  return {
    recorded: samples.length,
    predict(task) {
      const code = plan.stages.get(task.stage)?.code.digest;
      const alike = task.work === null ? undefined : byWork;
      const known = byStage.get(task.stage) ?? (code && byModule.get(code)) ?? alike;
      if (known === undefined) return undefined;
      if (task.work === null) return known.seconds / known.tasks;
      return known.work > 0 ? (known.measured / known.work) * task.work : undefined;
    },
  };
}

/**
 * Those of the stages and modules of a plan. Of code that has changed since, only those without work: what a unit of work
 * is may have changed with it.
 */
function samplesFor(plan: Plan, all: readonly CostSample[]): readonly CostSample[] {
  const codes = new Set<Digest>([...plan.stages.values()].map(({ code }) => code.digest));
  return all.filter(
    ({ listedAs, code, work }) => codes.has(code) || (work === null && plan.stages.has(listedAs)),
  );
}

/** Some records of each stage of the newest runs, spread over the tasks that have one. */
async function readCosts(
  store: Store,
  known: KnownCosts | undefined,
): Promise<readonly CostSample[]> {
  const keys = new Map<string, string[]>();
  for (const { tasks } of store.history.runs(RUNS_READ)) {
    const seen = new Set(keys.keys());
    for (const [task, key] of Object.entries(tasks)) {
      const stage = stageOf(task);
      // A stage's newest run tells enough of it.
      if (seen.has(stage)) continue;
      const list = keys.get(stage);
      if (list) list.push(key);
      else keys.set(stage, [key]);
    }
  }
  const samples: CostSample[] = [];
  for (const [listedAs, list] of keys) {
    for (const key of spread([...new Set(list)], TRACES_READ)) {
      const record = await store.actions.get(key as ActionRecord['key']);
      if (record) samples.push(sampleOf(listedAs, record));
    }
  }
  known?.noteCosts(samples);
  return samples;
}

const sampleOf = (
  listedAs: string,
  { task, parts, cost: { seconds, work }, infeasible }: ActionRecord,
): CostSample => ({
  ...{ listedAs, stage: stageOf(task), code: parts.code },
  ...{ seconds, work, isInfeasible: infeasible !== undefined },
});

/** At most `most` items, evenly spaced. */
function spread<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) =>
    elementAt(items, Math.floor((i * items.length) / most)),
  );
}

function sumBy<K>(
  samples: readonly CostSample[],
  nameOf: (sample: CostSample) => K,
): ReadonlyMap<K, Sum> {
  const sums = new Map<K, Sum>();
  for (const sample of samples) {
    // An action that cannot be done costs nothing, and says nothing of one that can.
    if (sample.isInfeasible) continue;
    const name = nameOf(sample);
    const sum = sums.get(name) ?? { tasks: 0, seconds: 0, measured: 0, work: 0 };
    const { seconds, work } = sample;
    sum.tasks += 1;
    sum.seconds += seconds;
    if (work !== null) {
      sum.measured += seconds;
      sum.work += work;
    }
    sums.set(name, sum);
  }
  return sums;
}

function stageOf(task: string): string {
  const end = task.indexOf('[');
  return end < 0 ? task : task.slice(0, end);
}

/**
 * Numbers for tasks that have the same key. Where inputs are not made yet, for those that will have: the same code, params
 * and sources, and inputs from tasks of the same numbers.
 */
class Identities {
  private readonly byTask = new Map<Task, number>();
  private readonly byText = new Map<string, number>();
  /** Of params, inputs and files: tasks share them. */
  private readonly byPart = new Map<object, number>();
  private readonly plan: Plan;
  private readonly forecasts: Forecasts;

  constructor(plan: Plan, forecasts: Forecasts) {
    this.plan = plan;
    this.forecasts = forecasts;
  }

  of(task: Task): number {
    let number = this.byTask.get(task);
    if (number === undefined) {
      const forecast = this.forecasts.get(task.id);
      const key = forecast && 'action' in forecast ? forecast.action.key : undefined;
      number = this.numberOf(key ?? this.textOf(task));
      this.byTask.set(task, number);
    }
    return number;
  }

  private numberOf(text: string): number {
    let number = this.byText.get(text);
    if (number === undefined) {
      number = this.byText.size;
      this.byText.set(text, number);
    }
    return number;
  }

  private partOf<Part extends object>(part: Part, textOf: (part: Part) => string): number {
    let number = this.byPart.get(part);
    if (number === undefined) {
      number = this.numberOf(textOf(part));
      this.byPart.set(part, number);
    }
    return number;
  }

  private textOf({ id, stage, params, inputs, files }: Task): string {
    const code = this.plan.stages.get(stage)?.code.digest ?? id;
    const given = this.partOf(params, canonicalJson);
    const from = this.partOf(inputs, () => this.inputsText(inputs));
    const sums = files && this.partOf(files, () => canonicalJson(files.map((one) => one.sha256)));
    return `${code} ${given} ${from} ${sums}`;
  }

  private inputsText(inputs: Task['inputs']): string {
    const from = Object.entries(inputs).map(([port, { arity, links, files }]) => {
      const isList = arity !== 'one' && arity !== 'optional';
      const sources = links.map(({ task, output }) => {
        // A list tells its stage the names of its tasks: lists of the same tasks hold the same.
        if (isList) return `${task} ${output}`;
        const upstream = this.plan.tasks.get(task);
        return `${upstream ? this.of(upstream) : task} ${output}`;
      });
      return [port, ...sources, '', ...(files?.map(({ name }) => name) ?? [])];
    });
    return JSON.stringify(from);
  }
}
