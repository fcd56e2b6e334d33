// program.mjs — dist/main.cjs and the chunks that it loads, as CommonJS: Node starts it sooner than modules, and its compiled code can be kept
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { build, transform } from 'esbuild';

/**
 * Modules are strict, and know where they are: `import.meta.url`. Who loads them compiled gives them an `import()`: within
 * such code V8's own finds nobody to ask.
 */
const BEGINNING = `'use strict';const __url=require('node:url').pathToFileURL(__filename).href,__import=typeof __imported==='function'?__imported:(path)=>import(path);`;

/** A package that Vega would measure text with if it were there: charts must not depend on that. */
export const noCanvas = {
  name: 'no-canvas',
  setup(plugin) {
    plugin.onLoad({ filter: /vega-canvas\.node\.js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const contents = text.replace("await import('canvas')", 'null');
      if (contents === text) throw new Error(`${path} is not what it was`);
      return { contents };
    });
  },
};

/**
 * Builds the program. esbuild splits modules only, so they are split first, and then made into CommonJS one by one.
 * @returns the names of the files in dist/
 */
export async function buildProgram(options) {
  const { outputFiles } = await build({
    ...options,
    plugins: [...options.plugins, noCanvas],
    entryPoints: { main: 'src/cli/main.ts' },
    outdir: 'dist',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifySyntax: true,
    chunkNames: 'chunk-[hash]',
    define: { ...options.define, 'import.meta.url': '__url' },
    write: false,
  });
  const files = await Promise.all(
    outputFiles.map(async ({ path, text }) => {
      const file = basename(path).replace(/\.js$/, '.cjs');
      const { code } = await transform(required(text), {
        format: 'cjs',
        platform: 'node',
        target: 'node20',
        minifySyntax: true,
        banner: BEGINNING,
        sourcefile: file,
      });
      return { file, code: code.replaceAll('import("hasha")', '__import("hasha")') };
    }),
  );
  // A command that starts meanwhile finds the earlier main.cjs with its chunks, or the new one with its own.
  files.sort((a, b) => Number(a.file === 'main.cjs') - Number(b.file === 'main.cjs'));
  for (const { file, code } of files) {
    writeFileSync(`dist/${file}.tmp`, code);
    renameSync(`dist/${file}.tmp`, `dist/${file}`);
  }
  return files.map(({ file }) => file);
}

/** What is imported when it is needed is required then: chunks, and packages that are CommonJS. */
const required = (text) =>
  text
    .replaceAll(/\bimport\("(\.\/[^"]+)\.js"\)/g, 'Promise.resolve().then(() => require("$1.cjs"))')
    .replaceAll(/\bimport\("(esbuild|lmdb)"\)/g, 'Promise.resolve().then(() => require("$1"))')
    .replaceAll(/(\bfrom|\bimport) "(\.\/[^"]+)\.js"/g, '$1 "$2.cjs"');

/**
 * Takes Node's own modules as values instead of importing them: for each that is imported Node makes a facade, and asks
 * for all that it exports, which is a third of what a worker takes to start. What is taken once stays what it was,
 * whatever a stage does to the module.
 */
export function withoutFacades(text) {
  const statement = /^import (?:([\w$]+),? )?(?:\{([^{}]*)\} )?from "node:([\w/]+)";$/gm;
  return text.replaceAll(statement, (_, whole, named, module) => {
    const names = named?.replaceAll(/([\w$]+) as ([\w$]+)/g, '$1: $2');
    const targets = [...(whole ? [whole] : []), ...(names ? [`{${names}}`] : [])];
    const value = `process.getBuiltinModule("${module}")`;
    return `const ${targets.map((target) => `${target} = ${value}`).join(', ')};`;
  });
}
