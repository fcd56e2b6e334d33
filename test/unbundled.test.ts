// unbundled.test.ts — code that no bundle holds: refused where it stands in a project, and when a package runs it
import { expect, test } from 'vitest';
import { DOOR, makeRig, ownPackages, type Rig } from './rig.ts';

const PIPELINE = 'stages: { s: { run: stages/s.ts, artifacts: { out: out.json } } }\n';

/** A stage whose output is what `run` gives. */
const stage = (head: string, run: string): string => `${DOOR}${head}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() },
  async run() { ${run} },
});
`;

function rigOf(module: string, dep = ''): Rig {
  const rig = makeRig({ 'pipeline.yaml': PIPELINE, 'stages/s.ts': module });
  ownPackages(rig, []);
  rig.write('node_modules/other/index.js', 'module.exports = { value: 7 };');
  rig.write('node_modules/other/module.mjs', 'export const value = 7;');
  rig.write('node_modules/dep/index.js', dep);
  return rig;
}

/** Lines of a project's module, what is said of each, and of which word. */
const REFUSED: readonly (readonly [line: string, what: string, word: string])[] = [
  ["make(import.meta.url)('other');", '`createRequire` loads code', 'make'],
  ["modules.createRequire('/x')('y');", '`createRequire` loads code', 'createRequire'],
  ["(await import('node:module')).createRequire('/x');", '`createRequire` loads', 'createRequire'],
  ["const { createRequire: c } = process.getBuiltinModule('module');", '', ''],
  ["c('/x');", '`createRequire` loads code', 'c'],
  ["process.dlopen({ exports: {} }, 'x.node');", '`process.dlopen` loads native code', 'dlopen'],
  ["new Worker(new URL('./w.js', import.meta.url));", 'a thread runs code', 'Worker'],
  ["new threads.Worker('./w.js');", 'a thread runs code', 'Worker'],
  ["fork('./x.js');", '`fork` runs code', 'fork'],
];
const UNBUNDLED: typeof REFUSED = [
  ['require(name);', 'This call to "require" will not be bundled', 'require'],
  ['await import(name);', 'This "import" expression will not be bundled', 'import'],
];
const IMPORTS = `import * as modules from 'module';
import { createRequire as make } from 'node:module';
import threads, { Worker } from 'node:worker_threads';
import { fork } from 'node:child_process';
interface Unused { readonly fork: string }
const name: string = 'other';`;

test('in a project it is an error with its place when the pipeline is planned', async () => {
  for (const all of [REFUSED, UNBUNDLED]) {
    const run = ['', ...all.map(([line]) => line), 'return { out: 0 };'].join('\n');
    const rig = rigOf(stage(IMPORTS, run));
    const { code, stderr } = await rig.run('check');
    expect(code).toBe(2);
    const lines = rig.read('stages/s.ts').split('\n');
    for (const [line, what, word] of all) {
      if (word === '') continue;
      const at = [lines.indexOf(line) + 1, line.lastIndexOf(`${word}(`) + 1].join(':');
      expect([line, stderr]).toEqual([line, expect.stringContaining(`stages/s.ts:${at}: error`)]);
      expect(stderr.split(`${at}: error`)[1]).toContain(what);
    }
  }
});

test('what a bundle holds is no error: text of a thread, types, names of other things', async () => {
  const head = `import { Worker } from 'node:worker_threads';
import type { fork } from 'node:child_process';
type Fork = typeof fork;
const own = { createRequire: 1, dlopen: (): number => 2 };`;
  const run = `const thread = new Worker("require('node:worker_threads').parentPort.postMessage(3)", { eval: true });
const [third] = await new Promise((told) => thread.once('message', (n) => told([n])));
return { out: [own.createRequire, own.dlopen(), third] };`;
  const rig = rigOf(stage(head, run));
  expect((await rig.make()).code).toBe(0);
  expect(JSON.parse(rig.read('artifacts/s/out.json'))).toEqual([1, 2, 3]);
});

