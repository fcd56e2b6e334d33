// executors.ts — clusters that tasks may run on: `executors` of pipeline.yaml and of settings files
import { didYouMean } from '../../hint.ts';
import type { Place } from '../model/event.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { readDuration } from './duration.ts';
import { type JobClass, readJobClass, readPrologue, readWords } from './job-class.ts';
import type { Located } from './located.ts';
import { checkName } from './matrix.ts';

/** What starts jobs: Slurm, or this machine (to try things out). */
export const EXECUTOR_TYPES = ['slurm', 'processes'] as const;
export type ExecutorType = (typeof EXECUTOR_TYPES)[number];

/** How orders and results travel: over TCP, by files, or by files where the first connection fails. */
export const LINES = ['auto', 'tcp', 'files'] as const;
export type LineKind = (typeof LINES)[number];

/** A cluster. No part of a key: where a task runs changes no result. */
export interface ExecutorConfig {
  readonly name: string;
  readonly type: ExecutorType;
  /** A folder that every node sees, as it is written: absolute, or below `~/`; `{user}` stands for who runs it. */
  readonly depot: string;
  readonly line: LineKind;
  /** Where the head listens, and on which port; null: chosen. */
  readonly listen: { readonly host: string; readonly port: number | null } | null;
  /** Node on the nodes; null: the one that runs the head. */
  readonly node: string | null;
  /** A worker that has had nothing to do for so long ends. */
  readonly maxIdle_ms: number;
  /** A worker that has not heard of its head for so long ends. */
  readonly orphan_ms: number;
  readonly classes: ReadonlyMap<string, JobClass>;
  /** The job in which `make --submit` runs its head; null: of the first class without accelerators. */
  readonly head: JobClass | null;
  readonly place: Place;
}

/** The keys of an executor. */
export const EXECUTOR_KEYS = [
  ...['type', 'depot', 'line', 'listen', 'node', 'prologue', 'wrap', 'max-idle', 'orphan'],
  'classes',
  'head',
];
/** The class of the job in which a head runs. */
export const headClass = ({ head, classes }: ExecutorConfig): JobClass | undefined => {
  const all = [...classes.values()];
  return head ?? all.find(({ gpus }) => gpus.count === 0) ?? all[0];
};

/** What tasks of a stage run on that names no executor. No executor may be called so. */
export const LOCAL = 'local';

const MAX_IDLE_MS = 120_000;
const ORPHAN_MS = 900_000;

/** Reads executors by name. Those with mistakes are left out, and said. */
export function readExecutors(
  reader: DiagnosticCollector,
  located: Located | undefined,
): ReadonlyMap<string, ExecutorConfig> {
  const executors = new Map<string, ExecutorConfig>();
  if (located === undefined) return executors;
  for (const [name, field] of reader.map(located, '`executors`') ?? []) {
    if (!checkName(reader, 'an executor', name, field)) continue;
    if (name === LOCAL) {
      const message = `\`${LOCAL}\` is this machine, and cannot name another executor`;
      reader.report(message, field.named ?? field.place);
      continue;
    }
    const read = readExecutor(reader, name, field);
    if (read) executors.set(name, read);
  }
  return executors;
}

function readExecutor(
  reader: DiagnosticCollector,
  name: string,
  located: Located,
): ExecutorConfig | undefined {
  const what = `executor \`${name}\``;
  const fields = reader.map(located, what, EXECUTOR_KEYS);
  if (fields === undefined) return undefined;
  const place = located.named ?? located.place;
  const type = readOneOf(reader, fields.get('type'), `\`type\` of ${what}`, EXECUTOR_TYPES);
  if (!fields.has('type')) {
    reader.report(`${what} has no \`type\``, place, `type: ${EXECUTOR_TYPES[0]}`);
  }
  const depot = readDepot(reader, fields.get('depot'), what);
  if (!fields.has('depot')) {
    const hint = 'depot: /scratch/…, a folder that this machine and every node see';
    reader.report(`${what} has no \`depot\``, place, hint);
  }
  const [lines, words] = [fields.get('prologue'), fields.get('wrap')];
  const defaults = {
    type: type ?? 'slurm',
    prologue: lines ? readPrologue(reader, lines, what) : [],
    wrap: words ? readWords(reader, words, `\`wrap\` of ${what}`) : [],
  };
  const classes = readClasses(reader, fields.get('classes'), what, place, defaults);
  const head = fields.get('head');
  const duration = (key: string, otherwise: number): number => {
    const field = fields.get(key);
    return (field && readDuration(reader, field, `\`${key}\` of ${what}`)) ?? otherwise;
  };
  const read = {
    name,
    line: readOneOf(reader, fields.get('line'), `\`line\` of ${what}`, LINES) ?? 'auto',
    listen: readListen(reader, fields.get('listen'), what),
    node: readNode(reader, fields.get('node'), what),
    maxIdle_ms: duration('max-idle', MAX_IDLE_MS),
    orphan_ms: duration('orphan', ORPHAN_MS),
    classes,
    head: (head && readJobClass(reader, 'head', head, defaults, '`head`')) ?? null,
    place,
  };
  return type === undefined || depot === undefined ? undefined : { ...read, type, depot };
}

