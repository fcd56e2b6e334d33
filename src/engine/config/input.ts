// input.ts — where a stage's inputs come from, as pipeline.yaml connects them
import type { Place } from '../model/event.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import { type Located, labelOf } from './located.ts';
import { checkName } from './matrix.ts';
import { lookupIn, substitute } from './reference.ts';

/** One upstream output that an input may come from. */
export interface InputSource {
  readonly stage: string;
  readonly output: string;
  readonly place: Place;
}

/** A `where` on one axis. `single`: one label, so the axis is pinned and not collected. */
export interface Narrowing {
  /** Where each label was written. */
  readonly labels: ReadonlyMap<string, Place>;
  readonly single: boolean;
  /** Where the axis is named. */
  readonly named: Place;
}

/** Files of the project, as an input names them. */
export interface FilePattern {
  /** A path or glob, relative to the folder of pipeline.yaml; `{axis}` stands for the task's label. */
  readonly pattern: string;
  /** Whether it may lead out of that folder. */
  readonly outside: boolean;
  readonly place: Place;
}

/** An input as pipeline.yaml connects it. */
export interface InputConfig {
  readonly place: Place;
  /** Where the port is named. */
  readonly named: Place;
  /** Empty when it comes from files of the project. */
  readonly from: readonly InputSource[];
  readonly where: ReadonlyMap<string, Narrowing>;
  readonly files: FilePattern | null;
  /** For a command: whether it runs with what there is of a list. A module says so itself. */
  readonly partial: boolean;
  /** For a command: the file, or folder, in which the input lies in its scratch folder. */
  readonly as: Located | null;
}

/** The keys of an input that is a map. */
export const INPUT_KEYS = ['from', 'where', 'file', 'outside', 'partial'];

/** Reads the inputs of a stage. @param isCommand whether they lie in a scratch folder as files */
export function readInputs(
  reader: DiagnosticCollector,
  section: ReadonlyMap<string, Located>,
  params: Located,
  isCommand: boolean,
): ReadonlyMap<string, InputConfig> {
  const inputs = new Map<string, InputConfig>();
  for (const [port, located] of section) {
    // Its name becomes that of a file.
    if (isCommand && !checkName(reader, 'an input', port, located)) continue;
    const spec = located.fields ? reader.map(located, `input \`${port}\``, INPUT_KEYS) : undefined;
    const from = located.fields ? spec?.get('from') : located;
    const files = readFilePattern(reader, port, from, spec);
    if (from === undefined && files === null) {
      const hint = '{ from: stage.output }, or { file: PATH } for files of the project';
      reader.report(`input \`${port}\` has no \`from\``, located.place, hint);
      continue;
    }
    if (from?.items?.length === 0) {
      reader.report(`input \`${port}\` comes from nowhere`, from.place, '[stage.output, …]');
      continue;
    }
    const where = spec?.get('where');
    inputs.set(port, {
      place: located.place,
      named: located.named ?? located.place,
      from: sourcesOf(from).flatMap((item) => readInputSource(reader, port, item) ?? []),
      where: where ? readWhere(reader, port, where, params) : new Map(),
      files,
      partial: readPartial(reader, spec?.get('partial'), isCommand),
      as: readAs(reader, port, from && spec?.get('file'), isCommand),
    });
  }
  return inputs;
}

const sourcesOf = (from: Located | undefined): readonly Located[] =>
  from?.items ?? (from ? [from] : []);

/** Files of the project: `file` without `from`. */
function readFilePattern(
  reader: DiagnosticCollector,
  port: string,
  from: Located | undefined,
  spec: ReadonlyMap<string, Located> | undefined,
): FilePattern | null {
  const [file, outside, where] = [spec?.get('file'), spec?.get('outside'), spec?.get('where')];
  if (file === undefined || from) {
    const hint = '{ file: PATH, outside: true }';
    if (outside) reader.report('`outside` is for files of the project', outside.place, hint);
    return null;
  }
  if (where) reader.report('`where` is for inputs that come `from` a stage', where.place);
  if (outside && typeof outside.value !== 'boolean') {
    reader.report('`outside` is true or false', outside.place);
  }
  const pattern = reader.text(file, `\`file\` of input \`${port}\``);
  if (pattern === undefined) return null;
  const allowed = outside?.value === true;
  if (pattern === '' || (!allowed && !isWithin(pattern.replace(/\\(?=[*?[\]{}])/g, '')))) {
    const hint =
      'it is relative to the folder of pipeline.yaml, without ..; else add `outside: true`';
    const message = `\`file\` of input \`${port}\` is outside the project`;
    reader.report(pattern === '' ? '`file` is empty' : message, file.place, hint);
  }
  return { pattern, outside: allowed, place: file.place };
}

