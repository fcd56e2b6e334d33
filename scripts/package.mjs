// package.mjs — build/: the package that is published, as a folder and as a tarball. `npm run package`
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { whyStale } from './build-inputs.mjs';
import { buildWheel } from './build-python.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** What the bundles in dist/ load from node_modules: native code, an own binary, and the schemas that stages import. */
const RUNTIME = ['esbuild', 'hasha', 'lmdb', 'zod'];
const PAPERS = ['README.md', 'CHANGELOG.md', 'LICENSE', 'CITATION.cff'];

if (whyStale('.') !== undefined) {
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: ['ignore', 'ignore', 'inherit'] });
}
const source = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = join('build', 'package');
rmSync('build', { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

// build.json tells a clone whether dist/ is stale; a package has no sources to compare it with. Compiled code is for the
// version of Node that built it.
cpSync('dist', join(folder, 'dist'), {
  recursive: true,
  filter: (path) => !/(?:build\.json|compiled\.bin)$/.test(path),
});
chmodSync(join(folder, 'dist/cli.cjs'), 0o755);
buildWheel();
for (const part of ['dist', 'templates']) {
  cpSync(join('python', part), join(folder, 'python', part), { recursive: true });
}
// Pages to read offline; pictures and the tables of the study are larger than all of them.
cpSync('docs', join(folder, 'docs'), {
  recursive: true,
  filter: (path) => !/^docs\/(?:pictures|results)$/.test(path),
});
for (const file of PAPERS) cpSync(file, join(folder, file));

const { name, version, description, license, type, engines } = source;
const manifest = {
  name,
  version,
  description,
  license,
  keywords: ['reproducibility', 'pipeline', 'build', 'machine-learning', 'experiments', 'sparse'],
  type,
  engines,
  bin: { pipeline: 'dist/cli.cjs' },
  exports: { ...source.exports, './package.json': './package.json' },
  files: ['dist', 'python', 'docs', ...PAPERS],
  dependencies: Object.fromEntries(RUNTIME.map((one) => [one, source.dependencies[one]])),
};
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);

for (const path of [manifest.bin.pipeline, ...Object.values(manifest.exports['./stage'])]) {
  if (!existsSync(join(folder, path))) throw new Error(`the package lacks ${path}`);
}
const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', '..'], {
  cwd: folder,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [{ filename, size, unpackedSize, entryCount }] = JSON.parse(packed);
const tarball = readdirSync('build').find((file) => file.endsWith('.tgz'));
console.log(
  `build/${tarball ?? filename}  ${kib(size)} packed, ${kib(unpackedSize)} unpacked, ${entryCount} files`,
);

function kib(bytes) {
  return `${Math.round(bytes / 1024)} KiB`;
}
