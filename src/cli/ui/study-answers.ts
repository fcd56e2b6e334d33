// study-answers.ts — what the page asks about results: tables of the matrix, and the plots that pipeline.yaml names
import { drawSvg } from '../../analysis/plot/draw.ts';
import { frameOf, seriesOf } from '../../analysis/results.ts';
import type { Store } from '../../engine/store/store.ts';
import { sentCell } from '../../ui/cells.ts';
import type { PlotLine, TableAnswer } from '../../ui/forms.ts';
import { plotOf, readAt, resultsOf } from '../session/result-table.ts';
import type { CommonOptions } from '../session/session.ts';
import { plannedStudy, readConfig, runStudy, type Study, selectInStudy } from '../session/study.ts';
import { UsageError } from '../session/usage-error.ts';
import { newestRecords } from './brief-store.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { OverviewSources } from './overview.ts';

/** More rows are no table for people. */
const ROWS_MAX = 200_000;

/** What an answer is made from. */
export interface StudySources extends OverviewSources {
  readonly options: CommonOptions;
  readonly kept: KeptAnswers;
}

/** The study as it is now, or as a run left it. @throws UsageError */
function studyIn({ plan, options }: StudySources, store: Store, run: string | undefined): Study {
  const known = plan.plan;
  if (run === undefined && known) return plannedStudy(known.loaded, known.options, store);
  const { history } = store;
  const record = run === undefined ? newestRecords(store, 1)[0] : history.run(run);
  if (record === undefined) {
    const message = run === undefined ? 'nothing has been made yet' : `there is no run ${run}`;
    throw new UsageError([{ message: plan.state.problem ?? message }]);
  }
  return runStudy(record, readConfig(options), store);
}

export interface TableAsked {
  /** `STAGE` or `STAGE:output`. */
  readonly stage: string;
  readonly run: string | undefined;
  readonly at: string | undefined;
}

/** The numbers of a stage, task by task. @throws UsageError for a stage that is not there */
export function tableAnswer(sources: StudySources, asked: TableAsked): Promise<TableAnswer> {
  return sources.store.read(async (store) => {
    const study = studyIn(sources, store, asked.run);
    const selection = selectInStudy(study, asked.stage);
    const results = await resultsOf(study, selection, store);
    const frame = frameOf(results.results, readAt(asked.at));
    const rows = frame.rows.slice(0, ROWS_MAX);
    const left = frame.rows.length - rows.length;
    return {
      stage: asked.stage,
      columns: frame.columns,
      rows: rows.map((row) => row.map(sentCell)),
      notes: left > 0 ? [...results.notes, `${left} rows are not shown`] : results.notes,
      series: [...seriesOf(results.results).keys()],
    };
  });
}

/** Stages of which there is something, by the plan or by the newest run. */
export function stageNames(
  sources: StudySources,
  run: string | undefined,
): Promise<readonly string[]> {
  return sources.store.read(async (store) => {
    try {
      const { tasks } = studyIn(sources, store, run);
      return [...new Set([...tasks.values()].map(({ stage }) => stage))];
    } catch (error) {
      if (error instanceof UsageError) return [];
      throw error;
    }
  });
}

/** The plots that pipeline.yaml names. */
export function plotList({ plan }: StudySources): readonly PlotLine[] {
  const plots = plan.plan?.loaded.pipeline.plots ?? [];
  return plots.map(({ name, title }) => ({ name, title: title ?? name }));
}

/** One of them, drawn. Undefined where there is none of this name. @throws UsageError */
export function plotSvg(sources: StudySources, name: string): Promise<string | undefined> {
  return sources.store.read(async (store) => {
    const known = sources.plan.plan;
    const found = known?.loaded.pipeline.plots.find((plot) => plot.name === name);
    if (known === undefined || found === undefined) return undefined;
    const study = plannedStudy(known.loaded, known.options, store);
    const { place: _, where = [], ...named } = found;
    const plot = await plotOf(study, { ...named, where }, store, () => undefined);
    return drawSvg(plot.spec);
  });
}
