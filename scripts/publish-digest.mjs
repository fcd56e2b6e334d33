// publish-digest.mjs — builds, and writes the SHA-256 of dist/verify.mjs into docs/verify-digests.md: the last step of a
// release. `npm run publish-digest -- --again` replaces what was published for this version before.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { publishedCheckers } from './published-checkers.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const path = 'docs/verify-digests.md';
const build = () => {
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return createHash('sha256').update(readFileSync('dist/verify.mjs')).digest('hex');
};

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const digest = build();
const text = readFileSync(path, 'utf8');
const before = publishedCheckers(text).find((one) => one.version === version);
if (before && before.sha256 !== digest && !process.argv.includes('--again')) {
  console.error(`verify.mjs of ${version} is published as ${before.sha256},
and this checkout builds ${digest}.
A released version does not change: raise the version in package.json, or say --again when nobody has it yet.`);
  process.exit(1);
}
const rows = text.split('\n').filter((line) => !line.startsWith(`| ${version} |`));
while (rows.at(-1) === '') rows.pop();
writeFileSync(path, `${[...rows, `| ${version} | \`${digest}\` |`].join('\n')}\n`);
// `pipeline verify` carries the list.
if (build() !== digest) throw new Error('verify.mjs must not depend on the list of its digests');
console.log(`${digest}  verify.mjs ${version}`);
