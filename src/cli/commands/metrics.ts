// metrics.ts — pipeline metrics: a table over the matrix, of the numbers in JSON outputs

import { extname } from 'node:path';
import { csvOf, latexOf, markdownOf, rowsJson, tsvOf } from '../../analysis/forms.ts';
import { cellAt } from '../../analysis/frame.ts';
import { textColumns } from '../../analysis/layout.ts';
import { stackFrames, TASK } from '../../analysis/results.ts';
import { listOf, type TableRequest } from '../../analysis/tabulate.ts';
import type { Named } from '../../engine/model/key.ts';
import type { Store } from '../../engine/store/store.ts';
import { plainText } from '../../plain-text.ts';
import { elementAt, entryOf } from '../../present.ts';
import { withRemoteBlobs } from '../remote/far-blobs.ts';
import { writeOutput } from '../session/output-files.ts';
import { placesOf } from '../session/places.ts';
import { stderrColors, stdoutColors, writeStderr } from '../session/printing.ts';
import {
  type ResultTable,
  readAt,
  resultTable,
  type TableSources,
} from '../session/result-table.ts';
import { oneRun } from '../session/run-selection.ts';
import { type CommonOptions, EXIT, storeAt } from '../session/session.ts';
import {
  currentStudy,
  readConfig,
  runStudy,
  type Study,
  type StudySelection,
  selectInStudy,
} from '../session/study.ts';
import { UsageError } from '../session/usage-error.ts';
import { formatCauses } from '../terminal/causes.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { colorsFor, count, quoted } from '../terminal/format.ts';
import { writeBytes } from '../terminal/ink.ts';
import { drawTable } from '../terminal/table.ts';

export const command: CommandDeclaration = {
  name: 'metrics',
  group: 'Look',
  about: 'print a table of the numbers in the JSON outputs of a stage',
  arguments: [
    {
      name: '[stage]',
      about: "a stage, 'STAGE[axis=label]' or STAGE:output",
    },
  ],
  options: [
    {
      flags: '--where <condition>',
      about:
        'only rows with this label or number, such as profile=uniform or loss<0.5 (repeatable)',
      repeatable: true,
    },
    {
      flags: '--columns <names>',
      about: 'only these numbers, separated by commas; * matches anything',
    },
    { flags: '--sort <names>', about: 'sort rows by these columns; -NAME reverses the order' },
    {
      flags: '--group-by <axes>',
      about: 'one row for each label: mean, SD, n and a 95 % interval',
    },
    { flags: '--pivot <axis>', about: 'one column for each label of this axis' },
    { flags: '--top <n>', about: 'only the first n rows, or the best n', value: 'positive' },
    {
      flags: '--at <step>',
      about: 'the value of a series: last (the default), best, or a step number',
    },
    { flags: '--run <run>', about: 'the results of this run' },
    { flags: '--against <run>', about: 'compare with this run: differences and their causes' },
    {
      flags: '--format <format>',
      about: 'format (default: from the file extension, or table)',
      choices: ['table', 'csv', 'tsv', 'json', 'md', 'tex'],
    },
    { flags: '--all', about: 'show all rows and columns on a terminal' },
    { flags: '-o, --output <file>', about: 'write to a file' },
    ...COMMON,
  ],
  examples: [
    'metrics rigl --sort -accuracy --top 10',
    'metrics rigl --group-by profile --columns accuracy',
    "metrics 'rigl[profile=uniform]' --pivot sparsity",
    'metrics rigl:metrics --against last~1 --format csv',
  ],
};
export { metrics as run };

type TableFormat = 'table' | 'csv' | 'tsv' | 'json' | 'md' | 'tex';

interface MetricsOptions extends CommonOptions {
  readonly where?: readonly string[];
  readonly columns?: string;
  readonly sort?: string;
  readonly groupBy?: string;
  readonly pivot?: string;
  readonly top?: number;
  readonly at?: string;
  readonly run?: string;
  readonly against?: string;
  readonly format?: TableFormat;
  readonly all?: boolean;
  readonly output?: string;
}

const BY_ENDING: Named<TableFormat> = {
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.json': 'json',
  '.md': 'md',
  '.tex': 'tex',
};

/** On a terminal, so many rows of a table. */
const ROWS_SHOWN = 40;
/** ... and where a table of each stage is shown. */
const ROWS_SHOWN_EACH = 8;

