import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { Claim, type ClaimDeclaration, claimFaults } from '../src/claims/declaration.ts';
import type { Absence, Evidence, Labels, Observation } from '../src/claims/evidence.ts';
import { judge } from '../src/claims/judge.ts';
import type { JudgedClaim } from '../src/claims/result.ts';
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
  return judge([claim], given).claims[0];
}

const near = {
  rule: 'equivalence',
  a: { stage: 'static' },
  b: { stage: 'dense' },
  margin: 0.6,
};

describe('a claim of equivalence', () => {
  const dense = arm('dense', { dataset: 'mnist' }, 98);
  const at = (profile: string) => ({ dataset: 'mnist', sparsity: '0.9', profile });

  test('is reproduced when every arm lies within the margin for certain', () => {
    const runs = [...dense, ...arm('static', at('uniform'), 97.8), ...arm('static', at('hub'), 98)];
    const { verdict, reason, contrasts } = judged(near, evidence({ runs }));
    expect(verdict).toBe('reproduced');
    expect(reason).toBe('2 of 2 contrasts reproduced');
    expect(contrasts.map(({ label }) => label)).toEqual(['0.9 uniform', '0.9 hub']);
    const [{ a, b, effect, level, unit, d, g, dDdof0 }] = contrasts;
    expect([a.n, b?.n, level, unit]).toEqual([10, 10, 0.9, 'points']);
    expect(effect).toBeCloseTo(-0.2, 10);
    expect(a.tasks[3]).toEqual({ task: 'static[mnist,0.9,uniform,3]', digest: 'd'.repeat(64) });
    // The population SD is smaller, and g corrects d towards 0.
    expect(Math.abs(dDdof0 ?? 0)).toBeGreaterThan(Math.abs(d ?? 0));
    expect(Math.abs(g ?? 0)).toBeLessThan(Math.abs(d ?? 0));
  });

  test('is within margin when only the estimate is, and not reproduced beyond it', () => {
    const runs = (level: number, sd: number) => [
      ...dense,
      ...arm('static', at('uniform'), level, { sd }),
    ];
    expect(judged(near, evidence({ runs: runs(97.5, 1) })).verdict).toBe('within margin');
    expect(judged(near, evidence({ runs: runs(97, 0.1) })).verdict).toBe('not reproduced');
  });

  test('is as good as its worst contrast', () => {
    const runs = [...dense, ...arm('static', at('a'), 98), ...arm('static', at('b'), 96)];
    const { verdict, reason } = judged(near, evidence({ runs }));
    expect([verdict, reason]).toEqual(['not reproduced', '1 of 2 contrasts not reproduced']);
  });

  test('is only illustrated by synthetic data, and by too few seeds, and says which', () => {
    const drawn = [
      ...arm('dense', { dataset: 'drawn' }, 98),
      ...arm('static', { dataset: 'drawn', profile: 'uniform' }, 98),
    ];
    const synthetic = judged(near, evidence({ runs: drawn }));
    expect(synthetic.verdict).toBe('illustrated');
    expect(synthetic.reason).toBe('synthetic data: 1 of 1 contrast would be reproduced');
    expect(synthetic.contrasts[0]).toMatchObject({ finding: 'reproduced', verdict: 'illustrated' });
    const runs = [...dense, ...arm('static', at('uniform'), 98, { n: 9 })];
    const few = judged(near, evidence({ runs }));
    expect(few.verdict).toBe('illustrated');
    expect(few.contrasts[0].reason).toMatch(/^9 seeds of at least 10: /);
    // Beside real data, synthetic data do not count.
    const both = judged(
      near,
      evidence({ runs: [...dense, ...arm('static', at('a'), 90), ...drawn] }),
    );
    expect(both.verdict).toBe('not reproduced');
    expect(both.reason).toBe('1 of 1 contrast not reproduced');
  });

  test('lists cells that cannot exist with what they attain, and counts on without them', () => {
    const [cell] = arm('static', at('lognormal-cv2.5'), 98, { n: 1 });
    const reason = 'CV 2.5 is infeasible for lognormal: at most CV 2.00';
    const missing = [{ task: cell.task, at: cell.at, reason }];
    const runs = [...dense, ...arm('static', at('uniform'), 98)];
    const result = judged(near, evidence({ runs, missing }));
    expect(result.verdict).toBe('reproduced');
    expect(result.reason).toMatch(/; 1 contrast could not be tested$/);
    expect(result.contrasts[1]).toMatchObject({
      label: '0.9 lognormal-cv2.5',
      verdict: 'not tested',
      reason,
      effect: null,
    });
  });

  test('is not tested where nothing ran, or nothing to compare with', () => {
    expect(judged(near, evidence({}))).toMatchObject({
      verdict: 'not tested',
      reason: 'nothing ran that it is about',
    });
    const alone = judged(near, evidence({ runs: arm('static', at('uniform'), 98) }));
    expect(alone.verdict).toBe('not tested');
    expect(alone.reason).toBe('nothing ran that it could be compared with');
  });

  test('compares an arm with its like: equal labels, but for those that `b` names', () => {
    const grid = ['0.8', '0.9'].flatMap((sparsity) =>
      ['uniform', 'hub'].flatMap((profile) =>
        arm('sweep', { dataset: 'mnist', sparsity, profile }, sparsity === '0.8' ? 98 : 96),
      ),
    );
    const like = { ...near, a: { stage: 'sweep' }, b: { stage: 'sweep', profile: 'uniform' } };
    const { contrasts, verdict } = judged(like, evidence({ runs: grid }));
    expect(contrasts.map(({ label, b }) => [label, b?.label])).toEqual([
      ['0.8 hub', 'sweep 0.8 uniform'],
      ['0.9 hub', 'sweep 0.9 uniform'],
    ]);
    expect(verdict).toBe('reproduced');
  });

  test('takes a run that two stages have once', () => {
    const runs = [
      ...dense,
      ...arm('static', at('uniform'), 98),
      ...arm('sweep', at('uniform'), 98),
    ];
    const both = { ...near, a: { stage: ['static', 'sweep'] } };
    const { contrasts } = judged(both, evidence({ runs }));
    expect(contrasts.map(({ a }) => a.n)).toEqual([10]);
  });
});

