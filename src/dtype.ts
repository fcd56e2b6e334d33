// dtype.ts — the element types of safetensors that JavaScript has no typed array for, and their values as numbers

/** Arrays of numbers that a tensor may hold. */
export type TensorData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/**
 * Bits of one element, by safetensors name.
 * Source: https://docs.rs/safetensors/latest/safetensors/tensor/enum.Dtype.html
 */
export const FOREIGN_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E4M3: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2: 8,
  F8_E5M2FNUZ: 8,
  F8_E8M0: 8,
  F16: 16,
  BF16: 16,
  I64: 64,
  U64: 64,
  C64: 64,
} as const;

/** An element type without a typed array of its own, such as `BF16`. */
export type ForeignType = keyof typeof FOREIGN_BITS;

/** Values that JavaScript's numbers cannot give exactly, and why. */
export class UnusableValues extends RangeError {
  override readonly name = 'UnusableValues';
}

/**
 * The values of an element type as JavaScript's numbers, exactly: small floats as Float32Array, BOOL as 0 and 1, I64 as
 * Int32Array and U64 as Uint32Array.
 * @throws UnusableValues when one does not fit, or the type has no numbers
 */
export function numbersIn(type: ForeignType, bytes: Uint8Array): TensorData {
  switch (type) {
    case 'BOOL':
      return bytes;
    case 'I64':
      return Int32Array.from(wordsIn(bytes, 'I64'), (value) =>
        narrow(value, -(2n ** 31n), 2n ** 31n),
      );
    case 'U64':
      return Uint32Array.from(wordsIn(bytes, 'U64'), (value) => narrow(value, 0n, 2n ** 32n));
    case 'F16':
      return widened(halvesIn(bytes), (bits) => decodeFloat(bits, F16));
    case 'BF16':
      return new Float32Array(Uint32Array.from(halvesIn(bytes), (bits) => bits << 16).buffer);
    case 'F4':
      return widened(
        nibblesIn(bytes),
        byTable(16, (bits) => decodeFloat(bits, F4)),
      );
    case 'F8_E8M0':
      return widened(bytes, byTable(256, decodeScale));
    case 'F8_E4M3':
    case 'F8_E4M3FNUZ':
    case 'F8_E5M2':
    case 'F8_E5M2FNUZ':
      return widened(
        bytes,
        byTable(256, (bits) => decodeFloat(bits, F8[type])),
      );
    case 'C64':
      throw new UnusableValues('complex numbers are not JavaScript numbers');
    default:
      throw new UnusableValues('safetensors does not say how its elements are packed');
  }
}

/** I64 or U64 as big integers. */
export function wordsIn(bytes: Uint8Array, type: 'I64' | 'U64'): BigInt64Array | BigUint64Array {
  const { buffer, byteOffset, length } = aligned(bytes, 8);
  return type === 'I64'
    ? new BigInt64Array(buffer, byteOffset, length / 8)
    : new BigUint64Array(buffer, byteOffset, length / 8);
}

function narrow(value: bigint, least: bigint, end: bigint): number {
  if (value >= least && value < end) return Number(value);
  throw new UnusableValues(`it holds ${value}, which takes more than 32 bits`);
}

const halvesIn = (bytes: Uint8Array): Uint16Array => {
  const { buffer, byteOffset, length } = aligned(bytes, 2);
  return new Uint16Array(buffer, byteOffset, length / 2);
};

/** Two elements a byte, the low half first. */
const nibblesIn = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.from(
    { length: 2 * bytes.length },
    (_, at) => (bytes[at >> 1]! >> (4 * (at & 1))) & 15,
  );

/** The same bytes, copied if an array of elements of `size` bytes could not begin where they do. */
export function aligned(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  // Not `slice`: a Buffer's shares memory, as far from alignment as before.
  const fit = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return fit as Uint8Array<ArrayBuffer>;
}

const widened = (elements: ArrayLike<number>, decode: (bits: number) => number): Float32Array =>
  Float32Array.from(elements, decode);

const byTable = (size: number, decode: (bits: number) => number): ((bits: number) => number) => {
  const table = Float32Array.from({ length: size }, (_, bits) => decode(bits));
  return (bits) => table[bits]!;
};

interface FloatForm {
  readonly exponent: number;
  readonly mantissa: number;
  readonly bias: number;
  /** What the greatest exponent and the sign alone mean: infinities and NaN, one NaN at the end, NaN for -0, or numbers. */
  readonly special: 'ieee' | 'last' | 'minus-zero' | 'none';
}

const F16: FloatForm = { exponent: 5, mantissa: 10, bias: 15, special: 'ieee' };
const F4: FloatForm = { exponent: 2, mantissa: 1, bias: 1, special: 'none' };
const F8 = {
  F8_E4M3: { exponent: 4, mantissa: 3, bias: 7, special: 'last' },
  F8_E4M3FNUZ: { exponent: 4, mantissa: 3, bias: 8, special: 'minus-zero' },
  F8_E5M2: { exponent: 5, mantissa: 2, bias: 15, special: 'ieee' },
  F8_E5M2FNUZ: { exponent: 5, mantissa: 2, bias: 16, special: 'minus-zero' },
} as const satisfies { readonly [type: string]: FloatForm };

function decodeFloat(bits: number, { exponent, mantissa, bias, special }: FloatForm): number {
  const sign = (bits >> (exponent + mantissa)) & 1;
  const e = (bits >> mantissa) & ((1 << exponent) - 1);
  const m = bits & ((1 << mantissa) - 1);
  const isTop = e === (1 << exponent) - 1;
  if (special === 'ieee' && isTop) {
    return m !== 0 ? Number.NaN : sign ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  if (special === 'last' && isTop && m === (1 << mantissa) - 1) return Number.NaN;
  if (special === 'minus-zero' && sign === 1 && e === 0 && m === 0) return Number.NaN;
  const whole = e === 0 ? m : m + (1 << mantissa);
  const value = whole * powerOfTwo(Math.max(e, 1) - bias - mantissa);
  return sign ? -value : value;
}

/** A power of two and nothing else: the scale of a block. */
const decodeScale = (bits: number): number => (bits === 255 ? Number.NaN : powerOfTwo(bits - 127));

/** Exact, for exponents of normal doubles. */
function powerOfTwo(exponent: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, (exponent + 1023) << 20);
  return view.getFloat64(0);
}
