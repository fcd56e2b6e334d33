// try-package.mjs — installs the packed tarball (`npm run package`) into empty projects and uses it there as a newcomer would.
// Run by .ci/run on Node 20 and 24: `node scripts/try-package.mjs`

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));
const { name, version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
const MOST_MEGABYTES = 60;
const MOST_SECONDS = 20;

const packed = readdirSync(join(repository, 'build')).find((file) => file.endsWith('.tgz'));
assert(packed, 'build/ holds no tarball: npm run package');
const tarball = resolve(repository, 'build', packed);
const scratch = mkdtempSync(join(tmpdir(), 'package-'));
// npm and npx run under the Node that runs this file.
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  NO_COLOR: '1',
};

/** Runs a program to its end. @returns what it wrote on stdout and stderr @throws when it fails */
function run(folder, program, ...args) {
  const shown = `${program} ${args.join(' ')}`.replaceAll(tarball, packed);
  console.log(`$ ${shown}`);
  return execFileSync('/bin/sh', ['-c', 'exec "$@" 2>&1', 'sh', program, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
}

function emptyProject(folder) {
  const path = join(scratch, folder);
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), '{ "private": true }\n');
  return path;
}

function megabytes(folder) {
  const sizes = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) =>
    lstatSync(join(folder, path)),
  );
  return sizes.reduce((sum, one) => sum + (one.isFile() ? one.size : 0), 0) / 1e6;
}

function hasPython() {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** From an empty folder to a result, a second make without work, types, and an archive that verifies. */
function newcomer() {
  const project = emptyProject('newcomer');
  const began = performance.now();
  run(project, 'npm', 'install', tarball);
  const seconds = (performance.now() - began) / 1000;
  const size = megabytes(join(project, 'node_modules'));
  console.log(
    `installed in ${seconds.toFixed(1)} s (aim: ${MOST_SECONDS} s), ${size.toFixed(1)} MB`,
  );
  assert(size < MOST_MEGABYTES, `${size} MB are more than ${MOST_MEGABYTES}`);

  assert.equal(run(project, 'npx', 'pipeline', '--version').trim(), version);
  run(project, 'npx', 'pipeline', 'init');
  assert.match(run(project, 'npx', 'pipeline', 'make'), /4 tasks: 4 built/);
  assert(existsSync(join(project, 'artifacts/summary/summary.md')));
  assert.match(run(project, 'npx', 'pipeline', 'make'), /nothing to do/);

  const options = { target: 'es2023', module: 'nodenext', strict: true, noEmit: true, types: [] };
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, include: ['stages'] }),
  );
  const compiler = join(repository, 'node_modules/typescript/bin/tsc');
  run(project, process.execPath, compiler, '--project', '.');
  const stage = join(project, 'stages/walk.ts');
  const source = readFileSync(stage, 'utf8');
  writeFileSync(stage, source.replace('progress(step, walk.steps)', "progress('far')"));
  assert.throws(() => run(project, process.execPath, compiler, '--project', '.'), /Command failed/);
  writeFileSync(stage, source);

  writeFileSync(join(project, 'LICENSE'), 'CC0\n');
  run(project, 'npx', 'pipeline', 'archive', 'study.zip', '--allow', 'licence');
  const checker = join(project, 'node_modules', name, 'dist/verify.mjs');
  const said = run(project, process.execPath, checker, 'study.zip', '--rerun', '--yes');
  assert.match(said, /4 identical/);
}

/** Without installing anything. */
function once() {
  const project = emptyProject('once');
  assert.match(
    run(project, 'npm', 'exec', '--yes', `--package=${tarball}`, 'pipeline', '--', '--help'),
    /Usage: pipeline/,
  );
}

/** The Python module that the package brings, as a new environment gets it. */
function pythonModule() {
  const project = emptyProject('module');
  run(project, 'npm', 'install', tarball);
  const wheel = run(project, 'npx', 'pipeline', 'python-wheel').trim();
  try {
    run(project, 'python3', '-m', 'venv', '.venv');
  } catch {
    console.log('!! python3 has no venv: the Python module is not tried');
    return;
  }
  run(project, '.venv/bin/python', '-m', 'pip', 'install', '--quiet', '--no-index', wheel);
  run(project, 'npx', 'pipeline', 'init', '--python');
  run(project, 'npx', 'pipeline', 'make', '--preset', 'quick', '--quiet');
  const script =
    "from pipeline_study import Study; print(len(Study('.', preset='quick').metrics('train')))";
  assert.equal(run(project, '.venv/bin/python', '-c', script).trim(), '4');
}

/** A study of somebody else's, in Python. */
function study(example, tasks) {
  const project = emptyProject(example);
  cpSync(join(repository, 'examples', example), project, { recursive: true });
  run(project, 'npm', 'install', tarball);
  assert.match(
    run(project, 'npx', 'pipeline', 'make'),
    new RegExp(`${tasks} tasks: ${tasks} built`),
  );
  assert.match(run(project, 'npx', 'pipeline', 'make'), /nothing to do/);
  assert.match(run(project, 'npx', 'pipeline', 'check'), /nothing wrong/);
}

try {
  console.log(`${name} ${version} on Node ${process.versions.node}`);
  newcomer();
  once();
  if (hasPython()) {
    study('iris', 52);
    pythonModule();
  } else console.log('!! no python3: the example in Python is not made');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
