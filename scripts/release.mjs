// release.mjs — makes a release: version, changelog, digest of verify.mjs, commit and tag. `npm run release -- 0.2.0` shows
// what it would do; `--write` does it. Nothing is pushed or published.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { releasedFiles, sectionOf, VERSIONED } from './release/next-version.mjs';

const USAGE = 'usage: npm run release -- VERSION [--write] [--date YYYY-MM-DD]';
const DIGESTS = 'docs/verify-digests.md';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** Says why there is no release, and exits. */
function refuse(message, code = 2) {
  console.error(message);
  process.exit(code);
}

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { write: { type: 'boolean' }, date: { type: 'string' } },
    });
  } catch (error) {
    return refuse(`${error.message}\n${USAGE}`);
  }
}

const git = (...words) => execFileSync('git', words, { encoding: 'utf8' }).trim();
const run = (program, ...words) => execFileSync(program, words, { stdio: 'inherit' });

/** What stands in the way of `--write`. */
function obstacles(tag) {
  const found = [];
  if (git('tag', '--list', tag) !== '') found.push(`the tag ${tag} exists already`);
  if (git('status', '--porcelain', '--untracked-files=no') !== '') {
    found.push('there are uncommitted changes: commit them first');
  }
  try {
    git('var', 'GIT_COMMITTER_IDENT');
  } catch {
    found.push('Git does not know who you are: set user.name and user.email by `git config`');
  }
  return found;
}

/** Writes, commits and tags. When a step fails, the files and the branch are as they were before. */
function write({ files, next, version, tag }) {
  const before = git('rev-parse', 'HEAD');
  const digests = readFileSync(DIGESTS, 'utf8');
  try {
    for (const path of VERSIONED) writeFileSync(path, next[path]);
    run(process.execPath, 'scripts/publish-digest.mjs');
    run(process.execPath, 'scripts/build-python.mjs');
    run('git', 'add', ...VERSIONED, DIGESTS);
    run('git', 'commit', '--quiet', '-m', `Release ${version}`);
    run('git', 'tag', '-a', tag, '-m', `pipeline ${version}`);
  } catch (error) {
    // The commit is ours, so it may be taken back; the files differ from HEAD by nothing else.
    git('reset', '--quiet', '--soft', before);
    for (const path of VERSIONED) writeFileSync(path, files[path]);
    writeFileSync(DIGESTS, digests);
    git('reset', '--quiet');
    refuse(`\nthere is no release: ${error.message}\nAll files are as they were before.`, 1);
  }
}

const { values, positionals } = options();
const [version, ...more] = positionals;
const date = values.date ?? new Date().toISOString().slice(0, 10);
if (version === undefined || more.length > 0) refuse(USAGE);
const tag = `v${version}`;
const files = Object.fromEntries(VERSIONED.map((path) => [path, readFileSync(path, 'utf8')]));
let next;
try {
  next = releasedFiles(files, { version, date });
} catch (error) {
  refuse(error.message);
}
const inTheWay = obstacles(tag);

console.log(`pipeline ${version}, ${date}`);
for (const path of VERSIONED) if (next[path] !== files[path]) console.log(`  writes ${path}`);
console.log(`  builds verify.mjs, and writes its digest into ${DIGESTS}`);
console.log(`  commits, and makes the tag ${tag}\n`);
console.log(sectionOf(next['CHANGELOG.md'], version).trim());
if (!values.write) {
  for (const one of inTheWay) console.log(`\nbefore --write: ${one}`);
  console.log('\nnothing was changed: --write makes the release');
} else if (inTheWay.length > 0) refuse(`\n${inTheWay.join('\n')}`);
else {
  write({ files, next, version, tag });
  console.log(
    `\nmade ${tag}. Next: .ci/run, git push --follow-tags, npm run package, npm publish build/*.tgz`,
  );
}
