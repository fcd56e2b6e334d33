// unbundled.ts — finds what a bundle of a project cannot hold: code that is loaded past the bundler, text that is not UTF-8

import { readFile } from 'node:fs/promises';
import { SourceMap } from 'node:module';
import { extname, relative } from 'node:path';
import type * as acorn from 'acorn';
import type { Loader } from 'esbuild';
import { entryOf } from '../../present.ts';
import type { Diagnostic } from '../model/event.ts';
import { decodeSource } from '../text/source-text.ts';
import { isOwnFile } from './built-in-packages.ts';
import { usingEsbuild } from './esbuild-service.ts';
import { isInPackage } from './resolver.ts';

/** Where a name is imported from: `import { Worker as W } from 'node:worker_threads'` → W. */
interface Imported {
  readonly module: string;
  /** `*` for all of it, or its default, which is the same for Node's own modules. */
  readonly name: string;
}

type Node = acorn.Node & Readonly<Record<string, unknown>>;

const LOADERS: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.jsx': 'jsx',
  '.js': 'jsx',
  '.mjs': 'js',
  '.cjs': 'js',
};

/** Others that are bundled as text. */
const TEXTS: ReadonlySet<string> = new Set(['.json', '.txt', '.css']);

const HINT =
  'import it by a name that stands in the code, so that it is bundled, or load it with `load` and declare it under `tools`';

/** Looks into the modules of a project, into each once. */
export class UnbundledSearch {
  private readonly root: string;
  private readonly known = new Map<string, Promise<readonly Diagnostic[]>>();

  constructor(root: string) {
    this.root = root;
  }

  /**
   * What stands in modules that loads code which no bundle holds. Packages are none of this: what they load is refused
   * when they do. @returns also whether there is nothing, as each place is told once only
   */
  async in(
    modules: Iterable<string>,
  ): Promise<{ readonly found: readonly Diagnostic[]; readonly isClean: boolean }> {
    const paths = [...modules].filter((path) => !isInPackage(path) && !isOwnFile(path));
    const fresh = paths.filter((path) => !this.known.has(path));
    for (const path of fresh) this.known.set(path, findIn(this.root, path));
    const all = await Promise.all(paths.map((path) => this.known.get(path)));
    const found = await Promise.all(fresh.map((path) => this.known.get(path)));
    return {
      found: found.flatMap((one) => one ?? []),
      isClean: all.every((one) => one?.length === 0),
    };
  }
}

async function findIn(root: string, path: string): Promise<readonly Diagnostic[]> {
  const loader = LOADERS[extname(path)];
  if (loader === undefined && !TEXTS.has(extname(path))) return [];
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return [];
  const file = relative(root, path);
  // The bundler would take U+FFFD for each wrong byte.
  const decoded = decodeSource(bytes, file);
  if (!decoded.ok) return decoded.diagnostics;
  const text = decoded.value;
  if (loader === undefined || !isSuspicious(text)) return [];
  const parsed = await parsedAs(text, loader, path);
  if (parsed === undefined) return [];
  const { program, map } = parsed;
  return new Search(program).all().map(({ node, message }) => {
    const start = offsetOf(map, text, node);
    const word = /^[\w$.]+/.exec(text.slice(start))?.[0] ?? ' ';
    return { message, place: { file, text, start, end: start + word.length }, hint: HINT };
  });
}

/** A module as JavaScript; undefined for what the parser does not know yet: the worker's guard sees to that. */
async function parsedAs(
  text: string,
  loader: Loader,
  path: string,
): Promise<{ readonly program: Node; readonly map: SourceMap } | undefined> {
  const { parse } = await import('acorn');
  const options = { loader, target: 'es2022', sourcemap: 'external', sourcefile: path } as const;
  try {
    const made = await usingEsbuild(({ transform }) =>
      transform(text, { ...options, jsx: 'automatic', logLevel: 'silent' }),
    );
    const program = parse(made.code, {
      ecmaVersion: 'latest',
      sourceType: 'module',
      locations: true,
      allowReturnOutsideFunction: true,
      allowHashBang: true,
    });
    // acorn has an interface for each kind of node; `Node` is what is used of them all.
    return { program: program as unknown as Node, map: new SourceMap(JSON.parse(made.map)) };
  } catch {
    return undefined;
  }
}

/** Where a node stands in the text that was written. */
function offsetOf(map: SourceMap, text: string, { loc }: Node): number {
  const { line, column } = (loc as acorn.SourceLocation).start;
  const entry = map.findEntry(line - 1, column);
  if (!('originalLine' in entry)) return 0;
  const before = text.split('\n').slice(0, entry.originalLine);
  return before.reduce((sum, one) => sum + one.length + 1, 0) + entry.originalColumn;
}

/** What Node's own modules have that loads code. */
const LOADING: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  module: {
    createRequire: '`createRequire` loads code that no bundle holds',
    _load: '`Module._load` loads code that no bundle holds',
    register: '`register` loads code that no bundle holds',
    registerHooks: '`registerHooks` changes what imports mean after they were bundled',
  },
  worker_threads: { Worker: 'a thread runs code that no bundle holds' },
  child_process: { fork: '`fork` runs code that no bundle holds' },
  cluster: { fork: '`fork` runs code that no bundle holds' },
  process: { dlopen: '`process.dlopen` loads native code that no bundle holds' },
};

