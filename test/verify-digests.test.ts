// verify-digests.test.ts — the list of published checkers: a released version is what this checkout builds
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf } from '../src/engine/model/key.ts';
import { repository } from './rig.ts';

type Published = readonly { readonly version: string; readonly sha256: string }[];

const script = join(repository, 'scripts/published-checkers.mjs');
const { publishedCheckers } = (await import(script)) as {
  publishedCheckers(text: string): Published;
};
const read = (name: string): string => readFileSync(join(repository, name), 'utf8');

test('rows with a digest are published, others are not released', () => {
  const digest = 'ab'.repeat(32);
  const text = `| version | SHA-256 |\n| --- | --- |\n| 0.1.0 | \`${digest}\` |\n| 0.2.0 | not released |\n`;
  expect(publishedCheckers(text)).toEqual([{ version: '0.1.0', sha256: digest }]);
});

test('no version is listed twice', () => {
  const versions = publishedCheckers(read('docs/verify-digests.md')).map(({ version }) => version);
  expect(new Set(versions).size).toBe(versions.length);
});

test('a version that is published builds what was published; a changed one has another version', () => {
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  const published = publishedCheckers(read('docs/verify-digests.md')).find(
    (one) => one.version === version,
  );
  // Not released yet: development goes on under a version that nobody has.
  if (published === undefined) return;
  const built = digestOf(readFileSync(join(repository, 'dist/verify.mjs')));
  expect(
    built,
    `verify.mjs of ${version} is published, and this checkout builds another: raise the version in package.json`,
  ).toBe(published.sha256);
});
