// placement.ts — where the tasks of a stage run: on this machine, or in which classes of jobs of which cluster
import { didYouMean } from '../../hint.ts';
import { type ExecutorConfig, LOCAL } from '../config/executors.ts';
import type { JobClass } from '../config/job-class.ts';
import type { Growing, Needs, OnChoice } from '../config/needs.ts';
import { formatSize } from '../files/size.ts';
import { type Diagnostic, failure, type Result, success } from '../model/event.ts';

/** Where tasks run. Of several classes each task takes the smallest that fits it. */
export type Placement =
  | { readonly executor: typeof LOCAL }
  | {
      readonly executor: string;
      /** Smallest first; at least one. */
      readonly classes: readonly JobClass[];
    };

/** A stage, as far as its place is looked for. */
interface Placeable {
  readonly name: string;
  readonly policy: { readonly on?: readonly OnChoice[] | undefined; readonly needs?: Needs };
}

/** What a task needs of which nothing is said. */
export const ANY_NEEDS: Needs = { cpus: 1, memory_bytes: null, time_ms: null, gpus: 0 };

/** What a task was given before it failed for lack of it: powers of two. */
export interface Growth {
  readonly memory: number;
  readonly time: number;
}
export const NO_GROWTH: Growth = { memory: 0, time: 0 };

/** What a task needs now. */
export interface Demand {
  readonly cpus: number;
  readonly memory_bytes: number | null;
  readonly time_ms: number | null;
  readonly gpus: number;
}

/** What a task needs after it has grown. */
export function demandOf(needs: Needs, growth: Growth = NO_GROWTH): Demand {
  const grown = (amount: Growing | null, power: number): number | null =>
    amount && Math.min(amount.limit, amount.start * 2 ** power);
  return {
    cpus: needs.cpus,
    memory_bytes: grown(needs.memory_bytes, growth.memory),
    time_ms: grown(needs.time_ms, growth.time),
    gpus: needs.gpus,
  };
}

/** Whether a task may be given more of what it lacked. Undefined where it has all that it may have. */
export function grownBy(
  { memory_bytes, time_ms }: Needs,
  growth: Growth,
  lack: 'memory' | 'time',
): Growth | undefined {
  const amount = lack === 'memory' ? memory_bytes : time_ms;
  const has = amount === null ? 0 : amount.start * 2 ** growth[lack];
  return amount === null || has >= amount.limit
    ? undefined
    : { ...growth, [lack]: growth[lack] + 1 };
}

/** Whether a job of a class has what a task needs. */
export const fits = (job: JobClass, need: Demand): boolean =>
  need.cpus <= job.cpus &&
  need.gpus <= job.gpus.count &&
  (need.memory_bytes === null ||
    job.memory_bytes === null ||
    need.memory_bytes <= job.memory_bytes) &&
  (need.time_ms === null || need.time_ms <= job.time_ms);

/** The smallest class that has what a task needs. @param classes smallest first */
export const classFor = (classes: readonly JobClass[], need: Demand): JobClass | undefined =>
  classes.find((job) => fits(job, need));

/** The classes of an executor, the cheapest for a site first: accelerators count most, then memory, processors and time. */
export function bySize(classes: Iterable<JobClass>): readonly JobClass[] {
  const sizes = ({ gpus, memory_bytes, cpus, time_ms }: JobClass): readonly number[] => [
    ...[gpus.count, memory_bytes ?? 0, cpus, time_ms],
  ];
  return [...classes].sort((a, b) => {
    const [x, y] = [sizes(a), sizes(b)];
    const at = x.findIndex((size, i) => size !== y[i]);
    return at < 0 ? 0 : (x[at] ?? 0) - (y[at] ?? 0);
  });
}

/** How many tasks that need so much run at once in a job. */
export function tasksPerJob(job: JobClass, need: Demand): number {
  const share = (all: number | null, one: number | null): number =>
    all === null || one === null || one === 0
      ? Number.POSITIVE_INFINITY
      : Math.floor(all / one + 1e-9);
  const most = Math.min(
    job.slots,
    share(job.cpus, need.cpus),
    share(job.gpus.count, need.gpus),
    share(job.memory_bytes, need.memory_bytes),
  );
  return Math.max(1, most);
}

