// diff.ts — pipeline diff RUN RUN: params, numbers and outputs that differ between two runs

import { type Causes, causesBetween, type FileChange, isSame } from '../../analysis/causes.ts';
import { type Effect, effectsBetween, isOfStage, stageOfTask } from '../../analysis/effects.ts';
import { WHOLE } from '../../analysis/values.ts';
import type { Json } from '../../engine/model/key.ts';
import type { RunRecord } from '../../engine/model/record.ts';
import { type Comparison, compareRuns, type Difference } from '../../engine/store/compare.ts';
import type { Store } from '../../engine/store/store.ts';
import { type FileSet, fileSet } from '../../file-set.ts';
import { didYouMean } from '../../hint.ts';
import { elementAt } from '../../present.ts';
import type { ChangedValue, ComparisonCauses } from '../../report/comparison.ts';
import { withRemoteBlobs } from '../remote/far-blobs.ts';
import { checkOutput, writeOutput } from '../session/output-files.ts';
import { placesOf } from '../session/places.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { oneRun } from '../session/run-selection.ts';
import { type CommonOptions, EXIT, storeAt } from '../session/session.ts';
import { factsOfRun } from '../session/study.ts';
import { UsageError } from '../session/usage-error.ts';
import { type CommandDeclaration, STORE } from '../terminal/declaration.ts';
import { brief, count } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'diff',
  group: 'Runs',
  about: 'show what differs between two runs: first the causes, then the numbers',
  arguments: [
    {
      name: '[before]',
      about: 'a run: its id or a beginning of it, a name, a tag, or last~2',
      default: 'last~1',
    },
    { name: '[after]', about: 'another run', default: 'last' },
  ],
  options: [
    { flags: '--stage <name>', about: 'only effects on this stage (repeatable)', repeatable: true },
    {
      flags: '--metric <name>',
      about: 'only effects on these numbers; * matches anything (repeatable)',
      repeatable: true,
    },
    { flags: '--all', about: 'show all rows' },
    {
      flags: '--html <file>',
      about: 'write a page that compares both reports: what changed and why',
    },
    ...STORE,
  ],
  examples: ['diff', 'diff last~3 last', 'diff 20260412T101502 3fa9 --json'],
};
export { diff as run };

interface DiffOptions extends CommonOptions {
  readonly stage: readonly string[];
  readonly metric: readonly string[];
  readonly all?: boolean;
  /** Where a page goes that shows the reports of both runs side by side. */
  readonly html?: string;
}

/** Without --all, so many rows of each table. */
const ROWS_SHOWN = 40;

