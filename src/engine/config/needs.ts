// needs.ts — what a task needs of a node, and where tasks of a stage may run: `needs` and `on` of a stage
import type { Place } from '../model/event.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { readJobTime, readSize } from './job-class.ts';
import type { Located } from './located.ts';
import { type Amount, CPUS, GPU, MEMORY } from './resources.ts';

/** An amount that grows after a failure for the lack of it: doubled, up to the limit. */
export interface Growing {
  readonly start: number;
  readonly limit: number;
}

/** What a task needs of a node. Null: nothing is said, and any class will do. */
export interface Needs {
  readonly cpus: number;
  readonly memory_bytes: Growing | null;
  readonly time_ms: Growing | null;
  readonly gpus: number;
}

/** Where tasks may run: an executor, or one class of it. */
export interface OnChoice {
  readonly executor: string;
  readonly class?: string;
  readonly place: Place;
}

/** The keys of `needs`. */
export const NEEDS_KEYS = ['cpus', 'memory', 'time', 'gpus'];
/** The keys of an amount that grows. */
export const GROWING_KEYS = ['start', 'limit'];
/** How one choice of `on` is written: EXECUTOR, or EXECUTOR/CLASS. */
export const ON_PATTERN = /^([A-Za-z][\w-]*)(?:\/([A-Za-z][\w-]*))?$/;

/** Reads `on`: one choice, or several of which the first that can runs a task. */
export function readOn(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): readonly OnChoice[] | undefined {
  if (located === undefined) return undefined;
  const items = located.items ?? [located];
  if (items.length === 0) {
    reader.report(`${what} must name at least one executor`, located.place, 'leave `on` out');
  }
  return items.flatMap((item) => {
    const choice = typeof item.value === 'string' ? choiceOf(item.value, item.place) : undefined;
    if (choice) return [choice];
    const hint = 'such as cluster, cluster/gpu or local';
    const given = typeof item.value === 'string' ? `\`${item.value}\`` : kindOf(item);
    reader.report(`${what} must be EXECUTOR or EXECUTOR/CLASS, not ${given}`, item.place, hint);
    return [];
  });
}

/** Reads one choice, as `on` and `--on` have it. */
export function choiceOf(text: string, place: Place): OnChoice | undefined {
  const match = ON_PATTERN.exec(text);
  const [, executor, name] = match ?? [];
  if (executor === undefined || (executor === 'local' && name !== undefined)) return undefined;
  return { executor, ...(name !== undefined && { class: name }), place };
}

/**
 * Reads `needs`. What it does not say is taken from `resources`, where the same is said of this machine: `cpus`, `memory` as
 * a size, `gpu`.
 */
export function readNeeds(
  reader: DiagnosticCollector,
  located: Located | undefined,
  resources: ReadonlyMap<string, Amount>,
  what: string,
): Needs {
  const fields = located && reader.map(located, what, NEEDS_KEYS);
  const [memory, time] = [fields?.get('memory'), fields?.get('time')];
  const size = resources.get(MEMORY);
  const taken = size?.isSize ? { start: size.amount, limit: size.amount } : null;
  return {
    cpus: readAmount(reader, fields?.get('cpus'), what, 1) ?? resources.get(CPUS)?.amount ?? 1,
    memory_bytes: memory ? readGrowing(memory, `\`memory\` of ${what}`, reader, readSize) : taken,
    time_ms: time ? readGrowing(time, `\`time\` of ${what}`, reader, readJobTime) : null,
    gpus: readAmount(reader, fields?.get('gpus'), what, 0) ?? resources.get(GPU)?.amount ?? 0,
  };
}

/** A number of processors or accelerators: a task may take half of one. */
function readAmount(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
  least: 0 | 1,
): number | undefined {
  if (located === undefined) return undefined;
  const { value, place } = located;
  if (typeof value === 'number' && value <= 10_000 && (value > 0 || (least === 0 && value === 0))) {
    return value;
  }
  const name = least === 1 ? 'cpus' : 'gpus';
  reader.report(`\`${name}\` of ${what} must be a number above 0`, place);
  return undefined;
}

function readGrowing(
  located: Located,
  what: string,
  reader: DiagnosticCollector,
  read: (reader: DiagnosticCollector, located: Located, what: string) => number | undefined,
): Growing | null {
  if (located.fields === undefined) {
    const amount = read(reader, located, what);
    return amount === undefined ? null : { start: amount, limit: amount };
  }
  const fields = reader.map(located, what, GROWING_KEYS);
  const [first, last] = [fields?.get('start'), fields?.get('limit')];
  for (const [name, field] of [
    ['start', first],
    ['limit', last],
  ] as const) {
    if (field === undefined) {
      reader.report(`${what} has no \`${name}\``, located.place, 'such as { start: …, limit: … }');
    }
  }
  const start = first && read(reader, first, `\`start\` of ${what}`);
  const limit = last && read(reader, last, `\`limit\` of ${what}`);
  if (last === undefined || start === undefined || limit === undefined) return null;
  if (limit >= start) return { start, limit };
  reader.report(`\`limit\` of ${what} is less than its \`start\``, last.place);
  return null;
}
