// result-table.ts — the results of a stage as a table or a plot, with what is to be said of them
import { type Causes, causesBetween } from '../../analysis/causes.ts';
import { filterRows } from '../../analysis/filter.ts';
import type { Frame } from '../../analysis/frame.ts';
import type { PlotRequest } from '../../analysis/plot/plan.ts';
import { makePlot, type Plot } from '../../analysis/plot/plot.ts';
import { frameOf, type Results, readResults } from '../../analysis/results.ts';
import { type TableRequest, tabulate } from '../../analysis/tabulate.ts';
import type { At } from '../../analysis/values.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { RunRecord } from '../../engine/model/record.ts';
import type { Store } from '../../engine/store/store.ts';
import { count, quoted } from '../terminal/format.ts';
import type { CommonOptions } from './session.ts';
import {
  analysed,
  factsOfRun,
  type KnownTask,
  readConfig,
  recordedOf,
  runStudy,
  type Study,
  type StudySelection,
  selectInStudy,
} from './study.ts';
import { UsageError } from './usage-error.ts';

/** A table, and what is to be said of it. */
export interface ResultTable {
  readonly stage: string;
  readonly output?: string;
  readonly frame: Frame;
  /** For people, in plain words. */
  readonly notes: readonly string[];
  /** Tasks whose rows show an earlier making. */
  readonly stale: readonly TaskId[];
  /** Of a comparison. */
  readonly causes?: Causes;
}

/** What a table is made from. */
export interface TableSources {
  readonly store: Store;
  readonly options: CommonOptions;
  readonly request: TableRequest;
  readonly at: At;
  /** The run that is compared with. */
  readonly against?: RunRecord;
}

/** What tasks of a stage gave, and what is to be said of those that produced no output. */
export interface StageResults extends Results {
  readonly known: ReadonlyMap<TaskId, KnownTask>;
  readonly notes: readonly string[];
  readonly stale: readonly TaskId[];
}

/** Reads what the selected tasks gave. @throws UsageError where there is nothing to read */
export async function resultsOf(
  study: Study,
  selection: StudySelection,
  store: Store,
): Promise<StageResults> {
  const known = await study.known(selection.tasks.map(({ id }) => id));
  const tasks = recordedOf(selection.tasks, known);
  const results = await analysed(() => readResults(store.blobs, tasks, selection.output));
  const stale = [...known].flatMap(([task, { state }]) => (state === 'stale' ? [task] : []));
  return {
    ...results,
    known,
    stale,
    notes: [...stateNotes(selection, known), ...readNotes(results)],
  };
}

/** Makes the table that was asked for. @throws UsageError */
export async function resultTable(
  study: Study,
  selection: StudySelection,
  { store, options, request, at, against }: TableSources,
): Promise<ResultTable> {
  const now = await resultsOf(study, selection, store);
  const frame = frameOf(now.results, at);
  const about = {
    stage: selection.stage,
    ...(selection.output !== undefined && { output: selection.output }),
    stale: now.stale,
  };
  if (frame.rows.length === 0) return { ...about, frame, notes: now.notes };
  const before = against && (await beforeOf(against, selection, { store, options, at }));
  const made = await analysed(() => tabulate(frame, request, before));
  const causes =
    against && (await causesBetween(store.actions, factsOfRun(against), study.facts(now.known)));
  const notes = [...now.notes, ...tableNotes(made, selection.stage, against)];
  return { ...about, frame: made.frame, notes, ...(causes && { causes }) };
}

async function beforeOf(
  run: RunRecord,
  { stage, output }: StudySelection,
  { store, options, at }: Pick<TableSources, 'store' | 'options' | 'at'>,
): Promise<Frame> {
  const study = runStudy(run, readConfig(options), store);
  const tasks = [...study.tasks.values()].filter((task) => task.stage === stage);
  if (tasks.length === 0) {
    const made = new Set([...study.tasks.values()].map((task) => task.stage));
    const hint = made.size > 0 ? `it made ${[...made].join(', ')}` : undefined;
    throw new UsageError([{ message: `run ${run.id} made no task of \`${stage}\``, hint }]);
  }
  const { results } = await resultsOf(
    study,
    { stage, tasks, ...(output !== undefined && { output }) },
    store,
  );
  return frameOf(results, at);
}

