// claims.ts — what the paper claims, judged on everything that was measured
import * as z from 'zod/mini';
import { Claim, claimFaults, Known } from '../src/claims/declaration.ts';
import type { Measurements } from '../src/claims/evidence.ts';
import { judge } from '../src/claims/judge.ts';
import type { ClaimsResult } from '../src/claims/result.ts';
import type { GradientStatistics, TrainingMetrics } from '../src/network/metrics.ts';
import { collectPartial, defineStage, type Gathered, json } from '../src/engine/stage.ts';
import type { Convergence } from '../src/sparse/convergence.ts';
import type { DatasetAbout } from './dataset.ts';

export default defineStage({
  params: z.object({
    claims: z.array(Claim),
    /** What claims may name, by axis, and stages under `stage`: a claim that names another is a mistake. */
    known: Known,
  }),
  inputs: {
    /** A data set that cannot be had leaves the claims about the others. */
    datasets: collectPartial(json<DatasetAbout>()),
    /** `metrics` of every stage that trains and that a claim may name. */
    runs: collectPartial(json<TrainingMetrics>()),
    gradients: collectPartial(json<GradientStatistics>()),
    convergence: collectPartial(json<Convergence>()),
  },
  outputs: { claims: json<ClaimsResult>() },
  check: ({ claims, known }) =>
    claimFaults(claims, known).map(({ path, ...fault }) => ({
      ...fault,
      path: ['claims', ...path],
    })),
  run({ params, inputs }) {
    const synthetic = new Map(
      inputs.datasets.items.map(({ at, value }) => [at.dataset!, value.synthetic]),
    );
    const claims = judge(params.claims, {
      synthetic,
      runs: measured(inputs.runs),
      gradients: measured(inputs.gradients),
      convergence: measured(inputs.convergence),
    });
    return { claims };
  },
});

function measured<T>({ items, missing }: Gathered<T>): Measurements<T> {
  return {
    items,
    missing: missing.map(({ task, at, reason }) => ({ task, at, reason: reason.message })),
  };
}
