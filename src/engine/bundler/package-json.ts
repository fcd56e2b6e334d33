// package-json.ts — what esbuild reads of package.json, and what its `exports` and `imports` stand for
import { posix } from 'node:path';
import { type JsonTree, parseJsonc, property, textOf } from './jsonc.ts';

/** What of a package.json decides which file an import means. */
export interface PackageJson {
  readonly name: string | undefined;
  readonly main: string | undefined;
  readonly module: string | undefined;
  readonly tsconfig: string | undefined;
  readonly exports: JsonTree | undefined;
  readonly imports: JsonTree | undefined;
}

/** How far a map leads. */
export type Target =
  /** A path below the package, which must be a file as it stands; `star` when anything may stand for its end. */
  | { readonly kind: 'exact'; readonly path: string; readonly star: boolean }
  /** A path below the package, to which extensions may be added. */
  | { readonly kind: 'inexact'; readonly path: string }
  /** Another package, or a module of Node's own. */
  | { readonly kind: 'package'; readonly specifier: string }
  | { readonly kind: 'undefined' | 'null' | 'invalid target' | 'refused' };

const REFUSED: Target = { kind: 'refused' };

/** @returns undefined when the text is not JSON */
export function readPackageJson(text: string): PackageJson | undefined {
  const tree = plainTree(text) ?? parseJsonc(text);
  if (tree === undefined) return undefined;
  const mapOf = (name: string): JsonTree | undefined => {
    const map = property(tree, name);
    return map?.kind === 'null' ? undefined : map;
  };
  return {
    name: textOf(tree, 'name'),
    main: textOf(tree, 'main') || undefined,
    module: textOf(tree, 'module') || undefined,
    tsconfig: textOf(tree, 'tsconfig') || undefined,
    exports: mapOf('exports'),
    imports: mapOf('imports'),
  };
}

const READ = ['name', 'main', 'module', 'tsconfig', 'exports', 'imports'];

/**
 * What is read of a package.json, by the system's own parser, which is much faster. Undefined where that one may see
 * something else: where a key stands twice, or is a number, which moves it.
 */
