// gather-commands.mjs — finds the commands: every file of src/cli/commands that exports `command`, its declaration
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const FOLDER = 'src/cli/commands';
const DECLARED = /^export const command\b/m;

/**
 * An esbuild plugin for what src/cli/gathered.d.ts declares. Declarations are data, and become part of what is built: nothing
 * of a command is loaded until it runs.
 * @param {Record<string, string>} define as for the build
 */
export async function gatherCommands(define) {
  const files = commandFiles();
  const declarations = await declaredCommands(define);
  const names = declarations.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`two files of ${FOLDER} declare \`${twice}\``);
  return { name: 'gather-commands', setup: (plugin) => serve(plugin, files, declarations) };
}

const commandFiles = () =>
  readdirSync(FOLDER, { recursive: true })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => resolve(FOLDER, path))
    .filter((path) => DECLARED.test(readFileSync(path, 'utf8')));

/** What the files of commands declare: runs each of them far enough. */
export async function declaredCommands(define) {
  const files = commandFiles();
  const outfile = resolve(`dist/declarations-${process.pid}.mjs`);
  const lines = files.map(
    (path, at) => `import { command as c${at} } from ${JSON.stringify(path)};`,
  );
  const list = files.map((_, at) => `c${at}`).join(', ');
  await build({
    stdin: { contents: `${lines.join('\n')}\nexport default [${list}];`, resolveDir: '.' },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    define,
    plugins: [{ name: 'empty', setup: (plugin) => serve(plugin, [], []) }],
    banner: {
      js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);",
    },
  });
  try {
    return (await import(pathToFileURL(outfile).href)).default;
  } finally {
    rmSync(outfile);
  }
}

function serve(plugin, files, declarations) {
  const namespace = 'gathered';
  plugin.onResolve({ filter: /^pipeline:/ }, ({ path }) => ({ path, namespace }));
  plugin.onLoad({ filter: /.*/, namespace }, ({ path }) => {
    if (path === 'pipeline:declarations') {
      return { contents: `export const declarations = ${JSON.stringify(declarations)};` };
    }
    if (path === 'pipeline:inspections') {
      const inspections = declarations.filter(
        ({ inspects, options }) => inspects || options.some(({ changes }) => changes === 'no'),
      );
      return { contents: `export const inspections = ${JSON.stringify(inspections)};` };
    }
    if (path === 'pipeline:commands') {
      const loaders = files.map((file, at) => {
        const name = JSON.stringify(declarations[at].name);
        return `  [${name}]: () => import(${JSON.stringify(file)}),`;
      });
      const contents = `export const load = {\n${loaders.join('\n')}\n};`;
      return { contents, resolveDir: resolve('.') };
    }
    const asked = path.slice('pipeline:declaration/'.length);
    const found = declarations.find(({ name }) => name === asked);
    if (found === undefined) return { errors: [{ text: `there is no command \`${asked}\`` }] };
    return { contents: `export default ${JSON.stringify(found)};` };
  });
}
