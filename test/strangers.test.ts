// Stage modules are strangers: whatever they do when they are loaded, the command line goes on, and says what is wrong.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOOR, type Ended, makeRig, type Rig, tasksOf } from './rig.ts';

/** A sound stage, with some code before it and fields in it. */
const stage = (before = '', fields = ''): string => `${DOOR}
${before}
export default defineStage({
  params: z.object({ n: z._default(z.int(), 1) }), inputs: {}, outputs: { out: json() },
  ${fields}
  run: ({ params }) => ({ out: params.n }),
});`;

const answersIn = (rig: Rig): readonly string[] =>
  readdirSync(join(rig.folder, 'cache/bundles')).filter((name) => name.endsWith('.answers.json'));

/** Runs with a time limit that no module keeps: it ends well only when none is loaded. */
const withoutLoading = (rig: Rig, ...words: string[]): Promise<Ended> =>
  rig.runWith(words, { PIPELINE_LOAD_TIMEOUT: '0.000001', PIPELINE_NO_MEMO: '1' });

/** The message of each diagnostic, by the stage at whose \`run:\` it stands. */
function messagesOf({ stdout }: Ended): Record<string, string> {
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { message: string; line: number; hint?: string }[];
  };
  return Object.fromEntries(
    diagnostics.map(({ message, line, hint }) => [
      `line ${line}`,
      hint ? `${message} | ${hint}` : message,
    ]),
  );
}

/** A pipeline of one stage for each module, in their order: the stage of a module stands in line `index + 2`. */
function rigOf(modules: Record<string, string>): Rig {
  const files = Object.entries(modules).map(([name, text]) => [`${name}.ts`, text]);
  const stages = Object.keys(modules).map((name) => `  ${name}: { run: ${name}.ts }\n`);
  return makeRig({ 'pipeline.yaml': `stages:\n${stages.join('')}`, ...Object.fromEntries(files) });
}

describe('a module that cannot be loaded', () => {
  test('is told at its `run:`, however it fails, and none keeps the command alive', async () => {
    const rig = rigOf({
      waits: stage('await new Promise(() => undefined);'),
      exits: stage('setTimeout(() => process.exit(3), 0); await new Promise(() => undefined);'),
      rejects: stage("void Promise.reject(new Error('adrift'));"),
      dies: stage("process.kill(process.pid, 'SIGSEGV'); await new Promise(() => undefined);"),
      kills: stage("process.kill(process.ppid, 'SIGKILL');"),
      getter: `${DOOR}
export default { inputs: {}, outputs: {}, run: () => ({}),
  get params() { throw new Error('not yours'); } };`,
      proxy: 'export default new Proxy({}, { get() { throw new Error("a trap"); } });',
      proto: `${DOOR}
export default defineStage({ params: z.object({ ['__proto__']: z.int() }), inputs: {},
  outputs: {}, run: () => ({}) });`,
      odd: 'throw { toString() { throw 1; } };',
    });
    const end = await rig.run('check', '--json');
    expect([end.code, end.stderr]).toEqual([2, '']);
    expect(messagesOf(end)).toMatchInlineSnapshot(`
      {
        "line 10": "stage module odd.ts throws when it is loaded: This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason "1".",
        "line 2": "stage module waits.ts cannot be loaded: its top-level \`await\` waits for what never happens | await in \`run\` what a task needs; a stage module only declares",
        "line 3": "stage module exits.ts throws when it is loaded: it exits the process (code 3)",
        "line 4": "stage module rejects.ts throws when it is loaded: adrift",
        "line 5": "stage module dies.ts cannot be loaded: the worker was killed by SIGSEGV: native code crashed",
        "line 6": "stage module kills.ts throws when it is loaded: a stage may not end the pipeline that runs it",
        "line 7": "stage module getter.ts throws when it is loaded: not yours",
        "line 8": "stage module proxy.ts throws when it is loaded: a trap",
        "line 9": "stage module proto.ts throws when it is loaded: \`__proto__\` cannot be the name of a param",
      }
    `);
  });

  test('that never ends is given up after PIPELINE_LOAD_TIMEOUT, and does not keep the command alive', async () => {
    const rig = rigOf({
      ticks: stage('setInterval(() => undefined, 50); await new Promise(() => undefined);'),
      spins: stage('while (Date) {}'),
    });
    const end = await rig.runWith(['check', '--json'], { PIPELINE_LOAD_TIMEOUT: '0.5' });
    expect([end.code, end.stderr]).toEqual([2, '']);
    expect(messagesOf(end)).toMatchInlineSnapshot(`
      {
        "line 2": "stage module ticks.ts cannot be loaded: it did not end within 0.5 s | a stage module only declares: what takes long belongs into \`run\`; PIPELINE_LOAD_TIMEOUT=SECONDS allows more time",
        "line 3": "stage module spins.ts cannot be loaded: it did not end within 0.5 s | a stage module only declares: what takes long belongs into \`run\`; PIPELINE_LOAD_TIMEOUT=SECONDS allows more time",
      }
    `);
  });

  test('is told when it takes too much memory, and where what it printed is', async () => {
    const rig = rigOf({
      grows: stage(`console.log('growing');
const kept: unknown[] = [];
while (Date) kept.push(new Array(10_000).fill(kept.length));`),
    });
    const { ended } = rig.start(['check'], { NODE_OPTIONS: '--max-old-space-size=64' });
    const { code, stdout, stderr } = await ended;
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(
      'stage module grows.ts cannot be loaded: the worker ran out of memory',
    );
    expect(stderr).toMatch(/hint: what it printed is in .*\.log/);
  });

  test('PIPELINE_LOAD_TIMEOUT must be a number of seconds', async () => {
    const rig = rigOf({ one: stage() });
    const { code, stderr } = await rig.runWith(['check'], { PIPELINE_LOAD_TIMEOUT: 'soon' });
    expect(code).toBe(2);
    expect(stderr).toContain('PIPELINE_LOAD_TIMEOUT must be a number of seconds, such as 60');
  });
});

