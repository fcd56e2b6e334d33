// rewire.ts — RigL's and SET's change of topology, applied to a network
import { coefficientOfVariation, fanInOf, withoutFanIn, withoutFanOut } from '../sparse/fan-in.ts';
import { type Mask, sharedConnections } from '../sparse/mask.ts';
import { carryOver, type LayerRewiring, randomScores, rewireLayer } from '../sparse/rewiring.ts';
import { stream } from '../stats/stream.ts';
import { connect, type Layer } from './layer.ts';
import type { Floats, Integers } from './memory.ts';
import type { RewiringRecord } from './metrics.ts';
import { denseGradient, type Network } from './network.ts';

/** Room for what is known of every position of the largest layer that can be rewired. */
export interface GradientRoom {
  readonly gradient: Floats;
  /** For `reaching`. */
  readonly indices: Integers;
}

/** Such room for a network. */
export function gradientRoom({ memory, layers }: Network): GradientRoom {
  const positions = layers.map(({ dense, inputs, outputs }) => (dense ? 0 : inputs * outputs));
  const most = Math.max(...positions);
  return { gradient: memory.floats(most), indices: memory.integers(most + 1) };
}

/** Layer l's score of each possible connection, [O][I]: what `rewireLayer` grows by. */
export type Scores = (l: number) => Pick<LayerRewiring, 'scores' | 'reach'>;

/** RigL's: the gradients that `backward` left for a batch of padded size B. `room` is overwritten. */
export function gradientScores(network: Network, B: number, room: GradientRoom): Scores {
  return (l) => {
    denseGradient(network, l, B, room.gradient);
    return scoresIn(network, l, room.gradient, room);
  };
}

/** Layer l's scores at the beginning of a block of the kernels' memory. */
function scoresIn(
  { memory, layers }: Network,
  l: number,
  { at, view }: Floats,
  { indices }: GradientRoom,
): ReturnType<Scores> {
  const positions = layers[l]!.inputs * layers[l]!.outputs;
  return {
    scores: view().subarray(0, positions),
    reach(least) {
      const reaching = memory.kernels.reaching(at, positions, least, indices.at);
      return indices.view().subarray(0, reaching);
    },
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
  { gradient }: GradientRoom,
  sums: readonly Floats[],
): void {
  for (const [l, { dense }] of network.layers.entries()) {
    if (dense) continue;
    denseGradient(network, l, B, gradient);
    network.memory.kernels.add(sums[l]!.at, gradient.at, sums[l]!.length);
  }
}

/** RigL's, when it averages: of the sums so far. */
export const summedScores =
  (network: Network, sums: readonly Floats[], room: GradientRoom): Scores =>
  (l) =>
    scoresIn(network, l, sums[l]!, room);

/** SET's: random numbers, from `stream(seed, 'set', step, l)`. */
export function setScores({ layers }: Network, seed: number, step: number): Scores {
  return (l) => {
    const { inputs, outputs } = layers[l]!;
    return { scores: randomScores(inputs * outputs, stream(seed, 'set', step, l)) };
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
    overlap: mask.map((layer, l) => sharedConnections(layer, initial[l]!) / layer.columns.length),
  };
}

function rewireOne(layer: Layer, scores: ReturnType<Scores>, fraction: number) {
  const weights = layer.weights.values.view();
  const rewired = rewireLayer({ mask: layer.mask, weights, fraction, ...scores });
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
