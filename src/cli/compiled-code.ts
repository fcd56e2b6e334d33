// compiled-code.ts — loads the program from dist/ with the code that V8 compiled for it when it was built
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';

/**
 * Beside the program: the compiled code of its files, made by scripts/compile-ahead.mjs. Whoever can write this file can
 * write the program itself. V8 refuses code of another version or with other flags, and then compiles.
 */
export const COMPILED = 'compiled.bin';

/** A file of the program as it was when it was compiled, and its code. */
export interface CompiledFile {
  readonly size: number;
  /** V8 compares no more than the length of the text. */
  readonly mtimeMs: number;
  readonly code: Uint8Array;
}

/** Files by name. */
export type Compiled = ReadonlyMap<string, CompiledFile>;

/** What the file begins with, after the length of it: four bytes, the lowest first. */
interface CompiledIndex {
  readonly node: string;
  readonly files: readonly {
    readonly name: string;
    readonly size: number;
    readonly mtimeMs: number;
    readonly length: number;
  }[];
}

/** The files of a program that were loaded, compiled. */
export interface LoadedProgram {
  /** @param path `./` and the name of a file of the program */
  require(path: string): unknown;
  readonly scripts: ReadonlyMap<string, Script>;
}

/** What the Node that runs would have to have compiled. */
const OWN_NODE = `${process.version} ${process.arch}`;

/**
 * V8 compiles a function for speed when it has run for so many bytes of its code. Commands last a second: sooner, compiling
 * takes longer than what it saves, on every core that there is. The greatest plans are as fast either way.
 */
const BYTES_BEFORE_OPTIMIZING = 600_000;

/**
 * Sets that, to be called before anything is compiled: V8 refuses code that was compiled with other flags. From Node 22 on
 * it counts calls instead, and is left as it is.
 */
export function optimizeLater(): void {
  if (Number.parseInt(process.versions.node, 10) >= 22) return;
  // Taken when it is needed: a command that has nothing to do starts without.
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  setFlagsFromString(`--interrupt-budget=${BYTES_BEFORE_OPTIMIZING}`);
}

/** Runs here, in a file that Node itself has loaded. */
const imported = (specifier: string): Promise<unknown> => import(specifier);

/** Loads the program in a folder, with compiled code for those of its files that are what they were. */
export function loadProgram(folder: string, compiled: Compiled): LoadedProgram {
  optimizeLater();
  const outside = createRequire(join(folder, 'main.cjs'));
  const modules = new Map<string, { exports: unknown }>();
  const scripts = new Map<string, Script>();
  const load = (path: string): unknown => {
    if (!path.startsWith('./')) return outside(path);
    const loaded = modules.get(path);
    if (loaded) return loaded.exports;
    const module = { exports: {} };
    modules.set(path, module);
    const name = path.slice('./'.length);
    const filename = join(folder, name);
    const { text, size, mtimeMs } = readWithStamp(filename);
    const known = compiled.get(name);
    const holds = known?.size === size && known.mtimeMs === mtimeMs;
    const script = new Script(
      `(function(exports,require,module,__filename,__imported){${text}\n})`,
      {
        filename,
        ...(holds ? { cachedData: known.code } : {}),
      },
    );
    scripts.set(name, script);
    script.runInThisContext()(module.exports, load, module, filename, imported);
    return module.exports;
  };
  return { require: load, scripts };
}

function readWithStamp(path: string): { text: string; size: number; mtimeMs: number } {
  const file = openSync(path, 'r');
  try {
    const { size, mtimeMs } = fstatSync(file);
    return { text: readFileSync(file, 'utf8'), size, mtimeMs };
  } finally {
    closeSync(file);
  }
}

/** The compiled code in a folder; undefined where there is none for this version of Node. */
export function readCompiled(folder: string): Compiled | undefined {
  try {
    const bytes = readFileSync(join(folder, COMPILED));
    let at = 4 + bytes.readUInt32LE(0);
    const { node, files } = JSON.parse(bytes.toString('utf8', 4, at)) as CompiledIndex;
    if (node !== OWN_NODE) return undefined;
    const found = files.map(({ name, size, mtimeMs, length }) => {
      const code = bytes.subarray(at, at + length);
      at += length;
      return [name, { size, mtimeMs, code }] as const;
    });
    // Cut short: it is as good as none.
    return at === bytes.length ? new Map(found) : undefined;
  } catch {
    return undefined;
  }
}

/** The bytes of the file that `readCompiled` reads. */
export function packCompiled(compiled: Compiled): Uint8Array {
  const entries = [...compiled];
  const files = entries.map(([name, { size, mtimeMs, code }]) => {
    return { name, size, mtimeMs, length: code.length };
  });
  const index = Buffer.from(JSON.stringify({ node: OWN_NODE, files } satisfies CompiledIndex));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(index.length);
  return Buffer.concat([length, index, ...entries.map(([, { code }]) => code)]);
}
