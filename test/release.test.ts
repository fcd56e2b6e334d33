// release.test.ts — what a release changes: on the files of this checkout, and done in a copy of it

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
  expect(() =>
    releasedFiles({ ...files, 'CHANGELOG.md': '## [0.1.0]\n\n- Old.\n' }, { version: next, date }),
  ).toThrow('no section');
  for (const wrong of ['2027-02-31', '2 January']) {
    expect(() => releasedFiles(ready, { version: next, date: wrong })).toThrow('not a date');
  }
  const empty = { ...files, 'CHANGELOG.md': `## [${next}]\n\n## [0.1.0]\n\n- Old.\n` };
  expect(() => releasedFiles(empty, { version: next, date })).toThrow('no entry');
  expect([isLater('0.10.0', '0.9.9'), isLater('0.9.9', '0.10.0')]).toEqual([true, false]);
});

test('entries under [Unreleased] become the section of the release, and are never left behind', () => {
  const release = { version: next, date: '2027-01-02' };
  const log = (text: string) => ({ ...files, 'CHANGELOG.md': `# Changelog\n\n${text}` });
  const after = releasedFiles(
    log('## [Unreleased]\n\n### Fixed\n\n- $& one.\n\n## [0.1.0]\n'),
    release,
  );
  expect(after['CHANGELOG.md']).toBe(
    `# Changelog\n\n## [Unreleased]\n\n## [${next}] - 2027-01-02\n\n### Fixed\n\n- $& one.\n\n## [0.1.0]\n`,
  );
  const both = log(`## [Unreleased]\n\n- New.\n\n## [${next}] - unreleased\n\n- Ready.\n`);
  expect(() => releasedFiles(both, release)).toThrow('entries under [Unreleased]');
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

/** A repository of its own with the files of this checkout as they are now, in one commit. */
function copyOfThisCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), 'release-'));
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const paths = execFileSync('git', list, { cwd: repository, encoding: 'utf8' }).split('\0');
  for (const path of new Set(paths)) {
    if (path === '') continue;
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    copyFileSync(join(repository, path), join(folder, path));
  }
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  const git = (...words: readonly string[]) => execFileSync('git', words, { cwd: folder });
  git('init', '--quiet');
  git('config', 'user.name', 'Ada');
  git('config', 'user.email', 'ada@example.org');
  git('add', '.');
  git('commit', '--quiet', '-m', 'All');
  return folder;
}

// Builds the whole program three times.
test.runIf(process.env.FULL)(
  '--write commits and tags a release with the digest of its verify.mjs; a step that fails leaves nothing',
  () => {
    const folder = copyOfThisCheckout();
    try {
      const git = (...words: readonly string[]) =>
        execFileSync('git', words, { cwd: folder, encoding: 'utf8' }).trim();
      const release = (version: string) => {
        const words = [join(folder, 'scripts/release.mjs'), version, '--write'];
        const date = ['--date', '2027-01-02'];
        return spawnSync(process.execPath, [...words, ...date], {
          cwd: tmpdir(),
          encoding: 'utf8',
        });
      };
      writeFileSync(join(folder, 'CHANGELOG.md'), ready['CHANGELOG.md']);
      expect(release(next)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('uncommitted changes'),
      });
      git('commit', '--quiet', '-am', 'Ready');

      // A hook of the person's own refuses the commit.
      const before = git('rev-parse', 'HEAD');
      writeFileSync(join(folder, '.git/hooks/pre-commit'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
      expect(release(next)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('All files are as they were before'),
      });
      expect([git('status', '--porcelain'), git('tag'), git('rev-parse', 'HEAD')]).toEqual([
        '',
        '',
        before,
      ]);
      rmSync(join(folder, '.git/hooks/pre-commit'));

      expect(release(next)).toMatchObject({ status: 0 });
      expect(git('status', '--porcelain')).toBe('');
      expect(git('tag', '--points-at', 'HEAD')).toBe(`v${next}`);
      expect(git('log', '-1', '--format=%s')).toBe(`Release ${next}`);
      const checker = readFileSync(join(folder, 'dist/verify.mjs'));
      expect(checker.toString()).toContain(`// verify.mjs of pipeline ${next}:`);
      const digest = createHash('sha256').update(checker).digest('hex');
      expect(git('show', 'HEAD:docs/verify-digests.md')).toContain(`| ${next} | \`${digest}\` |`);
      expect(git('show', 'HEAD:CHANGELOG.md')).toContain(`## [${next}] - 2027-01-02`);

      expect(release(next)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('does not come after'),
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