function readClasses(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
  place: Place,
  defaults: Parameters<typeof readJobClass>[3],
): ReadonlyMap<string, JobClass> {
  const classes = new Map<string, JobClass>();
  const hint = 'classes: { cpu: { cpus: 4, memory: 8GiB, time: 2h } }';
  const fields = located && reader.map(located, `\`classes\` of ${what}`);
  if (located === undefined) reader.report(`${what} has no \`classes\``, place, hint);
  else if (fields?.size === 0) reader.report(`${what} has no class`, located.place, hint);
  for (const [name, field] of fields ?? []) {
    if (!checkName(reader, 'a class', name, field)) continue;
    const read = readJobClass(reader, name, field, defaults);
    if (read) classes.set(name, read);
  }
  return classes;
}

function readOneOf<T extends string>(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
  known: readonly T[],
): T | undefined {
  if (located === undefined) return undefined;
  const { value, place } = located;
  const found = known.find((one) => one === value);
  if (found !== undefined) return found;
  const hint = typeof value === 'string' ? didYouMean(value, known) : undefined;
  reader.report(`${what} must be ${known.join(' or ')}`, place, hint);
  return undefined;
}

function readDepot(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): string | undefined {
  const text = located && reader.text(located, `\`depot\` of ${what}`);
  if (located === undefined || text === undefined) return undefined;
  const isFit = /^(?:\/|~\/)/.test(text) && !/\p{Cc}/u.test(text);
  const unknown = [...text.matchAll(/\{([^{}]*)\}/g)].find(([, name]) => name !== 'user');
  if (isFit && unknown === undefined && !/^\/+$/.test(text)) return text;
  const message = unknown
    ? `\`depot\` of ${what}: \`${unknown[0]}\` stands for nothing; \`{user}\` for your name`
    : `\`depot\` of ${what} must be an absolute path, or begin with ~/`;
  reader.report(message, located.place, 'a folder that this machine and every node see');
  return undefined;
}

/** `HOST`, `HOST:PORT` or `:PORT`. IPv6 addresses stand in brackets where a port follows. */
function readListen(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): ExecutorConfig['listen'] {
  const text = located && reader.text(located, `\`listen\` of ${what}`);
  if (located === undefined || text === undefined) return null;
  const match = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]*))(?::(\d{1,5}))?$/.exec(text);
  const bare = /^[\da-fA-F:]*:[\da-fA-F:]*:[\da-fA-F:.]*$/.test(text) ? text : undefined;
  const host = bare ?? match?.[1] ?? match?.[2];
  const port = bare === undefined && match?.[3] !== undefined ? Number(match[3]) : null;
  if (
    host !== undefined &&
    (host !== '' || port !== null) &&
    (port ?? 1) >= 1 &&
    (port ?? 1) < 2 ** 16
  ) {
    return { host, port };
  }
  const hint = 'such as 10.0.0.1, login1:7000 or :7000';
  reader.report(`\`listen\` of ${what} must be HOST, HOST:PORT or :PORT`, located.place, hint);
  return null;
}

function readNode(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): string | null {
  const text = located && reader.text(located, `\`node\` of ${what}`);
  if (located === undefined || text === undefined) return null;
  if (/^[^-\p{Cc}][^\p{Cc}]*$/u.test(text) && (text.startsWith('/') || !text.includes('/')))
    return text;
  const hint = 'node, where `prologue` puts it on PATH';
  reader.report(
    `\`node\` of ${what} must be an absolute path or a name on PATH`,
    located.place,
    hint,
  );
  return null;
}

/** `executors` of pipeline.yaml, where modules are refused: those belong to a person or a place. */
export function readDeclaredExecutors(
  reader: DiagnosticCollector,
  located: Located | undefined,
): ReadonlyMap<string, ExecutorConfig> {
  if (located?.items === undefined) return readExecutors(reader, located);
  const message = `\`executors\` of a study must be a mapping, not ${kindOf(located)}`;
  const hint =
    'modules belong to a person or a site: write them into ~/.config/pipeline/config.yaml';
  reader.report(message, located.named ?? located.place, hint);
  return new Map();
}
