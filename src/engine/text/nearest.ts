// nearest.ts — the known name that somebody may have meant
import { closest, distance } from 'fastest-levenshtein';

/** The likeliest of some known names, when one is near enough: by the rule of `didYouMean`, whose text is frozen in stages. */
export function nearestOf(unknown: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const near = closest(unknown, [...names]);
  // Of numbers, the nearest by spelling is no likelier than any other.
  const isVague = /^[\d.+-]+$/.test(unknown) || unknown.length < 2;
  const far = isVague ? 0 : Math.ceil(unknown.length / 3);
  return distance(unknown, near) <= far ? near : undefined;
}
