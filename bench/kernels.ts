// kernels.ts — how fast each kernel is on the first layer, beside the most that the machine can do

import { compiledKernels, compileWide, createMemory } from '../src/network/compile.ts';
import { CHAINS, createLayer } from '../src/network/layer.ts';
import type { Mask } from '../src/sparse/mask.ts';

/** What is used of WebAssembly: neither TypeScript's es2023 nor Node's types declare it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

interface Roofline {
  peak(turns: number, w: number): number;
  peakWide(turns: number, w: number): number;
  fed(size: number, times: number, w: number): number;
  stream(size: number, times: number): number;
}

/** Nanoseconds of the fastest of many calls: on a busy machine the only one that says something. */
function fastest(run: () => void, calls = 200): number {
  let best = Number.POSITIVE_INFINITY;
  for (let call = 0; call < calls; call++) {
    const began = performance.now();
    run();
    best = Math.min(best, performance.now() - began);
  }
  return best * 1e6;
}

/** Operations per nanosecond of each kernel; bytes per nanosecond where the name says GB/s. */
export function kernelSpeeds(mask: Mask, B: number, roofline: string): Record<string, number> {
  const memory = createMemory();
  const layer = createLayer(memory, mask[0]!, B, 2);
  const { inputs: I, outputs: O, connections: K, rows, sources, starts, targets, order } = layer;
  const { weights, bias, activations, gradient, transposed, dense } = layer;
  const input = memory.floats(I * B);
  const inputGradient = memory.floats(I * B);
  const everywhere = memory.floats(I * O);
  const chains = memory.floats(8 * Math.max(CHAINS, I)).at;
  for (const { view } of [input, gradient, weights.values]) view().fill(0.1);
  const [X, Y, dX, dY] = [input.at, activations.at, inputGradient.at, gradient.at];
  const [W, dW, b, room] = [weights.values.at, weights.gradient.at, bias.values.at, transposed.at];
  const [m, v] = weights.moments.map(({ at }) => at);
  const k = memory.kernels;
  const [R, C, S, N, P] = [rows, sources, starts, targets, order].map(({ at }) => at);
  const flops = 2 * B * K;
  const sparse = (): Record<string, number> => ({
    forward: flops / fastest(() => k.forward(X, Y, R!, C!, W, b, I, O, B, 1)),
    'input gradient':
      flops / fastest(() => k.inputGradient(dY, X, dX, S!, N!, P!, W, room, I, O, B)),
    'weight gradient': flops / fastest(() => k.weightGradient(X, dY, R!, C!, dW, chains, I, O, B)),
  });
  const everything = (): Record<string, number> => ({
    'dense forward': flops / fastest(() => k.denseForward(X, Y, W, b, I, O, B, 1)),
    'dense input gradient':
      flops / fastest(() => k.denseInputGradient(dY, X, dX, W, room, I, O, B)),
  });
  const code = Buffer.from(roofline, 'base64');
  const { wide } = compiledKernels();
  const module = wide ? compileWide(code) : new WebAssembly.Module(code);
  const instance = new WebAssembly.Instance(module).exports as Roofline;
  const peak = wide ? instance.peakWide : instance.peak;
  const kib = 1024;
  return {
    ...(dense ? everything() : sparse()),
    'dense weight gradient':
      (2 * B * I * O) / fastest(() => k.denseWeightGradient(X, dY, everywhere.at, I, O, B), 60),
    'Adam (10 per weight)':
      (10 * K) / fastest(() => k.adam(W, dW, m!, v!, K, 1e-3, 0.9, 0.999, 1, 1e-8, 0)),
    'peak multiply and add': ((wide ? 2 : 1) * 9.6e5) / fastest(() => peak(10_000, 0.999), 2000),
    'peak with a load for each':
      (256 * 8 * kib) / fastest(() => instance.fed(16 * kib, 256, 0.999), 1000),
    'GB/s from 16 KiB': (64 * 16 * kib) / fastest(() => instance.stream(16 * kib, 64), 1000),
    'GB/s from 512 KiB': (4 * 512 * kib) / fastest(() => instance.stream(512 * kib, 4), 500),
    'GB/s from 32 MiB': (32 * kib * kib) / fastest(() => instance.stream(32 * kib * kib, 1), 30),
  };
}
