import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { checkCitations } from '../src/archive/checking/cited.ts';
import { Claim, type ClaimDeclaration, claimFaults } from '../src/claims/declaration.ts';
import type { Absence, Evidence, Labels, Observation } from '../src/claims/evidence.ts';
import { judge } from '../src/claims/judge.ts';
import { type JudgedClaim, VERDICTS } from '../src/claims/result.ts';
import type { GradientStatistics, TrainingMetrics } from '../src/network/metrics.ts';
import type { Convergence } from '../src/sparse/convergence.ts';
import { hierarchy } from '../src/sparse/hierarchy.ts';
import { stream } from '../src/stats/stream.ts';
import { repository, studyRig } from './rig.ts';

const seedsOf = (n: number): string[] => Array.from({ length: n }, (_, seed) => String(seed));

function observed<T>(stage: string, at: Labels, value: T): Observation<T> {
  const task = `${stage}[${Object.values(at).join(',')}]`;
  return { task, at, value, digest: 'd'.repeat(64) };
}

const metricsOf = (accuracy: number): TrainingMetrics => ({
  method: 'static',
  accuracy,
  loss: 0.1,
  epochs: [],
  steps: 1,
  connections: [1],
  withoutFanIn: [0],
  withoutFanOut: [0],
  rewirings: [],
});

/** Runs of an arm: accuracies in percent around a level, the same spread in every arm. */
function arm(stage: string, at: Labels, level: number, { n = 10, sd = 0.15 } = {}) {
  const random = stream(7, stage, JSON.stringify(at));
  const raw = seedsOf(n).map(() => random.normal());
  const centre = raw.reduce((a, b) => a + b, 0) / n;
  return raw.map((value, seed) =>
    observed(
      stage,
      { ...at, seed: String(seed) },
      metricsOf((level + sd * (value - centre)) / 100),
    ),
  );
}

/** A network of one hidden layer whose first neuron has the fan-in and gradient of a hub. */
function gradients(at: Labels, cv: number, n = 10): readonly Observation<GradientStatistics>[] {
  return seedsOf(n).map((seed) => {
    const random = stream(Number(seed), 'gradients', JSON.stringify(at));
    const fanIn = Array.from({ length: 40 }, (_, o) => (o < 4 ? 20 + 40 * cv : 20));
    const l2 = fanIn.map((k) => Math.sqrt(k) * (1 + 0.02 * random.normal()) * (k > 20 ? 1.3 : 1));
    const neurons = { fanIn, l2, l1: fanIn, perConnection: fanIn.map(() => 1) };
    const layer = { ...neurons, hierarchy: hierarchy(neurons) };
    const window = { name: 'last' as const, from: 0, to: 1, batches: 1, layers: [layer, layer] };
    return observed('static', { ...at, seed }, { windows: [window] });
  });
}

const none = { items: [], missing: [] };

function evidence(given: {
  readonly runs?: readonly Observation<TrainingMetrics>[];
  readonly missing?: readonly Absence[];
  readonly gradients?: readonly Observation<GradientStatistics>[];
  readonly unmeasured?: readonly Absence[];
  readonly convergence?: readonly Observation<Convergence>[];
}): Evidence {
  const { runs = [], missing = [] } = given;
  return {
    synthetic: new Map([
      ['mnist', false],
      ['fashion', false],
      ['drawn', true],
    ]),
    runs: { items: runs, missing },
    gradients: { items: given.gradients ?? [], missing: given.unmeasured ?? [] },
    convergence: { ...none, items: given.convergence ?? [] },
  };
}

const about = {
  id: 'C1',
  title: 'A claim',
  statement: 'Something is so.',
  paper: { value: 'much', where: 'abstract' },
};

function judged(declared: object, given: Evidence): JudgedClaim {
  const claim: ClaimDeclaration = Claim.parse({ ...about, ...declared });
  return judge([claim], given).claims[0]!;
}

const notWorse = {
  rule: 'non-inferiority',
  a: { stage: 'static' },
  b: { stage: 'dense' },
  deficit: 0.6,
  margin: 0.2,
};

