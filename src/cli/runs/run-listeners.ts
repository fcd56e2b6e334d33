// run-listeners.ts — who hears of a run: the display, the history, the trace file, and those who ask
import { EVENTS_VERSION, type Event, type Listener } from '../../engine/model/event.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { RunStart } from '../../engine/model/record.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { recordRun } from '../../engine/store/history.ts';
import { stderrColors as c, writeStdout } from '../session/printing.ts';
import { askedWords } from '../session/session.ts';
import { createDisplay, type Display } from '../terminal/display.ts';
import type { RunOptions, RunRequest } from './run-start.ts';
import { openTrace } from './trace-file.ts';

/** All that hear of a run. */
export interface RunListeners {
  readonly listener: Listener;
  readonly history: ReturnType<typeof recordRun>;
  /** Whether a task runs on this machine. */
  runsHere(): boolean;
  /** What has to be written when this process ends at once. */
  endAtOnce(): void;
  close(): void;
}

/** Opens what a run is written to. */
export function openListeners(
  { session, options, display, hear }: RunRequest,
  start: RunStart,
): RunListeners {
  const trace =
    options.trace === undefined
      ? undefined
      : openTrace(options.trace, monotonic, ({ message }) => {
          const told = `the trace cannot be written, and ends here: ${message}`;
          display.listener({ event: 'warning', message: told });
        });
  const history = recordRun(session.store.history, start, Date.now);
  const runningHere = new Set<TaskId>();
  return {
    history,
    listener(event) {
      if (event.event === 'started' && event.on === undefined) runningHere.add(event.task);
      else if (event.event === 'built' || event.event === 'failed') runningHere.delete(event.task);
      hear(event);
      history.listener(event);
      display.listener(event);
      trace?.listener(event);
    },
    runsHere: () => runningHere.size > 0,
    endAtOnce() {
      history.cut({ state: 'interrupted' });
      trace?.close();
    },
    close() {
      display.close();
      trace?.close();
    },
  };
}

const monotonic = (): number => performance.now();

/** What shows a run, for people or programs. */
export async function openDisplay(plan: Plan, options: RunOptions): Promise<Display> {
  const { json, quiet = false } = options;
  if (json)
    return { listener: (event) => writeStdout(JSON.stringify(event)), close: () => undefined };
  const shown = { plan, stream: process.stderr, colors: c, clock: Date.now };
  return createDisplay({ ...shown, quiet, asked: askedWords(options) });
}

/** The first event of a run. */
export const planned = (plan: Plan, targets: readonly string[]): Event => ({
  event: 'planned',
  version: EVENTS_VERSION,
  tasks: plan.tasks.size,
  targets,
});
