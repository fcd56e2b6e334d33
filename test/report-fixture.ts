// report-fixture.ts — a study that never ran: seeded numbers of the shape and size of real ones

import { createHash } from 'node:crypto';
import exp from '@stdlib/math-base-special-exp';
import ln from '@stdlib/math-base-special-ln';
import { Claim } from '../src/claims/declaration.ts';
import type { Observation } from '../src/claims/evidence.ts';
import { judge } from '../src/claims/judge.ts';
import type { ClaimsResult } from '../src/claims/result.ts';
import type { EpochRecord, TrainingMetrics } from '../src/network/metrics.ts';
import type {
  Coordinates,
  EquilibriumRow,
  GradientRun,
  Method,
  PlacedRun,
  Run,
  Sourced,
  Study,
} from '../src/report/data/study.ts';
import { SCRIPT } from '../src/report/markup/script.ts';
import { type ConvergenceRow, convergenceOf } from '../src/sparse/convergence.ts';
import { fitEquilibrium } from '../src/sparse/equilibrium.ts';
import { coefficientOfVariation, type FanInSummary } from '../src/sparse/fan-in.ts';
import { fitFanIn } from '../src/sparse/fit.ts';
import { fanInHistory } from '../src/sparse/history.ts';
import type { Mask } from '../src/sparse/mask.ts';
import { portraitOf } from '../src/sparse/portrait.ts';
import { makeMask } from '../src/sparse/wiring.ts';
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
        title: 'Synthetic digits',
        majority: 0.1,
        split: 'drawn apart',
        licence: 'MIT',
        citation: 'drawn by a generator',
        synthetic: true,
        features: INPUTS,
        classes: CLASSES,
        train: 60000,
        test: 10000,
        from: sourced(null, 'dataset[synth-digits]', 'shape').from,
      },
    ],
    hidden: [HIDDEN.join('-')],
    training: { epochs: EPOCHS, batch: 128, optimizer: 'adam', learningRate: 0.001 },
    rigl: { fraction: 0.3, interval: 100, stop: 0.75 },
    runs: [...dense, ...sparse],
    sweep: [],
    placed: [],
    gradients: [],
    convergence: [],
    histories: [],
    portraits: [],
    equilibria: rules.map(fixtureEquilibrium),
    missing: [],
    graph: [],
    claims: null,
  };
}

function fixtureRun(coordinates: Coordinates, method: Method, index: number): Run {
  const { dataset, sparsity, rule, profile, seed } = coordinates;
  const { cv, after } = PROFILES[index % PROFILES.length]!;
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
  const last = epochs[EPOCHS - 1]!;
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
    const inputs = widths[l]!;
    const mean = l < densities.length ? densities[l]! * inputs : inputs;
    const fanIn = Array.from({ length: outputs }, () => {
      if (l === densities.length) return inputs;
      const drawn = mean! * exp(sigma * random.normal() - (sigma * sigma) / 2);
      return Math.min(inputs, Math.max(1, Math.round(drawn)));
    });
    const connections = fanIn.reduce((sum, k) => sum! + k!, 0);
    return {
      inputs,
      outputs,
      connections,
      density: connections! / (inputs * outputs),
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
    families: sourced(
      fit.layers.map((_, l) =>
        fitFanIn(
          pilots.flatMap(({ end }) => end.value.layers[l]!.fanIn),
          l === 0 ? INPUTS : HIDDEN[0]!,
        ),
      ),
      `equilibrium[synth-digits,0.9,${rule}]`,
      'fits',
    ),
    pilots: pilots.map(({ end }) => end),
  };
}

function sourced<T>(value: T, task: string, output: string): Sourced<T> {
  const digest = createHash('sha256').update(`${task}:${output}`).digest('hex');
  return { value, from: { task, digest } };
}

