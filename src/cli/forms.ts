// forms.ts — outputs in the forms that other tools read: JSON, CSV, NPY
import type { Json, Named } from '../pipeline/key.ts';
import { type ElementType, elementType, type Tensor, type TensorFile } from '../tensor.ts';

/** numpy's names of element types, little-endian. */
const NUMPY: { readonly [type in ElementType]: string } = {
  U8: '|u1',
  I8: '|i1',
  U16: '<u2',
  I16: '<i2',
  U32: '<u4',
  I32: '<i4',
  F32: '<f4',
  F64: '<f8',
};

/**
 * One tensor as an NPY file, version 1.0.
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function npyOf({ shape, data }: Tensor): Uint8Array {
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const described = `{'descr': '${NUMPY[elementType(data)]}', 'fortran_order': False, 'shape': (${dimensions}), }`;
  // What precedes the data is a multiple of 64 bytes long and ends with a line feed.
  const start = Math.ceil((10 + described.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + data.byteLength).fill(0x20, 10, start);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, (start - 10) & 255, (start - 10) >> 8]);
  bytes.set(new TextEncoder().encode(described), 10);
  bytes[start - 1] = 0x0a;
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}

/** Tensors as JSON: nested lists. What JSON cannot hold (NaN, Infinity) is null. */
export function tensorsJson({ tensors, metadata }: TensorFile): Json {
  const named = Object.entries(tensors).map(([name, tensor]) => [
    name,
    { dtype: elementType(tensor.data), shape: tensor.shape, data: nested(tensor, 0, 0) },
  ]);
  return { tensors: Object.fromEntries(named), metadata };
}

function nested({ shape, data }: Tensor, axis: number, start: number): Json {
  const finite = (value: number): Json => (Number.isFinite(value) ? value : null);
  if (axis === shape.length) return finite(data[start]);
  const step = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  return Array.from({ length: shape[axis] }, (_, index) =>
    nested({ shape, data }, axis + 1, start + index * step),
  );
}

/** A tensor of one or two dimensions as CSV, without a line of titles. Undefined for more. */
export function tensorCsv({ shape, data }: Tensor): string | undefined {
  if (shape.length > 2) return undefined;
  const columns = shape.length === 2 ? shape[1] : 1;
  const rows = columns === 0 ? 0 : data.length / columns;
  const lines = Array.from({ length: rows }, (_, row) =>
    Array.from(data.subarray(row * columns, (row + 1) * columns)).join(','),
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
    const rows = lists[0].map((_, row) => lists.map((list) => list[row]));
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
  lists.every(({ length }) => length === lists[0].length);

const isMap = (value: Json): value is Named<Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mapsCsv(rows: readonly Named<Json>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = rows.map((row) =>
    columns.map((name) => (Object.hasOwn(row, name) ? row[name] : null)),
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
