// build.mjs — dist/kernels.wasm (AssemblyScript), then dist/cli.js (esbuild). Run by `prepare`.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
mkdirSync('dist', { recursive: true });

const compiler = 'node_modules/assemblyscript/bin/asc.js';
const kernels = ['src/network/kernels/index.ts', '--outFile', 'dist/kernels.wasm'];
const options = ['--enable', 'simd', '--runtime', 'stub', '-O3', '--noAssert', '--converge'];
const compiled = spawnSync(process.execPath, [compiler, ...kernels, ...options], {
  stdio: 'inherit',
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
