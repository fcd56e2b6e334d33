// reference.ts — `$name.part`: what references within values stand for

import { didYouMean } from '../../hint.ts';
import { type Diagnostic, failure, type Place, type Result, success } from '../model/event.ts';
import type { Json } from '../model/key.ts';
import { joinDotted, STEP, splitDotted } from '../text/dotted.ts';
import { type Located, locatedList, locatedMap } from './located.ts';

/** What a reference looks like: `$training`, `$network.hidden`, `$profiles.0`, `$rates."fc1.weight"`. */
const REFERENCE = new RegExp(`^\\$([A-Za-z_][\\w-]*(?:\\.${STEP})*)$`);

/** The path that a text refers to; null for text that is not a reference. `$$` begins a literal dollar. */
export function referencePath(value: Json): readonly string[] | null {
  const match = typeof value === 'string' ? REFERENCE.exec(value) : null;
  return match ? splitDotted(match[1] ?? '') : null;
}

/** Finds what a reference stands for, or says what is wrong with it. */
export type Lookup = (path: readonly string[], at: Place) => Result<Located>;

/** The same value with every leaf rewritten, or everything that stood in the way. */
function rewriteLeaves(
  located: Located,
  rewrite: (leaf: Located) => Result<Located>,
): Result<Located> {
  const problems: Diagnostic[] = [];
  const visit = (part: Located): Located => {
    if (part.fields) {
      const fields = [...part.fields].map(([name, field]) => [name, visit(field)] as const);
      return locatedMap(new Map(fields), part);
    }
    if (part.items) return locatedList(part.items.map(visit), part);
    const rewritten = rewrite(part);
    if (rewritten.ok) return { ...rewritten.value, named: part.named };
    problems.push(...rewritten.diagnostics);
    return part;
  };
  const result = visit(located);
  return problems.length > 0 ? failure(...problems) : success(result);
}

/** Puts what they stand for in place of all references in a value. */
export function substitute(located: Located, lookup: Lookup): Result<Located> {
  return rewriteLeaves(located, (leaf) => {
    const { value, place } = leaf;
    if (typeof value !== 'string' || !value.startsWith('$')) return success(leaf);
    if (value.startsWith('$$')) return success({ ...leaf, value: value.slice(1) });
    const path = referencePath(value);
    if (path) return lookup(path, place);
    const hint = 'a reference is `$name` or `$name.part`; `$$` begins a literal dollar';
    return failure({ message: `\`${value}\` is not a reference`, place, hint });
  });
}

/** The same value with each reference to an axis replaced by what `point` holds there. */
export function fillAxes(located: Located, point: Lookup): Result<Located> {
  return rewriteLeaves(located, (leaf) =>
    leaf.axis === undefined ? success(leaf) : point(leaf.axis, leaf.place),
  );
}

/**
 * Walks down from `root` by names or indexes.
 * @param above the steps by which `root` itself was reached; none when it is the params
 */
export function lookupIn(
  root: Located,
  path: readonly string[],
  at: Place,
  above: readonly string[] = [],
): Result<Located> {
  let part = root;
  const walked = [...above];
  for (const step of path) {
    const next = part.fields?.get(step) ?? part.items?.[/^\d+$/.test(step) ? Number(step) : -1];
    if (next === undefined) {
      const within = walked.length === 0 ? 'params' : `\`${joinDotted(walked)}\``;
      const lacks = part.items
        ? `${within} has ${part.items.length} items, counted from 0`
        : `there is no \`${step}\` in ${within}`;
      return failure({
        message: `\`$${joinDotted([...above, ...path])}\` refers to nothing: ${lacks}`,
        place: at,
        hint:
          dottedHint(part, path, walked.length - above.length, above) ??
          didYouMean(step, part.fields?.keys() ?? []),
      });
    }
    part = next;
    walked.push(step);
  }
  return success(part);
}

/** How a reference goes by a name with dots in it: in quotes. */
function dottedHint(
  { fields }: Located,
  path: readonly string[],
  walked: number,
  above: readonly string[],
): string | undefined {
  for (let end = path.length; end > walked + 1; end--) {
    const name = path.slice(walked, end).join('.');
    if (!fields?.has(name)) continue;
    const corrected = joinDotted([...above, ...path.slice(0, walked), name, ...path.slice(end)]);
    return `a name with dots stands in quotes: '$${corrected}'`;
  }
  return undefined;
}
