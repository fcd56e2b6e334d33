// hint.ts — what somebody may have meant
import { closest, distance } from 'fastest-levenshtein';

/** A hint names no more than this many known names. */
const NAMES_MAX = 12;

/** A hint that names the likeliest of some known names when one is near enough, and else what is known. */
export function didYouMean(unknown: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  if (names.length === 0) return undefined;
  const near = closest(unknown, names);
  // Of numbers, the nearest by spelling is no likelier than any other.
  const far = /^[\d.+-]+$/.test(unknown)
    ? 0
    : unknown.length < 2
      ? 0
      : Math.ceil(unknown.length / 3);
  if (distance(unknown, near) <= far) return `did you mean \`${near}\`?`;
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  return `known: ${names.slice(0, NAMES_MAX).join(', ')}${more}`;
}
