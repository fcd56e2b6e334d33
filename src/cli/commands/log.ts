// log.ts — pipeline log TASK: what a task said when it ran, and the error that it ended with

import type { TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, RunRecord, TaskLog } from '../../engine/model/record.ts';
import { lastRunOf, taskInRuns } from '../../engine/store/history.ts';
import type { Store } from '../../engine/store/store.ts';
import { didYouMean } from '../../hint.ts';
import { plainLog, plainName, plainText } from '../../plain-text.ts';
import { entryOf } from '../../present.ts';
import { formatPlace, placeIn, type TaskPlace } from '../cluster/live-places.ts';
import { placesOf } from '../session/places.ts';
import { stderrColors, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { oneRun } from '../session/run-selection.ts';
import { type CommonOptions, EXIT, storeAt } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { type CommandDeclaration, STORE, TASK } from '../terminal/declaration.ts';
import { formatCost } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'log',
  group: 'Runs',
  about: 'show what a task printed when it ran, and its error',
  arguments: [TASK],
  options: [
    { flags: '--run <run>', about: 'the log of this run (default: the last in which it ran)' },
    ...STORE,
  ],
  examples: ['log report', 'log rigl/synth-digits/128-64/0.9/erk/uniform/0 --run last~1'],
};
export { log as run };

interface LogOptions extends CommonOptions {
  readonly run?: string;
}

/** Shows the log of a task: of its last run, or of the one that is named. */
async function log(word: string, options: LogOptions): Promise<number> {
  const { cache } = placesOf(options);
  const store = storeAt(cache, 'read');
  try {
    const runs = options.run === undefined ? store.history.runs() : [oneRun(store, options.run)];
    const task = taskInRuns(runs, word) ?? unknownTask(runs, word);
    const run = options.run === undefined ? lastRunOf(runs, task) : runs[0];
    if (run === undefined) {
      const message = `${task} has not run in any stored run: it was reused in all of them`;
      throw new UsageError([{ message, hint: 'pipeline make --force TASK runs it' }]);
    }
    const said = logIn(store, run, task);
    const record = await recordIn(store, run, task);
    const place = placeIn(cache, run, task, record);
    const { cost } = record ?? {};
    if (options.json) writeJson({ ...said, ...place, ...(cost && { cost }) });
    else tellLog(said, place, cost);
    return EXIT.success;
  } finally {
    await store.close();
  }
}

function unknownTask(runs: readonly RunRecord[], word: string): never {
  if (runs.length === 0) throw new UsageError([{ message: 'there is no run yet' }]);
  const known = new Set(runs.flatMap(({ outcomes = {} }) => Object.keys(outcomes)));
  const message = `no stored run has a task \`${word}\``;
  throw new UsageError([{ message, hint: didYouMean(word, known) }]);
}

/** A task that said nothing left no log of its own. */
function logIn(store: Store, { id, at, outcomes = {} }: RunRecord, task: TaskId): TaskLog {
  return (
    store.history.log(id, task) ?? {
      task,
      run: id,
      at,
      outcome: entryOf(outcomes, task),
      lines: [],
    }
  );
}

/** The record of a task's result, where the run made it and it is kept. */
async function recordIn(
  store: Store,
  { id, tasks }: RunRecord,
  task: TaskId,
): Promise<ActionRecord | undefined> {
  const record = Object.hasOwn(tasks, task) ? await store.actions.get(entryOf(tasks, task)) : null;
  return record?.made.run === id ? record : undefined;
}

function tellLog(log: TaskLog, place: TaskPlace, cost: ActionRecord['cost'] | undefined): void {
  const { task, run, at, outcome, lines, dropped, error, params } = log;
  const c = stderrColors;
  const took = cost ? `, in ${formatCost(cost)}` : '';
  const words = formatPlace(place);
  const where = words === '' ? '' : `, ${words}`;
  writeStderr(c.dim(`${plainName(task)}: ${outcome} in run ${run}, ${at}${where}${took}`));
  const head = dropped ? Math.ceil(lines.length / 2) : lines.length;
  for (const line of lines.slice(0, head)) writeStdout(plainLog(line));
  if (dropped) writeStderr(c.dim(`… ${dropped} lines were not kept …`));
  for (const line of lines.slice(head)) writeStdout(plainLog(line));
  if (error) {
    writeStdout(plainText(error.stack?.includes(error.message) ? error.stack : error.message));
  }
  if (params) writeStderr(c.dim(`params: ${JSON.stringify(params)}`));
  if (lines.length === 0 && error === undefined) writeStderr('No output');
}