describe('a claim that arms are not worse', () => {
  const dense = arm('dense', { dataset: 'mnist' }, 98);
  const at = (profile: string) => ({ dataset: 'mnist', sparsity: '0.9', profile });
  const below = (deficit: number, sd = 0.02) =>
    judged(
      notWorse,
      evidence({
        runs: [
          ...arm('dense', { dataset: 'mnist' }, 98, { sd }),
          ...arm('static', at('uniform'), 98 - deficit, { sd }),
        ],
      }),
    );

  test('has its verdicts on both sides of each margin', () => {
    expect(below(-0.5).verdict).toBe('reproduced');
    expect(below(0.55)).toMatchObject({ verdict: 'reproduced', qualifiers: [] });
    // Above the published deficit for certain, and within its slack for certain.
    expect(below(0.7)).toMatchObject({
      verdict: 'reproduced',
      qualifiers: ['by more than published'],
    });
    expect(below(0.85).verdict).toBe('refuted');
    expect(below(0.7, 0.4).verdict).toBe('inconclusive');
    // One estimate on the wrong side refutes nothing.
    expect(below(0.9, 0.6).verdict).toBe('inconclusive');
  });

  test('tells one-sided bounds, both p, and the runs behind them', () => {
    const { contrasts, reason, verdict } = below(0.4, 0.15);
    expect([verdict, reason]).toEqual(['reproduced', '1 reproduced of 1 contrast']);
    const { a, b, effect, ci, level, unit, d, g, dDdof0, pFor, pAgainst, pForHolm } = contrasts[0]!;
    expect([a.n, b?.n, level, unit, pForHolm]).toEqual([10, 10, 0.9, 'points', null]);
    expect(effect).toBeCloseTo(-0.4, 10);
    expect(ci?.[0]).toBeGreaterThan(-0.8);
    expect(pFor).toBeLessThan(0.05);
    expect(pAgainst).toBeGreaterThan(0.5);
    expect(a.tasks[3]).toEqual({ task: 'static[mnist,0.9,uniform,3]', digest: 'd'.repeat(64) });
    // The population SD is smaller, and g corrects d towards 0.
    expect(Math.abs(dDdof0 ?? 0)).toBeGreaterThan(Math.abs(d ?? 0));
    expect(Math.abs(g ?? 0)).toBeLessThan(Math.abs(d ?? 0));
  });

  test('is refuted by one arm, after Holm, and reproduced by all of them only', () => {
    const runs = [...dense, ...arm('static', at('a'), 98), ...arm('static', at('b'), 96)];
    const { verdict, reason, contrasts } = judged(notWorse, evidence({ runs }));
    expect([verdict, reason]).toEqual(['refuted', '1 reproduced, 1 refuted of 2 contrasts']);
    expect(contrasts[1]!.pAgainstHolm).toBeCloseTo(2 * (contrasts[1]!.pAgainst ?? 0), 12);
  });

  test('is not assessed on synthetic data nor on too few seeds, and says which', () => {
    const drawn = [
      ...arm('dense', { dataset: 'drawn' }, 98),
      ...arm('static', { dataset: 'drawn', profile: 'uniform' }, 98),
    ];
    const synthetic = judged(notWorse, evidence({ runs: drawn }));
    expect([synthetic.verdict, synthetic.reason]).toEqual([
      'not assessed',
      'synthetic data: 1 contrast shown',
    ]);
    expect(synthetic.contrasts[0]).toMatchObject({ verdict: 'not assessed', pAgainstHolm: null });
    const runs = [...dense, ...arm('static', at('uniform'), 98, { n: 9 })];
    const few = judged(notWorse, evidence({ runs }));
    expect(few.verdict).toBe('not assessed');
    expect(few.contrasts[0]!.reason).toMatch(/^9 seeds of at least 10: /);
    // Beside real data, synthetic data do not count.
    const both = [...dense, ...arm('static', at('a'), 90), ...drawn];
    const { verdict, reason } = judged(notWorse, evidence({ runs: both }));
    expect([verdict, reason]).toEqual(['refuted', '1 refuted of 1 contrast']);
  });

  test('lists cells that cannot exist with what they attain, and counts on without them', () => {
    const [cell] = arm('static', at('lognormal-cv2.5'), 98, { n: 1 });
    const reason = 'CV 2.5 is infeasible for lognormal: at most CV 2.00';
    const missing = [{ task: cell!.task, at: cell!.at, reason }];
    const runs = [...dense, ...arm('static', at('uniform'), 98)];
    const result = judged(notWorse, evidence({ runs, missing }));
    expect(result.verdict).toBe('reproduced');
    expect(result.reason).toMatch(/; 1 contrast not tested$/);
    expect(result.contrasts[1]).toMatchObject({
      label: '0.9 lognormal-cv2.5',
      verdict: 'not tested',
      reason,
      effect: null,
    });
  });

  test('is not tested where nothing ran, or nothing to compare with', () => {
    expect(judged(notWorse, evidence({}))).toMatchObject({
      verdict: 'not tested',
      reason: 'nothing ran that it is about',
    });
    const alone = judged(notWorse, evidence({ runs: arm('static', at('uniform'), 98) }));
    expect(alone.verdict).toBe('not tested');
    expect(alone.reason).toBe('nothing ran that it could be compared with');
  });

  test('takes a run that two stages have once', () => {
    const runs = [
      ...dense,
      ...arm('static', at('uniform'), 98),
      ...arm('sweep', at('uniform'), 98),
    ];
    const both = { ...notWorse, a: { stage: ['static', 'sweep'] } };
    const { contrasts } = judged(both, evidence({ runs }));
    expect(contrasts.map(({ a }) => a.n)).toEqual([10]);
  });

  test('gives d an interval from five seeds on', () => {
    const of = (n: number) =>
      judged(
        notWorse,
        evidence({
          runs: [
            ...arm('dense', { dataset: 'mnist' }, 98, { n }),
            ...arm('static', at('uniform'), 97.8, { n }),
          ],
        }),
      ).contrasts[0];
    expect(of(4)).toMatchObject({ dCi: null, d: expect.any(Number) });
    expect(of(5)?.dCi).toHaveLength(2);
  });
});

