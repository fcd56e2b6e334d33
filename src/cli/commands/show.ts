// show.ts — pipeline show TASK[:output]: what a task made

import { extname } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { FOLDER, folderBytes } from '../../engine/model/folder-manifest.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, Output } from '../../engine/model/record.ts';
import type { Store } from '../../engine/store/store.ts';
import { plainName } from '../../plain-text.ts';
import { elementType, exactValues, type Tensor, type TensorFile } from '../../tensor.ts';
import { withRemoteBlobs } from '../remote/far-blobs.ts';
import { writeOutput } from '../session/output-files.ts';
import {
  bytesOf,
  filesOfFolder,
  noOutputNamed,
  type StoredFolder,
  select,
  tensorsOf,
} from '../session/output-selection.ts';
import { placesOf } from '../session/places.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, openToShow } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { count, taskWord } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'show',
  group: 'Look',
  about: 'show the outputs of a task, or one output: JSON, tensors (also as pictures), files',
  arguments: [
    {
      name: '<task[:output]>',
      about: 'STAGE/LABEL/LABEL, then an output, and within it a tensor or file: TASK:OUTPUT/NAME',
    },
  ],
  options: [
    {
      flags: '-o, --output <file>',
      about: 'write the output to a file; if its name ends in .png, draw tensors',
    },
    ...COMMON,
  ],
  examples: [
    'show report',
    'show rigl/synth-digits/128-64/0.9/erk/uniform/0:metrics',
    'show mask/synth-digits/128-64/0.9/erk/uniform/0:mask/layers.0 -o mask.png',
    'show report:html -o r.html',
  ],
};
export { show as run };

interface ShowOptions extends CommonOptions {
  readonly output?: string;
}

/** Lists a task's outputs, or shows one of them. */
async function show(target: string, options: ShowOptions): Promise<number> {
  const opened = await openToShow(options);
  const session = { ...opened, store: withRemoteBlobs(opened.store, placesOf(options)) };
  try {
    const { trace, name, output, part } = await select(session, target);
    if (name === undefined || output === undefined) {
      if (options.output !== undefined) throw noOutputNamed(trace);
      tellOutputs(trace, options.json ?? false);
      return EXIT.success;
    }
    if (output.kind === FOLDER) {
      const folder = { task: trace.task, name, output };
      if (options.output === undefined) await tellFolder(session.store, folder, options);
      else throw folderToFile(trace.task, name);
      return EXIT.success;
    }
    const bytes = await bytesOf(session, trace.task, name, output);
    if (options.output !== undefined) {
      const written = await pictureOrBytes(options.output, output, bytes, part);
      await writeOutput(options.output, written);
      writeStderr(`${prettyBytes(written.length)} written to ${options.output}`);
    } else if (part !== undefined) tellTensors(tensorsOf(bytes, part), options.json ?? false);
    else tellOutput(output, bytes, options.json ?? false);
    return EXIT.success;
  } finally {
    await session.store.close();
  }
}

/** Lists the files of a folder. */
async function tellFolder(
  store: Store,
  folder: StoredFolder,
  { json = false }: ShowOptions,
): Promise<void> {
  const files = await filesOfFolder(store, folder);
  if (json) {
    writeJson({ kind: FOLDER, digest: folder.output.digest, files });
    return;
  }
  for (const { path, bytes, isExecutable, digest } of files) {
    const size = prettyBytes(bytes).padStart(9);
    writeStdout(
      `${isExecutable ? 'x' : ' '} ${size}  ${c.dim(digest.slice(0, 12))}  ${plainName(path)}`,
    );
  }
  writeStderr(`${count(files.length, 'file')}, ${prettyBytes(folderBytes(files))}`);
}

function folderToFile(task: TaskId, name: string): UsageError {
  const word = `${taskWord(task)}:${name}`;
  const hint = `pipeline export ${word} FOLDER writes it; show ${word}/PATH -o FILE writes one file`;
  return new UsageError([{ message: `${name} is a folder, and -o names a file`, hint }]);
}

/** Endings that promise what an output of a kind is not. */
const MISFIT: { readonly [kind: string]: readonly string[] } = {
  json: ['.csv', '.npy', '.safetensors', '.png', '.svg', '.pdf', '.jpg'],
  tensors: ['.csv', '.npy', '.json', '.svg', '.pdf', '.jpg'],
  text: ['.npy', '.safetensors', '.png', '.pdf', '.jpg'],
};

