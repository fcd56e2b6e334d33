// What commands say: help, status, why, graph, show, and how they end.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundledRig, DOOR, type Ended, makeRig, type Rig, repository } from './rig.ts';

const { version: VERSION } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  readonly version: string;
};

const FILES = {
  'pipeline.yaml': `params:
  seeds: [0, 1]
  size: 3
stages:
  draw:
    run: draw.ts
    matrix: { seed: $seeds }
    params: { size: $size }
  page:
    run: page.ts
    inputs: { draws: draw.values, first: { from: draw.about, where: { seed: 0 } } }
    artifacts: { html: index.html }
`,
  'draw.ts': `${DOOR}
export default defineStage({
  params: z.object({ seed: z.int(), size: z.int() }),
  inputs: {},
  outputs: { values: tensors(), about: json(), raw: bytes() },
  run({ params: { seed, size } }) {
    const values = { shape: [size], data: Float32Array.from({ length: size }, (_, i) => i + seed) };
    const none = { shape: [0], data: new Uint8Array(0) };
    return { values: { tensors: { values, none }, metadata: { by: 'draw' } }, about: { seed }, raw: new Uint8Array(3) };
  },
});`,
  'page.ts': `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: { draws: collect(tensors()), first: json() },
  outputs: { html: text() },
  run: ({ inputs }) => ({ html: '<p>' + inputs.draws.length + '</p>' }),
});`,
};

