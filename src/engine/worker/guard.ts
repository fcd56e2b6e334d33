// guard.ts — refuses code that no bundle holds: what a stage loads while it runs would be in no key
import childProcess from 'node:child_process';
import { readFileSync } from 'node:fs';
import nodeModule, { findSourceMap, isBuiltin, SourceMap } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import workerThreads from 'node:worker_threads';
import { StageError } from '../stage.ts';

/** What of the process is guarded. */
type Host = Pick<NodeJS.Process, 'execPath' | 'cwd'> & { dlopen: object };

/** Part of Node that every `require` goes through, and that tools of tracing rely on. */
interface Loader {
  _load(
    request: string,
    parent: { readonly filename?: string } | undefined,
    isMain: boolean,
  ): unknown;
  readonly prototype: { load(file: string): unknown };
  readonly _extensions: Record<string, (module: unknown, file: string) => unknown>;
  register(...given: unknown[]): unknown;
  /** Since Node 22.15: hooks in this very thread. */
  registerHooks?(hooks: { readonly resolve: Resolve }): void;
}

// Node's types have neither what is private in it, nor what only later versions have.
const loader = nodeModule as unknown as Loader;

type Resolve = (
  specifier: string,
  context: { readonly parentURL?: string; readonly conditions?: readonly string[] },
  next: (specifier: string, context: unknown) => unknown,
) => unknown;

/** Code that is refused. A package that does without what is not there does without this, too. */
class Refused extends StageError {
  readonly code = 'MODULE_NOT_FOUND';
}

/** Bundles are called by their digest. */
const BUNDLE = /[\\/][0-9a-f]{64}\.mjs$/;
const isBundle = (file: string): boolean => BUNDLE.test(file);

const HINT =
  'It would run without being in any key. Import it by a name that stands in the code, so that it is bundled, ' +
  'or load it with `load` and declare it under `tools`.';

const refuse = (place: string, what: string): Refused =>
  new Refused(`${place} ${what}, which no bundle holds. ${HINT}`);

/**
 * Guards a process in which stages run. Node's own modules stay allowed, and whatever code outside of bundles loads:
 * this program, and tools with all that they load in turn.
 */
export function installGuard(host: Host): void {
  here = host.cwd();
  guardRequire(loader);
  guardAddons(host);
  guardThreads();
  guardProcesses(host);
  const { registerHooks } = loader;
  registerHooks?.({ resolve: resolveGuarded });
  guardHooks(loader);
  nodeModule.syncBuiltinESMExports();
}

// ---- The calling module ----

/** Where stage code stands that called a function just now; undefined when other code did. */
function stageCaller(guarded: object): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const held: { stack?: readonly NodeJS.CallSite[] } = {};
  Error.stackTraceLimit = 50;
  Error.prepareStackTrace = (_, sites) => sites;
  Error.captureStackTrace(held, guarded as () => void);
  const sites = held.stack ?? [];
  Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  for (const site of sites) {
    const { file, line, column } = sourceOf(site);
    if (file === undefined || file.startsWith('node:')) continue;
    return isBundle(file) ? placeOf(file, line, column) : undefined;
  }
  // A timer, or another of Node's own, that stage code gave the function to.
  return 'a stage';
}

/** Where a frame is; of code that was made from text, where that was done. */
function sourceOf(site: NodeJS.CallSite): {
  readonly file: string | undefined;
  readonly line: number;
  readonly column: number;
} {
  const file = site.getFileName() ?? undefined;
  const [line, column] = [site.getLineNumber() ?? 1, site.getColumnNumber() ?? 1];
  if (file !== undefined || !site.isEval()) return { file, line, column };
  const made = /((?:file:\/\/|\/)[^()]*?\.[cm]?js):(\d+):(\d+)/.exec(site.getEvalOrigin() ?? '');
  return { file: made?.[1], line: Number(made?.[2]), column: Number(made?.[3]) };
}

/** A place in a bundle, as a place in the file that it was made from. */
function placeOf(file: string, line: number, column: number): string {
  const map = findSourceMap(file) ?? readSourceMap(file);
  const entry = map?.findEntry(line - 1, column - 1);
  if (entry === undefined || !('originalSource' in entry)) return 'a stage';
  const { originalSource, originalLine, originalColumn } = entry;
  return `${shown(originalSource)}:${originalLine + 1}:${originalColumn + 1}`;
}

