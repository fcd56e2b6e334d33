// rewire.ts — RigL's and SET's change of topology, applied to a network
import { coefficientOfVariation, fanInOf, withoutFanIn, withoutFanOut } from '../sparse/fan-in.ts';
import { type Mask, sharedConnections } from '../sparse/mask.ts';
import { carryOver, randomScores, rewireLayer } from '../sparse/rewiring.ts';
import { stream } from '../stats/stream.ts';
import { connect, type Layer } from './layer.ts';
import type { Floats } from './memory.ts';
import type { RewiringRecord } from './metrics.ts';
import { denseGradient, type Network } from './network.ts';

/** Room for the gradient at every position of the largest layer that can be rewired. */
export function gradientRoom({ memory, layers }: Network): Floats {
  const positions = layers.map(({ dense, inputs, outputs }) => (dense ? 0 : inputs * outputs));
  return memory.floats(Math.max(...positions));
}

/** Layer l's score of each possible connection, [O][I]: what `rewireLayer` grows by. */
export type Scores = (l: number) => Float32Array;

/** RigL's: the gradients that `backward` left for a batch of padded size B. `room` is overwritten. */
export function gradientScores(network: Network, B: number, room: Floats): Scores {
  return (l) => {
    const { inputs, outputs } = network.layers[l];
    denseGradient(network, l, B, room);
    return room.view().subarray(0, inputs * outputs);
  };
}

/**
 * Sums of the gradient at every position, [O][I] for each layer but dense ones: RigL scores by them
 * when it averages several batches.
 */
export const gradientSums = ({ memory, layers }: Network): readonly Floats[] =>
  layers.map(({ dense, inputs, outputs }) => memory.floats(dense ? 0 : inputs * outputs));

/**
 * Adds the gradients that `backward` left for a batch of padded size B. `room` is overwritten.
 * A sum orders positions as a mean does.
 */
export function addGradients(
  network: Network,
  B: number,
  room: Floats,
  sums: readonly Floats[],
): void {
  for (const [l, { dense }] of network.layers.entries()) {
    if (dense) continue;
    denseGradient(network, l, B, room);
    network.memory.kernels.add(sums[l].at, room.at, sums[l].length);
  }
}

/** RigL's, when it averages: of the sums so far. */
export const summedScores =
  (sums: readonly Floats[]): Scores =>
  (l) =>
    sums[l].view();

/** SET's: random numbers, from `stream(seed, 'set', step, l)`. */
export function setScores({ layers }: Network, seed: number, step: number): Scores {
  return (l) => {
    const { inputs, outputs } = layers[l];
    return randomScores(inputs * outputs, stream(seed, 'set', step, l));
  };
}

/** One update of all layers but dense ones. */
export interface Update {
  /** Batches seen. */
  readonly step: number;
  /** Of each layer's connections, to be replaced. */
  readonly fraction: number;
  readonly scores: Scores;
  /** The mask that training began with. */
  readonly initial: Mask;
}

/**
 * Changes the connections of all layers but dense ones. Weights and moments go with the connections
 * that stay; new ones are 0.
 */
export function rewire(network: Network, update: Update): RewiringRecord {
  const { step, fraction, scores, initial } = update;
  const changes = network.layers.map((layer, l) =>
    layer.dense ? { replaced: 0, new: 0 } : rewireOne(layer, scores(l), fraction),
  );
  const mask = network.layers.map((layer) => layer.mask);
  return {
    step,
    replaced: changes.map(({ replaced }) => replaced),
    new: changes.map((change) => change.new),
    fanInCv: mask.map((layer) => coefficientOfVariation(fanInOf(layer))),
    withoutFanIn: withoutFanIn(mask),
    withoutFanOut: withoutFanOut(mask),
    overlap: mask.map((layer, l) => sharedConnections(layer, initial[l]) / layer.columns.length),
  };
}

function rewireOne(layer: Layer, scores: Float32Array, fraction: number) {
  const weights = layer.weights.values.view();
  const rewired = rewireLayer({ mask: layer.mask, weights, scores, fraction });
  connect(layer, rewired.mask);
  for (const array of [layer.weights.values, ...layer.weights.moments]) {
    array.view().set(carryOver(array.view(), rewired.origin));
  }
  silenceUnconnected(layer);
  return rewired;
}

/** A neuron that lost its last connection says 0: its bias is frozen until it is connected again. */
function silenceUnconnected({ mask: { outputs, rows }, bias }: Layer): void {
  for (const array of [bias.values, ...bias.moments]) {
    const view = array.view();
    for (let o = 0; o < outputs; o++) if (rows[o] === rows[o + 1]) view[o] = 0;
  }
}
