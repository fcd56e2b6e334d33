// hierarchy.ts — whether hubs, the neurons of greatest fan-in, see larger gradients than others

/** The gradient at each neuron's incoming weights, averaged over batches. All vectors: [O]. */
export interface NeuronGradients {
  /** Connections, the mean over the batches: not whole where the topology changed between them. */
  readonly fanIn: ArrayLike<number>;
  /** L2 norm of the gradient of the weights that exist. */
  readonly l2: ArrayLike<number>;
  /** L1 norm of it. */
  readonly l1: ArrayLike<number>;
  /** L1 norm over fan-in; 0 without connections. */
  readonly perConnection: ArrayLike<number>;
}

/**
 * How a layer's gradient is spread over its neurons. A ratio is the mean over the hubs by the mean
 * over all neurons, at most 10; null where that mean is 0.
 */
export interface Hierarchy {
  /** How many neurons count as hubs: a tenth, rounded up. */
  readonly hubs: number;
  /** Ratio of the L2 norms: what the study calls gradient concentration. */
  readonly l2: number | null;
  /** What `l2` would be if all connections saw equal gradients: the ratio of sqrt(fan-in). */
  readonly l2Null: number | null;
  /**
   * `l2` over `l2Null`: 1 when the gradient concentrates on hubs by their number of connections and
   * nothing else.
   */
  readonly l2BeyondCount: number | null;
  /**
   * Mean L2 norm of the hubs over that of all others, which has no bound: for comparison only. Null
   * where all neurons are hubs, or the others see no gradient.
   */
  readonly l2OverOthers: number | null;
  /** Ratio of the L1 norms. */
  readonly l1: number | null;
  /** What `l1` would be if all connections saw equal gradients: the ratio of fan-in. */
  readonly l1Null: number | null;
  /** Ratio of the gradient per connection, over neurons that have any: beyond counting. */
  readonly perConnection: number | null;
  /** Gini coefficient of the L2 norms, in [0, 1). */
  readonly gini: number | null;
  /** Greatest L2 norm over their mean. */
  readonly maxOverMean: number | null;
}

/**
 * The hierarchy of a layer of at least one neuron. Our definitions: the source (arXiv 2604.10560)
 * states none that is at hand.
 */
export function hierarchy({ fanIn, l2, l1, perConnection }: NeuronGradients): Hierarchy {
  const hubs = hubsOf(fanIn);
  const connected = Array.from(fanIn, (_, o) => o).filter((o) => fanIn[o]! > 0);
  const others = allOf(fanIn).filter((o) => !hubs.includes(o));
  const mean = meanOver(l2, allOf(l2));
  const ratio = hubRatio(l2, hubs);
  const counted = hubRatio(Array.from(fanIn, Math.sqrt), hubs);
  return {
    hubs: hubs.length,
    l2: ratio,
    l2Null: counted,
    l2BeyondCount: over(ratio, counted),
    l2OverOthers: over(meanOver(l2, hubs), meanOver(l2, others)),
    l1: hubRatio(l1, hubs),
    l1Null: hubRatio(fanIn, hubs),
    perConnection: hubRatio(perConnection, hubs, connected),
    gini: gini(l2),
    maxOverMean: mean > 0 ? Array.from(l2).reduce((a, b) => Math.max(a, b)) / mean : null,
  };
}

/**
 * The neurons of greatest fan-in, a tenth rounded up, in the order of their fan-in; ties go to the
 * lower index.
 */
export function hubsOf(fanIn: ArrayLike<number>): number[] {
  const byFanIn = allOf(fanIn).sort((a, b) => fanIn[b]! - fanIn[a]! || a - b);
  return byFanIn.slice(0, Math.ceil(fanIn.length / 10));
}

/**
 * Mean over the hubs by mean over `among`, all neurons unless told; null where the latter is 0.
 * Hubs that are not among them are left out.
 */
export function hubRatio(
  values: ArrayLike<number>,
  hubs: readonly number[],
  among: readonly number[] = allOf(values),
): number | null {
  const members = new Set(among);
  const mean = meanOver(values, among);
  return mean > 0
    ? meanOver(
        values,
        hubs.filter((hub) => members.has(hub)),
      ) / mean
    : null;
}

/**
 * The Gini coefficient of numbers from 0: 0 when all are equal, (n - 1) / n when one has
 * everything; null when all are 0. With x ascending from i = 1, sum (2i - n - 1) x_i / (n sum x_i).
 */
export function gini(values: ArrayLike<number>): number | null {
  const n = values.length;
  let sum = 0;
  let weighted = 0;
  Float64Array.from(values)
    .sort()
    .forEach((x, i) => {
      sum += x;
      weighted += (2 * i + 1 - n) * x;
    });
  return sum > 0 ? weighted / (n * sum) : null;
}

/** A quotient; null where there is none. */
const over = (a: number | null, b: number | null): number | null =>
  a !== null && b !== null && b > 0 ? a / b : null;

/** The indices of a vector. */
const allOf = (values: ArrayLike<number>): number[] => Array.from(values, (_, i) => i);

/** The mean of some entries of a vector; 0 for none. */
function meanOver(values: ArrayLike<number>, indices: readonly number[]): number {
  let sum = 0;
  for (const i of indices) sum += values[i]!;
  return indices.length === 0 ? 0 : sum / indices.length;
}
