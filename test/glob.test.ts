// Patterns of file names are exact: what they fit is found once, and nothing that fits is left out without a word.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FileFinder } from '../src/engine/files/find-files.ts';
import { escapeGlob, isGlob, parseGlob } from '../src/engine/files/glob.ts';
import { makeRig } from './rig.ts';

/** Finds in a folder with these files. */
function finderIn(...names: string[]) {
  const rig = makeRig(Object.fromEntries(names.map((name) => [name, name])));
  const find = (pattern: string): readonly string[] =>
    new FileFinder(rig.folder, join(rig.folder, 'cache'))
      .find(pattern)
      .map(({ name }) => name)
      .sort();
  return { folder: rig.folder, find };
}

describe('a pattern', () => {
  const find = (pattern: string, ...names: string[]) => finderIn(...names).find(pattern);

  test('fits what it says', () => {
    const names = [
      'd/a.csv',
      'd/b.txt',
      'd/e/c.csv',
      'd/.h.csv',
      'd/ä1.csv',
      'd/node_modules/x.csv',
      'cache/y.csv',
      'p08',
      'p10',
    ];
    const { find: at } = finderIn(...names);
    expect(at('d/*.csv')).toEqual(['d/a.csv', 'd/ä1.csv']);
    expect(at('**/*.csv')).toEqual(['d/a.csv', 'd/e/c.csv', 'd/ä1.csv']);
    expect(at('d/**')).toEqual(['d/a.csv', 'd/b.txt', 'd/e/c.csv', 'd/ä1.csv']);
    expect(at('d/?1.csv')).toEqual(['d/ä1.csv']);
    expect(at('d/[!b-z].{csv,txt}')).toEqual(['d/a.csv']);
    expect(at('d/.*')).toEqual(['d/.h.csv']);
    expect(at('p{08..10}')).toEqual(['p08', 'p10']);
    expect(() => at('d/[z-a]')).toThrow('is not a pattern');
  });

  test.each([
    [`${'*a'.repeat(30)}*b`, `${'a'.repeat(200)}c`],
    [`${'?*'.repeat(60)}b`, 'a'.repeat(200)],
    [`${'**/*/'.repeat(12)}b`, `${'a/'.repeat(24)}c`],
  ])('of many stars is answered at once: %s', (pattern, name) => {
    expect(find(pattern, name)).toEqual([]);
  });

  test('of many stars fits what an expression of them fits', () => {
    const letters = (...of: string[]) => fc.string({ unit: fc.constantFrom(...of), maxLength: 7 });
    const steps = letters('*', '?', 'a', 'b', 'é', '[ab]', '[!a]').filter((text) => text !== '**');
    const fitting = fc.property(steps, letters('a', 'b', 'é'), (pattern, name) => {
      fc.pre(pattern !== '' && name !== '');
      const expression = pattern
        .replaceAll('!', '^')
        .replaceAll('*', '.*')
        .replace(/\?(?!\])/g, '.');
      const step = parseGlob(pattern)[0]![0]!;
      const fits =
        step.kind === 'fits' ? step.fits(name) : step.kind === 'name' && step.name === name;
      expect(fits || step.kind === 'folders').toBe(
        step.kind === 'folders' || new RegExp(`^${expression}$`, 'u').test(name),
      );
    });
    fc.assert(fitting, { numRuns: 1000 });
  });

  test('is literal where it is escaped', () => {
    const name = 'q[1]*{a,b}?.csv';
    expect(isGlob(escapeGlob(name))).toBe(false);
    expect(find(escapeGlob(name), name, 'q1.csv')).toEqual([name]);
    expect(find('\\**', '*x', 'y')).toEqual(['*x']);
  });

  test('does not follow a link to a folder that it lies in, and finds other links', () => {
    const { folder, find: at } = finderIn('data/a.csv', 'other/b.csv');
    symlinkSync('../data', join(folder, 'data/again'));
    symlinkSync('..', join(folder, 'data/up'));
    symlinkSync('../other', join(folder, 'data/other'));
    symlinkSync('../data', join(folder, 'other/back'));
    expect(at('data/**/*.csv')).toEqual(['data/a.csv', 'data/other/b.csv']);
    expect(at('data/again/*.csv')).toEqual(['data/again/a.csv']);
  });

  test('tells of all that fits and cannot be taken', () => {
    const { folder, find: at } = finderIn('data/a.csv');
    symlinkSync('nowhere', join(folder, 'data/c.csv'));
    writeFileSync(
      Buffer.concat([Buffer.from(`${folder}/data/b`), Buffer.of(0xff), Buffer.from('.csv')]),
      '',
    );
    mkdirSync(join(folder, 'data/folder.csv'));
    expect(() => at('data/*.csv')).toThrow(/data\/b\\xff\.csv has a name that is not UTF-8/);
    expect(() => at('data/*.csv')).toThrow('data/c.csv is a broken link');
    expect(at('data/a.*')).toEqual(['data/a.csv']);
  });
});

test('labels are literal, and a file of the very name of a pattern is meant', async () => {
  const command = '[sh, -c, \'printf "%s|" "$@" > o.txt\', x, "{inputs.d}"]';
  const rest = 'outputs: { o: o.txt }, artifacts:';
  const rig = makeRig({
    'pipeline.yaml': `stages:
  s: { command: ${command}, matrix: { n: ["a*b"] }, inputs: { d: { file: "data/{n}.csv" } }, ${rest} { o: o } }
  t: { command: ${command}, inputs: { d: { file: "data/q[1].csv" } }, ${rest} { o: o } }
`,
    'data/a*b.csv': '',
    'data/axb.csv': '',
    'data/q[1].csv': '',
  });
  await rig.run('make');
  expect([rig.read('artifacts/s/o'), rig.read('artifacts/t/o')]).toEqual([
    'data/a*b.csv|',
    'data/q[1].csv|',
  ]);
  rig.write('data/q1.csv', '');
  expect((await rig.run('check')).stderr).toContain(
    '`data/q[1].csv` is a file and a pattern that fits data/q1.csv',
  );
});
