// operating-characteristics.ts — how often each rule says what, in worlds where the answer is known
import type { ClaimDeclaration } from '../src/claims/declaration.ts';
import type { Evidence, Labels, Observation } from '../src/claims/evidence.ts';
import { decide } from '../src/claims/judge.ts';
import type { Verdict } from '../src/claims/result.ts';
import type { GradientStatistics, TrainingMetrics } from '../src/network/metrics.ts';
import type { Convergence } from '../src/sparse/convergence.ts';
import { fanInShape, overPairs, shapeDistance } from '../src/sparse/distance.ts';
import { type Stream, stream } from '../src/stats/stream.ts';
import { mean } from '../src/stats/summary.ts';

/** A world in which studies are simulated. */
export interface World {
  readonly claim: string;
  readonly name: string;
  /** Which verdict would be false here: at most 5 % of studies may say so. */
  readonly never: 'reproduced' | 'refuted' | null;
  study(random: Stream): Evidence;
}

/** How often a world's studies came to each verdict, as fractions. */
export interface Characteristics {
  readonly world: World;
  readonly rounds: number;
  readonly shares: { readonly [V in Verdict]: number };
  /** Of all studies: reproduced with some qualifier. */
  readonly qualified: number;
}

/**
 * Judges `rounds` simulated studies of a world by the product's own judge, or as many as there are when `enough` says so,
 * which is asked now and then. The first studies of a world are the same however many follow.
 */
export function characterise(
  world: World,
  claims: readonly ClaimDeclaration[],
  most: number,
  enough: () => boolean = () => false,
): Characteristics {
  const claim = claims.find(({ id }) => id === world.claim);
  if (claim === undefined) throw new Error(`no claim ${world.claim}`);
  const random = stream(1, 'operating characteristics', world.claim, world.name);
  const counts = { reproduced: 0, refuted: 0, inconclusive: 0, 'not assessed': 0, 'not tested': 0 };
  let [qualified, rounds] = [0, 0];
  for (; rounds < most; rounds++) {
    if (rounds > 0 && rounds % 50 === 0 && enough()) break;
    const { verdict, qualifiers } = decide(claim, world.study(random));
    counts[verdict] += 1;
    if (qualifiers.length > 0) qualified += 1;
  }
  const shares = Object.fromEntries(
    Object.entries(counts).map(([verdict, count]) => [verdict, count / rounds]),
  ) as Characteristics['shares'];
  return { world, rounds, shares, qualified: qualified / rounds };
}

// ---- the study that is simulated: four data sets, the SD of a seed on each in points ----

const SDS: Readonly<Record<string, number>> = {
  mnist: 0.12,
  'fashion-mnist': 0.18,
  emnist47: 0.25,
  covtype: 0.3,
};
const DATASETS = Object.keys(SDS);
/** Dense accuracy: MNIST is the easiest. */
const DENSE: Readonly<Record<string, number>> = {
  mnist: 97.8,
  'fashion-mnist': 89.2,
  emnist47: 80.2,
  covtype: 85,
};
/** Ten families at CV 1, constant fan-in, and a lognormal at CV 1.5. */
export const PROFILES = Array.from({ length: 12 }, (_, i) => `profile${i}`);
const SWEPT = ['profile0', 'profile1', 'profile2', 'profile3', 'profile4', 'profile5'];
/** Seeds differ more at high sparsities. */
const SPARSITIES: Readonly<Record<string, number>> = {
  0.8: 1,
  0.9: 1,
  0.95: 1,
  0.99: 1.2,
  0.999: 5,
};

const DIGEST = 'd'.repeat(64);

function arm(
  random: Stream,
  stage: string,
  at: Labels,
  { level, sd, n = 10, axis = 'seed' }: { level: number; sd: number; n?: number; axis?: string },
): Observation<TrainingMetrics>[] {
  const task = `${stage}[]`;
  return seeded(at, axis, n).map((point) => {
    const accuracy = (level + sd * random.normal()) / 100;
    const value = { accuracy } as TrainingMetrics;
    return { task, digest: DIGEST, at: point, value };
  });
}

