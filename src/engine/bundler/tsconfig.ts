// tsconfig.ts — what of tsconfig.json decides which file an import means, with everything that it extends
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { LookupRecorder } from '../files/lookups.ts';
import { type JsonTree, parseJsonc, property, textOf } from './jsonc.ts';
import { exportTarget, packageNameOf, readPackageJson } from './package-json.ts';

/** `baseUrl` and `paths`, absolute. */
export interface TsConfig {
  readonly baseUrl: string | undefined;
  readonly paths: TsPaths | undefined;
}

interface TsPaths {
  /** What its substitutions are relative to where there is no `baseUrl`. */
  readonly base: string;
  readonly patterns: ReadonlyMap<string, readonly string[]>;
}

const EMPTY: TsConfig = { baseUrl: undefined, paths: undefined };
const REQUIRE = new Set(['require', 'default', 'node']);

/** What became of a configuration that another one extends. */
type Extended = TsConfig | 'missing' | 'cycle';

/** Reads a tsconfig.json as esbuild does, which records everything that it rests on. */
export function readTsConfig(recorder: LookupRecorder, path: string): TsConfig | undefined {
  const read = new TsConfigReader(recorder, dirname(path)).read(path, new Set());
  if (read === 'missing' || read === 'cycle') return undefined;
  const { paths, baseUrl } = read;
  if (paths === undefined || baseUrl !== undefined) return read;
  const patterns = [...paths.patterns].map(
    ([key, substitutions]) => [key, substitutions.filter(isRelativeOrAbsolute)] as const,
  );
  return { ...read, paths: { ...paths, patterns: new Map(patterns) } };
}

/** What `paths` puts in the place of an import, in order, and what a `*` there stands for. */
export interface PathsMatch {
  readonly substitutions: readonly string[];
  readonly matched: string;
}

/** The pattern of `paths` that an import meets: its own name, or the one that fits best. */
export function matchPaths({ patterns }: TsPaths, specifier: string): PathsMatch | undefined {
  const exact = patterns.get(specifier);
  if (exact) return { substitutions: exact, matched: '*' };
  const best = bestPattern([...patterns.keys()], specifier);
  if (best === undefined) return undefined;
  const [before = '', after = ''] = best.split('*');
  const matched = specifier.slice(before.length, specifier.length - after.length);
  return { substitutions: patterns.get(best) ?? [], matched };
}

/** The pattern with the longest beginning that fits, and of those the one with the longest end. */
function bestPattern(patterns: readonly string[], specifier: string): string | undefined {
  const fitting = patterns.flatMap((pattern) => {
    const star = pattern.indexOf('*');
    if (star < 0) return [];
    const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
    const fits = specifier.startsWith(before) && specifier.endsWith(after);
    return fits ? [{ pattern, before: before.length, after: after.length }] : [];
  });
  fitting.sort((a, b) => b.before - a.before || b.after - a.after);
  return fitting[0]?.pattern;
}

/** Without a `baseUrl`, the others are no paths. */
const isRelativeOrAbsolute = (path: string): boolean =>
  /^\.{1,2}$|^\.{0,2}[/\\]|^[a-zA-Z]:[/\\]/.test(path);

class TsConfigReader {
  private readonly recorder: LookupRecorder;
  /** What `${configDir}` stands for. */
  private readonly configDir: string;

  constructor(recorder: LookupRecorder, configDir: string) {
    this.recorder = recorder;
    this.configDir = configDir;
  }

  read(path: string, above: ReadonlySet<string>): Extended {
    const file = this.recorder.real(path) ?? path;
    if (above.has(file)) return 'cycle';
    const text = this.recorder.read(file);
    if (text === undefined) return 'missing';
    const tree = parseJsonc(text);
    if (tree === undefined) this.recorder.doubt ??= `${file} is not JSON`;
    return this.interpret(tree, file, new Set([...above, file]));
  }

  private interpret(
    tree: JsonTree | undefined,
    file: string,
    visited: ReadonlySet<string>,
  ): TsConfig {
    const folder = dirname(file);
    let result = EMPTY;
    for (const name of extendsOf(tree)) {
      const base = this.extended(name, folder, visited);
      if (base !== undefined) result = merged(result, base);
    }
    const options = property(tree, 'compilerOptions');
    const baseUrl = textOf(options, 'baseUrl');
    if (baseUrl !== undefined) {
      const value = this.substituted(baseUrl);
      result = { ...result, baseUrl: isAbsolute(value) ? value : join(folder, value) };
    }
    const paths = property(options, 'paths');
    if (paths?.kind === 'object') {
      result = { ...result, paths: { base: folder, patterns: this.patternsOf(paths) } };
    }
    return result;
  }