/** Parsing takes far longer than this: whatever is refused names a module and something that it has. */
const isSuspicious = (text: string): boolean =>
  Object.entries(LOADING).some(
    ([module, names]) =>
      text.includes(module) && new RegExp(`\\b(?:${Object.keys(names).join('|')})\\b`).test(text),
  );

class Search {
  private readonly program: Node;
  private readonly imported = new Map<string, Imported>();
  private readonly found: { readonly node: Node; readonly message: string }[] = [];

  constructor(program: Node) {
    this.program = program;
  }

  all(): readonly { readonly node: Node; readonly message: string }[] {
    for (const node of nodesIn(this.program)) {
      if (node.type === 'ImportDeclaration') this.noteImports(node);
      if (node.type === 'VariableDeclarator') this.noteVariable(node);
    }
    this.visit(this.program, undefined);
    return this.found;
  }

  /** `const m = require('node:module')`, `const { Worker } = await import('node:worker_threads')`. */
  private noteVariable({ id, init }: Node): void {
    const module = init ? this.moduleOf(init as Node) : undefined;
    if (module === undefined) return;
    const { name, properties = [] } = id as Node;
    if (typeof name === 'string') this.imported.set(name, { module, name: '*' });
    for (const { key, value } of properties as readonly Node[]) {
      const local = (value as Node | undefined)?.name;
      if (typeof local === 'string') {
        this.imported.set(local, { module, name: String((key as Node).name) });
      }
    }
  }

  private noteImports({ source, specifiers }: Node): void {
    const module = String((source as Node).value).replace(/^node:/, '');
    if (!Object.hasOwn(LOADING, module)) return;
    for (const specifier of specifiers as readonly Node[]) {
      const { name: local } = specifier.local as { readonly name: string };
      const imported = specifier.imported as { readonly name?: string } | undefined;
      const name = imported?.name ?? '*';
      this.imported.set(local, { module, name: name === 'default' ? '*' : name });
    }
  }

  private visit(node: Node, parent: Node | undefined): void {
    if (node.type === 'ImportDeclaration' || node.type === 'ObjectPattern') return;
    if (node.type === 'Identifier') this.judgeName(node, parent);
    if (node.type === 'MemberExpression') this.judgeMember(node, parent);
    for (const child of childrenOf(node)) this.visit(child, node);
  }

  /** A name that something was imported as. */
  private judgeName(node: Node, parent: Node | undefined): void {
    const name = String(node.name);
    const isProperty =
      (parent?.type === 'MemberExpression' && parent.property === node && !parent.computed) ||
      (parent?.type === 'Property' && parent.key === node && parent.value !== node);
    if (isProperty) return;
    const imported = this.imported.get(name);
    if (imported && imported.name !== '*')
      this.refuse(node, imported.module, imported.name, parent);
  }

  /** `module.createRequire`, `process.dlopen`, `(await import('node:module')).createRequire`. */
  private judgeMember(node: Node, parent: Node | undefined): void {
    // A MemberExpression, as the caller has seen.
    const { object, property, computed } = node as unknown as {
      readonly object: Node;
      readonly property: Node;
      readonly computed: boolean;
    };
    const name = computed ? property.value : property.name;
    const module = this.moduleOf(object);
    if (module !== undefined) this.refuse(property, module, String(name), parent);
  }

  private moduleOf(node: Node): string | undefined {
    if (node.type === 'AwaitExpression') return this.moduleOf(node.argument as Node);
    if (node.type === 'ImportExpression' || node.type === 'CallExpression') {
      const argument = (node.source ?? (node.arguments as readonly Node[])[0]) as Node | undefined;
      const callee = node.callee as Node | undefined;
      if (callee && callee.name !== 'require' && propertyName(callee) !== 'getBuiltinModule') {
        return undefined;
      }
      const module = String(argument?.value).replace(/^node:/, '');
      return Object.hasOwn(LOADING, module) ? module : undefined;
    }
    if (node.type !== 'Identifier') return undefined;
    const imported = this.imported.get(String(node.name));
    if (imported?.name === '*') return imported.module;
    if (imported?.module === 'module' && imported.name === 'Module') return 'module';
    return node.name === 'process' ? 'process' : undefined;
  }

  private refuse(node: Node, module: string, name: string, parent: Node | undefined): void {
    const messages = entryOf(LOADING, module);
    if (!Object.hasOwn(messages, name) || isThreadOfText(module, parent)) return;
    this.found.push({ node, message: entryOf(messages, name) });
  }
}

function childrenOf(node: Node): readonly Node[] {
  return Object.entries(node).flatMap(([key, value]) => {
    if (key === 'loc') return [];
    const children: readonly unknown[] = Array.isArray(value) ? value : [value];
    return children.filter((child): child is Node => {
      return typeof (child as Node | undefined)?.type === 'string';
    });
  });
}

function* nodesIn(node: Node): Generator<Node> {
  yield node;
  for (const child of childrenOf(node)) yield* nodesIn(child);
}

const propertyName = ({ type, property }: Node): unknown =>
  type === 'MemberExpression' ? (property as Node).name : undefined;

/** A thread whose code stands in the module as text is held by the bundle. */
function isThreadOfText(module: string, parent: Node | undefined): boolean {
  if (module !== 'worker_threads' || parent?.type !== 'NewExpression') return false;
  const [, options] = parent.arguments as readonly Node[];
  const properties = (options?.properties ?? []) as readonly Node[];
  return properties.some(({ key, value }) => {
    const { name, value: text } = key as Node;
    return (name ?? text) === 'eval' && (value as Node).value === true;
  });
}
