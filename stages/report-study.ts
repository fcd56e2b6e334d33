// report-study.ts — what the report's inputs hold, as the study that it tells of
import type { GradientStatistics, TrainingMetrics } from '../src/network/metrics.ts';
import type { Absent, Collected, Gathered } from '../src/engine/stage.ts';
import type {
  ConvergenceResult,
  Coordinates,
  EquilibriumRow,
  GradientRun,
  HistoryResult,
  Method,
  Missing,
  PlacedRun,
  PortraitResult,
  Run,
  Sourced,
  Study,
  StudyDataset,
} from '../src/report/data/study.ts';
import type { Convergence } from '../src/sparse/convergence.ts';
import type { Equilibrium } from '../src/sparse/equilibrium.ts';
import { coefficientOfVariation, type FanInSummary } from '../src/sparse/fan-in.ts';
import type { HistoryRow } from '../src/sparse/history.ts';
import type { DatasetAbout } from './dataset.ts';
import type { EquilibriumFits } from './equilibrium.ts';
import type { Portrait } from './portrait.ts';

/** What the report is given: of each list what there is, and what is missing. */
export interface ReportInputs {
  readonly datasets: Gathered<DatasetAbout>;
  readonly dense: Gathered<TrainingMetrics>;
  readonly static: Gathered<TrainingMetrics>;
  readonly sweep: Gathered<TrainingMetrics>;
  readonly rigl: Gathered<TrainingMetrics>;
  readonly placed: Gathered<TrainingMetrics>;
  readonly gradients: Gathered<GradientStatistics>;
  readonly masks: Gathered<FanInSummary>;
  readonly rewired: Gathered<FanInSummary>;
  readonly convergence: Gathered<Convergence>;
  readonly history: Gathered<readonly HistoryRow[]>;
  readonly portraits: Gathered<Portrait>;
  readonly equilibria: Gathered<Equilibrium>;
  readonly fits: Gathered<EquilibriumFits>;
  readonly pilots: Gathered<FanInSummary>;
}

type Results = Omit<Study, 'title' | 'hidden' | 'training' | 'rigl' | 'graph' | 'claims'>;

/**
 * Everything that was measured, joined by coordinates. Runs that two stages share are taken once.
 * @param network the label of the study's first network
 */
export function resultsOf(given: ReportInputs, network: string): Results {
  const inputs = inPlaces(given, network);
  const masks = byPoint(inputs.masks.items);
  const rewired = byPoint(inputs.rewired.items);
  const fixed = runsOf('static', inputs.static.items, masks, new Map());
  const known = new Set(fixed.map(({ coordinates }) => pointOf(coordinates)));
  const swept = runsOf('static', inputs.sweep.items, masks, new Map());
  return {
    datasets: inputs.datasets.items.map(datasetOf),
    runs: [
      ...inputs.dense.items.map((metrics) => runOf('dense', metrics, null, null)),
      ...fixed,
      ...onePerPoint(runsOf('rigl', inputs.rigl.items, masks, rewired)),
    ],
    sweep: swept.filter(({ coordinates }) => !known.has(pointOf(coordinates))),
    placed: inputs.placed.items.map(placedOf),
    gradients: gradientsOf(inputs.gradients.items),
    convergence: inputs.convergence.items.map(
      (found): ConvergenceResult => ({
        from: sourceOf(found),
        rows: rowsAt(found, found.value.rows),
      }),
    ),
    histories: inputs.history.items.map(
      (found): HistoryResult => ({ from: sourceOf(found), rows: rowsAt(found, found.value) }),
    ),
    portraits: inputs.portraits.items.map(portraitResult),
    equilibria: inputs.equilibria.items.map((fit) => equilibriumOf(fit, inputs)),
    missing: missingOf(Object.values(inputs).flatMap(({ missing }) => missing)),
  };
}

/** The same inputs, with the network in the place of every result: see `Coordinates`. */
function inPlaces(inputs: ReportInputs, first: string): ReportInputs {
  const placeOf = (dataset: string, hidden: string | undefined): string =>
    hidden === undefined || hidden === first ? dataset : `${dataset} ${hidden}`;
  const moved = ([port, gathered]: [string, Gathered<unknown>]) => {
    const items = gathered.items.map(({ at, ...item }) => {
      const { hidden, dataset = '', ...others } = at;
      return { ...item, at: { ...others, dataset: placeOf(dataset, hidden) } };
    });
    return [port, { ...gathered, items }];
  };
  return Object.fromEntries(Object.entries(inputs).map(moved)) as unknown as ReportInputs;
}

const onePerPoint = (runs: readonly Run[]): readonly Run[] => [
  ...new Map(runs.map((run) => [pointOf(run.coordinates), run])).values(),
];

