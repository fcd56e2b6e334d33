// Plans that cannot be: refused soon and in bounded memory, with their place, before anything runs.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRig } from './rig.ts';

const COMMAND = 'command: [sh, -c, "echo 1 > x.txt"], outputs: { x: x.txt }';

async function refused(pipeline: string, ...words: readonly string[]): Promise<string> {
  const rig = makeRig({ 'pipeline.yaml': pipeline });
  const { code, stderr } = await rig.run(...(words.length > 0 ? words : ['make']));
  expect(code).toBe(2);
  expect(existsSync(join(rig.folder, 'artifacts'))).toBe(false);
  return stderr;
}

test('30,000 equal values on an axis are told with their number, and not one by one', async () => {
  const seeds = Array.from({ length: 30_000 }, () => 1).join(', ');
  const stderr = await refused(
    `params: { seeds: [${seeds}] }\nstages:\n  a: { ${COMMAND}, matrix: { seed: $seeds } }\n`,
  );
  expect(stderr).toContain('pipeline.yaml:1:22: error: two values of axis `seed` are called `1`');
  expect(stderr).toContain('29,999 errors, of which the first 50 are shown; nothing was run');
});

test('a chain of 20,000 references is told where it becomes too long', async () => {
  const params = Array.from({ length: 20_000 }, (_, n) => `  p${n}: $p${n + 1}\n`).join('');
  const stderr = await refused(
    `params:\n${params}  p20000: 1\nstages:\n  a: { ${COMMAND}, params: { x: $p0 } }\n`,
  );
  expect(stderr).toMatch(/error: `\$p\d+` refers to `\$p\d+` through more than 256 others/);
});

test('a matrix of 40^8 tasks is told with its size', async () => {
  const values = Array.from({ length: 40 }, (_, n) => n).join(', ');
  const axes = Array.from({ length: 8 }, (_, n) => `a${n}: [${values}]`).join(', ');
  const stderr = await refused(`stages:\n  a: { ${COMMAND}, matrix: { ${axes} } }\n`);
  expect(stderr).toMatch(/pipeline\.yaml:2:3: error: .*6,553,600,000,000/);
});

test.each([
  ['x/', 'a folder as a file'],
  ['a\\nb', 'a line break'],
  ['a//b', 'an empty name'],
  ['./a', 'a name that says nothing'],
  ['a\\tb', 'a control character'],
  ['../a', 'a way out'],
  ['/a', 'an absolute path'],
])('an artifact path is refused that has %j: %s', async (path) => {
  const stderr = await refused(`stages:\n  a: { ${COMMAND}, artifacts: { x: "${path}" } }\n`);
  expect(stderr).toContain('error: an artifact is a relative path within artifacts/');
});

test('labels with a zero byte or a line break are refused', async () => {
  const stderr = await refused(`stages:\n  a: { ${COMMAND}, matrix: { s: ["a\\0b", "c\\nd"] } }\n`);
  expect(stderr.match(/^pipeline.yaml:2:\d+: error/gm)?.length).toBe(2);
});

test('more slots than a machine can have are refused', async () => {
  const stderr = await refused(`stages:\n  a: { ${COMMAND} }\n`, 'make', '-j', '99999999999');
  expect(stderr).toContain('an integer from 1 to 4096');
});
