// forecast.ts — what a make would do, in words

import type { RecordResult } from '../../engine/model/record.ts';
import type { Estimate } from '../../engine/rebuilder/estimate.ts';
import type { Forecast as AnyForecast, Forecasts } from '../../engine/rebuilder/forecast.ts';
import { count, duration, formatAbsence, formatChanges, formatReason } from '../terminal/format.ts';
import { stdoutColors as c, writeStderr, writeStdout } from './printing.ts';

type Forecast = AnyForecast<RecordResult>;

/** A forecast for machines. `fate` is the earlier name of `status`, and `follow` the earlier word for `pending`. */
export function forecastJson(forecast: Forecast): object {
  const { task, status } = forecast;
  const fate = status === 'pending' ? 'follow' : status;
  return { task, status, fate, ...factsOf(forecast) };
}

/** What is known beside the status. */
function factsOf(forecast: Forecast): object {
  switch (forecast.status) {
    case 'reuse':
      return { key: forecast.action.key };
    case 'run':
      return { key: forecast.action.key, reason: forecast.reason };
    case 'infeasible': {
      const { message, because } = forecast.missingOutput;
      return { message, ...(because !== forecast.task && { because }) };
    }
    case 'unknown': {
      const { task, message, because } = forecast;
      return { message, ...(because !== task && { because }) };
    }
    case 'same':
      return { key: forecast.action.key, as: forecast.as };
    case 'pending': {
      const { after, sure, changes } = forecast;
      return { after, sure, ...(changes.length > 0 && { changes }) };
    }
  }
}

/** Whether a task runs for certain. */
export const willRun = (forecast: Forecast): boolean =>
  forecast.status === 'run' || (forecast.status === 'pending' && forecast.sure);

/** The one-line reason of a task that would run. */
export function formatForecast(forecast: Forecast): string {
  if (forecast.status === 'run') return formatReason(forecast.reason);
  if (forecast.status === 'reuse') return 'up to date';
  if (forecast.status === 'infeasible') return formatAbsence(forecast.task, forecast.missingOutput);
  if (forecast.status === 'unknown') return formatUnknown(forecast);
  if (forecast.status === 'same')
    return `takes the result of ${forecast.as}, which has the same key`;
  const [first, ...rest] = forecast.after;
  const others = rest.length > 0 ? ` and ${rest.length} more` : '';
  const after = `after ${first}${others}`;
  if (forecast.sure) return `never made before, ${after}`;
  if (forecast.changes.length > 0) return `${formatChanges(forecast.changes)}; ${after}`;
  return `${after}, unless its inputs stay the same`;
}

/** Why it is not known whether a task would run. */
export function formatUnknown({
  task,
  message,
  because,
}: Extract<Forecast, { status: 'unknown' }>): string {
  return task === because ? message : `it needs ${because}, which is unknown: ${message}`;
}

/** Whether something is told of a task: it would run, it may, or that is unknown. */
export const isMoving = ({ status }: Forecast): boolean =>
  status !== 'reuse' && status !== 'infeasible';

/** Says what would run and why; tasks that are up to date are only counted. */
export function tellForecast(
  forecasts: Forecasts,
  cost: Estimate,
  { slots, json }: { readonly slots: number; readonly json: boolean },
): void {
  const all = [...forecasts.values()];
  if (json) {
    tellLines(all, (one) => JSON.stringify({ event: 'forecast', ...forecastJson(one) }));
    writeStdout(JSON.stringify({ event: 'estimate', ...estimateJson(cost, slots) }));
    return;
  }
  const moving = all.filter(isMoving);
  const infeasible = all.filter(({ status }) => status === 'infeasible').length;
  const without = infeasible > 0 ? `, ${infeasible} infeasible` : '';
  tellLines(moving, (forecast) => {
    const word = willRun(forecast) ? c.green('run') : c.cyan('may');
    return `${word} ${forecast.task} ${c.dim(`— ${formatForecast(forecast)}`)}`;
  });
  const runs = all.filter(willRun).length;
  const pending = moving.length - runs;
  const reused = all.length - moving.length - infeasible;
  if (moving.length === 0)
    writeStderr(`nothing to do: ${count(reused, 'task')} up to date${without}`);
  else {
    const may = pending > 0 ? `, ${pending} may run` : '';
    writeStderr(
      `${count(all.length, 'task')}: ${runs} would run${may}, ${reused} up to date${without}`,
    );
    writeStderr(formatEstimate(cost, slots));
  }
}

/** Lines that are written together: each write is a call of the system. */
const LINES_TOGETHER = 1000;

/** Tells a line for each of many. */
export function tellLines<T>(all: readonly T[], lineOf: (one: T) => string): void {
  for (let from = 0; from < all.length; from += LINES_TOGETHER) {
    writeStdout(
      all
        .slice(from, from + LINES_TOGETHER)
        .map(lineOf)
        .join('\n'),
    );
  }
}

/** An estimate for machines. */
function estimateJson(cost: Estimate, slots: number): object {
  const { tasks, seconds, limitedBy, recorded, unknown } = cost;
  const wall = recorded === 0 ? null : cost.wall;
  return { tasks, seconds, slots, wall, limitedBy, recorded, unknown: Object.fromEntries(unknown) };
}

/** Stages without a recorded cost that are named. */
const STAGES_NAMED = 4;

/** How long it would take, what the guess rests on, and what it leaves out. */
function formatEstimate(cost: Estimate, slots: number): string {
  const { tasks, wall: seconds, limitedBy, recorded, unknown } = cost;
  const distinct = `${count(tasks, 'task')} with keys of their own`;
  if (recorded === 0)
    return `${distinct}; no estimate of the time: nothing like it is recorded yet`;
  const time = seconds < 60 ? duration(Math.ceil(seconds)).replace('.0', '') : rough(seconds);
  const basis = `from the costs of ${count(recorded, 'recorded task')}`;
  const left = [...unknown.values()].reduce((sum, n) => sum + n, 0);
  const named = [...unknown.keys()].slice(0, STAGES_NAMED).join(', ');
  const more = unknown.size > STAGES_NAMED ? ', …' : '';
  const without = left > 0 ? `; without ${count(left, 'task')} of ${named}${more}` : '';
  const limits = limitedBy.length > 0 ? ` (limited by ${limitedBy.join(', ')})` : '';
  return `${distinct}; about ${time} on ${count(slots, 'slot')}${limits}, ${basis}${without}`;
}

/** To the minute: a guess has no seconds. */
const rough = (seconds: number): string => duration(Math.round(seconds / 60) * 60);
