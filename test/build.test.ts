// build.test.ts — tests drive dist/: a build knows what it was made from, and that is what is there now
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { inputsDigest, recordBuild, whyStale } from '../scripts/build-inputs.mjs';
import { repository } from './rig.ts';

/** A folder laid out as the repository, with a build of it. */
function built(): { readonly root: string; write(path: string, text: string): void } {
  const root = mkdtempSync(join(inject('folder'), 'build-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  for (const path of INPUTS) write(path, 'as it was');
  write('dist/cli.cjs', 'built');
  recordBuild(root, inputsDigest(root));
  return { root, write };
}

const INPUTS = [
  'src/cli/main.ts',
  'src/network/kernels/index.ts',
  'scripts/build.mjs',
  'docs/verify-digests.md',
  'package.json',
  'package-lock.json',
  'node_modules/.package-lock.json',
];

test('what these tests run was built from the sources that are here', () => {
  expect(whyStale(repository)).toBeUndefined();
});

test('a build is good as long as nothing changes, whatever is beside its inputs', () => {
  const { root, write } = built();
  write('README.md', 'new');
  write('test/new.test.ts', 'new');
  expect(whyStale(root)).toBeUndefined();
});

test.each([...INPUTS, 'src/cli/new.ts', 'tsconfig.json'])(
  'a change of %s makes it stale',
  (path) => {
    const { root, write } = built();
    write(path, 'changed');
    expect(whyStale(root)).toBe('sources changed since it was built');
  },
);

test('a source that is gone makes it stale', () => {
  const { root } = built();
  rmSync(join(root, 'src/cli/main.ts'));
  expect(whyStale(root)).toBe('sources changed since it was built');
});

test('an output that is gone or changed, or a build that did not end, is stale', () => {
  const { root, write } = built();
  write('dist/cli.cjs', 'edited');
  expect(whyStale(root)).toBe('dist/cli.cjs was changed');
  rmSync(join(root, 'dist/cli.cjs'));
  expect(whyStale(root)).toBe('dist/cli.cjs is missing');
  rmSync(join(root, 'dist/build.json'));
  expect(whyStale(root)).toBe('it was never built to the end');
});
