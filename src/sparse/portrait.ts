// portrait.ts — one layer of a mask, small enough to be looked at: some of its rows, and what its inputs are used for
import { fanInOf, fanOutOf } from './fan-in.ts';
import { hubsOf } from './hierarchy.ts';
import type { LayerMask } from './mask.ts';

/** A layer of a mask, to be drawn. Plain JSON. */
export interface LayerPortrait {
  readonly inputs: number;
  /** Neurons of the layer. */
  readonly neurons: number;
  /** Neurons that count as hubs: a tenth, rounded up, of greatest fan-in. */
  readonly hubs: number;
  /** Rows drawn, by falling fan-in: every neuron, or some evenly spaced in that order. */
  readonly rows: readonly PortraitRow[];
  /** [inputs]: how many neurons listen to each input, and how many hubs. */
  readonly listeners: readonly number[];
  readonly hubListeners: readonly number[];
}

/** One neuron: the inputs that it listens to, ascending, each as its distance from the one before it. */
export interface PortraitRow {
  readonly hub: boolean;
  readonly steps: readonly number[];
}

/** More rows than these are not told apart. */
const ROWS = 96;

/** The portrait of a layer. */
export function portraitOf(layer: LayerMask): LayerPortrait {
  const { inputs, outputs, rows, columns } = layer;
  const fanIn = fanInOf(layer);
  const order = Array.from(fanIn, (_, o) => o).sort((a, b) => fanIn[b]! - fanIn[a]! || a - b);
  const shown = Math.min(ROWS, outputs);
  const picked = Array.from({ length: shown }, (_, i) => order[Math.floor((i * outputs) / shown)]);
  const hubs = new Set(hubsOf(fanIn));
  const hubListeners = new Array<number>(inputs).fill(0);
  for (const hub of hubs) {
    for (let c = rows[hub]!; c < rows[hub + 1]!; c++) hubListeners[columns[c]!]!++;
  }
  return {
    inputs,
    neurons: outputs,
    hubs: hubs.size,
    rows: picked.map((o) => ({
      hub: hubs.has(o!),
      steps: stepsOf(columns, rows[o!]!, rows[o! + 1]!),
    })),
    listeners: [...fanOutOf(layer)],
    hubListeners,
  };
}

function stepsOf(columns: ArrayLike<number>, from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) =>
    i === 0 ? columns[from]! : columns[from + i]! - columns[from + i - 1]!,
  );
}