test('equivalence has its verdicts on both sides of the margin', () => {
  const close = { rule: 'equivalence', a: { stage: 'static' }, b: { stage: 'dense' }, margin: 0.6 };
  const of = (difference: number, sd = 0.05) => {
    const runs = [
      ...arm('dense', { dataset: 'mnist' }, 98, { sd }),
      ...arm('static', { dataset: 'mnist', profile: 'a' }, 98 + difference, { sd }),
    ];
    return judged(close, evidence({ runs })).verdict;
  };
  expect([of(0.5), of(-0.5), of(0.7), of(-0.7), of(0.5, 0.5), of(0.7, 0.5)]).toEqual([
    'reproduced',
    'reproduced',
    'refuted',
    'refuted',
    'inconclusive',
    'inconclusive',
  ]);
});

describe('a claim that no profile helps', () => {
  const claim = {
    rule: 'no-advantage',
    a: { stage: 'sweep' },
    b: { stage: 'sweep', profile: 'uniform' },
    margin: 0.2,
    single: 0.6,
  };
  const grid = (advantage: (sparsity: string, profile: string) => number, sd = 0.1) =>
    ['0.8', '0.9', '0.95'].flatMap((sparsity) =>
      ['uniform', 'hub', 'other'].flatMap((profile) => {
        const more = profile === 'uniform' ? 0 : advantage(sparsity, profile);
        return arm('sweep', { dataset: 'mnist', sparsity, profile }, 96 + more, { sd });
      }),
    );
  const of = (advantage: (sparsity: string, profile: string) => number, sd?: number) =>
    judged(claim, evidence({ runs: grid(advantage, sd) }));

  test('compares each with its like, and takes means over profiles and over settings', () => {
    const { contrasts, verdict } = of(() => 0);
    expect(verdict).toBe('reproduced');
    expect(contrasts.map(({ label }) => label)).toEqual([
      ...['0.8 hub', '0.8 other', '0.9 hub', '0.9 other', '0.95 hub', '0.95 other'],
      ...['0.8 all profiles', '0.9 all profiles', '0.95 all profiles'],
      ...['hub all settings', 'other all settings'],
    ]);
    expect(contrasts[0]!.b?.label).toBe('sweep 0.8 uniform');
  });

  test('is refuted by an advantage, and not by a disadvantage', () => {
    const one = of((sparsity, profile) => (sparsity === '0.9' && profile === 'hub' ? 0.3 : 0));
    expect(one.verdict).toBe('refuted');
    expect(of(() => -2).verdict).toBe('reproduced');
  });

  test('is not reproduced by cells that are each too uncertain', () => {
    // At an SD of 1 the margin is that SD, and no single cell is known to a tenth of it.
    expect(of(() => 0.9, 1).verdict).not.toBe('reproduced');
    expect(of(() => 0, 1).verdict).toBe('reproduced');
  });
});

