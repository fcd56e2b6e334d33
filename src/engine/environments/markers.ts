// markers.ts — environment markers of Python packages (PEP 508): whether a package is meant for this machine
import type { Named } from '../model/key.ts';
import { compareReleases } from './versions.ts';

const TOKEN = /\s*(\(|\)|'[^']*'|"[^"]*"|===|==|!=|<=|>=|~=|<|>|not\s+in\b|[A-Za-z_][\w.]*)/y;
const VERSIONS: ReadonlySet<string> = new Set([
  'python_version',
  'python_full_version',
  'implementation_version',
]);

/**
 * Whether a marker holds.
 * @param facts what the interpreter says of itself, by the names of markers
 * @param extra the extras that are asked for
 * @returns undefined for a marker that cannot be read
 */
export function markerHolds(
  marker: string,
  facts: Named<string>,
  extra: ReadonlySet<string> = new Set(),
): boolean | undefined {
  const tokens = tokensOf(marker);
  if (tokens === undefined) return undefined;
  const reader = new MarkerReader(tokens, facts, extra);
  try {
    const holds = reader.any();
    return reader.isAtEnd ? holds : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function tokensOf(marker: string): readonly string[] | undefined {
  const tokens: string[] = [];
  const text = marker.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const found = TOKEN.exec(text);
    if (found === null) return undefined;
    tokens.push((found[1] ?? '').replace(/^not\s+in$/, 'not in'));
  }
  return tokens;
}

/** Reads by descent: `or` above `and` above comparisons. */
class MarkerReader {
  private at = 0;
  private readonly tokens: readonly string[];
  private readonly facts: Named<string>;
  private readonly extra: ReadonlySet<string>;

  constructor(tokens: readonly string[], facts: Named<string>, extra: ReadonlySet<string>) {
    this.tokens = tokens;
    this.facts = facts;
    this.extra = extra;
  }

  get isAtEnd(): boolean {
    return this.at === this.tokens.length;
  }

  any(): boolean {
    let holds = this.all();
    while (this.takes('or')) holds = this.all() || holds;
    return holds;
  }

  private all(): boolean {
    let holds = this.one();
    while (this.takes('and')) holds = this.one() && holds;
    return holds;
  }

  private one(): boolean {
    if (this.takes('(')) {
      const holds = this.any();
      if (!this.takes(')')) throw new SyntaxError('a bracket is open');
      return holds;
    }
    const [left, operator, right] = [this.next(), this.next(), this.next()];
    if (left === 'extra') return this.extra.has(textOf(right)) === (operator !== '!=');
    return compare(this.value(left), operator, this.value(right), [left, right]);
  }

  private value(token: string): string {
    if (/^['"]/.test(token)) return textOf(token);
    const name = token.replace(/^os\.name$/, 'os_name').replaceAll('.', '_');
    if (!Object.hasOwn(this.facts, name)) throw new SyntaxError(`there is no marker ${token}`);
    return this.facts[name] ?? '';
  }

  private next(): string {
    const token = this.tokens[this.at];
    if (token === undefined) throw new SyntaxError('it ends early');
    this.at += 1;
    return token;
  }

  private takes(word: string): boolean {
    if (this.tokens[this.at] !== word) return false;
    this.at += 1;
    return true;
  }
}

const textOf = (token: string): string => token.replace(/^['"]|['"]$/g, '');

function compare(a: string, operator: string, b: string, names: readonly string[]): boolean {
  if (operator === 'in') return b.includes(a);
  if (operator === 'not in') return !b.includes(a);
  if (!names.some((name) => VERSIONS.has(name))) {
    if (operator === '==' || operator === '===') return a === b;
    if (operator === '!=') return a !== b;
  }
  const starred = b.endsWith('.*') ? b.slice(0, -2) : undefined;
  const order =
    starred === undefined
      ? compareReleases(a, b)
      : a === starred || a.startsWith(`${starred}.`)
        ? 0
        : compareReleases(a, starred) || 1;
  switch (operator) {
    case '==':
    case '===':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    case '~=':
      return order >= 0 && a.startsWith(b.split('.').slice(0, -1).join('.'));
    default:
      throw new SyntaxError(`there is no operator ${operator}`);
  }
}
