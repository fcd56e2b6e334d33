// build-checker.mjs — dist/verify.mjs, the one file that archives carry to check themselves
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { build, version as esbuildVersion } from 'esbuild';
import { inputsDigest } from './build-inputs.mjs';
import { gatherCommands } from './gather-commands.mjs';
import { publishedCheckers } from './published-checkers.mjs';

/** Replaces modules that an archive has no use for. */
const standIns = {
  'lmdb-store.ts': 'export const openBlobs = () => () => undefined;',
  hasha: `import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
export async function hashFile(path, { algorithm }) {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}`,
  // Nothing in verify.mjs reads pipeline.yaml.
  yaml: 'module.exports = {};',
  zx: `export const glob = () => { throw new Error('there are no globs here'); };`,
};

/** The version of this checkout, and the constants that esbuild puts into the program. @param inputs `inputsDigest` */
export function definitions(inputs) {
  const published = publishedCheckers(readFileSync('docs/verify-digests.md', 'utf8'));
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const define = {
    VERSION: JSON.stringify(version),
    ESBUILD_VERSION: JSON.stringify(esbuildVersion),
    BUILD: JSON.stringify(inputs),
    // verify.mjs itself cannot know its own digest; `pipeline verify` knows all that were published.
    PUBLISHED_CHECKERS: JSON.stringify(published),
  };
  return { version, define };
}

/**
 * Builds dist/verify.mjs: a single file without the store and without what only a make needs. Its SHA-256 identifies
 * it, so nothing in it may depend on the folder that it was built in.
 * @param options `commands`, the plugin of `gatherCommands`, and `version` @returns its SHA-256
 */
export async function buildChecker({ commands, version }) {
  await build({
    entryPoints: ['src/cli/processes/verify-alone.ts'],
    outfile: 'dist/verify.mjs',
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifySyntax: true,
    charset: 'utf8',
    define: { VERSION: JSON.stringify(version) },
    banner: {
      js: `// verify.mjs of pipeline ${version}: node verify.mjs --help\nimport{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);`,
    },
    plugins: [commands, { name: 'stand-ins', setup: replaceModules }],
  });
  return createHash('sha256').update(readFileSync('dist/verify.mjs')).digest('hex');
}

/** Builds verify.mjs and nothing else. @returns its SHA-256 */
export async function buildCheckerAlone() {
  mkdirSync('dist', { recursive: true });
  const { version, define } = definitions(inputsDigest('.'));
  return buildChecker({ commands: await gatherCommands(define), version });
}

function replaceModules(plugin) {
  plugin.onResolve({ filter: /\/lmdb-store\.ts$|^hasha$|^yaml$|^zx$/ }, ({ path }) => ({
    path: path.split('/').at(-1),
    namespace: 'stand-in',
  }));
  plugin.onLoad({ filter: /.*/, namespace: 'stand-in' }, ({ path }) => ({
    contents: standIns[path],
  }));
}
