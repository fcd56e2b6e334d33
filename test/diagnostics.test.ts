// What is said of every mistake that one can make in a pipeline.yaml, whole: place, line, carets, hint.
import { describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { colorsFor, drawDiagnostic } from '../src/cli/terminal/format.ts';
import { type Pipeline, readPipeline } from '../src/engine/config/config.ts';
import { makePlan } from '../src/engine/planning/planner.ts';
import { collect, defineStage, json, optional, tensors, text } from '../src/engine/stage.ts';
import { liveModules } from './live-answers.ts';
import { DOOR, makeRig } from './rig.ts';

const plain = colorsFor({}, { NO_COLOR: '1' });
const made = { out: { value: 1 } };

/** Stage modules by the path that `run:` names. */
const declarations: Readonly<Record<string, unknown>> = {
  'load.ts': defineStage({
    params: z.strictObject({ source: z._default(z.string(), 'here') }),
    inputs: {},
    outputs: { data: tensors(), shape: json() },
    run: () => ({ data: { tensors: {}, metadata: {} }, shape: null }),
  }),
  'mask.ts': defineStage({
    params: z.strictObject({
      sparsity: z.number().check(z.minimum(0), z.lt(1)),
      profile: z.discriminatedUnion('family', [
        z.strictObject({ family: z.literal('uniform') }),
        z.strictObject({ family: z.literal('lognormal'), cv: z.number().check(z.minimum(0)) }),
      ]),
    }),
    inputs: { shape: optional(json()) },
    outputs: { out: json(), page: text() },
    check: ({ profile, sparsity }) =>
      profile.family === 'lognormal' && profile.cv > 2
        ? [
            {
              path: ['profile', 'cv'],
              message: `at sparsity ${sparsity} a CV of ${profile.cv} is out of reach`,
              hint: 'at most 2.00',
            },
          ]
        : [],
    run: () => ({ ...made, page: '' }),
  }),
  'train.ts': defineStage({
    params: z.strictObject({
      seed: z.int(),
      training: z.strictObject({
        epochs: z.int().check(z.minimum(1), z.maximum(1000)),
        optimizer: z.enum(['adam', 'sgd']),
        rate: z.number().check(z.gt(0)),
        layers: z._default(z.array(z.int()).check(z.minLength(1)), [10]),
      }),
    }),
    inputs: { mask: json() },
    outputs: { out: json() },
    run: () => made,
  }),
  'report.ts': defineStage({
    params: z.strictObject({}),
    inputs: { runs: collect(json()) },
    outputs: { out: json(), html: text() },
    run: () => ({ ...made, html: '' }),
  }),
};

interface Source {
  readonly presets?: readonly string[];
  readonly sets?: readonly string[];
}

/** Everything that is said of a pipeline.yaml; empty when nothing is wrong with it. */
async function said(yaml: string, { presets = [], sets = [] }: Source = {}): Promise<string> {
  const pipeline = readPipeline({ text: yaml, file: 'pipeline.yaml', presets, sets });
  const result = pipeline.ok ? await planned(pipeline.value) : pipeline;
  if (result.ok) return '';
  return `\n${result.diagnostics.map((one) => drawDiagnostic(one, plain)).join('\n\n')}\n`;
}

function planned(pipeline: Pipeline): ReturnType<typeof makePlan> {
  const { modules, answers } = liveModules(pipeline.stages, declarations);
  return makePlan(pipeline, modules, answers);
}

/** A pipeline with nothing wrong, as the others are with one thing changed. */
const SOUND = `params:
  sparsities: [0.5, 0.9]
  profiles:
    - { family: uniform }
    - { family: lognormal, cv: 1.0 }
  seeds: [0, 1]
  training: { epochs: 10, optimizer: adam, rate: 0.1 }
presets:
  long: { training: { epochs: 100 } }
stages:
  mask:
    run: mask.ts
    matrix: { sparsity: $sparsities, profile: $profiles }
  train:
    run: train.ts
    matrix: { sparsity: $sparsities, profile: $profiles, seed: $seeds }
    inputs: { mask: mask.out }
    params: { training: $training }
  report:
    run: report.ts
    inputs: { runs: train.out }
    artifacts: { html: report.html }
`;

/** What is said of the sound pipeline after some edits. */
function edited(...edits: readonly (readonly [before: string, after: string])[]): Promise<string> {
  let yaml = SOUND;
  for (const [before, after] of edits) {
    if (!yaml.includes(before)) throw new Error(`the sound pipeline does not hold ${before}`);
    yaml = yaml.replace(before, () => after);
  }
  return said(yaml);
}

test('nothing is said of a sound pipeline', async () => {
  expect(await said(SOUND)).toBe('');
  expect(await said(SOUND, { presets: ['long'], sets: ['seeds=[3]', 'training.rate=0.5'] })).toBe(
    '',
  );
});

describe('a text that is not a pipeline', () => {
  test('YAML that does not parse', async () => {
    expect(await edited(['seeds: [0, 1]', 'seeds: [0, 1'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:7:3: error: this is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]
          7 |   training: { epochs: 10, optimizer: adam, rate: 0.1 }
            |   ^
        hint: quotes and brackets must close, and items of the same level need the same indentation
      "
    `);
    expect(await said('params: {}\n\tstages: {}\n')).toMatchInlineSnapshot(`
      "
      pipeline.yaml:2:1: error: this is not YAML: Tabs are not allowed as indentation
          2 | 	stages: {}
            | ^
        hint: indent with spaces
      "
    `);
    // One wrong indentation is one mistake, however many items follow.
    expect(await said('a:\n  b: 1\n c: 2\n  d: 3\n  e: 4\n  f: 5\n')).toMatchInlineSnapshot(`
      "
      pipeline.yaml:3:1: error: this is not YAML: All mapping items must start at the same column
          3 |  c: 2
            | ^
        hint: quotes and brackets must close, and items of the same level need the same indentation
      "
    `);
    expect(await said('a: "unclosed\n')).toMatchInlineSnapshot(`
      "
      pipeline.yaml:1:12: error: this is not YAML: Missing closing "quote
          1 | a: "unclosed
            |            ^
        hint: quotes and brackets must close, and items of the same level need the same indentation
      "
    `);
  });

  test('duplicate keys', async () => {
    expect(await edited(['seeds: [0, 1]', 'seeds: [0, 1]\n  seeds: [2]'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:7:3: error: \`seeds\` is given twice in one map
          7 |   seeds: [2]
            |   ^^^^^
      "
    `);
  });

  test('an empty file, a list, two documents', async () => {
    expect(await said('')).toMatchInlineSnapshot(`
      "
      error: pipeline.yaml is empty
        hint: a pipeline has \`params\` and \`stages\`
      "
    `);
    expect(await said('- a\n- b\n')).toMatchInlineSnapshot(`
      "
      pipeline.yaml:1:1: error: a pipeline must be a mapping, not a list
          1 | - a
            | ^^^
      "
    `);
    expect(await said('stages: {}\n---\nstages: {}\n')).toMatchInlineSnapshot(`
      "
      pipeline.yaml:2:1: error: a second document begins here, and a pipeline is one
          2 | ---
            | ^^^
      "
    `);
  });

  test('what YAML can say and a pipeline cannot keep', async () => {
    expect(
      await said(`params:
  __proto__: { polluted: true }
  big: 9007199254740993
  none: .nan
  ? [a, b]
  : 1
  merged: { <<: 3 }
  self: &self [*self]
  lost: *nowhere
stages: {}
`),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:2:3: error: \`__proto__\` cannot be a name
          2 |   __proto__: { polluted: true }
            |   ^^^^^^^^^

      pipeline.yaml:3:8: error: an integer beyond 2^53 loses digits
          3 |   big: 9007199254740993
            |        ^^^^^^^^^^^^^^^^
        hint: quote it to keep it as text

      pipeline.yaml:4:9: error: NaN is not a number that can be kept
          4 |   none: .nan
            |         ^^^^

      pipeline.yaml:5:5: error: a name must be a string
          5 |   ? [a, b]
            |     ^^^^^^

      pipeline.yaml:7:17: error: \`<<\` merges a mapping or a list of mappings
          7 |   merged: { <<: 3 }
            |                 ^

      pipeline.yaml:8:15: error: an alias contains itself
          8 |   self: &self [*self]
            |               ^^^^^^^

      pipeline.yaml:9:9: error: there is no anchor \`&nowhere\` above this alias
          9 |   lost: *nowhere
            |         ^^^^^^^^
      "
    `);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('an alias bomb is refused once', async () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi']) {
      bomb.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(', ')}]`);
    }
    expect(await said(`params:\n  ${bomb.join('\n  ')}\nstages: {}\n`)).toMatchInlineSnapshot(`
      "
      pipeline.yaml:2:16: error: aliases expand to more than 300000 values
          2 |   a: &a [x, x, x, x, x, x, x, x, x, x]
            |                ^
      "
    `);
    const references = bomb.map((line) => line.replace(/&\w /, '').replaceAll('*', '$'));
    expect(
      await said(`params:\n  ${references.join('\n  ')}\nstages: {}\n`),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:3:35: error: references expand to more than 300000 values
          3 |   b: [$a, $a, $a, $a, $a, $a, $a, $a, $a, $a]
            |                                   ^^

      pipeline.yaml:11:9: error: there are no stages
         11 | stages: {}
            |         ^^
        hint: add a stage: NAME: { run: stages/NAME.ts }
      "
    `);
  });

  test('a file with Windows line ends is drawn like any other', async () => {
    expect(await said(SOUND.replace('seed: $seeds', 'seed: $seed').replaceAll('\n', '\r\n'))).toBe(
      await edited(['seed: $seeds', 'seed: $seed']),
    );
  });
});

