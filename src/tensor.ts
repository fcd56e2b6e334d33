// tensor.ts — typed arrays with a shape, and the file form in which they are kept: safetensors
import {
  aligned,
  FOREIGN_BITS,
  type ForeignType,
  numbersIn,
  type TensorData,
  wordsIn,
} from './dtype.ts';
import { parseExactJson } from './exact-json.ts';

/** The element types that have a typed array, by their safetensors names. */
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

type OwnType = keyof typeof ELEMENTS;
/** A safetensors element type, such as `F32`. */
export type ElementType = OwnType | ForeignType;

export type { TensorData };

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

/** Thrown where a stage reads a tensor that it cannot use. By this name the engine knows that no stack is wanted. */
class TensorTypeError extends RangeError {
  override readonly name = 'StageError';
}

/**
 * A tensor of a type without a typed array (BF16, F16, F8, I64, BOOL, …). It is kept and passed on byte for byte. Its
 * `data` are the same values as numbers, made when they are first read.
 */
export class ForeignTensor implements Tensor {
  readonly shape: readonly number[];
  readonly #type: ForeignType;
  readonly #bytes: Uint8Array;
  readonly #name: string;
  #data: TensorData | undefined;

  /** @param name what errors call it @throws RangeError when the shape is not that of so many bytes */
  constructor(type: ForeignType, shape: readonly number[], bytes: Uint8Array, name = '') {
    const bits = FOREIGN_BITS[type] * countOf(shape);
    if (bits !== 8 * bytes.length) {
      throw new RangeError(`tensor ${name}: ${bytes.length} bytes are not ${type} [${shape}]`);
    }
    this.shape = shape;
    this.#type = type;
    this.#bytes = bytes;
    this.#name = name;
  }

  get dtype(): ForeignType {
    return this.#type;
  }

  /** As they stand in the file. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * The values, exactly: floats as Float32Array, I64 as Int32Array, U64 as Uint32Array, BOOL as 0 and 1.
   * @throws an error that names tensor and type where numbers of these classes cannot hold them
   */
  get data(): TensorData {
    try {
      this.#data ??= numbersIn(this.#type, this.#bytes);
      return this.#data;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const what = `tensor \`${this.#name}\` is ${this.#type} and cannot be used here: ${why}`;
      throw new TensorTypeError(what, { cause: error });
    }
  }
}

/** The safetensors name of a tensor's element type. */
export function elementType(tensor: Tensor): ElementType {
  if (tensor instanceof ForeignTensor) return tensor.dtype;
  const types = Object.keys(ELEMENTS) as OwnType[];
  const found = types.find((type) => tensor.data instanceof ELEMENTS[type]);
  if (found !== undefined) return found;
  const name = tensor.data?.constructor.name ?? 'nothing';
  throw new TypeError(`${name} has no safetensors type`);
}

/**
 * The values of a tensor, exactly: I64 and U64 as big integers, all else as numbers. Undefined where there are none:
 * complex numbers, and elements that are packed in a way that safetensors leaves open.
 */
export function exactValues(
  tensor: Tensor,
): TensorData | BigInt64Array | BigUint64Array | undefined {
  if (!(tensor instanceof ForeignTensor)) return tensor.data;
  const { dtype, bytes } = tensor;
  if (dtype === 'I64' || dtype === 'U64') return wordsIn(bytes, dtype);
  return dtype === 'C64' || dtype.startsWith('F6') ? undefined : tensor.data;
}

/** The bytes of a tensor as they stand in a file, without a copy. */
export function tensorBytes(tensor: Tensor): Uint8Array {
  if (tensor instanceof ForeignTensor) return tensor.bytes;
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

const countOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

const bitsOf = (tensor: Tensor): number =>
  tensor instanceof ForeignTensor ? FOREIGN_BITS[tensor.dtype] : 8 * tensor.data.BYTES_PER_ELEMENT;

/** The name in a header under which the words stand. */
const METADATA = '__metadata__';

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The safetensors file of some tensors: a little-endian header length (u64), a JSON header, the bytes.
 * Canonical: widest elements first so that all are aligned, then by name; the same tensors give the same bytes.
 * Source: https://github.com/huggingface/safetensors#format
 */
export function encodeSafetensors(file: TensorFile): Uint8Array {
  const names = Object.keys(file.tensors).sort(
    (a, b) => bitsOf(file.tensors[b]!) - bitsOf(file.tensors[a]!) || byCodeUnit(a, b),
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
    const tensor = file.tensors[name]!;
    const { shape } = tensor;
    if (!(tensor instanceof ForeignTensor) && countOf(shape) !== tensor.data.length) {
      throw new RangeError(
        `tensor ${name}: shape [${shape}] does not hold ${tensor.data.length} elements`,
      );
    }
    const start = end;
    end += tensorBytes(tensor).length;
    header[name] = { dtype: elementType(tensor), shape, data_offsets: [start, end] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const headerLength = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + end).fill(0x20, 8, 8 + headerLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(text, 8);
  let at = 8 + headerLength;
  for (const name of names) {
    const part = tensorBytes(file.tensors[name]!);
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
  let header: unknown;
  try {
    header = parseExactJson(bytes);
  } catch (error) {
    wrong(`its header is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const isMap = typeof header === 'object' && header !== null && !Array.isArray(header);
  return isMap ? (header as object) : wrong('its header is not a JSON object');
}

function readTensor(
  name: string,
  entry: HeaderEntry,
  body: Uint8Array,
  wrong: (what: string) => never,
): Tensor {
  const { dtype } = entry ?? {};
  const element = Object.hasOwn(ELEMENTS, dtype) ? ELEMENTS[dtype as OwnType] : undefined;
  const foreign = Object.hasOwn(FOREIGN_BITS, dtype) ? (dtype as ForeignType) : undefined;
  if (element === undefined && foreign === undefined) {
    wrong(`tensor ${name} is of type ${JSON.stringify(dtype)}, which safetensors does not have`);
  }
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
  const bits = foreign ? FOREIGN_BITS[foreign] : 8 * (element?.BYTES_PER_ELEMENT ?? 1);
  if (end > body.length || 8 * (end - start) !== bits * countOf(shape)) wrong(`extent of ${name}`);
  const part = body.subarray(start, end);
  if (element === undefined) {
    return new ForeignTensor(foreign as ForeignType, shape, part, name);
  }
  const { buffer, byteOffset } = aligned(part, element.BYTES_PER_ELEMENT);
  return { shape, data: new element(buffer, byteOffset, countOf(shape)) };
}
