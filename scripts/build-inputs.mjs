// build-inputs.mjs — whether dist/ is what the sources would be built into: digests of what goes in and what came out
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folders and files that decide what a build gives, by their path in the repository. */
export const INPUTS = [
  'src',
  'scripts/build.mjs',
  'scripts/build-checker.mjs',
  'scripts/build-inputs.mjs',
  'scripts/build-page.mjs',
  'scripts/build-python.mjs',
  'scripts/compile-ahead.mjs',
  'scripts/gather-commands.mjs',
  'scripts/program.mjs',
  'scripts/published-checkers.mjs',
  'docs/verify-digests.md',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  // What is installed: esbuild, AssemblyScript, TypeScript and everything that is bundled.
  'node_modules/.package-lock.json',
];
const RECORD = 'dist/build.json';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Bytes of a file; undefined when it is not there. */
function read(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Paths of all files in a folder, in one order everywhere; the path itself when it is a file. */
function filesBelow(root, path) {
  let entries;
  try {
    entries = readdirSync(join(root, path), { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOTDIR' || error.code === 'ENOENT') return [path];
    throw error;
  }
  return entries.flatMap((entry) => filesBelow(root, `${path}/${entry.name}`)).sort();
}

/** Digest of everything that a build reads. @param root folder of the repository */
export function inputsDigest(root) {
  const files = INPUTS.flatMap((path) => filesBelow(root, path)).map((path) => {
    const bytes = read(join(root, path));
    return [path, bytes ? sha256(bytes) : null];
  });
  return sha256(JSON.stringify(files));
}

/** Notes what a build read and wrote: its last step. @param inputs `inputsDigest` before it began */
export function recordBuild(root, inputs) {
  const files = filesBelow(root, 'dist').filter((path) => path !== RECORD);
  const outputs = Object.fromEntries(
    files.map((path) => [path, sha256(readFileSync(join(root, path)))]),
  );
  writeFileSync(join(root, RECORD), `${JSON.stringify({ inputs, outputs }, null, 2)}\n`);
}

/** Why dist/ is not what the sources would be built into; undefined when it is. */
export function whyStale(root) {
  let record;
  try {
    record = JSON.parse(readFileSync(join(root, RECORD), 'utf8'));
  } catch {
    return 'it was never built to the end';
  }
  if (record.inputs !== inputsDigest(root)) return 'sources changed since it was built';
  for (const [path, digest] of Object.entries(record.outputs ?? {})) {
    const bytes = read(join(root, path));
    if (bytes === undefined) return `${path} is missing`;
    if (sha256(bytes) !== digest) return `${path} was changed`;
  }
  return undefined;
}
