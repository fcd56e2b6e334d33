// export.ts — pipeline export TASK:output FILE: an output in a form that other tools read
import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import prettyBytes from 'pretty-bytes';
import type { Json, TaskId } from '../../engine/model/key.ts';
import type { Output } from '../../engine/model/record.ts';
import { elementType, encodeSafetensors, type Tensor, type TensorFile } from '../../tensor.ts';
import { writeOutput } from '../session/output-files.ts';
import { bytesOf, lostOutput, select, tensorsOf } from '../session/output-selection.ts';
import {
  type CommonOptions,
  EXIT,
  openToShow,
  type Remains,
  talk,
  tellJson,
  UsageError,
} from '../session/session.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { jsonCsv, npyOf, tensorCsv, tensorsJson } from '../terminal/forms.ts';

export const command: CommandDeclaration = {
  name: 'export',
  group: 'Look',
  about: 'write an output, or one tensor of it, in a format that other tools read',
  arguments: [{ name: '<task:output>' }, { name: '<file>' }],
  options: [
    {
      flags: '--format <form>',
      about: 'format (default: by the ending of FILE)',
      choices: ['json', 'csv', 'npy', 'safetensors', 'raw'],
    },
    { flags: '--force', about: 'overwrite a file that exists' },
    ...COMMON,
  ],
  examples: [
    'export rigl/synth-digits/128-64/0.9/erk/uniform/0:metrics metrics.json',
    'export rigl/synth-digits/128-64/0.9/erk/uniform/0:model/layers.0.values values.npy',
    'export rigl/synth-digits/128-64/0.9/erk/uniform/0:model model.safetensors --force',
  ],
};
export { exportOutput as run };

type Form = 'json' | 'csv' | 'npy' | 'safetensors' | 'raw';

interface ExportOptions extends CommonOptions {
  readonly format?: Form;
  readonly force?: boolean;
}

const BY_ENDING: { readonly [ending: string]: Form } = {
  '.json': 'json',
  '.csv': 'csv',
  '.npy': 'npy',
  '.safetensors': 'safetensors',
};

/** Writes an output, or one tensor of it, to a file; `-` is stdout. */
async function exportOutput(target: string, file: string, options: ExportOptions): Promise<number> {
  const session = await openToShow(options);
  try {
    const { trace, name, output, part } = await select(session, target);
    if (name === undefined || output === undefined) {
      const hint = `one of ${Object.keys(trace.outputs).join(', ')}: TASK:OUTPUT`;
      throw new UsageError([{ message: 'no output is named', hint }]);
    }
    if (file !== '-' && !options.force && existsSync(file)) {
      throw new UsageError([{ message: `${file} exists`, hint: '--force overwrites it' }]);
    }
    const form = options.format ?? BY_ENDING[extname(file).toLowerCase()] ?? 'raw';
    const wanted = { task: trace.task, name, output };
    if (form === 'raw' && part === undefined && isPlain(file)) {
      await copyOutput(session, wanted, file);
      if (options.json)
        tellJson({ task: trace.task, output: name, file, form, bytes: output.bytes });
      else talk(`${prettyBytes(output.bytes)} of ${form} written to ${file}`);
      return EXIT.made;
    }
    const bytes = inForm(form, output, await bytesOf(session, trace.task, name, output), part);
    if (file === '-') {
      process.stdout.write(bytes);
      return EXIT.made;
    }
    await writeOutput(file, bytes);
    if (options.json) tellJson({ task: trace.task, output: name, file, form, bytes: bytes.length });
    else talk(`${prettyBytes(bytes.length)} of ${form} written to ${file}`);
    return EXIT.made;
  } finally {
    await session.store.close();
  }
}

/** Whether a file is written as a whole: no device, no pipe. */
const isPlain = (file: string): boolean =>
  file !== '-' && (statSync(file, { throwIfNoEntry: false })?.isFile() ?? true);

/** Writes an output as it is stored, whatever its size. @throws UsageError */
async function copyOutput(
  { store }: Pick<Remains, 'store'>,
  { task, name, output }: { task: TaskId; name: string; output: Output },
  file: string,
): Promise<void> {
  await writeOutput(file, async (draft) => {
    if (!(await store.blobs.copyTo(output.digest, draft))) throw lostOutput(task, name);
  });
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