  private patternsOf(
    paths: Extract<JsonTree, { kind: 'object' }>,
  ): ReadonlyMap<string, readonly string[]> {
    const isPattern = (text: string): boolean => text.split('*').length <= 2;
    const patterns = new Map<string, string[]>();
    for (const [key, value] of paths.entries) {
      if (!isPattern(key) || value.kind !== 'array') continue;
      const texts = value.items.flatMap((item) =>
        item.kind === 'string' && isPattern(item.text) ? this.substituted(item.text) : [],
      );
      // As many as there are; a key without any counts as absent.
      if (texts.length > 0) patterns.set(key, [...(patterns.get(key) ?? []), ...texts]);
    }
    return patterns;
  }

  private substituted(text: string): string {
    const template = '$' + '{configDir}';
    if (!text.startsWith(template)) return text;
    return join(this.configDir, `./${text.slice(template.length)}`);
  }

  /** What another configuration gives; undefined where there is none. */
  private extended(
    name: string,
    folder: string,
    visited: ReadonlySet<string>,
  ): TsConfig | undefined {
    const isPackage = !/^\/|^\.{1,2}\/|^\.{1,2}$/.test(name) && !isAbsolute(name);
    if (isPackage) {
      this.noteYarn(folder);
      for (let at = folder; ; at = dirname(at)) {
        const found =
          basename(at) === 'node_modules' ? 'missing' : this.inPackage(name, at, visited);
        if (found === 'cycle') return undefined;
        if (found !== 'missing') return found;
        if (dirname(at) === at) return undefined;
      }
    }
    const named = name === '.' || name === '..' ? `${name}/tsconfig.json` : name;
    const path = isAbsolute(named) ? named : join(folder, named);
    let found = this.read(path, visited);
    if (found === 'missing' && !path.endsWith('.json')) {
      const there = this.recorder.entry(dirname(path), basename(path));
      const other = this.recorder.entry(dirname(path), `${basename(path)}.json`);
      if (there?.kind !== 'file' && other?.kind === 'file') {
        found = this.read(`${path}.json`, visited);
      }
    }
    return found === 'missing' || found === 'cycle' ? undefined : found;
  }

  private inPackage(name: string, folder: string, visited: ReadonlySet<string>): Extended {
    const modules = join(folder, 'node_modules');
    let path = join(modules, name);
    const parsed = packageNameOf(name);
    const packageFolder = join(modules, parsed?.name ?? '');
    const text = this.recorder.read(join(packageFolder, 'package.json'));
    const description = text === undefined ? undefined : readPackageJson(text);
    if (description?.tsconfig !== undefined) {
      const { tsconfig } = description;
      path = isAbsolute(tsconfig) ? tsconfig : join(packageFolder, tsconfig);
    }
    if (description?.exports !== undefined) {
      const target = exportTarget(description.exports, parsed?.subpath ?? '', REQUIRE);
      if (target.kind === 'exact') {
        const found = this.read(join(packageFolder, target.path), visited);
        if (found !== 'missing') return found;
      }
    }
    for (const file of [join(path, 'tsconfig.json'), path, `${path}.json`]) {
      const found = this.read(file, visited);
      if (found !== 'missing') return found;
    }
    return 'missing';
  }

  /** Yarn's Plug'n'Play has a resolution of its own, which is not followed here. */
  private noteYarn(folder: string): void {
    for (let at = folder; ; at = dirname(at)) {
      noteYarn(this.recorder, at);
      if (dirname(at) === at) return;
    }
  }
}

/** Looks for what says that Yarn resolves packages in a folder: then nothing is known for certain. */
export function noteYarn(recorder: LookupRecorder, folder: string): void {
  for (const name of ['.pnp.data.json', '.pnp.cjs', '.pnp.js']) {
    if (recorder.entry(folder, name)) recorder.doubt ??= `${folder} has ${name}`;
  }
}

function extendsOf(tree: JsonTree | undefined): readonly string[] {
  const value = property(tree, 'extends');
  const items = value?.kind === 'array' ? value.items : value ? [value] : [];
  return items.flatMap((item) => (item.kind === 'string' ? item.text : []));
}

const merged = (derived: TsConfig, base: TsConfig): TsConfig => ({
  baseUrl: base.baseUrl ?? derived.baseUrl,
  paths: base.paths ?? derived.paths,
});
