// build.mjs — dist/kernels.wasm (AssemblyScript), then dist/cli.cjs and what it loads (esbuild). Run by `prepare`.
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { $ } from 'zx';
import { buildChecker, definitions } from './build-checker.mjs';
import { inputsDigest, recordBuild } from './build-inputs.mjs';
import { buildPage } from './build-page.mjs';
import { buildWheel } from './build-python.mjs';
import { compileAhead } from './compile-ahead.mjs';
import { gatherCommands } from './gather-commands.mjs';
import { buildProgram, noCanvas, withoutFacades } from './program.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
mkdirSync('dist', { recursive: true });
// An interrupted build is none. Sources that change while it runs make the next look find it stale.
rmSync('dist/build.json', { force: true });
const inputs = inputsDigest('.');

const kernels = ['src/network/kernels/index.ts', '--outFile', 'dist/kernels.wasm'];
const options = ['--enable', 'simd', '--runtime', 'stub', '-O3', '--noAssert', '--converge'];
await $({
  stdio: 'inherit',
})`${process.execPath} node_modules/assemblyscript/bin/asc.js ${kernels} ${options}`;

const { version, define } = definitions(inputs);
const commands = await gatherCommands(define);
// Loaded from node_modules: native code, an own binary, an own worker thread.
const external = ['lmdb', 'esbuild', 'hasha'];
const program = await buildProgram({ external, define, plugins: [commands] });
// What a stage does to Node's modules does not reach those who import them: workers stay modules.
const { metafile, outputFiles } = await build({
  entryPoints: {
    worker: 'src/cli/processes/worker.ts',
    'control-thread': 'src/cli/processes/control-thread.ts',
    'store-check': 'src/cli/processes/store-check.ts',
    'finish-hook': 'src/cli/processes/finish-hook.ts',
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  external,
  define,
  // CommonJS packages require Node's own modules.
  banner: {
    js: "const require=process.getBuiltinModule('module').createRequire(import.meta.url);",
  },
  chunkNames: 'chunk-[hash]',
  metafile: true,
  write: false,
});
for (const { path, text } of outputFiles) {
  const file = `dist/${basename(path)}`;
  writeFileSync(`${file}.tmp`, withoutFacades(text));
  renameSync(`${file}.tmp`, file);
}
await build({
  entryPoints: ['src/cli/start.ts'],
  outfile: 'dist/cli.cjs',
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  define: { ...define, 'import.meta.url': '__url' },
  banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href;" },
  plugins: [commands],
});
// The door for studies in folders of their own: what they import, in one file, and its types.
await build({
  entryPoints: ['src/engine/stage.ts'],
  outfile: 'dist/stage.js',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
});
// The module of `report:`, which studies bundle like one of their own.
await build({
  entryPoints: ['src/study-report/report-stage.ts'],
  outfile: 'dist/report-stage.js',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minify: true,
  legalComments: 'none',
  charset: 'utf8',

  plugins: [noCanvas],
});
const types = ['--declaration', '--emitDeclarationOnly', '--outDir', 'dist/types'];
const like = ['--target', 'es2023', '--module', 'preserve', '--moduleResolution', 'bundler'];
const strict = ['--strict', '--skipLibCheck', '--allowImportingTsExtensions', '--types', 'node'];
await $({
  stdio: 'inherit',
})`${process.execPath} node_modules/typescript/bin/tsc src/engine/stage.ts --ignoreConfig ${types} ${like} ${strict}`;

// Chunks of an earlier build go only now, so that a command that is starting still finds its own.
const built = new Set([...program, ...Object.keys(metafile.outputs).map((path) => basename(path))]);
for (const name of readdirSync('dist').filter((file) => /^(?:chunk-|main\.)/.test(file))) {
  if (!built.has(name)) rmSync(`dist/${name}`);
}
// Pages with plots carry Vega in themselves.
copyFileSync('node_modules/vega/build/vega.min.js', 'dist/vega.min.js');
chmodSync('dist/cli.cjs', 0o755);

const checker = await buildChecker({ commands, version });
buildWheel();
await buildPage();
// The program starts without, only later.
await compileAhead().catch(({ message }) => console.error(`no compiled code: ${message}`));
recordBuild('.', inputs);
console.log(`${checker}  verify.mjs ${version}`);

// `npx pipeline` finds the command here, at once. A `bin` in package.json would send npx through its own cache instead:
// a second slower, and broken for good when it was first tried before `npm ci`.
const link = 'node_modules/.bin/pipeline';
rmSync(link, { force: true });
if (process.platform === 'win32') {
  writeFileSync(`${link}.cmd`, '@node "%~dp0\\..\\..\\dist\\cli.cjs" %*\r\n');
} else symlinkSync('../../dist/cli.cjs', link);
