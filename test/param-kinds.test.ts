// param-kinds.test.ts — params that the engine judges itself come out as their stage would have them
import { expect, test } from 'vitest';
import * as classic from 'zod';
import * as z from 'zod/mini';
import { canonicalJson, type Json, type Named } from '../src/engine/model/key.ts';
import { answerParams, describeStage } from '../src/engine/modules/stage-answers.ts';
import { json, type StageDeclaration } from '../src/engine/stage.ts';
import { answerByKind } from '../src/engine/worker/param-kinds.ts';

/** A stage with these params, and what else a stage may say of them. */
const stageOf = (shape: object, rest: object = {}, make: (shape: never) => unknown = z.object) =>
  ({
    params: make(shape as never),
    inputs: {},
    outputs: { n: json() },
    run: () => ({ n: 1 }),
    ...rest,
  }) as unknown as StageDeclaration;

/** The params that the engine makes of values without the stage, and those that the stage makes of them. */
function bothWays(stage: StageDeclaration, values: Named<Json>) {
  return {
    engine: answerByKind(describeStage(stage).kinds, values),
    stage: answerParams(stage, values),
  };
}

const VALUES: readonly Json[] = [
  ...[0, 1, -1, 0.5, 2 ** 53 - 1, 2 ** 53, 1e300, -0, true, false, null, '', 'a', 'b', '1'],
  ...[[], ['a'], {}, { a: 1 }],
];
/** YAML knows these, and JSON does not. */
const BEYOND = [Number.NaN, Number.POSITIVE_INFINITY];

const PLAIN = {
  int: z.int(),
  number: z.number(),
  string: z.string(),
  boolean: z.boolean(),
  enum: z.enum(['a', 'b']),
  'classic int': classic.int(),
  'classic string': classic.string(),
};

test.each(Object.entries(PLAIN))('a param of %s is judged as by its stage', (_, schema) => {
  const stage = stageOf({ p: schema });
  let judged = 0;
  for (const p of VALUES) {
    const { engine, stage: own } = bothWays(stage, { p });
    if (engine === undefined) {
      // Only what the stage refuses, or what JSON writes otherwise, is left to it.
      expect(own.params === null || Object.is(p, -0), String(p)).toBe(true);
      continue;
    }
    judged += 1;
    expect(engine).toEqual(own);
  }
  expect(judged).toBeGreaterThan(0);
  for (const p of BEYOND) expect(bothWays(stage, { p }).engine).toBeUndefined();
});

test('params are in the order of the schema, and none is lacking or over', () => {
  const stage = stageOf({ b: z.int(), a: z.string() });
  const { engine, stage: own } = bothWays(stage, { a: 'x', b: 1 });
  expect(Object.keys(engine?.params ?? {})).toEqual(Object.keys(own.params ?? {}));
  for (const values of [{ a: 'x' }, { a: 'x', b: 1, c: 2 }, { a: 'x', c: 1 }, {}]) {
    expect(bothWays(stage, values).engine, canonicalJson(values)).toBeUndefined();
  }
});

const MORE: readonly (readonly [what: string, stage: StageDeclaration])[] = [
  ['a default', stageOf({ p: z._default(z.int(), 3) })],
  ['an optional param', stageOf({ p: z.optional(z.int()) })],
  ['bounds', stageOf({ p: z.int().check(z.positive()) })],
  ['a refinement', stageOf({ p: z.string().check(z.refine(() => false)) })],
  ['a transformation', stageOf({ p: z.pipe(z.string(), z.transform(Number)) })],
  ['a coercion', stageOf({ p: z.coerce.number() })],
  ['a format', stageOf({ p: z.email() })],
  ['smaller integers', stageOf({ p: z.int32() })],
  ['a list', stageOf({ p: z.array(z.int()) })],
  ['a union', stageOf({ p: z.union([z.int(), z.string()]) })],
  ['an enum of numbers', stageOf({ p: z.enum({ One: 1, Two: 2 }) })],
  [
    'params that depend on each other',
    stageOf({ p: z.int() }, {}, (shape) => z.object(shape).check(z.refine(() => false))),
  ],
  ['a check', stageOf({ p: z.int() }, { check: () => [{ path: ['p'], message: 'no' }] })],
  ['files', stageOf({ p: z.int() }, { files: () => [] })],
  ['tools', stageOf({ p: z.int() }, { tools: () => undefined })],
  ['the graph', stageOf({ p: z.int() }, { graph: 'p' })],
];

test.each(MORE)('a stage with %s is asked', (_, stage) => {
  expect(describeStage(stage).kinds).toBeUndefined();
});