/** Compares two runs. */
async function diff(before: string, after: string, options: DiffOptions): Promise<number> {
  if (options.html !== undefined) checkOutput(options.html);
  const store = withRemoteBlobs(storeAt(placesOf(options).cache, 'read'), placesOf(options));
  try {
    const [a, b] = [oneRun(store, before), oneRun(store, after)];
    if (options.html !== undefined) return await writeComparison(store, [a, b], options.html);
    checkStages(options.stage, a, b);
    const stages = orAll(options.stage);
    const all = await compareRuns(store, a, b);
    const found = ofStages(all, stages);
    const causes = await causesBetween(store.actions, factsOfRun(a), factsOfRun(b));
    const filter = { stages, metrics: orAll(options.metric) };
    const effects = await effectsBetween(store, a.tasks, b.tasks, filter);
    if (options.json) {
      const { params: _, ...rest } = causes;
      writeJson({ before: a.id, after: b.id, ...found, causes: rest, effects });
    } else {
      writeStderr(c.dim(`${formatRun(a)} → ${formatRun(b)}`));
      const rows = options.all ? Number.POSITIVE_INFINITY : ROWS_SHOWN;
      tellComparison(found, { causes, effects, rows, onlyMetrics: options.metric.length > 0 });
    }
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/** The reports of both runs on one page. */
async function writeComparison(
  store: Store,
  runs: readonly [RunRecord, RunRecord],
  file: string,
): Promise<number> {
  const compared = async (run: RunRecord) => ({ name: run.id, files: await reportOf(store, run) });
  const [before, after] = await Promise.all([compared(runs[0]), compared(runs[1])]);
  const { renderComparison } = await import('../../report/comparison.ts');
  await writeOutput(file, renderComparison(before, after, await causesOf(store, runs)));
  writeStdout(file);
  return EXIT.success;
}

/** What the page says of the difference between the runs themselves. */
async function causesOf(
  store: Store,
  [a, b]: readonly [RunRecord, RunRecord],
): Promise<ComparisonCauses> {
  const found = await compareRuns(store, a, b);
  const { params, tools, ...causes } = await causesBetween(
    store.actions,
    factsOfRun(a),
    factsOfRun(b),
  );
  const value = (d: Difference): ChangedValue => ({
    path: d.path,
    before: shown(d.before),
    after: shown(d.after),
  });
  const { before, after } = found.only;
  const tasks = {
    both: Object.keys(a.tasks).length - before.length,
    changed: new Set(found.outputs.map(({ task }) => task)).size,
    ...{ onlyBefore: before.length, onlyAfter: after.length, forgotten: found.forgotten.length },
  };
  return { ...causes, params: params.map(value), tools: tools.map(value), tasks };
}

/** The files of a run's report. @throws UsageError when it made none, or they are gone */
async function reportOf(store: Store, run: RunRecord): Promise<FileSet> {
  for (const key of Object.values(run.tasks)) {
    const output = (await store.actions.get(key))?.outputs.files;
    const bytes = output?.kind === 'files' ? await store.blobs.get(output.digest) : undefined;
    const files = bytes && fileSet().decode(bytes);
    if (files && 'metrics.json' in files) return files;
  }
  const message = `run ${run.id} made no report: --html compares two reports`;
  const hint =
    'a report is an output of files with a metrics.json; without --html, diff tells what differs';
  throw new UsageError([{ message, hint }]);
}

/** What somebody picked; everything where that is nothing. */
const orAll = (words: readonly string[]): readonly string[] | undefined =>
  words.length > 0 ? words : undefined;

/** A run, and how far it is where that is not its end. */
const formatRun = ({ id, state = 'finished' }: RunRecord): string =>
  state === 'finished' ? id : `${id} (${state})`;

/** Refuses a stage of which neither run has a task. @throws UsageError */
function checkStages(stages: readonly string[], ...runs: readonly RunRecord[]): void {
  const known = new Set(runs.flatMap(({ tasks }) => Object.keys(tasks).map(stageOfTask)));
  for (const stage of stages) {
    if (known.has(stage)) continue;
    const message = `neither run made a task of a stage \`${stage}\``;
    throw new UsageError([{ message, hint: didYouMean(stage, known) }]);
  }
}

function ofStages(found: Comparison, stages: readonly string[] | undefined): Comparison {
  if (stages === undefined) return found;
  const isWanted = (task: string): boolean => isOfStage(task, stages);
  return {
    ...found,
    metrics: found.metrics.filter(({ task }) => isWanted(task)),
    outputs: found.outputs.filter(({ task }) => isWanted(task)),
    only: {
      before: found.only.before.filter(isWanted),
      after: found.only.after.filter(isWanted),
    },
    forgotten: found.forgotten.filter(isWanted),
  };
}

interface Told {
  readonly causes: Causes;
  readonly effects: readonly Effect[];
  readonly rows: number;
  /** Whether nothing but numbers was asked for. */
  readonly onlyMetrics: boolean;
}

/** First what caused the difference, then what came of it. */
function tellComparison(found: Comparison, { causes, effects, rows, onlyMetrics }: Told): void {
  const short = (digest: string | undefined): string => digest?.slice(0, 12) ?? '–';
  table(
    'params',
    rows,
    found.params.map((d) => [d.path, ...valuesOf(d)]),
  );
  const file = ({ file: name, change }: FileChange): readonly string[] => [name, change];
  table('sources', rows, causes.sources.map(file));
  // Files tell more than stages, where they are known.
  if (causes.sources.length === 0) {
    table(
      'code',
      rows,
      causes.code.map((stage) => [stage, 'changed']),
    );
  }
  table('inputs', rows, causes.inputs.map(file));
  table(
    'tools',
    rows,
    causes.tools.map((d) => [d.path, ...valuesOf(d)]),
  );
  table('metrics', rows, effects.filter(({ steps }) => steps === undefined).map(effectRow));
  table('series', rows, effects.filter(({ steps }) => steps !== undefined).map(effectRow));
  if (onlyMetrics) {
    if (effects.length === 0) writeStderr('none of these numbers differs');
    return;
  }
  table(
    'outputs',
    rows,
    found.outputs.map(({ task, output, before, after }) => [
      `${task}:${output}`,
      short(before),
      short(after),
    ]),
  );
  const only = [
    ...found.only.before.map((task) => [task, 'made', '–']),
    ...found.only.after.map((task) => [task, '–', 'made']),
  ];
  table('tasks', rows, only);
  if (found.forgotten.length > 0) {
    writeStderr(
      `${count(found.forgotten.length, 'task')} cannot be compared: gc has deleted their records`,
    );
  }
  const same = [found.outputs, only].every(({ length }) => length === 0);
  if (!same || found.forgotten.length > 0) return;
  writeStderr(isSame(causes) ? 'they made the same' : 'what they made is the same');
}

const shown = (value: Json | undefined): string =>
  value === undefined ? '–' : typeof value === 'number' ? shortNumber(value) : brief(value, 32);

const shortNumber = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));

const valuesOf = ({ before, after }: Difference): readonly string[] => [
  shown(before),
  shown(after),
];

function effectRow({
  task,
  output,
  name,
  before,
  after,
  steps,
  relative,
}: Effect): readonly string[] {
  const path = name === WHOLE ? '' : `.${name}`;
  const both = before !== null && after !== null;
  const change = both ? after - before : Number.NaN;
  const sign = change > 0 ? '+' : '';
  const share = `${relative < 0.001 ? '<0.1' : (100 * relative).toFixed(1)} %`;
  return [
    `${task}:${output}${path}`,
    shown(before ?? undefined),
    shown(after ?? undefined),
    Number.isFinite(change) ? sign + shortNumber(change) : '',
    Number.isFinite(change) ? share : '',
    ...(steps === undefined ? [] : [count(steps, 'step')]),
  ];
}

function table(title: string, rows: number, lines: readonly (readonly string[])[]): void {
  if (lines.length === 0) return;
  writeStdout(c.bold(`${title} (${lines.length})`));
  const visible = lines.slice(0, rows);
  const widths = elementAt(visible, 0).map((_, column) =>
    Math.max(...visible.map((line) => elementAt(line, column).length)),
  );
  for (const line of visible) {
    const cells = line.map((cell, column) => {
      const width = elementAt(widths, column);
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    writeStdout(`  ${cells.join('  ').trimEnd()}`);
  }
  if (lines.length > visible.length) {
    writeStdout(c.dim(`  and ${lines.length - visible.length} more: --all shows them`));
  }
}
