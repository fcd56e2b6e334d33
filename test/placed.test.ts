// placed.test.ts — masks that come of finished runs, through the real binary
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Convergence } from '../src/sparse/convergence.ts';
import type { FanInSummary } from '../src/sparse/fan-in.ts';
import { PLACEMENT_ARMS } from '../src/sparse/placement.ts';
import { decodeSafetensors } from '../src/tensor.ts';
import type { EquilibriumFits } from '../stages/equilibrium.ts';
import type { Scores } from '../stages/score.ts';
import { type Rig, studyRig } from './rig.ts';

const PIPELINE = `params:
  seeds: [0, 1]
  pilots: [100, 101]
  network: &network { hidden: [32, 16], sparsity: 0.8, rule: erk }
  starts:
    - { family: uniform }
    - { family: lognormal, cv: 0.5 }
    - { family: power, cv: 1.9 }            # not in the second layer
    - { family: power, cv: 2.1 }            # at no sparsity of 0.8
  controls: [equilibrium, sigma-x2, pilot-hubs, pilot-mask]
  placements: [random, by-score, copied-hubs, copied]
  arms: [${PLACEMENT_ARMS.join(', ')}]
  profile: { family: power, cv: 0.5 }
  training: { epochs: 1, batch: 64, optimizer: sgd, learningRate: 1.0e-30 }
  rigl: { fraction: 0.3, every: 2, stop: 1 }

stages:
  dataset:
    run: stages/dataset.ts
    params: { dataset: { kind: synth-digits, train: 400, test: 50 } }
  pilot-mask:
    run: stages/mask.ts
    matrix: { pilot: $pilots }
    inputs: { shape: dataset.shape }
    params: { <<: *network, profile: { family: uniform }, seed: $pilot }
  pilot:
    run: stages/rigl.ts
    matrix: { pilot: $pilots }
    inputs: { data: dataset.data, shape: dataset.shape, mask: pilot-mask.mask }
    params: { training: $training, rigl: $rigl, seed: $pilot }
    artifacts: { fanIn: '{pilot}.json', model: '{pilot}.safetensors' }
  equilibrium:
    run: stages/equilibrium.ts
    inputs: { start: pilot-mask.fanIn, end: pilot.fanIn }
    params: { pilots: $pilots, seeds: $seeds }
    artifacts: { fits: fits.json }
  matched:
    run: stages/matched-mask.ts
    matrix: { control: $controls, seed: $seeds }
    inputs: { shape: dataset.shape, equilibrium: equilibrium.equilibrium, pilots: pilot.mask }
    params: { <<: *network }
    artifacts: { fanIn: '{control}-{seed}.json' }

  start:
    run: stages/mask.ts
    infeasible: skip
    matrix: { profile: $starts, seed: $seeds }
    inputs: { shape: dataset.shape }
    params: { <<: *network }
  run:
    run: stages/rigl.ts
    matrix: { profile: $starts, seed: $seeds }
    inputs: { data: dataset.data, shape: dataset.shape, mask: start.mask }
    params: { training: $training, rigl: $rigl, gradients: { lastEpochs: 0 } }
  convergence:
    run: stages/convergence.ts
    inputs: { topology: run.topology, mask: run.mask, metrics: run.metrics, reference: pilot.topology }
    artifacts: { convergence: convergence.json }

  placed:
    run: stages/placed-mask.ts
    matrix: { arm: $arms }
    inputs:
      source: { from: pilot.mask, where: { pilot: 100 } }
      start: { from: pilot-mask.mask, where: { pilot: 100 } }
    params: { seed: 7, sourceSeed: 100 }
    artifacts: { fanIn: '{arm}.json' }
  static:
    run: stages/static.ts
    matrix: { arm: [exact, rewind] }
    inputs:
      data: dataset.data
      shape: dataset.shape
      mask: placed.mask
      initial: placed.initial
    params: { training: $training, seed: 7 }
    artifacts: { model: '{arm}.safetensors' }

  score:
    run: stages/score.ts
    inputs: { gradients: { from: run.gradients, where: { profile: uniform, seed: 0 } } }
    params: { by: gradient }
    artifacts: { score: score.json }
  hubs:
    run: stages/mask.ts
    matrix: { placement: $placements }
    inputs:
      shape: dataset.shape
      score: score.score
      source: { from: pilot.mask, where: { pilot: 100 } }
    params: { <<: *network, profile: $profile, seed: 3 }
    artifacts: { fanIn: '{placement}.json' }
`;