test('that esbuild cannot be started is told with the reason, and no stack follows', async () => {
  const rig = rigOf({ one: stage() });
  const program = join(rig.folder, 'no-program');
  writeFileSync(program, 'text', { mode: 0o644 });
  const { code, stderr } = await rig.start(['check'], { ESBUILD_BINARY_PATH: program }).ended;
  expect(code).toBe(2);
  expect(stderr).toContain('esbuild cannot be started: you lack the permission');
  expect(stderr).not.toContain('node:events');
});

describe('a module with manners of its own', () => {
  const RUDE = `
import { chdir } from 'node:process';
import { writeSync } from 'node:fs';
chdir('/');
console.log('loading');
process.stderr.write('a banner\\n');
writeSync(1, 'past the streams\\n');
writeSync(4, 'into a pipe of ours');
setInterval(() => undefined, 1000);
process.on('exit', () => console.log('bye'));
process.on('SIGTERM', () => undefined);
process.exitCode = 3;
(globalThis as any).structuredClone = undefined;
globalThis.Promise.all = () => { throw new Error('gone'); };`;

  test('is made like any other, and nothing of it is in what the command says', async () => {
    const rig = rigOf({ plain: stage() });
    rig.write(
      'cwd.ts',
      stage("process.chdir('/'); console.log('loading'); setInterval(() => 0, 9);"),
    );
    rig.write(
      'pipeline.yaml',
      'stages:\n  cwd: { run: cwd.ts, artifacts: { out: out.json } }\n  plain: { run: plain.ts }\n',
    );
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    expect(tasksOf(events, 'built')).toEqual(['cwd', 'plain']);
    const logged = events.filter(({ event }) => event === 'log');
    expect(logged).toEqual([{ event: 'log', task: 'cwd', line: 'loading' }]);
    expect(rig.read('artifacts/cwd/out.json')).toBe('1');
    const { code: again, stdout, stderr } = await rig.run('export', 'cwd:out', '-');
    expect([again, stdout, stderr]).toEqual([0, '1', '']);
  });

  test('may spoil its own process in every way', async () => {
    const rig = rigOf({ rude: stage(RUDE), plain: stage() });
    for (const words of [
      ['check', '--json'],
      ['status', '--json'],
      ['graph', '--format', 'dot'],
    ]) {
      const { code, stdout, stderr } = await rig.run(...words);
      expect([words[0], code, code === 0 ? '' : stderr]).toEqual([words[0], 0, '']);
      expect(stdout).not.toMatch(/loading|banner|past|bye/);
      if (words[1] === '--json') JSON.parse(stdout);
    }
  });

  test('may print without end: of it, so much is kept as a person reads', async () => {
    const rig = rigOf({
      loud: stage(`for (let i = 0; i < 2000; i++) process.stdout.write('x'.repeat(50_000));`),
    });
    const { code, stdout } = await rig.run('check', '--json');
    const log = String(
      readdirSync(join(rig.folder, 'cache/bundles')).find((n) => n.endsWith('.log')),
    );
    const printed = [{ run: 'loud.ts', log: join(rig.folder, 'cache/bundles', log) }];
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      event: 'diagnostics',
      diagnostics: [],
      warnings: [],
      printed,
    });
    const kept = rig.read(`cache/bundles/${log}`);
    expect(kept.length).toBeLessThan(100_000);
    expect(kept).toContain('the rest of what it printed is left out');
    expect((await rig.run('check')).stderr).toContain(
      'note: loud.ts prints when it is loaded: see ',
    );
  });
});

