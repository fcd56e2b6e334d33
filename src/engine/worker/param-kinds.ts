// param-kinds.ts — params whose schema is so plain that the engine judges them itself, without asking their module again

import { entryOf } from '../../present.ts';
import type { Json, Named } from '../model/key.ts';
import type { StageDeclaration } from '../stage.ts';
import type { ParamKind, ParamsAnswer } from './declaration.ts';

/** What Zod keeps of a schema. Everything is looked at as if it were foreign: a stage brings the Zod of its own choice. */
interface ZodDefinition {
  readonly type?: unknown;
  readonly format?: unknown;
  readonly checks?: unknown;
  readonly coerce?: unknown;
  readonly shape?: unknown;
  readonly entries?: unknown;
}

/**
 * The kinds of all params of a stage; undefined where any of them is more than a plain value, where they depend on each
 * other, or where the stage says something of them by a function.
 */
export function paramKindsOf(stage: StageDeclaration): Named<ParamKind> | undefined {
  const { check, files, tools, graph } = stage;
  const others: readonly unknown[] = [check, files, tools, graph];
  if (others.some((other) => (other ?? undefined) !== undefined)) return undefined;
  const { type, checks, shape } = definitionOf(stage.params);
  if (type !== 'object' || !isNone(checks) || typeof shape !== 'object' || shape === null) {
    return undefined;
  }
  const kinds: Record<string, ParamKind> = {};
  for (const [name, schema] of Object.entries(shape)) {
    const kind = kindOf(definitionOf(schema));
    if (kind === undefined) return undefined;
    kinds[name] = kind;
  }
  return kinds;
}

function definitionOf(schema: unknown): ZodDefinition {
  const { _zod: inner } = (schema ?? {}) as { readonly _zod?: { readonly def?: ZodDefinition } };
  return inner?.def ?? {};
}

const isNone = (checks: unknown): boolean =>
  checks === undefined || (Array.isArray(checks) && checks.length === 0);

function kindOf({ type, format, checks, coerce, entries }: ZodDefinition): ParamKind | undefined {
  if (!isNone(checks) || coerce) return undefined;
  if (type === 'number' && format === 'safeint') return 'integer';
  if (type === 'enum') return textsOf(entries);
  const isPlain = type === 'number' || type === 'string' || type === 'boolean';
  return isPlain && format === undefined ? type : undefined;
}

function textsOf(entries: unknown): readonly string[] | undefined {
  if (typeof entries !== 'object' || entries === null) return undefined;
  const values = Object.values(entries);
  return values.every((value) => typeof value === 'string') ? values : undefined;
}

/**
 * What a stage makes of params that are of its kinds; undefined where they are not, or may not be: the stage has the words
 * for that.
 */
export function answerByKind(
  kinds: Named<ParamKind> | undefined,
  values: Named<Json>,
): ParamsAnswer | undefined {
  if (kinds === undefined) return undefined;
  const names = Object.keys(kinds);
  if (Object.keys(values).length !== names.length) return undefined;
  const params: Record<string, Json> = {};
  for (const name of names) {
    if (!Object.hasOwn(values, name)) return undefined;
    const value = entryOf(values, name);
    if (!isOfKind(value, entryOf(kinds, name))) return undefined;
    params[name] = value;
  }
  return { params, problems: [], files: null, usesTools: false, fault: null };
}

function isOfKind(value: Json, kind: ParamKind): boolean {
  if (typeof kind !== 'string') return typeof value === 'string' && kind.includes(value);
  // What JSON cannot hold is for the stage to tell.
  if (kind === 'integer') return Number.isSafeInteger(value) && !Object.is(value, -0);
  if (kind === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  return typeof value === kind;
}
