// Params of commands that say what they may be: schemas, what they find, and the types that files keep.
import { describe, expect, test } from 'vitest';
import { DiagnosticCollector } from '../src/engine/config/diagnostic-collector.ts';
import { parseYaml } from '../src/engine/config/yaml.ts';
import type { Json } from '../src/engine/model/key.ts';
import { locatedText, typedText } from '../src/engine/planning/params-schema.ts';
import { judge } from '../src/engine/schema/judge-schema.ts';
import { type ParamSchema, readSchema } from '../src/engine/schema/read-schema.ts';
import { makeRig, type Rig } from './rig.ts';

function schemaOf(text: string): {
  readonly schema: ParamSchema;
  readonly problems: readonly string[];
} {
  const parsed = parseYaml(text, 'schema.json');
  if (!parsed.ok) throw new Error(parsed.diagnostics[0]?.message);
  const reader = new DiagnosticCollector();
  const schema = readSchema(reader, parsed.value, 'file');
  return { schema, problems: reader.problems.map(({ message }) => message) };
}
const faults = (text: string, value: Json): readonly string[] => {
  const { schema, problems } = schemaOf(text);
  expect(problems).toEqual([]);
  return judge(schema, value, ['x']).faults.map(({ message }) => message);
};

describe('a schema', () => {
  test.each<[schema: string, fits: Json, unfit: Json, message: string]>([
    ['{ type: integer }', 2, 2.5, '`x` must be an integer'],
    ['{ type: number }', 2.5, '2', '`x` must be a number'],
    ['{ type: string }', '', 1, '`x` must be a string'],
    ['{ type: boolean }', false, 0, '`x` must be true or false'],
    ['{ type: [integer, "null"] }', null, 'a', '`x` must be an integer or empty'],
    ['{ type: array, items: { type: integer } }', [1], ['a'], '`x.0` must be an integer'],
    ['{ type: object }', {}, [], '`x` must be a mapping'],
    ['{ minimum: 1 }', 1, 0, '`x` must be at least 1'],
    ['{ maximum: 1 }', 1, 2, '`x` must be at most 1'],
    ['{ exclusiveMinimum: 0 }', 0.1, 0, '`x` must be more than 0'],
    ['{ exclusiveMaximum: 1 }', 0.9, 1, '`x` must be less than 1'],
    ['{ multipleOf: 0.1 }', 0.3, 0.35, '`x` must be a multiple of 0.1'],
    ['{ enum: [a, 1, null] }', null, 'b', '`x` must be one of a, 1, null'],
    ['{ const: { a: 1 } }', { a: 1 }, { a: 2 }, '`x` must be {"a":1}'],
    ['{ minLength: 2, maxLength: 2 }', 'äß', 'a', '`x` must have at least 2 characters'],
    ['{ pattern: "^[a-z]+$" }', 'ab', 'A', '`x` must fit /^[a-z]+$/u'],
    ['{ minItems: 1 }', [0], [], '`x` must have at least 1 item'],
    ['{ maxItems: 1 }', [0], [0, 1], '`x` must have at most 1 item'],
    [
      '{ uniqueItems: true }',
      [{ a: 1 }, { a: 2 }],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      '`x` must have no item twice',
    ],
    [
      '{ properties: { a: { type: integer } } }',
      { a: 1, b: '' },
      { a: '' },
      '`x.a` must be an integer',
    ],
    ['{ required: [a] }', { a: null }, { toString: 1 }, '`x.a` must be given'],
    [
      '{ properties: { a: true }, additionalProperties: false }',
      { a: 1 },
      { b: 1 },
      'unknown param `x.b`',
    ],
    [
      '{ additionalProperties: { type: integer } }',
      { a: 1 },
      { a: '' },
      '`x.a` must be an integer',
    ],
    [
      '{ anyOf: [{ type: integer }, { type: string }] }',
      'a',
      0.5,
      '`x` must be an integer, or be a string',
    ],
    [
      '{ oneOf: [{ minimum: 0 }, { maximum: 9 }] }',
      10,
      5,
      '`x` fits 2 of the schemas in oneOf, and must fit one',
    ],
    ['{ allOf: [{ minimum: 0 }, { maximum: 9 }] }', 5, 10, '`x` must be at most 9'],
    ['{ not: { type: string } }', 1, '', '`x` must not be as `not` says'],
    ['{ $ref: "#/$defs/a~1b", $defs: { a/b: { minimum: 1 } } }', 1, 0, '`x` must be at least 1'],
  ])('%s takes %j and refuses %j', (schema, fits, unfit, message) => {
    expect(faults(schema, fits)).toEqual([]);
    expect(faults(schema, unfit)).toEqual([message]);
  });

  test('refers to itself for values that lie in each other, and not without end', () => {
    const tree =
      '{ type: object, properties: { below: { $ref: "#" } }, additionalProperties: false }';
    expect(faults(tree, { below: { below: {} } })).toEqual([]);
    expect(faults(tree, { below: { other: 1 } })).toEqual(['unknown param `x.below.other`']);
    const end = 'the schema of `x` refers to itself without end';
    expect(faults('{ $ref: "#" }', 1)).toEqual([end]);
    expect(faults('{ anyOf: [{ $ref: "#" }, { $ref: "#" }] }', 1).join()).toContain('without end');
  });

  test.each([
    ['{ minimun: 1 }', '`minimun` in a schema of params is not checked here'],
    ['{ format: email }', '`format` in a schema of params is not checked here'],
    ['{ min: 1 }', '`min` in a schema of params is not checked here'],
    ['{ properties: { a: { foo: 1 } } }', '`foo` in a schema of params is not checked here'],
    ['{ type: int }', 'there is no type `int`'],
    ['{ type: list }', 'there is no type `list`'],
    ['{ minimum: "1" }', '`minimum` must be a number, not a string'],
    ['{ minItems: -1 }', '`minItems` must be an integer from 0 on'],
    ['{ multipleOf: 0 }', '`multipleOf` must be more than 0'],
    ['{ pattern: "(" }', '`pattern` must be a regular expression'],
    ['{ $ref: other.json }', '`$ref` refers to nothing within this schema'],
    ['{ $ref: "#/$defs/constructor", $defs: {} }', '`$ref` refers to nothing within this schema'],
    ['{ enum: 1 }', '`enum` must be a list of values'],
    ['{ required: [1] }', '`required` must be a list of names, not a list'],
    ['{ items: 1 }', 'a schema is a mapping, or true or false, not a number'],
  ])('that nobody checks is refused: %s', (text, message) => {
    expect(schemaOf(text).problems).toEqual([message]);
  });

  test('in JSON may be indented by tabs', () => {
    expect(
      schemaOf('{\n\t"properties": {\n\t\t"a": { "type": "integer" }\n\t}\n}\n').problems,
    ).toEqual([]);
  });
});

