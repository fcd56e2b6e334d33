// gradients.ts — measures, while a network trains, how large each neuron's weight gradient is
import { hierarchy } from '../sparse/hierarchy.ts';
import type { GradientStatistics, GradientWindow, LayerGradients } from './metrics.ts';
import type { Network } from './network.ts';

/** When gradients are measured. */
export interface GradientWindows {
  /** Batches from the beginning of the run; 0 for none. */
  readonly firstBatches: number;
  /** Epochs up to the end of the run; 0 for none. */
  readonly lastEpochs: number;
}

/** Sums over the batches of one window. A resumed run gets them back. */
interface Sums {
  readonly name: GradientWindow['name'];
  /** Batches seen before the first one of the window, and before the first one after it. */
  readonly from: number;
  readonly to: number;
  /** [1]: batches that were measured. */
  readonly batches: Float64Array;
  readonly layers: readonly LayerSums[];
}

/** [O] each. */
interface LayerSums {
  readonly fanIn: Float64Array;
  readonly l2: Float64Array;
  readonly l1: Float64Array;
  readonly perConnection: Float64Array;
}

/** Measures gradients in the windows that a run asks for. */
export interface GradientMeter {
  /**
   * Adds the gradients that `parameterGradients` left for the batch that came after `step` others:
   * the loss's own, before weight decay, clipping and the optimiser touch them.
   */
  measure(step: number): void;
  /** The meter's whole state, by the names that it has in a checkpoint. */
  state(): readonly [name: string, sums: Float64Array][];
  statistics(): GradientStatistics;
}

/** A meter that has seen nothing. It costs nothing outside its windows. */
export function createGradientMeter(
  { memory, layers }: Network,
  { firstBatches, lastEpochs }: GradientWindows,
  { epochs, stepsPerEpoch }: { readonly epochs: number; readonly stepsPerEpoch: number },
): GradientMeter {
  const steps = epochs * stepsPerEpoch;
  const sumsOf = (name: Sums['name'], from: number, to: number): Sums => ({
    name,
    from,
    to,
    batches: new Float64Array(1),
    layers: layers.map(({ outputs }) => ({
      fanIn: new Float64Array(outputs),
      l2: new Float64Array(outputs),
      l1: new Float64Array(outputs),
      perConnection: new Float64Array(outputs),
    })),
  });
  const windows = [
    sumsOf('first', 0, Math.min(firstBatches, steps)),
    sumsOf('last', Math.max(0, epochs - lastEpochs) * stepsPerEpoch, steps),
  ].filter(({ from, to }) => from < to);
  const widest = windows.length === 0 ? 0 : Math.max(...layers.map(({ outputs }) => outputs));
  const l1 = memory.floats(widest);
  const l2 = memory.floats(widest);
  const measure = (step: number): void => {
    const open = windows.filter(({ from, to }) => from <= step && step < to);
    if (open.length === 0) return;
    for (const { batches } of open) batches[0]!++;
    layers.forEach(({ mask, weights, rows, outputs }, l) => {
      memory.kernels.rowNorms(weights.gradient.at, rows.at, l1.at, l2.at, outputs);
      for (const sums of open) add(sums.layers[l]!, mask.rows, l1.view(), l2.view());
    });
  };
  return {
    measure(step) {
      if (windows.length > 0) measure(step);
    },
    state: () =>
      windows.flatMap(({ name, batches, layers: sums }): [string, Float64Array][] => [
        [`gradients.${name}.batches`, batches],
        ...sums.flatMap((layer, l) =>
          Object.entries(layer).map(([part, sum]): [string, Float64Array] => [
            `gradients.${name}.layers.${l}.${part}`,
            sum,
          ]),
        ),
      ]),
    statistics: () => ({ windows: windows.map(summarise) }),
  };
}

function add(sums: LayerSums, rows: Int32Array, l1: Float32Array, l2: Float32Array): void {
  for (let o = 0; o < sums.fanIn.length; o++) {
    const k = rows[o + 1]! - rows[o]!;
    sums.fanIn[o]! += k;
    sums.l2[o]! += l2[o]!;
    sums.l1[o]! += l1[o]!;
    if (k > 0) sums.perConnection[o]! += l1[o]! / k;
  }
}

function summarise({ name, from, to, batches, layers }: Sums): GradientWindow {
  const [count] = batches;
  const mean = (sum: Float64Array): number[] =>
    Array.from(sum, (x) => (count === 0 ? 0 : x / count!));
  return {
    name,
    from,
    to,
    batches: count!,
    layers: layers.map((sums): LayerGradients => {
      const neurons = {
        fanIn: mean(sums.fanIn),
        l2: mean(sums.l2),
        l1: mean(sums.l1),
        perConnection: mean(sums.perConnection),
      };
      return { ...neurons, hierarchy: hierarchy(neurons) };
    }),
  };
}