describe('a claim of superiority', () => {
  const better = {
    rule: 'superiority',
    a: { stage: 'rigl', profile: 'equilibrium' },
    b: { stage: 'rigl', profile: 'uniform' },
    published: { fashion: 0.16, mnist: 0.5 },
  };
  const runs = (dataset: string, gain: number, sd = 0.15) => [
    ...arm('rigl', { dataset, profile: 'equilibrium' }, 89 + gain, { sd }),
    ...arm('rigl', { dataset, profile: 'uniform' }, 89, { sd }),
  ];
  const of = (...args: Parameters<typeof runs>) =>
    judged(better, evidence({ runs: runs(...args) }));

  test('has its verdicts on both sides of 0 and of the published value', () => {
    expect(of('fashion', 0.16)).toMatchObject({ verdict: 'reproduced', qualifiers: [] });
    expect(of('mnist', 0.5)).toMatchObject({ verdict: 'reproduced', qualifiers: [] });
    // Above 0 for certain, and below the published 0.5 for certain.
    expect(of('mnist', 0.2)).toMatchObject({
      verdict: 'reproduced',
      qualifiers: ['smaller than published'],
    });
    expect(of('mnist', 0.05).verdict).toBe('refuted');
    expect(of('mnist', -0.5).verdict).toBe('refuted');
    expect(of('fashion', 0.1).verdict).toBe('inconclusive');
    expect(of('fashion', -0.1, 0.6).verdict).toBe('inconclusive');
  });

  test('needs significance after Holm over the data sets', () => {
    const alone = of('fashion', 0.16);
    expect(alone.contrasts[0]!.pFor).toBeLessThan(0.05);
    // The same numbers, in a family of two of which the other says nothing.
    const two = judged(
      better,
      evidence({ runs: [...runs('fashion', 0.16), ...runs('mnist', 0.4, 1)] }),
    );
    const [fashion, mnist] = two.contrasts;
    expect(fashion!.pForHolm).toBeCloseTo(2 * (fashion!.pFor ?? 0), 12);
    expect([two.verdict, mnist!.verdict]).toEqual(['inconclusive', 'inconclusive']);
  });

  test('is not tested on data sets that nothing is published of', () => {
    const declared = { ...better, published: { fashion: 0.16 } };
    const given = evidence({ runs: [...runs('fashion', 0.16), ...runs('mnist', 0)] });
    const { verdict, contrasts } = judged(declared, given);
    expect(verdict).toBe('reproduced');
    expect(contrasts[1]!.verdict).toBe('not tested');
    expect(contrasts[1]!.reason).toMatch(/^nothing is published of this data set: /);
  });

  test('synthetic data are no part of the family', () => {
    const given = evidence({ runs: [...runs('fashion', 0.16), ...runs('drawn', 0)] });
    const { contrasts } = judged(better, given);
    expect(contrasts[0]!.pForHolm).toBe(contrasts[0]!.pFor);
  });

  test('tells whether the effect grows from the easiest data set to the hardest', () => {
    const growing = { ...better, published: {}, difficulty: { stage: 'dense' } };
    const dense = [
      ...arm('dense', { dataset: 'mnist' }, 98),
      ...arm('dense', { dataset: 'fashion' }, 89),
    ];
    const grown = (easy: number, hard: number) =>
      judged(
        growing,
        evidence({ runs: [...dense, ...runs('fashion', hard), ...runs('mnist', easy)] }),
      );
    const more = grown(0.3, 0.9);
    expect(more).toMatchObject({ verdict: 'reproduced', qualifiers: [] });
    expect(more.contrasts[2]).toMatchObject({
      decides: false,
      verdict: 'reproduced',
      dataset: 'all',
    });
    expect(more.contrasts[2]!.effect).toBeCloseTo(0.6, 10);
    const less = grown(0.9, 0.3);
    expect(less).toMatchObject({
      verdict: 'reproduced',
      qualifiers: ['growth with difficulty not shown'],
    });
    expect(less.contrasts[2]!.verdict).toBe('refuted');
  });

  test('tells the paired test beside the independent one where seeds are shared', () => {
    const [contrast] = of('fashion', 0.16).contrasts;
    expect(contrast!.also.map(({ label }) => label)).toContain('p, paired by seed');
    expect(contrast!.dCi?.[0]).toBeLessThan(contrast!.d ?? 0);
    expect(contrast!.dCi?.[1]).toBeGreaterThan(contrast!.d ?? 0);
  });

  test('cannot be tested by one seed, and says so', () => {
    const one = runs('fashion', 0.2).filter(({ at }) => at.seed === '0');
    const { contrasts } = judged(better, evidence({ runs: one }));
    expect(contrasts[0]).toMatchObject({ pFor: null, ci: null, d: null, verdict: 'not assessed' });
    expect(contrasts[0]!.reason).toMatch(/^1 seed of at least 10/);
  });
});

describe('a claim about placement', () => {
  const placement = {
    rule: 'placement',
    a: { stage: 'placed', arm: ['exact', 'rewind'] },
    b: { stage: 'placed', arm: ['kept', 'permuted'] },
    variance: { a: { stage: 'placed', arm: 'lognormal' }, b: { stage: 'placed', arm: 'uniform' } },
    beside: [
      {
        label: 'inputs',
        a: { stage: 'placed', arm: 'weighted' },
        b: { stage: 'placed', arm: 'kept' },
      },
    ],
  };
  const even = { kept: 96, permuted: 96, weighted: 96.2, lognormal: 96, uniform: 96 };
  const of = (levels: Readonly<Record<string, number>>) =>
    judged(
      placement,
      evidence({
        runs: Object.entries({ ...even, ...levels }).flatMap(([name, level]) =>
          arm('placed', { dataset: 'mnist', arm: name }, level),
        ),
      }),
    );

  test('is one contrast, paired by pilot, with what it is made of beside it', () => {
    const { verdict, contrasts } = of({ exact: 97, rewind: 98 });
    expect(verdict).toBe('reproduced');
    expect(contrasts.map(({ label, decides }) => [label, decides])).toEqual([
      ['placement over variance', true],
      ['placement', false],
      ['variance', false],
      ['weighted inputs', false],
    ]);
    expect(contrasts[0]!.effect).toBeCloseTo(1.5, 10);
    // A pilot's value is the mean of its two arms, and all six runs are behind it.
    expect([contrasts[0]!.a.n, contrasts[0]!.a.tasks.length]).toEqual([10, 60]);
    expect(contrasts[3]).toMatchObject({ verdict: 'not tested' });
    expect(contrasts[3]!.effect).toBeCloseTo(0.2, 10);
  });

  test('counts the size of variance, whatever its sign', () => {
    for (const lognormal of [96.5, 95.5]) {
      const { verdict, contrasts } = of({ exact: 97, rewind: 97, lognormal });
      expect([verdict, contrasts[0]!.effect]).toEqual(['reproduced', expect.closeTo(0.5, 10)]);
      expect(of({ exact: 96.5, rewind: 96.5, lognormal }).verdict).toBe('inconclusive');
      expect(of({ exact: 96, rewind: 96, lognormal }).verdict).toBe('refuted');
    }
  });
});

