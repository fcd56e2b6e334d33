// shared-process.ts — keeps stage modules apart that are planned in one process, and notices where that cannot be done
import { EventEmitter } from 'node:events';
import { builtinModules, createRequire, syncBuiltinESMExports } from 'node:module';
import { inspect } from 'node:util';
import { isStageAsking, watchAll } from './read-detector.ts';

/**
 * Keeps modules apart in one process. Each has its own new globals: they are there only while it is loaded or asked.
 * Whatever else it changes that another module could see is noticed, and then no other module may come after it.
 */
export interface ModuleSeparation {
  /** Puts the globals of a module in their place. */
  enter(bundle: string): void;
  /** Puts them away. @returns what the module changed that others would see; undefined when nothing */
  leave(bundle: string): string | undefined;
}

type Key = string | symbol;
type Properties = Readonly<Record<Key, unknown>>;

/** An object that all modules share, as it was. */
interface SharedObject {
  readonly object: object;
  /** Whether it may have other properties beside these. */
  readonly isOpen: boolean;
  readonly isExtensible: boolean;
  readonly keys: readonly Key[];
  /** Of properties without a value, undefined. */
  readonly values: readonly unknown[];
  readonly accessors: ReadonlyMap<Key, PropertyDescriptor>;
}

/** Functions after which something is left behind, or runs later: nothing tells whose it is. */
const LASTING =
  /^(set(?!PrototypeOf$)|createHook$|subscribe$|register|enable|write|append|timeout$)/;

/** Modules of Node's own that stages often import. */
const PRELOADED = ['assert', 'fs/promises', 'perf_hooks', 'tty', 'util', 'zlib'];

const load = createRequire(import.meta.url);
// Not in Node's types.
const { moduleLoadList } = process as unknown as { readonly moduleLoadList: readonly string[] };

/** As they are before anything takes their place. */
const own = {
  cwd: process.cwd.bind(process),
  resources: process.getActiveResourcesInfo.bind(process),
  umask: process.umask.bind(process),
  environment: process.env,
};

/** To be called before any module is loaded. */
export function separateModules(): ModuleSeparation {
  for (const name of PRELOADED) load(name);
  for (const name of loadedBuiltins()) loadLazyParts(load(name) as Properties);
  const builtins = loadedBuiltins().map((name) => load(name) as object);
  let lasting: string | undefined;
  const holders: readonly object[] = [globalThis, process, AbortSignal, ...builtins];
  for (const holder of holders) {
    watchAll(holder, LASTING, () => {
      if (isStageAsking()) lasting ??= 'calls a function that lasts, such as a timer';
    });
  }
  syncBuiltinESMExports();
  const known = new Set(Reflect.ownKeys(globalThis));
  const streams = [process.stdout, process.stderr];
  const objects = sharedObjects([globalThis, process, ...builtins, ...instances()], streams);
  const looked = loadedBuiltins();
  let state: string | undefined;
  const globals = new Map<string, readonly (readonly [Key, PropertyDescriptor])[]>();
  return {
    enter(bundle) {
      // As the first module finds it: until then the process may still be starting.
      state ??= processState(looked);
      for (const [key, property] of globals.get(bundle) ?? []) {
        Object.defineProperty(globalThis, key, property);
      }
    },
    leave(bundle) {
      const added = Reflect.ownKeys(globalThis).filter((key) => !known.has(key));
      globals.set(
        bundle,
        added.map((key) => [key, propertyOf(globalThis, key)]),
      );
      const fixed = added.find((key) => !Reflect.deleteProperty(globalThis, key));
      if (fixed !== undefined) return `fixes the global ${String(fixed)}`;
      if (lasting !== undefined) return lasting;
      if (processState(loadedBuiltins()) !== state) return 'changes the state of its process';
      const changed = objects.find(isChanged);
      return changed && `changes ${nameOf(changed)}`;
    },
  };
}

