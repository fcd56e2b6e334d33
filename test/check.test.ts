// What `check` finds beyond mistakes in pipeline.yaml itself, and how large a pipeline may be.
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Located, labelOf } from '../src/engine/config/located.ts';
import {
  type AxisValue,
  countPoints,
  type Matrix,
  type Point,
  pointsOf,
} from '../src/engine/config/matrix.ts';
import { DOOR, makeRig, type Rig } from './rig.ts';

interface Told {
  readonly message: string;
  readonly hint?: string;
  readonly line?: number;
  readonly column?: number;
}

async function findings(rig: Rig): Promise<readonly Told[]> {
  const { code, stdout } = await rig.run('check', '--json');
  const { diagnostics } = JSON.parse(stdout);
  expect(code).toBe(diagnostics.length > 0 ? 2 : 0);
  return diagnostics;
}

const commands = (...stages: string[]): { [path: string]: string } => ({
  'pipeline.yaml': `params: { lr: 0.1 }\nstages:\n${stages.map((stage) => `  ${stage}\n`).join('')}`,
});

describe('check finds', () => {
  test('programs that are not on PATH, not there or not executable', async () => {
    const rig = makeRig({
      ...commands(
        'a: { command: [no-such-tool], outputs: { o: o.txt } }',
        'b: { command: [./run.sh], outputs: { o: o.txt }, inputs: { s: { file: run.sh } } }',
        'c: { command: [./gone.sh], outputs: { o: o.txt } }',
        'd: { command: [/no/such/program], outputs: { o: o.txt } }',
        'e: { command: [sh, -c, "echo $1 > o.txt", sh, x], outputs: { o: o.txt } }',
        'f: { command: [run.sh], outputs: { o: o.txt }, inputs: { s: { file: run.sh } } }',
      ),
      'run.sh': '#!/bin/sh\n',
    });
    chmodSync(join(rig.folder, 'run.sh'), 0o644);
    expect((await findings(rig)).map(({ message, line }) => `${line} ${message}`)).toEqual([
      '3 there is no program `no-such-tool` on PATH, which stage `a` runs',
      '4 ./run.sh, which stage `b` runs, is not executable',
      '5 there is no ./gone.sh, which stage `c` runs',
      '6 the program /no/such/program of stage `d` is not there',
      '8 there is no program `run.sh` on PATH, which stage `f` runs',
    ]);
  });

  test('references in commands that nothing fills in, and no braces or dollars that are meant', async () => {
    const rig = makeRig(
      commands(
        `a: { command: [echo, $lr, "{lr}", "{param.lr}", "{inputs}", "\${lr}"], params: { lr: $lr }, outputs: { o: o.txt } }`,
        `b: { command: [sh, -c, 'awk "{print \\$1}" > o.txt; x=\${HOME}', "{0}", "{}", '{"a":1}', "$1", "{params.lr}"], params: { lr: $lr }, outputs: { o: o.txt } }`,
        's: { matrix: { seed: [0, 1] }, command: [echo, "{seed}"], outputs: { o: o.txt } }',
      ),
    );
    const told = await findings(rig);
    expect(told.map(({ message, hint }) => [/^`(.*?)`/.exec(message)?.[1], hint])).toEqual([
      ['$lr', 'there is no shell: write `{params.lr}`'],
      ['{lr}', 'did you mean `{params.lr}`?'],
      ['{param.lr}', 'did you mean `{params.lr}`?'],
      ['{inputs}', 'one of {params.lr}, {outputs.o}'],
      [`\${lr}`, 'there is no shell: write `{params.lr}`'],
      ['{seed}', 'give the stage a param (params: { seed: $seed }) and write `{params.seed}`'],
    ]);
    expect(told[0]).toMatchObject({ line: 3, column: 24 });
  });

  test('helper modules of scripts that are no inputs', async () => {
    const rig = makeRig({
      ...commands(
        'a: { command: [sh, src/a.py], inputs: { s: { file: src/a.py } }, outputs: { o: o.txt } }',
        'b: { command: [sh, src/a.py], inputs: { s: { file: "src/**/*.py" } }, outputs: { o: o.txt } }',
        'c: { command: [sh, c.mjs], inputs: { s: { file: c.mjs } }, outputs: { o: o.txt } }',
        'd: { command: [sh, src/a.py], outputs: { o: o.txt } }',
      ),
      'src/a.py':
        'import os, helper as h\nfrom pkg import deep, os\nfrom .near import x\nimport numpy\n# import not_this\ntry:\n    import maybe\nexcept ImportError:\n    pass\n',
      'src/helper.py': '',
      'src/near.py': '',
      'src/maybe.py': '',
      'src/not_this.py': '',
      'src/pkg/__init__.py': '',
      'src/pkg/deep.py': '',
      'c.mjs': "import { x } from './lib/x.mjs';\nimport 'node:fs';\n",
      'lib/x.mjs': '',
    });
    expect((await findings(rig)).map(({ message }) => message)).toEqual([
      'src/a.py needs src/helper.py, which is not an input of stage `a`',
      'src/a.py needs src/pkg/__init__.py, which is not an input of stage `a`',
      'src/a.py needs src/pkg/deep.py, which is not an input of stage `a`',
      'src/a.py needs src/near.py, which is not an input of stage `a`',
      'c.mjs needs lib/x.mjs, which is not an input of stage `c`',
      'the command of stage `d` names src/a.py, a file of the project that is not an input',
    ]);
  });
});

