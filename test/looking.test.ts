// Commands that look: without the right to write, without the study's tools, without a pipeline that can be loaded.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { open } from 'lmdb';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { openPages } from '../src/engine/store/lmdb/lmdb-reader.ts';
import { DOOR, type Ended, makeRig, type Rig, repository } from './rig.ts';

const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups'];
const binary = join(repository, 'dist', 'cli.cjs');

/** Whether another user can be had here who may read the program. */
const hasOther =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', [...NOBODY, 'test', '-r', binary], { stdio: 'ignore' }).status === 0;

const folderFor = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), name));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Runs the program as a user who owns nothing of the rig. */
function asOther(rig: Rig, temporary: string, ...words: string[]): Promise<Ended> {
  const argv = [...NOBODY, process.execPath, binary, ...words];
  const env = { PATH: process.env.PATH, HOME: '/tmp', TMPDIR: temporary, NO_COLOR: '1' };
  return new Promise((resolve) => {
    const child = execFile('setpriv', argv, { cwd: rig.folder, env }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** Names and dates of everything in a folder. */
function looks(folder: string): readonly string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .filter((name) => !name.startsWith('node_modules'))
    .map((name) => {
      const { size, mtimeMs, ctimeMs } = statSync(join(folder, name));
      return `${name} ${size} ${mtimeMs} ${ctimeMs}`;
    })
    .sort();
}

const MODULE = `${DOOR}
export default defineStage({
  params: z.object({ by: z._default(z.int(), 2) }), inputs: {}, outputs: { n: json() },
  run: ({ params }) => ({ n: { twice: params.by } }),
});
`;
const FILES = {
  'pipeline.yaml': `store: { access: all }
stages:
  a: { run: a.mjs }
  b:
    command: [node, b.mjs, '{inputs.n}', '{outputs.t}']
    inputs: { n: a.n, script: { file: b.mjs } }
    outputs: { t: t.txt }
    artifacts: { t: t.txt }
`,
  'a.mjs': MODULE,
  'b.mjs': `import { readFileSync, writeFileSync } from 'node:fs';
console.log('said by b');
writeFileSync(process.argv[3], readFileSync(process.argv[2]));
`,
};

const openToAll = (rig: Rig, parent: string): void => {
  // What stages import lies in the folder of all tests.
  for (const folder of [inject('folder'), parent, rig.folder]) chmodSync(folder, 0o755);
};

describe.skipIf(!hasOther)('somebody who may read a study and not write it', () => {
  test('sees all that its owner sees, and leaves nothing behind', async () => {
    const parent = folderFor('looking-');
    const temporary = folderFor('looking-tmp-');
    chmodSync(temporary, 0o777);
    const rig = makeRig(FILES, parent);
    openToAll(rig, parent);
    expect((await rig.run('make', '-q')).code).toBe(0);
    const commands = [
      ['status', '--json'],
      ['show', 'a:n'],
      ['log', 'b'],
      ['runs', '--json'],
      ['du', '--json'],
      // The rest goes the same ways.
      ...(process.env.FULL
        ? [
            ['why', 'a', '--json'],
            ['export', 'b:t', '-'],
            ['graph', '--tasks'],
            ['make', '--dry-run', '--json'],
            ['check'],
            ['fsck', '--json'],
          ]
        : []),
    ];
    const owner: Ended[] = [];
    for (const words of commands) owner.push(await rig.run(...words));
    const before = looks(rig.folder);
    for (const [n, words] of commands.entries()) {
      const seen = await asOther(rig, temporary, ...words);
      expect({ words, ...seen }).toEqual({ words, ...owner[n], code: 0 });
    }
    expect(looks(rig.folder)).toEqual(before);
    const made = await asOther(rig, temporary, 'make');
    expect(made.code).toBe(2);
    expect(made.stderr).not.toMatch(/EACCES:|at .*\.js/);
    expect(readdirSync(temporary)).toEqual([]);

    // What is not bundled as it is now is bundled in a folder of their own, which they take away.
    rig.edit('a.mjs', 'z.int(), 2', 'z.int(), 3');
    const after = looks(rig.folder);
    const { stdout } = await asOther(rig, temporary, 'status', '--json');
    expect(JSON.parse(stdout)).toMatchObject([
      { task: 'a', status: 'run', reason: { kind: 'changed' } },
      { task: 'b', status: 'pending' },
    ]);
    expect((await asOther(rig, temporary, 'show', 'a:n')).stdout).toContain('"twice": 2');
    expect(looks(rig.folder)).toEqual(after);
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('sees an empty study where nothing was made yet', async () => {
    const parent = folderFor('looking-');
    const rig = makeRig(FILES, parent);
    openToAll(rig, parent);
    const { code, stdout } = await asOther(rig, '/tmp', 'status', '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      [
        { task: 'a', status: 'run' },
        { task: 'b', status: 'pending' },
      ],
    ]);
    expect(readdirSync(rig.folder)).not.toContain('cache');
  });

  test('is told in words that the store is not theirs to read', async () => {
    const parent = folderFor('looking-');
    const rig = makeRig(FILES, parent);
    openToAll(rig, parent);
    await rig.run('make', '-q');
    chmodSync(join(rig.folder, 'cache/store.lmdb'), 0o600);
    const { code, stderr } = await asOther(rig, '/tmp', 'runs');
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('store.lmdb cannot be read: you lack the permission'),
    ]);
    // Nor is a store that cannot even be seen taken for none.
    chmodSync(join(rig.folder, 'cache'), 0o700);
    const hidden = await asOther(rig, '/tmp', 'status');
    expect([hidden.code, hidden.stderr]).toEqual([
      2,
      expect.stringContaining('store.lmdb cannot be looked at: you lack the permission'),
    ]);
  });
});

describe('a store read without its lock', () => {
  test('holds what LMDB says it holds, whatever was put and taken', async () => {
    const folder = folderFor('pages-');
    const root = open({ path: join(folder, 'store.lmdb'), noSubdir: true, maxDbs: 16 });
    const table = root.openDB<Buffer, string>({ name: 'blobs', encoding: 'binary' });
    root.openDB({ name: 'empty', encoding: 'binary' });
    const pages = openPages(join(folder, 'store.lmdb'));
    onTestFinished(async () => {
      pages.close();
      await root.close();
    });
    const change = fc.record({
      key: fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcé[],日0') }),
      size: fc.option(fc.constantFrom(0, 1, 40, 1500, 2030, 5000, 70_000)),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        root.transactionSync(() => {
          for (const { key, size } of changes) {
            if (size === null) table.removeSync(key);
            else table.putSync(key, Buffer.alloc(size, key));
          }
        });
        const held = pages.table('blobs');
        const keys = [...table.getKeys()];
        expect([...held.keys()]).toEqual(keys);
        for (const key of keys) expect(held.get(key)?.equals(table.get(key) as Buffer)).toBe(true);
        for (const { key } of changes) expect(held.has(key)).toBe(table.doesExist(key));
        expect(held.get('absent')).toBeUndefined();
      }),
      { numRuns: process.env.FULL ? 1000 : 60 },
    );
    expect([...pages.table('empty').keys()]).toEqual([]);
    expect([...pages.table('none').keys()]).toEqual([]);
    expect(pages.table('blobs').bytes()).toBeGreaterThan(0);
  });

  test('never shows half a change while somebody writes it', async () => {
    const folder = folderFor('pages-');
    const path = join(folder, 'store.lmdb');
    const script = join(folder, 'writer.mjs');
    // Every value is one number again and again; pages are freed and taken again all the time.
    writeFileSync(
      script,
      `import { createRequire } from 'node:module';
const { open } = createRequire(${JSON.stringify(join(repository, 'package.json'))})('lmdb');
const root = open({ path: ${JSON.stringify(path)}, noSubdir: true, maxDbs: 16 });
const table = root.openDB({ name: 't', encoding: 'binary' });
for (let n = 1; ; n++) {
  root.transactionSync(() => {
    for (let k = 0; k < 40; k++) table.putSync('key' + ((n * 7 + k) % 60), Buffer.alloc(k % 4 ? 900 : 9000, n % 251));
    if (n % 3 === 0) table.removeSync('key' + (n % 60));
  });
  if (n === 20) console.log('writing');
}
`,
    );
    const writer = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void writer.kill('SIGKILL'));
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    const pages = openPages(path);
    onTestFinished(() => pages.close());
    const table = pages.table('t');
    const [end, latest] = [Date.now() + (process.env.FULL ? 20_000 : 500), Date.now() + 60_000];
    const seen = new Set<number>();
    let reads = 0;
    const isEnough = (): boolean => reads >= 500 && seen.size >= 10 && Date.now() > end;
    while (!isEnough() && Date.now() < latest) {
      for (const key of table.keys()) {
        expect(key).toMatch(/^key\d+$/);
        const value = table.get(key);
        if (value === undefined) continue;
        reads += 1;
        seen.add(value[0]!);
        expect([900, 9000]).toContain(value.length);
        expect(value.equals(Buffer.alloc(value.length, value[0]))).toBe(true);
      }
    }
    expect(writer.exitCode).toBeNull();
    expect(isEnough()).toBe(true);
  });

  test('that is damaged or cut short is told, not shown', async () => {
    const folder = folderFor('pages-');
    const path = join(folder, 'store.lmdb');
    const root = open({ path, noSubdir: true, maxDbs: 16 });
    const table = root.openDB<Buffer, string>({ name: 't', encoding: 'binary' });
    root.transactionSync(() => {
      for (let k = 0; k < 200; k++) table.putSync(`key${k}`, Buffer.alloc(900, k));
    });
    await root.close();
    const { size } = statSync(path);
    const { truncateSync } = await import('node:fs');
    truncateSync(path, Math.floor(size / 3));
    const pages = openPages(path);
    onTestFinished(() => pages.close());
    expect(() => [...pages.table('t').keys()].map((key) => pages.table('t').get(key))).toThrow(
      'is damaged, or was cut short',
    );
  });
});