function readSourceMap(file: string): SourceMap | undefined {
  try {
    const path = file.startsWith('file:') ? fileURLToPath(file) : file;
    return new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Paths are told from here. */
let here = '/';

function shown(source: string): string {
  if (!source.startsWith('file:')) return source;
  const path = relative(here, fileURLToPath(source));
  return path.startsWith('..') ? fileURLToPath(source) : path;
}

// ---- what is asked ----

function guardRequire(loader: Loader): void {
  const { _load } = loader;
  loader._load = function guarded(this: unknown, request, parent, isMain) {
    if (!isBuiltin(String(request))) {
      const place = parent?.filename && isBundle(parent.filename) ? 'a stage' : undefined;
      const caller = stageCaller(guarded) ?? place;
      if (caller !== undefined) throw refuse(caller, `requires \`${request}\``);
    }
    return _load.call(this, request, parent, isMain);
  };
  const { load } = loader.prototype;
  loader.prototype.load = function guarded(this: unknown, file) {
    const caller = stageCaller(guarded);
    if (caller !== undefined) throw refuse(caller, `loads \`${file}\``);
    return load.call(this, file);
  };
  const extension = loader._extensions['.js'];
  loader._extensions['.js'] = function guarded(module, file) {
    const caller = stageCaller(guarded);
    if (caller !== undefined) throw refuse(caller, `loads \`${file}\``);
    return extension?.(module, file);
  };
}

/** Hooks that a stage registers would come before those that guard it. */
function guardHooks(loader: Loader): void {
  for (const name of ['register', 'registerHooks'] as const) {
    const register = loader[name] as ((...given: unknown[]) => unknown) | undefined;
    if (register === undefined) continue;
    const guarded = (...given: unknown[]): unknown => {
      const caller = stageCaller(guarded);
      if (caller !== undefined) throw refuse(caller, 'changes what imports mean');
      return register.apply(loader, given);
    };
    Object.assign(loader, { [name]: guarded });
  }
}

function guardAddons(host: Host): void {
  const dlopen = host.dlopen as (...given: unknown[]) => unknown;
  host.dlopen = function guarded(this: unknown, ...given: unknown[]) {
    const caller = stageCaller(guarded);
    if (caller !== undefined) throw refuse(caller, `loads native code from ${given[1]}`);
    return dlopen.apply(this, given);
  };
}

/** What a thread may do whose code stands in a bundle, as text. */
const THREAD_GUARD = `{
  const module = require('node:module');
  const refuse = (what) => {
    throw Object.assign(new Error('a thread of a stage loads ' + what + ', which no bundle holds'), {
      code: 'MODULE_NOT_FOUND',
    });
  };
  const load = module._load;
  module._load = function (request) {
    return module.isBuiltin(String(request)) ? load.apply(this, arguments) : refuse(request);
  };
  process.dlopen = (_, file) => refuse(file);
  require('node:worker_threads').Worker = function () { refuse('a thread') };
  module.syncBuiltinESMExports();
}
`;

function guardThreads(): void {
  const { Worker } = workerThreads;
  class GuardedWorker extends Worker {
    constructor(code: string | URL, options?: workerThreads.WorkerOptions) {
      const caller = stageCaller(GuardedWorker);
      if (caller === undefined) super(code, options);
      else if (options?.eval !== true) throw refuse(caller, `starts a thread from ${code}`);
      else if (/\bimport\b/.test(String(code))) {
        throw refuse(caller, 'starts a thread that imports modules');
      } else super(THREAD_GUARD + String(code), options);
    }
  }
  workerThreads.Worker = GuardedWorker;
}

function guardProcesses({ execPath }: Host): void {
  const isNode = (program: unknown): boolean =>
    program === execPath || /(^|[\\/])node(\.exe)?$/.test(String(program));
  // Private to Node: each way to start a program ends there.
  const { prototype } = childProcess.ChildProcess as unknown as {
    readonly prototype: { spawn(options: { readonly file?: unknown }): unknown };
  };
  const { spawn } = prototype;
  prototype.spawn = function guarded(this: unknown, options) {
    const caller = isNode(options.file) ? stageCaller(guarded) : undefined;
    if (caller !== undefined) throw refuse(caller, 'starts Node with code');
    return spawn.call(this, options);
  };
  for (const name of ['spawnSync', 'execFileSync'] as const) {
    const start = childProcess[name] as (...given: unknown[]) => unknown;
    const guarded = (...given: unknown[]): unknown => {
      const caller = isNode(given[0]) ? stageCaller(guarded) : undefined;
      if (caller !== undefined) throw refuse(caller, 'starts Node with code');
      return start(...given);
    };
    Object.assign(childProcess, { [name]: guarded });
  }
}

// ---- import() ----

const isFree = (specifier: string): boolean =>
  isBuiltin(specifier) || /^(node|data):/.test(specifier);

const resolveGuarded: Resolve = function guarded(specifier, context, next) {
  const { parentURL = '', conditions = [] } = context;
  const isImport = !conditions.includes('require');
  if (isImport && isBundle(parentURL) && !isFree(specifier)) {
    throw refuse(stageCaller(guarded) ?? importersIn(parentURL), `imports \`${specifier}\``);
  }
  return next(specifier, context);
};

/** Where a bundle still imports by a name that is not known before it runs. */
function importersIn(bundle: string): string {
  const path = fileURLToPath(bundle);
  const lines = readFileSync(path, 'utf8').split('\n');
  const places = lines.flatMap((line, n) =>
    [...line.matchAll(/\bimport\(/g)].map(({ index }) => placeOf(path, n + 1, index + 1)),
  );
  return [...new Set(places)].join(', or ') || 'a stage';
}

/** For a Node without hooks in its own thread. Only what is refused is decided there. */
const HOOKS = `import { isBuiltin } from 'node:module';
export function resolve(specifier, context, next) {
  const isFree = isBuiltin(specifier) || /^(node|data):/.test(specifier);
  if (isFree || !${BUNDLE}.test(context.parentURL ?? '')) return next(specifier, context);
  const url = 'data:text/javascript,' + encodeURIComponent(
    'throw globalThis[Symbol.for("pipeline.refused")](' + JSON.stringify([context.parentURL, specifier]) + ')');
  return { url, format: 'module', shortCircuit: true };
}`;

let isHooked = false;

/** A sandbox may not. */
export const mayStartThreads = (): boolean => process.permission?.has('worker') !== false;

/**
 * Guards what a bundle imports while it runs, before it is imported. A thread for hooks takes longer to start than most
 * bundles take to load, so only a bundle that imports anything gets one.
 */
export function guardImports(text: string): void {
  const { registerHooks } = loader;
  if (isHooked || registerHooks || !/\bimport\b[^;]{0,40}\(/.test(text)) return;
  isHooked = true;
  // A sandbox allows no thread for hooks, and no file beside the bundle to be imported.
  if (!mayStartThreads()) return;
  Object.assign(globalThis, {
    [Symbol.for('pipeline.refused')]: ([parent, specifier]: readonly [string, string]) =>
      refuse(importersIn(parent), `imports \`${specifier}\``),
  });
  nodeModule.register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
}