describe('masks that come of finished runs', () => {
  test('are matched, placed, compared and trained, with equal connections per layer', async () => {
    const rig = await studyRig({ pipeline: PIPELINE });
    const { code, events } = await rig.make();
    expect(events.filter(({ event }) => event === 'failed')).toEqual([]);
    expect(code).toBe(0);
    const read = <T>(path: string): T => JSON.parse(rig.read(`artifacts/${path}.json`));

    const pilot = read<FanInSummary>('pilot/100');
    const budgets = pilot.layers.map(({ connections }) => connections);
    const masks = new Map<string, FanInSummary>();
    for (const path of [
      ...PLACEMENT_ARMS.map((arm) => `placed/${arm}`),
      ...['equilibrium', 'sigma-x2', 'pilot-hubs', 'pilot-mask'].map((c) => `matched/${c}-0`),
      ...['random', 'by-score', 'copied-hubs', 'copied'].map((p) => `hubs/${p}`),
    ]) {
      const mask = read<FanInSummary>(path);
      expect(mask.layers.map(({ connections }) => connections)).toEqual(budgets);
      masks.set(path, mask);
    }
    const first = (path: string): readonly number[] => masks.get(path)?.layers[0]?.fanIn ?? [];
    const own = pilot.layers[0]!.fanIn;
    expect(first('hubs/copied')).toEqual(own);
    expect(first('matched/pilot-mask-0')).toEqual(own);
    expect(first('placed/fan-in-kept')).toEqual(own);
    expectSameOrder(first('hubs/copied-hubs'), own);
    expectSameOrder(first('matched/pilot-hubs-0'), own);
    expectSameOrder(first('hubs/by-score'), read<Scores>('score/score').layers[0]!);
    const cv = (path: string): number => masks.get(path)?.layers[0]?.cv ?? Number.NaN;
    expect(cv('matched/sigma-x2-0')).toBeGreaterThan(1.5 * cv('matched/equilibrium-0'));

    const { rows, missing } = read<Convergence>('convergence/convergence');
    expect(missing.map(({ task }) => task)).toEqual([
      'run[power-cv1.9,0]',
      'run[power-cv1.9,1]',
      'run[power-cv2.1,0]',
      'run[power-cv2.1,1]',
    ]);
    expect(missing[0]!.reason).toMatch(
      /CV 1\.9 is infeasible for power in hidden layer 2 .*at most CV 0\.84/,
    );
    expect(rows.map(({ start, layer, n, references }) => [start, layer, n, references])).toEqual([
      ['uniform', 0, 2, 2],
      ['uniform', 1, 2, 2],
      ['lognormal-cv0.5', 0, 2, 2],
      ['lognormal-cv0.5', 1, 2, 2],
    ]);
    expect(rows[2]!.curve.map(({ step }) => step)).toEqual([0, 2, 4, 6]);
    expect(rows[2]!.curve[0]!.w1).toBeCloseTo(rows[2]!.w1Start, 12);
    expect(rows[2]!.curve[3]!.w1).toBeCloseTo(rows[2]!.w1End, 12);
    expect(rows[2]!.cvStart).toBeCloseTo(0.5, 1);
    expect(read<EquilibriumFits>('equilibrium/fits').layers).toHaveLength(2);

    expectRewound(rig);
  });
});

/**
 * A rewound run begins with the weights of the run that its mask comes from. The learning rate is
 * next to nothing, so that models are what training began with.
 */
function expectRewound(rig: Rig): void {
  const weights = (path: string): readonly number[] => {
    const bytes = readFileSync(join(rig.folder, `artifacts/${path}.safetensors`));
    return Array.from(decodeSafetensors(bytes).tensors['layers.0.values']!.data);
  };
  const [pilot, rewound, fresh] = ['pilot/100', 'static/rewind', 'static/exact'].map(weights);
  // The same mask: connections that never moved have their weights of the beginning; those that the
  // pilot grew began at 0 there, and are drawn anew.
  const moved = pilot!.map((weight) => Math.abs(weight) < 1e-20);
  expect(moved.filter((is) => is).length).toBeGreaterThan(0);
  const kept = moved.flatMap((is, k) => (is ? [] : [k]));
  expect(kept.map((k) => rewound![k])).toEqual(kept.map((k) => pilot![k]));
  expect(rewound!.filter((weight, k) => weight !== fresh![k]).length).toBeGreaterThan(
    kept.length / 2,
  );
}

describe('what cannot be', () => {
  test('is found before anything runs, with its place, where params tell', async () => {
    const rig = await studyRig({ pipeline: PIPELINE });
    rig.edit('pipeline.yaml', 'pilots: [100, 101]', 'pilots: [100, 1]');
    rig.edit('pipeline.yaml', 'family: power', 'family: pwoer');
    rig.edit('pipeline.yaml', ', sourceSeed: 100', '');
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toContain('pipeline.yaml:3:17: error: pilot seed 1 is also a seed');
    expect(stderr).toContain('pipeline.yaml:8:17: error: `profile.family` must be one of');
    expect(stderr).toContain('needs `sourceSeed`');
  });

  test('is said in words where only inputs tell', async () => {
    const rig = await studyRig({ pipeline: PIPELINE });
    rig.edit('pipeline.yaml', '      score: score.score\n', '');
    rig.edit(
      'pipeline.yaml',
      '*network, profile: $profile',
      '*network, sparsity: 0.9, profile: $profile',
    );
    const { code, stderr } = await rig.run('make', 'hubs');
    expect(code).toBe(1);
    expect(stderr).toContain('placement by-score needs the input `score`');
    expect(stderr).toContain('the mask to copy has layers 784x32');
  });
});

/** Whoever has more in `order` has no less in `counts`. */
function expectSameOrder(counts: readonly number[], order: readonly number[]): void {
  const ranked = counts.map((_, o) => o).sort((a, b) => order[a]! - order[b]! || b - a);
  const placed = ranked.map((o) => counts[o]);
  expect(placed).toEqual([...placed].sort((a, b) => a! - b!));
}