describe('a claim of superiority', () => {
  const better = {
    rule: 'superiority',
    a: { stage: 'rigl', profile: 'equilibrium' },
    b: { stage: 'rigl', profile: 'uniform' },
    margin: 0.1,
    published: { fashion: 0.16, mnist: 0.5 },
  };
  const runs = (dataset: string, gain: number, sd = 0.15) => [
    ...arm('rigl', { dataset, profile: 'equilibrium' }, 89 + gain, { sd }),
    ...arm('rigl', { dataset, profile: 'uniform' }, 89, { sd }),
  ];

  test('needs significance after Holm over the data sets', () => {
    const alone = judged(better, evidence({ runs: runs('fashion', 0.16) }));
    expect(alone.verdict).toBe('reproduced');
    expect(alone.contrasts[0].p).toBeLessThan(0.05);
    // The same numbers, in a family of two of which the other says nothing.
    const two = judged(better, evidence({ runs: [...runs('fashion', 0.16), ...runs('mnist', 0)] }));
    const [fashion, mnist] = two.contrasts;
    expect(fashion.pHolm).toBeCloseTo(2 * (fashion.p ?? 0), 12);
    expect(two.verdict).toBe('not reproduced');
    expect(mnist.verdict).toBe('not reproduced');
  });

  test('is about the data sets that a value is published of', () => {
    const declared = { ...better, published: { fashion: 0.16 } };
    const given = evidence({ runs: [...runs('fashion', 0.16), ...runs('mnist', 0)] });
    const { verdict, contrasts } = judged(declared, given);
    expect(verdict).toBe('reproduced');
    expect(contrasts[1]).toMatchObject({ verdict: 'illustrated', finding: 'not reproduced' });
    expect(contrasts[1].reason).toMatch(/^nothing is published of this data set: /);
  });

  test('synthetic data are no part of the family', () => {
    const { contrasts } = judged(
      better,
      evidence({ runs: [...runs('fashion', 0.16), ...runs('drawn', 0)] }),
    );
    expect(contrasts[0].pHolm).toBe(contrasts[0].p);
  });

  test('is within margin near the published value, and not reproduced by a loss', () => {
    const noisy = judged(better, evidence({ runs: runs('fashion', 0.1, 0.6) }));
    expect(noisy.verdict).toBe('within margin');
    expect(judged(better, evidence({ runs: runs('fashion', -0.5) })).verdict).toBe(
      'not reproduced',
    );
  });

  test('tells the paired test beside the independent one where seeds are shared', () => {
    const [contrast] = judged(better, evidence({ runs: runs('fashion', 0.16) })).contrasts;
    expect(contrast.also.map(({ label }) => label)).toContain('p, paired by seed');
    expect(contrast.dCi?.[0]).toBeLessThan(contrast.d ?? 0);
    expect(contrast.dCi?.[1]).toBeGreaterThan(contrast.d ?? 0);
  });

  test('cannot be tested by one seed, and says so', () => {
    const one = runs('fashion', 0.2).filter(({ at }) => at.seed === '0');
    const { contrasts } = judged(better, evidence({ runs: one }));
    expect(contrasts[0]).toMatchObject({ p: null, ci: null, d: null, finding: null });
    expect(contrasts[0].reason).toContain('single observation');
  });
});

