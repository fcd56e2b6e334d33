// Who may use the folder of a store: what pipeline.yaml declares, whatever the umask is, and a word where it is more.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { type Ended, makeRig, type Rig, repository } from './rig.ts';

const FULL = process.env.FULL === '1';
const binary = join(repository, 'dist', 'cli.cjs');

/** A command, a file of the project and an artifact of more than 8 MiB, which is a file of its own in the store. */
const files = (access: string): { readonly [path: string]: string } => ({
  'pipeline.yaml': `${access}
stages:
  large:
    command: [node, large.mjs, '{outputs.out}']
    inputs: { script: { file: large.mjs } }
    outputs: { out: { file: out.bin, kind: bytes } }
    artifacts: { out: out.bin }
`,
  'large.mjs': `import { writeFileSync } from 'node:fs';
writeFileSync(process.argv[2], Buffer.alloc(9 * 2 ** 20, 'x'), { mode: 0o640 });
`,
});

/** Runs a command with a umask, and as another user where one is given. */
function run(
  rig: Rig,
  { umask = '022', user, group }: { umask?: string; user?: number; group?: number },
  ...words: string[]
): Promise<Ended> {
  const other =
    user === undefined
      ? []
      : ['setpriv', `--reuid=${user}`, `--regid=${group ?? user}`, '--clear-groups'];
  const argv = [...other, process.execPath, binary, ...words];
  const home = mkdtempSync(join(tmpdir(), 'home-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  if (user !== undefined) chownSync(home, user, group ?? user);
  const env = { ...process.env, NO_COLOR: '1', ...(user !== undefined && { HOME: home }) };
  const script = `umask ${umask} && exec "$@"`;
  const child = spawn('sh', ['-c', script, 'sh', ...argv], { cwd: rig.folder, env });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** The modes in the folder of a store: of folders, and of files. What attempts of commands make is their own. */
function modesIn(rig: Rig): {
  readonly folders: readonly string[];
  readonly files: readonly string[];
} {
  const [folders, found] = [new Set<string>(), new Set<string>()];
  const look = (path: string): void => {
    const stat = lstatSync(path);
    (stat.isDirectory() ? folders : found).add((stat.mode & 0o7777).toString(8));
    if (!stat.isDirectory() || path.endsWith('/scratch')) return;
    for (const name of readdirSync(path)) look(join(path, name));
  };
  look(join(rig.folder, 'cache'));
  return { folders: [...folders], files: [...found] };
}

describe('a store that is made', () => {
  test.each([
    ['', '000', { folders: ['700'], files: ['600'] }],
    ['store: { access: group }', '077', { folders: ['2770'], files: ['660'] }],
    ['store: { access: all }', '027', { folders: ['2775'], files: ['664'] }],
  ])(
    'with `%s` has its modes under umask %s, and artifacts have those of the umask',
    async (access, umask, modes) => {
      const rig = makeRig(files(access));
      expect(await run(rig, { umask }, 'make', '-q')).toMatchObject({ code: 0, stderr: '' });
      expect(modesIn(rig)).toEqual(modes);
      const artifact = statSync(join(rig.folder, 'artifacts/large/out.bin'));
      expect(artifact.mode & 0o777).toBe(0o666 & ~Number.parseInt(umask, 8));
      expect(await run(rig, { umask: '022' }, 'gc', '--compact')).toMatchObject({ code: 0 });
      expect(modesIn(rig)).toEqual(modes);
    },
    60_000,
  );
});

describe('a store that is there', () => {
  test('keeps its modes, and is warned of once while others can write it', async () => {
    const rig = makeRig(files(''));
    const cache = join(rig.folder, 'cache');
    const warnings = async (...words: string[]): Promise<readonly string[]> => {
      const { stderr } = await run(rig, {}, ...words);
      return stderr.split('\n').filter((line) => line.startsWith('warning'));
    };
    await run(rig, {}, 'make', '-q');
    // As earlier versions left it.
    spawnSync('chmod', ['-R', 'u=rwX,go=rX', cache]);
    expect(await warnings('make', '--force', 'large')).toEqual([]);
    expect(modesIn(rig)).toEqual({ folders: ['755'], files: ['644'] });
    chmodSync(cache, 0o777);
    expect(await warnings('make')).toEqual([
      `warning: anybody on this machine can write the store in ${cache}: chmod -R go-w ${cache}`,
    ]);
    expect(await warnings('runs')).toHaveLength(1);
    chmodSync(cache, 0o775);
    const group = await warnings('status');
    expect(group).toHaveLength(1);
    expect(group[0]).toContain('the group of its files can write the store');
    expect(group[0]).toContain('`store: { access: group }`');
    rig.write('pipeline.yaml', files('store: { access: group }')['pipeline.yaml'] ?? '');
    expect((await warnings('status'))[0]).toContain('was made before `access: group` was said');
    spawnSync('sh', ['-c', /chmod -R g.*/.exec((await warnings('make'))[0] ?? '')?.[0] ?? 'false']);
    expect(await warnings('make')).toEqual([]);
    expect(await warnings('runs')).toEqual([]);
  });
});

const [OWNER, MEMBER, STRANGER, GROUP] = [65_531, 65_532, 65_533, 65_530];
/** Whether other users can be had here who may read the program. */
const hasOthers =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', [
    `--reuid=${OWNER}`,
    `--regid=${GROUP}`,
    '--clear-groups',
    'test',
    '-r',
    binary,
  ]).status === 0;

/** A rig that belongs to a user and their group. */
function rigOf(user: number, access: string): Rig {
  const parent = mkdtempSync(join(tmpdir(), 'access-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  for (const folder of [parent, inject('folder')]) chmodSync(folder, 0o755);
  const rig = makeRig(files(access), parent);
  for (const path of ['', ...Object.keys(files(''))])
    chownSync(join(rig.folder, path), user, GROUP);
  chmodSync(rig.folder, 0o2775);
  return rig;
}

describe.skipIf(!hasOthers)('among users', () => {
  test('a group uses one store, and nobody else sees it', async () => {
    const rig = rigOf(OWNER, 'store: { access: group }');
    const owner = { user: OWNER, group: GROUP, umask: '077' };
    const member = { user: MEMBER, group: GROUP, umask: '077' };
    expect(await run(rig, owner, 'make', '-q')).toMatchObject({ code: 0, stderr: '' });
    rig.write('artifacts/large/x', '');
    spawnSync('chmod', ['-R', 'g+rwX', join(rig.folder, 'artifacts')]);
    // What one has made is there for the other, who adds to it.
    expect(await run(rig, member, 'make')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('nothing to do'),
    });
    rig.edit('large.mjs', "'x'", "'y'");
    expect(await run(rig, member, 'make', '-q')).toMatchObject({ code: 0, stderr: '' });
    expect(modesIn(rig)).toEqual({ folders: ['2770'], files: ['660'] });
    expect(await run(rig, owner, 'show', 'large:out', '--json')).toMatchObject({ code: 0 });
    const outside = await run(rig, { user: STRANGER }, 'runs');
    expect(outside).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('you lack the permission'),
    });
  });

  test.runIf(FULL)(
    'somebody who may only read sees committed results while makes write',
    async () => {
      const rig = rigOf(OWNER, 'store: { access: all }');
      const owner = { user: OWNER, group: GROUP };
      expect(await run(rig, owner, 'make', '-q')).toMatchObject({ code: 0 });
      let isWriting = true;
      const writing = (async () => {
        for (let n = 0; n < 12; n++) {
          writeFileSync(
            join(rig.folder, 'large.mjs'),
            `import { writeFileSync } from 'node:fs';\nwriteFileSync(process.argv[2], 'y'.repeat(${n + 1} * 40_000));\n`,
          );
          expect(await run(rig, owner, 'make', '-q', '--force', 'large')).toMatchObject({
            code: 0,
          });
          if (n % 4 === 3) await run(rig, owner, 'gc', '--keep-runs', '1');
        }
        isWriting = false;
      })();
      let looks = 0;
      while (isWriting) {
        for (const words of [
          ['runs', '--json'],
          ['fsck', '--json'],
          ['du', '--json'],
          ['log', 'large'],
        ]) {
          const { code, stdout, stderr } = await run(rig, { user: STRANGER }, ...words);
          expect({ words, code, stderr }).toMatchObject({ words, code: 0 });
          expect(stderr).not.toMatch(/damaged|warning|bug/);
          if (words.includes('--json')) JSON.parse(stdout);
          looks += 1;
        }
      }
      await writing;
      expect(looks).toBeGreaterThan(8);
    },
    300_000,
  );
});
