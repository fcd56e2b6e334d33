// The tables that are kept of a piece of the study: claims judged on them get the verdicts of the study itself.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { PROFILES, WORLDS } from '../bench/operating-characteristics.ts';
import {
  claimsOf,
  convergenceRows,
  evidenceOf,
  type Row,
  runRow,
} from '../scripts/results/piece.ts';
import type { Evidence } from '../src/claims/evidence.ts';
import { decide } from '../src/claims/judge.ts';
import type { TrainingMetrics } from '../src/network/metrics.ts';
import type { Convergence } from '../src/sparse/convergence.ts';
import { stream } from '../src/stats/stream.ts';
import { repository } from './rig.ts';

const KEY = 'a'.repeat(64);
const MORE: Pick<TrainingMetrics, 'loss' | 'steps' | 'connections'> = {
  loss: 0.1,
  steps: 9,
  connections: [1, 2],
};

/** What is read out of a CSV: texts, and no fields but those that are there. */
const written = (rows: readonly Row[]): readonly Row[] => JSON.parse(JSON.stringify(rows));

function tablesOf({ runs, gradients, convergence }: Evidence) {
  const trained = runs.items.map(({ value, at, digest }, n) =>
    runRow({
      ...{ task: `${stageOf(runs, n)}[${n}]`, at, key: KEY },
      metrics: { digest, value: { ...MORE, ...value } },
    }),
  );
  const measured = gradients.items.map(({ value, at, digest }, n) =>
    runRow({
      ...{ task: `static[${n}]`, at, key: KEY },
      metrics: { digest, value: { ...MORE, accuracy: 0.5 } as TrainingMetrics },
      gradients: { digest, value },
    }),
  );
  return {
    runs: written([...trained, ...measured]),
    convergence: written(
      convergence.items.flatMap((item) =>
        convergenceRows({ ...item, value: whole(item.value), task: 'convergence[all]', key: KEY }),
      ),
    ),
  };
}

/** Simulated runs lack the numbers that decide nothing. */
const whole = ({ rows, missing }: Convergence): Convergence => ({
  missing,
  rows: rows.map((row) => ({
    ...row,
    runs: row.runs.map((run) => {
      const told = { w1Start: 0.3, contraction: null, cvStart: 1, cvEnd: 1, jaccardInitial: 0.3 };
      return { ...told, ...run };
    }),
  })),
});

const stageOf = (runs: Evidence['runs'], n: number): string =>
  (runs.items[n]?.task ?? '').replace(/\[.*$/, '');

function declared(id: string) {
  const { params } = parse(readFileSync(join(repository, 'pipeline.yaml'), 'utf8'), {
    merge: true,
  });
  const claim = params.claims.find((one: { id: string }) => one.id === id);
  const opened = Object.entries(claim).map(([key, value]) => {
    if (!['a', 'b', 'baseline', 'fixed', 'difficulty'].includes(key)) return [key, value];
    const axes = Object.entries(value as object).flatMap(([axis, labels]) => {
      if (!JSON.stringify(labels).includes('$')) return [[axis, labels]];
      return labels === '$profiles' ? [[axis, PROFILES]] : [];
    });
    return [key, Object.fromEntries(axes)];
  });
  return claimsOf([
    { ...Object.fromEntries(opened), seeds: 10, ...('beside' in claim && { beside: [] }) },
  ]);
}

const first = WORLDS.filter(({ claim }, n) => WORLDS.findIndex((one) => one.claim === claim) === n);

test.each(first)('$claim is judged alike on the tables of a study', ({ claim, study }) => {
  const evidence = study(stream(3, 'tables', claim));
  const [declaration] = declared(claim);
  if (declaration === undefined) throw new Error(claim);
  const before = decide(declaration, evidence);
  const after = decide(declaration, evidenceOf(tablesOf(evidence), ['0.9']));
  expect(after.verdict).toBe(before.verdict);
  expect(after.contrasts.length).toBe(before.contrasts.length);
  for (const [n, { drawn, verdict }] of before.contrasts.entries()) {
    const other = after.contrasts[n];
    expect(other?.drawn.label).toBe(drawn.label);
    expect(other?.verdict).toBe(verdict);
    expect(other?.drawn.effect).toBeCloseTo(drawn.effect ?? Number.NaN, 9);
    expect(other?.drawn.a.observed.length).toBe(drawn.a.observed.length);
  }
});

test('a task that is infeasible is told as missing, with its reason', () => {
  const at = { dataset: 'mnist', sparsity: '0.8', profile: 'lognormal-cv2.5', seed: '0' };
  const row = runRow({ task: 'sweep[x]', at, reason: 'CV 2.5 is out of reach' });
  const { runs } = evidenceOf({ runs: written([row]), convergence: [] }, []);
  expect(runs).toEqual({
    items: [],
    missing: [{ task: 'sweep[x]', at, reason: 'CV 2.5 is out of reach' }],
  });
});
