// versions.ts — names and versions of Python packages, compared as installers compare them

/** A name as all installers write it: PEP 503. */
export const normalName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

/** A version in one form: PEP 440, without zeros at the end of the release. */
function normalVersion(version: string): string {
  const [whole = '', local] = version.trim().toLowerCase().replace(/^v/, '').split('+', 2);
  const named = whole
    .replace(/[-_.]?(alpha|beta|preview|pre|rc|c|a|b)[-_.]?(\d*)/, (_, word: string, n: string) => {
      const short = { alpha: 'a', beta: 'b', preview: 'rc', pre: 'rc', c: 'rc' }[word] ?? word;
      return `${short}${n || '0'}`;
    })
    .replace(/[-_.]?(?:post|rev|r)[-_.]?(\d*)|-(\d+)$/, (_, n: string, m: string) => {
      return `.post${n || m || '0'}`;
    })
    .replace(/[-_.]?dev[-_.]?(\d*)/, (_, n: string) => `.dev${n || '0'}`)
    .replace(/^0!/, '');
  const release = named.replace(/^((?:\d+!)?\d+(?:\.\d+)*?)(?:\.0+)+(?![\d.]*\d)/, '$1');
  const numbers = release.replace(/\d+/g, (digits) => String(BigInt(digits)));
  return local === undefined ? numbers : `${numbers}+${local.replace(/[-_]/g, '.')}`;
}

/** Whether what is installed is the version that a lock names. A lock without a local part takes any. */
export function isVersion(locked: string, installed: string): boolean {
  const [a, b] = [normalVersion(locked), normalVersion(installed)];
  return a === b || (!a.includes('+') && a === b.split('+', 1)[0]);
}

/** Compares versions by their releases: below 0 when the first is older. */
export function compareReleases(a: string, b: string): number {
  const [x, y] = [releaseOf(a), releaseOf(b)];
  for (let at = 0; at < Math.max(x.length, y.length); at++) {
    const difference = (x[at] ?? 0) - (y[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const releaseOf = (version: string): readonly number[] =>
  (/^\s*v?(?:\d+!)?(\d+(?:\.\d+)*)/.exec(version)?.[1] ?? '0').split('.').map(Number);

/** Whether a version fits one condition, such as `>=1.2`, `==1.*` or `=1.2` (conda). */
export function fits(version: string, condition: string): boolean {
  const [, operator = '', wanted = ''] =
    /^(===?|!=|~=|<=|>=|<|>|=)?\s*(.*)$/.exec(condition.trim()) ?? [];
  const prefix = wanted.replace(/\.?\*$/, '');
  const begins = prefix === '' || version === prefix || version.startsWith(`${prefix}.`);
  const order = compareReleases(version, wanted);
  switch (operator) {
    case '':
    case '=':
      return begins || isVersion(prefix, version);
    case '==':
    case '===':
      return wanted.endsWith('*') ? begins : isVersion(wanted, version);
    case '!=':
      return wanted.endsWith('*') ? !begins : !isVersion(wanted, version);
    case '~=':
      return order >= 0 && version.startsWith(wanted.split('.').slice(0, -1).join('.'));
    case '<=':
      return order <= 0;
    case '>=':
      return order >= 0;
    case '<':
      return order < 0;
    default:
      return order > 0;
  }
}