describe('a matrix', () => {
  const axis = (n: number): string => `[${Array.from({ length: n }, (_, at) => at).join(', ')}]`;

  test('of more than a million tasks is refused at once, with its size', async () => {
    const stage = (name: string, more = ''): string =>
      `${name}: { matrix: { a: ${axis(300)}, b: ${axis(300)}, c: ${axis(300)}${more} }, command: [sh], outputs: { o: o.txt } }`;
    const rig = makeRig(
      commands(stage('s'), stage('t', ', exclude: [{ a: 1 }], include: [{ a: 1, b: 2 }]')),
    );
    expect((await findings(rig)).map(({ message }) => message)).toEqual([
      'the matrix of stage `s` has 27,000,000 tasks: a pipeline may have 1,000,000',
      'the matrix of stage `t` has 26,910,300 tasks: a pipeline may have 1,000,000',
    ]);
    const half = `{ matrix: { a: ${axis(900)}, b: ${axis(900)} }, command: [sh], outputs: { o: o.txt } }`;
    const both = makeRig(commands(`s: ${half}`, `t: ${half}`));
    expect((await findings(both))[0]!.message).toBe(
      'the stages have 1,620,000 tasks together (`s` has 810,000 of them): a pipeline may have 1,000,000',
    );
  });

  test('of which little is left is planned, however large it was', async () => {
    const excluded = Array.from({ length: 299 }, (_, n) => `{ a: ${n} }, { b: ${n} }`).join(', ');
    const rig = makeRig(
      commands(
        `s: { matrix: { a: ${axis(300)}, b: ${axis(300)}, c: ${axis(300)}, exclude: [${excluded}] }, command: [sh], outputs: { o: o.txt } }`,
      ),
    );
    expect(await findings(rig)).toEqual([]);
  });

  test('has as many points as are counted, and those that its patterns say', () => {
    const place = { file: '', text: '', start: 0, end: 0 };
    const value = (label: number): AxisValue => {
      const located: Located = { value: label, place };
      return { label: labelOf(located) as string, located };
    };
    const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 0, maxLength: 4 });
    const matrices = sizes.chain((lengths) => {
      const pattern = fc
        .tuple(...lengths.map((n) => fc.option(fc.integer({ min: 0, max: n - 1 }))))
        .map((chosen) => ({
          labels: new Map(
            chosen.flatMap((one, at) => (one === null ? [] : [[`x${at}`, `${one}`]])),
          ),
          place,
        }));
      const patterns = fc.array(pattern, { maxLength: 4 });
      const axes = new Map(
        lengths.map((n, at) => [`x${at}`, Array.from({ length: n }, (_, label) => value(label))]),
      );
      return fc.record({ axes: fc.constant(axes), include: patterns, exclude: patterns });
    }) as fc.Arbitrary<Matrix>;
    fc.assert(
      fc.property(matrices, ({ axes, include, exclude }) => {
        let all: ReadonlyMap<string, AxisValue>[] = [new Map()];
        for (const [name, values] of axes) {
          all = all.flatMap((point) => values.map((one) => new Map(point).set(name, one)));
        }
        const fits = (point: ReadonlyMap<string, AxisValue>, labels: ReadonlyMap<string, string>) =>
          [...labels].every(([name, label]) => point.get(name)?.label === label);
        const left = all.filter(
          (point) =>
            !exclude.some(({ labels }) => fits(point, labels)) ||
            include.some(({ labels }) => fits(point, labels)),
        );
        const words = (points: readonly Point[]): string[] =>
          points.map((point) => [...point.values()].map(({ label }) => label).join());
        expect(words([...pointsOf({ axes, include, exclude })])).toEqual(words(left));
        expect(countPoints({ axes, include, exclude })).toBe(BigInt(left.length));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a name that is too long for a file', () => {
  test('is told when the pipeline is read', async () => {
    const stage = 'x'.repeat(300);
    const rig = makeRig(
      commands(
        `${stage}: { command: [sh], outputs: { o: o.txt } }`,
        `s: { command: [sh], outputs: { o: ${'y'.repeat(300)}.txt, p: ../model.txt } }`,
      ),
    );
    expect((await findings(rig)).map(({ message, hint }) => [message, hint])).toEqual([
      ['the name of a stage has 300 characters, and may have 100', 'names become names of files'],
      ['a name in this path has 304 bytes: file systems allow 255', 'use a shorter name'],
      [
        'this must be a relative path within the scratch folder',
        'it has / between folders, no .., and is not empty',
      ],
    ]);
    const label = '日'.repeat(90);
    const filled = makeRig(
      commands(
        `s: { matrix: { a: [${label}] }, command: [sh], outputs: { o: o.txt }, artifacts: { o: "{a}.txt" } }`,
      ),
    );
    expect((await findings(filled))[0]!.message).toBe(
      'an artifact of stage `s` has a name of 274 bytes: files may have 255',
    );
  });
});

describe('mistakes of all kinds', () => {
  const module = (params: string, more = ''): string => `${DOOR}
export default defineStage({
  params: z.object({ ${params} }), inputs: {}, outputs: { o: json() }, run: () => ({ o: 1 }), ${more}
});
`;

  test('are told together, in the order of the file, and without what only follows from them', async () => {
    const rig = makeRig({
      'pipeline.yaml': `params: { n: 1, text: abc }
stages:
  config: { run: good.mjs, matrx: { a: [1] } }
  syntax: { run: syntax.mjs }
  gone: { run: gone.mjs }
  throws: { run: throws.mjs }
  params: { run: good.mjs, params: { n: $text } }
  check: { run: check.mjs }
  after-config: { command: [cp, "{inputs.i}", o.txt], inputs: { i: config.nothing }, outputs: { o: o.txt } }
  after-params: { command: [cp, "{inputs.i}", o.txt], inputs: { i: params.o }, outputs: { o: o.txt } }
  file: { command: [cp, none.csv, o.txt], inputs: { i: { file: none.csv } }, outputs: { o: o.txt } }
  tool: { command: [sh], fingerprint: [no-such-tool, --version], outputs: { o: o.txt } }
  good: { run: good.mjs, params: { n: $n } }
`,
      'good.mjs': module('n: z.int()'),
      'syntax.mjs': 'export default {{;',
      'throws.mjs': "throw new Error('no model');",
      'check.mjs': module('', "check: () => ['it cannot be']"),
    });
    const told = await findings(rig);
    expect(
      told.map(({ line, message }) => `${line} ${message.split('\\n')[0]}`),
    ).toMatchInlineSnapshot(`
      [
        "1 \`n\` must be a number (stage \`params\`)",
        "3 unknown key \`matrx\` in stage \`config\`",
        "1 stage module syntax.mjs cannot be bundled: Expected identifier but found "{"",
        "5 there is no file gone.mjs",
        "6 stage module throws.mjs throws when it is loaded: no model",
        "8 stage \`check\` cannot be planned: its check returns a problem that is not { path: [name, …], message }: "it cannot be"",
        "11 input \`i\` of stage \`file\`: there is no file none.csv",
        "12 \`no-such-tool --version\` ended with exit code 127, so that the version of the tool is unknown",
      ]
    `);
  });

  test('in a param that stages share keep all of them from being judged', async () => {
    const rig = makeRig({
      'pipeline.yaml': `params: { n: $gone }
stages:
  a: { run: good.mjs, params: { n: $n } }
  b: { run: syntax.mjs }
`,
      'good.mjs': module('n: z.int()'),
      'syntax.mjs': 'export default {{;',
    });
    expect((await findings(rig)).map(({ message }) => message)).toEqual([
      expect.stringContaining('gone'),
      expect.stringContaining('syntax.mjs cannot be bundled'),
    ]);
  });
});
