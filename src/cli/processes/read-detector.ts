// read-detector.ts — notices what a stage module reads beside its bundle while it is planned: such answers are not kept for long
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { ALL_NAMES } from '../../engine/files/environment-mark.ts';
import type { OutsideReads } from '../../engine/worker/protocol.ts';

/** Notes reads from now on. */
export interface ReadsWatch {
  /** Reads are those of this module from now on. */
  enter(bundle: string): void;
  /** What the module has read so far. */
  reads(): OutsideReads;
}

/** What one module read. */
interface Reads {
  readonly environment: Set<string>;
  readonly other: Set<string>;
}

/** Something that holds functions. */
type Functions = Record<string, unknown>;

/** Functions of fs that look at what is on the disk. */
const FS_READERS = /^(read|open|l?stat|fstat|exists|access|realpath|createReadStream|glob|watch)/;
const RANDOM = /^(random|generate|getRandomValues)/;
/** Modules of Node's own that start programs or reach the network. */
const STARTERS = ['child_process', 'dns', 'http', 'https', 'net'];

const load = createRequire(import.meta.url);

/**
 * Puts functions that note what they are asked for in the place of those that look at the world: the environment, files,
 * clocks, random numbers, the network, other programs. To be called before a module is loaded; it works for imports and
 * globals alike.
 */
export function watchReads(): ReadsWatch {
  const byModule = new Map<string, Reads>();
  let current: Reads = { environment: new Set(), other: new Set() };
  const note = (what: string) => (): void => void current.other.add(what);
  // Node itself reads files when it loads a module.
  const noteOfStage = (what: string) => (): void => {
    if (!current.other.has(what) && isStageCalling()) current.other.add(what);
  };

  // Loaded only here: a process that runs stages needs none of them, and they take as long to load as all else in it.
  const fs: typeof import('node:fs') = load('fs');
  const os: typeof import('node:os') = load('os');
  const crypto: typeof import('node:crypto') = load('crypto');
  watchAll(fs, FS_READERS, noteOfStage('files'));
  watchAll(fs.promises, FS_READERS, noteOfStage('files'));
  for (const name of STARTERS) {
    const starts = /^(exec|spawn|fork|lookup|resolve|reverse|request|get$|connect|create)/;
    watchAll(load(name), starts, noteOfStage('other programs or the network'));
  }
  watchAll(os, /^[a-z]/, noteOfStage('the machine'));
  watchAll(crypto, RANDOM, note('random numbers'));
  watchAll(crypto.webcrypto, RANDOM, note('random numbers'));
  watchAll(Math, /^random$/, note('random numbers'));
  watchAll(performance, /^now$/, note('a clock'));
  watchAll(process, /^(hrtime|uptime|cpuUsage|memoryUsage)$/, note('a clock'));
  watchAll(process, /^cwd$/, noteOfStage('the working directory'));
  watchAll(globalThis, /^fetch$/, note('other programs or the network'));
  watchClock(note('a clock'));
  const all = (): void => {
    const { environment } = current;
    if (!environment.has(ALL_NAMES) && isStageCalling()) environment.add(ALL_NAMES);
  };
  process.env = watchedEnvironment(process.env, () => current.environment, all);
  syncBuiltinESMExports();
  return {
    enter(bundle) {
      current = byModule.get(bundle) ?? { environment: new Set(), other: new Set() };
      byModule.set(bundle, current);
    },
    reads: () => ({ environment: [...current.environment], other: [...current.other] }),
  };
}

/** Whether code of a stage is among the callers, and not only Node and this program. */
const isStageCalling = (): boolean => callers().some(isStage);

/** Whether it is the nearest of them. */
export const isStageAsking = (): boolean => callers().slice(0, 1).some(isStage);

const isStage = (file: string): boolean => !file.startsWith('node:');

/** The files of those who called, the nearest first, without this program's own. */
function callers(): readonly string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 50;
  Error.prepareStackTrace = (_, sites) => sites.flatMap((site) => site.getFileName() ?? []);
  // Set by `prepareStackTrace` above, not the text that Node's types promise.
  const files = new Error().stack as unknown as readonly string[];
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  const own = new URL('.', import.meta.url).href;
  return files.filter((file) => !file.startsWith(own));
}

/** Wraps the functions of an object whose names fit, so that each call is noted. */
export function watchAll(holder: object, names: RegExp, note: () => void): void {
  // Looked at by name: whatever it is, it holds functions under some of them.
  const functions = holder as unknown as Functions;
  for (const name of Object.getOwnPropertyNames(holder)) {
    if (!names.test(name)) continue;
    const held = Object.getOwnPropertyDescriptor(holder, name);
    // Not by way of getters: some load a whole library.
    const own = held && 'value' in held ? held.value : undefined;
    if (typeof own === 'function') replace(holder, name, watched(own, note));
  }
  // Methods of `performance` and `webcrypto` stand in their prototypes.
  for (const name of ['now', 'getRandomValues', 'randomUUID']) {
    const own = functions[name];
    if (Object.hasOwn(holder, name) || !names.test(name) || typeof own !== 'function') continue;
    replace(holder, name, watched(own.bind(holder), note));
  }
}

function replace(holder: object, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, writable: true, configurable: true });
}

/** biome-ignore lint/complexity/noBannedTypes: whatever can be called */
type Callable = Function;

function watched(own: Callable, note: () => void): Callable {
  return new Proxy(own, {
    apply(target, self, words) {
      note();
      return Reflect.apply(target, self, words);
    },
    construct(target, words, made) {
      note();
      return Reflect.construct(target, words, made);
    },
  });
}

/** A date that is made from something is no look at the clock. */
function watchClock(note: () => void): void {
  const own = Date;
  const now = watched(own.now, note);
  replace(own, 'now', now);
  const proxy = new Proxy(own, {
    apply(target, self, words) {
      note();
      return Reflect.apply(target, self, words);
    },
    construct(target, words, made) {
      if (words.length === 0) note();
      return Reflect.construct(target, words, made);
    },
  });
  replace(own.prototype, 'constructor', proxy);
  globalThis.Date = proxy;
}

function watchedEnvironment(
  own: NodeJS.ProcessEnv,
  names: () => Set<string>,
  all: () => void,
): NodeJS.ProcessEnv {
  const note = (name: string | symbol): void => {
    // Node reads variables, too, such as FORCE_COLOR when something is printed.
    if (typeof name === 'string' && !names().has(name) && isStageAsking()) names().add(name);
  };
  const listed = new Set<string | symbol>();
  return new Proxy(own, {
    get(target, name) {
      note(name);
      return Reflect.get(target, name);
    },
    has(target, name) {
      note(name);
      return Reflect.has(target, name);
    },
    getOwnPropertyDescriptor(target, name) {
      // `Object.keys` asks for each that it lists, and takes nothing but whether it is there.
      if (!listed.delete(name)) note(name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    ownKeys(target) {
      all();
      const keys = Reflect.ownKeys(target);
      for (const key of keys) listed.add(key);
      queueMicrotask(() => listed.clear());
      return keys;
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  });
}
