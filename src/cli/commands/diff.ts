// diff.ts — pipeline diff RUN RUN: params, numbers and outputs that differ between two runs

import type { Json } from '../../engine/model/key.ts';
import type { RunRecord } from '../../engine/model/record.ts';
import { type Comparison, compareRuns, type Difference } from '../../engine/store/compare.ts';
import type { Store } from '../../engine/store/store.ts';
import { type FileSet, fileSet } from '../../file-set.ts';
import { elementAt } from '../../present.ts';
import { checkOutput, writeOutput } from '../session/output-files.ts';
import { oneRun } from '../session/run-selection.ts';
import {
  type CommonOptions,
  stdoutColors as c,
  EXIT,
  placesOf,
  storeAt,
  talk,
  tell,
  tellJson,
  UsageError,
} from '../session/session.ts';
import { type CommandDeclaration, STORE } from '../terminal/declaration.ts';
import { brief, count } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'diff',
  group: 'Runs',
  about: 'what differs between two runs: params, numbers in JSON outputs, outputs',
  arguments: [
    { name: '[before]', about: 'a run', default: 'last~1' },
    { name: '[after]', about: 'another', default: 'last' },
  ],
  options: [
    { flags: '--all', about: 'show every row' },
    { flags: '--html <file>', about: 'write a page with the reports of both, side by side' },
    ...STORE,
  ],
  examples: ['diff', 'diff last~3 last', 'diff 20260412T101502 3fa9 --json'],
};
export { diff as run };

interface DiffOptions extends CommonOptions {
  readonly all?: boolean;
  /** Where a page goes that shows the reports of both runs side by side. */
  readonly html?: string;
}

/** Without --all, so many rows of each table. */
const ROWS_SHOWN = 40;

/** Compares two runs. */
async function diff(before: string, after: string, options: DiffOptions): Promise<number> {
  if (options.html !== undefined) checkOutput(options.html);
  const store = storeAt(placesOf(options).cache, 'read');
  try {
    const [a, b] = [oneRun(store, before), oneRun(store, after)];
    if (options.html !== undefined) return await writeComparison(store, [a, b], options.html);
    const found = await compareRuns(store, a, b);
    if (options.json) tellJson({ before: a.id, after: b.id, ...found });
    else {
      talk(c.dim(`${a.id} → ${b.id}`));
      tellComparison(found, options.all ? Number.POSITIVE_INFINITY : ROWS_SHOWN);
    }
    return EXIT.made;
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
  await writeOutput(file, renderComparison(before, after));
  tell(file);
  return EXIT.made;
}

/** The files of a run's report. @throws UsageError when it made none, or they are gone */
async function reportOf(store: Store, run: RunRecord): Promise<FileSet> {
  for (const key of Object.values(run.tasks)) {
    const output = (await store.actions.get(key))?.outputs.files;
    const bytes = output?.kind === 'files' ? await store.blobs.get(output.digest) : undefined;
    const files = bytes && fileSet().decode(bytes);
    if (files && 'metrics.json' in files) return files;
  }
  const message = `run ${run.id} made no report: --html shows two reports side by side`;
  const hint =
    'a report is an output of files with a metrics.json; without --html, diff tells what differs';
  throw new UsageError([{ message, hint }]);
}

function tellComparison(found: Comparison, rows: number): void {
  const short = (digest: string | undefined): string => digest?.slice(0, 12) ?? '–';
  table(
    'params',
    rows,
    found.params.map((d) => [d.path, ...valuesOf(d)]),
  );
  table('metrics', rows, found.metrics.map(metricRow));
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
    talk(
      `${count(found.forgotten.length, 'task')} cannot be compared: gc has dropped their traces`,
    );
  }
  const same = [found.params, found.metrics, found.outputs, only].every(
    ({ length }) => length === 0,
  );
  if (same && found.forgotten.length === 0) talk('they made the same');
}

const shown = (value: Json | undefined): string =>
  value === undefined ? '–' : typeof value === 'number' ? shortNumber(value) : brief(value, 32);

const shortNumber = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));

const valuesOf = ({ before, after }: Difference): readonly string[] => [
  shown(before),
  shown(after),
];

function metricRow({ task, output, path, before, after }: Comparison['metrics'][number]) {
  const name = `${task}:${output}${path === '' ? '' : `.${path}`}`;
  const numbers = typeof before === 'number' && typeof after === 'number';
  const change = numbers ? after - before : undefined;
  const sign = change !== undefined && change > 0 ? '+' : '';
  return [
    name,
    shown(before),
    shown(after),
    change === undefined ? '' : sign + shortNumber(change),
  ];
}

function table(title: string, rows: number, lines: readonly (readonly string[])[]): void {
  if (lines.length === 0) return;
  tell(c.bold(`${title} (${lines.length})`));
  const visible = lines.slice(0, rows);
  const widths = elementAt(visible, 0).map((_, column) =>
    Math.max(...visible.map((line) => elementAt(line, column).length)),
  );
  for (const line of visible) {
    const cells = line.map((cell, column) => {
      const width = elementAt(widths, column);
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    tell(`  ${cells.join('  ').trimEnd()}`);
  }
  if (lines.length > visible.length) {
    tell(c.dim(`  and ${lines.length - visible.length} more: --all shows them`));
  }
}
