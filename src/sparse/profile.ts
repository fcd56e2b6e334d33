// profile.ts — how many connections each neuron of a layer gets: sorted fan-in with an exact total
import { apportion } from './apportion.ts';
import { SHAPES, type Shape, type ShapedFamily } from './family.ts';
import { coefficientOfVariation } from './fan-in.ts';

/**
 * How fan-in is spread over the neurons of each hidden layer. Our definitions, as the paper
 * (arXiv 2604.10560) was read in its abstract only.
 * - `dense`: every connection exists, whatever the sparsity: the baseline of all other profiles.
 * - `uniform`: connections uniformly random among all positions (Erdos-Renyi with an exact number
 *   of connections).
 * - `erk`: the same under the layer rule of that name, whatever the network's rule is.
 * - `constant`: every neuron has the same fan-in, or one more where the budget does not divide.
 * - the ten of `family.ts`: fan-in follows a shape with this CV; CV 0 is constant fan-in.
 */
export type Profile =
  | { readonly family: 'dense' }
  | { readonly family: 'uniform' }
  | { readonly family: 'erk' }
  | { readonly family: 'constant' }
  | { readonly family: ShapedFamily; readonly cv: number };

/** A layer and its budget: `connections` of the inputs * outputs that are possible. */
export interface LayerSize {
  readonly inputs: number;
  readonly outputs: number;
  readonly connections: number;
}

/** A fan-in profile of one layer. */
export interface FanInProfile {
  /**
   * [outputs], ascending, summing to `connections`, each from 0 (1 where connections suffice) to
   * `inputs`.
   */
  readonly fanIn: Int32Array;
  /** Of the family's shape: for `lognormal` the sigma of ln fan-in before clamps. */
  readonly theta: number;
  /** The CV achieved (population SD / mean): what to report. */
  readonly cv: number;
}

/** A CV that a family cannot have in a layer. */
export interface InfeasibleCv {
  readonly family: ShapedFamily;
  /** What was asked for. */
  readonly cv: number;
  /**
   * The least CV: that of constant fan-in, which is above 0 where connections / outputs is not a
   * whole number.
   */
  readonly minimumCv: number;
  /**
   * The greatest CV that the family attains. A `cv` between the two fell between the steps of a
   * small layer.
   */
  readonly maximumCv: number;
  readonly size: LayerSize;
}

/** How far the achieved CV may be from the one asked for. */
const CV_TOLERANCE = 0.01;
/**
 * Halvings of one cell of the grid of theta: to 1e-6 of it, below the change that moves a single
 * connection.
 */
const CELL_HALVINGS = 20;
/** Halvings of the water level: enough to reach neighbouring doubles. */
const LEVEL_HALVINGS = 200;

/**
 * The profile of this family with this CV: the first theta, from 0 upward, at which the CV of the
 * whole-numbered fan-in crosses `cv`. Infeasible is a value with the attained maximum, never the
 * nearest profile.
 * @param cv at least 0; 0 is constant fan-in, which may differ by one between neurons.
 * @throws RangeError when cv or the size is out of range.
 */
export function fanInByCv(
  family: ShapedFamily,
  cv: number,
  size: LayerSize,
): FanInProfile | { readonly infeasible: InfeasibleCv } {
  if (!(cv >= 0 && cv < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`a CV is a number from 0 up, not ${cv}`);
  }
  const profileAt = profiler(family, size);
  const constant = constantOf(SHAPES[family], profileAt);
  if (cv === 0) return constant;
  const nearest = cv <= constant.cv ? constant : firstCrossing(SHAPES[family], profileAt, cv);
  if (Math.abs(nearest.cv - cv) <= CV_TOLERANCE) return nearest;
  const maximumCv = maximumCvOf(SHAPES[family], profileAt);
  return { infeasible: { family, cv, minimumCv: constant.cv, maximumCv, size } };
}

/** A fitted sigma beyond this is a mistake: nine neurons in ten would sit at a clamp. */
const MOST_SIGMA = 12;

