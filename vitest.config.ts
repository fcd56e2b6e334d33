import { readFile } from 'node:fs/promises';
import { defineConfig } from 'vitest/config';

/** Loads `.wasm` as bytes, as the bundler of stages does. */
const wasm = {
  name: 'wasm-bytes',
  enforce: 'pre' as const,
  async load(id: string) {
    if (!id.endsWith('.wasm')) return undefined;
    const base64 = (await readFile(id)).toString('base64');
    return `export default new Uint8Array(Buffer.from('${base64}', 'base64'));`;
  },
};

export default defineConfig({
  plugins: [wasm],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/setup.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // No test leaves anything behind in its process, and each process takes a second to load what they share.
    isolate: false,
    // Tests spawn processes: more workers than this starve each other on two cores, fewer leave one idle.
    maxWorkers: 2,
  },
});
