// init.ts — the weights before training
import type { LayerMask } from '../sparse/mask.ts';
import { stream } from '../stats/stream.ts';

/**
 * Weights [K] of layer `l`: w ~ N(0, 2/k) for a neuron of fan-in k, so that each neuron starts with
 * the same variance whatever its fan-in. Drawn in the order of the connections from
 * `stream(seed, 'weights', l)`. Biases start at 0.
 * Source: He et al. 2015, per neuron as in Evci et al. 2020, "Gradient Flow in Sparse Neural
 * Networks".
 */
export function initialWeights({ outputs, rows, columns }: LayerMask, seed: number, l: number) {
  const draws = stream(seed, 'weights', l);
  const weights = new Float32Array(columns.length);
  for (let o = 0; o < outputs; o++) {
    const deviation = Math.sqrt(2 / (rows[o + 1] - rows[o]));
    for (let k = rows[o]; k < rows[o + 1]; k++) weights[k] = deviation * draws.normal();
  }
  return weights;
}
