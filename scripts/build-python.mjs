// build-python.mjs — python/dist/: the wheel of the Python module, the same bytes everywhere. `npm run build:python`
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zipSync } from 'fflate';

const PYTHON = fileURLToPath(new URL('../python/', import.meta.url));
const PACKAGE = 'pipeline_study';

/** One line `key = "text"` of pyproject.toml. */
function field(toml, key) {
  const value = new RegExp(`^${key} = "(.*)"$`, 'm').exec(toml)?.[1];
  if (value === undefined) throw new Error(`python/pyproject.toml has no ${key}`);
  return value;
}

/** Names of the files of the package, in one order everywhere. What Python leaves beside them is not of it. */
const sources = () =>
  readdirSync(join(PYTHON, 'src', PACKAGE))
    .filter((name) => /\.py$|^py\.typed$/.test(name))
    .sort();

function metadata(toml) {
  const lines = [
    'Metadata-Version: 2.1',
    `Name: ${field(toml, 'name')}`,
    `Version: ${field(toml, 'version')}`,
    `Summary: ${field(toml, 'description')}`,
    'License: MIT',
    'Classifier: License :: OSI Approved :: MIT License',
    'Classifier: Typing :: Typed',
    `Requires-Python: ${field(toml, 'requires-python')}`,
    'Description-Content-Type: text/markdown',
    'License-File: LICENSE',
  ];
  return `${lines.join('\n')}\n\n${readFileSync(join(PYTHON, 'README.md'), 'utf8')}`;
}

const WHEEL = `Wheel-Version: 1.0
Generator: pipeline
Root-Is-Purelib: true
Tag: py3-none-any
`;

/** Files of the wheel by path: the package, then what describes it, RECORD last. */
function filesOf(toml) {
  const info = `${PACKAGE}-${field(toml, 'version')}.dist-info`;
  const files = [
    ...sources().map((name) => [
      `${PACKAGE}/${name}`,
      readFileSync(join(PYTHON, 'src', PACKAGE, name)),
    ]),
    [`${info}/LICENSE`, readFileSync(join(PYTHON, 'LICENSE'))],
    [`${info}/METADATA`, Buffer.from(metadata(toml))],
    [`${info}/WHEEL`, Buffer.from(WHEEL)],
    [`${info}/top_level.txt`, Buffer.from(`${PACKAGE}\n`)],
  ];
  const record = files.map(([path, bytes]) => {
    const digest = createHash('sha256').update(bytes).digest('base64url');
    return `${path},sha256=${digest},${bytes.length}`;
  });
  const own = `${info}/RECORD`;
  return [...files, [own, Buffer.from(`${record.join('\n')}\n${own},,\n`)]];
}

/** Writes the wheel. @returns its path */
export function buildWheel() {
  const toml = readFileSync(join(PYTHON, 'pyproject.toml'), 'utf8');
  // Stored as they are, with the first date of the format: no version of a compressor decides the bytes.
  const options = { level: 0, mtime: new Date(1980, 0, 1), os: 3, attrs: (0o100644 << 16) >>> 0 };
  const files = filesOf(toml).map(([path, bytes]) => [path, [new Uint8Array(bytes), options]]);
  const folder = join(PYTHON, 'dist');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const wheel = join(folder, `${PACKAGE}-${field(toml, 'version')}-py3-none-any.whl`);
  writeFileSync(wheel, zipSync(Object.fromEntries(files)));
  return wheel;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(buildWheel());
