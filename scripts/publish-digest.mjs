// publish-digest.mjs — builds verify.mjs, and writes its SHA-256 into docs/verify-digests.md. `npm run release` does this.
// `npm run publish-digest -- --again` replaces the digest that was published for this version before.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildCheckerAlone } from './build-checker.mjs';
import { publishedCheckers } from './published-checkers.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const path = 'docs/verify-digests.md';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const digest = await buildCheckerAlone();
const text = readFileSync(path, 'utf8');
const before = publishedCheckers(text).find((one) => one.version === version);
if (before && before.sha256 !== digest && !process.argv.includes('--again')) {
  console.error(`verify.mjs of ${version} is published as ${before.sha256},
and this checkout builds ${digest}.
A released version never changes: raise the version in package.json. If nobody has this version yet, use --again.`);
  process.exit(1);
}
const rows = text.split('\n').filter((line) => !line.startsWith(`| ${version} |`));
while (rows.at(-1) === '') rows.pop();
writeFileSync(path, `${[...rows, `| ${version} | \`${digest}\` |`].join('\n')}\n`);
if ((await buildCheckerAlone()) !== digest) {
  throw new Error('verify.mjs must not depend on the list of its digests');
}
console.log(`${digest}  verify.mjs ${version}`);
