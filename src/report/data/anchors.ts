// anchors.ts — where in the report a number's source is told: task by task
import type { ConvergenceRow } from '../../sparse/convergence.ts';
import {
  allArms,
  type DatasetResults,
  group,
  placedAnchor,
  sourcesOf,
  sweepAnchor,
} from './arms.ts';
import { sparsityName } from '../markup/format.ts';
import type { Provenance, Run, Study } from './study.ts';

/** A row of the provenance table: what it is about, and the blobs behind it. */
export interface SourceRow {
  readonly anchor: string;
  readonly name: string;
  readonly detail: string;
  readonly blobs: readonly { readonly holds: string; readonly from: Provenance }[];
}

/** Id of a data set's row, by its place in the study. */
export const datasetAnchor = (index: number): string => `data-${index + 1}`;

/** Id of an equilibrium's row, by its place in the study. */
export const equilibriumAnchor = (index: number): string => `equilibrium-${index + 1}`;

/** Every row, in the order of the report. */
export function sourceRows(study: Study, results: readonly DatasetResults[]): readonly SourceRow[] {
  return [
    ...allArms(results).map((arm): SourceRow => {
      const { anchor, method, profile, dataset, sparsity, rule } = arm;
      const name = method === 'dense' ? 'Dense' : `${METHODS[method]}, ${profile}`;
      const detail = method === 'dense' ? dataset : placeOf(dataset, sparsity, rule);
      return { anchor, name, detail, blobs: sourcesOf(arm) };
    }),
    ...sweptRows(study.sweep),
    ...placedRows(study),
    ...gradientRows(study),
    ...study.convergence.map(({ from, rows }, i): SourceRow => {
      const history = study.histories.find((one) => one.from.task === from.task);
      const blobs = [
        { holds: 'convergence', from },
        ...(history ? [{ holds: 'fan-in', from: history.from }] : []),
      ];
      const anchor = `convergence-${i + 1}`;
      return { anchor, name: 'Convergence', detail: wayOf(rows[0], from), blobs };
    }),
    ...study.equilibria.map(
      ({ dataset, sparsity, rule, fit, families, pilots }, i): SourceRow => ({
        anchor: equilibriumAnchor(i),
        name: 'Equilibrium',
        detail: placeOf(dataset, sparsity, rule),
        blobs: [
          { holds: 'fit', from: fit.from },
          ...(families ? [{ holds: 'families', from: families.from }] : []),
          ...pilots.map(({ from }) => ({ holds: 'fan-in after', from })),
        ],
      }),
    ),
    ...portraitRows(study),
    ...study.datasets.map(
      ({ name, from }, i): SourceRow => ({
        anchor: datasetAnchor(i),
        name: 'Data set',
        detail: name,
        blobs: [{ holds: 'shape and counts', from }],
      }),
    ),
  ];
}

/** The row in which a task stands, by the task. */
export function anchorsOf(rows: readonly SourceRow[]): ReadonlyMap<string, string> {
  const anchors = new Map<string, string>();
  for (const { anchor, blobs } of rows) {
    for (const { from } of blobs) if (!anchors.has(from.task)) anchors.set(from.task, anchor);
  }
  return anchors;
}

const METHODS = { dense: 'Dense', static: 'Static', rigl: 'RigL' } as const;

const placeOf = (dataset: string, sparsity: string, rule: string): string =>
  `${dataset}, ${sparsityName(sparsity)}, ${rule === 'erk' ? 'ERK' : rule}`;

/** Where a convergence was looked at; its task where that is not told. */
function wayOf(row: ConvergenceRow | undefined, { task }: Provenance): string {
  const { dataset, sparsity, rule } = row ?? { dataset: null, sparsity: null, rule: null };
  if (dataset === null || sparsity === null || rule === null) return task;
  return placeOf(dataset, sparsity, rule);
}

function sweptRows(sweep: readonly Run[]): readonly SourceRow[] {
  const arms = group(sweep, ({ coordinates: at }) =>
    JSON.stringify([at.dataset, at.sparsity, at.rule, at.profile]),
  );
  return arms.map((runs, i) => {
    const { dataset, sparsity, rule, profile } = runs[0]!.coordinates;
    const blobs = runs.flatMap(({ metrics, fanInBefore }) => [
      { holds: 'metrics', from: metrics.from },
      ...(fanInBefore ? [{ holds: 'fan-in before', from: fanInBefore.from }] : []),
    ]);
    return {
      anchor: sweepAnchor(i),
      name: `Static, ${profile}`,
      detail: placeOf(dataset, sparsity, rule),
      blobs,
    };
  });
}

function placedRows({ placed }: Study): readonly SourceRow[] {
  const arms = group(placed, ({ dataset, sparsity, rule, arm }) =>
    JSON.stringify([dataset, sparsity, rule, arm]),
  );
  return arms.map((runs, i) => {
    const { dataset, sparsity, rule, arm } = runs[0]!;
    const blobs = runs.map(({ metrics }) => ({ holds: 'metrics', from: metrics.from }));
    return {
      anchor: placedAnchor(i),
      name: `Placed, ${arm}`,
      detail: placeOf(dataset, sparsity, rule),
      blobs,
    };
  });
}

function gradientRows({ gradients }: Study): readonly SourceRow[] {
  const arms = group(gradients, ({ coordinates: at }) =>
    JSON.stringify([at.dataset, at.sparsity, at.rule, at.profile]),
  );
  return arms.map((runs, i) => {
    const { dataset, sparsity, rule, profile } = runs[0]!.coordinates;
    const blobs = runs.map(({ from }) => ({ holds: 'gradients', from }));
    return {
      anchor: `gradients-${i + 1}`,
      name: `Gradients, ${profile}`,
      detail: placeOf(dataset, sparsity, rule),
      blobs,
    };
  });
}

function portraitRows({ portraits }: Study): readonly SourceRow[] {
  const settings = group(portraits, ({ dataset, sparsity, rule }) =>
    JSON.stringify([dataset, sparsity, rule]),
  );
  return settings.map((all, i) => {
    const [{ dataset, sparsity, rule }] = all as [Study['portraits'][number]];
    const blobs = all.map(({ from }) => ({ holds: 'portrait', from }));
    return {
      anchor: `masks-${i + 1}`,
      name: 'Masks',
      detail: placeOf(dataset, sparsity, rule),
      blobs,
    };
  });
}
