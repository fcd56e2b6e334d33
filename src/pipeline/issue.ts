// issue.ts — what a schema finds wrong with params, in words
import type * as z from 'zod/mini';
import { didYouMean } from './located.ts';

/** What a schema found, at a path below `params`. */
export interface SchemaProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string | undefined;
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
      return [{ path, message: `${name} must be ${than} ${issue.minimum}${unit(issue.origin)}` }];
    }
    case 'too_big': {
      const than = issue.inclusive ? 'at most' : 'less than';
      return [{ path, message: `${name} must be ${than} ${issue.maximum}${unit(issue.origin)}` }];
    }
    case 'invalid_value': {
      const known = issue.values.map(String);
      const hint = `known: ${known.join(', ')}`;
      return [{ path, message: `${name} must be one of ${known.join(', ')}`, hint }];
    }
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `unknown param \`${[...path, key].join('.')}\``,
        hint: didYouMean(key, knownKeys(schema, path)),
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
    const message = `\`${[...path, discriminator].join('.')}\` is none of the known kinds`;
    const hint = known.length > 0 ? `known: ${known.join(', ')}` : undefined;
    return [{ path: [...path, discriminator], message, hint }];
  }
  const branches = [...issue.errors].sort((a, b) => a.length - b.length);
  const nearest = branches[0];
  if (nearest === undefined) return [{ path, message: `${name} has no known form` }];
  return nearest.flatMap((inner) =>
    wordIssue({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, schema),
  );
}

const unit = (origin: string): string =>
  origin === 'string' ? ' characters long' : origin === 'array' ? ' items long' : '';

const article = (expected: string): string => {
  const words: Record<string, string> = { int: 'an integer', array: 'a list', object: 'a map' };
  return words[expected] ?? `a ${expected}`;
};

interface WithShape {
  readonly _zod: { readonly def: { readonly shape?: Record<string, WithShape> } };
}

/** The names that a schema knows at a path, as far as plain objects go. */
function knownKeys(schema: z.core.$ZodType, path: readonly (string | number)[]): string[] {
  let at: WithShape | undefined = schema as unknown as WithShape;
  for (const step of path) at = at?._zod.def.shape?.[String(step)];
  return Object.keys(at?._zod.def.shape ?? {});
}