describe('claims about gradients', () => {
  const at = (profile: string) => ({ dataset: 'mnist', sparsity: '0.9', profile });
  const ratio = {
    rule: 'ratio-range',
    a: { stage: 'static', profile: 'hub' },
    range: [2, 5],
    baseline: { stage: 'static', profile: 'uniform' },
    margin: 0.25,
  };
  const ofCv = (cv: number) =>
    judged(
      ratio,
      evidence({ gradients: [...gradients(at('hub'), cv), ...gradients(at('uniform'), 0)] }),
    );

  test('stand beside random networks, and what counting connections alone would give', () => {
    const { verdict, qualifiers, contrasts } = ofCv(2);
    expect(verdict).toBe('reproduced');
    expect(qualifiers).toEqual([
      expect.stringMatching(/^1\.\d\d times what counting connections gives$/),
    ]);
    const { effect, b, also, label } = contrasts[0]!;
    expect(label).toBe('0.9 hub layer 1');
    expect(b?.label).toBe('static 0.9 uniform');
    expect(also.map((one) => one.label).slice(0, 2)).toEqual([
      'counting connections alone',
      'ratio over count-only',
    ]);
    expect(also[1]!.value).toBeCloseTo((effect ?? 0) / (also[0]!.value ?? 1), 2);
  });

  test('are refuted by a hierarchy that is not there, and need means within the range', () => {
    expect(ofCv(0.2).verdict).toBe('refuted');
    expect(ofCv(0).verdict).toBe('refuted');
    // Beyond the range, which is no confidence against a hierarchy.
    const beyond = { ...ratio, range: [1.2, 1.5] };
    const given = evidence({
      gradients: [...gradients(at('hub'), 2), ...gradients(at('uniform'), 0)],
    });
    expect(judged(beyond, given).verdict).toBe('inconclusive');
  });

  test('correlate CV and ratio over configurations, and say how surely', () => {
    const correlation = {
      rule: 'correlation',
      a: { stage: 'static' },
      published: 0.93,
      margin: 0.05,
    };
    const cvs = [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];
    const measured = cvs.flatMap((cv) => gradients(at(`cv${cv}`), cv));
    const found = judged(correlation, evidence({ gradients: measured }));
    const [contrast] = found.contrasts;
    expect(contrast!.effect).toBeGreaterThan(0.9);
    expect([contrast!.a.n, contrast!.seeds, contrast!.unit]).toEqual([9, 10, 'r']);
    expect(contrast!.also.map(({ label }) => label)).toEqual([
      'Spearman',
      'r over network means',
      'r, bootstrap over configurations',
      'r of the ratio over count-only',
    ]);
    expect(contrast).not.toHaveProperty('without');
    expect(contrast!.reason).toMatch(/published 0\.93/);
    const of = (published: number) =>
      judged({ ...correlation, published }, evidence({ gradients: measured })).verdict;
    // A higher r is no failure.
    expect([of(0.5), of(0.99)]).toEqual(['reproduced', 'inconclusive']);
    const turned = cvs.map((cv) => gradients(at(`cv${cv}`), 2 - cv));
    const opposite = turned.flatMap((arms, i) =>
      arms.map((one, n) => {
        const fanIn = gradients(at(`cv${cvs[i]}`), cvs[i]!)[n]!.value.windows[0]!.layers[0]!.fanIn;
        const window = one.value.windows[0]!;
        const layers = window.layers.map((layer) => ({ ...layer, fanIn }));
        return { ...one, value: { windows: [{ ...window, layers }] } };
      }),
    );
    expect(judged(correlation, evidence({ gradients: opposite })).verdict).toBe('refuted');

    const gone = {
      task: 'static[mnist,cv9,0]',
      at: { ...at('cv9'), seed: '0' },
      reason: 'too far',
    };
    const half = { ...gone, at: { ...at('cv1'), seed: '10' }, reason: 'it failed' };
    const partial = judged(correlation, evidence({ gradients: measured, unmeasured: [gone, half] }))
      .contrasts[0]!;
    expect([partial.seeds, partial.a.n, partial.effect]).toEqual([10, 9, contrast!.effect]);
    expect(partial.without).toEqual([
      expect.stringMatching(/cv1 with 1 run missing \(it failed\)$/),
      expect.stringMatching(/cv9 left out \(too far\)$/),
    ]);
    expect(partial.reason).toContain('cv9 left out (too far)');

    const flat = ['a', 'b', 'c', 'd'].flatMap((name) => gradients(at(name), 0));
    const none = judged(correlation, evidence({ gradients: flat }));
    expect(none).toMatchObject({ verdict: 'not tested' });
    expect(none.reason).toMatch(/constant/);
  });
});

