// stage.mjs — copies the pages of the repository into pages/, from which the site is built: where they are, packages of the
// site are not found
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = fileURLToPath(new URL('pages', import.meta.url));

const below = (folder, wanted) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => wanted.test(path) && !/(^|\/)(node_modules|cache|artifacts)\//.test(path))
    .map((path) => join(folder, path));

const files = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...below('docs', /\.(md|svg|png|webp|json|csv)$/),
  ...below('examples', /(^|\/)README\.md$/),
  'bench/README.md',
];
rmSync(pages, { recursive: true, force: true });
for (const file of files) {
  mkdirSync(join(pages, dirname(file)), { recursive: true });
  cpSync(join(root, file), join(pages, file));
}