/** What is to be said of tasks without a row, and of rows that are of an earlier making. */
function stateNotes(
  { stage, tasks }: StudySelection,
  known: ReadonlyMap<TaskId, KnownTask>,
): readonly string[] {
  const tally = { current: 0, stale: 0, unknown: 0, unmade: 0, infeasible: 0, lost: 0 };
  for (const { state } of known.values()) tally[state] += 1;
  const of = (n: number): string =>
    `${n === tasks.length && n > 1 ? 'all ' : ''}${count(n, 'task')}`;
  const isAre = (n: number): string => (n === 1 ? 'is' : 'are');
  const make = `pipeline make ${quoted(stage)}`;
  return [
    ...(tally.stale > 0
      ? [`${of(tally.stale)} ${isAre(tally.stale)} out of date: shown as last made (${make})`]
      : []),
    ...(tally.unmade > 0 ? [`${of(tally.unmade)} not made yet (${make})`] : []),
    ...(tally.infeasible > 0
      ? [`${of(tally.infeasible)} ${isAre(tally.infeasible)} infeasible`]
      : []),
    ...(tally.lost > 0 ? [`gc has deleted what ${of(tally.lost)} gave in this run`] : []),
  ];
}

function readNotes({ lost, large, dropped }: Results): readonly string[] {
  const some = (names: readonly string[]): string =>
    `${names.slice(0, 3).join(', ')}${names.length > 3 ? `, … (${names.length})` : ''}`;
  return [
    ...(lost.length > 0 ? [`the store has lost outputs of ${some(lost)}`] : []),
    ...(large.length > 0 ? [`too large for a table: ${some(large)}`] : []),
    ...(dropped > 0
      ? [`${count(dropped, 'value')} left out: a table is no place for so many`]
      : []),
  ];
}

function tableNotes(
  { over, only, chosenBy }: ReturnType<typeof tabulate>,
  stage: string,
  against: RunRecord | undefined,
): readonly string[] {
  const averaged = over?.map(({ axis, labels }) => `${axis} (${labels})`).join(', ');
  return [
    ...(over
      ? [
          `mean ± SD over ${averaged === '' ? 'nothing: one task each' : averaged}; 95 % interval of the mean by Student's t`,
        ]
      : []),
    ...(chosenBy === undefined
      ? []
      : [`ordered by ${chosenBy.replace(/^-/, '')}: --sort says otherwise`]),
    ...(only && only.now > 0
      ? [`${count(only.now, 'task')} of ${stage} not in run ${against?.id}`]
      : []),
    ...(only && only.before > 0
      ? [`${count(only.before, 'task')} only in run ${against?.id}`]
      : []),
  ];
}

/** At which step series are read. @throws UsageError */
export function readAt(word = 'last'): At {
  if (word === 'last' || word === 'best') return { kind: word };
  const step = Number(word);
  if (/^\d+(?:\.\d+)?$/.test(word)) return { kind: 'step', step };
  const hint = '--at last, --at best, or a step such as --at 10';
  throw new UsageError([{ message: `\`${word}\` is not a step of a series`, hint }]);
}

/** A plot that is to be drawn. */
export interface AskedPlot extends PlotRequest {
  /** Of its file. */
  readonly name: string;
  readonly target: string;
  readonly where: readonly string[];
  readonly at?: string;
}

/** Makes a plot of what the tasks of a study gave. @param tell takes what is to be said of it @throws UsageError */
export async function plotOf(
  study: Study,
  asked: AskedPlot,
  store: Store,
  tell: (note: string) => void,
): Promise<Plot> {
  const selection = selectInStudy(study, asked.target);
  const results = await resultsOf(study, selection, store);
  for (const note of results.notes) tell(`${asked.name}: ${note}`);
  const whole = frameOf(results.results, readAt(asked.at));
  if (whole.rows.length === 0) {
    const message = `there is nothing to plot of \`${selection.stage}\``;
    throw new UsageError([{ message, hint: results.notes[0] ?? 'pipeline make' }]);
  }
  return await analysed(() => {
    const frame = filterRows(whole, asked.where);
    return makePlot(selection.stage, frame, results.results, asked);
  });
}
