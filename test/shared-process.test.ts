// Stage modules of one plan are asked in one process, where that makes no difference to any of them.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { bundleDigest } from '../src/engine/bundler/bundle-digest.ts';
import type { StageCode } from '../src/engine/bundler/code.ts';
import { digestOf, type Json } from '../src/engine/model/key.ts';
import { logFile, StageClient } from '../src/engine/modules/stage-client.ts';
import { repository } from './rig.ts';

/** A bundle whose only param is `n`: code that runs when it is loaded, and what `n` is when params are asked for. */
const bundleOf = (before: string, n: string): string => `${before}
console.log(process.pid);
const codec = { kind: 'json', encode: JSON.stringify };
export default {
  params: { shape: { n: 0 }, safeParse: () => ({ success: true, data: { n: ${n} } }) },
  inputs: {}, outputs: { out: codec }, run: () => ({ out: 1 }),
};`;

function codeOf(folder: string, text: string): StageCode {
  const digest = bundleDigest(digestOf(text));
  const file = join(folder, `${digest}.mjs`);
  return { digest, file, bytes: Buffer.from(text) };
}

const place = { file: 'pipeline.yaml', text: '', start: 0, end: 0 };

interface Told {
  /** What each module said that \`n\` is. */
  readonly values: readonly (Json | undefined)[];
  /** The process that each of them said so in. */
  readonly processes: readonly string[];
}

/** Asks modules of one plan, in their order. */
async function tell(...modules: readonly (readonly [before: string, n: string])[]): Promise<Told> {
  const folder = mkdtempSync(join(inject('folder'), 'modules-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const client = new StageClient({
    worker: [process.execPath, join(repository, 'dist/worker.js')],
    limit_ms: 20_000,
    parallel: 1,
    cache: folder,
    root: folder,
    program: 'test',
    environment: process.env,
  });
  // A plan of few modules gives each a process of its own.
  const others = ['one', 'two'].map((other) => [`/* ${other} */`, '0'] as const);
  const codes = [...modules, ...others].map(([before, n]) => codeOf(folder, bundleOf(before, n)));
  const found = await Promise.all(
    codes.map((code) => client.declaration(code, { run: 'a.ts', place })),
  );
  const values: (Json | undefined)[] = [];
  for (const module of found.slice(0, modules.length)) {
    if (!module.ok) throw new Error(module.diagnostics[0]?.message);
    const [answer] = await client.params(module.value, [{ values: {}, text: '{}' }]);
    values.push(answer?.params?.n);
  }
  await client.close();
  const processes = codes
    .slice(0, modules.length)
    .map(({ digest }) => readFileSync(logFile(folder, digest), 'utf8').trim());
  return { values, processes };
}

const distinct = ({ processes }: Told): number => new Set(processes).size;

describe('modules of one plan', () => {
  test('are asked in one process', async () => {
    const told = await tell(['', '1'], ["import { join } from 'node:path';", '2'], ['', '3']);
    expect(told.values).toEqual([1, 2, 3]);
    expect(distinct(told)).toBe(1);
  });

  test('each have globals of their own there', async () => {
    const counts = 'globalThis.count = (globalThis.count ?? 0) + 1;';
    const told = await tell(
      [counts, 'globalThis.count++'],
      [`${counts} // another`, 'globalThis.count++'],
      ['', 'globalThis.count ?? 0'],
    );
    expect(told.values).toEqual([1, 1, 0]);
    expect(distinct(told)).toBe(1);
  });

  const FS = "import fs from 'node:fs';";
  test.each([
    ['a prototype', '', 'Array.prototype.extra = 5;', '[].extra ?? 0'],
    ['a method', '', 'Math.max = () => 5;', 'Math.max(0)'],
    ['a property of a method', '', 'Math.max.extra = 5;', 'Math.max.extra ?? 0'],
    ['a getter', '', "Object.prototype.__defineGetter__('extra', () => 5);", '[].extra ?? 0'],
    ['an iterator', '', 'Object.getPrototypeOf([].values()).extra = 5;', '[].values().extra ?? 0'],
    ['what can be changed', '', 'Object.freeze(Array);', '5 * Object.isFrozen(Array)'],
    ['the environment', '', "process.env.EXTRA = '5';", 'Number(process.env.EXTRA ?? 0)'],
    ['the working directory', '', "process.chdir('/');", "5 * (process.cwd() === '/')"],
    ['a module of Node', FS, 'fs.existsSync = () => 5;', "Number(fs.existsSync('/nowhere'))"],
    ['a listener', '', "process.on('x', () => 0);", "5 * process.listenerCount('x')"],
    [
      'what comes later',
      '',
      'setTimeout(() => { Math.max = () => 5; }, 0).unref();',
      'Math.max(0)',
    ],
    [
      'a global for good',
      '',
      "Object.defineProperty(globalThis, 'extra', { value: 5 });",
      'globalThis.extra ?? 0',
    ],
  ])('are asked in another process after one that changes %s', async (_, before, change, n) => {
    const told = await tell([`${before}${change}`, n], [before, n], [`${before};`, n]);
    expect(told.values.slice(1)).toEqual([0, 0]);
    expect(distinct(told)).toBe(2);
  });

  test('are not judged by what another one does when it is asked', async () => {
    const told = await tell(['', '(Array.prototype.extra = 5)'], ['', '[].extra ?? 0']);
    expect(told.values).toEqual([5, 0]);
    expect(distinct(told)).toBe(2);
  });

  test('are asked each alone when many of them spoil their process', async () => {
    const spoilers = [1, 2, 3, 4].map((n) => [`Array.prototype.x${n} = 5;`, `${n}`] as const);
    const told = await tell(...spoilers, ['', '[].x1 ?? 0'], ['//', '[].x4 ?? 0']);
    expect(told.values).toEqual([1, 2, 3, 4, 0, 0]);
    expect(distinct(told)).toBe(6);
  });
});

test('processes that were started ahead are the ones that modules are asked in, and end with the others', async () => {
  const folder = mkdtempSync(join(inject('folder'), 'ahead-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [list, note] = [join(folder, 'started'), join(folder, 'note.cjs')];
  writeFileSync(list, '');
  const line = `require('node:fs').appendFileSync(${JSON.stringify(list)}, process.pid + '\\n');`;
  writeFileSync(note, line);
  const started = (): readonly string[] => readFileSync(list, 'utf8').split('\n').slice(0, -1);
  const client = new StageClient({
    worker: [process.execPath, '--require', note, join(repository, 'dist/worker.js')],
    limit_ms: 20_000,
    parallel: 2,
    cache: folder,
    root: folder,
    program: 'test',
    environment: process.env,
  });
  client.prepare(9, 9);
  await expect.poll(started, { timeout: 20_000 }).toHaveLength(2);
  const codes = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => codeOf(folder, bundleOf('', String(n))));
  const found = await Promise.all(
    codes.map((code) => client.declaration(code, { run: 'a.ts', place })),
  );
  expect(found.every(({ ok }) => ok)).toBe(true);
  const asked = codes.map(({ digest }) => readFileSync(logFile(folder, digest), 'utf8').trim());
  expect(new Set(asked)).toEqual(new Set(started()));
  // One that nobody asks anything ends all the same.
  client.prepare(99, 99);
  await client.close();
  const isThere = (pid: string): boolean => existsSync(`/proc/${pid}`);
  if (existsSync('/proc')) {
    await expect.poll(() => started().filter(isThere), { timeout: 20_000 }).toEqual([]);
  }
});
