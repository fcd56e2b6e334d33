// placements.ts — where each stage runs, by pipeline.yaml, settings files and --on
import type { Pipeline } from '../../engine/config/config.ts';
import type { ExecutorConfig } from '../../engine/config/executors.ts';
import { choiceOf, type OnChoice } from '../../engine/config/needs.ts';
import type { Diagnostic } from '../../engine/model/event.ts';
import type { Json, Named } from '../../engine/model/key.ts';
import {
  formatClass,
  type Placement,
  placementOf,
  unknownChoices,
} from '../../engine/pipeline/placement.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { ownSettings } from '../session/own-settings.ts';
import { UsageError } from '../session/usage-error.ts';
import { executorSettings } from '../settings/executor-settings.ts';

/** The clusters that are known here, by name. */
export const executorsHere = (
  pipeline: Pick<Pipeline, 'executors'>,
): ReadonlyMap<string, ExecutorConfig> =>
  new Map(
    [...executorSettings(pipeline.executors ?? new Map(), ownSettings())].map(
      ([name, { value }]) => [name, value],
    ),
  );

/** Where stages run, and what is wrong with that. */
export interface Placements {
  /** The clusters that are known here, by name. */
  readonly executors: ReadonlyMap<string, ExecutorConfig>;
  readonly byStage: ReadonlyMap<string, Placement>;
  /** Why stages can run nowhere, by stage. */
  readonly problems: ReadonlyMap<string, readonly Diagnostic[]>;
  readonly warnings: readonly Diagnostic[];
}

/** Where each stage runs. @param on what `--on` says @throws UsageError where that is no choice */
export function placementsOf(
  pipeline: Pick<Pipeline, 'executors' | 'stages'>,
  on?: string,
): Placements {
  const executors = executorsHere(pipeline);
  const over = on === undefined ? undefined : choicesOf(on);
  const byStage = new Map<string, Placement>();
  const problems = new Map<string, readonly Diagnostic[]>();
  const warnings: Diagnostic[] = [];
  for (const stage of pipeline.stages.values()) {
    const placement = placementOf(stage, executors, over);
    if (placement.ok) byStage.set(stage.name, placement.value);
    else problems.set(stage.name, placement.diagnostics);
    if (placement.ok && over === undefined) warnings.push(...unknownChoices(stage, executors));
  }
  return { executors, byStage, problems, warnings };
}

/** Where the stages of a plan run. @throws UsageError where one of them cannot run anywhere, or `--on` names no executor */
export function placementsFor(
  pipeline: Pick<Pipeline, 'executors' | 'stages'>,
  plan: Plan,
  on: string | undefined,
): Placements {
  const placements = placementsOf(pipeline, on);
  const stages = new Set([...plan.tasks.values()].map(({ stage }) => stage));
  const wrong = problemsIn(placements, stages);
  if (wrong.length > 0) throw new UsageError(wrong);
  return placements;
}

/** Why some stages can run nowhere, each reason once: a wrong `--on` is one mistake, and not one for each stage. */
export function problemsIn({ problems }: Placements, stages: Iterable<string>): Diagnostic[] {
  const reasons = [...stages].flatMap((stage) => problems.get(stage) ?? []);
  const byText = new Map(
    reasons.map((reason) => [`${reason.place?.start} ${reason.message}`, reason]),
  );
  return [...byText.values()];
}

/** The choices of `--on`: one, or several with commas between. */
function choicesOf(text: string): readonly OnChoice[] {
  let start = 0;
  return text.split(',').map((word) => {
    const place = { file: '--on', text, start, end: start + word.length };
    start += word.length + 1;
    const choice = choiceOf(word, place);
    if (choice) return choice;
    const hint = 'such as --on cluster, --on cluster/gpu or --on local';
    const message = `\`${word}\` is no executor`;
    throw new UsageError([{ message, place, hint }]);
  });
}

/** An executor in a line: its type and its classes. */
export const formatExecutor = ({ type, classes }: ExecutorConfig): string =>
  `${type}: ${[...classes.values()].map(formatClass).join('; ')}`;

/** An executor for programs. It holds nothing that is secret. */
export function executorJson({ type, depot, line, classes }: ExecutorConfig): Named<Json> {
  const shown = [...classes.values()].map((job) => {
    const { name, cpus, memory_bytes, time_ms, gpus, slots, maxJobs } = job;
    const { partition, account, qos, constraint } = job;
    const asked = Object.entries({ partition, account, qos, constraint }).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] as const],
    );
    const size = { cpus, memory: memory_bytes, seconds: time_ms / 1000, gpus: gpus.count };
    return [name, { ...size, slots, 'max-jobs': maxJobs, ...Object.fromEntries(asked) }] as const;
  });
  return { type, depot, line, classes: Object.fromEntries(shown) };
}

/** Where stages run, a line each; nothing where all run on this machine and no executor is known. */
export function formatPlacements({ byStage, executors }: Placements): readonly string[] {
  const known = [...executors.values()].map(
    (executor) => `executor ${executor.name}: ${formatExecutor(executor)}`,
  );
  const away = [...byStage].flatMap(([stage, placement]) => {
    if (!('classes' in placement)) return [];
    const names = placement.classes.map(({ name }) => `${placement.executor}/${name}`);
    return [`stage ${stage} runs on ${names.join(', else ')}`];
  });
  return [...known, ...away];
}

/** The same for programs: absent where all run on this machine and no executor is known. */
export function placementsJson({ byStage, executors }: Placements): Named<Json> {
  if (executors.size === 0) return {};
  const stages = [...byStage].map(([stage, placement]) => {
    const classes = 'classes' in placement ? placement.classes.map(({ name }) => name) : [];
    return [stage, { executor: placement.executor, classes }] as const;
  });
  return {
    executors: Object.fromEntries(
      [...executors].map(([name, executor]) => [name, executorJson(executor)] as const),
    ),
    placements: Object.fromEntries(stages),
  };
}
