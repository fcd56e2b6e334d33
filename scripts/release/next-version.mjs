// next-version.mjs — what a release changes in the files that carry the version, as texts

/** Files that carry the version. */
export const VERSIONED = [
  'package.json',
  'package-lock.json',
  'CITATION.cff',
  'CHANGELOG.md',
  'python/pyproject.toml',
  'python/src/pipeline_study/__init__.py',
];

const VERSION = /^\d+\.\d+\.\d+$/;
const numbersOf = (version) => version.split('.').map(Number);

/** Whether a version comes after another. */
export function isLater(version, before) {
  const [a, b] = [numbersOf(version), numbersOf(before)];
  const at = a.findIndex((number, index) => number !== b[index]);
  return at >= 0 && a[at] > b[at];
}

/**
 * The texts of all files after the release.
 * @param files their texts now, by path @param release `{ version, date }`, the date as YYYY-MM-DD
 * @throws with everything that stands in the way
 */
export function releasedFiles(files, { version, date }) {
  const before = JSON.parse(files['package.json']).version;
  const problems = [];
  if (!VERSION.test(version)) problems.push(`${version} is not a version such as 0.2.0`);
  else if (!isLater(version, before)) problems.push(`${version} does not come after ${before}`);
  if (!isDate(date)) problems.push(`${date} is not a date such as 2027-01-02`);
  const { changelog, problem } = changelogOf(files['CHANGELOG.md'], version, date);
  if (problem !== undefined) problems.push(problem);
  if (problems.length > 0) throw new Error(problems.join('\n'));

  return {
    'package.json': once(
      files,
      'package.json',
      `"version": "${before}"`,
      `"version": "${version}"`,
    ),
    'package-lock.json': lockOf(files['package-lock.json'], version),
    'CITATION.cff': citationOf(files['CITATION.cff'], version, date),
    'CHANGELOG.md': changelog,
    'python/pyproject.toml': once(
      files,
      'python/pyproject.toml',
      `version = "${before}"`,
      `version = "${version}"`,
    ),
    'python/src/pipeline_study/__init__.py': once(
      files,
      'python/src/pipeline_study/__init__.py',
      `__version__ = "${before}"`,
      `__version__ = "${version}"`,
    ),
  };
}

/** The text of a version's section in a changelog. */
export function sectionOf(changelog, version) {
  const sections = changelog.split(/^(?=## )/m);
  return sections.find((section) => section.startsWith(`## [${version}]`));
}

const isDate = (text) =>
  /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text);

/**
 * The changelog with the version's section dated. Entries of [Unreleased] become that section when there is none yet; when
 * both have entries, a person has to say what belongs to the release.
 */
function changelogOf(changelog, version, date) {
  const heading = `## [${version}] - ${date}`;
  const hasEntries = (section) => section !== undefined && /^- /m.test(section);
  const [unreleased, section] = [sectionOf(changelog, 'Unreleased'), sectionOf(changelog, version)];
  if (section !== undefined) {
    if (!hasEntries(section)) {
      return { problem: `the section [${version}] of CHANGELOG.md has no entry` };
    }
    if (hasEntries(unreleased)) {
      return {
        problem: `CHANGELOG.md has entries under [Unreleased]: move them to [${version}], or to a later version`,
      };
    }
    const dated = section.replace(/^.*$/m, () => heading);
    return { changelog: changelog.replace(section, () => dated) };
  }
  if (!hasEntries(unreleased)) {
    return {
      problem: `CHANGELOG.md has no section [${version}], and no entry under [Unreleased]`,
    };
  }
  const dated = unreleased.replace(/^.*$/m, () => `## [Unreleased]\n\n${heading}`);
  return { changelog: changelog.replace(unreleased, () => dated) };
}

function once(files, path, from, to) {
  const parts = files[path].split(from);
  if (parts.length !== 2) throw new Error(`${path} has \`${from}\` ${parts.length - 1} times`);
  return parts.join(to);
}

function lockOf(text, version) {
  const lock = JSON.parse(text);
  lock.version = version;
  lock.packages[''].version = version;
  return `${JSON.stringify(lock, null, 2)}\n`;
}

function citationOf(text, version, date) {
  const dated = text.replace(/^date-released: .*\n/m, '');
  return dated.replace(/^version: .*$/m, `version: ${version}\ndate-released: "${date}"`);
}
