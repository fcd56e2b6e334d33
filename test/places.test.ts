// Folders, pipes and dangling links in the places of files, and too little of what the system gives: a sentence and a way out.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openLeaseTable } from '../src/engine/store/lmdb/lease-table.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { madeRig, type Rig, repository } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { n: 1 }
stages:
  a:
    command: [sh, -c, 'printf %s "$1" > out.txt', sh, '{n}']
    params: { n: $n }
    outputs: { o: { file: out.txt, kind: text } }
    artifacts: { o: a.txt }
`,
};

/** What lies where something else should be. */
const OBSTACLES: { readonly [name: string]: (path: string) => void } = {
  folder: (path) => mkdirSync(path),
  'dangling link': (path) => symlinkSync('/nonexistent/place', path),
  pipe: (path) => void spawnSync('mkfifo', [path]),
};

test.each(Object.entries(OBSTACLES))(
  'a %s in the place of the store, or of its lock, is told',
  (_, put) => {
    for (const name of ['store.lmdb', 'store.lmdb-lock']) {
      const folder = mkdtempSync(join(tmpdir(), 'pipeline-places-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      if (name.endsWith('-lock')) writeFileSync(join(folder, 'store.lmdb'), '');
      put(join(folder, name));
      expect(() => openStore(folder, () => undefined)).toThrow(/is no file/);
    }
  },
);

test('a file of leases that is anything else is made again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-places-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const first = openLeaseTable(
    folder,
    () => undefined,
    () => undefined,
  );
  first.acquire('a'.repeat(64) as never, 'me', 1);
  void first.close();
  const told: string[] = [];
  for (const name of ['leases.lmdb']) mkdirSync(join(folder, name), { recursive: true });
  const again = openLeaseTable(
    folder,
    () => undefined,
    (file) => void told.push(file),
  );
  onTestFinished(() => again.close());
  expect(again.acquire('b'.repeat(64) as never, 'me', 1)).toBeUndefined();
});

/** Puts a file, or a link that leads nowhere, in the place of a folder. */
function displace(rig: Rig, path: string, what: 'file' | 'link'): void {
  rmSync(join(rig.folder, path), { recursive: true, force: true });
  if (what === 'file') writeFileSync(join(rig.folder, path), '');
  else symlinkSync('/nonexistent/place', join(rig.folder, path));
}

test('files and dangling links in the places of folders are told, and nothing is destroyed', async () => {
  const rig = await madeRig(FILES);
  const cases = [
    ['artifacts', 'file', 2, 'artifacts cannot be written: a file stands in its place'],
    ['artifacts', 'link', 2, 'move it away and run make again'],
    ['cache/scratch', 'file', 1, 'scratch cannot be made as a folder: something else is there'],
    ['cache/runs', 'link', 0, 'built   a'],
  ] as const;
  for (const [n, [path, what, code, words]] of cases.entries()) {
    displace(rig, path, what);
    const end = await rig.run('make', '--set', `n=${n + 2}`);
    expect([path, what, end.code, end.stderr]).toEqual([
      path,
      what,
      code,
      expect.stringContaining(words),
    ]);
    rmSync(join(rig.folder, path), { force: true });
  }
  expect((await rig.run('fsck')).code).toBe(0);
});

/** Runs a command line under limits of a shell. */
const under = (rig: Rig, limits: string, words: string, environment = {}) =>
  spawnSync('bash', ['-c', `${limits}; exec "$0" "$1" ${words}`, process.execPath, BINARY], {
    cwd: rig.folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', PIPELINE_NO_MEMO: '1', ...environment },
  });
const BINARY = join(repository, 'dist/cli.cjs');

test('too few files, a full stdout, no HOME, no TMPDIR and a clock that goes back end in a sentence, or work', async () => {
  const rig = await madeRig(FILES);
  for (const limit of [30, 33, 36, 40]) {
    const few = under(rig, `ulimit -n ${limit}`, `make --set n=7${limit}`);
    expect([0, 1, 2]).toContain(few.status);
    expect(few.stderr).toMatch(few.status === 0 ? 'built   a' : '`ulimit -n`');
    expect(few.stderr).not.toMatch(/bug|TypeError|\n {4}at /);
  }
  const full = under(rig, 'exec > /dev/full', 'runs --json');
  expect([full.status, full.stderr]).toEqual([
    2,
    'error: stdout cannot be written: no space left on device\n',
  ]);
  const bare = under(rig, 'unset HOME', 'make --set n=8', { TMPDIR: '/nonexistent' });
  expect([bare.status, bare.stderr]).toEqual([0, expect.stringContaining('built   a')]);
  rig.write('back.cjs', 'let n = 0; const real = Date.now; Date.now = () => real() - 3.6e6 * n++;');
  const NODE_OPTIONS = `--require=${join(rig.folder, 'back.cjs')}`;
  const back = under(rig, ':', 'make --set n=9', { NODE_OPTIONS });
  expect([back.status, back.stderr]).toEqual([0, expect.stringContaining('built   a in 0')]);
  expect(back.stderr).not.toContain('-');
});