describe('a claim of convergence', () => {
  const convergence = {
    rule: 'convergence',
    a: { stage: 'rigl' },
    b: { stage: 'rigl', profile: 'uniform' },
    fixed: { stage: 'rigl', profile: 'equilibrium' },
    margin: 0.05,
  };
  const pairs = Array.from({ length: 45 }, (_, i) => 0.04 + 0.01 * (i % 3));
  const floor = pairs.reduce((a, b) => a + b) / 45;
  const row = (start: string, beyond: number, moved = floor) => ({
    dataset: 'mnist',
    sparsity: '0.9',
    rule: 'erk',
    start,
    layer: 0,
    n: 10,
    references: 10,
    runs: seedsOf(10).map((seed, i) => {
      const w1End = floor + beyond + 0.002 * (i % 3);
      return {
        seed,
        w1End,
        moved: moved + 0.002 * (i % 3),
        toReferences: seedsOf(10).map(() => w1End),
      };
    }),
    w1Start: 0.5,
    contraction: (floor + beyond) / 0.5,
    cvStart: 1,
    cvEnd: 0.7,
    jaccardInitial: 0.3,
    noiseFloor: { mean: floor, min: 0.04, max: 0.06, pairs },
  });
  const found = (...rows: readonly ReturnType<typeof row>[]) =>
    evidence({ convergence: [observed('convergence', {}, { rows } as unknown as Convergence)] });

  test('has its verdicts on both sides of the margin, and leaves the reference out', () => {
    const of = (beyond: number) =>
      judged(convergence, found(row('uniform', 9), row('a', beyond))).verdict;
    expect([of(0), of(0.03), of(0.048), of(0.07), of(0.4)]).toEqual([
      'reproduced',
      'reproduced',
      'inconclusive',
      'refuted',
      'refuted',
    ]);
    const far = judged(convergence, found(row('a', 0), row('lognormal-cv2', 0.4)));
    expect(far.verdict).toBe('refuted');
    expect(far.contrasts[1]!.reason).toMatch(
      /^distance 0\.45 of 0\.50 is left, noise floor 0\.05, margin 0\.05; /,
    );
  });

  test('demands that the fitted equilibrium stays', () => {
    const of = (moved: number) =>
      judged(convergence, found(row('equilibrium', 0, moved), row('a', 0)));
    expect(of(floor).verdict).toBe('reproduced');
    expect(of(floor).contrasts.map(({ label }) => label)).toContain(
      '0.9 erk equilibrium layer 1 stays',
    );
    expect(of(0.3).verdict).toBe('refuted');
  });

  test('tells of a setting that gave nothing, and judges the others', () => {
    const at = { dataset: 'fashion', sparsity: '0.9', rule: 'erk' };
    const lost = { task: 'convergence[fashion,0.9,erk]', at, reason: 'it failed' };
    const { convergence: there, ...rest } = found(row('a', 0));
    const { verdict, reason, contrasts } = judged(convergence, {
      ...rest,
      convergence: { ...there, missing: [lost] },
    });
    expect([verdict, reason]).toEqual([
      'reproduced',
      '1 reproduced of 1 contrast; 1 contrast not tested',
    ]);
    expect(contrasts[1]).toMatchObject({ dataset: 'fashion', label: '0.9 erk', effect: null });
  });

  test('does not assess data of which nothing is known', () => {
    const known = found(row('a', 0));
    const { verdict } = judged(convergence, { ...known, synthetic: new Map() });
    expect(verdict).toBe('not assessed');
  });
});

