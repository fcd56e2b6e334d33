// idle.ts — a run with nothing to do: forecast as a whole, and reported without scheduling anything
import { entryOf } from '../../present.ts';
import { openArtifacts } from '../artifacts/artifact-folder.ts';
import { digestOf, type TaskId } from '../model/key.ts';
import type { RecordResult } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import { type Forecasts, forecastKnowing, type KnownResults } from '../rebuilder/forecast.ts';
import type { ExecuteOptions, RunResult } from './execute.ts';
import { Lineages } from './lineage.ts';
import { RunState } from './run-state.ts';

/**
 * Reports a run in which every task is up to date, artifacts included, or infeasible. Undefined when there is anything to do:
 * then nothing was reported or written.
 */
export async function executeIdle(
  plan: Plan,
  options: ExecuteOptions,
  known: KnownResults,
): Promise<RunResult | undefined> {
  const { store, listener, policies, clock, signal } = options;
  const start = clock();
  const forecasts = await forecastKnowing(plan, store, new Set(), known);
  const found = resultsOf(forecasts);
  if (found === undefined || signal.aborted) return undefined;
  const state = new RunState({ plan, store, listener, policies, clock });
  for (const id of found.traces.keys()) state.outcomes.set(id, 'reused');
  if (!areInPlace(plan, options, { ...found, outcomes: state.outcomes, rebuilds: 0 })) {
    return undefined;
  }
  for (const forecast of forecasts.values()) tell(plan, forecast, state, options);
  const keys = [...found.infeasible, ...found.traces].map(([id, { key }]) => [id, key] as const);
  const latest = digestOf(keys.map((entry) => entry.join(' ')).join('\n'));
  if (known.latest?.() !== latest) {
    await store.actions.setLatest(new Map(keys));
    known.noteLatest?.(latest);
  }
  const seconds = (clock() - start) / 1000;
  const { outcomes, resumable, ran, ok, tally } = state;
  listener({ event: 'finished', tally, seconds });
  return { ...found, outcomes, resumable, ran, ok, tally, seconds };
}

interface Found {
  readonly traces: ReadonlyMap<TaskId, RecordResult>;
  readonly infeasible: ReadonlyMap<TaskId, RecordResult>;
}

/** Undefined when some task would or may run. */
function resultsOf(forecasts: Forecasts): Found | undefined {
  const traces = new Map<TaskId, RecordResult>();
  const infeasible = new Map<TaskId, RecordResult>();
  for (const forecast of forecasts.values()) {
    if (forecast.status === 'reuse') traces.set(forecast.task, forecast.trace);
    else if (forecast.status !== 'infeasible') return undefined;
    else if (forecast.trace) infeasible.set(forecast.task, forecast.trace);
  }
  return { traces, infeasible };
}

type Known = Found & ConstructorParameters<typeof Lineages>[1];

/** Whether all artifacts, and what tells their provenance, are certainly as they are to be. */
function areInPlace(
  plan: Plan,
  { artifacts: { folder, provenance }, self: { identity }, clock }: ExecuteOptions,
  known: Known,
): boolean {
  const lineages = new Lineages(plan, known);
  const artifacts = openArtifacts(folder, identity, clock);
  const isInPlace = (task: Task): boolean => {
    const trace = known.traces.get(task.id);
    const paths = Object.entries(task.artifacts);
    if (trace === undefined || paths.length === 0) return true;
    const { own: companions, obsolete } = provenance.pathsOf(task);
    return artifacts.isInPlace({
      artifacts: paths.map(([output, path]) => {
        const { digest, kind } = entryOf(trace.outputs, output);
        return { path, digest, kind };
      }),
      lineage: lineages.of(task),
      ...{ companions, obsolete },
    });
  };
  for (const task of plan.tasks.values()) if (!isInPlace(task)) return false;
  return true;
}

/** Says what became of a task, as a run says it that looks at one after the other. */
function tell(
  plan: Plan,
  forecast: Forecasts extends ReadonlyMap<TaskId, infer One> ? One : never,
  state: RunState,
  { listener }: ExecuteOptions,
): void {
  if (forecast.status === 'reuse') {
    const { task, trace, as } = forecast;
    const told = { event: 'reused', task, key: trace.key } as const;
    listener(as === undefined ? told : { ...told, sameAs: as });
    return;
  }
  const task = plan.tasks.get(forecast.task);
  if (task && forecast.status === 'infeasible') {
    state.markInfeasible(task, forecast.missingOutput, true);
  }
}
