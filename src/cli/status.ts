// status.ts — pipeline status: what is made, and what a make would run
import { type Forecast, forecast } from '../pipeline/action.ts';
import { forecastJson, forecastWords } from './forecast.ts';
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

function tellTasks(fates: readonly Forecast[]): void {
  for (const fate of fates)
    tell(`${mark(fate.fate)} ${fate.task} ${c.dim(`— ${forecastWords(fate)}`)}`);
}

const mark = (fate: Forecast['fate']): string =>
  fate === 'reuse' ? c.green('made  ') : fate === 'run' ? c.yellow('run   ') : c.cyan('follow');

function tellStages(
  tasks: ReadonlyMap<string, { readonly stage: string }>,
  fates: readonly Forecast[],
): void {
  const rows = new Map<string, { reuse: number; run: number; follow: number }>();
  for (const { task, fate } of fates) {
    const stage = tasks.get(task)?.stage ?? '';
    const row = rows.get(stage) ?? { reuse: 0, run: 0, follow: 0 };
    row[fate] += 1;
    rows.set(stage, row);
  }
  const width = Math.max(...[...rows.keys()].map((stage) => stage.length), 5);
  tell(c.dim(`${'stage'.padEnd(width)}  made   run  may follow`));
  for (const [stage, { reuse, run, follow }] of rows) {
    const cells = [String(reuse).padStart(4), String(run).padStart(5), String(follow).padStart(11)];
    const color = run > 0 ? c.yellow : follow > 0 ? c.cyan : c.green;
    tell(`${color(stage.padEnd(width))}  ${cells.join(' ')}`);
  }
  const waiting = fates.filter(({ fate }) => fate !== 'reuse').length;
  talk(
    waiting === 0 ? 'everything is up to date' : `a make would run up to ${count(waiting, 'task')}`,
  );
}
