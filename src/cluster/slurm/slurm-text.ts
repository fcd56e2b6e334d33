// slurm-text.ts — what squeue, sacct and scontrol print → values. 22.05 and later: `--json` differs between them, so it is not used

/** The fields that squeue is asked for: id of the array, element, name, state, end, nodes, reason. */
export const QUEUE_FORMAT = '%F|%K|%j|%T|%e|%N|%r';

/** A line of squeue. */
export interface QueueLine {
  /** Of the array. */
  readonly id: string;
  readonly element: number;
  readonly name: string;
  readonly state: string;
  readonly ends_ms: number | null;
  readonly node: string | null;
  readonly reason: string | null;
}

/** Reads what `squeue -h -r -o QUEUE_FORMAT` printed; lines of another form are passed over. */
export function readQueue(text: string): readonly QueueLine[] {
  return text.split('\n').flatMap((line) => {
    const [id, element = '', name, state, end = '', nodes = '', ...rest] = line.split('|');
    if (id === undefined || name === undefined || !state || !/^\d+$/.test(id)) return [];
    // Without -r, or where a site hides it, several elements stand in one line.
    const elements = /^\d+$/.test(element) ? [Number(element)] : elementsOf(element);
    const reason = rest.join('|').trim();
    return elements.map((one) => ({
      ...{ id, element: one, name, state },
      ends_ms: timeOf(end),
      node: nodes === '' || nodes === '(null)' ? null : nodes,
      reason: reason === '' || reason === 'None' || reason === '(null)' ? null : reason,
    }));
  });
}

/** The elements of `[0-3,7%2]`; 0 of a job that is no array. */
function elementsOf(text: string): readonly number[] {
  const inner = /^\[?([\d,-]+)(?::\d+)?(?:%\d+)?\]?$/.exec(text)?.[1];
  if (inner === undefined) return [0];
  return inner.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    const count = Math.min(100_000, last - first + 1);
    return count > 0 ? Array.from({ length: count }, (_, n) => first + n) : [];
  });
}

/** A time, in seconds since 1970 or as `2026-11-29T06:14:17` of this time zone, in ms. */
function timeOf(text: string): number | null {
  const ms = /^\d{9,11}$/.test(text) ? 1000 * Number(text) : Date.parse(text);
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}

/** How a job ended, as sacct or scontrol tell it. */
export interface EndLine {
  /** `123_4`. */
  readonly id: string;
  /** The state, such as `OUT_OF_MEMORY` or `CANCELLED by 1000`; of a job and of its steps. */
  readonly states: readonly string[];
  /** `code:signal`, of the same. */
  readonly exits: readonly string[];
  readonly node: string | null;
}

/** Reads what `sacct -n -P -o JobID,State,ExitCode,NodeList` printed: jobs with their steps. */
export function readAccounting(text: string): readonly EndLine[] {
  const found = new Map<string, EndLine>();
  for (const line of text.split('\n')) {
    const [name = '', state = '', exit = '', nodes = ''] = line.split('|');
    const id = /^(\d+(?:_\d+)?)(?:\.\S+)?$/.exec(name)?.[1];
    if (id === undefined || state === '') continue;
    const known = found.get(id);
    found.set(id, {
      id,
      states: [...(known?.states ?? []), state],
      exits: [...(known?.exits ?? []), exit],
      node: known?.node ?? (nodes === '' || nodes.startsWith('None') ? null : nodes),
    });
  }
  return [...found.values()];
}

/** Reads what `scontrol -o show job ID` printed: a line for each element. */
export function readShownJobs(text: string): readonly EndLine[] {
  return text.split('\n').flatMap((line) => {
    const fieldOf = (name: string): string | undefined =>
      new RegExp(`(?:^| )${name}=(\\S*)`).exec(line)?.[1];
    const [job, array] = [fieldOf('JobId'), fieldOf('ArrayJobId')];
    const [state, element] = [fieldOf('JobState'), fieldOf('ArrayTaskId')];
    if (job === undefined || state === undefined) return [];
    const nodes = fieldOf('NodeList');
    const reason = fieldOf('Reason') ?? '';
    // With OverMemoryKill the state alone does not tell.
    const states = [state, ...(reason === 'OutOfMemory' ? ['OUT_OF_MEMORY'] : [])];
    const node = nodes === undefined || nodes === '' || nodes === '(null)' ? null : nodes;
    const exits = [fieldOf('ExitCode') ?? ''];
    return elementsOf(element ?? '').map((one) => ({
      id: array === undefined ? job : `${array}_${one}`,
      ...{ states, exits, node },
    }));
  });
}

/** Whether a job is over by its state. */
export const isOver = (state: string): boolean =>
  /^(?:BOOT_FAIL|CANCELLED|COMPLETED|DEADLINE|FAILED|NODE_FAIL|OUT_OF_MEMORY|PREEMPTED|REVOKED|TIMEOUT|LAUNCH_FAILED)/.test(
    state,
  );

/** What a site allows, and how it keeps accounts. */
export interface SiteLimits {
  /** An array may have so many elements. */
  readonly arrayMax: number;
  readonly hasAccounting: boolean;
}

const ARRAY_MAX = 1000;

/** Reads what `scontrol show config` printed. */
export function readSiteLimits(text: string): SiteLimits {
  const settingOf = (name: string): string | undefined =>
    new RegExp(`^${name}\\s*=\\s*(.*?)\\s*$`, 'm').exec(text)?.[1];
  const numberOf = (name: string): number | undefined => {
    const digits = /^\d+/.exec(settingOf(name) ?? '')?.[0];
    return digits === undefined ? undefined : Number(digits);
  };
  const size = numberOf('MaxArraySize');
  return {
    // Elements go up to MaxArraySize - 1; with 0 there are no arrays.
    arrayMax: size === undefined ? ARRAY_MAX : size,
    hasAccounting: !/^(?:\(null\)|accounting_storage\/none)?$/.test(
      settingOf('AccountingStorageType') ?? '',
    ),
  };
}