describe('a shell without the tools of the study', () => {
  const files = {
    'pipeline.yaml': `stages:
  a: { run: a.mjs }
  b:
    command: [sh, -c, 'cat "$1" > t.txt; echo said by b', sh, '{inputs.n}']
    fingerprint: [study-tool, --version]
    inputs: { n: a.n }
    outputs: { t: t.txt }
  c: { command: [cp, '{inputs.t}', u.txt], inputs: { t: b.t }, outputs: { u: u.txt } }
`,
    'a.mjs': MODULE,
    'bin/study-tool': '#!/bin/sh\necho study-tool 1.2\n',
  };

  test('shows all that is stored, calls tasks unknown that depend on them, and makes none', async () => {
    const rig = makeRig(files);
    chmodSync(join(rig.folder, 'bin/study-tool'), 0o755);
    const PATH = `${join(rig.folder, 'bin')}:${process.env.PATH}`;
    expect((await rig.runWith(['make', '-q'], { PATH })).code).toBe(0);
    const why = expect.stringContaining('`study-tool --version` ended with exit code 127');
    const { code, stdout } = await rig.run('status', '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      [
        { task: 'a', status: 'reuse' },
        { task: 'b', status: 'unknown', message: why },
        { task: 'c', status: 'unknown', message: why, because: 'b' },
      ],
    ]);
    const words = await rig.run('status');
    expect(words.stdout).toMatch(/stage +made +to run +may run +unknown/);
    expect(words.stderr).toContain('2 tasks unknown here: `study-tool --version`');
    expect((await rig.run('status', 'c')).stdout).toMatch(
      /^unknown c — it needs b, which is unknown: `study-tool/,
    );
    const told = await rig.run('why', 'c');
    expect([told.code, told.stdout]).toEqual([0, expect.stringContaining('c is unknown here')]);
    expect(told.stdout).toContain('output   u: text');
    expect(JSON.parse((await rig.run('why', 'b', '--json')).stdout)).toMatchObject({
      status: 'unknown',
      last: { key: expect.any(String) },
    });
    expect((await rig.run('graph')).stdout).toContain('b (1 task, 1 unknown)');
    const shown = await rig.run('show', 'c:u');
    expect([shown.code, shown.stdout]).toEqual([0, '{"twice":2}']);
    expect(shown.stderr).toContain('this is the last result of c');
    expect((await rig.run('export', 'b:t', '-')).stdout).toBe('{"twice":2}');
    expect((await rig.run('log', 'b')).stdout).toContain('said by b');
    const made = await rig.run('make');
    expect([made.code, made.stderr]).toEqual([2, expect.stringContaining('exit code 127')]);
    expect((await rig.runWith(['status', '--json'], { PATH })).stdout).not.toContain('unknown');
  });
});

describe('a pipeline that cannot be loaded', () => {
  test('does not hide what was made', async () => {
    const rig = makeRig(FILES);
    expect((await rig.run('make', '-q')).code).toBe(0);
    for (const spoil of [
      () => rig.write('a.mjs', 'this is no module'),
      () => rig.write('pipeline.yaml', 'stages: ['),
      () => rmSync(join(rig.folder, 'pipeline.yaml')),
    ]) {
      spoil();
      const shown = await rig.run('show', 'a:n');
      expect([shown.code, shown.stdout]).toEqual([0, '{\n  "twice": 2\n}\n']);
      expect(shown.stderr).toMatch(
        /^the pipeline cannot be loaded \(.+\): this is the last result of a/,
      );
      expect((await rig.run('export', 'b:t', '-')).stdout).toBe('{"twice":2}');
      expect((await rig.run('log', 'b')).stdout).toContain('said by b');
      expect((await rig.run('runs')).stdout).toContain('2 built');
      expect((await rig.run('du')).code).toBe(0);
      expect((await rig.run('show', 'nothing')).code).toBe(2);
    }
    rig.write('pipeline.yaml', `stages:\n  b2: { run: a2.mjs }\n`);
    rig.write('a2.mjs', MODULE);
    const { stdout, stderr } = await rig.run('show', 'a:n');
    expect(stdout).toContain('"twice": 2');
    expect(stderr).toContain('a is no longer in the pipeline: this is the last result of a');
  });
});
