// release.mjs — makes a release: version, digest of verify.mjs, commit and tag. `npm run release -- 0.2.0` only says what it
// would do; `--write` does it. Nothing is pushed or published.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { releasedFiles, sectionOf, VERSIONED } from './release/next-version.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean' }, date: { type: 'string' } },
});
const [version] = positionals;
const date = values.date ?? new Date().toISOString().slice(0, 10);
const git = (...words) => execFileSync('git', words, { encoding: 'utf8' }).trim();

/** Says what stands in the way, and ends. */
function refuse(message) {
  console.error(message);
  process.exit(2);
}

if (version === undefined || !/^\d{4}-\d\d-\d\d$/.test(date)) {
  refuse('usage: npm run release -- VERSION [--write] [--date YYYY-MM-DD]');
}
const files = Object.fromEntries(VERSIONED.map((path) => [path, readFileSync(path, 'utf8')]));
let next;
try {
  next = releasedFiles(files, { version, date });
} catch (error) {
  refuse(error.message);
}
const tag = `v${version}`;
const taken = git('tag', '--list', tag) !== '';
const edited = git('status', '--porcelain', '--untracked-files=no') !== '';

console.log(`pipeline ${version}, ${date}`);
for (const path of VERSIONED) if (next[path] !== files[path]) console.log(`  writes ${path}`);
console.log('  builds, and writes the digest of verify.mjs into docs/verify-digests.md');
console.log(`  commits, and makes the tag ${tag}\n`);
console.log(sectionOf(next['CHANGELOG.md'], version).trim());
if (taken) refuse(`\nthere is a tag ${tag} already`);
if (edited && values.write) refuse('\nthere are changes that are not committed');
if (!values.write) {
  console.log('\nnothing was changed: --write makes the release');
  process.exit(0);
}
for (const path of VERSIONED) writeFileSync(path, next[path]);
const run = (program, ...words) => execFileSync(program, words, { stdio: 'inherit' });
run(process.execPath, 'scripts/publish-digest.mjs');
run(process.execPath, 'scripts/build-python.mjs');
run('git', 'add', ...VERSIONED, 'docs/verify-digests.md');
run('git', 'commit', '-m', `Release ${version}`);
run('git', 'tag', '-a', tag, '-m', `pipeline ${version}`);
console.log(
  `\nmade ${tag}. Left to do: .ci/run, git push --follow-tags, npm run package, npm publish build/*.tgz`,
);