const WAYS = `const { createRequire } = require('module');
const threads = require('worker_threads');
const processes = require('child_process');
const here = process.cwd() + '/x.js';
const other = process.cwd() + '/node_modules/other/';
const ended = (thread) => new Promise((_, no) => thread.on('error', no));
exports.ways = {
  created: () => createRequire(here)('other'),
  computed: () => require(['oth', 'er'].join('')),
  asked: () => require('module')._load('other', null, false),
  loaded: () => new (require('module'))('m').load(other + 'index.js'),
  extended: () => require('module')._extensions['.js'](new (require('module'))('m'), other + 'index.js'),
  hooked: () => require('module').register('data:text/javascript,'),
  mapped: () => ['other'].map(createRequire(here)),
  later: () => new Promise((told, no) => setTimeout(() => {
    try { told(createRequire(here)('other')); } catch (error) { no(error); }
  })),
  imported: () => import(other + 'module.mjs'),
  made: () => new Function('name', 'return import(name)')(other + 'module.mjs'),
  native: () => process.dlopen({ exports: {} }, here),
  thread: () => new threads.Worker(other + 'index.js'),
  textual: () => ended(new threads.Worker('require(' + JSON.stringify(other) + ')', { eval: true })),
  forked: () => processes.fork(other + 'index.js'),
  started: () => processes.spawnSync(process.execPath, [other + 'index.js']),
};
exports.free = {
  required: () => createRequire(here)('node:path').sep,
  imported: async () => (await import(['node', 'path'].join(':'))).sep,
  started: () => processes.spawnSync('true').status,
};
`;

const TRY = `const said = {};
for (const [name, way] of Object.entries(ways)) {
  try { await way(); said[name] = 'done'; } catch (error) { said[name] = error.message; }
}
for (const [name, way] of Object.entries(free)) said['free ' + name] = await way();
return { out: said };`;

test('in a package it is refused when it runs, with its place; modules of Node stay allowed', async () => {
  const rig = rigOf(stage("import { free, ways } from 'dep';", TRY), WAYS);
  expect((await rig.make()).code).toBe(0);
  const said = JSON.parse(rig.read('artifacts/s/out.json')) as Record<string, string>;
  const lines = WAYS.split('\n');
  for (const [name, message] of Object.entries(said)) {
    if (name.startsWith('free')) continue;
    expect([name, message]).toEqual([name, expect.stringContaining('which no bundle holds')]);
    const line =
      lines.findIndex((one) => one.startsWith(`  ${name}:`)) + 1 + (name === 'later' ? 1 : 0);
    if (name !== 'textual') expect(message).toContain(`node_modules/dep/index.js:${line}:`);
  }
  expect(Object.keys(said).length).toBe(18);
  expect(said).toMatchObject({ 'free required': '/', 'free imported': '/', 'free started': 0 });
});

test('a package that does without what is not there does without what is refused', async () => {
  const dep = `let fast = null;
const name = 'other';
try { fast = require(name); } catch (error) { if (error.code !== 'MODULE_NOT_FOUND') throw error; }
exports.fast = fast;`;
  const rig = rigOf(stage("import { fast } from 'dep';", 'return { out: fast };'), dep);
  expect((await rig.make()).code).toBe(0);
  expect(rig.read('artifacts/s/out.json').trim()).toBe('null');
});

test('a tool loads what it likes', async () => {
  const module = `${DOOR}export default defineStage({
    params: z.object({}), inputs: {}, outputs: { out: json() },
    tools: () => (load) => ({ versions: { dep: load('dep').version } }),
    run: async ({ load }) => ({ out: [load('dep').value(), (await load('dep').late()).value] }),
  });`;
  const dep = `exports.version = '1';
exports.value = () => require(['oth', 'er'].join('')).value;
exports.late = () => import(['other', 'module.mjs'].join('/'));`;
  const rig = rigOf(module, dep);
  expect((await rig.make()).code).toBe(0);
  expect(JSON.parse(rig.read('artifacts/s/out.json'))).toEqual([7, 7]);
});