describe('keys and types', () => {
  test('unknown keys at every level', async () => {
    expect(
      await edited(
        ['presets:', 'preset:'],
        ['    run: mask.ts', '    runs: mask.ts\n    run: mask.ts'],
        ['inputs: { mask: mask.out }', 'inputs: { mask: { form: mask.out, from: mask.out } }'],
      ),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:8:1: error: unknown key \`preset\` in a pipeline
          8 | preset:
            | ^^^^^^
        hint: did you mean \`presets\`?

      pipeline.yaml:12:5: error: unknown key \`runs\` in stage \`mask\`
         12 |     runs: mask.ts
            |     ^^^^
        hint: did you mean \`run\`?

      pipeline.yaml:18:23: error: unknown key \`form\` in input \`mask\`
         18 |     inputs: { mask: { form: mask.out, from: mask.out } }
            |                       ^^^^
        hint: did you mean \`from\`?
      "
    `);
  });

  test('the wrong type at every level', async () => {
    expect(
      await said('params: 3\npresets: [a]\nstages: text\nmirrors: there\n'),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:1:9: error: \`params\` must be a mapping, not a number
          1 | params: 3
            |         ^

      pipeline.yaml:2:10: error: \`presets\` must be a mapping, not a list
          2 | presets: [a]
            |          ^^^

      pipeline.yaml:3:9: error: \`stages\` must be a mapping, not a string
          3 | stages: text
            |         ^^^^

      pipeline.yaml:4:10: error: \`mirrors\` must be a list, not a string
          4 | mirrors: there
            |          ^^^^^
        hint: mirrors: [DIR or URL, …]
      "
    `);
    expect(
      await said(`params: { seeds: 3 }
presets: { quick: 1 }
mirrors: [1, { a: b }]
stages:
  a: 3
  b: { run: [mask.ts], matrix: [x], inputs: 3, params: text, artifacts: [] }
  c: { run: mask.ts, matrix: { x: 3, y: $seeds, z: { a: b } } }
  d: { run: mask.ts, matrix: { x: [1], include: 3, exclude: [3] } }
  e: { run: mask.ts, inputs: { x: 3, y: { where: {} }, z: [], w: { from: mask.out, where: 3 } } }
  f: { run: mask.ts, artifacts: { out: 3 } }
`),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:2:19: error: preset \`quick\` must be a mapping, not a number
          2 | presets: { quick: 1 }
            |                   ^

      pipeline.yaml:3:11: error: a mirror must be a string, not a number
          3 | mirrors: [1, { a: b }]
            |           ^

      pipeline.yaml:3:14: error: a mirror must be a string, not a mapping
          3 | mirrors: [1, { a: b }]
            |              ^^^^^^^^

      pipeline.yaml:5:6: error: stage \`a\` must be a mapping, not a number
          5 |   a: 3
            |      ^

      pipeline.yaml:6:13: error: \`run\` of stage \`b\` must be a string, not a list
          6 |   b: { run: [mask.ts], matrix: [x], inputs: 3, params: text, artifacts: [] }
            |             ^^^^^^^^^

      pipeline.yaml:6:32: error: \`matrix\` of stage \`b\` must be a mapping, not a list
          6 |   b: { run: [mask.ts], matrix: [x], inputs: 3, params: text, artifacts: [] }
            |                                ^^^

      pipeline.yaml:6:45: error: \`inputs\` of stage \`b\` must be a mapping, not a number
          6 |   b: { run: [mask.ts], matrix: [x], inputs: 3, params: text, artifacts: [] }
            |                                             ^

      pipeline.yaml:6:56: error: \`params\` of stage \`b\` must be a mapping, not a string
          6 |   b: { run: [mask.ts], matrix: [x], inputs: 3, params: text, artifacts: [] }
            |                                                        ^^^^

      pipeline.yaml:6:73: error: \`artifacts\` of stage \`b\` must be a mapping, not a list
          6 |   b: { run: [mask.ts], matrix: [x], inputs: 3, params: text, artifacts: [] }
            |                                                                         ^^

      pipeline.yaml:7:35: error: axis \`x\` must be a list, not a number
          7 |   c: { run: mask.ts, matrix: { x: 3, y: $seeds, z: { a: b } } }
            |                                   ^
        hint: an axis is a list of values, or a reference to one

      pipeline.yaml:7:41: error: axis \`y\` must be a list, not a number
          7 |   c: { run: mask.ts, matrix: { x: 3, y: $seeds, z: { a: b } } }
            |                                         ^^^^^^
        hint: an axis is a list of values, or a reference to one

      pipeline.yaml:7:52: error: axis \`z\` must be a list, not a mapping
          7 |   c: { run: mask.ts, matrix: { x: 3, y: $seeds, z: { a: b } } }
            |                                                    ^^^^^^^^
        hint: an axis is a list of values, or a reference to one

      pipeline.yaml:8:49: error: \`include\` must be a list, not a number
          8 |   d: { run: mask.ts, matrix: { x: [1], include: 3, exclude: [3] } }
            |                                                 ^
        hint: include: [{ AXIS: LABEL, … }, …]

      pipeline.yaml:8:62: error: a point of \`exclude\` must be a mapping, not a number
          8 |   d: { run: mask.ts, matrix: { x: [1], include: 3, exclude: [3] } }
            |                                                              ^

      pipeline.yaml:9:35: error: input \`x\` must be a string, not a number
          9 |   e: { run: mask.ts, inputs: { x: 3, y: { where: {} }, z: [], w: { from: mask.out, where: 3 } } }
            |                                   ^

      pipeline.yaml:9:41: error: input \`y\` has no \`from\`
          9 |   e: { run: mask.ts, inputs: { x: 3, y: { where: {} }, z: [], w: { from: mask.out, where: 3 } } }
            |                                         ^^^^^^^^^^^^^
        hint: { from: stage.output }, or { file: PATH } for files of the project

      pipeline.yaml:9:59: error: input \`z\` comes from nowhere
          9 |   e: { run: mask.ts, inputs: { x: 3, y: { where: {} }, z: [], w: { from: mask.out, where: 3 } } }
            |                                                           ^^
        hint: [stage.output, …]

      pipeline.yaml:9:74: error: there is no stage \`mask\`
          9 |   e: { run: mask.ts, inputs: { x: 3, y: { where: {} }, z: [], w: { from: mask.out, where: 3 } } }
            |                                                                          ^^^^^^^^
        hint: known: a, b, c, d, e, f

      pipeline.yaml:9:91: error: \`where\` of input \`w\` must be a mapping, not a number
          9 |   e: { run: mask.ts, inputs: { x: 3, y: { where: {} }, z: [], w: { from: mask.out, where: 3 } } }
            |                                                                                           ^

      pipeline.yaml:10:40: error: an artifact must be a string, not a number
         10 |   f: { run: mask.ts, artifacts: { out: 3 } }
            |                                        ^
      "
    `);
  });

  test('a stage without run, no stages, an empty map of stages', async () => {
    expect(await edited(['    run: mask.ts\n', ''])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:11:3: error: stage \`mask\` has no \`run\`
         11 |   mask:
            |   ^^^^
        hint: run: stages/NAME.ts, or command: [PROGRAM, ARGUMENT, …]
      "
    `);
    expect(await said('params: {}\n')).toMatchInlineSnapshot(`
      "
      pipeline.yaml:1:1: error: there are no \`stages\`
          1 | params: {}
            | ^^^^^^^^^^
        hint: add \`stages:\` with at least one stage
      "
    `);
    expect(await said('stages: {}\n')).toMatchInlineSnapshot(`
      "
      pipeline.yaml:1:9: error: there are no stages
          1 | stages: {}
            |         ^^
        hint: add a stage: NAME: { run: stages/NAME.ts }
      "
    `);
    expect(await said('stages:\n')).toMatchInlineSnapshot(`
      "
      pipeline.yaml:1:8: error: \`stages\` must be a mapping, not nothing
          1 | stages:
            |        ^
      "
    `);
  });

  test('names that would blur ids and shell words', async () => {
    expect(
      await said(`stages:
  "my stage": { run: load.ts }
  2nd: { run: load.ts }
  load: { run: load.ts, matrix: { "a,b": [1], x: [a/b, "..", "", 'a b', $$HOME] } }
`),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:2:3: error: \`my stage\` cannot name a stage
          2 |   "my stage": { run: load.ts }
            |   ^^^^^^^^^^
        hint: a name is a letter, then letters, digits, - and _

      pipeline.yaml:3:3: error: \`2nd\` cannot name a stage
          3 |   2nd: { run: load.ts }
            |   ^^^
        hint: a name is a letter, then letters, digits, - and _

      pipeline.yaml:4:35: error: \`a,b\` cannot name an axis
          4 |   load: { run: load.ts, matrix: { "a,b": [1], x: [a/b, "..", "", 'a b', $$HOME] } }
            |                                   ^^^^^
        hint: a name is a letter, then letters, digits, - and _

      pipeline.yaml:4:51: error: \`a/b\` cannot be a label on axis \`x\`
          4 |   load: { run: load.ts, matrix: { "a,b": [1], x: [a/b, "..", "", 'a b', $$HOME] } }
            |                                                   ^^^
        hint: a label holds no space, comma, bracket, colon, quote, control character, = / \\ $, and is not empty, . or ..

      pipeline.yaml:4:56: error: \`..\` cannot be a label on axis \`x\`
          4 |   load: { run: load.ts, matrix: { "a,b": [1], x: [a/b, "..", "", 'a b', $$HOME] } }
            |                                                        ^^^^
        hint: a label holds no space, comma, bracket, colon, quote, control character, = / \\ $, and is not empty, . or ..

      pipeline.yaml:4:62: error: \`\` cannot be a label on axis \`x\`
          4 |   load: { run: load.ts, matrix: { "a,b": [1], x: [a/b, "..", "", 'a b', $$HOME] } }
            |                                                              ^^
        hint: a label holds no space, comma, bracket, colon, quote, control character, = / \\ $, and is not empty, . or ..

      pipeline.yaml:4:66: error: \`a b\` cannot be a label on axis \`x\`
          4 |   load: { run: load.ts, matrix: { "a,b": [1], x: [a/b, "..", "", 'a b', $$HOME] } }
            |                                                                  ^^^^^
        hint: a label holds no space, comma, bracket, colon, quote, control character, = / \\ $, and is not empty, . or ..

      pipeline.yaml:4:73: error: \`$HOME\` cannot be a label on axis \`x\`
          4 |   load: { run: load.ts, matrix: { "a,b": [1], x: [a/b, "..", "", 'a b', $$HOME] } }
            |                                                                         ^^^^^^
        hint: a label holds no space, comma, bracket, colon, quote, control character, = / \\ $, and is not empty, . or ..
      "
    `);
  });
});

