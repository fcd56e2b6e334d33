// report.ts — everything that was found, on one page
import * as z from 'zod/mini';
import type { ClaimsResult } from '../src/claims/result.ts';
import type { TrainingMetrics } from '../src/network/metrics.ts';
import {
  type Collected,
  collect,
  defineStage,
  json,
  optional,
  text,
} from '../src/pipeline/stage.ts';
import { renderReport } from '../src/report/page.ts';
import type {
  Coordinates,
  EquilibriumRow,
  Method,
  Run,
  Sourced,
  StudyDataset,
} from '../src/report/study.ts';
import type { Equilibrium } from '../src/sparse/equilibrium.ts';
import type { FanInSummary } from '../src/sparse/fan-in.ts';
import type { DatasetAbout } from './dataset.ts';
import { Hidden, Rigl, Training } from './schema.ts';

type TrainingParams = z.infer<typeof Training>;
type Metrics = readonly Collected<TrainingMetrics>[];
type FanIns = readonly Collected<FanInSummary>[];

export default defineStage({
  params: z.object({ title: z.string(), hidden: Hidden, training: Training, rigl: Rigl }),
  inputs: {
    datasets: collect(json<DatasetAbout>()),
    dense: collect(json<TrainingMetrics>()),
    static: collect(json<TrainingMetrics>()),
    rigl: collect(json<TrainingMetrics>()),
    masks: collect(json<FanInSummary>()),
    rewired: collect(json<FanInSummary>()),
    equilibria: collect(json<Equilibrium>()),
    pilots: collect(json<FanInSummary>()),
    claims: optional(json<ClaimsResult>()),
  },
  outputs: { html: text() },
  // Vega counts ids in module state.
  isolate: true,
  async run({ params, inputs }) {
    const { title, hidden, training } = params;
    const { accumulate, ...rewiring } = params.rigl;

    const masks = byCoordinates(inputs.masks);
    const rewired = byCoordinates(inputs.rewired);
    const html = await renderReport({
      title,
      hidden,
      training: optionsOf(training),
      rigl: { ...rewiring, ...(accumulate !== undefined && { accumulate }) },
      datasets: inputs.datasets.map(datasetOf),
      runs: [
        ...inputs.dense.map((metrics) => runOf('dense', metrics, null, null)),
        ...runsOf('static', inputs.static, masks, new Map()),
        ...runsOf('rigl', inputs.rigl, masks, rewired),
      ],
      equilibria: inputs.equilibria.map((fit) => equilibriumOf(fit, inputs.pilots)),
      missing: [],
      claims: inputs.claims,
    });
    return { html };
  },
});

/** Training options as rows; what was added to them and is off goes without saying. */
function optionsOf(params: TrainingParams) {
  const { schedule, nesterov, clipNorm, labelSmoothing, engine, ...options } = params;
  const { kind, ...details } = schedule;
  const words = Object.entries(details).filter(([name, value]) => name !== 'warmup' || value !== 0);
  const rate = [kind, ...words.map(([name, value]) => `${name} ${value}`)].join(', ');
  return {
    ...options,
    ...(nesterov && { nesterov }),
    ...(rate !== 'constant' && { schedule: rate }),
    ...(clipNorm !== undefined && { clipNorm }),
    ...(labelSmoothing > 0 && { labelSmoothing }),
    ...(engine && { engine }),
  };
}

const sourced = <T>({ value, task, digest }: Collected<T>): Sourced<T> => ({
  value,
  from: { task, digest },
});

/** The point of the matrix as a text: upstream stages name the same axes in the same order. */
const pointOf = (at: Coordinates): string =>
  [at.dataset, at.sparsity, at.rule, at.profile, at.seed].join(' ');

const coordinatesOf = ({ at }: Collected<unknown>): Coordinates => ({
  dataset: at.dataset,
  sparsity: at.sparsity ?? '0',
  rule: at.rule ?? '',
  profile: at.profile ?? 'dense',
  seed: at.seed,
});

function byCoordinates(fanIns: FanIns): ReadonlyMap<string, Collected<FanInSummary>> {
  return new Map(fanIns.map((fanIn) => [pointOf(coordinatesOf(fanIn)), fanIn]));
}

function datasetOf(about: Collected<DatasetAbout>): StudyDataset {
  const { synthetic, train, test, shape } = about.value;
  const { features, classes } = shape;
  const { task, digest } = about;
  const name = about.at.dataset;
  return { name, synthetic, features, classes, train, test, from: { task, digest } };
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

function runsOf(
  method: Method,
  metrics: Metrics,
  before: ReadonlyMap<string, Collected<FanInSummary>>,
  after: ReadonlyMap<string, Collected<FanInSummary>>,
): readonly Run[] {
  return metrics.map((run) => {
    const point = pointOf(coordinatesOf(run));
    return runOf(method, run, before.get(point) ?? null, after.get(point) ?? null);
  });
}

function equilibriumOf(fit: Collected<Equilibrium>, pilots: FanIns): EquilibriumRow {
  const { dataset, sparsity, rule } = fit.at;
  const own = pilots.filter(
    ({ at }) => at.dataset === dataset && at.sparsity === sparsity && at.rule === rule,
  );
  return { dataset, sparsity, rule, fit: sourced(fit), pilots: own.map(sourced) };
}
