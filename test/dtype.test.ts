// Element types that JavaScript has no typed array for: kept byte for byte, shown, exported, passed through.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FOREIGN_BITS, type ForeignType } from '../src/dtype.ts';
import { maskFromTensors } from '../src/sparse/mask.ts';
import {
  decodeSafetensors,
  elementType,
  encodeSafetensors,
  ForeignTensor,
  type Tensor,
  tensorBytes,
} from '../src/tensor.ts';
import { DOOR, makeRig } from './rig.ts';

const foreign = Object.keys(FOREIGN_BITS) as ForeignType[];
const fileOf = (tensors: { readonly [name: string]: Tensor }): Uint8Array =>
  encodeSafetensors({ tensors, metadata: {} });
const numbers = (
  type: ForeignType,
  bytes: ArrayLike<number>,
  shape: readonly number[],
): unknown[] => [...new ForeignTensor(type, shape, Uint8Array.from(bytes), 'w').data];
const words = (...values: bigint[]): Uint8Array =>
  new Uint8Array(BigInt64Array.from(values).buffer);

describe('a tensor of a type without a typed array', () => {
  test('comes out of a file as it went in, of whatever type', () => {
    const tensor = fc.tuple(fc.constantFrom(...foreign), fc.nat(6)).chain(([type, n]) => {
      // 4 elements are whole bytes in every type.
      const length = (FOREIGN_BITS[type] * 4 * n) / 8;
      const bytes = fc.uint8Array({ minLength: length, maxLength: length });
      return bytes.map((given) => new ForeignTensor(type, [n, 4], given, 'w'));
    });
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1 }), tensor),
        fc.nat(7),
        (tensors, offset) => {
          const encoded = fileOf(tensors);
          const shifted = new Uint8Array(encoded.length + offset);
          shifted.set(encoded, offset);
          const back = decodeSafetensors(shifted.subarray(offset));
          for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
            const found = back.tensors[name]!;
            expect([elementType(found), found.shape]).toEqual([dtype, shape]);
            expect([...tensorBytes(found)]).toEqual([...bytes]);
          }
          expect(encodeSafetensors(back)).toEqual(encoded);
        },
      ),
    );
  });

  test('gives its values exactly', () => {
    // By ml_dtypes 0.5, PyTorch's and JAX's own tables.
    expect(numbers('F16', [0, 0x3c, 1, 0, 0xff, 0x7b, 0, 0xfc], [4])).toEqual([
      1,
      2 ** -24,
      65504,
      -Infinity,
    ]);
    expect(numbers('BF16', [0x80, 0x3f, 0xc0, 0xff, 1, 0], [3])).toEqual([
      1,
      Number.NaN,
      2 ** -133,
    ]);
    expect(numbers('F8_E4M3', [0x38, 0x7e, 0x7f, 0x01, 0x80], [5])).toEqual([
      1,
      448,
      Number.NaN,
      2 ** -9,
      -0,
    ]);
    expect(numbers('F8_E5M2', [0x3c, 0x7b, 0x7c, 0x01], [4])).toEqual([
      1,
      57344,
      Infinity,
      2 ** -16,
    ]);
    expect(numbers('F8_E4M3FNUZ', [0x40, 0x80], [2])).toEqual([1, Number.NaN]);
    expect(numbers('F8_E5M2FNUZ', [0x40, 0x80], [2])).toEqual([1, Number.NaN]);
    expect(numbers('F8_E8M0', [127, 0, 255], [3])).toEqual([1, 2 ** -127, Number.NaN]);
    expect(numbers('F4', [0x21, 0xf7], [4])).toEqual([0.5, 1, 6, -6]);
    expect(numbers('BOOL', [1, 0], [2])).toEqual([1, 0]);
    expect(numbers('I64', words(-5n, 2n ** 31n - 1n), [2])).toEqual([-5, 2 ** 31 - 1]);
    expect(numbers('U64', words(2n ** 32n - 1n), [1])).toEqual([2 ** 32 - 1]);
  });

  test('that cannot be used says which it is', () => {
    expect(() => numbers('I64', words(2n ** 40n), [1])).toThrow(
      'tensor `w` is I64 and cannot be used here: it holds 1099511627776, which takes more than 32 bits',
    );
    expect(() => numbers('C64', new Uint8Array(8), [1])).toThrow('tensor `w` is C64');
    expect(() => numbers('F6_E2M3', [1, 2, 3], [4])).toThrow('tensor `w` is F6_E2M3');
    expect(() => new ForeignTensor('BF16', [3], new Uint8Array(4), 'w')).toThrow('BF16 [3]');
  });

  test('cannot be changed by halves: a copy with other data has their type', () => {
    const one = new ForeignTensor('F16', [2], new Uint8Array(4), 'w');
    const other = decodeSafetensors(fileOf({ w: { ...one, data: Float32Array.of(1, 2) } })).tensors
      .w;
    expect([elementType(other!), [...other!.data]]).toEqual(['F32', [1, 2]]);
  });

  test('may be a mask that torch wrote: its indices are I64', () => {
    const vector = (...values: bigint[]) =>
      new ForeignTensor('I64', [values.length], words(...values), 'v');
    const tensors = {
      'layers.0.crow_indices': vector(0n, 1n, 2n),
      'layers.0.col_indices': vector(2n, 0n),
      'layers.0.size': vector(2n, 3n),
    };
    const [layer] = maskFromTensors(decodeSafetensors(fileOf(tensors)));
    expect([layer!.outputs, layer!.inputs, [...layer!.columns]]).toEqual([2, 3, [2, 0]]);
    const wrong = { ...tensors, 'layers.0.size': { shape: [2], data: Float32Array.of(2, 3) } };
    expect(() => maskFromTensors({ tensors: wrong, metadata: {} })).toThrow(
      'layers.0.size is not a vector of I32, but F32 [2]',
    );
  });
});

