// fan-in.ts — how many connections each neuron has
import type { Mask } from './mask.ts';

/** The fan-in of one layer, summarised. */
export interface LayerFanIn {
  readonly inputs: number;
  readonly outputs: number;
  readonly connections: number;
  /** connections / (inputs * outputs), in [0, 1]. */
  readonly density: number;
  /** Population SD of fan-in over its mean: the achieved CV, never the target. 0 for a layer without connections. */
  readonly cv: number;
  /** [outputs]: connections of each neuron. */
  readonly fanIn: readonly number[];
  /** Neurons without any incoming connection. */
  readonly inactive: number;
}

/** The fan-in of a mask, layer by layer. */
export interface FanInSummary {
  readonly layers: readonly LayerFanIn[];
  /** Over the hidden layers: 1 - connections / possible connections. The output layer is dense and not counted. */
  readonly hiddenSparsity: number;
}

/** Population SD over mean of some counts; 0 when their mean is 0. */
export function coefficientOfVariation(counts: ArrayLike<number>): number {
  const n = counts.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += counts[i];
  if (sum === 0) return 0;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (counts[i] - mean) * (counts[i] - mean);
  return Math.sqrt(squares / n) / mean;
}

/** Summarises a mask of at least one layer; the last layer is the output layer. */
export function fanInSummary(mask: Mask): FanInSummary {
  const layers = mask.map(({ inputs, outputs, rows }): LayerFanIn => {
    const fanIn = Array.from({ length: outputs }, (_, o) => rows[o + 1] - rows[o]);
    const connections = rows[outputs];
    return {
      inputs,
      outputs,
      connections,
      density: connections / (inputs * outputs),
      cv: coefficientOfVariation(fanIn),
      fanIn,
      inactive: fanIn.filter((k) => k === 0).length,
    };
  });
  const hidden = layers.slice(0, -1);
  const connections = hidden.reduce((sum, layer) => sum + layer.connections, 0);
  const possible = hidden.reduce((sum, layer) => sum + layer.inputs * layer.outputs, 0);
  return { layers, hiddenSparsity: possible === 0 ? 0 : 1 - connections / possible };
}
