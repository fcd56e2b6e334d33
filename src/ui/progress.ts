// progress.ts — a run as the overview shows it, from its journal or its record and from the plan
import type { Named } from '../engine/model/key.ts';
import type { RunRecord, RunStatus } from '../engine/model/record.ts';
import type { FailedTask, RunningTask, RunProgress, StageProgress, TaskStatus } from './forms.ts';
import { type RunState, stageOf } from './run-state.ts';

/** How the tasks of a plan hang together, stage by stage. */
export interface StageOutline {
  /** Number of tasks, upstream stages first. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly edges: readonly (readonly [from: string, to: string])[];
}

/** Running tasks that are told one by one. */
const RUNNING_SHOWN = 64;

type Counts = { readonly [status in TaskStatus]?: number };

/** A run that has a journal. @param state by what can be seen of its process */
export function progressOf(
  run: RunState,
  state: RunStatus,
  outline: StageOutline | undefined,
  {
    now,
    seen,
    failures,
  }: { readonly now: number; readonly seen: number; readonly failures: readonly FailedTask[] },
): RunProgress {
  const total = outline ? sum(outline.sizes.values()) : null;
  const isOver = !isLive(state);
  const rate = isOver ? null : run.rate(now);
  const ended = sum(Object.values(run.tally)) - run.running.size;
  const rest = total === null ? null : Math.max(0, total - ended);
  const { id, name, command, host, started } = run.run;
  const error = run.end?.error;
  return {
    id,
    ...(name !== undefined && { name }),
    ...{ command, host, state },
    ...(error !== undefined && { error }),
    started: Date.parse(started) || null,
    ended: isOver ? seen : null,
    total,
    tally: isOver ? withoutRunning(run.tally) : { ...run.tally },
    measured: run.measured,
    rate: rate === null ? null : Number(rate.toPrecision(2)),
    left: rate === null || rest === null ? null : Math.round((60 * rest) / rate),
    stages: stagesOf(isOver ? endedCounts(run.counts) : run.counts, outline),
    running: isOver ? [] : runningOf(run),
    failures,
    warnings: [...run.warnings],
  };
}

/** Whether a run goes on, for all that is known. */
export const isLive = (state: RunStatus): boolean => state === 'running' || state === 'unknown';

/** Of a run that is over, nothing runs: its process took with it what it had begun. */
export function withoutRunning({ running = 0, waiting = 0, ...over }: Counts): Counts {
  const cut = running + waiting;
  return cut === 0 ? over : { ...over, interrupted: (over.interrupted ?? 0) + cut };
}

const endedCounts = (counts: ReadonlyMap<string, Counts>): ReadonlyMap<string, Counts> =>
  new Map([...counts].map(([stage, own]) => [stage, withoutRunning(own)]));

function runningOf(run: RunState): readonly RunningTask[] {
  return [...run.running].slice(0, RUNNING_SHOWN).map((task) => {
    const { began, slot, node, why, progress, retry, waitsFor } = run.tasks.get(task) ?? {};
    return {
      ...{ task, since: began ?? null, slot: slot ?? null },
      ...(node !== undefined && { node }),
      ...progress,
      ...(why !== undefined && { why }),
      ...(retry !== undefined && { retry }),
      ...(waitsFor !== undefined && { waitsFor }),
    };
  });
}

/** A run that is over, from its record. */
export function progressOfRecord(
  record: RunRecord,
  outline: StageOutline | undefined,
  failures: readonly FailedTask[],
): RunProgress {
  const counts = new Map<string, { [status in TaskStatus]?: number }>();
  const outcomes: Named<TaskStatus> = record.outcomes ?? {};
  for (const task of Object.keys(record.outcomes ?? record.tasks)) {
    const status = Object.hasOwn(outcomes, task) ? (outcomes[task] ?? 'built') : 'built';
    const stage = stageOf(task);
    const own = counts.get(stage) ?? {};
    own[status] = (own[status] ?? 0) + 1;
    counts.set(stage, own);
  }
  const { id, name, command, host, state = 'finished', error, started, at, tally } = record;
  return {
    id,
    ...(name !== undefined && { name }),
    ...{ command, host, state },
    ...(error !== undefined && { error }),
    started: started === undefined ? null : Date.parse(started) || null,
    ended: Date.parse(at) || null,
    total: outline ? sum(outline.sizes.values()) : null,
    tally: { ...tally } as Counts,
    measured: 0,
    ...{ rate: null, left: null, running: [], failures, warnings: [] },
    stages: stagesOf(counts, outline),
  };
}

/** Stages in the order of the plan, then those that it lacks. */
function stagesOf(
  counts: ReadonlyMap<string, Counts>,
  outline: StageOutline | undefined,
): readonly StageProgress[] {
  const names = new Set([...(outline?.sizes.keys() ?? []), ...counts.keys()]);
  const doneOf = (stage: string): number => {
    const { running = 0, waiting = 0, ...own } = counts.get(stage) ?? {};
    return sum(Object.values(own));
  };
  const isOpen = (stage: string): boolean => (outline?.sizes.get(stage) ?? 0) > doneOf(stage);
  return [...names].map((stage) => {
    const own = counts.get(stage) ?? {};
    const of = outline?.sizes.get(stage) ?? null;
    const unmade = of === null ? 0 : Math.max(0, of - sum(Object.values(own)));
    const above = outline?.edges.flatMap(([from, to]) => (to === stage ? [from] : [])) ?? [];
    return {
      ...{ stage, of },
      counts: { ...own, ...(unmade > 0 && { unmade }) },
      waitsFor: unmade > 0 ? above.filter(isOpen) : [],
    };
  });
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
