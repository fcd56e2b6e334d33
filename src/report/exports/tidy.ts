// tidy.ts — the numbers of a report as plain tables: one row an observation, one column a variable
import { anchorsOf, sourceRows } from '../data/anchors.ts';
import { allArms, type DatasetResults, finalWords, group, layerChanges } from '../data/arms.ts';
import { correlationOf, gradientPoints } from '../figures/gradient-figure.ts';
import { staticPoints } from '../figures/grid-figure.ts';
import { meanOf } from '../charts/rows-chart.ts';
import type { Study } from '../data/study.ts';

/** What a cell holds: null where there is no number. */
export type Cell = string | number | boolean | null;

/** A column: its name in files, how LaTeX heads it, and the digits that LaTeX prints. */
export interface Column {
  readonly name: string;
  readonly heading: string;
  readonly digits?: number;
}

/** A table, in full precision. */
export interface TidyTable {
  /** Of its files: `claims`. */
  readonly name: string;
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

const column = (name: string, heading: string = name, digits?: number): Column =>
  digits === undefined ? { name, heading } : { name, heading, digits };

/** Every table that has a row. */
export function tidyTables(study: Study, results: readonly DatasetResults[]): readonly TidyTable[] {
  const tables = [
    claimsTidy(study),
    contrastsTidy(study),
    accuracyTidy(study, results),
    runsTidy(study),
    fanInTidy(results),
    gradientsTidy(study),
    correlationTidy(study),
    convergenceTidy(study),
    equilibriumTidy(study),
    datasetsTidy(study),
    missingTidy(study),
    sourcesTidy(study, results),
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

function claimsTidy({ claims }: Study): TidyTable {
  return {
    name: 'claims',
    caption: 'Claims of the paper and their verdicts.',
    columns: [
      column('claim'),
      column('title'),
      column('paper', 'the paper'),
      column('kind'),
      column('margin', 'margin', 2),
      column('seeds_wanted', 'seeds wanted', 0),
      column('verdict'),
      column('qualifiers'),
      column('reason'),
    ],
    rows: (claims?.claims ?? []).map((c) => [
      ...[c.id, c.title, c.paper.value, c.kind, c.margin, c.seeds, c.verdict],
      ...[c.qualifiers.join(', ') || null, c.reason],
    ]),
  };
}

function contrastsTidy({ claims }: Study): TidyTable {
  return {
    name: 'contrasts',
    caption: 'Every contrast behind the verdicts.',
    columns: [
      column('claim'),
      column('dataset', 'data set'),
      column('contrast'),
      column('n_a', '$n_a$', 0),
      column('mean_a', '$\\bar{a}$', 2),
      column('sd_a', '$s_a$', 2),
      column('n_b', '$n_b$', 0),
      column('mean_b', '$\\bar{b}$', 2),
      column('sd_b', '$s_b$', 2),
      column('effect', 'effect', 3),
      column('unit'),
      column('ci_low', 'CI low', 3),
      column('ci_high', 'CI high', 3),
      column('level', 'level', 2),
      column('p_for', '$p$ for', 3),
      column('p_for_holm', '$p$ for (Holm)', 3),
      column('p_against', '$p$ against', 3),
      column('p_against_holm', '$p$ against (Holm)', 3),
      column('d', '$d$', 2),
      column('d_ddof0', '$d$ (ddof 0)', 2),
      column('g', '$g$', 2),
      column('seeds', '$n$', 0),
      column('synthetic'),
      column('decides'),
      column('verdict'),
      column('qualifiers'),
      column('reason'),
    ],
    rows: (claims?.claims ?? []).flatMap(({ id, contrasts }) =>
      contrasts.map((c): readonly Cell[] => [
        ...[id, c.dataset, c.label, c.a.n, c.a.mean, c.a.sd],
        ...[c.b?.n ?? null, c.b?.mean ?? null, c.b?.sd ?? null],
        ...[c.effect, c.unit, c.ci?.[0] ?? null, c.ci?.[1] ?? null, c.level],
        ...[c.pFor, c.pForHolm, c.pAgainst, c.pAgainstHolm],
        ...[c.d, c.dDdof0, c.g, c.seeds, c.synthetic, c.decides],
        ...[c.verdict, c.qualifiers.join(', ') || null, c.reason],
      ]),
    ),
  };
}

const PLACE = [
  column('dataset', 'data set'),
  column('sparsity', 'sparsity'),
  column('rule', 'layer rule'),
];

function accuracyTidy(study: Study, results: readonly DatasetResults[]): TidyTable {
  const dense = new Map(results.map((result) => [result.dataset, result.dense?.accuracy.mean]));
  type Row = { at: readonly Cell[]; runs: readonly number[]; dataset: string; expected: number };
  const main = allArms(results).map(
    (arm): Row => ({
      at: [arm.dataset, arm.sparsity, arm.rule, arm.method, arm.profile],
      dataset: arm.dataset,
      expected: arm.expected,
      runs: arm.runs.map(({ metrics }) => metrics.value.accuracy),
    }),
  );
  const known = new Set(main.map(({ at }) => JSON.stringify(at)));
  const points = staticPoints(study);
  const swept = points
    .map(
      ({ dataset, sparsity, rule, profile, runs }): Row => ({
        at: [dataset, sparsity, rule, 'static', profile],
        dataset,
        expected: mostOf(points),
        runs: runs.map(({ metrics }) => metrics.value.accuracy),
      }),
    )
    .filter(({ at }) => !known.has(JSON.stringify(at)));
  const arms = group(study.placed, (run) =>
    JSON.stringify([run.dataset, run.sparsity, run.rule, run.arm]),
  );
  const most = mostOf(arms.map((runs) => ({ runs })));
  const placed = arms.map(
    (runs): Row => ({
      at: [runs[0]!.dataset, runs[0]!.sparsity, runs[0]!.rule, 'placed', runs[0]!.arm],
      dataset: runs[0]!.dataset,
      expected: most,
      runs: runs.map(({ metrics }) => metrics.value.accuracy),
    }),
  );
  return {
    name: 'accuracy',
    caption: `Test accuracy ${finalWords([...study.runs, ...study.sweep, ...study.placed])}, in percent.`,
    columns: [
      ...PLACE,
      column('method'),
      column('profile'),
      column('n', '$n$', 0),
      column('n_expected', '$n$ expected', 0),
      column('mean', 'mean', 2),
      column('sd', 'SD', 2),
      column('ci_low', 'CI low', 2),
      column('ci_high', 'CI high', 2),
      column('less_dense', 'less dense', 2),
    ],
    rows: [...main, ...swept, ...placed].map(({ at, runs, dataset, expected }) => {
      const percents = runs.map((accuracy) => accuracy * 100);
      const { mean, ci } = meanOf(percents);
      const reference = dense.get(dataset);
      const sd = sdOf(percents, mean);
      const less = reference === undefined || at[3] === 'dense' ? null : mean - 100 * reference;
      return [...at, runs.length, expected, mean, sd, ci?.[0] ?? null, ci?.[1] ?? null, less];
    }),
  };
}

/** The runs of the fullest arm: what the others should have, too. */
const mostOf = (arms: readonly { readonly runs: readonly unknown[] }[]): number =>
  arms.reduce((most, { runs }) => Math.max(most, runs.length), 0);

function sdOf(values: readonly number[], mean: number): number | null {
  if (values.length < 2) return null;
  const squares = values.reduce((sum, value) => sum + (value - mean) * (value - mean), 0);
  return Math.sqrt(squares / (values.length - 1));
}

function runsTidy({ runs, sweep, placed }: Study): TidyTable {
  const trained = [...runs, ...sweep].map(
    ({ coordinates: at, method, metrics }): readonly Cell[] => [
      ...[at.dataset, at.sparsity, at.rule, method, at.profile, at.seed],
      ...[metrics.value.accuracy * 100, metrics.value.loss, metrics.from.task, metrics.from.digest],
    ],
  );
  const kept = placed.map(({ dataset, sparsity, rule, arm, pilot, metrics }): readonly Cell[] => [
    ...[dataset, sparsity, rule, 'placed', arm, pilot],
    ...[metrics.value.accuracy * 100, metrics.value.loss, metrics.from.task, metrics.from.digest],
  ]);
  return {
    name: 'runs',
    caption: 'Every trained network.',
    columns: [
      ...PLACE,
      column('method'),
      column('profile'),
      column('seed'),
      column('accuracy', 'accuracy', 2),
      column('loss', 'loss', 4),
      column('task'),
      column('digest'),
    ],
    rows: [...trained, ...kept],
  };
}

function fanInTidy(results: readonly DatasetResults[]): TidyTable {
  return {
    name: 'fan-in',
    caption: 'CV of fan-in before and after RigL, means over seeds.',
    columns: [
      ...PLACE,
      column('start'),
      column('layer', 'layer', 0),
      column('n', '$n$', 0),
      column('cv_before', 'CV before', 3),
      column('cv_after', 'CV after', 3),
      column('cv_after_sd', 'SD after', 3),
    ],
    rows: allArms(results).flatMap((arm) =>
      layerChanges(arm).map(({ cvBefore, cvAfter }, l): readonly Cell[] => [
        ...[arm.dataset, arm.sparsity, arm.rule, arm.profile, l + 1],
        ...[cvAfter.n, cvBefore.mean, cvAfter.mean, cvAfter.sd],
      ]),
    ),
  };
}

function gradientsTidy(study: Study): TidyTable {
  return {
    name: 'gradients',
    caption: 'Gradient at hubs over gradient at all neurons, means over seeds.',
    columns: [
      ...PLACE,
      column('profile'),
      column('layer', 'layer', 0),
      column('n', '$n$', 0),
      column('cv', 'CV', 3),
      column('ratio', 'ratio', 3),
      column('counted', 'by counting', 3),
    ],
    rows: gradientPoints(study).map((p) => [
      ...[p.dataset, p.sparsity, p.rule, p.profile, p.layer + 1, p.n, p.cv, p.ratio, p.counted],
    ]),
  };
}

function correlationTidy(study: Study): TidyTable {
  const settings = group(gradientPoints(study), ({ dataset, rule }) =>
    JSON.stringify([dataset, rule]),
  );
  return {
    name: 'correlation',
    caption: 'Pearson’s r of the hub ratio with the CV of fan-in, over configurations.',
    columns: [
      column('dataset', 'data set'),
      column('rule', 'layer rule'),
      column('configurations', 'configurations', 0),
      column('r', '$r$', 3),
      column('ci_low', 'CI low', 3),
      column('ci_high', 'CI high', 3),
      column('p', '$p$', 3),
    ],
    rows: settings.map((points) => {
      const { n, r, ci, p } = correlationOf(points);
      return [points[0]!.dataset, points[0]!.rule, n, r, ci?.[0] ?? null, ci?.[1] ?? null, p];
    }),
  };
}

function convergenceTidy({ convergence }: Study): TidyTable {
  return {
    name: 'convergence',
    caption: 'Distance of fan-in to uniformly random starts, before and after RigL.',
    columns: [
      ...PLACE,
      column('start'),
      column('layer', 'layer', 0),
      column('n', '$n$', 0),
      column('w1_start', '$W_1$ before', 3),
      column('w1_end', '$W_1$ after', 3),
      column('contraction', 'contraction', 3),
      column('noise_floor', 'noise floor', 3),
      column('best_fit', 'best fit'),
    ],
    rows: convergence.flatMap(({ rows }) =>
      rows.map((r): readonly Cell[] => [
        ...[r.dataset, r.sparsity, r.rule, r.start, r.layer + 1, r.n],
        ...[r.w1Start, r.w1End, r.contraction, r.noiseFloor?.mean ?? null, r.fit.best],
      ]),
    ),
  };
}

function equilibriumTidy({ equilibria }: Study): TidyTable {
  return {
    name: 'equilibrium',
    caption: 'The lognormal fitted to the fan-in at which RigL’s pilots ended.',
    columns: [
      ...PLACE,
      column('layer', 'layer', 0),
      column('pilots', 'pilots', 0),
      column('neurons', 'neurons', 0),
      column('mu', '$\\mu$', 3),
      column('sigma', '$\\sigma$', 3),
      column('cv', 'CV', 3),
      column('cv_fit', 'CV of the fit', 3),
      column('best_fit', 'best by AIC'),
    ],
    rows: equilibria.flatMap(({ dataset, sparsity, rule, fit, families }) =>
      fit.value.layers.map((layer, l): readonly Cell[] => [
        ...[dataset, sparsity, rule, l + 1, fit.value.runs, layer.neurons, layer.mu, layer.sigma],
        ...[layer.cv, layer.cvFit, families?.value[l]?.best ?? null],
      ]),
    ),
  };
}

function datasetsTidy({ datasets }: Study): TidyTable {
  return {
    name: 'datasets',
    caption: 'Data sets.',
    columns: [
      column('dataset', 'data set'),
      column('synthetic'),
      column('features', 'features', 0),
      column('classes', 'classes', 0),
      column('train', 'training samples', 0),
      column('test', 'test samples', 0),
      column('majority', 'commonest class', 3),
    ],
    rows: datasets.map((d) => [
      ...[d.name, d.synthetic, d.features, d.classes, d.train, d.test, d.majority],
    ]),
  };
}

function missingTidy({ missing }: Study): TidyTable {
  return {
    name: 'missing',
    caption: 'Tasks that gave no result.',
    columns: [column('task'), column('kind'), column('reason')],
    rows: missing.map(({ task, kind, reason }) => [task, kind, reason]),
  };
}

function sourcesTidy(study: Study, results: readonly DatasetResults[]): TidyTable {
  const rows = sourceRows(study, results);
  const anchors = anchorsOf(rows);
  return {
    name: 'sources',
    caption: 'The blobs behind every number.',
    columns: [column('task'), column('holds'), column('digest'), column('anchor')],
    rows: rows.flatMap(({ anchor, blobs }) =>
      blobs
        .filter(({ from }) => anchors.has(from.task))
        .map(({ holds, from }): readonly Cell[] => [from.task, holds, from.digest, anchor]),
    ),
  };
}
