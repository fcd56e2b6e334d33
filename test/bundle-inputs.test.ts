// bundle-inputs.test.ts — whatever decides what is in a bundle is known: a bundle that is reused is what a cold one would be
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { stop } from 'esbuild';
import { afterAll, describe, expect, inject, test, vi } from 'vitest';
import { type BundleRecord, readIndex } from '../src/engine/bundler/bundle-index.ts';
import { bundleStages } from '../src/engine/bundler/code.ts';
import { RandomProject, RUNS } from './bundle-project.ts';
import { repository } from './rig.ts';

const FULL = process.env.FULL === '1';
vi.setConfig({ testTimeout: FULL ? 3_600_000 : 240_000 });

const world = mkdtempSync(join(realpathSync(inject('folder')), 'bundles-'));
afterAll(() => rmSync(world, { recursive: true, force: true }));

const PLACE = { file: 'pipeline.yaml', text: '', start: 0, end: 0 };
/** As if long after the last edit: what is so fresh that nobody trusts it is another test's matter. */
const later = { clock: () => Date.now() + 10_000 };

/** What became of each module: its digest, or that it cannot be bundled. */
async function digests(root: string, cache: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const run of RUNS) {
    const bundled = await bundleStages(root, cache, [{ run, place: PLACE }], later);
    found[run] = bundled.ok ? String(bundled.value.codes.get(run)?.digest) : 'cannot be bundled';
  }
  return found;
}

async function digestsTogether(root: string, cache: string): Promise<Record<string, string>> {
  const bundled = await bundleStages(
    root,
    cache,
    RUNS.map((run) => ({ run, place: PLACE })),
    later,
  );
  return bundled.ok
    ? Object.fromEntries([...bundled.value.codes].map(([run, { digest }]) => [run, digest]))
    : {};
}

const SEEDS = Number(process.env.SEEDS ?? (FULL ? 400 : 2));
const EDITS = FULL ? 12 : 9;
const FIRST = Number(process.env.FIRST ?? 0);

test('after any edit, a bundle from the cache is what a cold bundling gives', async () => {
  const counts = { rounds: 0, bundled: 0, reused: 0, doubted: 0 };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const folder = join(world, String(seed));
    const project = new RandomProject(join(folder, 'world'), seed);
    const cache = join(folder, 'cache');
    for (let n = 0; n <= EDITS; n++) {
      if (n > 0) project.edit();
      const before = await readIndex(join(cache, 'bundles/index.json'));
      const warm = await digests(project.root, cache);
      const cold = await digests(project.root, join(folder, `cold-${n}`));
      expect([seed, n, warm, project.story.slice(-2)]).toEqual([
        seed,
        n,
        cold,
        project.story.slice(-2),
      ]);
      const after = await readIndex(join(cache, 'bundles/index.json'));
      counts.rounds += RUNS.length;
      for (const [run, digest] of Object.entries(warm)) {
        if (digest === 'cannot be bundled') continue;
        counts.bundled += 1;
        const record = after.get(run);
        if (record?.doubt) counts.doubted += 1;
        if (record && before.get(run)?.since === record.since) counts.reused += 1;
      }
      rmSync(join(folder, `cold-${n}`), { recursive: true, force: true });
    }
    const together = await digestsTogether(project.root, join(folder, 'together'));
    const alone = await digests(project.root, join(folder, 'alone'));
    for (const [run, digest] of Object.entries(together))
      expect([seed, run, digest]).toEqual([seed, run, alone[run]]);
    rmSync(folder, { recursive: true, force: true });
  }
  if (FULL || process.env.SEEDS) console.log(JSON.stringify(counts));
  expect(counts.bundled).toBeGreaterThan(counts.rounds / 3);
  expect(counts.reused).toBeGreaterThan(counts.bundled / 3);
});

type Tree = Readonly<Record<string, string>>;

