// job-class.ts — a class of jobs of a cluster: what each job is given, and what the batch system is asked for
import { bytesIn } from '../files/size.ts';
import type { Place } from '../model/event.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { readDuration } from './duration.ts';
import type { Located } from './located.ts';

/** So many accelerators, of a type where one is named. */
export interface Gpus {
  readonly count: number;
  readonly type?: string;
}

/** Jobs of one size and one queue. No part of a key: where a task runs changes no result. */
export interface JobClass {
  readonly name: string;
  readonly cpus: number;
  /** Null: what the site gives. */
  readonly memory_bytes: number | null;
  readonly time_ms: number;
  readonly gpus: Gpus;
  readonly partition?: string;
  readonly account?: string;
  readonly qos?: string;
  readonly constraint?: string;
  /** Further arguments of the batch system, each a word. */
  readonly extra: readonly string[];
  /** Lines of shell that run in a job before anything else. */
  readonly prologue: readonly string[];
  /** Words in front of the program, such as those of a container. */
  readonly wrap: readonly string[];
  /** There are at most so many jobs of the class at once. */
  readonly maxJobs: number;
  /** So many tasks run in a job at once. */
  readonly slots: number;
  readonly place: Place;
}

/** The keys of a class. */
export const JOB_CLASS_KEYS = [
  ...['cpus', 'memory', 'time', 'gpus', 'partition', 'account', 'qos', 'constraint', 'extra'],
  ...['prologue', 'wrap', 'max-jobs', 'slots'],
];
/** Keys of a class that only Slurm knows. */
export const SLURM_KEYS = ['partition', 'account', 'qos', 'constraint', 'extra'];

const TIME_MS = 3_600_000;
const MAX_JOBS = 10;
const COUNT_MAX = 10_000;
const MEMORY_MIN = 2 ** 20;

/** What an executor says for all of its classes. */
export interface ClassDefaults {
  readonly type: string;
  readonly prologue: readonly string[];
  readonly wrap: readonly string[];
}

/** Reads a class. @param what in words, such as "class `gpu`" */
export function readJobClass(
  reader: DiagnosticCollector,
  name: string,
  located: Located,
  { type, prologue, wrap }: ClassDefaults,
  what = `class \`${name}\``,
): JobClass | undefined {
  const fields = reader.map(located, what, JOB_CLASS_KEYS);
  if (fields === undefined) return undefined;
  for (const key of type === 'slurm' ? [] : SLURM_KEYS) {
    const field = fields.get(key);
    if (field) reader.report(`\`${key}\` is for Slurm`, field.named ?? field.place);
  }
  const gpus = readGpus(reader, fields.get('gpus'), what);
  const cpus = readCount(reader, fields.get('cpus'), `\`cpus\` of ${what}`) ?? 1;
  const time = fields.get('time');
  const lines = fields.get('prologue');
  const words = fields.get('wrap');
  return {
    name,
    cpus,
    memory_bytes: readMemory(reader, fields.get('memory'), what),
    time_ms: (time && readJobTime(reader, time, `\`time\` of ${what}`)) ?? TIME_MS,
    gpus,
    ...readRequests(reader, fields, what),
    extra: readExtra(reader, fields.get('extra'), what),
    prologue: lines ? [...prologue, ...readPrologue(reader, lines, what)] : prologue,
    wrap: words ? readWords(reader, words, `\`wrap\` of ${what}`) : wrap,
    maxJobs: readCount(reader, fields.get('max-jobs'), `\`max-jobs\` of ${what}`) ?? MAX_JOBS,
    slots:
      readCount(reader, fields.get('slots'), `\`slots\` of ${what}`) ??
      (gpus.count > 0 ? gpus.count : cpus),
    place: located.named ?? located.place,
  };
}

/** Words that a batch system takes as they are: partition, account, QOS, constraint. */
function readRequests(
  reader: DiagnosticCollector,
  fields: ReadonlyMap<string, Located>,
  what: string,
): Partial<Pick<JobClass, 'partition' | 'account' | 'qos' | 'constraint'>> {
  const read: { [name: string]: string } = {};
  for (const name of ['partition', 'account', 'qos', 'constraint'] as const) {
    const located = fields.get(name);
    const text = located && reader.text(located, `\`${name}\` of ${what}`);
    if (located === undefined || text === undefined) continue;
    if (isWord(text)) read[name] = text;
    else {
      const message = `\`${name}\` of ${what} must be a word without blanks that does not begin with -`;
      reader.report(message, located.place);
    }
  }
  return read;
}

const isWord = (text: string): boolean => /^[^-\s\p{Cc}][^\s\p{Cc}]*$/u.test(text);

/** An integer from 1. */
export function readCount(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): number | undefined {
  if (located === undefined) return undefined;
  const { value, place } = located;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= COUNT_MAX) {
    return value;
  }
  reader.report(`${what} must be an integer from 1 to ${COUNT_MAX}`, place);
  return undefined;
}

function readMemory(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): number | null {
  if (located === undefined) return null;
  return readSize(reader, located, `\`memory\` of ${what}`) ?? null;
}