describe('a claim about placement', () => {
  const placement = {
    rule: 'placement',
    a: { stage: 'placed', arm: ['exact', 'rewind'] },
    b: { stage: 'placed', arm: ['kept', 'permuted'] },
    variance: { a: { stage: 'placed', arm: 'lognormal' }, b: { stage: 'placed', arm: 'uniform' } },
    margin: 0.1,
  };
  const runs = (levels: Readonly<Record<string, number>>) =>
    Object.entries(levels).flatMap(([name, level]) =>
      arm('placed', { dataset: 'mnist', arm: name }, level),
    );
  const even = { kept: 96, permuted: 96, lognormal: 96, uniform: 96 };

  test('is reproduced when placement matters, and more than variance', () => {
    const { verdict, contrasts } = judged(
      placement,
      evidence({ runs: runs({ ...even, exact: 97, rewind: 98 }) }),
    );
    expect(verdict).toBe('reproduced');
    expect(contrasts.map(({ label }) => label)).toEqual(['placement', 'variance']);
    // A seed's value is the mean of its two arms, and both are behind it.
    expect(contrasts[0].effect).toBeCloseTo(1.5, 10);
    expect([contrasts[0].a.n, contrasts[0].a.tasks.length]).toEqual([10, 20]);
    expect(contrasts[1].verdict).toBe('illustrated');
  });

  test('is not reproduced when variance moves accuracy as much', () => {
    const levels = { ...even, exact: 97, rewind: 97, lognormal: 98 };
    expect(judged(placement, evidence({ runs: runs(levels) })).verdict).toBe('not reproduced');
  });
});

