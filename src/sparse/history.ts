// history.ts — the distribution of fan-in at a few moments of rewiring, small enough to be drawn

/** The fan-in of one layer at one moment, pooled over the runs of one start. */
export interface FanInMoment {
  /** Batches seen. */
  readonly step: number;
  /** How many neurons have each fan-in, ascending. */
  readonly counts: readonly (readonly [fanIn: number, neurons: number])[];
}

/** One hidden layer's way from its start to its end. Plain JSON. */
export interface LayerHistory {
  /** From 0. */
  readonly layer: number;
  /** Runs that were pooled. */
  readonly runs: number;
  /** Neurons of the layer, in one run. */
  readonly neurons: number;
  readonly moments: readonly FanInMoment[];
}

/** A row of the stage `convergence`: one start of one setting, layer by layer. */
export interface HistoryRow extends LayerHistory {
  readonly dataset: string | null;
  /** As in `ConvergenceRow`. */
  readonly hidden?: string;
  readonly sparsity: string | null;
  readonly rule: string | null;
  /** The profile that the runs started from, by its label. */
  readonly start: string;
}

/** What is kept of the way of a run's topology. */
export interface RecordedRun {
  /** [U + 1]: batches seen before each record; the first is 0. */
  readonly steps: ArrayLike<number>;
  /** [layer][U + 1][O], the output layer left out. */
  readonly fanIn: readonly (readonly ArrayLike<number>[])[];
}

/** Where moments lie on the way, as fractions of the updates: early ones are closer, since most happens there. */
const MOMENTS = [0, 0.1, 0.3, 0.6, 1];

/**
 * Fan-in before the first update, at three moments between and after the last one, over the updates that all runs
 * have. At least one run.
 */
export function fanInHistory(runs: readonly RecordedRun[]): LayerHistory[] {
  return runs[0]!.fanIn.map((_, layer) => {
    const updates = runs.reduce((n, { fanIn }) => Math.min(n, fanIn[layer]!.length), Infinity) - 1;
    const at = [...new Set(MOMENTS.map((fraction) => Math.round(fraction * updates)))];
    const moments = at.map((update) => ({
      step: runs[0]!.steps[update]!,
      counts: countsOf(runs.flatMap(({ fanIn }) => Array.from(fanIn[layer]![update]!))),
    }));
    return { layer, runs: runs.length, neurons: runs[0]!.fanIn[layer]![0]!.length, moments };
  });
}

function countsOf(fanIn: readonly number[]): FanInMoment['counts'] {
  const counts = new Map<number, number>();
  for (const k of fanIn) counts.set(k, (counts.get(k) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => a - b);
}
