// network.ts — a multilayer perceptron over sparse layers: forward beside backward
import type { Mask } from '../sparse/mask.ts';
import { CHAINS, createLayer, type Layer } from './layer.ts';
import type { Floats, Memory } from './memory.ts';

/** Kernels take the batch in tiles of 16 samples, two at a time. */
const TWO_TILES = 32;

/** B for n samples: n padded to an even number of tiles. */
export const paddedBatch = (n: number): number => Math.ceil(n / TWO_TILES) * TWO_TILES;

/** ReLU after every layer but the last, which gives the logits. */
export interface Network {
  readonly memory: Memory;
  /** X [T][I][16]: the first layer's inputs. Pad columns are 0. */
  readonly input: Floats;
  readonly layers: readonly Layer[];
  /** The last of the layers. */
  readonly output: Layer;
  /** Room for the weight gradient's unfinished sums, eight lanes each. */
  readonly chains: Floats;
}

/** A network for batches of up to `batch` samples (a multiple of 32), its parameters all 0. */
export function createNetwork(memory: Memory, mask: Mask, batch: number, moments: number): Network {
  const input = memory.floats(mask[0]!.inputs * batch);
  const layers = mask.map((layer) => createLayer(memory, layer, batch, moments));
  const widest = Math.max(CHAINS, ...mask.map(({ inputs }) => inputs));
  return {
    memory,
    input,
    layers,
    output: layers[layers.length - 1]!,
    chains: memory.floats(8 * widest),
  };
}

/** X of layer l: the activations below it. */
const inputOf = ({ input, layers }: Network, l: number): Floats =>
  l === 0 ? input : layers[l - 1]!.activations;

// Dense layers have kernels of their own. They give the same bits, only faster.
// Nothing here allocates: that would be paid at each step.

/** Y = ReLU(W·X + b), layer by layer, for a batch of padded size B. */
export function forward(network: Network, B: number): void {
  const { kernels } = network.memory;
  for (let l = 0; l < network.layers.length; l++) {
    const layer = network.layers[l]!;
    const { rows, sources, weights, bias, activations, inputs: I, outputs: O } = layer;
    const X = inputOf(network, l).at;
    const Y = activations.at;
    const W = weights.values.at;
    const b = bias.values.at;
    const relu = layer === network.output ? 0 : 1;
    if (layer.dense) kernels.denseForward(X, Y, W, b, I, O, B, relu);
    else kernels.forward(X, Y, rows.at, sources.at, W, b, I, O, B, relu);
  }
}

/**
 * dX = Wᵀ·dY through ReLU, from the logits' gradient down to the first layer's. Nothing is handed
 * down to the pixels: nobody would use it.
 */
export function backward(network: Network, B: number): void {
  const { kernels } = network.memory;
  for (let l = network.layers.length - 1; l > 0; l--) {
    const layer = network.layers[l]!;
    const below = network.layers[l - 1]!;
    const { starts, targets, order, inputs: I, outputs: O } = layer;
    const dY = layer.gradient.at;
    const X = below.activations.at;
    const dX = below.gradient.at;
    const W = layer.weights.values.at;
    const room = layer.transposed.at;
    if (layer.dense) kernels.denseInputGradient(dY, X, dX, W, room, I, O, B);
    else kernels.inputGradient(dY, X, dX, starts.at, targets.at, order.at, W, room, I, O, B);
  }
}

/** The gradients of all weights and biases, after `backward`. */
export function parameterGradients(network: Network, B: number): void {
  const { kernels } = network.memory;
  for (let l = 0; l < network.layers.length; l++) {
    const layer = network.layers[l]!;
    const { gradient, rows, sources, weights, bias, inputs: I, outputs: O } = layer;
    const X = inputOf(network, l).at;
    const dY = gradient.at;
    const dW = weights.gradient.at;
    if (layer.dense) denseGradient(network, l, B, weights.gradient);
    else kernels.weightGradient(X, dY, rows.at, sources.at, dW, network.chains.at, I, O, B);
    kernels.biasGradient(dY, rows.at, bias.gradient.at, O, B);
  }
}

/** Writes layer l's weight gradient at all positions, [O][I], into `into`, after `backward`. */
export function denseGradient(network: Network, l: number, B: number, into: Floats): void {
  const { gradient, inputs, outputs } = network.layers[l]!;
  const X = inputOf(network, l).at;
  network.memory.kernels.denseWeightGradient(X, gradient.at, into.at, inputs, outputs, B);
}