/** Every study has the same points. */
const POINTS = new Map<string, readonly Labels[]>();

function seeded(at: Labels, axis: string, n: number): readonly Labels[] {
  const name = `${Object.values(at)} ${axis} ${n}`;
  const known = POINTS.get(name);
  if (known) return known;
  const points = Array.from({ length: n }, (_, seed) => ({ ...at, [axis]: String(seed) }));
  POINTS.set(name, points);
  return points;
}

const nothing = { items: [], missing: [] };

function evidence(part: {
  readonly runs?: readonly Observation<TrainingMetrics>[];
  readonly gradients?: readonly Observation<GradientStatistics>[];
  readonly convergence?: readonly Observation<Convergence>[];
}): Evidence {
  return {
    synthetic: new Map(DATASETS.map((name) => [name, false])),
    runs: { items: part.runs ?? [], missing: [] },
    gradients: { items: part.gradients ?? [], missing: [] },
    convergence: { ...nothing, items: part.convergence ?? [] },
  };
}

/** C1: dense and twelve static profiles, by how far each ends below dense. */
const staticStudy =
  (deficit: (dataset: string, profile: number) => number) =>
  (random: Stream): Evidence =>
    evidence({
      runs: DATASETS.flatMap((dataset) => {
        const [level, sd] = [DENSE[dataset]!, SDS[dataset]!];
        return [
          ...arm(random, 'dense', { dataset }, { level, sd }),
          ...['uniform', ...PROFILES.slice(0, 11)].flatMap((profile, i) =>
            arm(
              random,
              'static',
              { dataset, sparsity: '0.9', rule: 'erk', profile },
              { level: level - deficit(dataset, i), sd },
            ),
          ),
        ];
      }),
    });

interface Cell {
  readonly dataset: string;
  readonly sparsity: string;
  readonly profile: string;
  readonly sd: number;
}

/** C2: five sparsities by six profiles, and twelve at 0.9, by how far each ends above uniform. */
const sweepStudy =
  (advantage: (cell: Cell) => number) =>
  (random: Stream): Evidence =>
    evidence({
      runs: DATASETS.flatMap((dataset) =>
        Object.entries(SPARSITIES).flatMap(([sparsity, factor]) => {
          const [level, sd] = [DENSE[dataset], SDS[dataset]! * factor];
          const profiles = sparsity === '0.9' ? PROFILES : SWEPT;
          return ['uniform', ...profiles].flatMap((profile) => {
            const more = profile === 'uniform' ? 0 : advantage({ dataset, sparsity, profile, sd });
            const at = { dataset, sparsity, rule: 'erk', profile };
            return arm(random, 'static', at, { level: level! + more, sd });
          });
        }),
      ),
    });

interface Layer {
  readonly cv: number;
  /** True ratio, and what counting alone gives. */
  readonly ratio: number;
  readonly counting: number;
}

function gradient(random: Stream, at: Labels, layers: readonly Layer[], sd: number) {
  return seeded(at, 'seed', 10).map((point): Observation<GradientStatistics> => {
    const told = layers.map(({ cv, ratio, counting }) => {
      const l2 = ratio + sd * random.normal();
      // Two neurons whose fan-in has just this CV.
      const fanIn = [1 - cv, 1 + cv];
      const hierarchy = { l2, l2Null: counting, l2BeyondCount: l2 / counting, perConnection: 1 };
      return { fanIn, hierarchy };
    });
    const output = { fanIn: [1, 1], hierarchy: { l2: 1 } };
    const windows = [{ name: 'last', layers: [...told, output] }];
    const value = { windows } as unknown as GradientStatistics;
    return { task: 'static[]', digest: DIGEST, at: point, value };
  });
}

/** C3: random networks and eleven structured profiles of two layers. */
const hubStudy =
  (ratio: (profile: number, layer: number) => number) =>
  (random: Stream): Evidence =>
    evidence({
      gradients: DATASETS.flatMap((dataset) =>
        ['uniform', ...PROFILES.slice(0, 11)].flatMap((profile, i) => {
          const at = { dataset, sparsity: '0.9', rule: 'erk', profile };
          const layers = [0, 1].map((layer) => ({
            cv: 1,
            ratio: profile === 'uniform' ? 1.15 : ratio(i - 1, layer),
            counting: 1,
          }));
          return gradient(random, at, layers, 0.08);
        }),
      ),
    });

