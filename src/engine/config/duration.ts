// duration.ts — times as people write them: 90s, 10m, 2h
import { entryOf } from '../../present.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import type { Located } from './located.ts';

/** How a time is written, unless it is a number of seconds: 90s, 10m, 2h. */
export const DURATION_PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

const UNITS_MS: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** Timers of the engine go no further: 2^31 - 1 ms. */
const DURATION_MS_MAX = 2 ** 31 - 1;

/** A time in milliseconds; null, after saying why, for what is none. */
export function readDuration(
  reader: DiagnosticCollector,
  located: Located,
  what: string,
): number | null {
  const { value } = located;
  const match = DURATION_PATTERN.exec(String(value).trim());
  const ms =
    typeof value === 'number'
      ? value * 1000
      : match && Number(match[1]) * entryOf(UNITS_MS, match[2] ?? '');
  if (ms !== null && ms > 0 && ms <= DURATION_MS_MAX) return Math.max(1, Math.round(ms));
  const hint = 'such as 90s, 10m or 2h; a bare number counts seconds; at most 24d';
  reader.report(`${what} must be a time`, located.place, hint);
  return null;
}
