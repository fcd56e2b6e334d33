// steps.ts — a process that trains, and prints how many bytes its heap grew by per training step
import { getHeapStatistics } from 'node:v8';
import type { Dataset } from '../src/data/dataset.ts';
import { type TrainingOptions, train } from '../src/network/train.ts';
import { layerFromFanIn } from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';

const FEATURES = 20;
const SAMPLES = 64_000;
/** Code is compiled for good after so many steps. */
const WARM_UP = 6000;

const { optimizer, views } = JSON.parse(process.argv[2]!) as {
  readonly optimizer: TrainingOptions['optimizer'];
  /** Views to create in each step, to show that they would be seen. */
  readonly views: number;
};

const random = stream(1, 'steps');
const samples = Uint8Array.from({ length: SAMPLES * FEATURES }, () => random.below(256));
const labels = Uint8Array.from({ length: SAMPLES }, () => random.below(3));
const train_ = { samples, labels };
const dataset: Dataset = {
  shape: { features: FEATURES, classes: 3, height: 4, width: 5 },
  train: train_,
  test: { samples: samples.subarray(0, 10 * FEATURES), labels: labels.subarray(0, 10) },
  mean: 0.5,
  std: 0.3,
};
const mask = [
  layerFromFanIn(new Array(12).fill(5), FEATURES, random),
  layerFromFanIn(new Array(8).fill(4), 12, random),
  layerFromFanIn(new Array(3).fill(8), 8, random),
];
const options: TrainingOptions = {
  epochs: 1,
  batch: 5,
  optimizer,
  learningRate: 1e-3,
};

let steps = 0;
let before = 0;
let grown = 0;
const kept: unknown[] = new Array(8);

train(
  { dataset, mask, options, seed: 0 },
  {
    due() {
      for (let view = 0; view < views; view++) kept[view] = samples.subarray(0, view);
      steps++;
      if (steps === WARM_UP) before = getHeapStatistics().used_heap_size;
      if (steps === 2 * WARM_UP) grown = getHeapStatistics().used_heap_size - before;
      return false;
    },
    save: () => {},
    progress: () => {},
  },
);
console.log(grown / WARM_UP);