describe('every verdict', () => {
  const words = [
    { ...notWorse, b: { stage: 'static', profile: 'p0' } },
    {
      rule: 'equivalence',
      a: { stage: 'static' },
      b: { stage: 'static', profile: 'p0' },
      margin: 0.3,
    },
    {
      rule: 'no-advantage',
      a: { stage: 'static' },
      b: { stage: 'static', profile: 'p0' },
      margin: 0.2,
      single: 0.6,
    },
    {
      rule: 'superiority',
      a: { stage: 'static' },
      b: { stage: 'static', profile: 'p0' },
      published: { mnist: 0.2, fashion: 0.4 },
    },
  ];
  const study = fc.record({
    seed: fc.nat(1e6),
    shifts: fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }),
    sd: fc.constantFrom(0, 0.05, 0.2, 1),
    n: fc.constantFrom(2, 9, 10, 20),
    dataset: fc.constantFrom('mnist', 'fashion', 'drawn', 'unknown'),
  });
  type Study = (typeof study)['generate'] extends (...args: never[]) => { value: infer S }
    ? S
    : never;
  const runsOf = ({ seed, shifts, sd, n, dataset }: Study, more = 0) =>
    [0, ...shifts.map((shift) => shift + more)].flatMap((shift, i) =>
      arm('static', { dataset, profile: `p${i}`, draw: String(seed) }, 90 + shift, { n, sd }),
    );

  test('is one of five, and does not depend on the order of runs', () => {
    fc.assert(
      fc.property(study, fc.constantFrom(...words), (given, declared) => {
        const runs = runsOf(given);
        const { verdict, contrasts } = judged(declared, evidence({ runs }));
        expect(VERDICTS).toContain(verdict);
        expect(contrasts.length).toBeGreaterThan(0);
        const turned = judged(declared, evidence({ runs: [...runs].reverse() }));
        expect([turned.verdict, turned.qualifiers]).toEqual([
          verdict,
          judged(declared, evidence({ runs })).qualifiers,
        ]);
        if (given.dataset === 'drawn' || given.n < 10) expect(verdict).toBe('not assessed');
      }),
      { numRuns: process.env.FULL ? 40 : 4 },
    );
  });

  test('does not fall when the evidence rises', () => {
    const rank = ['refuted', 'inconclusive', 'reproduced'];
    fc.assert(
      fc.property(study, fc.double({ min: 0, max: 1, noNaN: true }), (given, more) => {
        fc.pre(given.n >= 10 && given.sd > 0 && ['mnist', 'fashion'].includes(given.dataset));
        for (const [declared, sign] of [
          [words[0], 1],
          [words[2], -1],
          [words[3], 1],
        ] as const) {
          const [low, high] = [0, sign * more].map((raised) =>
            rank.indexOf(judged(declared!, evidence({ runs: runsOf(given, raised) })).verdict),
          );
          expect(high).toBeGreaterThanOrEqual(low!);
        }
      }),
      { numRuns: process.env.FULL ? 25 : 2 },
    );
  });
});

describe('an archive of claims', () => {
  const runs = [
    ...arm('dense', { dataset: 'mnist' }, 98),
    ...arm('static', { dataset: 'mnist', profile: 'uniform' }, 98),
    ...arm('static', { dataset: 'mnist', profile: 'hub' }, 95),
  ];
  const result = judge([Claim.parse({ ...about, ...notWorse })], evidence({ runs }));
  /** What is said of the verdicts of claims, whose sources nobody has here. */
  async function said(edit: (text: string) => string): Promise<readonly string[]> {
    const findings: string[] = [];
    await checkCitations(
      new TextEncoder().encode(edit(JSON.stringify(result))),
      'claims.json',
      { text: async () => undefined },
      new Map(),
      (_, message) => findings.push(message),
    );
    return findings.filter((message) => !message.startsWith('cites '));
  }

  test('is checked by the rules of its form', async () => {
    expect(result.claims[0]!.verdict).toBe('refuted');
    expect(await said((text) => text)).toEqual([]);
    // The verdict of the claim, and not of its first contrast.
    expect(
      await said((text) => text.replace('"verdict":"refuted"', '"verdict":"reproduced"')),
    ).toEqual(['says "reproduced", and its contrasts make it "refuted"']);
    expect(await said((text) => text.replace('"synthetic":false', '"synthetic":true'))).toEqual([
      'says "reproduced" of synthetic data',
    ]);
    expect(await said((text) => text.replace('claims/2', 'claims/3'))).toEqual([
      'is not of the form claims/1 or claims/2',
    ]);
    // The earlier form had words of its own.
    expect(await said((text) => text.replace('claims/2', 'claims/1'))).not.toEqual([]);
  });
});

describe('the design', () => {
  test('is told with its power', () => {
    const { design } = judge([], evidence({}));
    expect(design.seeds).toBeNull();
    const ten = design.power.find(({ d, n }) => d === 1.07 && n === 10);
    expect(ten?.power).toBeCloseTo(0.62, 2);
    expect(design.needed).toContainEqual({ d: 1.07, power: 0.9, n: 20 });
  });
});

