// build-page.mjs — dist/ui/: the page of `pipeline ui`, as static files
import { copyFileSync, mkdirSync } from 'node:fs';
import { build } from 'esbuild';

const FROM = 'src/ui/page';
/** The first browsers that know all that the style sheet asks for: `light-dark()`. */
const TARGET = ['es2022', 'chrome123', 'firefox120', 'safari17.5'];

/** Bundles the page. Scripts are classic ones: a page that is opened as a file may load no modules. */
export async function buildPage() {
  mkdirSync('dist/ui', { recursive: true });
  await build({
    entryPoints: { app: `${FROM}/main.tsx`, live: `${FROM}/live-worker.ts` },
    outdir: 'dist/ui',
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: TARGET,
    minify: true,
    charset: 'utf8',
    define: { 'process.env.NODE_ENV': '"production"' },
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
  });
  await build({
    entryPoints: [`${FROM}/style.css`],
    outdir: 'dist/ui',
    minify: true,
    target: TARGET,
  });
  for (const file of ['index.html', 'icon.svg']) copyFileSync(`${FROM}/${file}`, `dist/ui/${file}`);
}
