// optimizer.ts — how parameters follow their gradients
import type { Layer, Parameter } from './layer.ts';
import type { Kernels } from './memory.ts';

export interface OptimizerOptions {
  readonly optimizer: 'adam' | 'adamw' | 'sgd';
  /** SGD only, in [0, 1). */
  readonly momentum: number;
  /** SGD only. */
  readonly nesterov: boolean;
  /** Of weights; biases do not decay. AdamW's is decoupled from the gradient, others' is L2. */
  readonly weightDecay: number;
  /** Gradients whose global norm is greater are scaled down to it; Infinity for none. */
  readonly clipNorm: number;
}

/** Steps of one run. Moments lie beside the parameters; the rest of its state is a few numbers. */
export interface Optimizer {
  /**
   * One step for all parameters at a learning rate, from the gradients that lie beside them, which
   * clipping changes.
   */
  step(layers: readonly Layer[], rate: number): void;
  /** What `createOptimizer` needs to continue here. */
  state(): readonly number[];
}

/** Arrays that the optimiser keeps beside each parameter. */
export const momentsOf = (optimizer: OptimizerOptions['optimizer']): number =>
  optimizer === 'sgd' ? 1 : 2;

/** An optimiser at its beginning, or where `state` was taken. */
export function createOptimizer(
  kernels: Kernels,
  options: OptimizerOptions,
  state?: readonly number[],
): Optimizer {
  const { step, state: stateOf } =
    options.optimizer === 'sgd' ? sgd(kernels, options) : adam(kernels, options, state);
  return {
    step(layers, rate) {
      if (options.clipNorm < Infinity) clipGradients(kernels, layers, options.clipNorm);
      step(layers, rate);
    },
    state: stateOf,
  };
}

const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-8;

/**
 * Adam, and AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, in the form of torch.optim.AdamW:
 * w = w·(1 - rate·decay) comes before Adam's step).
 *
 * A caution for rewired networks: a connection grown late starts with moments 0, while the
 * corrections of their bias, which are one for all weights, are done. Its first step is then
 * (1 - beta1) / sqrt(1 - beta2) = 3.16 times the learning rate, whatever its gradient. The TF1
 * reference of RigL does the same.
 */
function adam(
  kernels: Kernels,
  { optimizer, weightDecay }: OptimizerOptions,
  // beta1^t and beta2^t as running products: a power function would not be the same everywhere.
  [start1, start2]: readonly number[] = [1, 1],
): Optimizer {
  const decoupled = optimizer === 'adamw';
  let power1 = start1;
  let power2 = start2;
  return {
    step(layers, learningRate) {
      power1! *= BETA_1;
      power2! *= BETA_2;
      const rate = learningRate / (1 - power1!);
      const unbias = 1 / (1 - power2!);
      for (let p = 0; p < 2 * layers.length; p++) {
        const { values, gradient, moments } = parameterOf(layers, p);
        const K = values.length;
        const decay = decayOf(p, weightDecay);
        if (decoupled && decay > 0) kernels.scale(values.at, K, 1 - learningRate * decay);
        const w = values.at;
        const dw = gradient.at;
        const m = moments[0]!.at;
        const v = moments[1]!.at;
        const coupled = decoupled ? 0 : decay;
        kernels.adam(w, dw, m, v, K, rate, BETA_1, BETA_2, unbias, EPSILON, coupled);
      }
    },
    state: () => [power1!, power2!],
  };
}

function sgd(kernels: Kernels, { momentum, nesterov, weightDecay }: OptimizerOptions): Optimizer {
  const kernel = nesterov ? kernels.nesterov : kernels.sgd;
  return {
    step(layers, rate) {
      for (let p = 0; p < 2 * layers.length; p++) {
        const { values, gradient, moments } = parameterOf(layers, p);
        const decay = decayOf(p, weightDecay);
        kernel(values.at, gradient.at, moments[0]!.at, values.length, rate, momentum, decay);
      }
    },
    state: () => [],
  };
}

/**
 * Scales all gradients by limit / norm if their global norm, over weights and biases together, is
 * greater than the limit. Squares are summed layer by layer, weights before biases.
 * Source: Pascanu et al. 2013 (arXiv 1211.5063), algorithm 1.
 */
export function clipGradients(kernels: Kernels, layers: readonly Layer[], limit: number): void {
  let squares = 0;
  for (let p = 0; p < 2 * layers.length; p++) {
    const { gradient } = parameterOf(layers, p);
    squares += kernels.sumSquares(gradient.at, gradient.length);
  }
  const norm = Math.sqrt(squares);
  if (norm <= limit) return;
  for (let p = 0; p < 2 * layers.length; p++) {
    const { gradient } = parameterOf(layers, p);
    kernels.scale(gradient.at, gradient.length, limit / norm);
  }
}

// Parameters are counted, two a layer, as nothing may be allocated at a step: weights, then biases.

function parameterOf(layers: readonly Layer[], p: number): Parameter {
  const layer = layers[p >> 1]!;
  return p % 2 === 0 ? layer.weights : layer.bias;
}

/** Biases do not decay. */
const decayOf = (p: number, weightDecay: number): number => (p % 2 === 0 ? weightDecay : 0);
