// fan-in.ts — how many connections each neuron has
import type { LayerMask, Mask } from './mask.ts';

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
  /** Neurons that no neuron of the next layer listens to; 0 for the output layer. */
  readonly unheard: number;
  /** Neurons that take part: with a connection in, and one out where there is a next layer. */
  readonly active: number;
}

/** The fan-in of a mask, layer by layer. */
export interface FanInSummary {
  readonly layers: readonly LayerFanIn[];
  /** Over the hidden layers: 1 - connections / possible connections. The output layer is dense and not counted. */
  readonly hiddenSparsity: number;
}

/** [O]: connections of each neuron of a layer. */
export function fanInOf({ outputs, rows }: LayerMask): Int32Array {
  const fanIn = new Int32Array(outputs);
  for (let o = 0; o < outputs; o++) fanIn[o] = rows[o + 1]! - rows[o]!;
  return fanIn;
}

/** Per layer, neurons without any incoming connection. */
export function withoutFanIn(mask: Mask): number[] {
  return mask.map((layer) => fanInOf(layer).filter((k) => k === 0).length);
}

/** Per layer, neurons that no neuron of the next layer listens to; 0 for the output layer. */
export function withoutFanOut(mask: Mask): number[] {
  return mask.map((_, l) => heardIn(mask, l).filter((one) => one === 0).length);
}

/** [O] of layer l: 1 for neurons that the next layer listens to, and for all of the output layer. */
function heardIn(mask: Mask, l: number): Uint8Array {
  if (l + 1 === mask.length) return new Uint8Array(mask[l]!.outputs).fill(1);
  const heard = new Uint8Array(mask[l]!.outputs);
  for (const column of mask[l + 1]!.columns) heard[column] = 1;
  return heard;
}

/** [I]: how many neurons of a layer listen to each of its inputs. */
export function fanOutOf({ inputs, columns }: LayerMask): Int32Array {
  const fanOut = new Int32Array(inputs);
  for (const column of columns) fanOut[column]!++;
  return fanOut;
}

/** Population SD over mean of some counts; 0 when their mean is 0. */
export function coefficientOfVariation(counts: ArrayLike<number>): number {
  const n = counts.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += counts[i]!;
  if (sum === 0) return 0;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (counts[i]! - mean) * (counts[i]! - mean);
  return Math.sqrt(squares / n) / mean;
}

/** Summarises a mask of at least one layer; the last layer is the output layer. */
export function fanInSummary(mask: Mask): FanInSummary {
  const layers = mask.map((layer, l): LayerFanIn => {
    const { inputs, outputs } = layer;
    const heard = heardIn(mask, l);
    const fanIn = [...fanInOf(layer)];
    const connections = layer.columns.length;
    return {
      inputs,
      outputs,
      connections,
      density: connections / (inputs * outputs),
      cv: coefficientOfVariation(fanIn),
      fanIn,
      inactive: fanIn.filter((k) => k === 0).length,
      unheard: heard.filter((one) => one === 0).length,
      active: fanIn.filter((k, o) => k > 0 && heard[o] === 1).length,
    };
  });
  const hidden = layers.slice(0, -1);
  const connections = hidden.reduce((sum, layer) => sum + layer.connections, 0);
  const possible = hidden.reduce((sum, layer) => sum + layer.inputs * layer.outputs, 0);
  return { layers, hiddenSparsity: possible === 0 ? 0 : 1 - connections / possible };
}
