import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { repository } from './rig.ts';

/** The files of the map, in its order: lines such as "- `src/tensor.ts` …". */
const ladder = [
  ...readFileSync(join(repository, 'ARCHITECTURE.md'), 'utf8').matchAll(/^- `([\w./-]+\.ts)`/gm),
].map(([, path]) => path);

/** Kernels are compiled by AssemblyScript, which has its own rules. */
const isKernel = (path: string): boolean => path.startsWith('src/network/kernels/');

const files = ['src', 'stages'].flatMap((room) =>
  readdirSync(join(repository, room), { recursive: true, encoding: 'utf8' })
    .map((path) => `${room}/${path}`)
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !isKernel(path)),
);

const sources = new Map(files.map((path) => [path, readFileSync(join(repository, path), 'utf8')]));

/** The imports of a file: paths within the repository, or package names. */
function importsOf(path: string): readonly string[] {
  const text = sources.get(path) ?? '';
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name]) => name);
  return found.map((name) => (name.startsWith('.') ? normalize(join(dirname(path), name)) : name));
}

const roomOf = (path: string): string => /^(stages|src\/[\w-]+)\//.exec(path)?.[1] ?? path;

const SCIENCE = ['src/stats', 'src/data', 'src/sparse', 'src/network', 'src/claims', 'src/report'];
/** Forms that every room may use. */
const isFoundation = (name: string): boolean =>
  ['dtype', 'exact-json', 'file-set', 'hint', 'label', 'tensor', 'utf8'].some(
    (file) => name === `src/${file}.ts`,
  );
const own = (name: string): boolean => name.startsWith('src/') || name.startsWith('stages/');

describe('the map in ARCHITECTURE.md', () => {
  test('names every file once', () => {
    expect([...ladder].sort()).toEqual([...files].sort());
  });

  test('is a ladder: a file imports only what stands above it', () => {
    const wrong = ladder.flatMap((path, rung) =>
      importsOf(path)
        .filter((name) => own(name) && name.endsWith('.ts') && !isKernel(name))
        .filter((name) => !ladder.slice(0, rung).includes(name))
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
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
    expect(wrongImports('src/pipeline', (name) => isFoundation(name))).toEqual([]);
  });

  test('archives draw one page and know no science but statistics', () => {
    const allowed = (name: string): boolean =>
      isFoundation(name) || ['src/pipeline', 'src/report', 'src/stats'].includes(roomOf(name));
    expect(wrongImports('src/archive', allowed)).toEqual([]);
  });

  test('stages enter the pipeline by its door only', () => {
    const doors = ['src/pipeline/stage.ts'];
    const allowed = (name: string): boolean =>
      doors.includes(name) || isFoundation(name) || SCIENCE.includes(roomOf(name));
    expect(wrongImports('stages', allowed)).toEqual([]);
  });

  test('the command line talks to the pipeline, and draws two pages', () => {
    const pages = ['src/report/provenance.ts', 'src/report/comparison.ts'];
    const allowed = (name: string): boolean =>
      isFoundation(name) ||
      pages.includes(name) ||
      ['src/pipeline', 'src/archive'].includes(roomOf(name));
    expect(wrongImports('src/cli', allowed)).toEqual([]);
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
    const programs = ['src/pipeline/processes.ts', 'src/pipeline/supervisor.ts'];
    // Both say in words what stages may not do with it.
    const words = ['src/pipeline/guard.ts', 'src/pipeline/unbundled.ts'];
    const allowed = ['src/cli/', compiler, ...programs, ...words];
    expect(using(/\bprocess\.|node:process/, allowed)).toEqual([]);
  });

  test('only one file loads the bundle of a stage, and the command line does not load that file', () => {
    expect(using(/\bimport\(\s*[^'\s]/, [])).toEqual(['src/pipeline/stage-module.ts']);
    const reached = new Set(['src/cli/start.ts']);
    for (const path of reached)
      for (const name of importsOf(path)) if (own(name)) reached.add(name);
    expect(reached.has('src/pipeline/stage-client.ts')).toBe(true);
    expect(reached.has('src/pipeline/stage-module.ts')).toBe(false);
  });

  test('only one file imports lmdb', () => {
    expect(files.filter((path) => importsOf(path).includes('lmdb'))).toEqual([
      'src/pipeline/lmdb-root.ts',
    ]);
  });

  test('only the shell starts programs for commands', () => {
    expect(files.filter((path) => importsOf(path).includes('zx/core'))).toEqual([
      'src/pipeline/shell.ts',
    ]);
  });

  test('science and stages reach neither the disk nor the network', () => {
    const outside = /'node:(fs|net|http|https|dgram|child_process|worker_threads|os)[/']|\bfetch\(/;
    expect(using(outside, ['src/pipeline/', 'src/archive/', 'src/cli/'])).toEqual([]);
  });
});