function plainTree(text: string): JsonTree | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const keys = keysIn(value, 0);
  if (keys === undefined || keys !== (text.match(/"\s*:/g)?.length ?? 0)) return undefined;
  const entries = READ.flatMap((name) =>
    Object.hasOwn(value, name) ? [[name, treeOf((value as Json)[name])] as const] : [],
  );
  return { kind: 'object', entries };
}

type Json = Readonly<Record<string, unknown>>;

/** Nothing that is nested deeper is read in the short way. */
const PLAIN_DEPTH_MAX = 50;

/** How many keys there are in a value; undefined when one is a number. */
function keysIn(value: unknown, depth: number): number | undefined {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > PLAIN_DEPTH_MAX) return undefined;
  let count = 0;
  for (const [key, part] of Object.entries(value)) {
    if (!Array.isArray(value)) {
      if (/^\d+$/.test(key)) return undefined;
      count += 1;
    }
    const inside = keysIn(part, depth + 1);
    if (inside === undefined) return undefined;
    count += inside;
  }
  return count;
}

function treeOf(value: unknown): JsonTree {
  if (value === null) return { kind: 'null' };
  if (typeof value === 'string') return { kind: 'string', text: value };
  if (typeof value === 'boolean') return { kind: 'boolean', value };
  if (typeof value === 'number') return { kind: 'number' };
  if (Array.isArray(value)) return { kind: 'array', items: value.map(treeOf) };
  return {
    kind: 'object',
    entries: Object.entries(value as Json).map(([key, part]) => [key, treeOf(part)] as const),
  };
}

/** Splits `@scope/name/a/b` into the package's name and `./a/b`; undefined for what no package can be called. */
export function packageNameOf(
  specifier: string,
): { readonly name: string; readonly subpath: string } | undefined {
  const found = (specifier.startsWith('@') ? /^[^/]*\/[^/]*/ : /^[^/]+/).exec(specifier)?.[0];
  if (found === undefined || /^\.|[\\%]/.test(found)) return undefined;
  return { name: found, subpath: `.${specifier.slice(found.length)}` };
}

/** What a subpath of a package (`.`, `./a`) leads to by its `exports`. */
export function exportTarget(
  exports: JsonTree,
  subpath: string,
  conditions: ReadonlySet<string>,
): Target {
  const map = isInvalid(exports) ? undefined : exports;
  if (map === undefined) return REFUSED;
  let target: Target = { kind: 'null' };
  if (subpath === '.') {
    const hasDots = startsWithDot(map);
    const main = map.kind === 'object' && hasDots ? property(map, '.') : map;
    if (main && main.kind !== 'null') target = targetOf(main, '', false, false, conditions);
  } else if (map.kind === 'object' && startsWithDot(map)) {
    target = keyTarget(map, subpath, false, conditions);
  }
  return settled(target);
}

/** What `#name` leads to by a package's `imports`. */
export function importTarget(
  imports: JsonTree,
  specifier: string,
  conditions: ReadonlySet<string>,
): Target {
  if (imports.kind !== 'object' || isInvalid(imports) || specifier === '#') return REFUSED;
  return settled(keyTarget(imports, specifier, true, conditions));
}

/** Whether esbuild refuses a map as a whole: one whose keys begin with a dot, and some that do not. */
const isInvalid = (map: JsonTree): boolean =>
  map.kind === 'boolean' ||
  map.kind === 'number' ||
  (map.kind === 'object' && new Set(map.entries.map(([key]) => key.startsWith('.'))).size > 1);

const startsWithDot = (map: JsonTree): boolean =>
  map.kind === 'object' && map.entries[0]?.[0].startsWith('.') === true;

/** A target as it counts in the end: decoded, and refused if it is no file. */
function settled(target: Target): Target {
  if (target.kind === 'package') return target;
  if (target.kind !== 'exact' && target.kind !== 'inexact') return REFUSED;
  let path: string;
  try {
    path = decodeURIComponent(target.path);
  } catch {
    return REFUSED;
  }
  if (/%2f|%5c/i.test(target.path) || /[/\\]$/.test(path)) return REFUSED;
  return { ...target, path };
}

function keyTarget(
  map: Extract<JsonTree, { kind: 'object' }>,
  wanted: string,
  isImport: boolean,
  conditions: ReadonlySet<string>,
): Target {
  if (!wanted.endsWith('/') && !wanted.includes('*')) {
    const exact = property(map, wanted);
    if (exact) return targetOf(exact, '', false, isImport, conditions);
  }
  for (const [key, value] of expansionKeys(map)) {
    const star = key.indexOf('*');
    if (star < 0) {
      if (!wanted.startsWith(key)) continue;
      const found = targetOf(value, wanted.slice(key.length), false, isImport, conditions);
      return found.kind === 'exact' ? { kind: 'inexact', path: found.path } : found;
    }
    const [before, after] = [key.slice(0, star), key.slice(star + 1)];
    const fits = after === '' || (wanted.endsWith(after) && wanted.length >= key.length);
    if (!wanted.startsWith(before) || !fits) continue;
    const rest = wanted.slice(before.length, wanted.length - after.length);
    return targetOf(value, rest, true, isImport, conditions);
  }
  return { kind: 'null' };
}

/** Keys that stand for many, the most specific first. */
function expansionKeys(
  map: Extract<JsonTree, { kind: 'object' }>,
): readonly (readonly [string, JsonTree])[] {
  const baseLength = (key: string): number => (key.includes('*') ? key.indexOf('*') : key.length);
  return map.entries
    .filter(([key]) => key.endsWith('/') || key.includes('*'))
    .sort(([a], [b]) => {
      const byBase = baseLength(b) - baseLength(a);
      if (byBase !== 0) return byBase;
      if (a.includes('*') !== b.includes('*')) return a.includes('*') ? -1 : 1;
      return a.includes('*') ? b.length - a.length : 0;
    });
}

const hasInvalidSegment = (path: string): boolean =>
  path
    .split(/[/\\]/)
    .slice(1)
    .some((step) => step === '.' || step === '..' || step === 'node_modules');

function targetOf(
  target: JsonTree,
  rest: string,
  isPattern: boolean,
  isImport: boolean,
  conditions: ReadonlySet<string>,
): Target {
  switch (target.kind) {
    case 'string':
      return pathTarget(target.text, rest, isPattern, isImport);
    case 'object': {
      if (isInvalid(target)) return { kind: 'invalid target' };
      for (const [key, value] of target.entries) {
        if (key !== 'default' && !conditions.has(key)) continue;
        const found = targetOf(value, rest, isPattern, isImport, conditions);
        if (found.kind !== 'undefined') return found;
      }
      return { kind: 'undefined' };
    }
    case 'array': {
      if (target.items.length === 0) return { kind: 'null' };
      let last: Target = { kind: 'undefined' };
      for (const item of target.items) {
        const found = targetOf(item, rest, isPattern, isImport, conditions);
        if (found.kind === 'invalid target' || found.kind === 'null') last = found;
        else if (found.kind !== 'undefined') return found;
      }
      return last;
    }
    case 'null':
      return { kind: 'null' };
    default:
      return { kind: 'invalid target' };
  }
}

function pathTarget(text: string, rest: string, isPattern: boolean, isImport: boolean): Target {
  if (!isPattern && rest !== '' && !text.endsWith('/')) return REFUSED;
  if (!text.startsWith('./')) {
    if (!isImport || text.startsWith('../') || text.startsWith('/')) {
      return { kind: 'invalid target' };
    }
    const specifier = isPattern ? text.replaceAll('*', () => rest) : text + rest;
    return { kind: 'package', specifier };
  }
  if (hasInvalidSegment(text)) return { kind: 'invalid target' };
  const whole = cleaned(`/${text}`);
  if (hasInvalidSegment(rest)) return REFUSED;
  if (!isPattern) return { kind: 'exact', path: cleaned(`${whole}/${rest}`), star: false };
  const star = whole.indexOf('*') === whole.length - 1;
  return { kind: 'exact', path: whole.replaceAll('*', () => rest), star };
}

/** As Go joins paths: no slash is left at the end. */
const cleaned = (path: string): string => {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
};