/**
 * C4: sixteen networks of two layers. Residuals of a network's layers correlate by a half. `beyond` is the correlation of
 * CV with the ratio over what counting gives; without it, counting explains all.
 */
const correlatedStudy =
  (rho: number, beyond: number) =>
  (random: Stream): Evidence =>
    evidence({
      gradients: DATASETS.flatMap((dataset) =>
        Array.from({ length: 16 }, (_, i) => i).flatMap((i) => {
          const x = random.normal();
          const shared = random.normal();
          const [corrected, own] = [random.normal(), Math.sqrt(1 - beyond * beyond)];
          const layers = [0, 1].map(() => {
            const residual = Math.sqrt(0.5) * (shared + random.normal());
            const y = rho * x + Math.sqrt(1 - rho * rho) * residual;
            const ratio = 3 + 0.3 * y;
            const over = 1 + 0.02 * (beyond * x + own * corrected);
            return { cv: 0.5 + 0.1 * x, ratio, counting: ratio / over };
          });
          const at = { dataset, sparsity: '0.9', rule: 'erk', profile: `profile${i}` };
          return gradient(random, at, layers, 0);
        }),
      ),
    });

/** C5: two arms of RigL with 20 seeds. */
const matchedStudy =
  (gain: Readonly<Record<string, number>>) =>
  (random: Stream): Evidence =>
    evidence({
      runs: DATASETS.flatMap((dataset) => {
        const [level, sd] = [DENSE[dataset]!, SDS[dataset]!];
        const at = (profile: string) => ({ dataset, sparsity: '0.9', rule: 'erk', profile });
        return [
          ...arm(random, 'dense', { dataset }, { level, sd }),
          ...arm(random, 'rigl', at('uniform'), { level: level - 0.5, sd, n: 20 }),
          ...arm(random, 'rigl', at('equilibrium'), {
            level: level - 0.5 + gain[dataset]!,
            sd,
            n: 20,
          }),
        ];
      }),
    });

/** Sorted lognormal fan-in of a layer, drawn anew. */
const fanIn = (random: Stream, sigma: number, neurons: number): Float64Array =>
  fanInShape(Float64Array.from({ length: neurons }, () => Math.exp(sigma * random.normal())));

/** C6, of two data sets: ten runs from each of two starts, and from the equilibrium; `sigma` is where a start ends. */
const rewiredStudy =
  (sigma: (start: string, layer: number) => number, moved: number) =>
  (random: Stream): Evidence => {
    const rows = DATASETS.slice(0, 2).flatMap((dataset) =>
      [256, 128].flatMap((neurons, layer) => {
        const draws = (sd: number) => Array.from({ length: 10 }, () => fanIn(random, sd, neurons));
        const ends = draws(0.4);
        const pairs = overPairs(ends, shapeDistance);
        const noiseFloor = {
          mean: mean(pairs),
          min: Math.min(...pairs),
          max: Math.max(...pairs),
          pairs,
        };
        return ['uniform', 'a', 'b', 'equilibrium'].map((start) => {
          const runs = (start === 'uniform' ? ends : draws(sigma(start, layer))).map(
            (end, seed) => {
              const toReferences = ends.map((other) =>
                other === end ? null : shapeDistance(end, other),
              );
              const w1End = mean(toReferences.flatMap((one) => one ?? []));
              const from = fanIn(random, 0.4 + moved, neurons);
              return { seed: String(seed), w1End, toReferences, moved: shapeDistance(from, end) };
            },
          );
          const at = { dataset, sparsity: '0.9', rule: 'erk', start, layer };
          const of = {
            n: 10,
            references: 10,
            w1Start: 0.3,
            contraction: null,
            cvStart: 1,
            cvEnd: 1,
          };
          return { ...at, ...of, jaccardInitial: 0.3, runs, noiseFloor };
        });
      }),
    );
    const value = { rows, missing: [] } as unknown as Convergence;
    return evidence({ convergence: [{ task: 'convergence[]', digest: DIGEST, at: {}, value }] });
  };

