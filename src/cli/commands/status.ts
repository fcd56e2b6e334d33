// status.ts — pipeline status: what is made, and what a make would run
import type { RecordResult } from '../../engine/model/record.ts';
import type { Forecast as AnyForecast } from '../../engine/rebuilder/forecast.ts';
import { formatLive, formatPlace, type LiveRun, liveRuns } from '../cluster/live-places.ts';
import { formatSubmitted, submittedHeads } from '../cluster/submitted.ts';
import { forecastJson, formatForecast, tellLines, willRun } from '../session/forecast.ts';
import { resolveTargets } from '../session/named-tasks.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, inspect } from '../session/session.ts';
import { identity } from '../session/this-process.ts';
import { COMMON, type CommandDeclaration, TARGETS } from '../terminal/declaration.ts';
import { count } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'status',
  group: 'Look',
  about: 'show what is up to date, and what a make would run',
  arguments: [TARGETS],
  options: COMMON,
  inspects: true,
  examples: ['status', 'status rigl --json'],
};
export { status as run };

type Forecast = AnyForecast<RecordResult>;

/** Without targets: a line per stage. With targets: a line per task. */
async function status(targets: readonly string[], options: CommonOptions): Promise<number> {
  return inspect(options, async ({ plan, foresee, cache }) => {
    const forecasts = await foresee(plan, new Set());
    const chosen = targets.length > 0 && new Set(resolveTargets(plan, targets));
    const shown = [...forecasts.values()].filter(({ task }) => !chosen || chosen.has(task));
    const submitted = await submittedHeads(cache);
    const live = [...liveRuns(cache, identity), ...submitted.flatMap((head) => head.live)];
    if (options.json) writeJson(shown.map(withPlace(live)));
    else if (targets.length > 0) tellTasks(shown, live);
    else tellStages(plan.tasks, shown);
    if (options.json) return;
    for (const line of submitted.flatMap(formatSubmitted)) writeStdout(line);
    // The place of each target is shown with it.
    const show = { tasks: targets.length === 0 };
    for (const line of live.flatMap((run) => formatLive(run, show))) writeStdout(line);
  });
}

/** A forecast for machines, and where its task runs on a cluster now. */
function withPlace(live: readonly LiveRun[]): (one: Forecast) => object {
  return (one) => {
    const running = live.find(({ tasks }) => tasks.has(one.task));
    if (running === undefined) return forecastJson(one);
    return { ...forecastJson(one), running: { run: running.id, ...running.tasks.get(one.task) } };
  };
}

/** Forecasts of tasks that a make would not run, as far as is known. */
const IDLE: readonly Forecast['status'][] = ['reuse', 'infeasible', 'unknown'];

/** What a make does about a task: nothing, run it, or run it unless its inputs stay the same. */
type Column = 'made' | 'run' | 'may' | 'none' | 'unknown';

function columnOf(predicted: Forecast): Column {
  if (predicted.status === 'infeasible') return 'none';
  if (predicted.status === 'unknown') return 'unknown';
  if (predicted.status === 'reuse') return 'made';
  return willRun(predicted) ? 'run' : 'may';
}

const paint = { made: c.green, run: c.yellow, may: c.cyan, none: c.dim, unknown: c.magenta };

function tellTasks(forecasts: readonly Forecast[], live: readonly LiveRun[]): void {
  const width = forecasts.some(({ status }) => status === 'unknown') ? 7 : 4;
  tellLines(forecasts, (predicted) => {
    const column = columnOf(predicted);
    const mark = paint[column](column.padEnd(width));
    const place = live.flatMap(({ tasks }) => tasks.get(predicted.task) ?? [])[0];
    const now = place ? `; runs now ${formatPlace(place)}` : '';
    return `${mark} ${predicted.task} ${c.dim(`— ${formatForecast(predicted)}${now}`)}`;
  });
}

function tellStages(
  tasks: ReadonlyMap<string, { readonly stage: string }>,
  forecasts: readonly Forecast[],
): void {
  const rows = new Map<string, Record<Column, number>>();
  for (const predicted of forecasts) {
    const stage = tasks.get(predicted.task)?.stage ?? '';
    const row = rows.get(stage) ?? { made: 0, run: 0, may: 0, none: 0, unknown: 0 };
    row[columnOf(predicted)] += 1;
    rows.set(stage, row);
  }
  const width = Math.max(...[...rows.keys()].map((stage) => stage.length), 5);
  // Most pipelines ask for nothing that cannot be done: the column is there when it says something.
  const some = [...rows.values()].some(({ none }) => none > 0);
  const unknown = forecasts.filter(({ status }) => status === 'unknown');
  const last = `${some ? '  infeasible' : ''}${unknown.length > 0 ? '  unknown' : ''}`;
  writeStdout(c.dim(`${'stage'.padEnd(width)}   made  to run  may run${last}`));
  for (const [stage, { made, run, may, none, unknown: unclear }] of rows) {
    const cells = [String(made).padStart(6), String(run).padStart(7), String(may).padStart(8)];
    if (some) cells.push(String(none).padStart(11));
    if (unknown.length > 0) cells.push(String(unclear).padStart(8));
    const color = run > 0 ? paint.run : may > 0 ? paint.may : paint.made;
    writeStdout(`${color(stage.padEnd(width))} ${cells.join(' ')}`);
  }
  const waiting = forecasts.filter(({ status }) => !IDLE.includes(status)).length;
  if (waiting > 0) writeStderr(`a make would run up to ${count(waiting, 'task')}`);
  else if (unknown.length === 0) writeStderr('everything is up to date');
  const [first] = unknown;
  if (first) writeStderr(`${count(unknown.length, 'task')} unknown here: ${formatForecast(first)}`);
}
