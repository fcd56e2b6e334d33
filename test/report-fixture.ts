// report-fixture.ts — a study that never ran: seeded numbers of the shape and size of real ones
import { createHash } from 'node:crypto';
import exp from '@stdlib/math-base-special-exp';
import ln from '@stdlib/math-base-special-ln';
import type { EpochRecord, TrainingMetrics } from '../src/network/metrics.ts';
import type {
  Coordinates,
  EquilibriumRow,
  Method,
  Run,
  Sourced,
  Study,
} from '../src/report/study.ts';
import { fitEquilibrium } from '../src/sparse/equilibrium.ts';
import { coefficientOfVariation, type FanInSummary } from '../src/sparse/fan-in.ts';
import { stream } from '../src/stats/stream.ts';

const INPUTS = 784;
const HIDDEN = [256, 128];
const CLASSES = 10;
const EPOCHS = 20;

/** A start, the CV it has and the CV at which RigL leaves it. */
const PROFILES = [
  { name: 'uniform', cv: 0.11, after: 0.38 },
  { name: 'lognormal-cv0.5', cv: 0.5, after: 0.54 },
  { name: 'lognormal-cv1', cv: 1, after: 0.72 },
  { name: 'lognormal-cv2', cv: 2, after: 1.18 },
  { name: 'lognormal-matched', cv: 0.42, after: 0.44 },
];

/** How large a fixture is, and what it is called. */
export interface FixtureOptions {
  readonly seeds?: number;
  readonly profiles?: readonly string[];
  readonly rules?: readonly string[];
  readonly title?: string;
}

/** Two layer rules, five profiles, static and RigL, and a dense arm; three seeds unless told otherwise. */
export function fixtureStudy(options: FixtureOptions = {}): Study {
  const {
    seeds = 3,
    rules = ['uniform', 'erk'],
    title = 'Profiles of fan-in on synthetic digits',
  } = options;
  const names = options.profiles ?? PROFILES.map(({ name }) => name);
  const seedNames = Array.from({ length: seeds }, (_, seed) => String(seed));
  const arms = rules.flatMap((rule) => names.map((profile) => ({ rule, profile })));
  const at = (rule: string, profile: string, seed: string): Coordinates => ({
    dataset: 'synth-digits',
    sparsity: rule === '' ? '0' : '0.9',
    rule,
    profile,
    seed,
  });
  const sparse = (['static', 'rigl'] as const).flatMap((method) =>
    arms.flatMap(({ rule, profile }) =>
      seedNames.map((seed) => fixtureRun(at(rule, profile, seed), method, names.indexOf(profile))),
    ),
  );
  const dense = seedNames.map((seed) => fixtureRun(at('', 'dense', seed), 'dense', 0));
  return {
    title,
    datasets: [
      {
        name: 'synth-digits',
        synthetic: true,
        features: INPUTS,
        classes: CLASSES,
        train: 60000,
        test: 10000,
        from: sourced(null, 'dataset[synth-digits]', 'shape').from,
      },
    ],
    hidden: HIDDEN,
    training: { epochs: EPOCHS, batch: 128, optimizer: 'adam', learningRate: 0.001 },
    rigl: { fraction: 0.3, interval: 100, stop: 0.75 },
    runs: [...dense, ...sparse],
    equilibria: rules.map(fixtureEquilibrium),
    missing: [],
    claims: null,
  };
}

function fixtureRun(coordinates: Coordinates, method: Method, index: number): Run {
  const { dataset, sparsity, rule, profile, seed } = coordinates;
  const { cv, after } = PROFILES[index % PROFILES.length];
  const place = [dataset, sparsity, rule, profile, seed].filter((part) => part !== '').join(',');
  const task = method === 'dense' ? `dense[${dataset},${seed}]` : `${method}[${place}]`;
  const metrics = sourced(fixtureMetrics(coordinates, method, index), task, 'metrics');
  if (method === 'dense')
    return { coordinates, method, metrics, fanInBefore: null, fanInAfter: null };
  const mask = `mask[${place}]`;
  const fanInBefore = sourced(fixtureFanIn(rule, cv, mask), mask, 'fan-in');
  const fanInAfter =
    method === 'rigl' ? sourced(fixtureFanIn(rule, after, task), task, 'fan-in') : null;
  return { coordinates, method, metrics, fanInBefore, fanInAfter };
}