describe('what a module says of params', () => {
  test('of plain types, and nothing else, is not asked for again: new values start no process', async () => {
    const plain = `${DOOR}
export default defineStage({ params: z.object({ n: z.int() }), inputs: {}, outputs: { out: json() },
  run: ({ params }) => ({ out: params.n }) });`;
    const rig = makeRig({
      'pipeline.yaml': 'stages:\n  one: { run: one.ts, params: { n: 1 } }\n',
      'one.ts': plain,
    });
    expect((await rig.run('check')).code).toBe(0);
    rig.edit('pipeline.yaml', 'n: 1', 'n: 2');
    expect((await withoutLoading(rig, 'check')).code).toBe(0);
    expect((await rig.run('make')).stderr).toContain('1 built');
    rig.edit('pipeline.yaml', 'n: 2', 'n: two');
    expect((await rig.run('check')).stderr).toContain('`n` must be a number (stage');
  });

  test('that is nonsense is refused, and said', async () => {
    const sha256 = '0'.repeat(64);
    const file = (name: string) =>
      `files: () => [{ name: '${name}', urls: [], sha256: '${sha256}', of: 'file' as const }],`;
    const rig = rigOf({
      number: stage('', 'work: () => Number.NaN,'),
      word: stage('', "work: () => 'much' as any,"),
      list: stage('', "check: () => 'wrong' as any,"),
      path: stage('', "check: () => [{ path: 'n', message: 'wrong' }] as any,"),
      throws: stage('', "check: () => { throw new Error('oh'); },"),
      exits: stage('', 'check: () => process.exit(0),'),
      climbs: stage('', file('../secret')),
      absolute: stage('', file('/etc/passwd')),
      digest: stage(
        '',
        "files: () => [{ name: 'a', urls: [], sha256: 'x', of: 'file' as const }],",
      ),
      spins: stage('', 'check: () => { while (Date) {} return []; },'),
      names: stage('', "work: (_, upstream) => { upstream('n' + Math.random()); return 1; },"),
    });
    const end = await rig.runWith(['check', '--json'], { PIPELINE_LOAD_TIMEOUT: '3' });
    expect([end.code, end.stderr]).toEqual([2, '']);
    expect(messagesOf(end)).toMatchInlineSnapshot(`
      {
        "line 10": "stage \`digest\` cannot be planned: its files returns {"name":"a","urls":[],"sha256":"x","of":"file"}: \`sha256\` must be 64 hexadecimal digits in lower case | digest.ts throws in its check, work or files for these params: correct it there",
        "line 11": "stage \`spins\` cannot be planned: it did not end within 3 s | a stage module only declares: what takes long belongs into \`run\`; PIPELINE_LOAD_TIMEOUT=SECONDS allows more time",
        "line 12": "stage \`names\` cannot be planned: its work asks for ever more upstream params | names.ts throws in its check, work or files for these params: correct it there",
        "line 2": "stage \`number\` cannot be planned: its work returns NaN, not a number from 0 on | number.ts throws in its check, work or files for these params: correct it there",
        "line 3": "stage \`word\` cannot be planned: its work returns "much", not a number from 0 on | word.ts throws in its check, work or files for these params: correct it there",
        "line 4": "stage \`list\` cannot be planned: its check returns "wrong", not a list of problems | list.ts throws in its check, work or files for these params: correct it there",
        "line 5": "stage \`path\` cannot be planned: its check returns a problem that is not { path: [name, …], message }: {"path":"n","message":"wrong"} | path.ts throws in its check, work or files for these params: correct it there",
        "line 6": "stage \`throws\` cannot be planned: oh | throws.ts throws in its check, work or files for these params: correct it there",
        "line 7": "stage \`exits\` cannot be planned: it exits the process (code 0) | exits.ts throws in its check, work or files for these params: correct it there",
        "line 8": "stage \`climbs\` cannot be planned: its files returns {"name":"../secret","urls":[],"sha256":"0000000000000000000000000000000000000000…: \`name\` must be a path below a mirror, without \`..\` | climbs.ts throws in its check, work or files for these params: correct it there",
        "line 9": "stage \`absolute\` cannot be planned: its files returns {"name":"/etc/passwd","urls":[],"sha256":"00000000000000000000000000000000000000…: \`name\` must be a path below a mirror, without \`..\` | absolute.ts throws in its check, work or files for these params: correct it there",
      }
    `);
  });

  const SWEEP = `stages:
  one: { run: one.ts, matrix: { n: [1, 2, 3, 4] } }
  two: { run: two.ts, matrix: { n: [1, 2] }, inputs: { in: one.out } }
`;
  const sweep = (): Rig =>
    makeRig({
      'pipeline.yaml': SWEEP,
      'one.ts': stage('', "check: ({ n }) => n > 9 ? [{ path: ['n'], message: 'too much' }] : [],"),
      'two.ts': stage(
        '',
        "work: ({ n }, upstream) => n * Number(upstream('n')) + Number(upstream('x') ?? 5),",
      ).replace('inputs: {}', 'inputs: { in: json() }'),
    });

  test('is asked once: later plans load no module, until params are new', async () => {
    const rig = sweep();
    expect((await withoutLoading(rig, 'check')).code).toBe(2);
    expect((await rig.run('check')).code).toBe(0);
    expect((await withoutLoading(rig, 'status')).code).toBe(0);
    rig.edit('pipeline.yaml', '3, 4', '3, 12');
    const { code, stderr } = await rig.run('check');
    expect([code, stderr]).toMatchInlineSnapshot(`
      [
        2,
        "pipeline.yaml:2:46: error: too much (stage \`one\`)
          2 |   one: { run: one.ts, matrix: { n: [1, 2, 3, 12] } }
            |                                              ^^

      ",
      ]
    `);
    rig.edit('pipeline.yaml', '3, 12', '3, 5');
    expect((await withoutLoading(rig, 'check')).stderr).toContain('did not end within');
    expect((await rig.run('check')).code).toBe(0);
    expect((await withoutLoading(rig, 'check')).code).toBe(0);
  });

  test('is asked again when the cache is damaged or written by two at once, which costs time only', async () => {
    const rig = sweep();
    const all = await Promise.all([1, 2, 3].map(() => rig.run('check')));
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect((await withoutLoading(rig, 'check')).code).toBe(0);
    for (const name of answersIn(rig)) {
      const path = join(rig.folder, 'cache/bundles', name);
      const text = readFileSync(path, 'utf8');
      for (const damaged of [text.replace('"params"', '"pArams"'), text.slice(0, 200), '']) {
        writeFileSync(path, damaged);
        expect((await rig.run('check')).code).toBe(0);
      }
    }
    expect((await withoutLoading(rig, 'check')).code).toBe(0);
  });

  test('may list the environment, as libraries do: that there is nothing to do is still remembered', async () => {
    const rig = rigOf({
      one: stage(
        'const n = Object.keys(process.env).filter((name) => name.startsWith("N_OF_")).length;',
      ).replace('z.int(), 1', 'z.int(), n'),
    });
    const makeWith = (environment: NodeJS.ProcessEnv) => rig.runWith(['make'], environment);
    const memos = (): number => readdirSync(join(rig.folder, 'cache/memos')).length;
    expect((await makeWith({})).stderr).toContain('1 built');
    expect((await makeWith({})).stderr).toContain('nothing to do');
    expect(memos()).toBe(1);
    // A value that nobody read changes nothing, and another name may.
    expect((await makeWith({ HOME: '/' })).stderr).toContain('nothing to do');
    expect((await makeWith({ N_OF_ONE: 'x' })).stderr).toContain('1 built');
  });

  test('may depend on the environment: it is asked again when that is another', async () => {
    const rig = rigOf({
      one: stage('const n = Number(process.env.N_OF_ONE ?? 7);').replace(
        'z.int(), 1',
        'z.int(), n',
      ),
    });
    const paramOf = async (n?: string): Promise<unknown> => {
      const environment = n === undefined ? {} : { N_OF_ONE: n };
      expect((await rig.runWith(['make', '--json'], environment)).code).toBe(0);
      const { stdout } = await rig.runWith(
        ['why', 'one', '--json'],
        n === undefined ? {} : { N_OF_ONE: n },
      );
      return JSON.parse(stdout).parts.params.n;
    };
    const seen = [];
    for (const n of [undefined, '8', '8', undefined]) seen.push(await paramOf(n));
    expect(seen).toEqual([7, 8, 8, 7]);
  });

  test.each([
    [
      'a file',
      "import { readFileSync } from 'node:fs';\nconst n = Number(readFileSync('n', 'utf8'));",
    ],
    [
      'a file, read later',
      "import fs from 'node:fs/promises';\nconst n = Number(await fs.readFile('n', 'utf8'));",
    ],
    ['a clock', 'const n = Date.now() % 1000;'],
    ['chance', 'const n = Math.floor(1000 * Math.random());'],
    ['the working directory', 'const n = process.cwd().length;'],
    ['the machine', "import { cpus } from 'node:os';\nconst n = cpus().length;"],
    ['a date', 'const n = new Date().getMilliseconds();'],
  ])('is asked every time when it reads %s', async (_, before) => {
    const rig = rigOf({ one: stage(before).replace('z.int(), 1', 'z.int(), n') });
    rig.write('n', '3');
    expect((await rig.run('check')).code).toBe(0);
    expect(answersIn(rig)).toEqual([]);
  });
});
