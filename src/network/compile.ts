// compile.ts — the kernels, compiled for this machine
import { setFlagsFromString } from 'node:v8';
import bytes from '../../dist/kernels.wasm';
import { type CompiledKernels, type Memory, memoryWith } from './memory.ts';
import { rehearse } from './rehearsal.ts';

/** See memory.ts. */
declare const WebAssembly: { readonly Module: new (bytes: Uint8Array) => object };

/** A fresh memory with its kernels. */
export const createMemory = (): Memory => memoryWith(compiledKernels());

let compiled: CompiledKernels | undefined;

/**
 * The kernels, compiled once a process, so that every run after the first starts with optimised code.
 *
 * V8 can join pairs of neighbouring 128-bit operations of WebAssembly into 256-bit ones (AVX2). What is
 * computed stays the same: the same operations on the same lanes. V8 calls this an experiment, though, so
 * what it makes of the kernels is used only if a rehearsal leaves the same bits as without. The
 * environment variable PIPELINE_NO_WIDE turns it off.
 */
export function compiledKernels(): CompiledKernels {
  compiled ??= compile();
  return compiled;
}

function compile(): CompiledKernels {
  const module = new WebAssembly.Module(bytes);
  const narrow: CompiledKernels = { module, wide: false, wideDense: false };
  const version = joiningV8();
  if (version === undefined) return narrow;
  const wide = { module: compileWide(bytes), wide: true, wideDense: version >= 13 };
  if (sameBits(narrow, wide)) return wide;
  // biome-ignore lint/style/noRestrictedGlobals: a word to whoever waits, and nothing to what is computed
  process.emitWarning(
    'wide vectors would change the bits of this training: it goes on without them',
  );
  return narrow;
}

/**
 * The major version of V8 if it knows how to join, and was not told to leave it: 12, that of Node 22, or
 * later, on x64. It joins nothing on a CPU without AVX2.
 */
function joiningV8(): number | undefined {
  // biome-ignore lint/style/noRestrictedGlobals: says how the kernels are compiled, never what they compute
  const { arch, env, versions } = process;
  const version = Number.parseInt(versions.v8, 10);
  const told = (env.PIPELINE_NO_WIDE ?? '') !== '';
  return arch === 'x64' && version >= 12 && !told ? version : undefined;
}

/**
 * V8's flags that matter while it compiles the kernels, and what they are set to afterwards: other
 * WebAssembly of this process is none of our business. Everything is compiled at once and to the end, since
 * what V8 puts off it would compile without them.
 */
const FLAGS = [
  ['--experimental-wasm-revectorize', '--no-experimental-wasm-revectorize'],
  ['--no-liftoff', '--liftoff'],
  ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
];

/** A custom section without content: V8 would find code that it has compiled from the same bytes. */
const SECTION = [0, 5, 4, ...Buffer.from('wide')];

/** A module in which pairs of 128-bit operations are joined, if V8 knows how. */
export function compileWide(code: Uint8Array): object {
  for (const [set] of FLAGS) setFlagsFromString(set!);
  try {
    return new WebAssembly.Module(Uint8Array.of(...code, ...SECTION));
  } finally {
    for (const [, reset] of FLAGS) setFlagsFromString(reset!);
  }
}

/** Whether two ways to compile the kernels compute the same, to the bit. */
export function sameBits(one: CompiledKernels, other: CompiledKernels): boolean {
  return rehearse(memoryWith(one)).equals(rehearse(memoryWith(other)));
}
