// Python environments of commands: found, compared with their locks, in keys; and homes that tasks share.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readPipeline } from '../src/engine/config/config.ts';
import { unmetSpec } from '../src/engine/environments/conda.ts';
import { findEnvironment } from '../src/engine/environments/environment.ts';
import { readRequirements, readUvLock } from '../src/engine/environments/lock.ts';
import { markerHolds } from '../src/engine/environments/markers.ts';
import { isVersion } from '../src/engine/environments/versions.ts';
import { makeRig } from './rig.ts';

const FACTS = {
  ...{ os_name: 'posix', sys_platform: 'linux', platform_machine: 'x86_64' },
  ...{ platform_system: 'Linux', python_version: '3.11', python_full_version: '3.11.7' },
  ...{ implementation_name: 'cpython', platform_python_implementation: 'CPython' },
};

test.each([
  ['1.0', '1', true],
  ['1.0.0', '1.0', true],
  ['10.0', '1', false],
  ['1.10', '1.1', false],
  ['1.0rc1', '1.0.RC.1', true],
  ['1.0-1', '1.0.post1', true],
  ['2.1.0', '2.1.0+cu118', true],
  ['2.1.0+cu118', '2.1.0', false],
  ['2.1.0+cu118', '2.1.0+cu121', false],
  ['2024.07.04', '2024.7.4', true],
  ['1.0.dev1', '1.0', false],
])('%s as a lock has it is %s: %s', (locked, installed, is) => {
  expect(isVersion(locked, installed)).toBe(is);
});

test.each([
  ["sys_platform == 'win32'", false],
  ["python_version < '3.8' or (os_name == 'posix' and python_full_version >= '3.11.2')", true],
  ["python_version >= '3.9' and python_version < '3.10'", false],
  ["'linux' in sys_platform and platform_machine not in 'arm64 aarch64'", true],
  ["python_version == '3.*'", true],
  ["extra == 'socks'", false],
  ["python_version ~= '3.10'", true],
  ['os.name == "nt"', false],
  ["what == 'x'", undefined],
  ["(os_name == 'posix'", undefined],
])('the marker %s holds: %s', (marker, holds) => {
  expect(markerHolds(marker, FACTS)).toBe(holds);
});

test('uv.lock tells what must be there on this machine, and what may be', () => {
  const lock = readUvLock(
    `version = 1
requires-python = ">=3.11"

[[package]]
name = "App"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "click" },
    { name = "requests", extra = ["socks"] },
    { name = "winonly", marker = "sys_platform == 'win32'" },
]

[package.dev-dependencies]
dev = [
    { name = "pytest" },
]

[[package]]
name = "click"
version = "8.1.7"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "colorama", marker = "sys_platform == 'win32'" },
]

[[package]]
name = "requests"
version = "2.0"
source = { registry = "https://pypi.org/simple" }

[package.optional-dependencies]
socks = [
    { name = "PySocks" },
]
other = [{ name = "winonly" }]

[[package]]
name = "pysocks"
version = "1.7.1"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "colorama"
version = "0.4.6"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "pytest"
version = "8.0"
source = { registry = "https://pypi.org/simple" }
`,
    FACTS,
  );
  expect([...(lock?.required ?? [])].sort()).toEqual(['click', 'pysocks', 'requests']);
  expect(lock?.packages.get('pytest')).toEqual(new Set(['8.0']));
  expect(lock?.packages.get('app')).toEqual(new Set([null]));
  expect(readUvLock('name = "x"\n', FACTS)).toBeUndefined();
});

test('requirements are read as pip writes them', () => {
  const lock = readRequirements(
    `# made by pip-compile
--index-url https://example.org/simple
click[extra]==8.1.7 \\
    --hash=sha256:aa --hash=sha256:bb
    # via app
Some.Pkg===1.0 ; python_version < "3.8"
torch @ https://example.org/torch-2.whl
-e ./here
-r more.txt
-c rules.txt
numpy>=1.20
star==1.*
`,
    FACTS,
  );
  expect(Object.fromEntries(lock.packages)).toEqual({
    click: new Set(['8.1.7']),
    'some-pkg': new Set(['1.0']),
    torch: new Set([null]),
  });
  expect([...lock.required]).toEqual(['click', 'torch']);
  expect(lock.includes).toEqual(['more.txt', 'rules.txt']);
  expect(lock.unpinned).toEqual(['numpy>=1.20', 'star==1.*']);
});

