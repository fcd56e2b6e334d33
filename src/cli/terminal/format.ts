// format.ts — what the engine means, in words and colours
import { relative } from 'node:path';
import prettyMs from 'pretty-ms';
import { formatSize } from '../../engine/files/size.ts';
import type { Change, ClusterJob, Diagnostic, Event, Reason } from '../../engine/model/event.ts';
import { type Json, shellTaskId, type TaskId } from '../../engine/model/key.ts';
import type { Cost } from '../../engine/model/record.ts';
import type { MissingOutput } from '../../engine/rebuilder/missing-output.ts';
import { plainName, plainSource, plainText } from '../../plain-text.ts';
import { type Colors, inkFor } from './ink.ts';

export type { Colors };

/** Colours for a stream. NO_COLOR wins over all else. */
export function colorsFor(stream: { isTTY?: boolean }, environment: NodeJS.ProcessEnv): Colors {
  const forced = environment.FORCE_COLOR !== undefined && environment.FORCE_COLOR !== '0';
  const off = environment.NO_COLOR !== undefined && environment.NO_COLOR !== '';
  return inkFor(!off && (forced || stream.isTTY === true));
}

/** `1 task`, `12,345 tasks`. */
export function count(n: number, noun: string): string {
  const digits = String(n).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${digits} ${noun}${n === 1 ? '' : 's'}`;
}

/** The jobs of a cluster in a line: how many run and wait, and why. */
export function formatJobs(name: string, jobs: readonly ClusterJob[]): readonly string[] {
  if (jobs.length === 0) return [];
  const running = jobs.filter(({ state }) => state === 'running').length;
  const waiting = jobs.length - running;
  const reasons = [...new Set(jobs.flatMap(({ reason }) => reason ?? []))].join(', ');
  const why = reasons === '' ? '' : ` (${reasons})`;
  const rest = waiting === 0 ? '' : `, ${count(waiting, 'job')} waiting${why}`;
  return [`  ${name}: ${count(running, 'job')} running${rest}`];
}

/** `0.21 s`, `41.3 s`, `2m 5s`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  return prettyMs(Math.round(seconds) * 1000);
}

/** What a task took: `1.2 s`, `2m 5s, 1.4 GiB of memory`. */
export const formatCost = ({ seconds, memory }: Pick<Cost, 'seconds' | 'memory'>): string =>
  `${duration(seconds)}${memory === undefined ? '' : `, ${formatSize(memory)} of memory`}`;

/** A value short enough for one line. */
export function brief(value: Json, width = 48): string {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value.slice(0, 8);
  const text = plainName(typeof value === 'string' ? value : JSON.stringify(value));
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** One change, as `params.profile.cv: 1 → 1.5`. */
export function formatChange({ path, before, after, through }: Change): string {
  if (path === 'code') return `code changed (${brief(before)} → ${brief(after)})`;
  if (path === 'command.argv') return `command: ${formatArgument(before, after)}`;
  const members = formatMember(before, after);
  if (members !== null && path.startsWith('params.')) return `${path}: ${members}`;
  if (!path.startsWith('inputs.')) return `${path}: ${brief(before)} → ${brief(after)}`;
  const port = path.slice('inputs.'.length);
  const files = changedNames(before, after);
  if (files.length > 0) {
    const others = files.length > 1 ? ` and ${files.length - 1} more` : '';
    return `input ${port} changed (${files[0]}${others})`;
  }
  const from = through ?? [];
  const more = from.length > 1 ? ` and ${from.length - 1} more` : '';
  return `input ${port} changed${from.length > 0 ? ` (${from[0]}${more})` : ''}`;
}

/** Which texts came into a list and which left it, where it is too long to be shown; lists often begin alike. */
function formatMember(before: Json, after: Json): string | null {
  if (!Array.isArray(before) || !Array.isArray(after)) return null;
  const [was, is] = [new Set<Json>(before), new Set<Json>(after)];
  if ([...was, ...is].some((item) => typeof item !== 'string')) return null;
  if ([before, after].every((list) => brief(list).endsWith(']'))) return null;
  const some = (word: string, items: readonly Json[]): readonly string[] => {
    const more = items.length > 1 ? ` and ${items.length - 1} more` : '';
    return items.length === 0 ? [] : [`${word} ${items[0]}${more}`];
  };
  const gone = some(
    'without',
    before.filter((item) => !is.has(item)),
  );
  const come = some(
    'with',
    after.filter((item) => !was.has(item)),
  );
  const words = [...gone, ...come].join(', ');
  return words === '' ? null : words;
}

/** What differs between two lists of arguments: from the first that does to the last. */
function formatArgument(before: Json, after: Json): string {
  const texts = (list: Json): readonly string[] => (Array.isArray(list) ? list.map(String) : []);
  const [was, is] = [texts(before), texts(after)];
  let start = 0;
  while (start < Math.min(was.length, is.length) && was[start] === is[start]) start += 1;
  let end = 0;
  const most = Math.min(was.length, is.length) - start;
  while (end < most && was.at(-1 - end) === is.at(-1 - end)) end += 1;
  const part = (list: readonly string[]): string =>
    brief(
      list
        .slice(start, list.length - end)
        .map(quoted)
        .join(' ') || 'nothing',
    );
  return `${part(was)} → ${part(is)}`;
}

/** Files of the project that came, went or changed, of inputs that are such files. */
function changedNames(before: Json, after: Json): readonly string[] {
  const namesOf = (given: Json): readonly string[] =>
    Array.isArray(given)
      ? given
          .filter((item) => Array.isArray(item) && item.length === 2)
          .map((item) => item.join(' '))
      : [];
  const [was, is] = [namesOf(before), namesOf(after)];
  const moved = [
    ...was.filter((file) => !is.includes(file)),
    ...is.filter((file) => !was.includes(file)),
  ];
  return [...new Set(moved.map((file) => file.slice(0, file.lastIndexOf(' '))))];
}

/** More changes than this do not fit a line; `why` tells them all. */
const CHANGES_SHOWN = 2;

/** Why a task runs, in one line. */
export function formatReason(reason: Reason): string {
  switch (reason.kind) {
    case 'new':
      return 'never made before';
    case 'changed':
      return formatChanges(reason.changes);
    case 'forced':
      return 'forced';
    case 'lost':
      return `${reason.outputs.join(', ')} missing from the store`;
    case 'resumed':
      return 'continues from its checkpoint';
  }
}

/** The first changes, and how many more there are. */
export function formatChanges(changes: readonly Change[]): string {
  const shown = changes.slice(0, CHANGES_SHOWN).map(formatChange);
  const more = changes.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join('; ') || 'key format changed';
}

/** Why a task has no output: `infeasible: …`, with its root-cause task. */
export function formatAbsence(task: TaskId, { kind, message, because }: MissingOutput): string {
  const words = plainText(message);
  return because === task ? `${kind}: ${words}` : `${kind}, as ${plainName(because)} is: ${words}`;
}

/** A path as a person would write it here. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return plainName(short === '' || short.startsWith('..') ? path : short);
}

/** A word that a shell takes as it is. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** How a person says a task on the command line. */
export const taskWord = (task: TaskId): string => plainName(quoted(shellTaskId(task)));

/** Line and column of an offset, from 1. */
function positionOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

/** A diagnostic that stops nothing, as an event. */
export function warningOf({ message, place, hint }: Diagnostic): Event {
  const at = place && { file: place.file, ...positionOf(place.text, place.start) };
  return { event: 'warning', message, ...at, ...(hint && { hint }) };
}

/** A diagnostic for machines. */
export function diagnosticJson({ message, place, hint }: Diagnostic): Record<string, Json> {
  const position = place ? { file: place.file, ...positionOf(place.text, place.start) } : {};
  return { ...position, message, ...(hint ? { hint } : {}) };
}

/** A line is shown whole up to so many characters; of a longer one, what stands around the place. */
const LINE_SHOWN_MAX = 200;
const SHOWN_BEFORE = 60;

/** The part of a line that is shown, and how much of it stands before the place. */
function windowOf(source: string, at: number): { readonly shown: string; readonly before: number } {
  if (source.length <= LINE_SHOWN_MAX) return { shown: source, before: at };
  const start = Math.max(0, Math.min(at - SHOWN_BEFORE, source.length - LINE_SHOWN_MAX));
  const [head, tail] = [start > 0 ? '…' : '', start + LINE_SHOWN_MAX < source.length ? '…' : ''];
  const shown = `${head}${source.slice(start, start + LINE_SHOWN_MAX)}${tail}`;
  return { shown, before: at - start + head.length };
}

/** A diagnostic for people: place, line, carets, hint. */
export function drawDiagnostic(
  said: Diagnostic,
  c: Colors,
  severity: 'error' | 'warning' = 'error',
): string {
  const { place } = said;
  const message = plainText(said.message);
  const hint = said.hint && plainText(said.hint);
  const word = severity === 'error' ? c.red(c.bold('error')) : c.yellow(c.bold('warning'));
  const advice = hint ? [`  ${c.cyan('hint:')} ${hint}`] : [];
  if (place === undefined) return [`${word}: ${message}`, ...advice].join('\n');
  const { line, column } = positionOf(place.text, place.start);
  const source = plainSource((place.text.split('\n')[line - 1] ?? '').replace(/\r$/, ''));
  const { shown, before } = windowOf(source, column - 1);
  const length = Math.max(1, Math.min(place.end - place.start, shown.length - before));
  // An option has no lines to count: `--set gain=x` is the place.
  const option = place.file.startsWith('--');
  const where = option
    ? `${place.file} ${plainName(place.text)}`
    : `${plainName(place.file)}:${line}:${column}`;
  const gutter = option ? '     ' : String(line).padStart(5);
  const indent = shown.slice(0, before).replace(/[^\t]/g, ' ');
  return [
    `${c.bold(where)}: ${word}: ${message}`,
    `${c.dim(`${gutter} |`)} ${shown}`,
    `${c.dim('      |')} ${indent}${c.red('^'.repeat(length))}`,
    ...advice,
  ].join('\n');
}