/** A project of files; a text that begins with `->` is where a link leads. */
function projectOf(files: Tree): { readonly root: string; readonly write: (files: Tree) => void } {
  const root = join(mkdtempSync(join(world, 'kind-')), 'above/project');
  const write = (tree: Tree): void => {
    for (const [path, text] of Object.entries(tree)) {
      const place = join(root, path);
      mkdirSync(dirname(place), { recursive: true });
      rmSync(place, { recursive: true, force: true });
      if (text.startsWith('->')) symlinkSync(text.slice(2), place);
      else if (text !== 'gone') writeFileSync(place, text);
    }
  };
  write(files);
  return { root, write };
}

const CONFIG = (lib: string): string =>
  JSON.stringify({ compilerOptions: { paths: { value: [`./${lib}/value.ts`] } } });
const VALUES: Tree = {
  'lib1/value.ts': 'export const value = 1;',
  'lib2/value.ts': 'export const value = 2;',
  'run.ts': "import { value } from 'value'; console.log(value);",
};
const KIT: Tree = {
  'run.ts': "import { value } from 'kit'; console.log(value);",
  'packages/kit/a.js': 'export const value = 1;',
  'packages/kit/b.js': 'export const value = 2;',
  'packages/kit/package.json': JSON.stringify({ name: 'kit', exports: './a.js', type: 'module' }),
  'node_modules/kit': '->../packages/kit',
};

/** What a project is, and an edit of it that changes what an import means. */
const KINDS: Readonly<Record<string, readonly [before: Tree, edit: Tree]>> = {
  'a configuration that another extends': [
    {
      ...VALUES,
      'tsconfig.json': JSON.stringify({ extends: './config/base' }),
      'config/base.json': CONFIG('../lib1'),
    },
    { 'config/base.json': CONFIG('../lib2') },
  ],
  'a configuration that a package has': [
    {
      ...VALUES,
      'tsconfig.json': JSON.stringify({ extends: ['base/tsconfig.json', './gone'] }),
      'node_modules/base/tsconfig.json': CONFIG('../../lib1'),
    },
    { 'gone.json': CONFIG('lib2') },
  ],
  'a configuration below the root': [
    {
      ...VALUES,
      'stages/run.ts': VALUES['run.ts']!,
      'run.ts': "import './stages/run.ts';",
      'stages/tsconfig.json': CONFIG('../lib1'),
    },
    { 'stages/tsconfig.json': CONFIG('../lib2') },
  ],
  'a configuration that appears above the project': [
    {
      'run.ts': 'class A { declared; }; console.log(new A());',
    },
    { '../tsconfig.json': '{ "compilerOptions": { "target": "es2020" } }' },
  ],
  'the exports of a linked package': [
    KIT,
    { 'packages/kit/package.json': JSON.stringify({ name: 'kit', exports: './b.js' }) },
  ],
  'the imports of a package': [
    {
      ...VALUES,
      'run.ts': "import { value } from '#value'; console.log(value);",
      'package.json': JSON.stringify({ imports: { '#value': './lib1/value.ts' } }),
    },
    { 'package.json': JSON.stringify({ imports: { '#value': './lib2/value.ts' } }) },
  ],
  'a link to a package': [
    { ...KIT, 'packages/other/index.js': 'export const value = 3;' },
    { 'node_modules/kit': '->../packages/other' },
  ],
  'a link of a dependency, as pnpm has them': [
    {
      'run.ts': "import { value } from 'foo'; console.log(value);",
      'node_modules/foo': '->../shelf/foo/node_modules/foo',
      'shelf/foo/node_modules/foo/index.js': "export { value } from 'bar';",
      'shelf/foo/node_modules/bar': '->../../bar1',
      'shelf/bar1/index.js': 'export const value = 1;',
      'shelf/bar2/index.js': 'export const value = 2;',
    },
    { 'shelf/foo/node_modules/bar': '->../../bar2' },
  ],
  'a link in the middle of a path': [
    {
      'run.ts': "import { value } from './now/deep/value'; console.log(value);",
      now: '->v1',
      'v1/deep/value.ts': 'export const value = 1;',
      'v2/deep/value.ts': 'export const value = 2;',
    },
    { now: '->v2' },
  ],
  'a file that is found first': [
    {
      'run.ts': "import { value } from './a'; console.log(value);",
      'a/index.ts': 'export const value = 1;',
    },
    { 'a.js': 'export const value = 2;' },
  ],
  'a package that is found first': [
    { ...KIT, 'stages/run.ts': KIT['run.ts']!, 'run.ts': "import './stages/run';" },
    { 'stages/node_modules/kit/index.js': 'export const value = 3;' },
  ],
  'a package that was missing': [
    { 'run.ts': "import('kit').then(console.log, () => 0);" },
    { '../node_modules/kit/index.js': 'export const value = 3;' },
  ],
  'side effects that a package denies': [
    {
      'run.ts': "import 'kit'; console.log(0);",
      'node_modules/kit/index.js': 'console.log(1);',
      'node_modules/kit/package.json': '{}',
    },
    { 'node_modules/kit/package.json': '{ "sideEffects": false }' },
  ],
  'a file that a pattern fits': [
    { 'run.ts': "console.log(import('./data/' + globalThis.x + '.json'));", 'data/a.json': '1' },
    { 'data/deep/b.json': '2' },
  ],
  'what a file holds that a pattern fits': [
    { 'run.ts': "console.log(import('./data/' + globalThis.x + '.json'));", 'data/a.json': '1' },
    { 'data/a.json': '2' },
  ],
  'a module whose name has a colon': [
    {
      'run.ts': "import { value } from './a:b'; console.log(value);",
      'a:b.ts': 'export const value = 1;',
    },
    { 'a:b.ts': 'export const value = 2;' },
  ],
  'a folder in the place of a file': [
    {
      'run.ts': "import { value } from './a'; console.log(value);",
      'a.ts': 'export const value = 1;',
    },
    { 'a.ts': 'gone', 'a/index.ts': 'export const value = 2;' },
  ],
  'a file that goes': [
    {
      'run.ts': "import { value } from './a'; console.log(value);",
      'a.ts': 'export const value = 1;',
      'a.js': 'export const value = 2;',
    },
    { 'a.ts': 'gone' },
  ],
};

