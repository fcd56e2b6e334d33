// setup.ts — once for all tests: a folder for their rigs, and what the rigs' stages import gathered in one small file
import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder that is removed when all tests are over. */
    folder: string;
    /** A file with the part of `zod/mini` that rigs use. */
    schemas: string;
  }
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
