// hint.ts — what somebody may have meant
import { closest, distance } from 'fastest-levenshtein';

/** A hint names no more than this many known names. */
const NAMES_MAX = 12;

/** The likeliest of some known names, when one is near enough. */
export function nearestOf(unknown: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const near = closest(unknown, [...names]);
  // Of numbers, the nearest by spelling is no likelier than any other.
  const isVague = /^[\d.+-]+$/.test(unknown) || unknown.length < 2;
  return distance(unknown, near) <= (isVague ? 0 : Math.ceil(unknown.length / 3))
    ? near
    : undefined;
}

/** A hint that names the likeliest of some known names when one is near enough, and else what is known. */
export function didYouMean(unknown: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  if (names.length === 0) return undefined;
  const near = nearestOf(unknown, names);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  return `known: ${names.slice(0, NAMES_MAX).join(', ')}${more}`;
}
