// Tensors as safetensors files: what goes in comes out, in one form only, and hostile files are refused.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../src/engine/model/key.ts';
import {
  decodeSafetensors,
  elementType,
  encodeSafetensors,
  type Tensor,
  type TensorFile,
} from '../src/tensor.ts';

const data = fc.oneof(
  fc.uint8Array(),
  fc.int8Array(),
  fc.uint16Array(),
  fc.int16Array(),
  fc.uint32Array(),
  fc.int32Array(),
  fc.float32Array(),
  fc.float64Array(),
);
const tensor: fc.Arbitrary<Tensor> = data.map((values) => ({
  shape: values.length % 2 === 0 ? [2, values.length / 2] : [values.length],
  data: values,
}));
const name = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '10', '9', 'ä'));
const fileOf = (tensors: readonly (readonly [string, Tensor])[], metadata = {}): TensorFile => ({
  tensors: Object.assign(Object.create(null), Object.fromEntries(tensors)),
  metadata,
});
const files = fc
  .uniqueArray(fc.tuple(name, tensor), { selector: ([word]) => word })
  .filter((pairs) => pairs.every(([word]) => word !== '__metadata__'));

/** A tensor as plain numbers, so that two can be compared bit by bit. */
const plain = ({ shape, data: values }: Tensor) => ({
  shape,
  type: elementType({ shape, data: values }),
  bytes: [...new Uint8Array(values.buffer, values.byteOffset, values.byteLength)],
});

describe('round trip', () => {
  test('every name, type and shape comes out as it went in', () => {
    fc.assert(
      fc.property(files, fc.dictionary(fc.string(), fc.string()), (pairs, words) => {
        const tensors = Object.create(null);
        for (const [word, value] of pairs) tensors[word] = value;
        const back = decodeSafetensors(encodeSafetensors({ tensors, metadata: words }));
        expect(Object.keys(back.tensors).sort()).toEqual(pairs.map(([word]) => word).sort());
        for (const [word, value] of pairs) expect(plain(back.tensors[word]!)).toEqual(plain(value));
        expect({ ...back.metadata }).toEqual({ ...words });
      }),
    );
  });

  test('the order in which tensors and words were given does not matter', () => {
    fc.assert(
      fc.property(files, (pairs) => {
        const words = { b: '1', a: '2' };
        const there = encodeSafetensors(fileOf(pairs, words));
        const back = encodeSafetensors(fileOf([...pairs].reverse(), { a: '2', b: '1' }));
        expect(there).toEqual(back);
      }),
    );
  });

  test('the form is frozen: this digest', () => {
    const encoded = encodeSafetensors({
      tensors: {
        weight: { shape: [2, 2], data: new Float32Array([1, -0, Number.POSITIVE_INFINITY, 0.1]) },
        rows: { shape: [3], data: new Uint8Array([1, 2, 3]) },
        total: { shape: [], data: new Float64Array([Math.PI]) },
      },
      metadata: { made: 'by hand' },
    });
    const length = Number(new DataView(encoded.buffer).getBigUint64(0, true));
    expect(new TextDecoder().decode(encoded.subarray(8, 8 + length))).toMatchInlineSnapshot(
      `"{"__metadata__":{"made":"by hand"},"total":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]},"rows":{"dtype":"U8","shape":[3],"data_offsets":[24,27]}}       "`,
    );
    expect(digestOf(encoded)).toMatchInlineSnapshot(
      `"4795eca7639351361d91880d19c931bf809a88d0c9aabe062ae50205702d5411"`,
    );
  });

  test('a file at any place in memory can be read', () => {
    const encoded = encodeSafetensors(
      fileOf([['a', { shape: [2], data: new Float64Array([1, 2]) }]]),
    );
    for (const offset of [0, 1, 4, 7]) {
      const shifted = new Uint8Array(encoded.length + offset);
      shifted.set(encoded, offset);
      const { tensors } = decodeSafetensors(shifted.subarray(offset));
      expect([...tensors.a!.data]).toEqual([1, 2]);
    }
  });

  test('what would not come out is refused when it goes in', () => {
    const one: Tensor = { shape: [1], data: new Uint8Array(1) };
    expect(() => encodeSafetensors(fileOf([['__metadata__', one]]))).toThrow('cannot be called');
    expect(() => encodeSafetensors(fileOf([['a', { ...one, shape: [2] }]]))).toThrow(
      'tensor a: shape [2] does not hold 1 elements',
    );
    const clamped = { shape: [1], data: new Uint8ClampedArray(1) as never };
    expect(() => encodeSafetensors(fileOf([['a', clamped]]))).toThrow('no safetensors type');
  });
});