test.each([
  ['python=3.11', undefined],
  ['conda-forge::numpy=1.26.4=py311h1', undefined],
  ['numpy==1.26', 'numpy 1.26.4 is installed, and numpy==1.26 is asked for'],
  ['numpy=1.2', 'numpy 1.26.4 is installed, and numpy=1.2 is asked for'],
  ['numpy>=1.20,<1.25|>=2', 'numpy 1.26.4 is installed, and numpy>=1.20,<1.25|>=2 is asked for'],
  [
    'numpy=1.26.4=py310h0',
    'numpy 1.26.4 (py311h1) is installed, and numpy=1.26.4=py310h0 is asked for',
  ],
  ['scipy', 'scipy is not installed'],
  ['numpy 1.26.*', undefined],
])('conda: %s', (spec, unmet) => {
  const packages = [
    { name: 'python', version: '3.11.7', build: 'h0' },
    { name: 'numpy', version: '1.26.4', build: 'py311h1' },
  ];
  expect(unmetSpec(spec, packages)).toBe(unmet);
});

test.each([
  ['environment: 3', '`environment` of stage `a` must be a mapping'],
  ['environment: {}', '`environment` of stage `a` names no environment'],
  [
    'environment: { venv: .venv }',
    '`environment` of stage `a` has no `lock`: its contents would not be part of any key',
  ],
  [
    'environment: { uv: uv.lock, conda: e.yml }',
    '`environment` of stage `a` is of conda, or of another tool',
  ],
  [
    'environment: { uv: uv.lock, lock: x }',
    '`lock` of `environment` of stage `a` stands beside `uv`, which is the lock',
  ],
  ['shared-home: ../up', '`shared-home` of stage `a` must be true or a name'],
])('%s is refused', (more, message) => {
  const text = `stages:\n  a: { command: ['true'], outputs: { x: x.json }, ${more} }\n`;
  const read = readPipeline({
    text,
    file: 'pipeline.yaml',
    presets: [],
    paramsFiles: [],
    sets: [],
  });
  expect(read.ok ? [] : read.diagnostics.map((one) => one.message)).toContain(message);
});

const python = spawnSync('python3', ['-m', 'venv', '-h']).status === 0 ? 'python3' : undefined;

