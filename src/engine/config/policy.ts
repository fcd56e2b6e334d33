// policy.ts — how the tasks of a stage are run: never part of a key, since it changes no result

import { didYouMean } from '../../hint.ts';
import { FAILURE_CAUSES, type FailureCause } from '../model/failure.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { readDuration } from './duration.ts';
import type { Located } from './located.ts';
import { type Needs, type OnChoice, readNeeds, readOn } from './needs.ts';
import { type Amount, readAmounts } from './resources.ts';

/** How the tasks of a stage are run. */
export interface Policy {
  /** What a task takes of each named resource while it runs. */
  readonly resources: ReadonlyMap<string, Amount>;
  /** How often a failed task is tried again, and how long after its first failure; the pause doubles each time. */
  readonly retries: Retries;
  /** A task is ended after this time; null for never. */
  readonly timeout_ms: number | null;
  /** A failed task of this stage does not make the run fail. */
  readonly allowFailure: boolean;
  /** Where tasks may run, the first that can; absent where nothing is said: on this machine. */
  readonly on?: readonly OnChoice[] | undefined;
  /** What a task needs of a node of a cluster. */
  readonly needs?: Needs;
}

/** When a failed task is tried again. */
export interface Retries {
  readonly times: number;
  readonly delay_ms: number;
  /** Failures of these causes only; absent for all. */
  readonly on?: ReadonlySet<FailureCause>;
}

/** The keys of a stage that make up its policy. */
export const POLICY_KEYS = [
  'resources',
  'retries',
  'timeout',
  'allow-failure',
  'on',
  'needs',
] as const;
/** The keys of `retries`. */
export const RETRIES_KEYS = ['times', 'delay', 'on'] as const;
/** What `on` of `retries` may name. */
export const RETRY_CAUSES = Object.keys(FAILURE_CAUSES) as readonly FailureCause[];
/** The pause before the first retry, where none is said. */
const DELAY_MS = 1000;
/** Reads the policy of a stage. @param what the stage, in words */
export function readPolicy(
  reader: DiagnosticCollector,
  fields: ReadonlyMap<string, Located>,
  what: string,
): Policy {
  const timeout = fields.get('timeout');
  const resources = readAmounts(reader, fields.get('resources'), `\`resources\` of ${what}`);
  const on = readOn(reader, fields.get('on'), `\`on\` of ${what}`);
  return {
    resources,
    retries: readRetries(reader, fields.get('retries'), what),
    timeout_ms: timeout ? readDuration(reader, timeout, `\`timeout\` of ${what}`) : null,
    allowFailure: readFlag(reader, fields.get('allow-failure'), `\`allow-failure\` of ${what}`),
    ...(on && { on }),
    needs: readNeeds(reader, fields.get('needs'), resources, `\`needs\` of ${what}`),
  };
}

function readRetries(
  reader: DiagnosticCollector,
  located: Located | undefined,
  stage: string,
): Policy['retries'] {
  const none = { times: 0, delay_ms: DELAY_MS };
  if (located === undefined) return none;
  const what = `\`retries\` of ${stage}`;
  const fields = located.fields ? reader.map(located, what, RETRIES_KEYS) : undefined;
  const times = located.fields ? fields?.get('times') : located;
  const delay = fields?.get('delay');
  const count = times?.value;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0) {
    const hint = 'retries: 2, or retries: { times: 2, delay: 10s }';
    reader.report(`${what} must be an integer`, (times ?? located).place, hint);
    return none;
  }
  const delay_ms = delay && readDuration(reader, delay, `\`delay\` of ${what}`);
  const on = readCauses(reader, fields?.get('on'), `\`on\` of ${what}`);
  return { times: count, delay_ms: delay_ms ?? DELAY_MS, ...(on && { on }) };
}

/** The causes of failures that are tried again: one, or a list of them. */
function readCauses(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): ReadonlySet<FailureCause> | undefined {
  if (located === undefined) return undefined;
  const causes = new Set<FailureCause>();
  const items = located.items ?? [located];
  if (items.length === 0) {
    const hint = 'leave `on` out to try again after any failure';
    reader.report(`${what} must name at least one cause`, located.place, hint);
  }
  for (const { value, place } of items) {
    const cause = RETRY_CAUSES.find((one) => one === value);
    if (cause !== undefined) {
      causes.add(cause);
      continue;
    }
    const meant = typeof value === 'string' ? didYouMean(value, RETRY_CAUSES) : undefined;
    const hint = meant ?? `causes are ${RETRY_CAUSES.join(', ')}`;
    const given = typeof value === 'string' ? `\`${value}\`` : JSON.stringify(value);
    reader.report(`${what}: ${given} is not a cause of failure`, place, hint);
  }
  return causes;
}

/** Reads `true` or `false`; false where it is left out. */
export function readFlag(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): boolean {
  if (located === undefined || located.value === false) return false;
  if (located.value !== true) {
    reader.report(`${what} must be true or false, not ${kindOf(located)}`, located.place);
  }
  return true;
}