/** Some modules of Node's load others when they are first asked for a part, as whoever imports them does. */
function loadLazyParts(module: Properties): void {
  for (const name of Object.keys(module)) {
    try {
      void module[name];
    } catch {
      // Not to be had in this process.
    }
  }
}

/** Modules of Node's own that are loaded. One that is loaded later has a state that nobody looks at. */
function loadedBuiltins(): readonly string[] {
  const loaded = new Set(moduleLoadList);
  return builtinModules.filter((name) => loaded.has(`NativeModule ${name}`));
}

/** What modules share that is no property of an object. @param builtins modules of Node's own that are loaded */
function processState(builtins: readonly string[]): string {
  return JSON.stringify([
    own.cwd(),
    own.umask(),
    own.environment,
    // Those are told by the call, and later versions of Node count the one that this runs in.
    own.resources().filter((kind) => kind !== 'Immediate'),
    process.exitCode ?? null,
    process.title,
    EventEmitter.defaultMaxListeners,
    inspect.defaultOptions,
    builtins,
  ]);
}

const propertyOf = (object: object, key: Key): PropertyDescriptor =>
  Reflect.getOwnPropertyDescriptor(object, key) ?? { value: undefined };

/** Objects whose prototypes are no property of anything. */
const instances = (): readonly object[] => [
  [].values(),
  new Map().values(),
  new Set().values(),
  ''[Symbol.iterator](),
  ''.matchAll(/x/g),
  function* () {},
  async () => undefined,
  async function* () {},
];

/**
 * Everything that can be reached from some objects by way of properties and prototypes.
 * @param streams change whenever something is printed: of them only the methods count
 */
function sharedObjects(
  roots: readonly object[],
  streams: readonly object[],
): readonly SharedObject[] {
  const found = streams.map((stream) => {
    const isMethod = (key: Key): boolean => typeof (stream as Properties)[key] === 'function';
    return { ...sharedObject(stream, Reflect.ownKeys(stream).filter(isMethod)), isOpen: true };
  });
  const seen = new Set<unknown>([...streams, process.env, moduleLoadList, load.cache]);
  const open: unknown[] = [...roots];
  for (let object = open.pop(); object !== undefined; object = open.pop()) {
    if (!isObject(object) || seen.has(object)) continue;
    seen.add(object);
    const keys = Reflect.ownKeys(object);
    // Most are functions without anything of interest: they are closed instead of being looked at.
    if (typeof object === 'function' && keys.length === 2) Object.preventExtensions(object);
    else found.push(sharedObject(object, keys));
    for (const key of keys) {
      const { value, get, set } = propertyOf(object, key);
      open.push(value ?? null, get ?? null, set ?? null);
    }
    open.push(Reflect.getPrototypeOf(object));
  }
  return found;
}

function sharedObject(object: object, keys: readonly Key[]): SharedObject {
  const properties = keys.map((key) => [key, propertyOf(object, key)] as const);
  return {
    object,
    isOpen: false,
    isExtensible: Object.isExtensible(object),
    keys,
    values: properties.map(([, { value }]) => value),
    accessors: new Map(properties.filter(([, property]) => !('value' in property))),
  };
}

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

function isChanged(shared: SharedObject): boolean {
  const { object, isOpen, isExtensible, keys, values, accessors } = shared;
  const now = isOpen ? keys : Reflect.ownKeys(object);
  if (now.length !== keys.length || Object.isExtensible(object) !== isExtensible) return true;
  return keys.some((key, at) => {
    if (now[at] !== key) return true;
    const accessor = accessors.get(key);
    if (accessor === undefined) return !Object.is((object as Properties)[key], values[at]);
    const { get, set } = propertyOf(object, key);
    return get !== accessor.get || set !== accessor.set;
  });
}

function nameOf({ object, keys }: SharedObject): string {
  const { name } = (typeof object === 'function' ? object : object.constructor) ?? {};
  return typeof name === 'string' && name !== '' ? name : `what has ${String(keys[0])}`;
}
