// release.test.ts — what a release changes, on the files of this checkout
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { isLater, releasedFiles, sectionOf, VERSIONED } from '../scripts/release/next-version.mjs';
import { repository } from './rig.ts';

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');
const files: Record<string, string> = Object.fromEntries(
  VERSIONED.map((path) => [path, read(path)]),
);
const changelog = files['CHANGELOG.md'] ?? '';
const { version: now } = JSON.parse(read('package.json')) as { readonly version: string };
const next = '97.0.1';
const ready = {
  ...files,
  'CHANGELOG.md': `# Changelog\n\n## [${next}] - unreleased\n\n### Added\n\n- Something.\n\n## [0.0.1]\n`,
};

test('every file with the version gets the new one, and the changelog its date', () => {
  const after = releasedFiles(ready, { version: next, date: '2027-01-02' });
  for (const path of VERSIONED) expect(after[path], path).toContain(next);
  expect(after['CHANGELOG.md']).toContain(`## [${next}] - 2027-01-02\n\n### Added\n\n- Something.`);
  expect(parse(after['CITATION.cff'] ?? '')).toMatchObject({
    version: next,
    'date-released': '2027-01-02',
  });
  const lock = JSON.parse(after['package-lock.json'] ?? '') as {
    readonly version: string;
    readonly packages: Readonly<Record<string, { readonly version: string }>>;
  };
  expect([lock.version, lock.packages['']?.version]).toEqual([next, next]);
  // Done twice, nothing stands twice.
  const twice = releasedFiles(
    { ...after, 'CHANGELOG.md': `## [97.0.2]\n- More.\n` },
    { version: '97.0.2', date: '2027-01-03' },
  );
  expect(twice['CITATION.cff']?.match(/^date-released:/gm)).toHaveLength(1);
});

test('an earlier version, no version, and a changelog without an entry are refused', () => {
  const date = '2027-01-02';
  expect(() => releasedFiles(ready, { version: now, date })).toThrow('does not come after');
  expect(() => releasedFiles(ready, { version: 'new', date })).toThrow('not a version');
  expect(() => releasedFiles(files, { version: next, date })).toThrow('no section');
  const empty = { ...files, 'CHANGELOG.md': `## [${next}]\n\n## [0.1.0]\n\n- Old.\n` };
  expect(() => releasedFiles(empty, { version: next, date })).toThrow('no entry');
  expect([isLater('0.10.0', '0.9.9'), isLater('0.9.9', '0.10.0')]).toEqual([true, false]);
});

test('CHANGELOG.md has the form of keepachangelog: versions in brackets, from the newest on, in its sections', () => {
  const headings = [...changelog.matchAll(/^## (.*)$/gm)].map(([, heading = '']) => heading);
  expect(headings[0]).toBe('[Unreleased]');
  for (const heading of headings.slice(1)) {
    expect(heading).toMatch(/^\[\d+\.\d+\.\d+\] - (unreleased|\d{4}-\d\d-\d\d)$/);
  }
  const versions = headings.slice(1).map((heading) => /[\d.]+/.exec(heading)?.[0] ?? '');
  for (const [at, version] of versions.slice(1).entries()) {
    expect(isLater(versions[at] ?? '', version)).toBe(true);
  }
  for (const [, kind] of changelog.matchAll(/^### (.*)$/gm)) {
    expect(['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security']).toContain(kind);
  }
});

test('without --write, a release only says what it would do', () => {
  const words = [join(repository, 'scripts/release.mjs'), '0.2.0', '--date', '2027-01-02'];
  const { status, stdout } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  if (!isLater('0.2.0', now)) expect(status).toBe(2);
  else {
    expect(status).toBe(0);
    expect(stdout).toContain('## [0.2.0] - 2027-01-02');
    expect(stdout).toContain('nothing was changed');
    expect(sectionOf(changelog, '0.2.0')).toBeDefined();
  }
  for (const path of VERSIONED) expect(read(path)).toBe(files[path]);
});