/** What differs from run to run or place to place, elided. */
const steady = (text: string, rig?: Rig): string =>
  (rig ? text.replaceAll(rig.folder, 'DIR') : text)
    .replace(/\b[0-9a-f]{64}\b/g, '<digest>')
    .replace(/\b[0-9a-f]{12}\b/g, '<digest>')
    .replace(/\b[0-9a-f]{8}\b/g, '<digest>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z on \S+/g, '<when> on <host>')
    .replace(/\d{8}T\d{6}-[0-9a-f]{6}/g, '<run>')
    .replace(/\d+\.\d+ s(?:, \d+(?:\.\d+)? MiB of memory)?/g, '<time>')
    .replace(/node v[\d.]+, pipeline [\d.]+, esbuild [\d.]+/g, '<versions>');

/** The sections of docs/cli.md by command; what precedes the first stands under ''. */
const documented = new Map(
  readFileSync(join(repository, 'docs/cli.md'), 'utf8')
    .split(/^## /m)
    .map((section, index) => [index === 0 ? '' : section.split('\n')[0], section] as const),
);

/** The options that a help names, sorted: `--jobs`. */
const optionsIn = (help: string): readonly string[] =>
  [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)]
    .map(([, option]) => option!)
    .filter((option) => option !== '--help')
    .sort();

/** The options that docs/cli.md has for a command, sorted: its own and those of several commands that it takes. */
function optionsOf(command: string, help: string): readonly string[] {
  const rows = (section: string): string[] =>
    [...(documented.get(section) ?? '').matchAll(/^\| `(?:-\w, )?(--[\w-]+)/gm)].map(
      ([, option]) => option!,
    );
  const taken = new Set(optionsIn(help));
  return [...rows('').filter((option) => taken.has(option)), ...rows(command)].sort();
}

describe('help', () => {
  test('every command says what it is for, and has examples that exist', async () => {
    const rig = makeRig({});
    const root = await rig.run('--help');
    expect(root.code).toBe(0);
    expect(root.stdout).toContain('Examples:\n  $ pipeline ');
    const listed = [...root.stdout.matchAll(/^ {2}([a-z]+) (?:\[|<)/gm)].map(([, name]) => name);
    expect(listed.filter((name) => name !== 'help').sort()).toEqual(
      // Sections about more than one command are called in words.
      [...documented.keys()].filter((name) => /^[a-z]+$/.test(name ?? '')).sort(),
    );
    for (const command of listed.filter((name) => name !== 'help')) {
      const { code, stdout, stderr } = await rig.run(command!, '--help');
      expect([command, code, stderr]).toEqual([command, 0, '']);
      expect(stdout).toContain(`Examples:\n  $ pipeline ${command}`);
      expect([command, optionsIn(stdout)]).toEqual([command, optionsOf(command!, stdout)]);
    }
    expect(root.stdout).toContain(
      'Exit codes: 0 success, 1 a task failed, 2 usage or configuration error',
    );
  });

  test('a wrong command, option or argument ends with 2 and says what was likely meant', async () => {
    const rig = await bundledRig(FILES);
    const cases: readonly (readonly [words: readonly string[], said: string])[] = [
      [['maek'], '(Did you mean make?)'],
      [['make', '--forse', 'draw'], '(Did you mean --force?)'],
      [['make', '-j', 'zero'], 'It must be an integer from 1 to 4096.'],
      [['make', '-j', '0'], 'It must be an integer from 1 to 4096.'],
      [['why'], "missing required argument 'task'"],
      [['graph', '--format', 'png'], 'Allowed choices are text, mermaid, dot, svg, json.'],
      [[], 'Usage: pipeline'],
    ];
    for (const [words, said] of cases) {
      const { code, stdout, stderr } = await rig.run(...words);
      expect([words, code, stdout]).toEqual([words, 2, '']);
      expect(stderr).toContain(said);
    }
    expect(await rig.run('--version')).toMatchObject({ code: 0, stdout: `${VERSION}\n` });
  });
});

describe('before and after a make', () => {
  test('status, why, make and show tell where things stand', async () => {
    const rig = await bundledRig(FILES);
    const said: Record<string, string> = {};
    const ask = async (...words: string[]): Promise<Ended> => {
      const ended = await rig.run(...words);
      const text = `${ended.stdout}${ended.stderr === '' ? '' : `(${ended.code}) ${ended.stderr}`}`;
      said[words.join(' ')] = steady(text, rig);
      return ended;
    };
    const told = (): string => {
      const text = Object.entries(said).map(([words, text]) => `$ pipeline ${words}\n${text}`);
      for (const words of Object.keys(said)) delete said[words];
      return `\n${text.join('\n')}`;
    };
    await ask('status');
    await ask('why', 'page');
    await ask('make', '--dry-run');
    await ask('show', 'page');
    expect(told()).toMatchInlineSnapshot(`
      "
      $ pipeline status
      stage   made  to run  may run
      draw       0       2        0
      page       0       1        0
      (0) a make would run up to 3 tasks

      $ pipeline why page
      page was never made before; it would run after:
        draw[0] would run
          never made before
        draw[1] would run
          never made before

      $ pipeline make --dry-run
      run draw[0] — never made before
      run draw[1] — never made before
      run page — never made before, after draw[0] and 1 more
      (0) 3 tasks: 3 would run, 0 up to date
      3 tasks with keys of their own; no estimate of the time: nothing like it is recorded yet

      $ pipeline show page
      (2) error: page has not been made
        hint: pipeline make page

      "
    `);
    await ask('make', '-j', '1');
    await ask('make');
    await ask('status', 'page');
    await ask('why', 'page');
    await ask('show', 'draw/0');
    await ask('show', 'draw/0:values');
    await ask('show', 'draw[1]:about');
    await ask('show', 'page:html');
    await ask('show', 'draw/0:raw', '-o', 'raw.bin');
    expect(readFileSync(join(rig.folder, 'raw.bin'))).toEqual(Buffer.alloc(3));
    expect(told()).toMatchInlineSnapshot(`
      "
      $ pipeline make -j 1
      artifacts/page/index.html
      (0) built   draw[0] in <time>
      built   draw[1] in <time>
      built   page in <time>
      wrote   artifacts/page/index.html
      3 tasks: 3 built, 0 reused (<time>)

      $ pipeline make
      artifacts/page/index.html
      (0) nothing to do: 3 tasks up to date (<time>)

      $ pipeline status page
      made page — up to date

      $ pipeline why page
      page is up to date
        made     <when> on <host> (<versions>)
        run      <run>
        command  pipeline make -j 1
        cost     <time>
        key      <digest>
        output   html: text, 8 B, <digest>

      $ pipeline show draw/0
      draw[0]
        values  tensors     172 B  <digest>
        about   json         10 B  <digest>
        raw     bytes         3 B  <digest>

      $ pipeline show draw/0:values
      values  F32 [3]  min 0  mean 1  max 2  0, 1, 2
      none    U8  [0]  min –  mean –  max –

      $ pipeline show draw[1]:about
      {
        "seed": 1
      }

      $ pipeline show page:html
      <p>2</p>
      $ pipeline show draw/0:raw -o raw.bin
      (0) 3 B written to raw.bin
      "
    `);
    await ask('why', 'draw', '--set', 'size=4');
    await ask('why', 'draw/1', '--set', 'size=4');
    await ask('why', 'page', '--set', 'size=4');
    await ask('status', '--set', 'size=4');
    await ask('show', 'draw/1:about', '--set', 'size=4');
    await ask('show', 'draw/1:abot');
    await ask('show', 'draw/0:raw', '-o', 'no/such/folder/raw.bin');
    expect(told()).toMatchInlineSnapshot(`
      "
      $ pipeline why draw --set size=4
      (2) error: \`draw\` names 2 tasks
        hint: name one of them: draw[0], draw[1]


      $ pipeline why draw/1 --set size=4
      draw[1] would run
        params.size: 3 → 4

      $ pipeline why page --set size=4
      page would run if its inputs change:
        draw[0] would run
          params.size: 3 → 4
        draw[1] would run
          params.size: 3 → 4

      $ pipeline status --set size=4
      stage   made  to run  may run
      draw       0       2        0
      page       0       0        1
      (0) a make would run up to 3 tasks

      $ pipeline show draw/1:about --set size=4
      {
        "seed": 1
      }
      (0) out of date: this is the last result of draw[1]

      $ pipeline show draw/1:abot
      (2) error: draw[1] has no output \`abot\`
        hint: did you mean \`about\`?


      $ pipeline show draw/0:raw -o no/such/folder/raw.bin
      (2) error: no/such/folder/raw.bin cannot be written: there is no folder no/such/folder
        hint: make it first

      "
    `);
  });

  test('every --json is JSON', async () => {
    const rig = await bundledRig(FILES);
    const json = async (...words: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await rig.run(...words, '--json');
      expect([words, code, stderr]).toEqual([words, 0, '']);
      return JSON.parse(stdout);
    };
    expect(await json('status', 'draw/0')).toMatchObject([
      { task: 'draw[0]', status: 'run', reason: { kind: 'new' } },
    ]);
    expect(await json('why', 'page')).toEqual({
      task: 'page',
      status: 'pending',
      fate: 'follow',
      after: ['draw[0]', 'draw[1]'],
      sure: true,
    });
    const made = await rig.make();
    expect(made.events.map(({ event }) => event).filter((event) => event !== 'progress')).toEqual(
      expect.arrayContaining(['planned', 'started', 'built', 'artifact', 'finished']),
    );
    expect(made.events.at(-1)).toMatchObject({
      event: 'finished',
      tally: { built: 3, reused: 0, failed: 0, skipped: 0, interrupted: 0, infeasible: 0 },
    });
    expect(await json('why', 'draw/1')).toMatchObject({
      status: 'reuse',
      parts: { params: { seed: 1, size: 3 }, source: null },
      made: { host: expect.any(String) },
    });
    expect(await json('graph')).toMatchObject({ nodes: [{ id: 'draw' }, { id: 'page' }] });
    expect(await json('show', 'draw/1')).toMatchObject({ outputs: { raw: { bytes: 3 } } });
    expect(await json('show', 'draw/1:values')).toEqual({
      tensors: [
        { name: 'values', type: 'F32', shape: [3], min: 1, mean: 2, max: 3, first: [1, 2, 3] },
        { name: 'none', type: 'U8', shape: [0], min: null, mean: null, max: null, first: [] },
      ],
      metadata: { by: 'draw' },
    });
    expect(await json('show', 'draw/1:raw')).toMatchObject({ kind: 'bytes', bytes: 3 });
  });

  test('graph draws stages and tasks, for people, for Mermaid and for dot', async () => {
    const rig = await bundledRig(FILES);
    const drawn = [
      ['graph'],
      ['graph', '--tasks', 'draw'],
      ['graph', '--format', 'mermaid'],
      ['graph', '--format', 'dot', '--tasks'],
    ];
    const texts: string[] = [];
    for (const words of drawn) texts.push((await rig.run(...words)).stdout);
    expect(`\n${texts.join('\n')}`).toMatchInlineSnapshot(`
      "
      draw (2 tasks)
      page (1 task)
        ← draw (draws: values)
        ← draw (first: about)

      draw[0]
      draw[1]

      graph LR
        n0["draw (2 tasks)"]
        n1["page (1 task)"]
        n0 -->|"draws: values"| n1
        n0 -->|"first: about"| n1

      digraph pipeline {
        rankdir=LR; node [shape=box];
        n0 [label="draw[0]"];
        n1 [label="draw[1]"];
        n2 [label="page"];
        n0 -> n2 [label="draws"];
        n1 -> n2 [label="draws"];
        n0 -> n2 [label="first"];
      }
      "
    `);
  });
});