describe('claims about gradients', () => {
  const at = (profile: string) => ({ dataset: 'mnist', sparsity: '0.9', profile });
  const ratio = {
    rule: 'ratio-range',
    a: { stage: 'static', profile: 'hub' },
    range: [2, 5],
    baseline: { stage: 'static', profile: 'uniform' },
    near: 1,
    margin: 0.25,
  };

  test('stand beside what counting connections alone would give', () => {
    const measured = [...gradients(at('hub'), 2), ...gradients(at('uniform'), 0)];
    const { verdict, contrasts } = judged(ratio, evidence({ gradients: measured }));
    expect(verdict).toBe('reproduced');
    expect(contrasts.map(({ label }) => label)).toEqual(['0.9 hub layer 1', '0.9 uniform layer 1']);
    const [{ effect, b, also }] = contrasts;
    expect(b?.label).toBe('sqrt(fan-in) alone');
    expect(effect).toBeGreaterThan(b?.mean ?? 0);
    expect(also[0]).toMatchObject({ label: 'ratio over count-only' });
    expect(also[0].value).toBeCloseTo((effect ?? 0) / (b?.mean ?? 1), 2);
  });

  test('are not reproduced by a hierarchy that is not there', () => {
    const measured = [...gradients(at('hub'), 0.2), ...gradients(at('uniform'), 0)];
    expect(judged(ratio, evidence({ gradients: measured })).verdict).toBe('not reproduced');
  });

  test('correlate CV and ratio over configurations, and say how surely', () => {
    const correlation = {
      rule: 'correlation',
      a: { stage: 'static' },
      published: 0.93,
      margin: 0.05,
    };
    const measured = [0, 0.25, 0.5, 1, 1.5, 2].flatMap((cv) => gradients(at(`cv${cv}`), cv));
    const [contrast] = judged(correlation, evidence({ gradients: measured })).contrasts;
    expect(contrast.effect).toBeGreaterThan(0.9);
    expect([contrast.a.n, contrast.seeds, contrast.unit]).toEqual([6, 10, 'r']);
    expect(contrast.also.map(({ label }) => label)).toEqual([
      'Spearman',
      'r over network means',
      'r, bootstrap over configurations',
    ]);
    expect(contrast).not.toHaveProperty('without');
    expect(contrast.reason).toMatch(/published 0\.93$/);
    const modest = judged({ ...correlation, published: 0.5 }, evidence({ gradients: measured }));
    expect(modest.contrasts[0].reason).toMatch(/published 0\.50, which is less$/);

    const gone = {
      task: 'static[mnist,cv9,0]',
      at: { ...at('cv9'), seed: '0' },
      reason: 'too far',
    };
    const half = { ...gone, at: { ...at('cv1'), seed: '10' }, reason: 'it failed' };
    const partial = judged(correlation, evidence({ gradients: measured, unmeasured: [gone, half] }))
      .contrasts[0];
    expect([partial.seeds, partial.a.n, partial.effect]).toEqual([10, 6, contrast.effect]);
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
  const convergence = { rule: 'convergence', a: { stage: 'rigl' }, margin: 0.05 };
  const row = (start: string, w1End: number) => ({
    dataset: 'mnist',
    sparsity: '0.9',
    rule: 'erk',
    start,
    layer: 0,
    n: 10,
    references: 10,
    runs: seedsOf(10).map((seed, i) => ({ seed, w1End: w1End + 0.002 * (i % 3) })),
    w1Start: 0.5,
    contraction: w1End / 0.5,
    cvStart: 1,
    cvEnd: 0.7,
    jaccardInitial: 0.3,
    noiseFloor: { mean: 0.05, min: 0.04, max: 0.06, pairs: [0.04, 0.05, 0.06] },
  });
  const found = (...rows: readonly ReturnType<typeof row>[]) =>
    evidence({ convergence: [observed('convergence', {}, { rows } as unknown as Convergence)] });

  test('is reproduced at the noise floor only', () => {
    expect(judged(convergence, found(row('a', 0.05))).verdict).toBe('reproduced');
    expect(judged(convergence, found(row('a', 0.09))).verdict).toBe('within margin');
    const far = judged(convergence, found(row('a', 0.05), row('lognormal-cv2', 0.4)));
    expect(far.verdict).toBe('not reproduced');
    expect(far.contrasts[1].reason).toBe(
      'distance 0.40 of 0.50 is left, noise floor 0.04\u20130.06',
    );
    expect(far.contrasts[1].also[0]).toMatchObject({ label: 'contraction', value: 0.8 });
  });

  test('tells of a setting that gave nothing, and judges the others', () => {
    const at = { dataset: 'fashion', sparsity: '0.9', rule: 'erk' };
    const lost = { task: 'convergence[fashion,0.9,erk]', at, reason: 'it failed' };
    const { convergence: there, ...rest } = found(row('a', 0.05));
    const { verdict, reason, contrasts } = judged(convergence, {
      ...rest,
      convergence: { ...there, missing: [lost] },
    });
    expect([verdict, reason]).toEqual([
      'reproduced',
      '1 of 1 contrast reproduced; 1 contrast could not be tested',
    ]);
    expect(contrasts[1]).toMatchObject({ dataset: 'fashion', label: '0.9 erk', effect: null });
  });

  test('does not count data of which nothing is known', () => {
    const known = found(row('a', 0.05));
    const { verdict } = judged(convergence, { ...known, synthetic: new Map() });
    expect(verdict).toBe('illustrated');
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
    const claim = Claim.parse({ ...about, ...near, a: { stage: 'static', profile } });
    expect(claimFaults([claim], profiles)).toEqual([]);
    expect(claimFaults([claim], known)[0]).toMatchObject({ path: [0, 'a', 'profile', 1, 0] });
  });

  test('are told of a name that repeats, a contrast without a stage, an axis that nobody has', () => {
    const faults = faultsOf(near, { ...near, a: { profil: 'uniform' } });
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
    const parse = (more: object) => z.safeParse(Claim, { ...about, ...near, ...more }).success;
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
  expect(rules).toHaveLength(6);
  for (const rule of rules) expect(words).toContain(`| \`${rule}\` |`);
  const runs = [
    ...arm('dense', { dataset: 'mnist' }, 98),
    ...arm('static', { dataset: 'mnist', profile: 'uniform' }, 98),
  ];
  const result = judge([Claim.parse({ ...about, ...near })], evidence({ runs }));
  const { claims, design } = result;
  for (const object of [
    result,
    claims[0],
    claims[0].contrasts[0],
    claims[0].contrasts[0].a,
    design,
  ])
    for (const field of Object.keys(object)) expect(words).toMatch(new RegExp(`\\b${field}\\b`));
});

describe("the study's claims, through the binary", () => {
  test('names that nobody has are shown where they were written, before anything runs', async () => {
    const rig = await studyRig();
    rig.edit(
      'pipeline.yaml',
      'a: { stage: rigl, profile: equilibrium',
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
        _ |       published: { fashoin-mnist: 0.16, emnist-balanced: 0.43, emnist47: 0.43, covtype: 0.49 }
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
