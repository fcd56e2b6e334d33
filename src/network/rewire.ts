// rewire.ts — RigL's change of topology, applied to a network
import { coefficientOfVariation } from '../sparse/fan-in.ts';
import { carryOver, rewireLayer } from '../sparse/rigl.ts';
import { connect, type Layer } from './layer.ts';
import type { Floats } from './memory.ts';
import type { RewiringRecord } from './metrics.ts';
import { denseGradient, type Network } from './network.ts';

/** Room for the gradient at every position of the largest layer that can be rewired. */
export function gradientRoom({ memory, layers }: Network): Floats {
  const positions = layers.map(({ dense, inputs, outputs }) => (dense ? 0 : inputs * outputs));
  return memory.floats(Math.max(...positions));
}

/**
 * Changes the connections of all layers but dense ones, by the gradients that `backward` left for a
 * batch of padded size B. Weights and moments go with the connections that stay; new ones are 0.
 */
export function rewire(
  network: Network,
  { B, step, fraction, room }: { B: number; step: number; fraction: number; room: Floats },
): RewiringRecord {
  const changes = network.layers.map((layer, l) => {
    if (layer.dense) return { replaced: 0, new: 0 };
    denseGradient(network, l, B, room);
    const gradient = room.view().subarray(0, layer.inputs * layer.outputs);
    return rewireOne(layer, gradient, fraction);
  });
  return {
    step,
    replaced: changes.map(({ replaced }) => replaced),
    new: changes.map((change) => change.new),
    fanInCv: network.layers.map(({ mask }) => coefficientOfVariation(fanIn(mask.rows))),
  };
}

function rewireOne(layer: Layer, gradient: Float32Array, fraction: number) {
  const weights = layer.weights.values.view();
  const rewired = rewireLayer({ mask: layer.mask, weights, gradient, fraction });
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

const fanIn = (rows: Int32Array): Int32Array =>
  Int32Array.from({ length: rows.length - 1 }, (_, o) => rows[o + 1] - rows[o]);
