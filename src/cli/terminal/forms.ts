// forms.ts — outputs in the forms that other tools read: JSON, CSV, NPY

import type { Json, Named } from '../../engine/model/key.ts';
import { elementAt, entryOf } from '../../present.ts';
import {
  type ElementType,
  elementType,
  exactValues,
  type Tensor,
  type TensorData,
  type TensorFile,
  tensorBytes,
} from '../../tensor.ts';

/** numpy's names of the element types that it has, little-endian. */
const NUMPY: { readonly [type in ElementType]?: string } = {
  BOOL: '|b1',
  U8: '|u1',
  I8: '|i1',
  U16: '<u2',
  I16: '<i2',
  U32: '<u4',
  I32: '<i4',
  I64: '<i8',
  U64: '<u8',
  F16: '<f2',
  F32: '<f4',
  F64: '<f8',
  C64: '<c8',
};

/**
 * One tensor as an NPY file, version 1.0. Undefined for a type that numpy does not have.
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function npyOf(tensor: Tensor): Uint8Array | undefined {
  const { shape } = tensor;
  const descr = NUMPY[elementType(tensor)];
  if (descr === undefined) return undefined;
  const data = tensorBytes(tensor);
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const described = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dimensions}), }`;
  // What precedes the data is a multiple of 64 bytes long and ends with a line feed.
  const start = Math.ceil((10 + described.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + data.length).fill(0x20, 10, start);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, (start - 10) & 255, (start - 10) >> 8]);
  bytes.set(new TextEncoder().encode(described), 10);
  bytes[start - 1] = 0x0a;
  bytes.set(data, start);
  return bytes;
}

/**
 * Tensors as JSON: nested lists. What JSON cannot hold (NaN, Infinity) is null; 64-bit integers are texts where one of
 * them is beyond 2^53; complex numbers are pairs. Undefined when elements of some tensor cannot be told.
 */
export function tensorsJson({ tensors, metadata }: TensorFile): Json | undefined {
  const named: [string, Json][] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const elements = elementsOf(tensor);
    if (elements === undefined) return undefined;
    const data = nested(elements, 0, 0);
    named.push([name, { dtype: elementType(tensor), shape: tensor.shape, data }]);
  }
  return { tensors: Object.fromEntries(named), metadata };
}

/** Values in row-major order. */
interface Elements {
  readonly shape: readonly number[];
  readonly values: ArrayLike<Json>;
}

function elementsOf(tensor: Tensor): Elements | undefined {
  const { shape } = tensor;
  if (elementType(tensor) === 'C64') {
    const { buffer } = new Uint8Array(tensorBytes(tensor));
    return { shape: [...shape, 2], values: finite(new Float32Array(buffer)) };
  }
  const values = exactValues(tensor);
  if (values === undefined) return undefined;
  if (!isBig(values)) return { shape, values: finite(values) };
  const isSafe = Array.from(values as Iterable<bigint>, Number).every(Number.isSafeInteger);
  const each = (value: bigint): Json => (isSafe ? Number(value) : String(value));
  return { shape, values: Array.from(values as Iterable<bigint>, each) };
}

const isBig = (
  values: TensorData | BigInt64Array | BigUint64Array,
): values is BigInt64Array | BigUint64Array =>
  values instanceof BigInt64Array || values instanceof BigUint64Array;

const finite = (values: TensorData): ArrayLike<Json> =>
  Array.from(values, (value) => (Number.isFinite(value) ? value : null));

function nested({ shape, values }: Elements, axis: number, start: number): Json {
  const size = shape[axis];
  if (size === undefined) return elementAt(values, start);
  const step = shape.slice(axis + 1).reduce((product, one) => product * one, 1);
  return Array.from({ length: size }, (_, index) =>
    nested({ shape, values }, axis + 1, start + index * step),
  );
}

/**
 * A tensor of one or two dimensions as CSV, without a line of titles. Undefined for more, and for elements that are no
 * numbers.
 */
export function tensorCsv(tensor: Tensor): string | undefined {
  const { shape } = tensor;
  const data = exactValues(tensor);
  if (shape.length > 2 || data === undefined) return undefined;
  const [, columns = 1] = shape;
  const rows = columns === 0 ? 0 : data.length / columns;
  const lines = Array.from({ length: rows }, (_, row) =>
    data.subarray(row * columns, (row + 1) * columns).join(','),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * JSON as CSV. A list of maps: a row each; lists of equal length by name: a column each; a list: a column `value`;
 * anything else: a row for each value, with its path.
 */
export function jsonCsv(value: Json): string {
  if (Array.isArray(value)) {
    if (value.length > 0 && value.every(isMap)) return mapsCsv(value as readonly Named<Json>[]);
    if (value.length > 0 && value.every(Array.isArray)) {
      return (value as readonly (readonly Json[])[]).map(line).join('');
    }
    return [['value'], ...value.map((item) => [item])].map(line).join('');
  }
  if (!isMap(value)) return [['value'], [value]].map(line).join('');
  const columns = Object.values(value);
  const lists = columns.filter((column): column is readonly Json[] => Array.isArray(column));
  const even = lists.length > 0 && lists.length === columns.length && sameLength(lists);
  if (even) {
    const rows = elementAt(lists, 0).map((_, row) => lists.map((list) => elementAt(list, row)));
    return [Object.keys(value), ...rows].map(line).join('');
  }
  return [['path', 'value'], ...leavesOf('', value)].map(line).join('');
}

/** Every value that holds no others, with its dotted path. */
function leavesOf(path: string, value: Json): readonly (readonly [string, Json])[] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([name, below]) =>
    leavesOf(path === '' ? name : `${path}.${name}`, below as Json),
  );
}

const sameLength = (lists: readonly (readonly Json[])[]): boolean =>
  lists.every(({ length }) => length === lists[0]?.length);

const isMap = (value: Json): value is Named<Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mapsCsv(rows: readonly Named<Json>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = rows.map((row) =>
    columns.map((name) => (Object.hasOwn(row, name) ? entryOf(row, name) : null)),
  );
  return [columns, ...cells].map(line).join('');
}

/** One line of CSV, quoted as RFC 4180 has it; a map or list within stands as JSON. */
function line(cells: readonly Json[]): string {
  const texts = cells.map((cell) => {
    const text =
      cell === null ? '' : typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${texts.join(',')}\n`;
}