const codeOf = async (root: string, cache: string): Promise<string | undefined> => {
  const bundled = await bundleStages(root, cache, [{ run: 'run.ts', place: PLACE }], later);
  return bundled.ok ? bundled.value.codes.get('run.ts')?.digest : undefined;
};

describe('files that were touched or written anew, and hold what they held,', () => {
  /** How many modules are bundled anew. */
  const staleIn = async (root: string, clock: () => number): Promise<number> => {
    let stale = 0;
    const onStale = (count: number): void => {
      stale += count;
    };
    const cache = join(root, '../../cache');
    const bundled = await bundleStages(root, cache, [{ run: 'run.ts', place: PLACE }], {
      clock,
      onStale,
    });
    expect(bundled.ok).toBe(true);
    return stale;
  };

  test('are not bundled again, however often; what is edited is, though no stamp but ctime tells', async () => {
    const { root, write } = projectOf(KIT);
    const file = join(root, 'packages/kit/package.json');
    expect(await staleIn(root, later.clock)).toBe(1);
    for (const clock of [later.clock, Date.now, later.clock]) {
      write(KIT);
      for (const path of Object.keys(KIT)) utimesSync(join(root, path), 1e9, 1e9);
      expect(await staleIn(root, clock)).toBe(0);
    }
    const { size, mtime } = statSync(file);
    write({
      'packages/kit/package.json': KIT['packages/kit/package.json']!.replace('a.js', 'b.js'),
    });
    utimesSync(file, mtime, mtime);
    expect(statSync(file).size).toBe(size);
    expect(await staleIn(root, later.clock)).toBe(1);
  });

  test('are bundled again where they may have changed while esbuild read them', async () => {
    const { root, write } = projectOf(KIT);
    // Bundled in the moment in which they were written.
    expect(await staleIn(root, Date.now)).toBe(1);
    write(KIT);
    expect(await staleIn(root, later.clock)).toBe(1);
    expect(await staleIn(root, later.clock)).toBe(0);
  });
});