/** The study with everything that a whole one has: a sweep, placements, gradients, convergence, masks and claims. */
export function wholeStudy(options: FixtureOptions = {}): Study {
  const study = fixtureStudy({ rules: ['erk'], ...options });
  const seeds = [...new Set(study.runs.map(({ coordinates }) => coordinates.seed))];
  const profiles = [...new Set(study.runs.map(({ coordinates }) => coordinates.profile))].slice(1);
  const sweep = ['0.8', '0.98'].flatMap((sparsity) =>
    profiles.slice(0, 3).flatMap((profile, index) =>
      seeds.map((seed) => {
        const at = { dataset: 'synth-digits', sparsity, rule: 'erk', profile, seed };
        return fixtureRun(at, 'static', index);
      }),
    ),
  );
  const placed = ['exact', 'fan-in-kept'].flatMap((arm, index) =>
    ['100', '101', '102'].map((pilot): PlacedRun => {
      const at = {
        dataset: 'synth-digits',
        sparsity: '0.9',
        rule: 'erk',
        profile: arm,
        seed: pilot,
      };
      const { metrics } = fixtureRun(at, 'static', index);
      const { dataset, sparsity, rule } = at;
      const task = `placed[synth-digits,0.9,erk,${arm},${pilot}]`;
      return {
        dataset,
        sparsity,
        rule,
        arm,
        pilot,
        metrics: sourced(metrics.value, task, 'metrics'),
      };
    }),
  );
  const gradients = study.runs.filter(({ method }) => method === 'static').map(fixtureGradient);
  const { rows, histories, portraits } = fixtureWays(profiles.slice(0, 2), seeds);
  const way = sourced(null, 'convergence[synth-digits,0.9,erk]', 'convergence').from;
  const whole: Study = {
    ...study,
    sweep,
    placed,
    gradients,
    convergence: [{ from: way, rows }],
    histories: [{ from: way, rows: histories }],
    portraits,
  };
  return { ...whole, graph: fixtureGraph(whole), claims: fixtureClaims(whole) };
}