function readPartial(
  reader: DiagnosticCollector,
  located: Located | undefined,
  isCommand: boolean,
): boolean {
  if (located === undefined) return false;
  const hint = 'a module declares the input by collectPartial(…)';
  if (!isCommand) reader.report('`partial` is for commands', located.place, hint);
  else if (typeof located.value !== 'boolean') {
    reader.report('`partial` is true or false', located.place);
  }
  return located.value === true;
}

/** Where an input from a stage lies in the scratch folder of a command. */
function readAs(
  reader: DiagnosticCollector,
  port: string,
  file: Located | undefined,
  isCommand: boolean,
): Located | null {
  if (file === undefined) return null;
  const path = reader.text(file, `\`file\` of input \`${port}\``);
  if (!isCommand) {
    const hint = 'a module gets the value itself: leave `file` out';
    reader.report('`file` beside `from` is for commands', file.place, hint);
  } else if (path !== undefined) {
    // A slash at the end says that it is a folder: whether it is one, only its stage tells.
    const isFolder = /[^/]\/$/.test(path);
    checkScratchPath(reader, isFolder ? { ...file, value: path.slice(0, -1) } : file);
  }
  return path === undefined ? null : file;
}

/** Whether a path, as it is written, stays in the folder that it is relative to. */
export const isWithin = (path: string): boolean =>
  path !== '' && !path.startsWith('/') && !/(^|[\\/])\.\.([\\/]|$)|^[A-Za-z]:|\\|\0/.test(path);

/** Says what is wrong with the path of a file in a scratch folder. */
export function checkScratchPath(reader: DiagnosticCollector, file: Located): void {
  const fit =
    typeof file.value === 'string' && isWithin(file.value) && !/(^|\/)\.?(\/|$)/.test(file.value);
  const isFolder = typeof file.value === 'string' && /[^/]\/$/.test(file.value);
  const hint = isFolder
    ? 'a path names one file and does not end in /: name a file in that folder, or pack the folder into one (tar)'
    : 'it has / between folders, no .., and is not empty';
  if (!fit)
    reader.report('this must be a relative path within the scratch folder', file.place, hint);
  else sayIfLong(reader, file);
}

/** What file systems allow for the name of one file or folder, in bytes. */
export const FILE_NAME_BYTES_MAX = 255;

/** The bytes of the first name in a path that has too many; undefined when none has. */
export const longName = (path: string): number | undefined =>
  path
    .split('/')
    .map((name) => Buffer.byteLength(name))
    .find((bytes) => bytes > FILE_NAME_BYTES_MAX);

function sayIfLong(reader: DiagnosticCollector, { value, place }: Located): void {
  const bytes = longName(String(value));
  if (bytes === undefined) return;
  const message = `a name in this path has ${bytes} bytes: file systems allow ${FILE_NAME_BYTES_MAX}`;
  reader.report(message, place, 'use a shorter name');
}

function readInputSource(
  reader: DiagnosticCollector,
  port: string,
  located: Located,
): InputSource | undefined {
  const text = reader.text(located, `input \`${port}\``);
  const match = /^([\w-]+)\.([\w-]+)$/.exec(text ?? '');
  if (text !== undefined && match === null) {
    const [, stage, output] = /^([\w-]+)[:/ ]([\w-]+)$/.exec(text) ?? [];
    const hint = stage
      ? `did you mean \`${stage}.${output}\`?`
      : `an input names a stage and one of its outputs: ${port}: STAGE.OUTPUT`;
    reader.report(`\`${text}\` is not \`stage.output\``, located.place, hint);
  }
  const [, from = '', named = ''] = match ?? [];
  return match ? { stage: from, output: named, place: located.place } : undefined;
}

function readWhere(
  reader: DiagnosticCollector,
  port: string,
  where: Located,
  params: Located,
): ReadonlyMap<string, Narrowing> {
  const narrowings = new Map<string, Narrowing>();
  for (const [axis, located] of reader.map(where, `\`where\` of input \`${port}\``) ?? []) {
    const resolved = reader.take(substitute(located, (path, at) => lookupIn(params, path, at)));
    if (resolved === undefined) continue;
    const items = resolved.items ?? [resolved];
    narrowings.set(axis, {
      labels: new Map(items.map((item) => [labelOf(item) ?? '', item.place])),
      single: resolved.items === undefined,
      named: located.named ?? located.place,
    });
  }
  return narrowings;
}