/**
 * The fan-in of a lognormal quantile profile with this sigma, as fitted to an equilibrium:
 * [outputs], ascending.
 * @param sigma SD of ln fan-in before clamps, in [0, 12].
 * @throws RangeError when sigma or the size is out of range.
 */
export function fanInBySigma(sigma: number, size: LayerSize): Int32Array {
  if (!(sigma >= 0 && sigma <= MOST_SIGMA)) {
    throw new RangeError(`sigma is in [0, ${MOST_SIGMA}], not ${sigma}`);
  }
  return profileBy(sigma, size).fanIn;
}

/** [outputs], ascending: the same fan-in for every neuron, or one more where it does not divide. */
export function constantFanIn(size: LayerSize): Int32Array {
  return profileBy(SHAPES.lognormal.constant, size).fanIn;
}

function profileBy(sigma: number, size: LayerSize): FanInProfile {
  const profile = profiler('lognormal', size)(sigma);
  if (profile === undefined) throw new RangeError(`a lognormal of sigma ${sigma} overflows`);
  return profile;
}

/**
 * The greatest CV that a family attains in a layer, at whatever theta: within 0.5 %, as theta is searched in steps.
 * Takes some milliseconds; `cvBound` is the closed form that holds for every family.
 */
export function maximumCv(family: ShapedFamily, size: LayerSize): number {
  return maximumCvOf(SHAPES[family], profiler(family, size));
}

/**
 * No fan-in profile has a greater CV at this density: sqrt(1 / density - 1), reached when every
 * neuron has all inputs or none. It holds for a whole network under any layer rule too, because its
 * densest layer is at least as dense.
 * @param density connections / possible connections, in (0, 1].
 */
export function cvBound(density: number): number {
  return Math.sqrt(1 / density - 1);
}

/** Undefined where the shape is so steep that it overflows. */
type Profiler = (theta: number) => FanInProfile | undefined;

/** The profiles of a family in a layer, by theta. Budget first, CV after. */
function profiler(family: ShapedFamily, size: LayerSize): Profiler {
  checkSize(size);
  const { inputs, outputs, connections } = size;
  const shape: Shape = SHAPES[family];
  const curves = Array.from({ length: outputs }, (_, i) => shape.g((i + 0.5) / outputs));
  const capacities = new Float64Array(outputs).fill(inputs);
  return (theta) => {
    const heights = new Float64Array(outputs);
    for (let i = 0; i < outputs; i++) heights[i] = curves[i]!(theta);
    const highest = heights[outputs - 1]!;
    if (!(highest > 0 && highest < Number.POSITIVE_INFINITY)) return undefined;
    const fanIn = apportion(waterFill(heights, size), capacities, connections);
    // Ties of the fractional parts may leave neighbours one apart in the wrong order.
    fanIn.sort();
    return { fanIn, theta, cv: coefficientOfVariation(fanIn) };
  };
}

function checkSize({ inputs, outputs, connections }: LayerSize): void {
  const possible = inputs * outputs;
  const whole = [inputs, outputs, connections].every((count) => Number.isSafeInteger(count));
  if (!whole || inputs < 1 || outputs < 1 || connections < 0 || connections > possible) {
    throw new RangeError(`a layer of ${inputs}x${outputs} cannot have ${connections} connections`);
  }
}

/**
 * Real-valued fan-in: c * heights[i], kept within [kmin, inputs], with the c for which it sums to
 * `connections`. kmin is 1 where every neuron can have a connection, else 0.
 * heights: [outputs], positive and ascending, so that those clamped to either end are found by
 * binary search.
 */
function waterFill(
  heights: Float64Array,
  { inputs, outputs, connections }: LayerSize,
): Float64Array {
  const least = connections >= outputs ? 1 : 0;
  const highest = heights[outputs - 1]!;
  const shape = heights.map((height) => Math.max(height / highest, FAINTEST));
  const sums = runningSums(shape);
  const filled = (level: number): number => {
    const low = firstAtLeast(shape, least / level);
    const high = firstAtLeast(shape, inputs / level);
    return least * low + level * (sums[high]! - sums[low]!) + inputs * (outputs - high);
  };
  const level = leastLevel(filled, connections);
  return shape.map((height) => Math.min(inputs, Math.max(least, level * height)));
}