describe('manners', () => {
  test('colours are for terminals and FORCE_COLOR, and NO_COLOR wins', async () => {
    const rig = await bundledRig(FILES);
    const escapes = String.fromCharCode(27);
    const status = (environment: NodeJS.ProcessEnv) => rig.runWith(['status'], environment);
    expect((await status({ NO_COLOR: '' })).stdout).not.toContain(escapes);
    expect((await status({ NO_COLOR: '', FORCE_COLOR: '1' })).stdout).toContain(escapes);
    expect((await status({ NO_COLOR: '1', FORCE_COLOR: '1' })).stdout).not.toContain(escapes);
  });

  test('--quiet says only what goes wrong; results still go to stdout', async () => {
    const rig = await bundledRig(FILES);
    const { stdout, stderr } = await rig.run('make', '--quiet');
    expect([stdout, stderr]).toEqual(['artifacts/page/index.html\n', '']);
  });

  test('a folder, a file and a store can be named', async () => {
    const rig = makeRig({ 'elsewhere/other.yaml': FILES['pipeline.yaml'] });
    for (const name of ['draw.ts', 'page.ts'] as const) rig.write(`elsewhere/${name}`, FILES[name]);
    const where = ['-C', 'elsewhere', '--file', 'other.yaml'];
    const { code, stdout } = await rig.run('make', ...where);
    expect([code, stdout]).toEqual([0, 'elsewhere/artifacts/page/index.html\n']);
    expect(existsSync(join(rig.folder, 'elsewhere/cache/store.lmdb'))).toBe(true);
    const cache = join(rig.folder, 'store');
    const again = rig.start(['make', ...where], { PIPELINE_CACHE: cache });
    expect((await again.ended).stderr).toContain('3 built');
    expect(existsSync(join(cache, 'store.lmdb'))).toBe(true);
  });

  test('a reader that goes away early is no error', async () => {
    const rig = await bundledRig(FILES);
    const ended = (script: string): Promise<{ code: number | null; stderr: string }> =>
      new Promise((resolve) => {
        const shell = spawn('bash', ['-c', script], { cwd: rig.folder });
        let stderr = '';
        shell.stderr.setEncoding('utf8').on('data', (text: string) => {
          stderr += text;
        });
        shell.on('close', (code) => resolve({ code, stderr }));
      });
    const binary = `'${process.execPath}' '${join(repository, 'dist/cli.cjs')}'`;
    const early = await ended(`${binary} graph --tasks --json | true; exit \${PIPESTATUS[0]}`);
    expect(early).toEqual({ code: 0, stderr: '' });
    // Nobody hears the talk: the work goes on.
    await ended(`${binary} make 2>&1 >/dev/null | true`);
    expect(await ended(`${binary} make --json | grep -c '"reused"'`)).toMatchObject({ code: 0 });
  });
});
