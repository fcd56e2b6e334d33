// Names of things: the canonical text, the frozen form of keys, ids.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  canonical,
  canonicalJson,
  type Digest,
  digestOf,
  isDigest,
  type Json,
  type KeyParts,
  keyOf,
  shellTaskId,
  type TaskId,
  taskId,
  taskIdFromText,
  UNFIT_IN_NAMES,
} from '../src/engine/model/key.ts';
import { keyOfShared } from '../src/engine/model/key-text.ts';
import { isSameJson } from '../src/engine/model/same-json.ts';

/** JSON values with names of all sorts, -0 and small numbers included. */
const json = fc.jsonValue({ maxDepth: 4 });

/** The same value with the fields of every map in another order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, reversed(field)] as const);
  return Object.fromEntries(fields.reverse());
}

describe('canonical JSON', () => {
  test('is JSON, says the same, and says it in one way only', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value);
        const back: unknown = JSON.parse(text);
        // JSON itself knows no -0.
        expect(back).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(back)).toBe(text);
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
    );
  });

  test('two values with one text are one value', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const known = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
        const equal = canonicalJson(a) === canonicalJson(b);
        if (equal) expect(known(a)).toEqual(known(b));
        else expect(known(a)).not.toEqual(known(b));
      }),
    );
  });

  test('sorts names by code unit, prints numbers as ECMAScript does, and minus zero as zero', () => {
    expect(canonicalJson({ b: 1, a: 2, Z: 3, ä: 4, '10': 5, '9': 6, '': 7 })).toBe(
      '{"":7,"10":5,"9":6,"Z":3,"a":2,"b":1,"ä":4}',
    );
    expect(canonicalJson([-0, 0.1 + 0.2, 1e21, 1e-7, 5e-324, 1.0])).toBe(
      '[0,0.30000000000000004,1e+21,1e-7,5e-324,1]',
    );
    expect(canonicalJson('\ud800 "\n\u2028')).toBe('"\\ud800 \\"\\n\u2028"');
    expect(canonicalJson(JSON.parse('{"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1}}');
  });

  test('refuses what JSON cannot hold, and says where it stands', () => {
    const cases: readonly (readonly [value: unknown, words: string])[] = [
      [{ a: [1, { b: Number.NaN }] }, '$.a[1].b is NaN, which JSON cannot hold'],
      [[Number.POSITIVE_INFINITY], '$[0] is Infinity, which JSON cannot hold'],
      [{ a: undefined }, '$.a is undefined, which JSON cannot hold'],
      // biome-ignore lint/suspicious/noSparseArray: a hole must not become an empty word
      [[1, , 2], '$[1] is undefined, which JSON cannot hold'],
      [{ a: () => 1 }, '$.a is function, which JSON cannot hold'],
      [10n, '$ is bigint, which JSON cannot hold'],
      [new Map(), '$ is a Map, which JSON cannot hold'],
      [{ at: new Date(0) }, '$.at is a Date, which JSON cannot hold'],
      [new Float32Array(2), '$ is a Float32Array, which JSON cannot hold'],
      [Object.create(Object.create(null)), '$ is an object of no class, which JSON cannot hold'],
    ];
    for (const [value, words] of cases) expect(() => canonicalJson(value)).toThrow(words);
  });
});

describe('keys', () => {
  const digest = (text: string): Digest => digestOf(text);
  const parts: KeyParts = {
    code: digest('code'),
    params: { sparsity: 0.9, profile: { family: 'lognormal', cv: 1 }, seed: 0 },
    inputs: {
      shape: digest('shape'),
      none: null,
      runs: [['train[0]' as TaskId, { seed: '0' }, digest('run')]],
    },
    outputs: { mask: 'tensors', fanIn: 'json' },
    source: null,
  };

  test('have a frozen form: this text, and this digest of it', () => {
    expect(canonicalJson(['action/1', parts])).toMatchInlineSnapshot(
      `"["action/1",{"code":"5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b","inputs":{"none":null,"runs":[["train[0]",{"seed":"0"},"acba25512100f80b56fc3ccd14c65be55d94800cda77585c5f41a887e398f9be"]],"shape":"f58940a313992e6838ac3fc1f2356916cf8b53c42920a3f59cabc510f1236ec9"},"outputs":{"fanIn":"json","mask":"tensors"},"params":{"profile":{"cv":1,"family":"lognormal"},"seed":0,"sparsity":0.9},"source":null}]"`,
    );
    expect(keyOf(parts)).toMatchInlineSnapshot(
      `"5b77e8f7076b7cc0e865f6d14aa36baaac37835dac5caf8b1c3fafc0c60b463b"`,
    );
    expect(keyOf({ ...parts, source: { 'a.gz': digest('a') } })).toMatchInlineSnapshot(
      `"5913ac515aae66b7fd76fa9acb0cf1c93c6b339a3e2d2b428c7d89c91c66512d"`,
    );
  });

  test('of commands, files and partial inputs have frozen forms, too', () => {
    const command = { argv: ['node', '{inputs.data}'], env: { A: 'b', C: null } };
    const inputs = { data: 'data.json', runs: 'runs/*.json', script: null };
    const table = [['a.csv', digest('a')] as const];
    const reason = { kind: 'infeasible', message: 'at most 2' } as const;
    const runs = [['train[1]' as TaskId, { seed: '1' }, null, reason] as const];
    expect(
      keyOf({
        ...parts,
        inputs: { table, runs },
        command: { ...command, inputs, outputs: { plot: 'plot.png' } },
      }),
    ).toMatchInlineSnapshot(`"5618b8cfa976e563b8f2112e34f832066ab156a833f89a10398e7c9e3c7fafc4"`);
  });

  test('do not depend on the order in which parts were given', () => {
    expect(keyOf(reversed(parts) as KeyParts)).toBe(keyOf(parts));
  });

  test('differ when any part does', () => {
    const others: readonly Partial<KeyParts>[] = [
      { code: digest('other') },
      { params: { ...parts.params, seed: 1 } },
      { params: { ...parts.params, more: null } },
      { inputs: { ...parts.inputs, shape: digest('other') } },
      { inputs: { ...parts.inputs, none: digest('shape') } },
      { inputs: { ...parts.inputs, runs: [['train[0]' as TaskId, { seed: '1' }, digest('run')]] } },
      { inputs: { ...parts.inputs, runs: [] } },
      { outputs: { mask: 'tensors', fanIn: 'text' } },
      { source: {} },
      { inputs: { ...parts.inputs, none: [['a', digest('shape')]] } },
      { inputs: { ...parts.inputs, none: [['b', digest('shape')]] } },
      { command: { argv: ['a'], env: {}, inputs: {}, outputs: {} } },
      { command: { argv: ['a'], env: { A: null }, inputs: {}, outputs: {} } },
      { command: { argv: ['a'], env: { A: '' }, inputs: {}, outputs: {} } },
    ];
    const keys = others.map((other) => keyOf({ ...parts, ...other }));
    expect(new Set([keyOf(parts), ...keys]).size).toBe(others.length + 1);
    expect(keys.every(isDigest)).toBe(true);
  });

  test('a digest is of bytes, or of a text in UTF-8', () => {
    expect(digestOf('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(digestOf('µ')).toBe(digestOf(new Uint8Array([0xc2, 0xb5])));
    expect([isDigest('abc'), isDigest(digestOf('').toUpperCase())]).toEqual([false, false]);
  });
});

describe('task ids', () => {
  test('have a form for people and one that no shell mangles', () => {
    const id = taskId('rigl', ['mnist', '0.9', 'lognormal-cv1', '3']);
    expect(id).toBe('rigl[mnist,0.9,lognormal-cv1,3]');
    expect(shellTaskId(id)).toBe('rigl/mnist/0.9/lognormal-cv1/3');
    expect([taskId('report', []), shellTaskId(taskId('report', []))]).toEqual(['report', 'report']);
  });

  test('both forms name the same task, whatever the labels', () => {
    const label = fc
      .string({ minLength: 1, unit: 'grapheme' })
      .filter((text) => !UNFIT_IN_NAMES.test(text));
    const stage = fc.stringMatching(/^[A-Za-z][\w-]*$/);
    fc.assert(
      fc.property(stage, fc.array(label), (name, labels) => {
        const id = taskId(name, labels);
        expect(taskIdFromText(id)).toBe(id);
        expect(taskIdFromText(shellTaskId(id))).toBe(id);
      }),
    );
  });

  test('no label may blur an id or a word of the shell', () => {
    for (const text of [',', '[', ']', ':', '=', '/', ' ', '\t', '\n', '"', "'", '`', '$', '\\']) {
      expect([text, UNFIT_IN_NAMES.test(`a${text}b`)]).toEqual([text, true]);
    }
  });
});

test('values are the same when their canonical texts are', () => {
  const pair = fc.oneof(
    fc.tuple(json, json),
    json.map((value) => [value, canonical(value)] as const),
    fc.tuple(json, json).map(
      ([a, b]) =>
        [
          { a, b },
          { b, a },
        ] as const,
    ),
    fc.tuple(json, json).map(
      ([a, b]) =>
        [
          [a, b],
          [a, b, null],
        ] as const,
    ),
  );
  fc.assert(
    fc.property(pair, ([a, b]) => {
      expect(isSameJson(a as Json, b as Json)).toBe(canonicalJson(a) === canonicalJson(b));
    }),
  );
  expect([isSameJson(0, -0), isSameJson({}, []), isSameJson(null, {})]).toEqual([
    true,
    false,
    false,
  ]);
});

test('a key of shared parts is the key of the parts', () => {
  const digests = fc.stringMatching(/^[0-9a-f]{64}$/).map((text) => text as Digest);
  const named = fc.dictionary(fc.string(), json);
  const texts = fc.dictionary(fc.string(), fc.string());
  const command = fc.record({
    argv: fc.array(fc.string()),
    env: fc.dictionary(fc.string(), fc.option(fc.string())),
    inputs: fc.dictionary(fc.string(), fc.option(fc.string())),
    outputs: texts,
  });
  const reason = fc.record({ kind: fc.constant('failed'), message: fc.string() });
  const items = fc.array(
    fc.oneof(
      fc.tuple(fc.string(), texts, digests),
      fc.tuple(fc.string(), texts, fc.constant(null), reason),
      fc.tuple(fc.string(), digests),
    ),
  );
  const parts = fc.record(
    {
      code: digests,
      params: named,
      inputs: fc.dictionary(fc.string(), fc.oneof(fc.option(digests), items)),
      outputs: texts,
      source: fc.option(fc.dictionary(fc.string(), digests)),
      tools: texts,
      command,
    },
    { requiredKeys: ['code', 'params', 'inputs', 'outputs', 'source'] },
  );
  fc.assert(
    fc.property(parts, fc.array(digests), (first, codes) => {
      const others = codes.map((code) => ({ ...first, code }));
      for (const one of [first, ...others] as KeyParts[]) {
        expect(keyOfShared(one)).toBe(keyOf(one));
      }
    }),
  );
});
