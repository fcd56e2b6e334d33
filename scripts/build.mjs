// build.mjs — dist/kernels.wasm (AssemblyScript), then dist/cli.js (esbuild). Run by `prepare`.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist', { recursive: true });

const compiler = 'node_modules/assemblyscript/bin/asc.js';
const kernels = ['src/network/kernels/index.ts', '--outFile', 'dist/kernels.wasm'];
const options = ['--enable', 'simd', '--runtime', 'stub', '-O3', '--noAssert', '--converge'];
const compiled = spawnSync(process.execPath, [compiler, ...kernels, ...options], {
  stdio: 'inherit',
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
await build({
  entryPoints: { cli: 'src/cli/main.ts', worker: 'src/pipeline/worker.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  // Loaded from node_modules: native code, an own binary, an own worker thread.
  external: ['lmdb', 'esbuild', 'hasha'],
  define: { VERSION: JSON.stringify(version) },
  // CommonJS packages (commander) require Node's own modules.
  banner: {
    js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);",
  },
  chunkNames: 'chunk-[hash]',
});
chmodSync('dist/cli.js', 0o755);