test('texts keep floats, and sort names by code unit', () => {
  const parsed = parseYaml(
    '{ b: 1.0, a: [1, 2.0, 1e3, 0.5, -0.0, "1"], c: { z: null, y: true } }',
    'x',
  );
  expect(parsed.ok && locatedText(parsed.value)).toBe(
    '{"a":[1,2.0,1000.0,0.5,0.0,"1"],"b":1.0,"c":{"y":true,"z":null}}',
  );
  expect(typedText({ 'a/b': 1, c: [1, 1] }, new Set(['/a~1b', '/c/1']))).toBe(
    '{"a/b":1.0,"c":[1,1.0]}',
  );
});

const COPY = '[sh, -c, "cp params.json out"]';
const study = (params: string, more = ''): Rig =>
  makeRig({
    'pipeline.yaml': `params: { epochs: 3, rate: 1.0, rates: [1, 2.0], constant: 2, deep: { a: 1.0 } }
stages:
  train:
    command: ${COPY}
    matrix: { rate: $rates }
    params: ${params}
    outputs: { out: { file: out, kind: text } }
${more}`,
  });
const keyOf = async (rig: Rig): Promise<unknown> => {
  const { events } = await rig.make('--dry-run');
  return events.find(({ event }) => event === 'forecast')?.key;
};

