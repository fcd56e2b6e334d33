// task-output.ts — what a task printed and the curves that it gave, while it runs and afterwards
import { readResults, seriesOf } from '../../analysis/results.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { TaskLog } from '../../engine/model/record.ts';
import { lastRunOf } from '../../engine/store/history.ts';
import { logInJournal } from '../../engine/store/journal-follow.ts';
import { plainLog } from '../../plain-text.ts';
import type { Curve, LogPart } from '../../ui/forms.ts';
import { logPart } from '../../ui/run-state.ts';
import { newestRecords, recordedLog } from './brief-store.ts';
import type { OverviewSources } from './overview.ts';
import { latestKey, RUNS_READ, runView } from './run-view.ts';

/** What a task printed, from a line on. */
export async function taskLog(
  sources: OverviewSources,
  id: string,
  { run, from }: { readonly run: string | undefined; readonly from: number },
): Promise<LogPart> {
  const view = await runView(sources, run);
  const followed = view && sources.watch.runs.get(view.id);
  const live = followed?.state.log(id, from);
  // What failed has left its log in the store at once, and nothing with the run.
  if (live && (live.total > 0 || live.isOpen)) return plainPart(live);
  return sources.store.read(async (store) => {
    const own = view && recordedLog(store, view.id, id);
    if (own) return plainPart(partOf(own, from));
    const kept =
      view?.isFollowed && (await logInJournal(sources.places.cache, view.id, id as TaskId));
    if (kept && kept.head.length > 0) return plainPart(logPart(kept, from, false));
    // A task that was reused said nothing: shown is what it said when it ran.
    const last = lastRunOf(newestRecords(store, RUNS_READ), id as TaskId);
    return plainPart(partOf(last && recordedLog(store, last.id, id), from));
  });
}

function partOf(log: TaskLog | undefined, from: number): LogPart {
  const { lines = [], dropped = 0 } = log ?? {};
  const middle = dropped > 0 ? Math.ceil(lines.length / 2) : lines.length;
  return logPart({ head: lines.slice(0, middle), tail: lines.slice(middle), dropped }, from, false);
}

const plainPart = (part: LogPart): LogPart => ({ ...part, lines: part.lines.map(plainLog) });

const TASKS_OF_CURVES = 60;
const CURVE_POINTS = 2000;

/** Numbers over steps: what running tasks report, and the series in the outputs of those that are made. */
export async function curvesOf(
  sources: OverviewSources,
  tasks: readonly string[],
  run: string | undefined,
): Promise<readonly Curve[]> {
  const view = await runView(sources, run);
  const followed = view && sources.watch.runs.get(view.id);
  const curves: Curve[] = [];
  await sources.store.read(async (store) => {
    for (const task of tasks.slice(0, TASKS_OF_CURVES)) {
      const live = followed?.state.curves(task) ?? [];
      const key = view?.keyOf(task) ?? (await latestKey(store, task));
      const record = key && (await store.actions.get(key));
      const names = new Set<string>();
      if (record) {
        const { results } = await readResults(store.blobs, [
          { task: task as TaskId, at: {}, record },
        ]);
        for (const [name, byTask] of seriesOf(results)) {
          const series = byTask.get(task as TaskId);
          if (series === undefined) continue;
          names.add(name);
          const values = series.values.slice(0, CURVE_POINTS);
          const steps = series.steps ?? values.map((_, at) => at + 1);
          curves.push({
            task,
            name,
            steps: steps.slice(0, CURVE_POINTS),
            values: values.map(finite),
          });
        }
      }
      // What a program reported is in one of its outputs when it is done, there after the name of the output.
      const isThere = (name: string): boolean =>
        [...names].some((known) => known === name || known.endsWith(`.${name}`));
      curves.push(...live.filter(({ name }) => !isThere(name)));
    }
  });
  return curves;
}

const finite = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) ? value : null;
