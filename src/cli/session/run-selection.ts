// run-selection.ts — runs by the names that people give them

import type { RunRecord } from '../../engine/model/record.ts';
import { findRuns } from '../../engine/store/history.ts';
import type { Store } from '../../engine/store/store.ts';
import { count } from '../terminal/format.ts';
import { UsageError } from './usage-error.ts';

/** The one run that a word names. @throws UsageError */
export function oneRun(store: Store, word: string): RunRecord {
  const runs = store.history.runs();
  const found = findRuns(runs, word);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const hint = 'pipeline runs lists them; `last` is the newest, `last~1` the one before';
  if (found.length === 0) {
    const few = word.startsWith('last~') ? `: ${count(runs.length, 'run')} so far` : '';
    const message = runs.length === 0 ? 'there is no run yet' : `there is no run \`${word}\`${few}`;
    throw new UsageError([{ message, hint }]);
  }
  const some = found.slice(0, 4).map(({ id }) => id);
  const message = `\`${word}\` names ${found.length} runs: ${some.join(', ')}${found.length > 4 ? ', …' : ''}`;
  throw new UsageError([{ message, hint }]);
}

/** Refuses a name or a tag that a run cannot be found by. @throws UsageError */
export function checkRunName(name: string, what: string): void {
  if (/^[A-Za-z][\w.-]{0,79}$/.test(name) && !/^last(?:~\d+)?$/.test(name)) return;
  const hint = 'a letter, then letters, digits, . - and _, at most 80; not last';
  throw new UsageError([{ message: `${what}: \`${name}\` cannot name a run`, hint }]);
}