function fixtureMetrics(at: Coordinates, method: Method, index: number): TrainingMetrics {
  const random = stream(Number(at.seed), 'fixture', method, at.rule, index);
  const level = { dense: 0.9812, static: 0.9715, rigl: 0.9768 }[method];
  const rule = at.rule === 'uniform' ? -0.0011 : 0;
  const end = level + rule - 0.0004 * (index % PROFILES.length) + 0.0008 * random.normal();
  const floor = method === 'dense' ? 0.004 : 0.02;
  const epochs = Array.from({ length: EPOCHS }, (_, i): EpochRecord => {
    const left = exp(-(i + 1) / 4);
    return {
      epoch: i + 1,
      loss: (floor + 0.9 * left) * (1 + 0.04 * random.normal()),
      testAccuracy: Math.min(1, end - 0.09 * left + 0.0007 * random.normal()),
    };
  });
  const last = epochs[EPOCHS - 1];
  return {
    method: method === 'rigl' ? 'rigl' : 'static',
    accuracy: last.testAccuracy,
    loss: last.loss,
    epochs,
    steps: EPOCHS * 469,
    connections: [20070, 3277, 1280],
    withoutFanIn: [0, 0, 0],
    withoutFanOut: [0, 0, 0],
    rewirings: [],
  };
}

/** Lognormal fan-in of this CV, but for rounding and clamping; the output layer is dense. */
function fixtureFanIn(rule: string, cv: number, name: string): FanInSummary {
  const random = stream(1, 'fixture-fan-in', name);
  const densities = rule === 'erk' ? [0.0797, 0.1446] : [0.1, 0.1];
  const widths = [INPUTS, ...HIDDEN, CLASSES];
  const sigma = Math.sqrt(ln(1 + cv * cv));
  const layers = widths.slice(1).map((outputs, l) => {
    const inputs = widths[l];
    const mean = l < densities.length ? densities[l] * inputs : inputs;
    const fanIn = Array.from({ length: outputs }, () => {
      if (l === densities.length) return inputs;
      const drawn = mean * exp(sigma * random.normal() - (sigma * sigma) / 2);
      return Math.min(inputs, Math.max(1, Math.round(drawn)));
    });
    const connections = fanIn.reduce((sum, k) => sum + k, 0);
    return {
      inputs,
      outputs,
      connections,
      density: connections / (inputs * outputs),
      cv: coefficientOfVariation(fanIn),
      fanIn,
      inactive: 0,
      unheard: 0,
      active: outputs,
    };
  });
  return { layers, hiddenSparsity: 0.9 };
}

function fixtureEquilibrium(rule: string): EquilibriumRow {
  const pilots = Array.from({ length: 3 }, (_, pilot) => {
    const task = `pilot[synth-digits,0.9,${rule},${pilot}]`;
    return {
      start: fixtureFanIn(rule, 0.11, `start ${task}`),
      end: sourced(fixtureFanIn(rule, 0.41, task), task, 'fan-in'),
    };
  });
  const fit = fitEquilibrium(pilots.map(({ start, end }) => ({ start, end: end.value })));
  return {
    dataset: 'synth-digits',
    sparsity: '0.9',
    rule,
    fit: sourced(fit, `equilibrium[synth-digits,0.9,${rule}]`, 'equilibrium'),
    pilots: pilots.map(({ end }) => end),
  };
}

function sourced<T>(value: T, task: string, output: string): Sourced<T> {
  const digest = createHash('sha256').update(`${task}:${output}`).digest('hex');
  return { value, from: { task, digest } };
}
