// glob.ts — patterns of file names: what is in them, and which names fit

import { elementAt } from '../../present.ts';

/** One step of a pattern: a name as it stands, any folders, or what fits an expression. */
export type Step =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'folders' }
  | { readonly kind: 'fits'; readonly fits: (name: string) => boolean };

const SPECIAL = /[\\*?[\]{}]/g;

/** A text as a pattern that fits nothing else. */
export const escapeGlob = (text: string): string => text.replace(SPECIAL, '\\$&');

/** A pattern without the backslashes that take the meaning from what follows them. */
export const unescapeGlob = (pattern: string): string => pattern.replace(/\\([\\*?[\]{}])/g, '$1');

/** Whether a pattern may fit several names. */
export const isGlob = (pattern: string): boolean =>
  /[*?[\]{}]/.test(pattern.replace(/\\[\\*?[\]{}]/g, ''));

/** More alternatives than this are a mistake. */
const ALTERNATIVES_MAX = 10_000;

/** The alternatives of a pattern, as braces give them, each step by step. @throws RangeError for too many */
export function parseGlob(pattern: string): readonly (readonly Step[])[] {
  return expandBraces(pattern).map((one) => {
    const steps = one.split('/').map(stepOf);
    // `a/**/**/b` is `a/**/b`; `a/**` is every file below a.
    const apart = steps.filter(
      ({ kind }, at) => kind !== 'folders' || steps[at + 1]?.kind !== 'folders',
    );
    return apart.at(-1)?.kind === 'folders' ? [...apart, stepOf('*')] : apart;
  });
}

function stepOf(text: string): Step {
  if (text === '**') return { kind: 'folders' };
  if (!/[*?[]/.test(text.replace(/\\./g, ''))) return { kind: 'name', name: unescapeGlob(text) };
  const fits = compiled(text);
  const isHidden = text.startsWith('.') || text.startsWith('\\.');
  return { kind: 'fits', fits: (name) => (isHidden || !name.startsWith('.')) && fits(name) };
}

/**
 * What lies between stars takes a fixed number of characters: where it fits first is as good as any later place, and
 * nothing is tried twice.
 */
function compiled(text: string): (name: string) => boolean {
  const between = expressionsOf(text);
  const last = between.length - 1;
  let parts: readonly RegExp[];
  try {
    parts = between.map(
      (part, at) => new RegExp(`${at === 0 ? '^' : ''}${part}${at === last ? '$' : ''}`, 'gsu'),
    );
  } catch {
    throw new RangeError(`\`${text}\` is not a pattern`);
  }
  return (name) => {
    let end = 0;
    return parts.every((part) => {
      part.lastIndex = end;
      const isFound = part.test(name);
      end = part.lastIndex;
      return isFound;
    });
  };
}

/** One part of a step: an escaped character, stars, a question mark, a class, or a character. */
const PART = /\\([\\*?[\]{}])|(\*+)|(\?)|\[([!^]?)(\]?(?:\\.|[^\]\\])+)\]|(.)/gsu;

/** The expressions of what stands before, between and after the stars of a step. */
function expressionsOf(text: string): readonly string[] {
  const between = [''];
  for (const [, escaped, stars, one, not, members, character] of text.matchAll(PART)) {
    if (stars !== undefined) between.push('');
    else between[between.length - 1] += expressionOf({ one, not, members }, escaped ?? character);
  }
  return between;
}

/** An expression that takes one character. */
function expressionOf(
  { one, not, members }: { readonly [kind in 'one' | 'not' | 'members']: string | undefined },
  character: string | undefined,
): string {
  if (one !== undefined) return '.';
  if (members !== undefined) return `[${not ? '^' : ''}${membersOf(members)}]`;
  return quoted(character ?? '');
}

const quoted = (character: string): string => character.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

const membersOf = (members: string): string =>
  members.replace(/\\(.)|([\\\][^{}()|*+?.$/])|-(?=-)/gsu, (whole, escaped?: string) =>
    quoted(escaped ?? whole),
  );

/** `a{b,c}` as `ab` and `ac`, `{1..3}` as 1, 2 and 3. Braces with neither stay as they are. */
function expandBraces(pattern: string): readonly string[] {
  const range = findBraces(pattern);
  if (range === undefined) return [pattern];
  const { start, end, parts } = range;
  const [before, after] = [pattern.slice(0, start), pattern.slice(end)];
  const all = parts.flatMap((part) => expandBraces(`${before}${part}${after}`));
  if (all.length > ALTERNATIVES_MAX) throw new RangeError('its braces give too many names');
  return [...new Set(all)];
}

interface Braces {
  readonly start: number;
  readonly end: number;
  readonly parts: readonly string[];
}

function findBraces(pattern: string): Braces | undefined {
  for (let start = 0; start < pattern.length; start++) {
    if (pattern[start] === '\\') start += 1;
    else if (pattern[start] === '{') {
      const braces = bracesAt(pattern, start);
      if (braces) return braces;
    }
  }
  return undefined;
}

function bracesAt(pattern: string, start: number): Braces | undefined {
  const commas: number[] = [start];
  for (let [at, depth] = [start + 1, 0]; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '\\') at += 1;
    else if (character === '{') depth += 1;
    else if (character === ',' && depth === 0) commas.push(at);
    else if (character === '}' && depth > 0) depth -= 1;
    else if (character === '}') {
      const ends = [...commas.slice(1), at];
      const parts = ends.map((end, n) => pattern.slice(elementAt(commas, n) + 1, end));
      const list = parts.length > 1 ? parts : numbersIn(parts.join());
      return list && { start, end: at + 1, parts: list };
    }
  }
  return undefined;
}

/** The numbers of `1..3` or `08..12`, as wide as the wider of the two where one begins with 0. */
function numbersIn(text: string): readonly string[] | undefined {
  const [, from, to] = /^(\d{1,9})\.\.(\d{1,9})$/.exec(text) ?? [];
  if (from === undefined || to === undefined) return undefined;
  const [a, b] = [Number(from), Number(to)];
  const length = Math.abs(b - a) + 1;
  if (length > ALTERNATIVES_MAX) throw new RangeError('its braces give too many names');
  const width = /^0\d/.test(from) || /^0\d/.test(to) ? Math.max(from.length, to.length) : 0;
  return Array.from({ length }, (_, n) => String(a < b ? a + n : a - n).padStart(width, '0'));
}
