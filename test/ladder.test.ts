import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mapOf, problems, readRooms, sourceFiles, withMap } from '../scripts/rooms.mjs';
import { repository } from './rig.ts';

const all = sourceFiles();
const files = all.map(({ path }) => path);
const sources = new Map(all.map(({ path, text }) => [path, text]));
const importsOf = (path: string): readonly string[] =>
  all.find((file) => file.path === path)?.imports ?? [];

/** The wing that a file is in: rooms of one wing share what they may know of the others. */
const roomOf = (path: string): string => /^(stages|src\/[\w-]+)\//.exec(path)?.[1] ?? path;

const SCIENCE = ['src/stats', 'src/data', 'src/sparse', 'src/network', 'src/claims', 'src/report'];
/** Forms that every room may use. */
const isFoundation = (name: string): boolean =>
  [
    'dtype',
    'exact-json',
    'file-set',
    'hint',
    'label',
    'plain-text',
    'present',
    'tensor',
    'utf8',
  ].some((file) => name === `src/${file}.ts`);
const own = (name: string): boolean => name.startsWith('src/') || name.startsWith('stages/');

describe('the order of rooms', () => {
  const rooms = readRooms();

  test('holds: no import of a later room, no cycle, no hall', () => {
    expect(problems(all, rooms)).toEqual([]);
  });

  test('is what ARCHITECTURE.md shows (node scripts/rooms.mjs writes it)', () => {
    const text = readFileSync(join(repository, 'ARCHITECTURE.md'), 'utf8');
    expect(withMap(text, mapOf(all, rooms))).toBe(text);
  });

  test('is checked: a file in a wrong room, a cycle and a missing header are found', () => {
    const file = (path: string, imports: string[], name = path.split('/').at(-1)) => {
      const room = path.slice(0, path.lastIndexOf('/'));
      return { path, room, text: '', name, about: '', imports };
    };
    const [low, high] = [
      { room: 'src/low', about: '' },
      { room: 'src/high', about: '' },
    ];
    const wrong = [
      file('src/low/a.ts', ['src/low/b.ts']),
      file('src/low/b.ts', ['src/low/a.ts', 'src/high/c.ts']),
      file('src/high/c.ts', [], 'd.ts'),
      file('src/lost/e.ts', []),
    ];
    expect(problems(wrong, [low, high])).toEqual([
      'src/low/b.ts imports src/high/c.ts, of a later room',
      'src/high/c.ts: its first line is not "// c.ts — ..."',
      'src/lost/e.ts: src/rooms.json has no room src/lost',
      'files import each other: src/low/a.ts → src/low/b.ts → src/low/a.ts',
    ]);
  });
});

describe('the rooms', () => {
  const wrongImports = (room: string, allowed: (name: string) => boolean): readonly string[] =>
    files
      .filter((path) => roomOf(path) === room)
      .flatMap((path) => importsOf(path).map((name) => [path, name] as const))
      .filter(([, name]) => own(name) && roomOf(name) !== room && !allowed(name))
      .map(([path, name]) => `${path} imports ${name}`);

  test.each(SCIENCE)('%s knows nothing of the pipeline', (room) => {
    const above = SCIENCE.slice(0, SCIENCE.indexOf(room));
    expect(
      wrongImports(room, (name) => isFoundation(name) || above.includes(roomOf(name))),
    ).toEqual([]);
  });

  test('the pipeline knows nothing of networks or pages', () => {
    expect(wrongImports('src/engine', (name) => isFoundation(name))).toEqual([]);
  });

  test('analysis knows what the engine remembers, and statistics', () => {
    const allowed = (name: string): boolean =>
      isFoundation(name) || ['src/engine', 'src/stats'].includes(roomOf(name));
    expect(wrongImports('src/analysis', allowed)).toEqual([]);
  });

  test('archives draw one page and know no science but statistics', () => {
    const allowed = (name: string): boolean =>
      isFoundation(name) || ['src/engine', 'src/report', 'src/stats'].includes(roomOf(name));
    expect(wrongImports('src/archive', allowed)).toEqual([]);
  });

  test('stages enter the pipeline by its door only', () => {
    const doors = ['src/engine/stage.ts'];
    const allowed = (name: string): boolean =>
      doors.includes(name) || isFoundation(name) || SCIENCE.includes(roomOf(name));
    expect(wrongImports('stages', allowed)).toEqual([]);
  });

  test('the command line talks to the pipeline, and draws two pages', () => {
    const pages = ['src/report/provenance.ts', 'src/report/comparison.ts'];
    const allowed = (name: string): boolean =>
      isFoundation(name) ||
      pages.includes(name) ||
      ['src/engine', 'src/analysis', 'src/archive', 'src/remote', 'src/cluster', 'src/ui'].includes(
        roomOf(name),
      );
    expect(wrongImports('src/cli', allowed)).toEqual([]);
  });

  test('what is shared knows the pipeline and archives, and nothing of science', () => {
    const allowed = (name: string): boolean =>
      isFoundation(name) || ['src/engine', 'src/archive'].includes(roomOf(name));
    expect(wrongImports('src/remote', allowed)).toEqual([]);
  });
});

