// cost.test.ts — what measuring costs, beside a training step (FULL=1: timings need a quiet minute)
import { expect, test } from 'vitest';
import { createMemory } from '../src/network/compile.ts';
import { createGradientMeter } from '../src/network/gradients.ts';
import { initialWeights } from '../src/network/init.ts';
import { backward, createNetwork, forward, parameterGradients } from '../src/network/network.ts';
import { createOptimizer } from '../src/network/optimizer.ts';
import { layerFromFanIn } from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';

const B = 128;

/** 784-512-256-10, nine tenths of the hidden connections absent. */
function setup() {
  const random = stream(1, 'cost');
  const mask = [
    layerFromFanIn(new Array(512).fill(78), 784, random),
    layerFromFanIn(new Array(256).fill(51), 512, random),
    layerFromFanIn(new Array(10).fill(256), 256, random),
  ];
  const memory = createMemory();
  const network = createNetwork(memory, mask, B, 2);
  network.layers.forEach(({ weights }, l) => {
    weights.values.view().set(initialWeights(mask[l]!, 1, l));
  });
  network.input.view().forEach((_, at, X) => {
    X[at] = random.normal();
  });
  return { memory, network, labels: memory.bytes(B) };
}

test.skipIf(process.env.FULL === undefined)(
  'gradient statistics cost less than a twentieth of a step, both windows open',
  () => {
    const { memory, network, labels } = setup();
    const windows = { firstBatches: 10, lastEpochs: 1 };
    const meter = createGradientMeter(network, windows, { epochs: 1, stepsPerEpoch: 10 });
    const optimizer = createOptimizer(memory.kernels, {
      optimizer: 'adam',
      momentum: 0,
      nesterov: false,
      weightDecay: 0,
      clipNorm: Infinity,
    });
    const step = () => {
      forward(network, B);
      const { activations, gradient, outputs } = network.output;
      const [Z, dZ] = [activations.at, gradient.at];
      memory.kernels.softmaxCrossEntropy(Z, labels.at, dZ, outputs, B, B);
      backward(network, B);
      parameterGradients(network, B);
      optimizer.step(network.layers, 1e-6);
    };
    // The least of many short turns, taken in turn: what else the machine does falls on both alike.
    const least = { step: Infinity, measure: Infinity };
    for (let turn = 0; turn < 500; turn++) {
      least.step = Math.min(least.step, microseconds(step, 4));
      least.measure = Math.min(
        least.measure,
        microseconds(() => meter.measure(0), 40),
      );
    }
    const share = least.measure / least.step;
    console.log(
      `a step ${least.step.toFixed(0)} us, measuring ${least.measure.toFixed(0)} us: ` +
        `${(100 * share).toFixed(1)} %`,
    );
    expect(share).toBeLessThan(0.05);
  },
);

/** The time of one call, the mean of `n`. */
function microseconds(call: () => void, n: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < n; i++) call();
  return Number(process.hrtime.bigint() - start) / n / 1e3;
}