/** C7: six arms, ten pilots. */
const placedStudy =
  (placement: number, variance: number) =>
  (random: Stream): Evidence =>
    evidence({
      runs: DATASETS.flatMap((dataset) =>
        Object.entries({
          exact: placement,
          rewind: placement,
          'fan-in-kept': 0,
          'fan-in-permuted': 0,
          lognormal: variance,
          uniform: 0,
        }).flatMap(([name, more]) =>
          arm(
            random,
            'placed',
            { dataset, sparsity: '0.9', rule: 'erk', arm: name },
            { level: DENSE[dataset]! - 1 + more, sd: SDS[dataset]!, axis: 'pilot' },
          ),
        ),
      ),
    });

/** Ends that are farther from sigma 0.4 than the floor by the margin of 0.05, on average over 3000 pairs of 256 and 128 neurons. */
const SIGMAS_AT_MARGIN = [0.5, 0.509];

const none = { mnist: 0, 'fashion-mnist': 0, emnist47: 0, covtype: 0 };
const published = { mnist: 0.1, 'fashion-mnist': 0.16, emnist47: 0.43, covtype: 0.49 };
const marginOf = ({ sd }: Cell): number => Math.max(0.2, sd);

/** Every world, claim by claim. */
export const WORLDS: readonly World[] = [
  {
    claim: 'C1',
    name: 'deficits of 0.2 to 0.6, as published',
    never: 'refuted',
    study: staticStudy((_, i) => 0.2 + (0.4 * i) / 11),
  },
  {
    claim: 'C1',
    name: 'deficits of 0.6 everywhere',
    never: 'refuted',
    study: staticStudy(() => 0.6),
  },
  { claim: 'C1', name: 'no deficit', never: 'refuted', study: staticStudy(() => 0) },
  {
    claim: 'C1',
    name: 'one profile of 12 at 0.8 on one data set, others at 0.4',
    never: 'reproduced',
    study: staticStudy((set, i) => (set === 'covtype' && i === 3 ? 0.8 : 0.4)),
  },
  {
    claim: 'C1',
    name: 'deficits of 1.5 on one data set',
    never: 'reproduced',
    study: staticStudy((set) => (set === 'covtype' ? 1.5 : 0.4)),
  },
  {
    claim: 'C2',
    name: 'no profile differs, as published',
    never: 'refuted',
    study: sweepStudy(() => 0),
  },
  { claim: 'C2', name: 'profiles end 0.3 lower', never: 'refuted', study: sweepStudy(() => -0.3) },
  {
    claim: 'C2',
    name: 'all profiles help by the margin at one setting',
    never: 'reproduced',
    study: sweepStudy((cell) =>
      cell.dataset === 'fashion-mnist' && cell.sparsity === '0.95' ? marginOf(cell) : 0,
    ),
  },
  {
    claim: 'C2',
    name: 'one profile helps by the margin at every setting',
    never: 'reproduced',
    study: sweepStudy((cell) => (cell.profile === 'profile2' ? marginOf(cell) : 0)),
  },
  {
    claim: 'C2',
    name: 'one profile helps by 0.6 in one cell',
    never: 'reproduced',
    study: sweepStudy((cell) =>
      cell.profile === 'profile2' && cell.dataset === 'covtype' && cell.sparsity === '0.95'
        ? 0.6
        : 0,
    ),
  },
  {
    claim: 'C2',
    name: 'one profile helps by 0.3 in one cell',
    never: null,
    study: sweepStudy((cell) =>
      cell.profile === 'profile2' && cell.dataset === 'fashion-mnist' && cell.sparsity === '0.95'
        ? 0.3
        : 0,
    ),
  },
  {
    claim: 'C2',
    name: 'all profiles help by 0.5',
    never: 'reproduced',
    study: sweepStudy(() => 0.5),
  },
  {
    claim: 'C3',
    name: 'ratios of 2 to 5, as published',
    never: 'refuted',
    study: hubStudy((i) => 2 + 0.3 * i),
  },
  {
    claim: 'C3',
    name: 'one profile at 1.75, others at 2.5',
    never: 'reproduced',
    study: hubStudy((i) => (i === 4 ? 1.75 : 2.5)),
  },
  { claim: 'C3', name: 'all profiles at 1.75', never: 'refuted', study: hubStudy(() => 1.75) },
  {
    claim: 'C3',
    name: 'no hierarchy: ratios as in random networks',
    never: 'reproduced',
    study: hubStudy(() => 1.15),
  },
  { claim: 'C3', name: 'hubs see less', never: 'reproduced', study: hubStudy(() => 0.9) },
  {
    claim: 'C4',
    name: 'r = 0.93, as published',
    never: 'refuted',
    study: correlatedStudy(0.93, 0),
  },
  { claim: 'C4', name: 'r = 0.98', never: 'refuted', study: correlatedStudy(0.98, 0) },
  {
    claim: 'C4',
    name: 'r = 0.98, and 0.9 beyond counting',
    never: 'refuted',
    study: correlatedStudy(0.98, 0.9),
  },
  {
    claim: 'C4',
    name: 'r = 0.88 on every data set',
    never: 'refuted',
    study: correlatedStudy(0.88, 0),
  },
  { claim: 'C4', name: 'r = 0', never: 'reproduced', study: correlatedStudy(0, 0) },
  { claim: 'C4', name: 'r = -0.93', never: 'reproduced', study: correlatedStudy(-0.93, 0) },
  { claim: 'C5', name: 'effects as published', never: 'refuted', study: matchedStudy(published) },
  {
    claim: 'C5',
    name: 'half of the published effects',
    never: null,
    study: matchedStudy({ mnist: 0.05, 'fashion-mnist': 0.08, emnist47: 0.21, covtype: 0.25 }),
  },
  { claim: 'C5', name: 'no effect', never: 'reproduced', study: matchedStudy(none) },
  {
    claim: 'C5',
    name: 'no effect on one data set',
    never: 'reproduced',
    study: matchedStudy({ ...published, 'fashion-mnist': 0 }),
  },
  {
    claim: 'C5',
    name: 'the opposite',
    never: 'reproduced',
    study: matchedStudy({ mnist: -0.1, 'fashion-mnist': -0.16, emnist47: -0.43, covtype: -0.49 }),
  },
  {
    claim: 'C6',
    name: 'one distribution, and it stays',
    never: 'refuted',
    study: rewiredStudy(() => 0.4, 0),
  },
  {
    claim: 'C6',
    name: 'one start ends at the margin',
    never: 'reproduced',
    study: rewiredStudy((start, layer) => (start === 'b' ? SIGMAS_AT_MARGIN[layer]! : 0.4), 0),
  },
  {
    claim: 'C6',
    name: 'all starts end at the margin',
    never: 'reproduced',
    study: rewiredStudy((_, layer) => SIGMAS_AT_MARGIN[layer]!, 0),
  },
  {
    claim: 'C6',
    name: 'starts keep a wide fan-in',
    never: 'reproduced',
    study: rewiredStudy((start) => (start === 'b' ? 0.8 : 0.4), 0),
  },
  {
    claim: 'C6',
    name: 'the equilibrium does not stay',
    never: 'reproduced',
    study: rewiredStudy(() => 0.4, 0.3),
  },
  { claim: 'C7', name: 'placement 0.5, variance 0', never: 'refuted', study: placedStudy(0.5, 0) },
  {
    claim: 'C7',
    name: 'placement 0.5, variance -0.1',
    never: 'refuted',
    study: placedStudy(0.5, -0.1),
  },
  { claim: 'C7', name: 'neither', never: 'reproduced', study: placedStudy(0, 0) },
  { claim: 'C7', name: 'neither: nothing to refute', never: 'refuted', study: placedStudy(0, 0) },
  { claim: 'C7', name: 'both 0.3', never: 'refuted', study: placedStudy(0.3, 0.3) },
  {
    claim: 'C7',
    name: 'the opposite: variance 0.5',
    never: 'reproduced',
    study: placedStudy(0, 0.5),
  },
];
