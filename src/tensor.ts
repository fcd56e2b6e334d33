// tensor.ts — typed arrays with a shape, and the file form in which they are kept: safetensors

/** The element types that are kept, by their safetensors names. */
const ELEMENTS = {
  U8: Uint8Array,
  I8: Int8Array,
  U16: Uint16Array,
  I16: Int16Array,
  U32: Uint32Array,
  I32: Int32Array,
  F32: Float32Array,
  F64: Float64Array,
} as const;

/** A safetensors element type, such as `F32`. */
export type ElementType = keyof typeof ELEMENTS;
/** The arrays that a tensor may hold; the class decides the element type. */
export type TensorData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** An array with a shape, row-major: data.length is the product of shape. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Named tensors and a few words about them: what one safetensors file holds. */
export interface TensorFile {
  readonly tensors: { readonly [name: string]: Tensor };
  readonly metadata: { readonly [name: string]: string };
}

/** The safetensors name of an array's element type. */
export function elementType(data: TensorData): ElementType {
  const found = (Object.keys(ELEMENTS) as ElementType[]).find(
    (type) => data instanceof ELEMENTS[type],
  );
  if (found === undefined) throw new TypeError(`${data.constructor.name} has no safetensors type`);
  return found;
}

/** The name in a header under which the words stand. */
const METADATA = '__metadata__';

/** Bytes of `data`, without a copy. */
const bytesOf = (data: TensorData): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The safetensors file of some tensors: a little-endian header length (u64), a JSON header, the bytes.
 * Canonical: widest elements first so that all are aligned, then by name; the same tensors give the same bytes.
 * Source: https://github.com/huggingface/safetensors#format
 */
export function encodeSafetensors(file: TensorFile): Uint8Array {
  const names = Object.keys(file.tensors).sort(
    (a, b) =>
      file.tensors[b].data.BYTES_PER_ELEMENT - file.tensors[a].data.BYTES_PER_ELEMENT ||
      byCodeUnit(a, b),
  );
  // No prototype: a tensor may be called anything, `__proto__` too.
  const header: Record<string, unknown> = Object.create(null);
  if (Object.hasOwn(file.tensors, METADATA)) {
    throw new RangeError(`a tensor cannot be called ${METADATA}`);
  }
  const words = Object.keys(file.metadata).sort(byCodeUnit);
  if (words.length > 0) {
    header[METADATA] = Object.fromEntries(words.map((word) => [word, file.metadata[word]]));
  }
  let end = 0;
  for (const name of names) {
    const { shape, data } = file.tensors[name];
    const count = shape.reduce((product, size) => product * size, 1);
    if (count !== data.length) {
      throw new RangeError(
        `tensor ${name}: shape [${shape}] does not hold ${data.length} elements`,
      );
    }
    const start = end;
    end += data.byteLength;
    header[name] = { dtype: elementType(data), shape, data_offsets: [start, end] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const headerLength = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + end).fill(0x20, 8, 8 + headerLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(text, 8);
  let at = 8 + headerLength;
  for (const name of names) {
    const part = bytesOf(file.tensors[name].data);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Reads a safetensors file. Arrays share the memory of `bytes` where alignment allows.
 * @throws RangeError when the file is not well-formed: it may come from anywhere.
 */
export function decodeSafetensors(bytes: Uint8Array): TensorFile {
  const wrong = (what: string): never => {
    throw new RangeError(`not a safetensors file: ${what}`);
  };
  if (bytes.length < 8) wrong('shorter than its header length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > bytes.length - 8) wrong('truncated header');
  const header = parseHeader(bytes.subarray(8, 8 + headerLength), wrong);
  const body = bytes.subarray(8 + headerLength);
  const tensors: Record<string, Tensor> = Object.create(null);
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === METADATA) metadata = readMetadata(entry, wrong);
    else tensors[name] = readTensor(name, entry as HeaderEntry, body, wrong);
  }
  return { tensors, metadata };
}

function readMetadata(entry: unknown, wrong: (what: string) => never): Record<string, string> {
  const isMap = typeof entry === 'object' && entry !== null && !Array.isArray(entry);
  const words: [string, unknown][] = isMap ? Object.entries(entry) : wrong('metadata');
  if (!words.every(([, word]) => typeof word === 'string')) wrong('metadata');
  return Object.fromEntries(words) as Record<string, string>;
}

interface HeaderEntry {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

function parseHeader(bytes: Uint8Array, wrong: (what: string) => never): object {
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) return header;
  } catch {
    // Falls through to the one message for a header that cannot be read.
  }
  return wrong('its header is not a JSON object');
}

function readTensor(
  name: string,
  entry: HeaderEntry,
  body: Uint8Array,
  wrong: (what: string) => never,
): Tensor {
  const element = Object.hasOwn(ELEMENTS, entry?.dtype)
    ? ELEMENTS[entry.dtype]
    : wrong(`type of ${name}`);
  const offsets = Array.isArray(entry.data_offsets)
    ? entry.data_offsets
    : wrong(`offsets of ${name}`);
  const shape = Array.isArray(entry.shape) ? entry.shape : wrong(`shape of ${name}`);
  const sizes: readonly unknown[] = [...shape, ...offsets];
  if (
    offsets.length !== 2 ||
    !sizes.every((size) => Number.isSafeInteger(size) && Number(size) >= 0)
  ) {
    wrong(`sizes of ${name}`);
  }
  const [start, end] = offsets;
  const count = entry.shape.reduce((product, size) => product * size, 1);
  if (end > body.length || end - start !== count * element.BYTES_PER_ELEMENT)
    wrong(`extent of ${name}`);
  const part = body.subarray(start, end);
  // Not `slice`: a Buffer's shares memory, as far from alignment as before.
  const aligned = part.byteOffset % element.BYTES_PER_ELEMENT === 0 ? part : new Uint8Array(part);
  return {
    shape: entry.shape,
    data: new element(aligned.buffer as ArrayBuffer, aligned.byteOffset, count),
  };
}
