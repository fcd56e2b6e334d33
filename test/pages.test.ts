// pages.test.ts — the pages that people read: links lead somewhere, quoted messages exist, words are plain
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { deadLinks } from '../scripts/dead-links.mjs';
import { repository } from './rig.ts';

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');

/** Markdown pages of a folder and those below it, by path. */
const pagesBelow = (folder: string): readonly string[] =>
  readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
    .map((path) => join(folder, path))
    .sort();

const PAGES = [
  ...readdirSync(repository).filter((name) => name.endsWith('.md')),
  ...['docs', 'examples', 'python'].flatMap(pagesBelow),
  'bench/README.md',
];

test('every link of every page leads to a file, and every anchor to a heading', () => {
  expect(PAGES).toContain('README.md');
  expect(PAGES).toContain('docs/guides/sharing.md');
  expect(deadLinks(repository, PAGES)).toEqual([]);
});

test('every page of docs/ can be reached from its index', () => {
  const reached = new Set<string>();
  const visit = (page: string): void => {
    if (reached.has(page) || !existsSync(join(repository, page))) return;
    reached.add(page);
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#\s]+\.md)(?:#[^)]*)?\)/g)) {
      visit(relative(repository, join(repository, dirname(page), target)));
    }
  };
  visit('docs/index.md');
  expect(pagesBelow('docs').filter((page) => !reached.has(page))).toEqual([]);
});

describe('docs/troubleshooting.md', () => {
  const sources = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => read(join('src', path)))
    .join('\n')
    // Messages that are written in several pieces, and names in backquotes.
    .replace(/['`] \+\n\s*['`]/g, '')
    .replace(/\\`/g, '');
  const messages = [...read('docs/troubleshooting.md').matchAll(/^\| `([^`]+)`/gm)].map(
    ([, message = '']) => message,
  );

  test('quotes messages that the program has', () => {
    expect(messages.length).toBeGreaterThan(30);
    const parts = messages
      .filter((message) => message !== 'npx pipeline')
      .flatMap((message) => message.split('…').map((part) => part.trim()))
      .filter((part) => part.length > 3);
    expect(parts.filter((part) => !sources.includes(part))).toEqual([]);
  });
});

describe('plain English', () => {
  /** Words and phrases that a reader stumbles over, and what to write in their place. */
  const STUMBLES: readonly (readonly [RegExp, string])[] = [
    [/\bmend(s|ed|ing)?\b/i, 'correct, fix, repair'],
    [/\bgave nothing\b/i, 'has no output'],
    [/\btells? of\b/i, 'describes, reports'],
    [/\bwho asks\b/i, 'the caller'],
    [/\bsaid nothing\b/i, 'printed nothing'],
    [/\bdrawn by lot\b/i, 'sampled at random'],
    [/\bunless told\b/i, 'by default'],
    [/\b(is|are|was|were) told\b/i, 'is reported, printed, listed'],
    [/\bwith a word\b|\ba word says\b/i, 'with a message'],
  ];
  const stumblesIn = (text: string): readonly string[] =>
    STUMBLES.flatMap(([phrase, better]) => {
      const found = phrase.exec(text.replace(/\n/g, ' '));
      return found === null ? [] : [`${found[0]}: better ${better}`];
    });

  // The log of changes before the first release stays as it was written; ARCHITECTURE.md is for those who build.
  const checked = PAGES.filter((page) => !['CHANGELOG.md', 'ARCHITECTURE.md'].includes(page));
  test.each(checked)('%s', (page) => {
    expect(stumblesIn(read(page))).toEqual([]);
  });

  test('texts of commands, errors and hints', () => {
    const files = ['src/cli', 'src/engine', 'src/archive'].flatMap((folder) =>
      readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.ts'))
        .map((path) => join(folder, path)),
    );
    expect(files.length).toBeGreaterThan(100);
    const wrong = files.flatMap((path) => {
      const code = read(path).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
      const texts = [...code.matchAll(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g)].map(
        ([text]) => text,
      );
      return texts.flatMap((text) => stumblesIn(text).map((stumble) => `${path}: ${stumble}`));
    });
    expect(wrong).toEqual([]);
  });
});