/**
 * The least height, beside the greatest. A shape so steep that it underflows stays above 0: the
 * neurons that it would leave out share what the others cannot take.
 */
const FAINTEST = 1e-290;

/** The least level at which `filled`, which rises with it, reaches `wanted`. */
function leastLevel(filled: (level: number) => number, wanted: number): number {
  let low = 0;
  let high = 1;
  // FAINTEST lifts every shape above the clamps long before this bound.
  while (filled(high) < wanted && high < 1e300) high *= 2;
  for (let halving = 0; halving < LEVEL_HALVINGS; halving++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (filled(middle) < wanted) low = middle;
    else high = middle;
  }
  return high;
}

/** [n + 1]: entry i is the sum of the first i values. */
function runningSums(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i]! + values[i]!;
  return sums;
}

/** The first index whose value is at least `bound`, or the length. values: ascending. */
function firstAtLeast(values: Float64Array, bound: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The profile nearest to the first crossing of `cv`, or the one of greatest CV if there is none. CV
 * rises with theta only up to the family's maximum (then clamps flatten or reverse it), hence a
 * scan, and a bisection in one cell.
 */
function firstCrossing(shape: Shape, profileAt: Profiler, cv: number): FanInProfile {
  let greatest: FanInProfile | undefined;
  let below: FanInProfile | undefined;
  for (const profile of scan(shape, profileAt)) {
    if (below && profile.cv >= cv) return bisectCell(profileAt, below, profile, cv);
    if (greatest === undefined || profile.cv > greatest.cv) greatest = profile;
    below = profile;
  }
  return greatest ?? constantOf(shape, profileAt);
}

/** How much steeper each step beyond the grid of theta is, and how many there are. */
const STEEPER = 1.1;
const STEPS_BEYOND = 160;

/**
 * Profiles from the constant one upward: over the family's grid, and beyond it for as long as the shape grows steeper
 * and CV does not fall far, until the greatest CV is certain.
 */
function* scan(shape: Shape, profileAt: Profiler): Generator<FanInProfile> {
  const constant = constantOf(shape, profileAt);
  yield constant;
  let greatest = constant.cv;
  for (const theta of shape.thetas) {
    const profile = profileAt(theta);
    if (profile === undefined) return;
    yield profile;
    greatest = Math.max(greatest, profile.cv);
  }
  let theta = shape.thetas[shape.thetas.length - 1]!;
  for (let step = 0; step < STEPS_BEYOND; step++) {
    theta *= STEEPER;
    const profile = profileAt(theta);
    // A shape that underflows everywhere but at its top loses its form, and its CV.
    if (profile === undefined || profile.cv < greatest / 2) return;
    yield profile;
    greatest = Math.max(greatest, profile.cv);
  }
}

function constantOf(shape: Shape, profileAt: Profiler): FanInProfile {
  const constant = profileAt(shape.constant);
  if (constant === undefined) throw new RangeError('a constant shape is flat and cannot overflow');
  return constant;
}

function bisectCell(
  profileAt: Profiler,
  below: FanInProfile,
  above: FanInProfile,
  cv: number,
): FanInProfile {
  let [low, high] = [below, above];
  for (let halving = 0; halving < CELL_HALVINGS; halving++) {
    const middle = profileAt((low.theta + high.theta) / 2);
    if (middle === undefined) break;
    if (middle.cv < cv) low = middle;
    else high = middle;
  }
  return cv - low.cv < high.cv - cv ? low : high;
}

function maximumCvOf(shape: Shape, profileAt: Profiler): number {
  let most = 0;
  for (const { cv } of scan(shape, profileAt)) most = Math.max(most, cv);
  return most;
}
