// memory.ts — the memory in which the kernels work, and the kernels themselves
/** A pointer: a byte offset in the kernels' memory. */
type P = number;

/**
 * The kernels as they are called from here; src/network/kernels says what each computes.
 * Letters: B batch (padded to T tiles of 16), n samples in it, I inputs, O outputs, C classes,
 * K connections.
 */
export interface Kernels {
  // biome-ignore format: one line reads better than nine
  assemble(S: P, chosen: P, X: P, room: P, I: number, n: number, B: number, scale: number, shift: number): void;
  // biome-ignore format: one line reads better than ten
  forward(X: P, Y: P, rows: P, sources: P, W: P, bias: P, I: number, O: number, B: number, relu: 0 | 1): void;
  // biome-ignore format: one line reads better than eight
  denseForward(X: P, Y: P, W: P, bias: P, I: number, O: number, B: number, relu: 0 | 1): void;
  countCorrect(Z: P, labels: P, C: number, n: number): number;
  softmaxCrossEntropy(Z: P, labels: P, dZ: P, C: number, n: number, B: number): number;
  smoothLabels(Z: P, labels: P, dZ: P, C: number, n: number, smoothing: number): number;
  // biome-ignore format: one line reads better than eleven
  inputGradient(dY: P, X: P, dX: P, starts: P, targets: P, order: P, W: P, room: P, I: number, O: number, B: number): void;
  // biome-ignore format: one line reads better than eight
  denseInputGradient(dY: P, X: P, dX: P, W: P, room: P, I: number, O: number, B: number): void;
  // biome-ignore format: one line reads better than eight
  weightGradient(X: P, dY: P, rows: P, sources: P, dW: P, room: P, I: number, O: number, B: number): void;
  denseWeightGradient(X: P, dY: P, dW: P, I: number, O: number, B: number): void;
  add(sum: P, x: P, K: number): void;
  reaching(x: P, K: number, least: number, indices: P): number;
  biasGradient(dY: P, rows: P, db: P, O: number, B: number): void;
  rowNorms(dW: P, rows: P, l1: P, l2: P, O: number): void;
  sumSquares(x: P, K: number): number;
  scale(x: P, K: number, factor: number): void;
  // biome-ignore format: two lines read better than eleven
  adam(
    w: P, dw: P, m: P, v: P, K: number,
    rate: number, beta1: number, beta2: number, unbias: number, epsilon: number, decay: number,
  ): void;
  sgd(w: P, dw: P, u: P, K: number, rate: number, momentum: number, decay: number): void;
  nesterov(w: P, dw: P, u: P, K: number, rate: number, momentum: number, decay: number): void;
}

/** An array in the kernels' memory: zero at first, and followed by zeros to 64 bytes. */
export interface Block<View> {
  readonly at: P;
  readonly length: number;
  /**
   * The array as seen from here. Ask again after an allocation: memory that grows detaches views.
   */
  view(): View;
}

export type Floats = Block<Float32Array>;
export type Integers = Block<Int32Array>;
export type Bytes = Block<Uint8Array>;

/** Kernels and a memory of their own. Blocks are never freed: the memory goes with the run. */
export interface Memory {
  readonly kernels: Kernels;
  floats(length: number): Floats;
  integers(length: number): Integers;
  bytes(length: number): Bytes;
}

/** WebAssembly of a module, as far as it is used here: neither TypeScript's es2023 nor Node's types declare it. */
declare const WebAssembly: {
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

interface Exports extends Kernels {
  /** The same as `denseWeightGradient`, to the bit. */
  readonly denseWeightGradientWide: Kernels['denseWeightGradient'];
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  heapBase(): P;
}

const PAGE = 65536;
const ALIGNMENT = 64;
const aligned = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT;

export interface CompiledKernels {
  /** A WebAssembly.Module. */
  readonly module: object;
  /** Compiled so that pairs of 128-bit operations are joined (compile.ts). */
  readonly wide: boolean;
  /** And so well that `denseWeightGradientWide` is the faster one: V8 of Node 22 joins less of it. */
  readonly wideDense: boolean;
}

/** A fresh memory with kernels compiled in this way. */
export function memoryWith({ module, wideDense }: CompiledKernels): Memory {
  const exports = new WebAssembly.Instance(module, {}).exports as Exports;
  const kernels = wideDense
    ? { ...exports, denseWeightGradient: exports.denseWeightGradientWide }
    : exports;
  const { memory, heapBase } = exports;
  let end = aligned(heapBase());

  const allocate = (size: number): P => {
    const at = end;
    end += aligned(size);
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    return at;
  };
  const block = <View extends { readonly buffer: ArrayBufferLike }>(
    array: { readonly BYTES_PER_ELEMENT: number } & (new (
      buffer: ArrayBuffer,
      at: number,
      length: number,
    ) => View),
    length: number,
  ): Block<View> => {
    const at = allocate(length * array.BYTES_PER_ELEMENT);
    let view = new array(memory.buffer, at, length);
    return {
      at,
      length,
      view() {
        if (view.buffer !== memory.buffer) view = new array(memory.buffer, at, length);
        return view;
      },
    };
  };
  return {
    kernels,
    floats: (length) => block(Float32Array, length),
    integers: (length) => block(Int32Array, length),
    bytes: (length) => block(Uint8Array, length),
  };
}
