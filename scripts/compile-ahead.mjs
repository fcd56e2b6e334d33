// compile-ahead.mjs — dist/compiled.bin: the program's code as V8 compiles it while some commands run. The last step of a build
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const SELF = fileURLToPath(import.meta.url);

/** A study that has what most studies have. */
const STUDY = {
  'pipeline.yaml': `params:
  rate: 2
  seeds: [0, 1]
stages:
  data: { run: stages/data.ts, params: { rate: $rate } }
  fit: { run: stages/fit.ts, matrix: { seed: $seeds }, inputs: { data: data.out } }
  words:
    command: ["sh", "-c", "cat fit.json > out.txt"]
    matrix: { seed: $seeds }
    inputs: { fit: { from: fit.out, file: fit.json } }
    outputs: { out: { file: out.txt, kind: text } }
    artifacts: { out: "{seed}.txt" }
`,
  'stages/data.ts': `import { defineStage, json } from '@profiled-sparse/pipeline/stage';
import { z } from 'zod';
export default defineStage({
  params: z.object({ rate: z.number() }),
  inputs: {},
  outputs: { out: json() },
  run: ({ params }) => ({ out: params.rate }),
});
`,
  'stages/fit.ts': `import { defineStage, json } from '@profiled-sparse/pipeline/stage';
import { z } from 'zod';
export default defineStage({
  params: z.object({}),
  inputs: { data: json() },
  outputs: { out: json() },
  run: ({ inputs }) => ({ out: { accuracy: inputs.data } }),
});
`,
};

/** What is done in it. Code is kept of all that ran, so what is rare has no place here: it would make every start slower. */
const COMMANDS = [
  ['make'],
  ['make', '--set', 'rate=3', '--json'],
  ['make', '--json'],
  ['status', '--json'],
  ['why', 'fit[0]'],
  ['log', 'fit[0]'],
  ['status', '--set', 'rate=4'],
  ['make', '--dry-run', '--set', 'rate=4'],
  ['why', 'fit[0]', '--set', 'rate=4'],
];

/** Runs the commands, each of which adds to what the one before it has left. */
export async function compileAhead() {
  const study = mkdtempSync(join(tmpdir(), 'compile-ahead-'));
  try {
    const loader = join(study, 'loader.mjs');
    const { build } = await import('esbuild');
    await build({
      entryPoints: ['src/cli/compiled-code.ts'],
      outfile: loader,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
    });
    for (const [path, text] of Object.entries(STUDY)) {
      mkdirSync(join(study, path, '..'), { recursive: true });
      writeFileSync(join(study, path), text);
    }
    mkdirSync(join(study, 'node_modules/@profiled-sparse'), { recursive: true });
    symlinkSync(join(DIST, '..'), join(study, 'node_modules/@profiled-sparse/pipeline'));
    symlinkSync(join(DIST, '../node_modules/zod'), join(study, 'node_modules/zod'));
    rmSync(join(DIST, 'compiled.bin'), { force: true });
    const env = { ...process.env, PIPELINE_NO_MEMO: '1' };
    for (const words of COMMANDS) {
      const run = [SELF, loader, ...words];
      const stdio = ['ignore', 'ignore', 'pipe'];
      try {
        execFileSync(process.execPath, run, { cwd: study, env, stdio, encoding: 'utf8' });
      } catch (error) {
        throw new Error(`pipeline ${words.join(' ')}: ${error.stderr}`);
      }
    }
  } finally {
    rmSync(study, { recursive: true, force: true });
  }
}

/** Runs one command in this process, and keeps its code. */
async function compileOne([loader, ...words]) {
  const { COMPILED, loadProgram, packCompiled, readCompiled } = await import(
    pathToFileURL(loader).href
  );
  const before = readCompiled(DIST) ?? new Map();
  const program = loadProgram(DIST, before);
  process.on('exit', () => {
    const after = new Map(before);
    for (const [name, script] of program.scripts) {
      const { size, mtimeMs } = statSync(join(DIST, name));
      after.set(name, { size, mtimeMs, code: script.createCachedData() });
    }
    const path = join(DIST, COMPILED);
    writeFileSync(`${path}.tmp`, packCompiled(after));
    renameSync(`${path}.tmp`, path);
  });
  await program.require('./main.cjs').begin([process.execPath, join(DIST, 'cli.cjs'), ...words]);
}

if (process.argv[1] === SELF) await compileOne(process.argv.slice(2));
