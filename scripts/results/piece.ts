// piece.ts — what a piece of the study gave, as tables of numbers from which the claims can be judged without its store
import { Claim, type ClaimDeclaration } from '../../src/claims/declaration.ts';
import type { Absence, Evidence, Labels, Observation } from '../../src/claims/evidence.ts';
import type { GradientStatistics, TrainingMetrics } from '../../src/network/metrics.ts';
import type { Convergence, ConvergenceRow, RunConvergence } from '../../src/sparse/convergence.ts';
import { coefficientOfVariation } from '../../src/sparse/fan-in.ts';
import { mean } from '../../src/stats/summary.ts';

export { judge } from '../../src/claims/judge.ts';
export { verdictWords } from '../../src/claims/result.ts';
export { readPipelineParts } from '../../src/engine/config/config.ts';

/** A row of a table: cells by column, '' where there is nothing. */
export type Row = Readonly<Record<string, string>>;

/** A task of a training stage as the command line tells it. */
export interface PieceTask {
  readonly task: string;
  readonly at: Labels;
  /** Undefined for a task that is infeasible. */
  readonly key?: string;
  /** Why it is infeasible. */
  readonly reason?: string;
  readonly metrics?: { readonly digest: string; readonly value: TrainingMetrics };
  readonly gradients?: { readonly digest: string; readonly value: GradientStatistics };
}

/** A task of the stage `convergence`. */
export interface PieceConvergence {
  readonly task: string;
  readonly at: Labels;
  readonly key: string;
  readonly digest: string;
  readonly value: Convergence;
}

/** The axes of all stages that train, in the order of the matrix. */
export const AXES = ['dataset', 'hidden', 'sparsity', 'rule', 'profile', 'arm', 'seed', 'pilot'];
const HIERARCHY = ['l2', 'l2Null', 'l2BeyondCount', 'perConnection'] as const;

const cell = (value: number | null | undefined): string =>
  value === null || value === undefined ? '' : String(value);
const numberIn = (row: Row, column: string): number | null => {
  const text = row[column] ?? '';
  return text === '' ? null : Number(text);
};
const needed = (row: Row, column: string): number => {
  const value = numberIn(row, column);
  if (value === null || Number.isNaN(value))
    throw new Error(`${row.task}: ${column} is no number: ${row[column]}`);
  return value;
};
const labelled = (at: Labels): Row =>
  Object.fromEntries(AXES.map((axis) => [axis, at[axis] ?? '']));
const labelsOf = (row: Row): Labels =>
  Object.fromEntries(AXES.flatMap((axis) => (row[axis] ? [[axis, row[axis]]] : [])));

/** One row a task: its key, the digests of what it gave, and the numbers that rules look at. */
export function runRow({ task, at, key, reason, metrics, gradients }: PieceTask): Row {
  const { value } = metrics ?? {};
  const last = gradients?.value.windows.find(({ name }) => name === 'last');
  // The output layer is dense in every arm: rules leave it out.
  const layers = last?.layers.slice(0, -1) ?? [];
  return {
    task,
    ...labelled(at),
    key: key ?? '',
    infeasible: reason ?? '',
    metrics: metrics?.digest ?? '',
    gradients: gradients?.digest ?? '',
    final: value?.final ?? '',
    accuracy: cell(value?.accuracy),
    lastEpoch: cell(value?.lastEpoch?.accuracy),
    validation: cell(value?.validationAccuracy),
    loss: cell(value?.loss),
    steps: cell(value?.steps),
    connections: value?.connections.join(' ') ?? '',
    ...Object.fromEntries(
      layers.flatMap(({ fanIn, hierarchy }, l) => [
        [`cv.${l + 1}`, cell(coefficientOfVariation(fanIn))],
        ...HIERARCHY.map((name) => [`${name}.${l + 1}`, cell(hierarchy[name])]),
      ]),
    ),
  };
}

/** The way of each rewired run, and per layer the distances between reference runs. */
export function convergenceRows({
  task,
  at,
  key,
  digest,
  value,
}: PieceConvergence): readonly Row[] {
  const common = { task, key, digest };
  return value.rows.flatMap((row): readonly Row[] => {
    const place = {
      ...common,
      dataset: row.dataset ?? at.dataset ?? '',
      hidden: row.hidden ?? '',
      sparsity: row.sparsity ?? '',
      rule: row.rule ?? '',
      start: row.start,
      layer: String(row.layer),
      references: String(row.references),
    };
    const floor = { ...place, seed: '', distances: row.noiseFloor?.pairs.join(' ') ?? '' };
    return [
      floor,
      ...row.runs.map((run) => ({
        ...place,
        seed: run.seed,
        ...Object.fromEntries(RUN_NUMBERS.map((name) => [name, cell(run[name])])),
        distances: run.toReferences.map((one) => (one === null ? '-' : String(one))).join(' '),
      })),
    ];
  });
}

const RUN_NUMBERS = [
  'w1Start',
  'w1End',
  'moved',
  'contraction',
  'cvStart',
  'cvEnd',
  'jaccardInitial',
] as const;

/** The tables of all pieces. */
export interface Tables {
  readonly runs: readonly Row[];
  readonly convergence: readonly Row[];
}

