// stage-module.ts — the only place that loads a stage's bundle: in a worker process, never in that of the command line
import nodeModule, { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { verifiedCode } from '../bundler/bundle-digest.ts';
import type { Digest } from '../model/key.ts';
import type { Load, StageDeclaration } from '../stage.ts';
import { guardImports, mayStartThreads } from './guard.ts';
import type { GivenBundle } from './protocol.ts';

/** What evaluates a module from memory. Node's types have neither what is private in it, nor what only some versions have. */
interface Loader {
  /** Since Node 22.15: hooks in this very thread. */
  registerHooks?(hooks: SyncHooks): { deregister(): void };
  register(specifier: string, options: { readonly data: unknown }): void;
  new (id: string): LoadedModule;
}

interface SyncHooks {
  resolve(specifier: string, context: unknown, next: Next): unknown;
  load(url: string, context: unknown, next: Next): unknown;
}

type Next = (name: string, context: unknown) => unknown;

/** A module of CommonJS, which Node 20 can also make of the text of an ES module. */
interface LoadedModule {
  filename: string;
  readonly exports: { readonly default: StageDeclaration };
  _compile(text: string, file: string, format: 'module'): void;
}

const loader = nodeModule as unknown as Loader;
/** As they are before any stage runs. */
const { registerHooks, register } = loader;

/** Bundles that this process was given, by digest: each is verified and evaluated once. */
const known = new Map<Digest, { readonly text: string; stage?: Promise<StageDeclaration> }>();

/** The text of a bundle, as it was verified. @throws Error when the bytes are not those that its digest names */
export function bundleText(bundle: GivenBundle): string {
  return bundleOf(bundle).text;
}

/**
 * What a bundle exports as its default. What is evaluated are the very bytes that were verified: the file is not read, and
 * may hold something else by now. @throws whatever it throws when it is loaded
 */
export function importStage(bundle: GivenBundle): Promise<StageDeclaration> {
  const own = bundleOf(bundle);
  own.stage ??= evaluate(own.text, bundle.file);
  return own.stage;
}

function bundleOf({ digest, bytes }: GivenBundle): {
  readonly text: string;
  stage?: Promise<StageDeclaration>;
} {
  const before = known.get(digest);
  if (before) return before;
  if (bytes === undefined) throw new Error(`bug: this process was not given bundle ${digest}`);
  if (verifiedCode(bytes, digest) === undefined) {
    throw new Error(`the code of this stage is not that of bundle ${digest}: make again`);
  }
  const bundle = { text: Buffer.from(bytes).toString('utf8') };
  known.set(digest, bundle);
  return bundle;
}

async function evaluate(text: string, file: string): Promise<StageDeclaration> {
  guardImports(text);
  const { href } = pathToFileURL(file);
  const module = registerHooks ? await withHooks(text, href) : await compiled(text, file, href);
  return module.default;
}

type Exports = LoadedModule['exports'];

async function withHooks(source: string, own: string): Promise<Exports> {
  const hooks = registerHooks?.call(nodeModule, {
    resolve: (specifier, context, next) =>
      specifier === own
        ? { url: own, format: 'module', shortCircuit: true }
        : next(specifier, context),
    load: (url, context, next) =>
      url === own ? { source, format: 'module', shortCircuit: true } : next(url, context),
  });
  try {
    return await import(own);
  } finally {
    hooks?.deregister();
  }
}

/** For a Node without such hooks: `require` of ES modules takes a text. */
async function compiled(text: string, file: string, own: string): Promise<Exports> {
  const module = new loader(file);
  module.filename = file;
  try {
    module._compile(text, file, 'module');
    return module.exports;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
  }
  // It awaits at its top level, and is compiled by now: an import of the same name evaluates what was compiled.
  if (!mayStartThreads()) return import(own);
  const data = { own, source: text };
  register.call(nodeModule, `data:text/javascript,${encodeURIComponent(HOOKS)}`, { data });
  return import(own);
}

/** Hooks in a thread of their own, which takes longer to start than most bundles take to load. */
const HOOKS = `let given;
export function initialize(data) { given = data; }
export const resolve = (specifier, context, next) => specifier === given.own
  ? { url: given.own, format: 'module', shortCircuit: true } : next(specifier, context);
export const load = (url, context, next) => url === given.own
  ? { source: given.source, format: 'module', shortCircuit: true } : next(url, context);
`;

/** Packages come from the project: the bundle may lie anywhere. It is this program that loads them, not the stage. */
export function loadFrom(root: string): Load {
  const require = createRequire(join(root, 'package.json'));
  return (name) => require(name);
}
