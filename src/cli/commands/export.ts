// export.ts — pipeline export TASK:output FILE: an output in a form that other tools read

import { randomUUID } from 'node:crypto';
import { constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import prettyBytes from 'pretty-bytes';
import type { RecordedTask } from '../../analysis/results.ts';
import { FOLDER, folderBytes } from '../../engine/model/folder-manifest.ts';
import {
  type Coordinates,
  type Digest,
  type Json,
  shellTaskId,
  type TaskId,
} from '../../engine/model/key.ts';
import type { Output } from '../../engine/model/record.ts';
import type { Store } from '../../engine/store/store.ts';
import { didYouMean } from '../../hint.ts';
import { entryOf } from '../../present.ts';
import { elementType, encodeSafetensors, type Tensor, type TensorFile } from '../../tensor.ts';
import { withRemoteBlobs } from '../remote/far-blobs.ts';
import { checkOutput, unwritten, writeFolder, writeOutput } from '../session/output-files.ts';
import {
  bytesOf,
  filesOfFolder,
  lostOutput,
  type StoredFolder,
  select,
  tensorsOf,
} from '../session/output-selection.ts';
import { placesOf } from '../session/places.ts';
import { writeJson, writeStderr } from '../session/printing.ts';
import { type CommonOptions, EXIT, openToShow, type Remains, storeAt } from '../session/session.ts';
import { currentStudy, recordedOf, type StudySelection, selectInStudy } from '../session/study.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { count } from '../terminal/format.ts';
import { jsonCsv, npyOf, tensorCsv, tensorsJson } from '../terminal/forms.ts';
import { writeBytes } from '../terminal/ink.ts';

export const command: CommandDeclaration = {
  name: 'export',
  group: 'Look',
  about: 'write an output, or one of its tensors, in a format for other tools',
  arguments: [{ name: '<task:output>' }, { name: '<file>' }],
  options: [
    {
      flags: '--format <form>',
      about: 'format (default: from the file extension)',
      choices: ['json', 'csv', 'npy', 'safetensors', 'raw'],
    },
    { flags: '--force', about: 'overwrite an existing file' },
    { flags: '--link', about: 'create read-only hard links to large outputs, where possible' },
    ...COMMON,
  ],
  examples: [
    'export rigl/synth-digits/128-64/0.9/erk/uniform/0:metrics metrics.json',
    'export rigl/synth-digits/128-64/0.9/erk/uniform/0:model/layers.0.values values.npy',
    'export rigl/synth-digits/128-64/0.9/erk/uniform/0:model model.safetensors --force',
    "export 'rigl[profile=uniform]:model' models/",
  ],
};
export { exportOutput as run };

type Form = 'json' | 'csv' | 'npy' | 'safetensors' | 'raw';

interface ExportOptions extends CommonOptions {
  readonly format?: Form;
  readonly force?: boolean;
  readonly link?: boolean;
}

const BY_ENDING: { readonly [ending: string]: Form } = {
  '.json': 'json',
  '.csv': 'csv',
  '.npy': 'npy',
  '.safetensors': 'safetensors',
};

/** Writes an output, or one tensor of it, to a file; `-` is stdout. */
async function exportOutput(target: string, file: string, options: ExportOptions): Promise<number> {
  if (isFolder(file)) return await exportSelection(target, file, options);
  const opened = await openToShow(options);
  const session = { ...opened, store: withRemoteBlobs(opened.store, placesOf(options)) };
  try {
    const { trace, name, output, part } = await select(session, target);
    if (name === undefined || output === undefined) {
      const hint = `one of ${Object.keys(trace.outputs).join(', ')}: TASK:OUTPUT`;
      throw new UsageError([{ message: 'no output is named', hint }]);
    }
    if (file !== '-' && !options.force && existsSync(file)) {
      throw new UsageError([{ message: `${file} exists`, hint: '--force overwrites it' }]);
    }
    if (output.kind === FOLDER) {
      await exportFolder(session.store, { task: trace.task, name, output }, file, options);
      return EXIT.success;
    }
    const form = options.format ?? BY_ENDING[extname(file).toLowerCase()] ?? 'raw';
    const wanted = { task: trace.task, name, output };
    if (form === 'raw' && part === undefined && isPlain(file)) {
      const how = await copyOutput(session, wanted, file, options.link ?? false);
      if (options.json)
        writeJson({ task: trace.task, output: name, file, form, bytes: output.bytes });
      else if (how === 'linked') writeStderr(`${file} is a link to ${prettyBytes(output.bytes)}`);
      else writeStderr(`${prettyBytes(output.bytes)} of ${form} written to ${file}`);
      return EXIT.success;
    }
    const bytes = inForm(form, output, await bytesOf(session, trace.task, name, output), part);
    if (file === '-') {
      writeBytes(process.stdout, bytes);
      return EXIT.success;
    }
    await writeOutput(file, bytes);
    if (options.json)
      writeJson({ task: trace.task, output: name, file, form, bytes: bytes.length });
    else writeStderr(`${prettyBytes(bytes.length)} of ${form} written to ${file}`);
    return EXIT.success;
  } finally {
    await session.store.close();
  }
}

/** Writes an output that is a folder. @throws UsageError */
async function exportFolder(
  store: Store,
  folder: StoredFolder,
  path: string,
  { format, link = false, json }: ExportOptions,
): Promise<void> {
  checkFolderForm(format);
  if (path === '-') {
    const hint = 'name a folder, or one file of it: TASK:OUTPUT/PATH';
    throw new UsageError([{ message: 'a folder cannot be written to stdout', hint }]);
  }
  const { bytes, files } = await copyFolder(store, folder, path, link);
  const { task, name: output } = folder;
  if (json) writeJson({ task, output, file: path, form: 'folder', files, bytes });
  else writeStderr(`${count(files, 'file')} (${prettyBytes(bytes)}) written to ${path}`);
}

async function copyFolder(
  store: Store,
  folder: StoredFolder,
  path: string,
  mayLink: boolean,
): Promise<{ readonly bytes: number; readonly files: number }> {
  const files = await filesOfFolder(store, folder);
  const { task, name } = folder;
  const lost = (file: string): UsageError => lostOutput(task, `${name}/${file}`);
  await writeFolder(store.blobs, files, path, { mayLink, lost });
  return { bytes: folderBytes(files), files: files.length };
}

function checkFolderForm(format: Form | undefined): void {
  if (format === undefined || format === 'raw') return;
  const message = `an output of kind folder cannot be written as ${format}`;
  throw new UsageError([{ message, hint: 'leave --format out: it becomes a folder' }]);
}

/** Whether a file is written as a whole: no device, no pipe. */
const isPlain = (file: string): boolean =>
  file !== '-' && (statSync(file, { throwIfNoEntry: false })?.isFile() ?? true);

/** Writes an output as it is stored, whatever its size. @throws UsageError */
async function copyOutput(
  { store }: Pick<Remains, 'store'>,
  { task, name, output }: { task: TaskId; name: string; output: Output },
  file: string,
  mayLink: boolean,
): Promise<'linked' | 'copied'> {
  if (mayLink && (await linkOutput(store, output, file))) return 'linked';
  await writeOutput(file, async (draft) => {
    if (!(await store.blobs.copyTo(output.digest, draft))) throw lostOutput(task, name);
  });
  return 'copied';
}

/** Makes a file that shares its space with the store's. False where there can be no link. @throws UsageError */
async function linkOutput(store: Store, { digest }: Output, file: string): Promise<boolean> {
  checkOutput(file);
  const draft = join(dirname(file), `.${randomUUID()}.tmp`);
  try {
    if (!(await store.blobs.linkTo?.(digest, draft))) return false;
    await rename(draft, file);
    return true;
  } catch (error) {
    throw unwritten(file, error);
  } finally {
    // Where the file is a link to the same blob already, renaming leaves both.
    await rm(draft, { force: true });
  }
}

/** A name that ends with a slash, or of a folder that is there, takes one file for each task. */
const isFolder = (file: string): boolean =>
  file.endsWith('/') || (existsSync(file) && statSync(file).isDirectory());

/** One output of one task, and its file. */
interface Exported {
  readonly file: string;
  readonly task: TaskId;
  readonly at: Coordinates;
  readonly output: string;
  readonly kind: string;
  readonly digest: Digest;
  readonly stored: Output;
}

/** Writes outputs of the tasks of a selection into a folder, with an index. @throws UsageError before anything is written */
async function exportSelection(
  target: string,
  folder: string,
  options: ExportOptions,
): Promise<number> {
  const store = withRemoteBlobs(storeAt(placesOf(options).cache, 'read'), placesOf(options));
  try {
    const study = await currentStudy(options, store);
    const selection = selectInStudy(study, target);
    const known = await study.known(selection.tasks.map(({ id }) => id));
    const tasks = recordedOf(selection.tasks, known);
    const all = tasks.flatMap((task) => exportedOf(task, selection.output, options.format));
    if (all.length === 0) throw nothingToExport(selection, tasks);
    const named = withoutClashes(all);
    const there = [...named.map(({ file }) => file), INDEX].filter((file) =>
      existsSync(join(folder, file)),
    );
    if (there.length > 0 && !options.force) {
      const message = `${join(folder, there[0] ?? '')} exists`;
      throw new UsageError([{ message, hint: '--force overwrites it' }]);
    }
    makeFolderFor(folder);
    const { bytes, linked } = await writeAll(store, folder, named, options);
    const index = named.map(({ file, task, at, output, kind, digest }) => ({
      file,
      task,
      at,
      output,
      kind,
      digest,
    }));
    await writeOutput(join(folder, INDEX), `${JSON.stringify(index, null, 2)}\n`);
    if (options.json) writeJson({ folder, files: index });
    else
      writeStderr(
        `${count(named.length, 'file')} (${prettyBytes(bytes)}${linked > 0 ? `, ${count(linked, 'link')}` : ''}) and ${INDEX} written to ${folder}`,
      );
    const left = selection.tasks.length - tasks.length;
    if (left > 0)
      writeStderr(`${count(left, 'task')} of the selection not made: nothing of them is written`);
    const stale = [...known.values()].filter(({ state }) => state === 'stale').length;
    if (stale > 0) writeStderr(`${count(stale, 'task')} out of date: as last made`);
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/** What the files of a folder are. */
const INDEX = 'index.json';

/** How the files of outputs end that are written as they are. */
const ENDINGS: { readonly [kind: string]: string } = {
  json: '.json',
  tensors: '.safetensors',
  text: '.txt',
};

function exportedOf(
  { task, at, record }: RecordedTask,
  wanted: string | undefined,
  format: Form | undefined,
): readonly Exported[] {
  const outputs = Object.entries(record.outputs);
  const chosen = wanted === undefined ? outputs : outputs.filter(([name]) => name === wanted);
  return chosen.map(([output, stored]) => {
    const { kind, digest } = stored;
    const stem = shellTaskId(task).replaceAll('/', '-');
    if (kind === FOLDER) {
      return { file: `${stem}.${output}`, task, at, output, kind, digest, stored };
    }
    const own = Object.hasOwn(ENDINGS, kind) ? entryOf(ENDINGS, kind) : '.bin';
    const ending = format === undefined || format === 'raw' ? own : `.${format}`;
    return { file: `${stem}.${output}${ending}`, task, at, output, kind, digest, stored };
  });
}

/** Labels may hold hyphens: two tasks of one name are told apart by a number. Case does not tell files apart everywhere. */
function withoutClashes(all: readonly Exported[]): readonly Exported[] {
  const taken = new Set<string>([INDEX]);
  return all.map((one) => {
    const dot = one.file.lastIndexOf('.');
    const [stem, ending] = [one.file.slice(0, dot), one.file.slice(dot)];
    let { file } = one;
    for (let n = 2; taken.has(file.toLowerCase()); n++) file = `${stem}-${n}${ending}`;
    taken.add(file.toLowerCase());
    return { ...one, file };
  });
}

function nothingToExport(
  { stage, output }: StudySelection,
  tasks: readonly RecordedTask[],
): UsageError {
  const [first] = tasks;
  if (first === undefined) {
    const hint = `pipeline make ${stage}`;
    return new UsageError([{ message: `no task of the selection has been made`, hint }]);
  }
  const known = Object.keys(first.record.outputs);
  const message = `\`${stage}\` has no output \`${output}\``;
  return new UsageError([{ message, hint: didYouMean(output ?? '', known) }]);
}

function makeFolderFor(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw unwritten(folder, error);
  }
}

/** Outputs with the same bytes are copied by reference where the file system can. */
async function writeAll(
  store: Store,
  folder: string,
  files: readonly Exported[],
  { format, link = false }: ExportOptions,
): Promise<{ readonly bytes: number; readonly linked: number }> {
  const written = new Map<Digest, string>();
  let [total, linked] = [0, 0];
  for (const { file, task, output, digest, stored } of files) {
    const path = join(folder, file);
    if (stored.kind === FOLDER) {
      checkFolderForm(format);
      const whole = { task, name: output, output: stored };
      total += (await copyFolder(store, whole, path, link)).bytes;
      continue;
    }
    const before = written.get(digest);
    if (before !== undefined && !link) {
      await copyFile(before, path, constants.COPYFILE_FICLONE);
      continue;
    }
    if (format === undefined || format === 'raw') {
      const how = await copyOutput({ store }, { task, name: output, output: stored }, path, link);
      if (how === 'linked') linked += 1;
      total += stored.bytes;
    } else {
      const bytes = await store.blobs.get(digest);
      if (bytes === undefined) throw lostOutput(task, output);
      const form = inForm(format, stored, bytes, undefined);
      await writeOutput(path, form);
      total += form.length;
    }
    written.set(digest, path);
  }
  return { bytes: total, linked };
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const pretty = (value: Json): Uint8Array => utf8(`${JSON.stringify(value, null, 2)}\n`);

function inForm(
  form: Form,
  { kind }: Output,
  bytes: Uint8Array,
  part: string | undefined,
): Uint8Array {
  if (kind === 'tensors' && (form !== 'raw' || part !== undefined)) {
    return tensorsInForm(form, tensorsOf(bytes, part));
  }
  if (form === 'raw') return bytes;
  if (kind === 'json' && form !== 'npy' && form !== 'safetensors') {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Json;
    return form === 'csv' ? utf8(jsonCsv(value)) : pretty(value);
  }
  const fitting = kind === 'json' ? 'json, csv and raw' : 'raw';
  const message = `an output of kind ${kind} cannot be written as ${form}`;
  throw new UsageError([{ message, hint: `${fitting} can: name them with --format` }]);
}

function tensorsInForm(form: Form, file: TensorFile): Uint8Array {
  if (form === 'safetensors' || form === 'raw') return encodeSafetensors(file);
  if (form === 'json') {
    const json = tensorsJson(file);
    if (json !== undefined) return pretty(json);
    const types = [...new Set(Object.values(file.tensors).map(elementType))].join(', ');
    return refuse(`JSON cannot tell the elements of these tensors (${types})`, 'safetensors');
  }
  const tensor = onlyTensor(file, form);
  const type = elementType(tensor);
  if (form === 'npy') {
    return npyOf(tensor) ?? refuse(`NPY has no type for ${type}`, 'safetensors, json or csv');
  }
  const csv = tensorCsv(tensor);
  if (csv !== undefined) return utf8(csv);
  if (tensor.shape.length <= 2) return refuse(`CSV cannot tell elements of ${type}`, 'safetensors');
  const dimensions = tensor.shape.length;
  return refuse(`CSV has two dimensions, and this tensor has ${dimensions}`, 'npy or safetensors');
}

function refuse(message: string, forms: string): never {
  throw new UsageError([{ message, hint: `write it as ${forms}` }]);
}

function onlyTensor({ tensors }: TensorFile, form: Form): Tensor {
  const names = Object.keys(tensors);
  const [only] = Object.values(tensors);
  if (only !== undefined && names.length === 1) return only;
  const some = names.slice(0, 6).join(', ');
  const message = `${form} holds one tensor, and there are ${names.length}`;
  const hint = `name one, TASK:OUTPUT/TENSOR: ${some}${names.length > 6 ? ', …' : ''}`;
  throw new UsageError([{ message, hint }]);
}
