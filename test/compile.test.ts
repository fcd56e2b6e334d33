// compile.test.ts — kernels compiled wide are used only when they leave the same bits
import { afterEach, describe, expect, it, vi } from 'vitest';
import bytes from '../dist/kernels.wasm';
import { compiledKernels, sameBits } from '../src/network/compile.ts';

declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  validate(bytes: Uint8Array): boolean;
};

const V8 = Number.parseInt(process.versions.v8, 10);
const plain = { module: new WebAssembly.Module(bytes), wide: false, wideDense: false };

/** Opcodes of WebAssembly's arithmetic on four float32, by what a mistaken compiler might take them for. */
const MISTAKES = new Map([
  [0xe4, 0xe5], // add, sub
  [0xe5, 0xe4],
  [0xe6, 0xe4], // mul, add
  [0xe7, 0xe6], // div, mul
  [0xe8, 0xe9], // min, max
  [0xe9, 0xe8],
  [0xeb, 0xea], // pmax, pmin
]);

/** The kernels with one operation taken for another, for each operation. */
function* mistaken(): Generator<{ readonly at: number; readonly bytes: Uint8Array }> {
  for (let at = 0; at + 2 < bytes.length; at++) {
    const other = MISTAKES.get(bytes[at + 1]!);
    if (bytes[at] !== 0xfd || bytes[at + 2] !== 0x01 || other === undefined) continue;
    const copy = bytes.slice();
    copy[at + 1] = other;
    if (WebAssembly.validate(copy)) yield { at, bytes: copy };
  }
}

/** Of the mistakes, these are tried: all of them under FULL=1. */
const EVERY = process.env.FULL ? 1 : 6;

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('the kernels, compiled', () => {
  it('are wide where V8 can, and then compute what they compute otherwise', () => {
    const kernels = compiledKernels();
    expect(kernels.wide).toBe(process.arch === 'x64' && V8 >= 12);
    expect(sameBits(plain, kernels)).toBe(true);
    expect(sameBits(plain, { ...plain, wideDense: true })).toBe(true);
    expect(compiledKernels()).toBe(kernels);
  });

  it('are not wide when PIPELINE_NO_WIDE says so', async () => {
    vi.stubEnv('PIPELINE_NO_WIDE', '1');
    // Another module than the one above, which has compiled them already.
    const path = '../src/network/compile.ts?fresh';
    const fresh = (await import(path)) as typeof import('../src/network/compile.ts');
    expect(fresh.compiledKernels().wide).toBe(false);
  });

  it('are told apart when a single operation is compiled wrong, whichever it is', () => {
    const unnoticed: number[] = [];
    let mistakes = 0;
    for (const { at, bytes: wrong } of mistaken()) {
      mistakes++;
      if (mistakes % EVERY !== 0) continue;
      const module = new WebAssembly.Module(wrong);
      // Of the gradient at every position there are two variants.
      const noticed = [false, true].some(
        (wideDense) => !sameBits({ ...plain, wideDense }, { ...plain, wideDense, module }),
      );
      if (!noticed) unnoticed.push(at);
    }
    expect(mistakes).toBeGreaterThan(200);
    expect(unnoticed).toEqual([]);
  });
});