test.each(Object.entries(KINDS))('%s makes another bundle', async (_, [before, edit]) => {
  const { root, write } = projectOf(before);
  const cache = join(root, '../../cache');
  const first = await codeOf(root, cache);
  const index = await readIndex(join(cache, 'bundles/index.json'));
  expect(index.get('run.ts')?.doubt).toBeNull();
  expect(await codeOf(root, cache)).toBe(first);
  write(edit);
  const second = await codeOf(root, cache);
  expect(second).not.toBe(first);
  expect(second).toBe(await codeOf(root, join(root, '../../cold')));
});

test('what no import asks for makes no bundle anew', async () => {
  const { root, write } = projectOf(KIT);
  const cache = join(root, '../../cache');
  const since = async (): Promise<number | undefined> => {
    await codeOf(root, cache);
    return (await readIndex(join(cache, 'bundles/index.json'))).get('run.ts')?.since;
  };
  const first = await since();
  write({ 'other.ts': '', 'README.md': '', '../notes.txt': '', 'node_modules/other/index.js': '' });
  write({ 'packages/kit/c.js': '', 'packages/tsconfig.json.bak': '', '../../other.json': '{}' });
  expect(await since()).toBe(first);
});

/** What esbuild says in its verbose log that it tried: folders that it read, files that it read or looked for. */
function triedByEsbuild(root: string, run: string): ReadonlySet<string> {
  const options = ['--bundle', '--platform=node', '--format=esm', '--outfile=/dev/null'];
  const verbose = ['--log-level=verbose', '--log-limit=0', '--color=false'];
  const esbuild = join(repository, 'node_modules/esbuild/bin/esbuild');
  const { stderr } = spawnSync(esbuild, [run, ...options, ...verbose], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const tried = new Set<string>();
  let folder = '';
  const said: readonly (readonly [RegExp, (found: string) => void])[] = [
    [/^Read \d+ entr\w+ for directory "(.*)"$/, (path) => tried.add(join(path, 'package.json'))],
    [/^Failed to read directory "([^"]*)"/, (path) => tried.add(path)],
    [/^Attempting to load "(.*)" as a file$/, (path) => (folder = dirname(path))],
    [/^Checking for file "(.*)"$/, (name) => tried.add(join(folder, name))],
    [/^(?:Failed to find|Found) file "(\/.*)"$/, (path) => tried.add(path)],
    [/^(?:Failed to read|The) file "([^"]*)"/, (path) => tried.add(path)],
    [/^Resolved symlink "(.*)" to ".*"$/, (path) => tried.add(path)],
  ];
  let isHint = false;
  for (const line of stderr.split('\n')) {
    // What it tries after a failure is for the hint in its message, and decides nothing.
    isHint &&= !/^\S/.test(line);
    isHint ||= /is a directory, which is not allowed$|^ +The path .* is not exported$/.test(line);
    if (isHint) continue;
    for (const [pattern, note] of said) {
      const found = pattern.exec(line.trim())?.[1];
      if (found !== undefined) note(found);
    }
  }
  return tried;
}

/** Whether a change at a path would be seen: it was looked up itself, or something on the way to it that was not there. */
function isSeen(root: string, { lookups }: BundleRecord, path: string): boolean {
  const known = new Map(
    lookups.map(({ folder, name, found }) => [`${resolve(root, folder)}/${name}`, found]),
  );
  const isAsked = (at: string): boolean => {
    const [folder, name] = [dirname(at), basename(at)];
    return (
      ['/', name, name.toLowerCase()].some((one) => known.has(`${folder}/${one}`)) ||
      // The folder itself, or the one that it is in, and that it could not be read.
      [`${at}/`, `${folder}/`].some((one) => known.get(one))
    );
  };
  for (let at = path; dirname(at) !== at; at = dirname(at)) {
    if (isAsked(at)) return true;
    // Below what is there, nothing further up tells.
    if (existsSync(dirname(at))) return false;
  }
  return false;
}