/** What goes to a file: a picture of tensors where a PNG is wanted, otherwise the bytes as they are. */
async function pictureOrBytes(
  file: string,
  { kind }: Output,
  bytes: Uint8Array,
  part: string | undefined,
): Promise<Uint8Array> {
  if (kind === 'tensors' && /\.png$/i.test(file)) {
    const { drawTensors } = await import('../terminal/picture.ts');
    const png = drawTensors(tensorsOf(bytes, part));
    if (png) return png;
    const hint = 'name a tensor: show TASK:output/TENSOR -o FILE.png';
    throw new UsageError([{ message: 'these tensors contain nothing to draw', hint }]);
  }
  const ending = extname(file).toLowerCase();
  if (part === undefined && !MISFIT[kind]?.includes(ending)) return bytes;
  if (part === undefined) {
    const message = `this output is ${kind}, and \`show -o\` writes it as it is: not as ${ending}`;
    const hint =
      'pipeline export writes other forms; name a file without an ending for these bytes';
    throw new UsageError([{ message, hint }]);
  }
  const hint = `pipeline export writes one tensor to ${file}`;
  throw new UsageError([{ message: '`show -o` writes a whole output, or a PNG', hint }]);
}

function tellOutputs({ task, outputs }: ActionRecord, json: boolean): void {
  if (json) {
    writeJson({ task, outputs });
    return;
  }
  writeStdout(c.bold(task));
  const width = Math.max(...Object.keys(outputs).map((name) => name.length));
  for (const [name, { kind, bytes, digest }] of Object.entries(outputs)) {
    const size = prettyBytes(bytes).padStart(9);
    writeStdout(`  ${name.padEnd(width)}  ${kind.padEnd(7)} ${size}  ${c.dim(digest)}`);
  }
}

function tellOutput({ kind, digest, bytes: size }: Output, bytes: Uint8Array, json: boolean): void {
  if (kind === 'json') {
    const text = new TextDecoder().decode(bytes);
    writeStdout(json ? text : JSON.stringify(JSON.parse(text), null, 2));
  } else if (kind === 'tensors') tellTensors(tensorsOf(bytes, undefined), json);
  else if (json) writeJson({ kind, bytes: size, digest });
  else if (!process.stdout.isTTY) process.stdout.write(bytes);
  // A file gets the bytes as they are; a terminal would obey some of them.
  else if (kind === 'text') process.stdout.write(new TextDecoder().decode(bytes));
  else writeStdout(`${prettyBytes(size)} of ${kind}; write them with -o FILE`);
}

/** So many values of each tensor are shown. */
const VALUES_SHOWN = 5;

function tellTensors({ tensors, metadata }: TensorFile, json: boolean): void {
  const rows = Object.entries(tensors).map(([name, tensor]) => ({
    name,
    type: elementType(tensor),
    shape: tensor.shape,
    ...rangeOf(tensor),
  }));
  if (json) {
    writeJson({ tensors: rows.map(({ more: _, ...row }) => row), metadata });
    return;
  }
  const width = Math.max(4, ...rows.map(({ name }) => name.length));
  const typeWidth = Math.max(3, ...rows.map(({ type }) => type.length));
  for (const { name, type, shape, min, mean, max, first, more } of rows) {
    const range = `min ${short(min)}  mean ${short(mean)}  max ${short(max)}`;
    const values = first.map(short).join(', ');
    const shown = first.length > 0 ? `  ${values}${more ? ', …' : ''}` : '';
    const what = `${type.padEnd(typeWidth)} [${shape.join(', ')}]`;
    writeStdout(`${name.padEnd(width)}  ${what}  ${c.dim(range + shown)}`);
  }
}

/** A number of a tensor; a text for an integer that a double cannot hold. */
type Shown = number | string | null;

const short = (value: Shown): string =>
  value === null ? '–' : typeof value === 'string' ? value : shortNumber(value);

const shortNumber = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));

interface Range {
  readonly min: Shown;
  readonly mean: number | null;
  readonly max: Shown;
  readonly first: readonly Shown[];
  /** Whether there are more values than the first ones. */
  readonly more: boolean;
}

function rangeOf(tensor: Tensor): Range {
  const values = exactValues(tensor);
  const first = values?.[0];
  if (values === undefined || first === undefined) {
    return { min: null, mean: null, max: null, first: [], more: false };
  }
  let [min, max]: [number | bigint, number | bigint] = [first, first];
  let sum = 0;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
    sum += Number(value);
  }
  return {
    min: shownValue(min),
    mean: sum / values.length,
    max: shownValue(max),
    first: Array.from(values.subarray(0, VALUES_SHOWN) as Iterable<number | bigint>, shownValue),
    more: values.length > VALUES_SHOWN,
  };
}

const shownValue = (value: number | bigint): Shown =>
  typeof value === 'number' || Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