describe('hostile files', () => {
  /** A file with a header of one's choice and some bytes after it. */
  const forged = (header: unknown, body = 16, length?: bigint): Uint8Array => {
    const text = new TextEncoder().encode(
      typeof header === 'string' ? header : JSON.stringify(header),
    );
    const bytes = new Uint8Array(8 + text.length + body);
    new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
    bytes.set(text, 8);
    return bytes;
  };
  const entry = (fields: object = {}) => ({
    a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields },
  });

  test('are refused in words', () => {
    const cases: readonly Uint8Array[] = [
      new Uint8Array(0),
      new Uint8Array(7),
      forged('{}', 0, 2n ** 63n),
      forged('{}', 0, 100n),
      forged('[]'),
      forged('null'),
      forged('{"a":'),
      forged({ a: null }),
      forged({ a: 3 }),
      forged(entry({ dtype: 'F16' })),
      forged(entry({ dtype: 'constructor' })),
      forged(entry({ shape: 2 })),
      forged(entry({ shape: [-2] })),
      forged(entry({ shape: ['2'] })),
      forged(entry({ shape: [2 ** 40, 2 ** 40] })),
      forged(entry({ data_offsets: undefined })),
      forged(entry({ data_offsets: {} })),
      forged(entry({ data_offsets: '08' })),
      forged(entry({ data_offsets: [0] })),
      forged(entry({ data_offsets: [8, 0] })),
      forged(entry({ data_offsets: [0, 9] })),
      forged(entry({ data_offsets: [16, 24] })),
      forged(entry({ data_offsets: [0.5, 8.5] })),
      forged({ __metadata__: 3 }),
      forged({ __metadata__: { a: 1 } }),
    ];
    const said = cases.map((bytes) => {
      try {
        decodeSafetensors(bytes);
        return 'was read';
      } catch (error) {
        return `${(error as Error).name}: ${(error as Error).message}`;
      }
    });
    expect(said.filter((words) => !words.startsWith('RangeError: not a safetensors file'))).toEqual(
      [],
    );
  });

  test('whatever the bytes, reading ends in a file or a RangeError', () => {
    const good = encodeSafetensors(
      fileOf([
        ['a', { shape: [2], data: new Float64Array([1, 2]) }],
        ['b', { shape: [3], data: new Uint8Array([1, 2, 3]) }],
      ]),
    );
    const read = (bytes: Uint8Array): void => {
      try {
        decodeSafetensors(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    };
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = good.slice();
        bytes[at]! ^= flip;
        read(bytes);
        read(good.slice(0, at));
      }),
      { numRuns: 300 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), read));
  });

  test('is read from anywhere in a buffer', () => {
    const file = encodeSafetensors({
      tensors: { a: { shape: [2], data: new Float64Array([1.5, -2]) } },
      metadata: {},
    });
    for (let at = 0; at < 8; at++) {
      const buffer = Buffer.alloc(file.length + at);
      buffer.set(file, at);
      const { tensors } = decodeSafetensors(buffer.subarray(at));
      expect([...(tensors.a!.data as Float64Array)]).toEqual([1.5, -2]);
    }
  });

  test('a name like __proto__ pollutes nothing', () => {
    const header = '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
    const { tensors } = decodeSafetensors(forged(header, 1));
    expect(Object.keys(tensors)).toEqual(['__proto__']);
    expect(({} as { dtype?: string }).dtype).toBeUndefined();
  });
});