/** Rows of one setting, under the place of their task. */
const rowsAt = <Row extends { readonly dataset: string | null }>(
  { at }: Collected<unknown>,
  rows: readonly Row[],
): readonly Row[] => rows.map((row) => ({ ...row, dataset: at.dataset ?? row.dataset }));

const sourceOf = ({ task, digest }: Collected<unknown>) => ({ task, digest });

const sourced = <T>(item: Collected<T>): Sourced<T> => ({
  value: item.value,
  from: sourceOf(item),
});

/** The point of the matrix as a text: upstream stages name the same axes in the same order. */
const pointOf = (at: Coordinates): string =>
  JSON.stringify([at.dataset, at.sparsity, at.rule, at.profile, at.seed]);

const coordinatesOf = ({ at }: Collected<unknown>): Coordinates => ({
  dataset: at.dataset ?? '',
  sparsity: at.sparsity ?? '0',
  rule: at.rule ?? '',
  profile: at.profile ?? 'dense',
  seed: at.seed ?? '0',
});

type FanIns = ReadonlyMap<string, Collected<FanInSummary>>;

const byPoint = (fanIns: readonly Collected<FanInSummary>[]): FanIns =>
  new Map(fanIns.map((fanIn) => [pointOf(coordinatesOf(fanIn)), fanIn]));

/** Every task once, however many of its outputs are missing. */
function missingOf(all: readonly Absent[]): readonly Missing[] {
  const byTask = new Map(all.map(({ task, reason }) => [task, reason]));
  return [...byTask].map(([task, { kind, message }]) => ({ task, kind, reason: message }));
}

function datasetOf(about: Collected<DatasetAbout>): StudyDataset {
  const { title, synthetic, train, test, shape, majority, split, licence, citation } = about.value;
  const { features, classes } = shape;
  const counts = { features, classes, train, test, majority };
  const name = about.at.dataset ?? '';
  return { name, title, synthetic, ...counts, split, licence, citation, from: sourceOf(about) };
}

function runOf(
  method: Method,
  metrics: Collected<TrainingMetrics>,
  before: Collected<FanInSummary> | null,
  after: Collected<FanInSummary> | null,
): Run {
  return {
    method,
    coordinates: coordinatesOf(metrics),
    metrics: sourced(metrics),
    fanInBefore: before && sourced(before),
    fanInAfter: after && sourced(after),
  };
}

const runsOf = (
  method: Method,
  metrics: readonly Collected<TrainingMetrics>[],
  before: FanIns,
  after: FanIns,
): readonly Run[] =>
  metrics.map((run) => {
    const point = pointOf(coordinatesOf(run));
    return runOf(method, run, before.get(point) ?? null, after.get(point) ?? null);
  });

function placedOf(metrics: Collected<TrainingMetrics>): PlacedRun {
  const { dataset = '', sparsity = '0', rule = '', arm = '', pilot = '' } = metrics.at;
  return { dataset, sparsity, rule, arm, pilot, metrics: sourced(metrics) };
}

/** Of the last epochs. Two stages that share a run measured it once. */
function gradientsOf(all: readonly Collected<GradientStatistics>[]): readonly GradientRun[] {
  const runs = new Map<string, GradientRun>();
  for (const found of all) {
    const coordinates = coordinatesOf(found);
    const window = found.value.windows.find(({ name }) => name === 'last');
    if (window === undefined || runs.has(pointOf(coordinates))) continue;
    // The output layer is dense in every arm: it has no hubs.
    const layers = window.layers.slice(0, -1).map(({ fanIn, hierarchy }) => ({
      cv: coefficientOfVariation(fanIn),
      ratio: hierarchy.l2,
      counted: hierarchy.l2Null,
    }));
    runs.set(pointOf(coordinates), { coordinates, from: sourceOf(found), layers });
  }
  return [...runs.values()];
}

function portraitResult(found: Collected<Portrait>): PortraitResult {
  const { dataset = '', sparsity = '0', rule = '', profile = '' } = found.at;
  const { seed, start, end, image } = found.value;
  return { dataset, sparsity, rule, profile, seed, from: sourceOf(found), start, end, image };
}

function equilibriumOf(fit: Collected<Equilibrium>, { fits, pilots }: ReportInputs) {
  const { dataset = '', sparsity = '0', rule = '' } = fit.at;
  const own = ({ at }: Collected<unknown>): boolean =>
    at.dataset === fit.at.dataset && at.sparsity === fit.at.sparsity && at.rule === fit.at.rule;
  const families = fits.items.find(own);
  const row: EquilibriumRow = {
    dataset,
    sparsity,
    rule,
    fit: sourced(fit),
    families: families ? { value: families.value.layers, from: sourceOf(families) } : null,
    pilots: pilots.items.filter(own).map(sourced),
  };
  return row;
}