test('everything that esbuild says it tried is on the list', async () => {
  let compared = 0;
  for (let seed = FIRST; seed < FIRST + Number(process.env.SEEDS ?? (FULL ? 300 : 3)); seed++) {
    const folder = join(world, `log-${seed}`);
    const { root, story } = new RandomProject(join(folder, 'world'), seed);
    const cache = join(folder, 'cache');
    await digests(root, cache);
    const records = await readIndex(join(cache, 'bundles/index.json'));
    for (const [run, record] of records) {
      // Of one that cannot be bundled, only what may mend it is known, and nothing is reused.
      if (record.digest === '') continue;
      const tried = [...triedByEsbuild(root, run)];
      // Within the folder of all rigs and above it, nothing of the project is.
      const unseen = tried.filter((path) => !isSeen(root, record, path));
      expect([seed, run, unseen, unseen.length > 0 && story]).toEqual([seed, run, [], false]);
      compared += tried.length;
    }
    rmSync(folder, { recursive: true, force: true });
  }
  expect(compared).toBeGreaterThan(200);
});

/** A package that looks for another one, which may be missing. */
const DRAWS = (wanted: string): Tree => ({
  'run.ts': "import { draw } from 'draws'; console.log(draw);",
  'other.ts': "import * as all from 'draws'; console.log(Object.keys(all));",
  'node_modules/draws/package.json': JSON.stringify({ main: './main.js', type: 'module' }),
  'node_modules/draws/main.js': `let made = null;
try { made = (await import('${wanted}')).default; } catch {}
export const draw = () => made;`,
});
const CANVAS: Tree = {
  'node_modules/canvas/package.json': JSON.stringify({ main: './main.js', type: 'module' }),
  'node_modules/canvas/main.js': 'export default 42;',
};

test.each([
  ['missing', {}],
  ['there', CANVAS],
])(
  'a package that often is absent gives the bundle that any other would (%s)',
  async (_, there) => {
    const bundled = async (wanted: string, files: Tree): Promise<readonly string[]> => {
      const { root } = projectOf({ ...DRAWS(wanted), ...files });
      const requests = ['run.ts', 'other.ts'].map((run) => ({ run, place: PLACE }));
      const made = await bundleStages(root, join(root, '../cache'), requests, later);
      if (!made.ok) throw new Error(JSON.stringify(made.diagnostics));
      return [...made.value.codes.values()].map(({ bytes }) => {
        const text = Buffer.from(bytes).toString('utf8');
        return text.replace(/\n\/\/# sourceMappingURL.*\n$/, '').replaceAll(wanted, 'WANTED');
      });
    };
    // Of a package of another name nothing is known beforehand: it is bundled the long way. Its letters are the same, as their
    // frequency decides how a bundle is minified.
    const other = Object.fromEntries(
      Object.entries(there).map(([path, text]) => [path.replace('canvas', 'vancas'), text]),
    );
    const found = await bundled('canvas', there);
    expect(found).toEqual(await bundled('vancas', other));
    expect(found[0]).toContain(Object.keys(there).length > 0 ? '42' : 'is not in this bundle');
  },
);

test('esbuild alone is told to collect no garbage; its process ends, and starts again when it is needed', async () => {
  // Another test file of this process may have called esbuild itself, and its process goes on.
  await stop();
  const before = process.env.GOGC;
  const { root } = projectOf(DRAWS('canvas'));
  const bundled = async (run: string): Promise<boolean> => {
    const requests = [{ run, place: PLACE }];
    return (await bundleStages(root, join(root, '../cache'), requests, later)).ok;
  };
  const services = (): readonly string[] =>
    childrenOf(process.pid).filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--service='),
    );
  expect(await bundled('run.ts')).toBe(true);
  expect(process.env.GOGC).toBe(before);
  const [first] = services();
  if (first !== undefined) {
    expect(readFileSync(`/proc/${first}/environ`, 'utf8')).toContain('GOGC=off');
    await expect.poll(services, { timeout: 20_000 }).toEqual([]);
  }
  expect(await bundled('other.ts')).toBe(true);
});

/** The processes that a process has started: none where there is no /proc. */
function childrenOf(pid: number): readonly string[] {
  const path = `/proc/${pid}/task`;
  if (!existsSync(path)) return [];
  return readdirSync(path).flatMap((thread) =>
    readFileSync(`${path}/${thread}/children`, 'utf8').split(' ').filter(Boolean),
  );
}