describe('params of a command', () => {
  test('are judged where they are set, and keep their keys for that', async () => {
    const declared = study('{ epochs: { type: integer, min: 1, value: $epochs } }');
    const { code, stderr } = await declared.run('make', '--set', 'epochs=2.5');
    expect(code).toBe(2);
    expect(stderr).toContain(
      '--set epochs=2.5: error: `epochs` must be an integer (stage `train`)',
    );
    expect(stderr).toMatch(/\| epochs=2\.5\n +\| +\^\^\^\n/);
    expect((await declared.run('check', '--set', 'epochs=0')).stderr).toContain(
      'must be at least 1',
    );
    expect(await keyOf(declared)).toBe(await keyOf(study('{ epochs: $epochs }')));
  });

  test('that are mappings with a type and a value stay what they are', async () => {
    const rig = study(`
      a: { type: number, value: 0.1 }
      b: { type: constant, value: $constant }
      c: { type: normal, min: 0, max: 1, value: $constant }
      d: { type: integer, value: $constant, step: 1 }`);
    expect((await rig.run('make')).code).toBe(0);
    expect(JSON.parse((await rig.run('show', 'train/1:out')).stdout)).toEqual({
      a: { type: 'number', value: 0.1 },
      b: { type: 'constant', value: 2 },
      c: { type: 'normal', min: 0, max: 1, value: 2 },
      d: { type: 'integer', value: 2, step: 1 },
    });
    const { stderr } = await rig.run('check', '--strict');
    expect(stderr).toContain('nothing wrong');
  });

  test('and values of axes keep their types where a schema speaks of numbers, or on request', async () => {
    const rig = study(
      `{ rate: { type: number, value: $rate }, n: { type: integer, value: $rate }, deep: $deep }`,
      `  list:
    command: [sh, -c, "cp runs/index.json out"]
    typed: true
    inputs: { runs: train.out }
    outputs: { out: { file: out, kind: text } }
  plain:
    command: [sh, -c, "cp runs/index.json out"]
    inputs: { runs: train.out }
    outputs: { out: { file: out, kind: text } }
`,
    );
    expect((await rig.run('make')).code).toBe(0);
    const shown = async (what: string): Promise<string> =>
      (await rig.run('show', what)).stdout.trim();
    expect(await shown('train/1:out')).toBe('{"deep":{"a":1.0},"n":1,"rate":1.0}');
    expect(await shown('list:out')).toContain(
      '{"at":{"rate":2.0},"file":"1.txt","labels":{"rate":"2"},"task":"train[2]"}',
    );
    expect(await shown('plain:out')).toContain(
      '{"at":{"rate":"2"},"file":"1.txt","task":"train[2]"}',
    );
    // Another type of the same label is another key.
    rig.edit('pipeline.yaml', '[1, 2.0]', '[1, 2]');
    const { events } = await rig.make();
    const built = events.flatMap(({ event, task }) => (event === 'built' ? [task] : []));
    expect(built).toEqual(['list']);
  });

  test('may have their schema in a file, which is read strictly', async () => {
    const rig = study('{ epochs: $epochs }\n    params-schema: schema.json');
    rig.write(
      'schema.json',
      '{\n  "properties": { "epochs": { "type": "integer", "maximum": 3 } }\n}\n',
    );
    expect((await rig.run('check')).code).toBe(0);
    expect((await rig.run('check', '--set', 'epochs=4')).stderr).toContain(
      '--set epochs=4: error: `epochs` must be at most 3',
    );
    rig.write('schema.json', '{\n  "properties": { "epochs": { "tpye": "integer" } }\n}\n');
    expect((await rig.run('check')).stderr).toContain(
      'schema.json:2:31: error: `tpye` in a schema of params is not checked here',
    );
    rig.edit('pipeline.yaml', 'schema.json', 'none.json');
    const { code, stderr } = await rig.run('check');
    expect(code).toBe(2);
    expect(stderr).toContain('none.json');
  });
});
