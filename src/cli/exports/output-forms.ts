// output-forms.ts — an output, or a tensor of it, as JSON, CSV, NPY or safetensors
import type { Json } from '../../engine/model/key.ts';
import type { Output } from '../../engine/model/record.ts';
import { elementType, encodeSafetensors, type Tensor, type TensorFile } from '../../tensor.ts';
import { tensorsOf } from '../session/output-selection.ts';
import { UsageError } from '../session/usage-error.ts';
import { jsonCsv, npyOf, tensorCsv, tensorsJson } from '../terminal/forms.ts';

export type Form = 'json' | 'csv' | 'npy' | 'safetensors' | 'raw';

export function checkFolderForm(format: Form | undefined): void {
  if (format === undefined || format === 'raw') return;
  const message = `an output of kind folder cannot be written as ${format}`;
  throw new UsageError([{ message, hint: 'leave --format out: it becomes a folder' }]);
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const pretty = (value: Json): Uint8Array => utf8(`${JSON.stringify(value, null, 2)}\n`);

export function inForm(
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