/** Shows a table of a stage, or of each stage that has numbers. */
async function metrics(target: string | undefined, options: MetricsOptions): Promise<number> {
  const at = readAt(options.at);
  const format = formatOf(options);
  const store = withRemoteBlobs(storeAt(placesOf(options).cache, 'read'), placesOf(options));
  try {
    const against = options.against === undefined ? undefined : oneRun(store, options.against);
    const study = await studyFor(options, store);
    const sources = {
      store,
      options,
      request: requestOf(options),
      at,
      ...(against && { against }),
    };
    const selections = target === undefined ? eachStage(study) : [selectInStudy(study, target)];
    const all = await tablesOf(study, selections, sources);
    const tables = all.filter(({ frame }) => frame.columns.some(({ kind }) => kind === 'number'));
    tellProblems(study);
    if (tables.length === 0) throw nothingFound(target, all, study);
    const text = textOf(tables, format, {
      ...options,
      rows: target === undefined ? ROWS_SHOWN_EACH : ROWS_SHOWN,
    });
    if (options.output === undefined || options.output === '-') writeBytes(process.stdout, text);
    else await writeOutput(options.output, text);
    if (format !== 'json') tellNotes(tables);
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/** A table of each selection. Of several, those stay in which what was asked for can be meant. */
async function tablesOf(
  study: Study,
  selections: readonly StudySelection[],
  sources: TableSources,
): Promise<readonly ResultTable[]> {
  const [only, ...others] = selections;
  if (only && others.length === 0) return [await resultTable(study, only, sources)];
  const refused: UsageError[] = [];
  const tables: ResultTable[] = [];
  for (const selection of selections) {
    try {
      tables.push(await resultTable(study, selection, sources));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      refused.push(error);
    }
  }
  if (tables.length === 0 && refused.length > 0) throw refused[0];
  return tables;
}

/** The pipeline as it is, or a run. @throws UsageError */
export async function studyFor(
  options: CommonOptions & { readonly run?: string },
  store: Store,
): Promise<Study> {
  if (options.run === undefined) return await currentStudy(options, store);
  return runStudy(oneRun(store, options.run), readConfig(options), store);
}

/** Says why rows are not of the pipeline as it is. */
export function tellProblems({ problems }: Study): void {
  const [first] = problems;
  if (first === undefined) return;
  const why = stderrColors.yellow(`the pipeline cannot be loaded (${first.message})`);
  writeStderr(`${why}: these are the last results`);
}

function eachStage({ tasks }: Study): readonly StudySelection[] {
  const stages = new Map<string, StudySelection['tasks'][number][]>();
  for (const task of tasks.values()) {
    const own = stages.get(task.stage);
    if (own) own.push(task);
    else stages.set(task.stage, [task]);
  }
  return [...stages].map(([stage, own]) => ({ stage, tasks: own }));
}

function requestOf(options: MetricsOptions): TableRequest {
  const list = (text: string | undefined) => (text === undefined ? undefined : listOf(text));
  return {
    where: options.where ?? [],
    columns: list(options.columns),
    sort: list(options.sort),
    groupBy: list(options.groupBy),
    pivot: options.pivot,
    top: options.top,
  };
}

function formatOf({ format, output, json }: MetricsOptions): TableFormat {
  if (json) return 'json';
  const ending = extname(output ?? '').toLowerCase();
  return format ?? (Object.hasOwn(BY_ENDING, ending) ? entryOf(BY_ENDING, ending) : 'table');
}

/** Why there is no table. */
function nothingFound(
  target: string | undefined,
  tables: readonly ResultTable[],
  { tasks }: Study,
): UsageError {
  const notes = tables.flatMap((table) => table.notes);
  if (target === undefined) {
    const message = tasks.size === 0 ? 'there is no task' : 'no task has given a number yet';
    return new UsageError([{ message, hint: 'pipeline make; metrics come from JSON outputs' }]);
  }
  const { stage } = elementAt(tables, 0);
  if (notes.length > 0) {
    return new UsageError([
      { message: `there is nothing to show of \`${stage}\``, hint: notes[0] },
    ]);
  }
  const hint = 'metrics are the numbers of outputs of kind json';
  return new UsageError([{ message: `no output of \`${stage}\` holds a number`, hint }]);
}

interface Shown {
  readonly rows: number;
  readonly all?: boolean;
  readonly columns?: string;
  readonly output?: string;
}

function textOf(tables: readonly ResultTable[], format: TableFormat, shown: Shown): string {
  if (format === 'json') return jsonText(tables);
  const texts = tables.map((table) => {
    if (format === 'table') return tableText(table, shown);
    const write = { csv: csvOf, tsv: tsvOf, md: markdownOf, tex: latexOf }[format];
    const hasAxes = table.frame.columns.some(({ kind }) => kind === 'axis');
    const isForPeople = format === 'md' || format === 'tex';
    return write(isForPeople && hasAxes ? withoutTask(table.frame) : table.frame);
  });
  if (tables.length === 1) return elementAt(texts, 0);
  if (format === 'csv' || format === 'tsv') {
    const stacked = stackFrames(tables.map(({ stage, frame }) => [stage, frame]));
    return format === 'csv' ? csvOf(stacked) : tsvOf(stacked);
  }
  const titled = texts.map((text, at) => `${titleOf(elementAt(tables, at), format)}${text}`);
  return titled.join('\n');
}

const titleOf = ({ stage }: ResultTable, format: TableFormat): string => {
  if (format === 'md') return `### ${stage}\n\n`;
  if (format === 'tex') return `% ${stage}\n`;
  return `${stdoutColors.cyan(stage)}\n`;
};

function jsonText(tables: readonly ResultTable[]): string {
  const shown = tables.map(({ stage, output, frame, notes, stale, causes }) => ({
    stage,
    ...(output !== undefined && { output }),
    columns: frame.columns.map(({ name }) => name),
    rows: rowsJson(frame),
    ...(stale.length > 0 && { stale }),
    ...(notes.length > 0 && { notes }),
    ...(causes && { causes }),
  }));
  return `${JSON.stringify({ tables: shown }, null, process.stdout.isTTY ? 2 : undefined)}\n`;
}

const withoutTask = ({ columns, rows }: ResultTable['frame']): ResultTable['frame'] => {
  const kept = columns.flatMap(({ name }, at) => (name === TASK ? [] : [at]));
  return {
    columns: kept.map((at) => elementAt(columns, at)),
    rows: rows.map((row) => kept.map((at) => cellAt(row, at))),
  };
};

/** A table for people: within the terminal's width, or whole in a pipe or a file. */
function tableText({ frame, stage }: ResultTable, shown: Shown): string {
  const isTerminal = process.stdout.isTTY === true && shown.output === undefined;
  const most = isTerminal && !shown.all ? shown.rows : frame.rows.length;
  const hasAxes = frame.columns.some(({ kind }) => kind === 'axis');
  const own = hasAxes ? withoutTask(frame) : frame;
  const columns = textColumns(own).map((column) => ({
    ...column,
    cells: column.cells.slice(0, most),
  }));
  const { lines, left, same } = drawTable(columns, {
    width: isTerminal ? process.stdout.columns : undefined,
    allColumns: shown.columns !== undefined || shown.all === true,
    colors: isTerminal ? stdoutColors : colorsFor({}, { NO_COLOR: '1' }),
  });
  const c = stdoutColors;
  const everywhere = same.map(([head, value]) => `${head}=${value}`).join('  ');
  const rest = frame.rows.length - most;
  const after = [
    ...(rest > 0
      ? [`and ${count(rest, 'row')} more: pipeline metrics ${quoted(stage)} --all`]
      : []),
    ...(left.length > 0 ? [`and ${formatLeft(left)}: --columns, or --all`] : []),
  ];
  const text = [
    ...(everywhere === '' ? [] : [c.dim(everywhere)]),
    ...lines,
    ...after.map((line) => c.dim(line)),
  ].join('\n');
  return `${isTerminal ? text : plainText(text)}\n`;
}

/** Names of columns that were left out, as many as a line holds. */
function formatLeft(left: readonly string[]): string {
  const names: string[] = [];
  let length = 0;
  for (const name of left) {
    if (length + name.length > 44) break;
    names.push(name);
    length += name.length + 2;
  }
  const more = names.length < left.length ? `${names.length > 0 ? ', ' : ''}…` : '';
  return `${count(left.length, 'column')} more (${names.join(', ')}${more})`;
}

function tellNotes(tables: readonly ResultTable[]): void {
  for (const { stage, notes } of tables) {
    for (const note of notes) {
      writeStderr(stderrColors.dim(tables.length > 1 ? `${stage}: ${note}` : note));
    }
  }
  const { causes } = elementAt(tables, 0);
  if (causes) for (const line of formatCauses(causes)) writeStderr(line);
}
