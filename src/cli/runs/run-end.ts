// run-end.ts — how a run ended: its exit code, its last lines, and whoever is told
import { join } from 'node:path';
import type { Event } from '../../engine/model/event.ts';
import type { Named } from '../../engine/model/key.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import type { RunResult } from '../../engine/scheduler/execute.ts';
import { storedBytes } from '../../engine/store/store.ts';
import { ownSettings } from '../session/own-settings.ts';
import { artifactsFolder } from '../session/places.ts';
import { stderrColors as c, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, type Session } from '../session/session.ts';
import { isIdle, nothingToDo } from '../session/up-to-date-shortcut.ts';
import { storeLimitSetting } from '../settings/settings.ts';
import { count, duration, shownPath } from '../terminal/format.ts';
import type { FinishNotice, RunEnd } from './finish-notice.ts';
import type { RunOptions } from './run-start.ts';

/** The exit code of a make that ended so. */
export function codeOf({ ok }: RunResult, signal: AbortSignal): number {
  if (signal.aborted) return EXIT.interrupted;
  return ok ? EXIT.success : EXIT.failed;
}

/** The end of a run that an error ended that was no task's own. */
export const ABORTED: RunEnd = { state: 'aborted', exit: EXIT.usage };

/** How a run ended. Undefined where there was nothing to do: such a run is not remembered either. */
export function endOf(result: RunResult, signal: AbortSignal): RunEnd | undefined {
  if (result.ran === 0 && result.tally.interrupted === 0) return undefined;
  const exit = codeOf(result, signal);
  const state = signal.aborted ? 'interrupted' : result.ok ? 'finished' : 'failed';
  const failed = [...result.outcomes].flatMap(([id, outcome]) =>
    outcome === 'failed' ? [id] : [],
  );
  return { state, exit, tally: result.tally, failed };
}

/** Tells of the end of a run. That this fails changes nothing: it is a warning. */
export async function tellEnd(
  notice: FinishNotice,
  end: RunEnd,
  { json = false }: Pick<CommonOptions, 'json'>,
): Promise<void> {
  const message = await notice.tell(end);
  if (message === undefined) return;
  if (json) writeStdout(JSON.stringify({ event: 'warning', message } satisfies Event));
  else writeStderr(`${c.yellow('warning')}: ${message}`);
}

/** Keeps the store within its limit. */
export async function keepWithin(session: Session, json: boolean): Promise<void> {
  const { store, pipeline } = session;
  const { value: limit } = storeLimitSetting(pipeline.storeLimit, ownSettings());
  if (store.upkeep === undefined || storedBytes(store.upkeep) <= limit) return;
  const { collectToLimit } = await import('./store-limit.ts');
  const message = await collectToLimit(session, store.upkeep, limit);
  if (message === undefined) return;
  if (json) writeStdout(JSON.stringify({ event: 'warning', message } satisfies Event));
  else writeStderr(`${c.yellow('warning')} ${message}`);
}

/** How many tasks were stopped, and how many of them the next make continues. */
function formatStopped(stopped: number, resumable: number): readonly string[] {
  if (stopped === 0) return [];
  if (resumable === stopped) return [c.yellow(`${stopped} to be continued`)];
  const some = resumable > 0 ? `, ${resumable} of them to be continued` : '';
  return [c.yellow(`${stopped} stopped${some}`)];
}

/** One sentence about the run, then the artifacts on stdout. */
export function summarise(
  session: Session,
  plan: Plan,
  { tally, seconds, traces, ran, resumable }: RunResult,
  { quiet, keepGoing, makers }: RunOptions & { readonly makers: Named<number> },
): void {
  const theirs = Object.entries(makers).map(([by, n]) => `${n} made by ${by}`);
  const parts = [
    `${tally.built} built`,
    `${tally.reused} reused${theirs.length > 0 ? ` (${theirs.join(', ')})` : ''}`,
    ...(tally.infeasible > 0 ? [c.yellow(`${tally.infeasible} infeasible`)] : []),
    ...(tally.failed > 0 ? [c.red(`${tally.failed} failed`)] : []),
    ...(tally.skipped > 0 ? [c.yellow(`${tally.skipped} not made`)] : []),
    ...formatStopped(tally.interrupted, resumable.size),
  ];
  const nothing = ran === 0 && theirs.length === 0 && isIdle(tally, plan.tasks.size);
  const line = nothing
    ? nothingToDo(tally, seconds, c)
    : `${count(plan.tasks.size, 'task')}: ${parts.join(', ')} ${c.dim(`(${duration(seconds)})`)}`;
  if (!quiet) writeStderr(line);
  if (tally.failed > 0 && tally.skipped > 0 && !keepGoing && !quiet) {
    writeStderr(c.dim('--keep-going continues with tasks that do not need the failed ones'));
  }
  for (const task of plan.tasks.values()) {
    if (!traces.has(task.id)) continue;
    for (const path of Object.values(task.artifacts)) {
      writeStdout(shownPath(join(artifactsFolder(session.root), path)));
    }
  }
}