describe.skipIf(python === undefined)('an environment', () => {
  /** A venv without pip, into which records are written as an installer does. */
  const venvIn = (folder: string) => {
    execFileSync('python3', ['-m', 'venv', '--without-pip', join(folder, '.venv')]);
    const ask = 'import sysconfig; print(sysconfig.get_paths()["purelib"])';
    const site = execFileSync(join(folder, '.venv/bin/python'), ['-c', ask], { encoding: 'utf8' });
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(site.trim(), path)), { recursive: true });
      writeFileSync(join(site.trim(), path), text);
    };
    return {
      site: site.trim(),
      install(version: string, more: Record<string, string> = {}) {
        for (const old of ['1.0', '1.1']) {
          rmSync(join(site.trim(), `Tiny_Pkg-${old}.dist-info`), { recursive: true, force: true });
        }
        write('tiny.py', `version = ${JSON.stringify(version)}\n`);
        const record = `Tiny_Pkg-${version}.dist-info`;
        write(
          `${record}/METADATA`,
          `Metadata-Version: 2.1\nName: Tiny_Pkg\nVersion: ${version}\n\nText\n`,
        );
        for (const [name, text] of Object.entries(more)) write(`${record}/${name}`, text);
      },
    };
  };

  test('runs the program, enters its key by lock and interpreter, and must be what the lock says', async () => {
    const rig = makeRig({
      'requirements.txt': 'tiny-pkg==1.0\n',
      'pipeline.yaml': `stages:
  a:
    command: [python3, -c, "import json, os, sys, tiny; json.dump([tiny.version, sys.prefix == os.environ['VIRTUAL_ENV']], open('x.json', 'w'))"]
    outputs: { x: x.json }
    environment: { venv: .venv, lock: requirements.txt }
`,
    });
    const missing = await rig.run('make');
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('pipeline.yaml:5:5: error: there is no environment .venv');
    expect(missing.stderr).toContain(
      'hint: python3 -m venv .venv && .venv/bin/python -m pip install -r requirements.txt',
    );
    const { install } = venvIn(rig.folder);
    install('1.0');
    expect((await rig.make()).code).toBe(0);
    expect(JSON.parse((await rig.run('show', 'a:x', '--json')).stdout)).toEqual(['1.0', true]);
    install('1.1');
    const unlike = await rig.run('make');
    expect(unlike.stderr).toContain(
      'the environment .venv is not what requirements.txt says: Tiny_Pkg 1.1 is installed, and 1.0 is locked',
    );
    rig.edit('requirements.txt', '1.0', '1.1');
    const { reason } = JSON.parse((await rig.run('status', '--json', 'a')).stdout)[0];
    expect(reason.changes.map(({ path }: { path: string }) => path)).toEqual([
      'command.environment.lock',
    ]);
  });

  test('with editable installs takes those of the project as inputs, and refuses others', async () => {
    const root = mkdtempSync(join(tmpdir(), 'editable-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const { install, site } = venvIn(root);
    mkdirSync(join(root, 'src/tiny'), { recursive: true });
    writeFileSync(join(root, 'src/tiny/__init__.py'), '');
    writeFileSync(join(root, 'req.txt'), '-e .\n');
    const editable = (folder: string): string =>
      JSON.stringify({ dir_info: { editable: true }, url: `file://${folder}` });
    const RECORD = '__editable__.tiny_pkg-1.0.pth,sha256=x,5\nTiny_Pkg-1.0.dist-info/RECORD,,\n';
    install('1.0', { 'direct_url.json': editable(root), RECORD });
    writeFileSync(join(site, '__editable__.tiny_pkg-1.0.pth'), `${root}/src\n`);
    const place = { file: '', text: '', start: 0, end: 0 };
    const look = () =>
      findEnvironment(
        { kind: 'venv', lock: 'req.txt', folder: '.venv', place },
        { root, environment: {} },
      );
    expect(await look()).toMatchObject({ editable: [join(root, 'src')] });
    writeFileSync(join(site, '__editable__.tiny_pkg-1.0.pth'), '/elsewhere/src\n');
    expect(await look()).toMatchObject({
      message:
        'Tiny_Pkg is installed editable from /elsewhere/src, outside the project: its code would not be part of any key',
    });
    writeFileSync(join(root, 'req.txt'), 'tiny-pkg>=1\n');
    rmSync(join(site, '__editable__.tiny_pkg-1.0.pth'));
    expect(await look()).toMatchObject({ message: 'req.txt pins no version of `tiny-pkg>=1`' });
    writeFileSync(join(root, 'req.txt'), '');
    const interpreter = join(root, '.venv/bin/python');
    rmSync(interpreter);
    writeFileSync(interpreter, '#!/bin/sh\necho "{}"\n');
    chmodSync(interpreter, 0o755);
    expect(await look()).toMatchObject({
      message: expect.stringContaining('.venv/bin/python does not run, or is not Python'),
    });
    rmSync(join(root, 'req.txt'));
    expect(await look()).toMatchObject({ message: 'there is no lock file req.txt' });
  });

  test('of conda is found by its name, and compared with environment.yml', async () => {
    const rig = makeRig({
      'environment.yml': 'name: study\ndependencies:\n  - python=3\n  - numpy=1.26\n',
      'pipeline.yaml': `stages:
  a:
    command: [python, -c, "import json, os; json.dump(os.path.basename(os.environ['CONDA_PREFIX']), open('x.json', 'w'))"]
    outputs: { x: x.json }
    environment: { conda: environment.yml }
`,
    });
    const [programs, prefix] = [join(rig.folder, 'bin'), join(rig.folder, 'envs/study')];
    rig.write(
      'bin/conda',
      `#!/bin/sh\n[ "$*" = "env list --json" ] && echo '{"envs": ["/base", "${prefix}"]}'\n`,
    );
    chmodSync(join(programs, 'conda'), 0o755);
    const around = { PATH: `${programs}:${process.env.PATH}` };
    const made = () => rig.runWith(['make', '--json'], around);
    expect((await made()).stdout).toContain('there is no interpreter');
    mkdirSync(join(prefix, 'bin'), { recursive: true });
    const real = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
      encoding: 'utf8',
    });
    symlinkSync(real.trim(), join(prefix, 'bin/python'));
    const meta = (name: string, version: string): void =>
      rig.write(
        `envs/study/conda-meta/${name}.json`,
        JSON.stringify({ name, version, build: '0' }),
      );
    meta('python', '3.11.7');
    meta('numpy', '1.25.0');
    const unlike = await made();
    expect(unlike.stdout).toContain('numpy 1.25.0 is installed, and numpy=1.26 is asked for');
    expect(unlike.stdout).toContain('conda env update -f environment.yml --prune');
    meta('numpy', '1.26.4');
    expect(await made()).toMatchObject({ code: 0 });
    expect((await rig.runWith(['show', 'a:x'], around)).stdout).toContain('study');
    // What environment.yml leaves open enters the key.
    meta('numpy', '1.26.5');
    const status = await rig.runWith(['status', '--json', 'a'], around);
    expect(status.stdout).toContain('"path":"command.environment.installed"');
  });
});

