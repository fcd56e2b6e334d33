// build-page.mjs — dist/ui/: the page of `pipeline ui`, as static files
import { copyFileSync, mkdirSync } from 'node:fs';
import { build } from 'esbuild';

const FROM = 'src/ui/page';

/** Bundles the page. Scripts are classic ones: a page that is opened as a file may load no modules. */
export async function buildPage() {
  mkdirSync('dist/ui', { recursive: true });
  await build({
    entryPoints: { app: `${FROM}/main.tsx`, live: `${FROM}/live-worker.ts` },
    outdir: 'dist/ui',
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: ['es2022', 'chrome111', 'firefox115', 'safari16.4'],
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
  });
  for (const file of ['index.html', 'icon.svg']) copyFileSync(`${FROM}/${file}`, `dist/ui/${file}`);
}
