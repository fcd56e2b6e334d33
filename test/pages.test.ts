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