describe('declarations', () => {
  const known = { stage: ['static', 'dense'], dataset: ['mnist'], profile: ['uniform'] };
  const faultsOf = (...declared: readonly object[]) =>
    claimFaults(
      declared.map((one) => Claim.parse({ ...about, ...one })),
      known,
    );

  test('may name labels one by one, in lists, and as maps labelled as on the axis', () => {
    const profile = ['uniform', [{ family: 'lognormal', cv: 1 }]];
    const profiles = { ...known, profile: [['uniform', { family: 'lognormal', cv: 1 }]] };
    const claim = Claim.parse({ ...about, ...notWorse, a: { stage: 'static', profile } });
    expect(claimFaults([claim], profiles)).toEqual([]);
    expect(claimFaults([claim], known)[0]).toMatchObject({ path: [0, 'a', 'profile', 1, 0] });
  });

  test('are told of a name that repeats, a contrast without a stage, an axis that nobody has', () => {
    const faults = faultsOf(notWorse, { ...notWorse, a: { profil: 'uniform' } });
    expect(faults).toEqual([
      { path: [1, 'id'], message: 'two claims are called `C1`' },
      {
        path: [1, 'a'],
        message: 'a contrast names its stage',
        hint: '`{ stage: static, … }`',
      },
      {
        path: [1, 'a', 'profil'],
        message: 'no contrast can name an axis `profil`',
        hint: 'did you mean `profile`?',
      },
    ]);
  });

  test('have ranges', () => {
    const parse = (more: object) => z.safeParse(Claim, { ...about, ...notWorse, ...more }).success;
    expect(parse({})).toBe(true);
    expect(parse({ margin: 0 })).toBe(false);
    expect(parse({ seeds: 1 })).toBe(false);
    expect(parse({ rule: 'vote' })).toBe(false);
    expect(parse({ verdict: 'reproduced' })).toBe(false);
  });
});

test('docs/claims.md tells every rule and every field of the result', () => {
  const words = readFileSync(join(repository, 'docs/claims.md'), 'utf8');
  const rules = Claim._zod.def.options.map(({ shape }) => shape.rule._zod.def.values[0]);
  expect(rules).toHaveLength(8);
  for (const rule of rules) expect(words).toContain(`| \`${rule}\` |`);
  const runs = [
    ...arm('dense', { dataset: 'mnist' }, 98),
    ...arm('static', { dataset: 'mnist', profile: 'uniform' }, 98),
  ];
  const result = judge([Claim.parse({ ...about, ...notWorse })], evidence({ runs }));
  const { claims, design } = result;
  for (const object of [
    result,
    claims[0],
    claims[0]!.contrasts[0],
    claims[0]!.contrasts[0]!.a,
    design,
  ])
    for (const field of Object.keys(object!)) expect(words).toMatch(new RegExp(`\\b${field}\\b`));
});

describe("the study's claims, through the binary", () => {
  test('names that nobody has are shown where they were written, before anything runs', async () => {
    const rig = await studyRig();
    rig.edit(
      'pipeline.yaml',
      'a: { stage: [headline, rigl], hidden: $hidden, profile: equilibrium',
      'a: { stage: rigle, profile: equilibrum',
    );
    rig.edit(
      'pipeline.yaml',
      'published: { fashion-mnist: 0.16',
      'published: { fashoin-mnist: 0.16',
    );
    rig.edit('pipeline.yaml', 'arm: lognormal }', 'arm: lognormals }');
    const { code, stderr } = await rig.run('make', 'report');
    expect(code).toBe(2);
    const shown = stderr
      .replace(/pipeline\.yaml:\d+:(\d+)/g, 'pipeline.yaml:_:$1')
      .replace(/^ +\d+ \|/gm, '  _ |');
    expect(shown).toMatchInlineSnapshot(`
      "pipeline.yaml:_:19: error: the contrast names a stage \`rigle\`, which nobody has (stage \`claims\`)
        _ |       a: { stage: rigle, profile: equilibrum, rule: erk }
            |                   ^^^^^
        hint: did you mean \`rigl\`?

      pipeline.yaml:_:35: error: the contrast names a profile \`equilibrum\`, which nobody has (stage \`claims\`)
        _ |       a: { stage: rigle, profile: equilibrum, rule: erk }
            |                                   ^^^^^^^^^^
        hint: did you mean \`equilibrium\`?

      pipeline.yaml:_:35: error: the published value is of a data set \`fashoin-mnist\`, which nobody has (stage \`claims\`)
        _ |       published: { fashoin-mnist: 0.16, emnist-balanced: 0.43, covtype: 0.49 }
            |                                   ^^^^
        hint: did you mean \`fashion-mnist\`?

      pipeline.yaml:_:44: error: the contrast names an arm \`lognormals\`, which nobody has (stage \`claims\`)
        _ |       variance: { a: { stage: placed, arm: lognormals }, b: { stage: placed, arm: uniform } }
            |                                            ^^^^^^^^^^
        hint: did you mean \`lognormal\`?

      4 errors; nothing was run
      "
    `);
  });
});