describe('params, presets and --set', () => {
  test('an unknown preset, a preset of an unknown param', async () => {
    expect(await said(SOUND, { presets: ['lang'] })).toMatchInlineSnapshot(`
      "
      --preset lang: error: there is no preset \`lang\`
            | lang
            | ^^^^
        hint: did you mean \`long\`?
      "
    `);
    expect(
      await edited(['long: { training', 'long: { trainin: 3, training']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:9:11: error: preset \`long\` sets \`trainin\`, which is not in params
          9 |   long: { trainin: 3, training: { epochs: 100 } }
            |           ^^^^^^^
        hint: did you mean \`training\`?
      "
    `);
  });

  test('a --set that is none, goes nowhere or has the wrong type', async () => {
    const sets = [
      'training.epochs',
      '=3',
      'trainin.epochs=3',
      'profiles.lognormal-cv2.cv=3',
      'profiles.7=3',
      'training.epochs.more=3',
      'seeds=3',
      'training.epochs=many',
      'seeds=[1',
    ];
    expect(await said(SOUND, { sets })).toMatchInlineSnapshot(`
      "
      --set training.epochs: error: this is not \`path=value\`
            | training.epochs
            | ^^^^^^^^^^^^^^^
        hint: for example --set training.epochs=3

      --set =3: error: this is not \`path=value\`
            | =3
            | ^^
        hint: for example --set training.epochs=3

      --set trainin.epochs=3: error: there is no \`trainin\` in params
            | trainin.epochs=3
            | ^^^^^^^
        hint: did you mean \`training\`?

      --set profiles.lognormal-cv2.cv=3: error: there is no \`lognormal-cv2\` in \`profiles\`
            | profiles.lognormal-cv2.cv=3
            |          ^^^^^^^^^^^^^
        hint: did you mean \`lognormal-cv1\`?

      --set profiles.7=3: error: there is no \`7\` in \`profiles\`
            | profiles.7=3
            |          ^
        hint: known: uniform, lognormal-cv1

      --set training.epochs.more=3: error: there is no \`more\` in \`training.epochs\`
            | training.epochs.more=3
            |                 ^^^^

      --set seeds=3: error: this is a list in params, not a number
            | seeds=3
            |       ^

      --set training.epochs=many: error: this is a number in params, not a string
            | training.epochs=many
            |                 ^^^^

      --set seeds=[1: error: this value is not YAML
            | seeds=[1
            |       ^^
      "
    `);
  });

  test('a --set of a key that only the schema of a stage has', async () => {
    expect(await said(SOUND, { sets: ['training.layers=[3]'] })).toBe('');
    expect(
      await said(SOUND, { sets: ['training.layers=[]', 'training.epoch=3'] }),
    ).toMatchInlineSnapshot(`
      "
      --set training.layers=[]: error: \`training.layers\` must have at least 1 item (stage \`train\`)
            | training.layers=[]
            |                 ^^

      --set training.epoch=3: error: unknown param \`training.epoch\` (stage \`train\`)
            | training.epoch=3
            |          ^^^^^
        hint: did you mean \`epochs\`?
      "
    `);
    // Nobody takes this map whole, so no schema would see the key.
    const parts = SOUND.replace(
      '$training }',
      '{ epochs: $training.epochs, rate: 1, optimizer: adam } }',
    );
    expect(await said(parts, { sets: ['training.layers=[3]'] })).toContain('there is no `layers`');
    expect(await said(SOUND, { sets: ['training.__proto__.a=1'] })).toContain(
      'there is no `__proto__`',
    );
  });

  test('a --set whose value a stage refuses points at the option', async () => {
    expect(await said(SOUND, { sets: ['training.epochs=0'] })).toMatchInlineSnapshot(`
      "
      --set training.epochs=0: error: \`training.epochs\` must be at least 1 (stage \`train\`)
            | training.epochs=0
            |                 ^
      "
    `);
  });

  test('a reference to nothing, with the likeliest name', async () => {
    expect(
      await edited(
        ['profile: $profiles }\n  train', 'profile: $profile }\n  train'],
        ['$training }', '$training.epoch }'],
      ),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:13:47: error: \`$profile\` refers to nothing: there is no \`profile\` in params
         13 |     matrix: { sparsity: $sparsities, profile: $profile }
            |                                               ^^^^^^^^
        hint: did you mean \`profiles\`?

      pipeline.yaml:18:25: error: \`$training.epoch\` refers to nothing: there is no \`epoch\` in \`training\`
         18 |     params: { training: $training.epoch }
            |                         ^^^^^^^^^^^^^^^
        hint: did you mean \`epochs\`?
      "
    `);
    expect(
      await edited(['$training }', '"$training epochs" }'], ['seed: $seeds', 'seed: $seeds.9']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:16:64: error: \`$seeds.9\` refers to nothing: \`seeds\` has 2 items, counted from 0
         16 |     matrix: { sparsity: $sparsities, profile: $profiles, seed: $seeds.9 }
            |                                                                ^^^^^^^^

      pipeline.yaml:18:25: error: \`$training epochs\` is not a reference
         18 |     params: { training: "$training epochs" }
            |                         ^^^^^^^^^^^^^^^^^^
        hint: a reference is \`$name\` or \`$name.part\`; \`$$\` begins a literal dollar
      "
    `);
  });

  test('params that refer to themselves', async () => {
    expect(
      await edited(['seeds: [0, 1]', 'seeds: $more\n  more: { list: $again }\n  again: $seeds']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:6:10: error: \`$more\` refers to itself: more → again → seeds → more
          6 |   seeds: $more
            |          ^^^^^
      "
    `);
  });
});

describe('the matrix', () => {
  test('an empty axis, a reference to something that is no list', async () => {
    expect(await edited(['seeds: [0, 1]', 'seeds: []'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:6:10: error: axis \`seed\` has no values
          6 |   seeds: []
            |          ^^
        hint: a stage with none makes no task
      "
    `);
    expect(await edited(['seed: $seeds', 'seed: $training'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:16:64: error: axis \`seed\` must be a list, not a mapping
         16 |     matrix: { sparsity: $sparsities, profile: $profiles, seed: $training }
            |                                                                ^^^^^^^^^
        hint: an axis is a list of values, or a reference to one
      "
    `);
  });

  test('labels: twice the same, none, unfit', async () => {
    expect(
      await edited(['seeds: [0, 1]', 'seeds: [0, 0, [1], { deep: { a: 1 } }, "1,2"]']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:6:14: error: two values of axis \`seed\` are called \`0\`
          6 |   seeds: [0, 0, [1], { deep: { a: 1 } }, "1,2"]
            |              ^
        hint: give one of them another \`name\`

      pipeline.yaml:6:17: error: this value of axis \`seed\` needs a name
          6 |   seeds: [0, 0, [1], { deep: { a: 1 } }, "1,2"]
            |                 ^^^
        hint: a value is a string, a number, true, false, or a mapping with a \`name\`

      pipeline.yaml:6:22: error: this value of axis \`seed\` needs a name
          6 |   seeds: [0, 0, [1], { deep: { a: 1 } }, "1,2"]
            |                      ^^^^^^^^^^^^^^^^^^
        hint: add \`name: …\` to it

      pipeline.yaml:6:42: error: \`1,2\` cannot be a label on axis \`seed\`
          6 |   seeds: [0, 0, [1], { deep: { a: 1 } }, "1,2"]
            |                                          ^^^^^
        hint: a label holds no space, comma, bracket, colon, quote, control character, = / \\ $, and is not empty, . or ..
      "
    `);
    expect(await edited(['seeds: [0, 1]', `seeds: [${'x'.repeat(101)}]`])).toContain(
      'a label on axis `seed` has more than 100 characters',
    );
    expect(await edited(['cv: 1.0 }', 'cv: 1.0, name: uniform }'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:5:7: error: two values of axis \`profile\` are called \`uniform\`
          5 |     - { family: lognormal, cv: 1.0, name: uniform }
            |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: give one of them another \`name\`
      "
    `);
  });

  test('include and exclude: unknown axis, unknown label, everything excluded', async () => {
    expect(
      await edited([
        '$profiles }\n  train',
        '$profiles, exclude: [{ sparsty: 0.5 }, { profile: uniforn }], include: [{ sparsity: 0.7 }] }\n  train',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:13:70: error: \`exclude\` names axis \`sparsty\`, which the stage lacks
         13 |     matrix: { sparsity: $sparsities, profile: $profiles, exclude: [{ sparsty: 0.5 }, { profile: uniforn }], include: [{ sparsity: 0.7 }] }
            |                                                                      ^^^^^^^
        hint: did you mean \`sparsity\`?

      pipeline.yaml:13:97: error: axis \`profile\` has no value \`uniforn\`
         13 |     matrix: { sparsity: $sparsities, profile: $profiles, exclude: [{ sparsty: 0.5 }, { profile: uniforn }], include: [{ sparsity: 0.7 }] }
            |                                                                                                 ^^^^^^^
        hint: did you mean \`uniform\`?

      pipeline.yaml:13:131: error: axis \`sparsity\` has no value \`0.7\`
         13 |     matrix: { sparsity: $sparsities, profile: $profiles, exclude: [{ sparsty: 0.5 }, { profile: uniforn }], include: [{ sparsity: 0.7 }] }
            |                                                                                                                                   ^^^
        hint: known: 0.5, 0.9
      "
    `);
    expect(
      await edited([
        'seed: $seeds }',
        'seed: $seeds, exclude: [{ sparsity: 0.5 }, { sparsity: 0.9 }] }',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:14:3: error: stage \`train\` has no tasks: everything is excluded
         14 |   train:
            |   ^^^^^

      pipeline.yaml:21:21: error: input \`runs\` of report finds no task of train.out
         21 |     inputs: { runs: train.out }
            |                     ^^^^^^^^^
        hint: on the axes that both stages have, the labels must be equal; \`where\` narrows further
      "
    `);
  });
});

describe('inputs', () => {
  test('an unknown stage, output, port; something that is no output', async () => {
    expect(await edited(['mask: mask.out', 'mask: masks.out'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:17:21: error: there is no stage \`masks\`
         17 |     inputs: { mask: masks.out }
            |                     ^^^^^^^^^
        hint: did you mean \`mask\`?
      "
    `);
    expect(await edited(['mask: mask.out', 'mask: mask.output'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:17:21: error: stage \`mask\` has no output \`output\`
         17 |     inputs: { mask: mask.output }
            |                     ^^^^^^^^^^^
        hint: known: out, page
      "
    `);
    expect(await edited(['mask: mask.out', 'msk: mask.out'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:14:3: error: stage \`train\` needs an input \`mask\`
         14 |   train:
            |   ^^^^^
        hint: inputs: { mask: stage.output }

      pipeline.yaml:17:15: error: train.ts has no input \`msk\`
         17 |     inputs: { msk: mask.out }
            |               ^^^
        hint: did you mean \`mask\`?
      "
    `);
    expect(await edited(['mask: mask.out', 'mask: mask'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:17:21: error: \`mask\` is not \`stage.output\`
         17 |     inputs: { mask: mask }
            |                     ^^^^
        hint: an input names a stage and one of its outputs: mask: STAGE.OUTPUT
      "
    `);
    // As the command line has it.
    expect(await edited(['mask: mask.out', 'mask: "mask:out"'])).toContain(
      'did you mean `mask.out`?\n',
    );
  });

  test('a missing input, an input of the wrong kind', async () => {
    expect(await edited(['    inputs: { mask: mask.out }\n', ''])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:14:3: error: stage \`train\` needs an input \`mask\`
         14 |   train:
            |   ^^^^^
        hint: inputs: { mask: stage.output }
      "
    `);
    expect(await edited(['mask: mask.out', 'mask: mask.page'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:17:21: error: input \`mask\` of stage \`train\` takes json, not text
         17 |     inputs: { mask: mask.page }
            |                     ^^^^^^^^^
      "
    `);
  });

  test('where: an unknown axis, an unknown label', async () => {
    expect(
      await edited([
        'runs: train.out',
        'runs: { from: train.out, where: { sed: 0, sparsity: 0.8, profile: [uniform, lognormal] } }',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:21:49: error: \`where\` of input \`runs\` names axis \`sed\`, which its source lacks
         21 |     inputs: { runs: { from: train.out, where: { sed: 0, sparsity: 0.8, profile: [uniform, lognormal] } } }
            |                                                 ^^^
        hint: did you mean \`seed\`?

      pipeline.yaml:21:67: error: axis \`sparsity\` has no value \`0.8\`
         21 |     inputs: { runs: { from: train.out, where: { sed: 0, sparsity: 0.8, profile: [uniform, lognormal] } } }
            |                                                                   ^^^
        hint: known: 0.5, 0.9

      pipeline.yaml:21:91: error: axis \`profile\` has no value \`lognormal\`
         21 |     inputs: { runs: { from: train.out, where: { sed: 0, sparsity: 0.8, profile: [uniform, lognormal] } } }
            |                                                                                           ^^^^^^^^^
        hint: known: uniform, lognormal-cv1
      "
    `);
  });

  test('several tasks for a port that takes one', async () => {
    expect(
      await edited(['{ sparsity: $sparsities, profile: $profiles, seed', '{ seed']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:17:21: error: input \`mask\` of stage \`train\` takes one blob, but 4 tasks of mask.out fit
         17 |     inputs: { mask: mask.out }
            |                     ^^^^^^^^
        hint: narrow it: mask: { from: mask.out, where: { sparsity: …, profile: … } }
      "
    `);
  });

  test('a join that finds nothing', async () => {
    expect(
      await edited(['profile: $profiles, seed', 'profile: [other], seed']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:17:21: error: input \`mask\` of train[0.5,other,0] and of 3 other tasks finds no task of mask.out
         17 |     inputs: { mask: mask.out }
            |                     ^^^^^^^^
        hint: \`mask\` has no profile \`other\`, only uniform, lognormal-cv1
      "
    `);
    expect(
      await edited(['runs: train.out', 'runs: { from: [], where: { seed: 1 } }']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:21:29: error: input \`runs\` comes from nowhere
         21 |     inputs: { runs: { from: [], where: { seed: 1 } } }
            |                             ^^
        hint: [stage.output, …]
      "
    `);
  });

  test('a cycle of stages', async () => {
    expect(
      await edited([
        '$profiles }\n  train',
        '$profiles }\n    inputs: { shape: report.out }\n  train',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:18:21: error: the stages form a cycle: train → report → mask → train
         18 |     inputs: { mask: mask.out }
            |                     ^^^^^^^^
        hint: a stage cannot need its own output, not even indirectly
      "
    `);
    expect(await edited(['mask: mask.out', 'mask: train.out'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:17:21: error: the stages form a cycle: train → train
         17 |     inputs: { mask: train.out }
            |                     ^^^^^^^^^
        hint: a stage cannot need its own output, not even indirectly
      "
    `);
  });
});

describe('params against the schema of their stage', () => {
  test('every kind of misfit, at the place where the value was written', async () => {
    expect(
      await edited([
        'training: { epochs: 10, optimizer: adam, rate: 0.1 }',
        'training: { epochs: 10.5, optimizer: adams, rate: 0, layers: [] }',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:7:23: error: \`training.epochs\` must be an integer (stage \`train\`)
          7 |   training: { epochs: 10.5, optimizer: adams, rate: 0, layers: [] }
            |                       ^^^^

      pipeline.yaml:7:40: error: \`training.optimizer\` must be one of adam, sgd (stage \`train\`)
          7 |   training: { epochs: 10.5, optimizer: adams, rate: 0, layers: [] }
            |                                        ^^^^^

      pipeline.yaml:7:53: error: \`training.rate\` must be more than 0 (stage \`train\`)
          7 |   training: { epochs: 10.5, optimizer: adams, rate: 0, layers: [] }
            |                                                     ^

      pipeline.yaml:7:64: error: \`training.layers\` must have at least 1 item (stage \`train\`)
          7 |   training: { epochs: 10.5, optimizer: adams, rate: 0, layers: [] }
            |                                                                ^^
      "
    `);
    expect(
      await edited([
        'training: { epochs: 10, optimizer: adam, rate: 0.1 }',
        'training: { epochs: 5000, optimiser: adam, rate: fast, layers: [1, two] }',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:7:13: error: \`training.optimizer\` is missing (stage \`train\`)
          7 |   training: { epochs: 5000, optimiser: adam, rate: fast, layers: [1, two] }
            |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: it must be one of adam, sgd

      pipeline.yaml:7:23: error: \`training.epochs\` must be at most 1000 (stage \`train\`)
          7 |   training: { epochs: 5000, optimiser: adam, rate: fast, layers: [1, two] }
            |                       ^^^^

      pipeline.yaml:7:29: error: unknown param \`training.optimiser\` (stage \`train\`)
          7 |   training: { epochs: 5000, optimiser: adam, rate: fast, layers: [1, two] }
            |                             ^^^^^^^^^
        hint: did you mean \`optimizer\`?

      pipeline.yaml:7:52: error: \`training.rate\` must be a number (stage \`train\`)
          7 |   training: { epochs: 5000, optimiser: adam, rate: fast, layers: [1, two] }
            |                                                    ^^^^

      pipeline.yaml:7:70: error: \`training.layers.1\` must be a number (stage \`train\`)
          7 |   training: { epochs: 5000, optimiser: adam, rate: fast, layers: [1, two] }
            |                                                                      ^^^
      "
    `);
  });

  test('a missing param, an unknown one, a whole one of the wrong type', async () => {
    expect(await edited(['    params: { training: $training }\n', ''])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:14:3: error: stage \`train\` needs a param \`training\`
         14 |   train:
            |   ^^^^^
        hint: params: { training: … }, or an axis of this name
      "
    `);
    expect(
      await edited([
        'params: { training: $training }',
        'params: { training: $training, trianing: 3 }',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:18:36: error: train.ts has no param \`trianing\`
         18 |     params: { training: $training, trianing: 3 }
            |                                    ^^^^^^^^
        hint: did you mean \`training\`?
      "
    `);
    expect(await edited(['$training }', '$seeds }'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:6:10: error: \`training\` must be a mapping (stage \`train\`)
          6 |   seeds: [0, 1]
            |          ^^^^^^
      "
    `);
  });

  test('kinds of a union', async () => {
    expect(await edited(['family: lognormal', 'family: lognorml'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:5:17: error: \`profile.family\` must be one of uniform, lognormal (stage \`mask\`)
          5 |     - { family: lognorml, cv: 1.0 }
            |                 ^^^^^^^^
      "
    `);
    expect(
      await edited(['{ family: lognormal, cv: 1.0 }', '{ family: lognormal }']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:5:7: error: \`profile.cv\` is missing (stage \`mask\`)
          5 |     - { family: lognormal }
            |       ^^^^^^^^^^^^^^^^^^^^^
        hint: it must be a number
      "
    `);
    expect(
      await edited(['{ family: uniform }', '{ family: uniform, cv: 1 }']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:4:26: error: unknown param \`profile.cv\` (stage \`mask\`)
          4 |     - { family: uniform, cv: 1 }
            |                          ^^
      "
    `);
    expect(await edited(['{ family: uniform }', 'uniform'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:4:7: error: \`profile\` must be a mapping (stage \`mask\`)
          4 |     - uniform
            |       ^^^^^^^
      "
    `);
  });

  test('an axis value out of range, at the number', async () => {
    expect(await edited(['[0.5, 0.9]', '[0.5, 1.5]'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:2:21: error: \`sparsity\` must be less than 1 (stage \`mask\`)
          2 |   sparsities: [0.5, 1.5]
            |                     ^^^
      "
    `);
  });

  test('a CV out of reach, found by the stage’s own check, at the number', async () => {
    expect(await edited(['cv: 1.0', 'cv: 2.5'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:5:32: error: at sparsity 0.5 a CV of 2.5 is out of reach (stage \`mask\`)
          5 |     - { family: lognormal, cv: 2.5 }
            |                                ^^^
        hint: at most 2.00

      pipeline.yaml:5:32: error: at sparsity 0.9 a CV of 2.5 is out of reach (stage \`mask\`)
          5 |     - { family: lognormal, cv: 2.5 }
            |                                ^^^
        hint: at most 2.00
      "
    `);
  });

  test('a name that is both an axis and a param', async () => {
    expect(
      await edited(['params: { training: $training }', 'params: { training: $training, seed: 3 }']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:18:36: error: \`seed\` is both an axis and a param of stage \`train\`
         18 |     params: { training: $training, seed: 3 }
            |                                    ^^^^
        hint: the value on the axis is the param already: leave one of them out
      "
    `);
  });

  test('a reference into an axis value that lacks the part', async () => {
    expect(
      await edited([
        'params: { training: $training }',
        'params: { training: { epochs: $profile.cv } }',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:18:25: error: \`training.optimizer\` is missing (stage \`train\`)
         18 |     params: { training: { epochs: $profile.cv } }
            |                         ^^^^^^^^^^^^^^^^^^^^^^^
        hint: it must be one of adam, sgd

      pipeline.yaml:18:25: error: \`training.rate\` is missing (stage \`train\`)
         18 |     params: { training: { epochs: $profile.cv } }
            |                         ^^^^^^^^^^^^^^^^^^^^^^^
        hint: it must be a number

      pipeline.yaml:18:35: error: \`$profile.cv\` refers to nothing: there is no \`cv\` in \`profile\`
         18 |     params: { training: { epochs: $profile.cv } }
            |                                   ^^^^^^^^^^^
        hint: known: family
      "
    `);
  });
});

describe('artifacts', () => {
  test('an unknown output', async () => {
    expect(await edited(['{ html: report.html }', '{ htm: report.html }'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:22:18: error: report.ts has no output \`htm\`
         22 |     artifacts: { htm: report.html }
            |                  ^^^
        hint: did you mean \`html\`?
      "
    `);
  });

  test('paths that leave the folder', async () => {
    for (const path of ['../report.html', '/etc/report.html', 'a/../../b', 'C:report', '""']) {
      expect(await edited(['report.html', path])).toContain(
        'an artifact is a relative path within artifacts/',
      );
    }
    expect(await edited(['report.html', '../report.html'])).toMatchInlineSnapshot(`
      "
      pipeline.yaml:22:24: error: an artifact is a relative path within artifacts/
         22 |     artifacts: { html: ../report.html }
            |                        ^^^^^^^^^^^^^^
        hint: it has / between names, no empty name, no .. and no drive, and no control characters; . is the folder itself
      "
    `);
  });

  test('two tasks on one path, an unknown axis in a path', async () => {
    expect(
      await edited([
        '    params: { training',
        '    artifacts: { out: run.json }\n    params: { training',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:18:23: error: the tasks of this stage would all write to \`run.json\`: it lacks {sparsity}, {profile}, {seed}
         18 |     artifacts: { out: run.json }
            |                       ^^^^^^^^
        hint: for example {sparsity}/{profile}/{seed}/run.json
      "
    `);
    expect(
      await edited([
        '    params: { training',
        '    artifacts: { out: "{sparsity}-{profile}-{sed}-{seed}.json" }\n    params: { training',
      ]),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:18:23: error: \`{sed}\` in this path is not an axis of the stage
         18 |     artifacts: { out: "{sparsity}-{profile}-{sed}-{seed}.json" }
            |                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: did you mean \`seed\`?
      "
    `);
    expect(
      await edited(['{ html: report.html }', '{ html: report.html, out: report.html }']),
    ).toMatchInlineSnapshot(`
      "
      pipeline.yaml:22:42: error: two outputs of report would both write report/report.html
         22 |     artifacts: { html: report.html, out: report.html }
            |                                          ^^^^^^^^^^^
      "
    `);
  });
});

test('several mistakes are told at once', async () => {
  expect(
    await edited(
      ['seed: $seeds', 'seed: $sedes'],
      ['mask: mask.out', 'mask: mas.out'],
      ['html: report.html', 'html: ../report.html'],
    ),
  ).toMatchInlineSnapshot(`
    "
    pipeline.yaml:16:64: error: \`$sedes\` refers to nothing: there is no \`sedes\` in params
       16 |     matrix: { sparsity: $sparsities, profile: $profiles, seed: $sedes }
          |                                                                ^^^^^^
      hint: did you mean \`seeds\`?

    pipeline.yaml:17:21: error: there is no stage \`mas\`
       17 |     inputs: { mask: mas.out }
          |                     ^^^^^^^
      hint: did you mean \`mask\`?

    pipeline.yaml:22:24: error: an artifact is a relative path within artifacts/
       22 |     artifacts: { html: ../report.html }
          |                        ^^^^^^^^^^^^^^
      hint: it has / between names, no empty name, no .. and no drive, and no control characters; . is the folder itself
    "
  `);
  expect(
    await edited(
      ['epochs: 10,', 'epochs: 0,'],
      ['cv: 1.0', 'cv: -1'],
      ['{ html: report.html }', '{ htlm: report.html }'],
    ),
  ).toMatchInlineSnapshot(`
    "
    pipeline.yaml:5:32: error: \`profile.cv\` must be at least 0 (stage \`mask\`)
        5 |     - { family: lognormal, cv: -1 }
          |                                ^^

    pipeline.yaml:7:23: error: \`training.epochs\` must be at least 1 (stage \`train\`)
        7 |   training: { epochs: 0, optimizer: adam, rate: 0.1 }
          |                       ^

    pipeline.yaml:22:18: error: report.ts has no output \`htlm\`
       22 |     artifacts: { htlm: report.html }
          |                  ^^^^
      hint: did you mean \`html\`?
    "
  `);
});

describe('through the binary', () => {
  const stage = (declaration: string): string => `${DOOR}export default ${declaration};\n`;
  const sound = stage(
    'defineStage({ params: z.object({}), inputs: {}, outputs: { out: json() }, run: () => ({ out: 1 }) })',
  );

  test('everything goes to stderr, exit code 2, nothing runs; with --json it is one line on stdout', async () => {
    const rig = makeRig({
      'pipeline.yaml': 'params: { a: $b }\nstages:\n  one: { run: one.ts, matrx: {} }\n',
      'one.ts': sound,
    });
    const { code, stdout, stderr } = await rig.run('make', '--set', 'c=1');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatchInlineSnapshot(`
      "--set c=1: error: there is no \`c\` in params
            | c=1
            | ^
        hint: known: a

      pipeline.yaml:1:14: error: \`$b\` refers to nothing: there is no \`b\` in params
          1 | params: { a: $b }
            |              ^^
        hint: known: a

      pipeline.yaml:3:23: error: unknown key \`matrx\` in stage \`one\`
          3 |   one: { run: one.ts, matrx: {} }
            |                       ^^^^^
        hint: did you mean \`matrix\`?

      3 errors; nothing was run
      "
    `);
    const json = await rig.run('status', '--json');
    expect([json.code, json.stderr]).toEqual([2, '']);
    expect(JSON.parse(json.stdout)).toMatchInlineSnapshot(`
      {
        "diagnostics": [
          {
            "column": 14,
            "file": "pipeline.yaml",
            "hint": "known: a",
            "line": 1,
            "message": "\`$b\` refers to nothing: there is no \`b\` in params",
          },
          {
            "column": 23,
            "file": "pipeline.yaml",
            "hint": "did you mean \`matrix\`?",
            "line": 3,
            "message": "unknown key \`matrx\` in stage \`one\`",
          },
        ],
        "event": "diagnostics",
      }
    `);
  });

  test('stage modules: missing, not to be bundled, throwing, no stage, half a stage', async () => {
    const modules: Record<string, string> = {
      'syntax.ts': 'export default {\n  run( {\n',
      'import.ts': "import { nothing } from './nowhere.ts';\nexport default nothing;\n",
      'dynamic.ts': 'const name = String(Math.random());\nexport default require(name);\n',
      'throws.ts': "throw new Error('not today');\n",
      'empty.ts': 'export const stage = 1;\n',
      'plain.ts': stage('{ params: {}, inputs: {}, outputs: {}, run: () => ({}) }'),
      'kind.ts': stage(
        "{ params: z.object({}), inputs: {}, outputs: { out: 'json' }, run: () => ({}) }",
      ),
    };
    const names = ['missing.ts', ...Object.keys(modules)];
    const stages = names.map((file) => `  ${file.replace('.ts', '')}: { run: ${file} }`);
    const yaml = `stages:\n${stages.join('\n')}\n`;
    const rig = makeRig({ ...modules, 'pipeline.yaml': yaml });
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toMatchInlineSnapshot(`
      "pipeline.yaml:2:19: error: there is no file missing.ts
          2 |   missing: { run: missing.ts }
            |                   ^^^^^^^^^^
        hint: paths are relative to the folder of pipeline.yaml

      syntax.ts:3:1: error: stage module syntax.ts cannot be bundled: Expected identifier but found end of file
          3 | 
            | ^

      import.ts:1:25: error: stage module import.ts cannot be bundled: Could not resolve "./nowhere.ts"
          1 | import { nothing } from './nowhere.ts';
            |                         ^^^^^^^^^^^^^^

      dynamic.ts:2:16: error: stage module dynamic.ts cannot be bundled: This call to "require" will not be bundled because the argument is not a string literal
          2 | export default require(name);
            |                ^^^^^^^

      pipeline.yaml:6:18: error: stage module throws.ts throws when it is loaded: not today
          6 |   throws: { run: throws.ts }
            |                  ^^^^^^^^^

      pipeline.yaml:7:17: error: empty.ts does not export a stage
          7 |   empty: { run: empty.ts }
            |                 ^^^^^^^^
        hint: export default defineStage({ params: z.object({ … }), inputs: { … }, outputs: { NAME: json() }, run })

      pipeline.yaml:8:17: error: plain.ts does not export a stage
          8 |   plain: { run: plain.ts }
            |                 ^^^^^^^^
        hint: export default defineStage({ params: z.object({ … }), inputs: { … }, outputs: { NAME: json() }, run })

      pipeline.yaml:9:16: error: kind.ts does not export a stage
          9 |   kind: { run: kind.ts }
            |                ^^^^^^^
        hint: export default defineStage({ params: z.object({ … }), inputs: { … }, outputs: { NAME: json() }, run })

      8 errors; nothing was run
      "
    `);
  });

  test('a stage whose check throws is blamed by name, without a stack', async () => {
    const rig = makeRig({
      'pipeline.yaml': 'stages:\n  one: { run: one.ts }\n',
      'one.ts': sound.replace('run:', "check() { throw new Error('oh'); }, run:"),
    });
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toMatchInlineSnapshot(`
      "pipeline.yaml:2:3: error: stage \`one\` cannot be planned: oh
          2 |   one: { run: one.ts }
            |   ^^^
        hint: one.ts throws in its check, work or files for these params: correct it there

      "
    `);
  });

  test('no pipeline here', async () => {
    const rig = makeRig({});
    const { code, stderr } = await rig.run('make');
    expect([code, stderr.replaceAll(rig.folder, 'DIR')]).toMatchInlineSnapshot(`
      [
        2,
        "error: there is no pipeline.yaml in DIR
        hint: run this in the folder of a pipeline, or name it with -C DIR

      ",
      ]
    `);
  });
});