describe('facts that the design rests on', () => {
  /** Files outside `rooms` whose text fits a pattern, comments left out. */
  const using = (pattern: RegExp, rooms: readonly string[]): readonly string[] =>
    files.filter((path) => {
      if (rooms.some((room) => path.startsWith(room))) return false;
      const code = (sources.get(path) ?? '').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      return pattern.test(code);
    });

  test('only the command line touches the process, and who compiles kernels asks it which V8 it has', () => {
    // How the kernels are compiled depends on which V8 there is; what they compute does not.
    const compiler = 'src/network/compile.ts';
    // Programs are ended where they are started, and know their parent's environment.
    const programs = ['src/engine/process/processes.ts', 'src/engine/process/supervisor.ts'];
    // Both say in words what stages may not do with it.
    const words = ['src/engine/worker/guard.ts', 'src/engine/bundler/unbundled.ts'];
    // Whose commands these are, and where their home is: what another user wrote is not believed.
    const user = 'src/engine/files/own-folder.ts';
    // esbuild starts its own process with the variables of this one: while it does, one more is set.
    const bundler = 'src/engine/bundler/esbuild-service.ts';
    const allowed = ['src/cli/', compiler, ...programs, ...words, user, bundler];
    expect(using(/\bprocess\.|node:process/, allowed)).toEqual([]);
  });

  test('only one file loads the bundle of a stage, and the command line does not load that file', () => {
    // The others load executors that the user names, also from code that was compiled ahead.
    const others = ['src/cli/compiled-code.ts', 'src/engine/files/import-module.ts'];
    expect(using(/\bimport\(\s*[^'\s]/, others)).toEqual(['src/engine/worker/stage-module.ts']);
    const reached = new Set(['src/cli/start.ts']);
    for (const path of reached)
      for (const name of importsOf(path)) if (own(name)) reached.add(name);
    expect(reached.has('src/engine/modules/stage-client.ts')).toBe(true);
    expect(reached.has('src/engine/worker/stage-module.ts')).toBe(false);
  });

  test('only one file imports lmdb', () => {
    expect(files.filter((path) => importsOf(path).includes('lmdb'))).toEqual([
      'src/engine/store/lmdb/lmdb-root.ts',
    ]);
  });

  test('what draws on a terminal is loaded where there is one, as it takes long to load', () => {
    const loading = files.filter((path) => {
      return /^import (?!type\b).* from 'log-update'/m.test(readFileSync(path, 'utf8'));
    });
    expect(loading).toEqual([]);
  });

  test('only the shell starts programs for commands', () => {
    expect(files.filter((path) => importsOf(path).includes('zx/core'))).toEqual([
      'src/engine/process/shell.ts',
    ]);
  });

  test('science and stages reach neither the disk nor the network', () => {
    const outside = /'node:(fs|net|http|https|dgram|child_process|worker_threads|os)[/']|\bfetch\(/;
    const near = ['src/engine/', 'src/archive/', 'src/remote/', 'src/cluster/'];
    expect(using(outside, [...near, 'src/ui/page/', 'src/ui/charts/', 'src/cli/'])).toEqual([]);
  });
});
