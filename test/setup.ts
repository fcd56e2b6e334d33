// setup.ts — once for all tests: a folder for their rigs, and what the rigs' stages import gathered in one small file

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { whyStale } from '../scripts/build-inputs.mjs';

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder that is removed when all tests are over. */
    folder: string;
    /** A file with the part of `zod/mini` that rigs use. */
    schemas: string;
  }
}

const repository = fileURLToPath(new URL('..', import.meta.url));

/** Tests drive what is in dist/: it is built anew when it is not what the sources say. @throws when that does not help */
function ensureBuilt(): void {
  const before = whyStale(repository);
  if (before === undefined) return;
  process.stderr.write(`dist/ is stale (${before}): building\n`);
  const script = fileURLToPath(new URL('../scripts/build.mjs', import.meta.url));
  execFileSync(process.execPath, [script], { stdio: ['ignore', 'ignore', 'inherit'] });
  const after = whyStale(repository);
  if (after !== undefined) throw new Error(`dist/ is stale after a build: ${after}`);
}

/** What rigs may use of `zod/mini`: another name has to be added here. */
const USED = [
  ...['_default', 'any', 'array', 'boolean', 'enum', 'int', 'literal', 'maximum', 'minLength'],
  ...['minimum', 'nullable', 'number', 'object', 'optional', 'record', 'strictObject', 'string'],
  ...['tuple', 'union', 'unknown'],
];

/**
 * A rig's stages are bundled again and again, and nearly all of that is parsing the seven hundred kilobytes of zod. That
 * a stage may import the whole package is shown by the study itself and by what `init` makes.
 */
export default async function setup(project: TestProject): Promise<() => void> {
  ensureBuilt();
  project.onTestsRerun(async () => ensureBuilt());
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-tests-'));
  const file = join(folder, 'door', 'schemas.mjs');
  await build({
    stdin: {
      contents: `export { ${USED.join(', ')} } from 'zod/mini';`,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minify: true,
  });
  // As if long ago: the stamp of a fresh file is not trusted.
  utimesSync(file, 1_600_000_000, 1_600_000_000);
  project.provide('folder', folder);
  project.provide('schemas', file);
  return () => rmSync(folder, { recursive: true, force: true });
}