test('a type that safetensors does not have is told, with the tensor', () => {
  const header = new TextEncoder().encode(
    '{"w":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}}',
  );
  const bytes = new Uint8Array(8 + header.length + 16);
  bytes[0] = header.length;
  bytes.set(header, 8);
  expect(() => decodeSafetensors(bytes)).toThrow('tensor w is of type "F128"');
});

const PASS = `${DOOR}
export default defineStage({
  params: z.object({ read: z.string() }),
  inputs: { i: tensors() },
  outputs: { o: tensors() },
  run: ({ params, inputs }) => {
    if (params.read !== '') console.log([...inputs.i.tensors[params.read].data].join());
    return { o: inputs.i };
  },
});
`;

test('every type passes through commands and modules, is shown and exported', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  c: { command: [cp, in.safetensors, o.safetensors], inputs: { i: { file: in.safetensors } }, outputs: { o: o.safetensors } }
  m: { run: pass.ts, inputs: { i: c.o }, params: { read: half } }
  z: { run: pass.ts, inputs: { i: c.o }, params: { read: z } }
`,
    'pass.ts': PASS,
  });
  const tensors = Object.fromEntries(
    foreign.map((type) => {
      const bytes = Uint8Array.from({ length: FOREIGN_BITS[type] / 2 }, (_, at) => at % 2);
      return [
        type === 'F16' ? 'half' : type.toLowerCase(),
        new ForeignTensor(type, [4], bytes, type),
      ];
    }),
  );
  const big = new ForeignTensor('I64', [2], words(2n ** 53n + 1n, -1n), 'z');
  writeFileSync(join(rig.folder, 'in.safetensors'), fileOf({ ...tensors, z: big }));
  const { events } = await rig.make('--keep-going');
  const built = events.filter(({ event }) => event === 'built');
  expect(new Set(built.map(({ outputs }) => JSON.stringify(outputs))).size).toBe(1);
  expect(events.find(({ event }) => event === 'failed')?.error).toEqual({
    cause: 'stage',
    message:
      'tensor `z` is I64 and cannot be used here: it holds 9007199254740993, which takes more than 32 bits',
  });
  const shown = JSON.parse((await rig.run('show', 'm:o', '--json')).stdout).tensors as {
    readonly name: string;
  }[];
  expect(shown.find(({ name }) => name === 'z')).toMatchObject({
    type: 'I64',
    min: -1,
    max: '9007199254740993',
  });
  expect(shown.find(({ name }) => name === 'half')).toMatchObject({
    type: 'F16',
    first: [1, 1, 1, 1].map(() => 256 * 2 ** -24),
  });
  expect(shown.find(({ name }) => name === 'c64')).toMatchObject({
    type: 'C64',
    min: null,
    first: [],
  });
  expect((await rig.run('export', 'm:o/z', 'z.csv')).code).toBe(0);
  expect(rig.read('z.csv')).toBe('9007199254740993\n-1\n');
  await rig.run('export', 'm:o/half', 'half.npy');
  expect(rig.read('half.npy')).toContain("'descr': '<f2'");
  const refused = await rig.run('export', 'm:o/bf16', 'b.npy');
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringContaining('NPY has no type for BF16'),
  ]);
});
