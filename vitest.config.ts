import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { COMPILED_SOURCES, compiledSources } from './test/compiled-sources.ts';

// Where this is set, every start of Node reads all those certificates, which takes longer than the rest of the start.
// Tests start thousands of processes, and none talks to anybody outside.
delete process.env.NODE_EXTRA_CA_CERTS;

const repository = fileURLToPath(new URL('.', import.meta.url));

/** Who watches, or wants the lines of the sources in a stack (`TEST_SOURCES=1`), runs the sources themselves. */
const isOneRun = process.argv.includes('run') && !process.env.TEST_SOURCES;

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

/** Files that take longest, which are not always those that are longest. */
const LONG = [
  ...['study', 'archive', 'make', 'large-blobs', 'memo', 'strangers', 'results', 'hostile-archive'],
  ...['folders', 'init', 'study-report', 'store-access', 'command', 'upkeep', 'outlive', 'remote'],
  ...['streaming', 'claims', 'damage', 'program', 'tensorflow', 'watch', 'command-limits', 'cli'],
  ...['looking', 'inspection', 'plot', 'bundle-inputs', 'infeasible', 'report', 'report-whole'],
];

/** Begins with the long files: none of them is to run alone at the end. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONG.indexOf(basename(moduleId, '.test.ts'));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  plugins: [wasm, ...(isOneRun ? [compiledSources(repository)] : [])],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/setup.ts',
    sequence: { sequencer: LongFirst },
    // For what hangs. On a machine that is busy with other things, each of these takes several times what it takes alone.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    server: { deps: { external: [COMPILED_SOURCES] } },
    pool: 'forks',
    // No test leaves anything behind in its process, and each process takes a second to load what they share.
    isolate: false,
    // Tests wait for the processes that they start, and for the disk: three workers leave a fifth of two cores idle.
    maxWorkers: 4,
  },
});