describe.skipIf(!process.env.FULL)('with packages from PyPI', () => {
  const tools = mkdtempSync(join(tmpdir(), 'tools-'));
  const isThere =
    process.env.FULL !== undefined &&
    spawnSync('python3', ['-m', 'venv', tools]).status === 0 &&
    spawnSync(join(tools, 'bin/pip'), ['install', '-q', 'uv']).status === 0;
  const around = { PATH: `${join(tools, 'bin')}:${process.env.PATH}` };
  const stage = (environment: string): string => `stages:
  a:
    command: [python, -c, 'import six, json; json.dump(six.__version__, open("x.json", "w"))']
    outputs: { x: x.json }
    environment: ${environment}
`;

  test('uv makes an environment that is taken, and a change of it is told', async ({ skip }) => {
    if (!isThere) skip('PyPI is not reachable');
    const rig = makeRig({
      'pyproject.toml':
        '[project]\nname = "study"\nversion = "0.1"\nrequires-python = ">=3.9"\ndependencies = ["six==1.16.0", "click; sys_platform == \'win32\'"]\n',
      'pipeline.yaml': stage('{ uv: uv.lock }'),
    });
    const uv = (...words: string[]) =>
      execFileSync('uv', words, { cwd: rig.folder, env: { ...process.env, ...around } });
    uv('lock', '-q');
    const missing = await rig.runWith(['make'], around);
    expect(missing.stderr).toContain('hint: uv sync --locked');
    uv('sync', '-q', '--locked');
    expect(await rig.runWith(['make'], around)).toMatchObject({ code: 0 });
    uv('pip', 'install', '-q', 'six==1.17.0', 'iniconfig');
    expect((await rig.runWith(['make'], around)).stderr).toMatch(
      /iniconfig [\d.]+ is installed and not locked; six 1\.17\.0 is installed, and 1\.16\.0 is locked/,
    );
    uv('sync', '-q', '--locked');
    expect((await rig.runWith(['make'], around)).stderr).toContain('nothing to do');
  }, 120_000);

  test('pip installs what requirements lock', async ({ skip }) => {
    if (!isThere) skip('PyPI is not reachable');
    const rig = makeRig({
      'requirements.txt': 'six==1.16.0\n',
      'pipeline.yaml': stage('{ venv: .venv, lock: requirements.txt }'),
    });
    const { stderr } = await rig.run('make');
    const command = /hint: (.*)/.exec(stderr)?.[1] ?? '';
    execFileSync('sh', ['-c', command], { cwd: rig.folder, stdio: 'ignore' });
    expect((await rig.run('make')).code).toBe(0);
    execFileSync(join(rig.folder, '.venv/bin/pip'), ['uninstall', '-qy', 'six']);
    expect((await rig.run('make')).stderr).toContain('six 1.16.0 is not installed');
  }, 120_000);
});

test('a home that tasks share keeps what one of them downloads for the next', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  a: { command: [sh, -c, 'mkdir -p ~/.cache; echo "model" > ~/.cache/m; echo 1 > x.json'], outputs: { x: x.json }, shared-home: models }
  b:
    command: [sh, -c, 'cat ~/.cache/m > x.txt; case $TMPDIR in $HOME*) exit 1;; esac']
    inputs: { a: a.x }
    outputs: { x: x.txt }
    shared-home: models
  c:
    command: [sh, -c, 'ls -A ~ > x.txt']
    inputs: { a: a.x }
    outputs: { x: x.txt }
    shared-home: true
`,
  });
  expect((await rig.make('-j', '1')).code).toBe(0);
  expect((await rig.run('show', 'b:x')).stdout).toBe('model\n');
  expect((await rig.run('show', 'c:x')).stdout.trim()).toBe('');
});