/** The graph of the runs' own tasks and the masks that they read. */
function fixtureGraph({ runs, sweep, placed }: Study): Study['graph'] {
  const stages = new Map<string, Set<string>>();
  const add = (task: string): void => {
    const stage = task.replace(/\[.*$/s, '');
    stages.set(stage, (stages.get(stage) ?? new Set()).add(task));
  };
  for (const { metrics, fanInBefore } of [...runs, ...sweep]) {
    if (fanInBefore) add(fanInBefore.from.task);
    add(metrics.from.task);
  }
  for (const { metrics } of placed) add(metrics.from.task);
  add('report');
  const trained = [...stages.keys()].filter((stage) => !['mask', 'report'].includes(stage));
  const reads = (stage: string): readonly string[] => {
    if (stage === 'report') return trained.map((one) => `${one}.metrics`);
    return stage === 'mask' || stage === 'dense' ? [] : ['mask.mask'];
  };
  return [...stages].map(([stage, tasks]) => ({ stage, tasks: [...tasks], reads: reads(stage) }));
}

function fixtureGradient(run: Run): GradientRun {
  const random = stream(Number(run.coordinates.seed), 'fixture-gradient', run.coordinates.profile);
  const layers = (run.fanInBefore?.value.layers ?? []).slice(0, -1).map(({ cv }) => ({
    cv,
    ratio: 1 + 1.4 * cv + 0.05 * random.normal(),
    counted: 1 + 0.9 * cv,
  }));
  const task = run.metrics.from.task;
  return { coordinates: run.coordinates, from: sourced(null, task, 'gradients').from, layers };
}

function fixtureWays(profiles: readonly string[], seeds: readonly string[]) {
  const plan = { widths: [INPUTS, ...HIDDEN, CLASSES], sparsity: 0.9, rule: 'erk' as const };
  const arms = profiles.map((profile, index) => {
    const { cv, after } = PROFILES[index % PROFILES.length]!;
    const runs = seeds.map((seed) => {
      const steps = [0, 100, 200, 300, 400];
      const records = steps.map((step) => {
        const share = step / 400;
        const name = `${profile} ${seed} ${step}`;
        return fixtureFanIn('erk', cv + share * (after - cv), name).layers.slice(0, -1);
      });
      const mask = masked(
        makeMask({ ...plan, profile: { family: 'uniform' }, seed: Number(seed) }),
      );
      return {
        task: `rigl[synth-digits,0.9,erk,${profile},${seed}]`,
        seed,
        steps,
        fanIn: HIDDEN.map((_, l) => records.map((layers) => layers[l]!.fanIn)),
        mask,
        overlap: [0.5, 0.5, 1],
      };
    });
    return { profile, runs };
  });
  const at = { dataset: 'synth-digits', sparsity: '0.9', rule: 'erk' };
  const [reference] = arms;
  const compared = seeds.length > 1 ? arms : arms.slice(1);
  const rows = compared.flatMap(({ profile, runs }) =>
    convergenceOf(runs, reference!.runs).map(
      (layer): ConvergenceRow => ({ ...at, start: profile, ...layer }),
    ),
  );
  const histories = arms.flatMap(({ profile, runs }) =>
    fanInHistory(runs).map((layer) => ({ ...at, start: profile, ...layer })),
  );
  const portraits = arms.map(({ profile, runs: [run] }) => ({
    ...at,
    profile,
    seed: run!.seed,
    from: sourced(null, `portrait[synth-digits,0.9,erk,${profile}]`, 'portrait').from,
    start: portraitOf(run!.mask[0]!),
    end: portraitOf(run!.mask[0]!),
    image: { height: 28, width: 28, transposed: false },
  }));
  return { rows, histories, portraits };
}

/** The claims of a fixture, judged as real ones are. */
function fixtureClaims({ runs, gradients, convergence, placed }: Study): ClaimsResult {
  const paper = { value: 'as published', where: 'abstract' };
  const about = { statement: 'What is claimed.', paper };
  const declared = [
    {
      ...about,
      id: 'C1',
      title: 'Close to dense',
      rule: 'non-inferiority',
      a: { stage: 'static' },
      b: { stage: 'dense' },
      deficit: 0.6,
      margin: 0.2,
    },
    {
      ...about,
      id: 'C4',
      title: 'CV predicts',
      rule: 'correlation',
      a: { stage: 'static' },
      published: 0.93,
      margin: 0.05,
    },
    {
      ...about,
      id: 'C5',
      title: 'RigL is better',
      rule: 'superiority',
      a: { stage: 'rigl' },
      b: { stage: 'static' },
      published: {},
    },
    {
      ...about,
      id: 'C6',
      title: 'RigL forgets',
      rule: 'convergence',
      a: { stage: 'rigl' },
      b: { stage: 'rigl', profile: 'none' },
      margin: 0.05,
    },
    {
      ...about,
      id: 'C7',
      title: 'Placement matters',
      rule: 'placement',
      a: { stage: 'placed', arm: 'exact' },
      b: { stage: 'placed', arm: 'fan-in-kept' },
      variance: {
        a: { stage: 'placed', arm: 'fan-in-kept' },
        b: { stage: 'placed', arm: 'exact' },
      },
    },
  ].map((claim) => Claim.parse(claim));
  const observed = <T>(
    from: { task: string; digest: string },
    at: object,
    value: T,
  ): Observation<T> => ({
    ...from,
    at: at as Observation<T>['at'],
    value,
  });
  const place = ({ dataset, sparsity, rule, profile, seed }: Coordinates, method: Method) =>
    method === 'dense' ? { dataset, seed } : { dataset, sparsity, rule, profile, seed };
  return judge(declared, {
    synthetic: new Map([['synth-digits', true]]),
    runs: {
      items: [
        ...runs.map((run) =>
          observed(run.metrics.from, place(run.coordinates, run.method), run.metrics.value),
        ),
        ...placed.map(({ metrics, ...at }) => observed(metrics.from, at, metrics.value)),
      ],
      missing: [],
    },
    gradients: {
      items: gradients.map((run) =>
        observed(run.from, place(run.coordinates, 'static'), statisticsOf(run)),
      ),
      missing: [],
    },
    convergence: {
      items: convergence.map(({ from, rows }) =>
        observed(
          from,
          { dataset: 'synth-digits', sparsity: '0.9', rule: 'erk' },
          { rows, missing: [] },
        ),
      ),
      missing: [],
    },
  });
}

/** Gradients of the shape that training tells, with the hierarchy of a fixture. */
function statisticsOf({ layers }: GradientRun) {
  const none = {
    hubs: 1,
    l2BeyondCount: 1,
    l2OverOthers: 1,
    l1: 1,
    l1Null: 1,
    perConnection: 1,
    gini: 0,
    maxOverMean: 1,
  };
  const told = layers.map(({ cv, ratio, counted }) => {
    const fanIn = [10 * (1 - cv / 2), 10 * (1 + cv / 2)];
    return {
      fanIn,
      l2: fanIn,
      l1: fanIn,
      perConnection: fanIn,
      hierarchy: { ...none, l2: ratio, l2Null: counted },
    };
  });
  return {
    windows: [{ name: 'last' as const, from: 0, to: 1, batches: 1, layers: [...told, told[0]!] }],
  };
}

function masked(made: ReturnType<typeof makeMask>): Mask {
  if (!('mask' in made)) throw new Error('a uniform mask can always be made');
  return made.mask;
}

/** A page without the script that all pages have: nothing else of it may run. */
export const withoutScript = (page: string): string =>
  page.replace(`<script>${SCRIPT}</script>`, '');

/** Ten families, two baselines, the equilibrium and a lognormal beyond: what the full study compares. */
const FULL_PROFILES = [
  ...[
    'uniform',
    'constant',
    'power-cv1',
    'exponential-cv1',
    'half-gaussian-cv1',
    'raised-cosine-cv1',
  ],
  ...['lorentzian-cv1', 'logistic-cv1', 'logarithmic-cv1', 'tanh-exponential-cv1', 'lognormal-cv1'],
  ...['power-law-cv1', 'lognormal-cv1.5', 'equilibrium'],
];

/** As large as the full study: four data sets, ten families, 20 seeds; some five thousand trainings. */
export function fullStudy(): Study {
  const one = wholeStudy({
    seeds: 20,
    rules: ['erk', 'uniform'],
    profiles: FULL_PROFILES,
    title: 'Profiled sparse networks',
  });
  const text = JSON.stringify(one);
  const all = ['mnist', 'fashion-mnist', 'emnist47', 'covtype'].map(
    (name): Study => JSON.parse(text.replaceAll('synth-digits', name)),
  );
  const join = <T>(of: (study: Study) => readonly T[]): readonly T[] => all.flatMap(of);
  const claims = one.claims && {
    ...one.claims,
    claims: one.claims.claims.map((claim, i) => ({
      ...claim,
      contrasts: join(({ claims: own }) => own?.claims[i]?.contrasts ?? []),
    })),
  };
  return {
    ...one,
    claims,
    datasets: join(({ datasets }) => datasets),
    runs: join(({ runs }) => runs),
    sweep: join(({ sweep }) => sweep),
    placed: join(({ placed }) => placed),
    gradients: join(({ gradients }) => gradients),
    convergence: join(({ convergence }) => convergence),
    histories: join(({ histories }) => histories),
    portraits: join(({ portraits }) => portraits),
    equilibria: join(({ equilibria }) => equilibria),
    graph: one.graph.map((stage, i) => ({
      ...stage,
      tasks: [...new Set(join(({ graph }) => graph[i]?.tasks ?? []))],
    })),
  };
}
