// layer-rule.ts — how many connections each layer of a network has
import { apportion } from './apportion.ts';

/**
 * How connections are shared out among layers. `uniform`: every layer has the same density. `erk`:
 * density in proportion to (inputs + outputs) / (inputs * outputs), which for fully connected
 * layers is Erdos-Renyi-Kernel and Erdos-Renyi alike (Evci et al. 2020, arXiv 1911.11134, 3).
 */
export type LayerRule = 'uniform' | 'erk';

/** Which layers the sparsity is counted over. */
export interface BudgetOptions {
  /**
   * True: over the hidden layers, and the output layer is dense. False: over all layers, as in
   * RigL's code.
   */
  readonly denseOutput: boolean;
}

/**
 * Connections per layer, first layer first; layer l has widths[l] inputs and widths[l + 1] outputs.
 *
 * With `denseOutput` the hidden layers have exactly `possible - round(sparsity * possible)`
 * connections in all, under either rule, so that rules are compared at equal cost: shares are
 * rounded by largest remainder.
 *
 * Without it, rounding is that of the reference code, to the last weight: floor(sparsity_l *
 * size_l) zeros in each layer, so that totals overshoot by less than one connection a layer
 * (google-research/rigl, sparse_utils.get_sparsities_erdos_renyi and get_n_zeros).
 *
 * @param widths at least two positive integers, such as [784, 512, 256, 10].
 * @param sparsity in [0, 1): the fraction of possible connections that do not exist.
 * @throws RangeError when these are out of range.
 */
export function layerBudgets(
  rule: LayerRule,
  widths: readonly number[],
  sparsity: number,
  { denseOutput }: BudgetOptions,
): number[] {
  checkNetwork(widths, sparsity);
  const layers = widths.slice(1).map((outputs, l): Layer => ({ inputs: widths[l]!, outputs }));
  if (!denseOutput) return referenceBudgets(rule, layers, sparsity);
  const hidden = layers.slice(0, -1);
  return [...exactBudgets(rule, hidden, sparsity), ...layers.slice(-1).map(sizeOf)];
}

interface Layer {
  readonly inputs: number;
  readonly outputs: number;
}

const sizeOf = ({ inputs, outputs }: Layer): number => inputs * outputs;
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function checkNetwork(widths: readonly number[], sparsity: number): void {
  if (widths.length < 2 || !widths.every((width) => Number.isSafeInteger(width) && width > 0)) {
    throw new RangeError(`a network has at least two positive widths, not [${widths}]`);
  }
  if (!(sparsity >= 0 && sparsity < 1)) {
    throw new RangeError(`sparsity is in [0, 1), not ${sparsity}`);
  }
}

function exactBudgets(rule: LayerRule, layers: readonly Layer[], sparsity: number): number[] {
  const sizes = layers.map(sizeOf);
  const possible = sum(sizes);
  const total = possible - Math.round(sparsity * possible);
  const densities =
    rule === 'erk' ? erkDensities(layers, total) : layers.map(() => total / possible);
  const shares = sizes.map((size, l) => densities[l]! * size);
  return Array.from(apportion(shares, sizes, total));
}

function referenceBudgets(rule: LayerRule, layers: readonly Layer[], sparsity: number): number[] {
  const withFloorZeros = (size: number, density: number): number =>
    size - Math.floor((1 - density) * size);
  const even = layers.map((layer) => sizeOf(layer) - Math.floor(sparsity * sizeOf(layer)));
  if (rule === 'uniform') return even;
  const densities = erkDensities(layers, sum(even));
  return layers.map((layer, l) => withFloorZeros(sizeOf(layer), densities[l]!));
}

/**
 * ERK densities, in [0, 1], whose connections sum to `total`. A layer that would need more than all
 * of its connections is dense and the others share the rest; only the layers at the current maximum
 * become dense in one pass, since the rest may then fit.
 */
function erkDensities(layers: readonly Layer[], total: number): number[] {
  const raw = layers.map(({ inputs, outputs }) => (inputs + outputs) / (inputs * outputs));
  const dense = new Set<number>();
  for (;;) {
    const sparse = raw.map((_, l) => l).filter((l) => !dense.has(l));
    const rest = total - sum([...dense].map((l) => sizeOf(layers[l]!)));
    const epsilon = rest / sum(sparse.map((l) => raw[l]! * sizeOf(layers[l]!)));
    const greatest = Math.max(...sparse.map((l) => raw[l]!));
    if (sparse.length === 0 || epsilon * greatest <= 1) {
      return raw.map((density, l) => (dense.has(l) ? 1 : epsilon * density));
    }
    for (const l of sparse) if (raw[l] === greatest) dense.add(l);
  }
}
