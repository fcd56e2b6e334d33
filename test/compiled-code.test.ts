// The program starts from code that was compiled when it was built, and never from code of something else.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { COMPILED, loadProgram, packCompiled, readCompiled } from '../src/cli/compiled-code.ts';
import { makeRig, repository } from './rig.ts';

const ONE = "exports.value = () => 1; exports.two = () => require('./two.cjs').value();";

/** A folder with a program of two files, compiled. */
function program(): string {
  const folder = mkdtempSync(join(inject('folder'), 'compiled-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'one.cjs'), ONE);
  writeFileSync(join(folder, 'two.cjs'), 'exports.value = () => 2;');
  const loaded = loadProgram(folder, new Map());
  const one = loaded.require('./one.cjs') as { value(): number; two(): number };
  expect([one.value(), one.two()]).toEqual([1, 2]);
  const compiled = new Map(
    [...loaded.scripts].map(([name, script]) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return [name, { size, mtimeMs, code: script.createCachedData() }];
    }),
  );
  writeFileSync(join(folder, COMPILED), packCompiled(compiled));
  return folder;
}

/** What the first file of the program says, and whether its code was taken. */
function said(folder: string): readonly unknown[] {
  const loaded = loadProgram(folder, readCompiled(folder) ?? new Map());
  const { value } = loaded.require('./one.cjs') as { value(): number };
  return [value(), loaded.scripts.get('one.cjs')?.cachedDataRejected];
}

test('its code is taken while the files are what they were', () => {
  const folder = program();
  expect(said(folder)).toEqual([1, false]);
  // Another text of the same length: V8 itself would not see it.
  writeFileSync(join(folder, 'one.cjs'), ONE.replace('1', '7'));
  utimesSync(join(folder, 'one.cjs'), 1_600_000_000, 1_600_000_000);
  expect(said(folder)).toEqual([7, undefined]);
});

test.each([
  ['is cut short', (bytes: Buffer) => bytes.subarray(0, -1)],
  ['is empty', () => Buffer.alloc(0)],
  ['is of another version of Node', (bytes: Buffer) => replaced(bytes, process.version, 'v0.0.0')],
  ['is no JSON', (bytes: Buffer) => replaced(bytes, '{"node"', '<<node>>')],
])('a file of code that %s is none', (_, damage) => {
  const folder = program();
  const path = join(folder, COMPILED);
  writeFileSync(path, damage(readFileSync(path)));
  expect(readCompiled(folder)).toBeUndefined();
  expect(said(folder)).toEqual([1, undefined]);
});

test('the command starts from it, all of it', () => {
  const rig = makeRig({
    'pipeline.yaml':
      'stages: { one: { command: ["true"], outputs: { out: { file: out.txt, kind: text } } } }\n',
  });
  const hook = join(rig.folder, 'hook.cjs');
  rig.write(
    'hook.cjs',
    `const vm = require('node:vm');
const taken = { yes: 0, no: [] };
vm.Script = class extends vm.Script {
  constructor(text, options) {
    super(text, options);
    if (this.cachedDataRejected === false) taken.yes += 1;
    else taken.no.push(options.filename);
  }
};
process.on('exit', () => process.stderr.write(JSON.stringify(taken)));
`,
  );
  const words = ['-r', hook, join(repository, 'dist/cli.cjs'), 'status'];
  const script = `exec "$@" 2>&1 >/dev/null`;
  const told = execFileSync('/bin/sh', ['-c', script, 'sh', process.execPath, ...words], {
    cwd: rig.folder,
    encoding: 'utf8',
  });
  const taken = JSON.parse(told.slice(told.indexOf('{'))) as { yes: number; no: string[] };
  expect(taken.no).toEqual([]);
  expect(taken.yes).toBeGreaterThan(2);
});

function replaced(bytes: Buffer, before: string, after: string): Buffer {
  return Buffer.from(bytes.toString('latin1').replace(before, after), 'latin1');
}
