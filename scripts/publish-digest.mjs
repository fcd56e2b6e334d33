// publish-digest.mjs — writes the SHA-256 of dist/verify.mjs into docs/verify-digests.md: a step of every release
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../docs/verify-digests.md', import.meta.url);
const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url));
const { version } = JSON.parse(read('package.json').toString());
const digest = createHash('sha256').update(read('dist/verify.mjs')).digest('hex');
const rows = readFileSync(path, 'utf8')
  .split('\n')
  .filter((line) => !line.startsWith(`| ${version} |`));
while (rows.at(-1) === '') rows.pop();
writeFileSync(path, `${[...rows, `| ${version} | \`${digest}\` |`].join('\n')}\n`);
console.log(`${digest}  verify.mjs ${version}`);