/** A size of memory such as 8GiB. */
export function readSize(
  reader: DiagnosticCollector,
  { value, place }: Located,
  what: string,
): number | undefined {
  const bytes = typeof value === 'string' ? bytesIn(value.trim()) : undefined;
  if (bytes !== undefined && bytes >= MEMORY_MIN && bytes <= Number.MAX_SAFE_INTEGER) {
    return Math.ceil(bytes);
  }
  const small = bytes !== undefined && bytes < MEMORY_MIN;
  reader.report(`${what} must be a size${small ? ' of at least 1MiB' : ''}`, place, 'such as 8GiB');
  return undefined;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A time limit. Batch systems count whole minutes; also as Slurm writes it, such as 1-12:00:00. */
export function readJobTime(
  reader: DiagnosticCollector,
  located: Located,
  what: string,
): number | undefined {
  const slurm = /^(?:(\d{1,3})-)?(\d{1,3}):(\d\d):(\d\d)$/.exec(String(located.value).trim());
  if (slurm) {
    const [days, hours, minutes, seconds] = slurm.slice(1).map((digits) => Number(digits ?? 0));
    const count = (hours ?? 0) * 60 + (minutes ?? 0) + Math.ceil((seconds ?? 0) / 60);
    const ms = (days ?? 0) * DAY_MS + count * MINUTE_MS;
    if (ms > 0) return ms;
  }
  const ms = readDuration(reader, located, what);
  return ms === null ? undefined : Math.max(MINUTE_MS, Math.ceil(ms / MINUTE_MS) * MINUTE_MS);
}

/** `2`, or `a100:2`. */
function readGpus(reader: DiagnosticCollector, located: Located | undefined, what: string): Gpus {
  if (located === undefined || located.value === 0) return { count: 0 };
  const { value, place } = located;
  const match = /^(?:([A-Za-z][\w.-]*):)?(\d{1,4})$/.exec(String(value));
  const count = Number(match?.[2]);
  if ((typeof value === 'number' || typeof value === 'string') && count >= 1) {
    return { count, ...(match?.[1] && { type: match[1] }) };
  }
  const hint = 'such as gpus: 1, or gpus: a100:2';
  reader.report(`\`gpus\` of ${what} must be an integer, or TYPE:COUNT`, place, hint);
  return { count: 0 };
}

/** A list of words, none of which holds a control character. */
export function readWords(
  reader: DiagnosticCollector,
  located: Located,
  what: string,
): readonly string[] {
  if (located.items === undefined) {
    reader.report(`${what} must be a list of words, not ${kindOf(located)}`, located.place);
  }
  return (located.items ?? []).flatMap((item) => {
    const { value, place } = item;
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text === 'string' && text !== '' && !/\p{Cc}/u.test(text)) return [text];
    reader.report(`a word of ${what} must be a string without control characters`, place);
    return [];
  });
}

/** Lines of shell, each an item. */
export function readPrologue(
  reader: DiagnosticCollector,
  located: Located,
  what: string,
): readonly string[] {
  if (located.items !== undefined || typeof located.value !== 'string') {
    return readWords(reader, located, `\`prologue\` of ${what}`);
  }
  const lines = located.value.split('\n').filter((line) => line.trim() !== '');
  if (lines.every((line) => !/[^\P{Cc}\t]/u.test(line))) return lines;
  reader.report(`\`prologue\` of ${what} cannot hold control characters`, located.place);
  return [];
}

/** What the batch system is told by us, and by which key of a class where there is one. */
const OURS: { readonly [option: string]: string | null } = {
  ...{ '--partition': 'partition', '-p': 'partition', '--account': 'account', '-A': 'account' },
  ...{ '--qos': 'qos', '-q': 'qos', '--constraint': 'constraint', '-C': 'constraint' },
  ...{ '--time': 'time', '-t': 'time', '--mem': 'memory', '--gpus': 'gpus', '-G': 'gpus' },
  ...{ '--cpus-per-task': 'cpus', '-c': 'cpus', '--mem-per-cpu': 'memory' },
  ...{ '--array': 'max-jobs', '-a': 'max-jobs', '--job-name': null, '-J': null },
  ...{ '--requeue': null, '--no-requeue': null, '--output': null, '-o': null, '--error': null },
  ...{ '-e': null, '--input': null, '-i': null, '--wrap': null, '--parsable': null },
  ...{ '--wait': null, '-W': null, '--test-only': null, '--help': null, '-h': null },
  ...{ '--usage': null, '--version': null, '-V': null, '--quiet': null, '-Q': null },
  ...{ '--comment': null, '--signal': null, '--export': null, '--export-file': null },
  ...{ '--chdir': null, '-D': null, '--open-mode': null, '--ntasks': null, '-n': null },
  ...{ '--nodes': null, '-N': null, '--verbose': null, '-v': null, '--begin': null, '-b': null },
  ...{
    '--hold': null,
    '-H': null,
    '--dependency': null,
    '-d': null,
    '--kill-on-invalid-dep': null,
  },
  ...{ '--ignore-pbs': null, '--clusters': null, '-M': null, '--uid': null, '--gid': null },
  ...{ '--array-inx': null, '--mem-per-gpu': 'memory' },
};

function readExtra(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): readonly string[] {
  if (located === undefined) return [];
  const words = readWords(reader, located, `\`extra\` of ${what}`);
  const places = located.items ?? [];
  return words.filter((word) => {
    const place = places.find(({ value }) => String(value) === word)?.place ?? located.place;
    if (!/^(?:-[A-Za-z]|--[a-z])/.test(word)) {
      const hint = 'an option and its value are one word: --nodelist=n1, or -wn1';
      reader.report(`\`${word}\` in \`extra\` of ${what} is not an option`, place, hint);
      return false;
    }
    const option = word.startsWith('--') ? word.replace(/=.*$/s, '') : word.slice(0, 2);
    // Slurm takes any beginning of a name that is unambiguous.
    const known = Object.keys(OURS).find(
      (one) => one === option || (option.length >= 5 && one.startsWith(option)),
    );
    const key = known === undefined ? undefined : OURS[known];
    if (key === undefined) return true;
    const hint = key === null ? 'leave it out' : `write it as \`${key}\` of the class`;
    reader.report(`pipeline sets \`${known}\` itself`, place, hint);
    return false;
  });
}