/**
 * Where the tasks of a stage run: at the first choice that can. A choice that names an executor that is not known here is
 * passed over, as a study may be made at several sites; where none is left, that is an error.
 * @param over choices that count in place of the stage's own: `--on`
 */
export function placementOf(
  stage: Placeable,
  executors: ReadonlyMap<string, ExecutorConfig>,
  over?: readonly OnChoice[],
): Result<Placement> {
  const { on, needs = ANY_NEEDS } = stage.policy;
  const choices = over ?? on;
  if (choices === undefined) return success({ executor: LOCAL });
  const problems: Diagnostic[] = [];
  for (const choice of choices) {
    const found = placeAt(choice, stage.name, demandOf(needs), executors);
    if (found.ok) return found;
    problems.push(...found.diagnostics);
  }
  return failure(...problems);
}

function placeAt(
  { executor: name, class: named, place }: OnChoice,
  stage: string,
  need: Demand,
  executors: ReadonlyMap<string, ExecutorConfig>,
): Result<Placement> {
  if (name === LOCAL) return success({ executor: LOCAL });
  const executor = executors.get(name);
  if (executor === undefined) {
    const message = `no executor \`${name}\` is known here`;
    const known = didYouMean(name, executors.keys());
    const hint =
      known ??
      `declare it: executors: { ${name}: { type: slurm, … } } in pipeline.yaml or a settings file`;
    return failure({ message, place, hint });
  }
  const one = named === undefined ? undefined : executor.classes.get(named);
  if (named !== undefined && one === undefined) {
    const message = `executor \`${name}\` has no class \`${named}\``;
    return failure({ message, place, hint: didYouMean(named, executor.classes.keys()) });
  }
  const classes = one ? [one] : bySize(executor.classes.values());
  const fitting = classes.filter((job) => fits(job, need));
  if (fitting.length > 0) return success({ executor: name, classes: fitting });
  const message = `no class fits the tasks of stage \`${stage}\`, which need ${formatDemand(need)}`;
  const hint = `${classes.map(formatClass).join('; ')}`;
  return failure({ message, place, hint: `${name} has ${hint}` });
}

/** Choices that are passed over because their executor is not known here, where others are: likely a slip. */
export function unknownChoices(
  { name: stage, policy }: Placeable,
  executors: ReadonlyMap<string, ExecutorConfig>,
): readonly Diagnostic[] {
  if (executors.size === 0) return [];
  return (policy.on ?? []).flatMap(({ executor, place }) => {
    if (executor === LOCAL || executors.has(executor)) return [];
    const message = `stage \`${stage}\` names \`${executor}\`: no such executor is known here, and it is passed over`;
    return [{ message, place, hint: didYouMean(executor, executors.keys()) }];
  });
}

const UNITS: readonly (readonly [ms: number, unit: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** A time as a person would say it. */
export function formatTime(ms: number): string {
  const [unit_ms, unit] = UNITS.find(([size]) => ms >= size && ms % size === 0) ?? [1000, 's'];
  return `${Number((ms / unit_ms).toFixed(1))} ${unit}`;
}

const plural = (amount: number, what: string): string =>
  `${amount} ${what}${amount === 1 ? '' : 's'}`;

/** What a task needs, in words. */
export function formatDemand({ cpus, memory_bytes, time_ms, gpus }: Demand): string {
  return [
    plural(cpus, 'cpu'),
    ...(memory_bytes === null ? [] : [formatSize(memory_bytes)]),
    ...(gpus > 0 ? [plural(gpus, 'gpu')] : []),
    ...(time_ms === null ? [] : [formatTime(time_ms)]),
  ].join(', ');
}

/** A class in words, with its name. */
export function formatClass({ name, cpus, memory_bytes, time_ms, gpus, slots }: JobClass): string {
  const size = formatDemand({ cpus, memory_bytes, time_ms, gpus: gpus.count });
  return `${name} (${size}${slots === 1 ? '' : `, ${slots} tasks at once`})`;
}
