// optimizer.ts — how parameters follow their gradients
import type { Layer, Parameter } from './layer.ts';
import type { Kernels } from './memory.ts';

export interface OptimizerOptions {
  readonly optimizer: 'adam' | 'sgd';
  /** Constant over the run. */
  readonly learningRate: number;
  /** SGD only, in [0, 1). */
  readonly momentum: number;
  /** L2: this times the weight is added to its gradient, as in torch.optim. Biases do not decay. */
  readonly weightDecay: number;
}

/** Steps of one run. Moments lie beside the parameters; the rest of its state is a few numbers. */
export interface Optimizer {
  /** One step for all parameters, from the gradients that lie beside them. */
  step(layers: readonly Layer[]): void;
  /** What `createOptimizer` needs to continue here. */
  state(): readonly number[];
}

/** Arrays that the optimiser keeps beside each parameter. */
export const momentsOf = (optimizer: OptimizerOptions['optimizer']): number =>
  optimizer === 'adam' ? 2 : 1;

/** An optimiser at its beginning, or where `state` was taken. */
export function createOptimizer(
  kernels: Kernels,
  options: OptimizerOptions,
  state?: readonly number[],
): Optimizer {
  return options.optimizer === 'adam' ? adam(kernels, options, state) : sgd(kernels, options);
}

const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-8;

function adam(
  kernels: Kernels,
  { learningRate, weightDecay }: OptimizerOptions,
  // beta1^t and beta2^t as running products: a power function would not be the same everywhere.
  [start1, start2]: readonly number[] = [1, 1],
): Optimizer {
  let power1 = start1;
  let power2 = start2;
  return {
    step(layers) {
      power1 *= BETA_1;
      power2 *= BETA_2;
      const rate = learningRate / (1 - power1);
      const unbias = 1 / (1 - power2);
      eachParameter(layers, weightDecay, ({ values, gradient, moments: [m, v] }, decay) =>
        kernels.adam(
          values.at,
          gradient.at,
          m.at,
          v.at,
          values.length,
          rate,
          BETA_1,
          BETA_2,
          unbias,
          EPSILON,
          decay,
        ),
      );
    },
    state: () => [power1, power2],
  };
}

function sgd(
  kernels: Kernels,
  { learningRate, momentum, weightDecay }: OptimizerOptions,
): Optimizer {
  return {
    step(layers) {
      eachParameter(layers, weightDecay, ({ values, gradient, moments: [velocity] }, decay) =>
        kernels.sgd(
          values.at,
          gradient.at,
          velocity.at,
          values.length,
          learningRate,
          momentum,
          decay,
        ),
      );
    },
    state: () => [],
  };
}

function eachParameter(
  layers: readonly Layer[],
  weightDecay: number,
  visit: (parameter: Parameter, decay: number) => void,
): void {
  for (const { weights, bias } of layers) {
    visit(weights, weightDecay);
    visit(bias, 0);
  }
}