/** What the claims are judged on. @param sparsities of the runs whose gradients count, by their labels */
export function evidenceOf({ runs, convergence }: Tables, sparsities: readonly string[]): Evidence {
  const there = runs.filter((row) => row.metrics !== '');
  const lost = runs.filter((row) => row.metrics === '');
  const counts = (row: Row): boolean =>
    /^(?:static|sweep)\b/.test(row.task ?? '') && sparsities.includes(row.sparsity ?? '');
  const names = new Set([...runs, ...convergence].map((row) => row.dataset ?? ''));
  return {
    synthetic: new Map([...names].map((name) => [name, name.startsWith('synth-')])),
    runs: { items: there.map(observedRun), missing: lost.map(absenceOf) },
    gradients: {
      items: there.filter(counts).map(observedGradients),
      missing: lost.filter(counts).map(absenceOf),
    },
    convergence: { items: observedConvergence(convergence), missing: [] },
  };
}

const absenceOf = (row: Row): Absence => ({
  task: row.task ?? '',
  at: labelsOf(row),
  reason: row.infeasible || 'not made',
});

/** A run with the numbers that rules look at; of the others the tables tell nothing. */
function observedRun(row: Row): Observation<TrainingMetrics> {
  const value: Pick<TrainingMetrics, 'accuracy' | 'loss' | 'steps'> = {
    accuracy: needed(row, 'accuracy'),
    loss: needed(row, 'loss'),
    steps: needed(row, 'steps'),
  };
  // Rules read `accuracy` alone: a table has one row a run, and not its epochs.
  return observation(row, 'metrics', value as TrainingMetrics);
}

const observation = <T>(row: Row, output: string, value: T): Observation<T> => ({
  task: row.task ?? '',
  digest: row[output] ?? '',
  at: labelsOf(row),
  value,
});

function observedGradients(row: Row): Observation<GradientStatistics> {
  const layers = [];
  for (let l = 1; numberIn(row, `cv.${l}`) !== null; l++) {
    const cv = needed(row, `cv.${l}`);
    const hierarchy = Object.fromEntries(
      HIERARCHY.map((name) => [name, numberIn(row, `${name}.${l}`)]),
    );
    // Two neurons of mean fan-in 1 that have this CV: rules look at no more of it.
    layers.push({ fanIn: [1 - cv, 1 + cv], hierarchy });
  }
  // The rules leave the output layer out, whatever it is.
  const windows = [{ name: 'last', layers: [...layers, { fanIn: [1], hierarchy: {} }] }];
  return observation(row, 'gradients', { windows } as unknown as GradientStatistics);
}

function observedConvergence(rows: readonly Row[]): readonly Observation<Convergence>[] {
  const tasks = grouped(rows, (row) => row.task ?? '');
  return [...tasks].map(([task, own]) => {
    const [first = {}] = own;
    const layers = grouped(own, (row) => [row.dataset, row.start, row.layer].join(' '));
    const value = { rows: [...layers.values()].map(convergenceRowOf), missing: [] };
    const { dataset, hidden, sparsity, rule } = first;
    const at = Object.fromEntries(
      Object.entries({ dataset, hidden, sparsity, rule }).flatMap(([axis, label]) =>
        label ? [[axis, label]] : [],
      ),
    );
    return { task, digest: first.digest ?? '', at, value };
  });
}

function convergenceRowOf(rows: readonly Row[]): ConvergenceRow {
  const [first = {}] = rows;
  const pairs = distancesIn(rows.find(({ seed }) => seed === '') ?? {}).flatMap((one) => one ?? []);
  const runs = rows.flatMap((row): readonly RunConvergence[] => {
    if (row.seed === '') return [];
    const numbers = Object.fromEntries(RUN_NUMBERS.map((name) => [name, numberIn(row, name)]));
    return [
      // All numbers of RUN_NUMBERS, each from a cell that was written from one.
      {
        ...(numbers as unknown as RunConvergence),
        task: '',
        seed: row.seed ?? '',
        toReferences: distancesIn(row),
      },
    ];
  });
  const meanOf = (name: 'w1Start' | 'w1End' | 'cvStart' | 'cvEnd' | 'jaccardInitial'): number =>
    mean(runs.map((run) => run[name]));
  const contractions = runs.map(({ contraction }) => contraction);
  const row: Omit<
    ConvergenceRow,
    'neurons' | 'jaccardSeeds' | 'jaccardChance' | 'ks' | 'curve' | 'fit'
  > = {
    dataset: first.dataset ?? null,
    ...(first.hidden && { hidden: first.hidden }),
    sparsity: first.sparsity || null,
    rule: first.rule || null,
    start: first.start ?? '',
    layer: needed(first, 'layer'),
    n: runs.length,
    references: needed(first, 'references'),
    runs,
    w1Start: meanOf('w1Start'),
    w1End: meanOf('w1End'),
    contraction: contractions.includes(null)
      ? null
      : mean(contractions.flatMap((one) => one ?? [])),
    cvStart: meanOf('cvStart'),
    cvEnd: meanOf('cvEnd'),
    jaccardInitial: meanOf('jaccardInitial'),
    noiseFloor:
      pairs.length === 0
        ? null
        : { mean: mean(pairs), min: Math.min(...pairs), max: Math.max(...pairs), pairs },
  };
  // Rules look at nothing else.
  return row as ConvergenceRow;
}

const distancesIn = (row: Row): readonly (number | null)[] =>
  (row.distances ?? '') === ''
    ? []
    : (row.distances ?? '').split(' ').map((one) => (one === '-' ? null : Number(one)));

/** The claims as a pipeline's params declare them. @throws ZodError */
export const claimsOf = (declared: readonly unknown[]): readonly ClaimDeclaration[] =>
  declared.map((one) => Claim.parse(one));

function grouped(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return groups;
}
