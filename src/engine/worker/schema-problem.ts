// schema-problem.ts — what a schema finds wrong with params, in words

import type * as z from 'zod/mini';
import { didYouMean } from '../../hint.ts';
import { elementAt } from '../../present.ts';

/** What a schema found, at a path below `params`. */
export interface SchemaProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string | undefined;
  /** The mistake is the name at the end of the path, not its value. */
  readonly isName?: boolean;
}

/** Says what a zod issue means. Our own words: zod/mini carries none, and they stay the same across versions. */
export function wordIssue(
  issue: z.core.$ZodIssue,
  schema: z.core.$ZodType,
): readonly SchemaProblem[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  const name = path.length === 0 ? 'params' : `\`${path.join('.')}\``;
  switch (issue.code) {
    case 'invalid_type':
      return [{ path, message: `${name} must be ${article(issue.expected)}` }];
    case 'too_small': {
      const than = issue.inclusive ? 'at least' : 'more than';
      return [{ path, message: `${name} must ${bound(issue.origin, than, issue.minimum)}` }];
    }
    case 'too_big': {
      const than = issue.inclusive ? 'at most' : 'less than';
      return [{ path, message: `${name} must ${bound(issue.origin, than, issue.maximum)}` }];
    }
    case 'not_multiple_of':
      return [{ path, message: `${name} must be a multiple of ${issue.divisor}` }];
    case 'invalid_value':
      return [{ path, message: `${name} must be ${oneOf(issue.values.map(String))}` }];
    case 'invalid_format': {
      const form = issue.pattern ? `fit ${issue.pattern}` : `be a valid ${issue.format}`;
      return [{ path, message: `${name} must ${form}` }];
    }
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `unknown param \`${[...path, key].join('.')}\``,
        hint: didYouMean(key, knownKeys(schema, path)),
        isName: true,
      }));
    case 'invalid_union':
      return wordUnion(issue, path, name, schema);
    default:
      return [{ path, message: `${name}: ${issue.message}` }];
  }
}

/** Of a union's branches, the words of the one that came nearest: whose first problem lies deepest. */
function wordUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  path: readonly (string | number)[],
  name: string,
  schema: z.core.$ZodType,
): readonly SchemaProblem[] {
  const discriminator = (issue as { discriminator?: string }).discriminator;
  if (discriminator !== undefined) {
    const known = (issue as { options?: readonly unknown[] }).options ?? [];
    return [{ path, message: `${name} must be ${oneOf(known.map(String))}` }];
  }
  const worded = (inner: z.core.$ZodIssue): readonly SchemaProblem[] =>
    wordIssue({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, schema);
  const depth = (branch: readonly z.core.$ZodIssue[]): number => branch[0]?.path.length ?? 0;
  const branches = [...issue.errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length);
  const nearest = branches[0];
  if (nearest === undefined) return [{ path, message: `${name} has no known form` }];
  if (depth(nearest) > 0) return nearest.flatMap(worded);
  // None came near: say everything that it may be.
  const forms = branches
    .flatMap((branch) => worded(elementAt(branch, 0)))
    .map(({ message }) => message);
  const musts = forms.map((form) => form.replace(`${name} must `, ''));
  return [{ path, message: `${name} must ${[...new Set(musts)].join(', or ')}` }];
}

const oneOf = (known: readonly string[]): string =>
  known.length === 1 ? `\`${known[0]}\`` : `one of ${known.join(', ')}`;

/** `be at least 1`, `have at least 1 item`. */
function bound(origin: string, than: string, limit: number | bigint): string {
  const noun = origin === 'string' ? 'character' : origin === 'array' ? 'item' : undefined;
  return noun ? `have ${than} ${limit} ${noun}${limit === 1 ? '' : 's'}` : `be ${than} ${limit}`;
}

const article = (expected: string): string => {
  const words: Record<string, string> = {
    int: 'an integer',
    array: 'a list',
    tuple: 'a list',
    object: 'a mapping',
    record: 'a mapping',
    string: 'a string',
    boolean: 'true or false',
    null: 'empty',
  };
  return words[expected] ?? `a ${expected}`;
};

interface WithShape {
  readonly _zod: { readonly def: { readonly shape?: Record<string, WithShape> } };
}

/** The names that a schema knows at a path, as far as plain objects go. */
function knownKeys(schema: z.core.$ZodType, path: readonly (string | number)[]): string[] {
  // zod keeps shapes in the definitions of objects alone: `shape` is asked for, and may be missing.
  let at: WithShape | undefined = schema as unknown as WithShape;
  for (const step of path) at = at?._zod.def.shape?.[String(step)];
  return Object.keys(at?._zod.def.shape ?? {});
}
