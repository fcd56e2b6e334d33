// Audits of commands: two runs in different surroundings, and the files that were read and are no inputs.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { touchIn } from '../src/archive/rerun/read-trace.ts';
import { undeclaredIn } from '../src/archive/rerun/undeclared.ts';
import { makeRig, type Rig } from './rig.ts';

const canTrace =
  process.platform === 'linux' &&
  spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { stdio: 'ignore' }).status === 0;

describe('a line of strace', () => {
  test.each([
    ['openat(AT_FDCWD</w>, "a.py", O_RDONLY|O_CLOEXEC) = 3</w/a.py>', '/w/a.py', 'read'],
    [
      'openat(AT_FDCWD</w>, ".", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = 4</w>',
      '/w',
      'listed',
    ],
    ['openat(AT_FDCWD</w>, "o", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 5</w/o>', '/w/o', 'written'],
    ['open("/w/l", O_RDWR) = 5</w/l>', '/w/l', 'written'],
    ['creat("o", 0666) = 5</w/o>', '/w/o', 'written'],
    [
      'openat2(AT_FDCWD</w>, "x", {flags=O_RDONLY, mode=0, resolve=0}, 24) = 5</w/x>',
      '/w/x',
      'read',
    ],
    [
      'openat(AT_FDCWD</w>, "x\\33[31m", O_RDONLY) = 5</w/x\\33[31m\\n\\303\\244>',
      '/w/x\x1b[31m\nä',
      'read',
    ],
    ['openat(AT_FDCWD</w>, "x", O_RDONLY) = 5</w/x>(deleted)', '/w/x', 'read'],
    ['execve("/bin/sh", ["sh", "-c", "x = 0"], 0x7ffd /* 3 vars */) = 0', '/bin/sh', 'run'],
    ['execve("./run", ["run"], 0x7ffd /* 3 vars */) = 0', '/start/run', 'run'],
  ])('tells what was done: %s', (line, path, touch) => {
    expect(touchIn(line, '/start')).toEqual({ path, touch });
  });

  test.each([
    'openat(AT_FDCWD</w>, "none", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)',
    'execve("/w/none", ["none"], 0x7ffd /* 3 vars */) = -1 ENOENT (No such file or directory)',
    'openat(AT_FDCWD</w>, "x", O_RDONLY|O_PATH) = 3</w/x>',
    'openat(AT_FDCWD</w>, "x", O_RDONLY) = 3<pipe:[1]>',
    '+++ exited with 0 +++',
    '',
  ])('tells nothing of what did nothing: %s', (line) => {
    expect(touchIn(line, '/start')).toBeUndefined();
  });
});

test('what lies beside programs that ran is installed, and inputs and own folders are not told', () => {
  const touches = new Map(
    Object.entries({
      '/p/.venv/bin/python3': 'run',
      '/p/.venv/lib/x.py': 'read',
      '/h/.pyenv/shims/python3': 'run',
      '/h/.pyenv/version': 'read',
      '/h/.config/c': 'read',
      '/p/in.csv': 'read',
      '/p/data.csv': 'read',
      '/p/work/x': 'read',
      '/p/bin/tool': 'run',
      '/etc/passwd': 'read',
      '/p/lib/__pycache__/x.pyc': 'written',
    } as const),
  );
  const found = undeclaredIn(touches, {
    ...{ project: '/p', home: '/h', own: ['/p/work'], path: ['/h/.pyenv/shims', '/bin'] },
    inputs: new Set(['/p/in.csv']),
  });
  expect(found).toEqual({
    installed: 4,
    files: [
      { path: 'bin/tool', touch: 'run' },
      { path: 'data.csv', touch: 'read' },
      { path: '~/.config/c', touch: 'read' },
    ],
  });
});

const study = (script: string): Rig =>
  makeRig({
    'run.sh': script,
    'secret.txt': 'x\n',
    'folder/a.txt': 'a\n',
    'pipeline.yaml': `stages:
  one:
    command: [sh, run.sh]
    inputs: { script: { file: run.sh } }
    env: { ROOT: }
    outputs: { out: out.txt }
`,
  });
const audit = async (rig: Rig, environment: NodeJS.ProcessEnv = {}) => {
  const around = { ...environment, ROOT: rig.folder };
  const made = await rig.runWith(['make'], around);
  expect(made.code, made.stderr).toBe(0);
  return rig.runWith(['audit', 'one'], around);
};

describe('the audit of a command', () => {
  test.skipIf(!canTrace)(
    'lists what it read of the project, in children too, and was not given',
    async () => {
      const rig = study(`umask > /dev/null
cat params.json "$ROOT/run.sh" > out.txt
(sh -c 'cat "$ROOT/secret.txt"; ls "$ROOT/folder"; [ -f "$ROOT/pipeline.yaml" ]; cat "$ROOT/none"; cat "$HOME/none"') >> out.txt 2>&1
sed -i "s#$ROOT##" out.txt; sed -i /none/d out.txt
`);
      const { code, stdout, stderr } = await audit(rig);
      expect(stderr + stdout).toContain('bit-exact  one');
      expect(code).toBe(0);
      const told = stdout.split('\n').filter((line) => /^ {4}(read|listed|ran|wrote) /.test(line));
      expect(told.map((line) => line.trim().split(/ +/))).toEqual([
        ['listed', 'folder'],
        ['read', 'secret.txt'],
      ]);
    },
  );

  test('tells what depends on what a make sets alike from what does not', async () => {
    const pinned = await audit(study('echo "$TZ" > out.txt\n'));
    expect(pinned.code).toBe(1);
    expect(pinned.stdout).toContain('different  one');
    expect(pinned.stdout).toContain(
      'time zone, language and hash seed of a make they are the same',
    );
    const other = await audit(study('umask > out.txt\n'));
    expect(other.code).toBe(1);
    expect(other.stdout).toContain('also with the time zone');
  });

  test('says so where strace is not installed, and compares all the same', async () => {
    const bin = mkdtempSync(join(inject('folder'), 'bin-'));
    mkdirSync(join(bin, 'empty'));
    for (const name of ['sh', 'env', 'cat', 'setsid']) {
      const found = spawnSync('sh', ['-c', `command -v ${name}`], {
        encoding: 'utf8',
      }).stdout.trim();
      if (found !== '') symlinkSync(found, join(bin, name));
    }
    const { code, stdout } = await audit(study('echo x > out.txt\n'), { PATH: bin });
    expect(code).toBe(0);
    expect(stdout).toContain(
      'strace is not installed, so the files that the command reads are not known',
    );
  });

  test('names what fails in one of the runs', async () => {
    const rig = study(
      '[ "$(umask)" = 0077 ] && { echo "not here" >&2; exit 3; }; echo x > out.txt\n',
    );
    const { code, stderr } = await audit(rig);
    expect(code).toBe(2);
    expect(stderr).toContain('run 2 fails');
    expect(stderr).toContain('not here');
    expect(stderr).not.toContain('folder is kept');
  });
});
