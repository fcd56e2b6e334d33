// selected-outputs.ts — outputs of the tasks of a selection, written into a folder with an index

import { constants, existsSync, mkdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import prettyBytes from 'pretty-bytes';
import type { RecordedTask } from '../../analysis/results.ts';
import { FOLDER } from '../../engine/model/folder-manifest.ts';
import { type Coordinates, type Digest, shellTaskId, type TaskId } from '../../engine/model/key.ts';
import type { Output } from '../../engine/model/record.ts';
import type { Store } from '../../engine/store/store.ts';
import { didYouMean } from '../../hint.ts';
import { entryOf } from '../../present.ts';
import { withRemoteBlobs } from '../remote/far-blobs.ts';
import { unwritten, writeOutput } from '../session/output-files.ts';
import { lostOutput } from '../session/output-selection.ts';
import { placesOf } from '../session/places.ts';
import { writeJson, writeStderr } from '../session/printing.ts';
import { type CommonOptions, EXIT, storeAt } from '../session/session.ts';
import { currentStudy, recordedOf, type StudySelection, selectInStudy } from '../session/study.ts';
import { UsageError } from '../session/usage-error.ts';
import { count } from '../terminal/format.ts';
import { copyFolder, copyOutput } from './output-copies.ts';
import { checkFolderForm, type Form, inForm } from './output-forms.ts';

export interface ExportOptions extends CommonOptions {
  readonly format?: Form;
  readonly force?: boolean;
  readonly link?: boolean;
}

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
export async function exportSelection(
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
