// export.ts — pipeline export TASK:output FILE: an output in a form that other tools read

import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { FOLDER } from '../../engine/model/folder-manifest.ts';
import type { Store } from '../../engine/store/store.ts';
import { copyFolder, copyOutput } from '../exports/output-copies.ts';
import { checkFolderForm, type Form, inForm } from '../exports/output-forms.ts';
import { type ExportOptions, exportSelection } from '../exports/selected-outputs.ts';
import { withRemoteBlobs } from '../remote/far-blobs.ts';
import { writeOutput } from '../session/output-files.ts';
import { bytesOf, noOutputNamed, type StoredFolder, select } from '../session/output-selection.ts';
import { placesOf } from '../session/places.ts';
import { writeJson, writeStderr } from '../session/printing.ts';
import { EXIT, openToShow } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { count } from '../terminal/format.ts';
import { writeBytes } from '../terminal/ink.ts';

export const command: CommandDeclaration = {
  name: 'export',
  group: 'Look',
  about: 'write an output, or one of its tensors, in a format for other tools',
  arguments: [
    {
      name: '<task:output>',
      about: 'STAGE/LABEL/LABEL:OUTPUT, a tensor or file of it: TASK:OUTPUT/NAME, or a selection',
    },
    { name: '<file>', about: 'the file; - is stdout, and a folder takes a selection' },
  ],
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
    if (name === undefined || output === undefined) throw noOutputNamed(trace);
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

/** Whether a file is written as a whole: no device, no pipe. */
const isPlain = (file: string): boolean =>
  file !== '-' && (statSync(file, { throwIfNoEntry: false })?.isFile() ?? true);

/** A name that ends with a slash, or of a folder that is there, takes one file for each task. */
const isFolder = (file: string): boolean =>
  file.endsWith('/') || (existsSync(file) && statSync(file).isDirectory());
