// allocation.test.ts — what a training step leaves to the garbage collector
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';

/**
 * Bytes a step. Numbers that go to kernels and come back are boxed now and then, 16 bytes each; a
 * view of the kernels' memory takes about 100.
 */
const FEW = 100;

const folder = mkdtempSync(join(tmpdir(), 'allocation-'));
const outfile = join(folder, 'steps.mjs');
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() =>
  build({
    entryPoints: [fileURLToPath(new URL('steps.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    loader: { '.wasm': 'binary' },
    logLevel: 'error',
    banner: {
      js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);",
    },
  }),
);

/** How much a step adds to the heap, which is large enough that nothing is collected meanwhile. */
function bytesPerStep(request: { readonly optimizer: string; readonly views: number }): number {
  const args = ['--min-semi-space-size=64', '--max-semi-space-size=64', outfile];
  return Number(execFileSync(process.execPath, [...args, JSON.stringify(request)]));
}

it.each(['adam', 'sgd'])('a training step allocates nothing (%s)', (optimizer) => {
  expect(bytesPerStep({ optimizer, views: 0 })).toBeLessThan(FEW);
});

it('a single view a step would be seen', () => {
  expect(bytesPerStep({ optimizer: 'adam', views: 1 })).toBeGreaterThan(FEW);
});
