// engine.mjs — milliseconds per trivial task from nothing: planning, keys, workers, durable commits, all of it
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [tasks = 1000, rounds = 3] = process.argv.slice(2).map(Number);
const repository = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pipeline-bench-'));

symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
writeFileSync(
  join(folder, 'one.ts'),
  `import { defineStage, json } from '${join(repository, 'src/engine/stage.ts')}';
import * as z from 'zod/mini';
export default defineStage({
  params: z.object({ n: z.int() }), inputs: {}, outputs: { out: json() },
  run: ({ params }) => ({ out: params.n }),
});
`,
);
writeFileSync(
  join(folder, 'chain.ts'),
  `import { defineStage, json } from '${join(repository, 'src/engine/stage.ts')}';
import * as z from 'zod/mini';
export default defineStage({
  params: z.object({ n: z.int() }), inputs: { before: json() }, outputs: { out: json() },
  run: ({ params, inputs }) => ({ out: [params.n, inputs.before] }),
});
`,
);
const numbers = (count) => Array.from({ length: count }, (_, n) => n).join(', ');
writeFileSync(
  join(folder, 'pipeline.yaml'),
  `stages:
  one: { run: one.ts, matrix: { n: [${numbers(Math.ceil(tasks / 2))}] } }
  two: { run: chain.ts, matrix: { n: [${numbers(Math.floor(tasks / 2))}] }, inputs: { before: one.out } }
`,
);

/** Runs a make; gives its seconds. */
function make(...words) {
  const start = performance.now();
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(repository, 'dist/cli.cjs'), 'make', '-q', ...words],
    { cwd: folder, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return (performance.now() - start) / 1000;
}

try {
  const show = (what, seconds) => {
    const best = Math.min(...seconds);
    const all = seconds.map((s) => s.toFixed(2)).join(', ');
    console.log(`${what}: ${((1000 * best) / tasks).toFixed(2)} ms a task (best of ${all} s)`);
  };
  const busy = `load ${loadavg()[0].toFixed(1)} before`;
  const cores = availableParallelism();
  console.log(`${tasks} trivial tasks on ${cores} cores (${busy}), Node ${process.version}`);
  const fresh = Array.from({ length: rounds }, () => {
    for (const name of ['cache', 'artifacts'])
      rmSync(join(folder, name), { recursive: true, force: true });
    return make();
  });
  show('from nothing', fresh);
  show(
    'all again (--force)',
    Array.from({ length: rounds }, () => make('--force')),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
