// status.ts — pipeline status: what is made, and what a make would run
import { type Forecast, forecast } from '../pipeline/action.ts';
import { forecastJson, forecastWords, willRun } from './forecast.ts';
import {
  type CommonOptions,
  stdoutColors as c,
  EXIT,
  openSession,
  resolveTargets,
  talk,
  tell,
  tellJson,
} from './session.ts';
import { count } from './words.ts';

/** Without targets: a line per stage. With targets: a line per task. */
export async function status(targets: readonly string[], options: CommonOptions): Promise<number> {
  const session = await openSession(options);
  try {
    const fates = forecast(session.plan, session.store, new Set());
    const chosen = new Set(resolveTargets(session.plan, targets));
    const shown = [...fates.values()].filter(({ task }) => chosen.has(task));
    if (options.json) tellJson(shown.map(forecastJson));
    else if (targets.length > 0) tellTasks(shown);
    else tellStages(session.plan.tasks, shown);
    return EXIT.made;
  } finally {
    await session.store.close();
  }
}

/** What a make does about a task: nothing, run it, or run it unless what it needs comes out the same. */
type Column = 'made' | 'run' | 'may' | 'none';

const columnOf = (fate: Forecast): Column =>
  fate.fate === 'infeasible'
    ? 'none'
    : fate.fate === 'reuse'
      ? 'made'
      : willRun(fate)
        ? 'run'
        : 'may';

const paint = { made: c.green, run: c.yellow, may: c.cyan, none: c.dim };

function tellTasks(fates: readonly Forecast[]): void {
  for (const fate of fates) {
    const column = columnOf(fate);
    const mark = paint[column](column.padEnd(4));
    tell(`${mark} ${fate.task} ${c.dim(`— ${forecastWords(fate)}`)}`);
  }
}

function tellStages(
  tasks: ReadonlyMap<string, { readonly stage: string }>,
  fates: readonly Forecast[],
): void {
  const rows = new Map<string, Record<Column, number>>();
  for (const fate of fates) {
    const stage = tasks.get(fate.task)?.stage ?? '';
    const row = rows.get(stage) ?? { made: 0, run: 0, may: 0, none: 0 };
    row[columnOf(fate)] += 1;
    rows.set(stage, row);
  }
  const width = Math.max(...[...rows.keys()].map((stage) => stage.length), 5);
  // Most pipelines ask for nothing that cannot be done: the column is there when it says something.
  const some = [...rows.values()].some(({ none }) => none > 0);
  const last = some ? '  infeasible' : '';
  tell(c.dim(`${'stage'.padEnd(width)}   made  to run  may run${last}`));
  for (const [stage, { made, run, may, none }] of rows) {
    const cells = [String(made).padStart(6), String(run).padStart(7), String(may).padStart(8)];
    if (some) cells.push(String(none).padStart(11));
    const color = run > 0 ? paint.run : may > 0 ? paint.may : paint.made;
    tell(`${color(stage.padEnd(width))} ${cells.join(' ')}`);
  }
  const waiting = fates.filter(({ fate }) => fate !== 'reuse' && fate !== 'infeasible').length;
  const words = `a make would run up to ${count(waiting, 'task')}`;
  talk(waiting === 0 ? 'everything is up to date' : words);
}
