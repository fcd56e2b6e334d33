// report.ts — everything that was found, on one page, and in files for papers and programs
import * as z from 'zod/mini';
import type { ClaimsResult } from '../src/claims/result.ts';
import { fileSet } from '../src/file-set.ts';
import type { GradientStatistics, TrainingMetrics } from '../src/network/metrics.ts';
import { collectPartial, defineStage, json, text } from '../src/engine/stage.ts';
import { renderReport } from '../src/report/page.ts';
import type { Convergence } from '../src/sparse/convergence.ts';
import type { Equilibrium } from '../src/sparse/equilibrium.ts';
import type { FanInSummary } from '../src/sparse/fan-in.ts';
import type { HistoryRow } from '../src/sparse/history.ts';
import type { DatasetAbout } from './dataset.ts';
import type { EquilibriumFits } from './equilibrium.ts';
import type { Portrait } from './portrait.ts';
import { resultsOf } from './report-study.ts';
import { Networks, Rigl, Training } from './schema.ts';

type TrainingParams = z.infer<typeof Training>;

export default defineStage({
  params: z.object({
    title: z.string(),
    hidden: Networks,
    training: Training,
    rigl: Rigl,
    graph: z.record(
      z.string(),
      z.object({ tasks: z.array(z.string()), reads: z.array(z.string()) }),
    ),
  }),
  // What the report is made from is drawn in it.
  graph: 'graph',
  inputs: {
    claims: collectPartial(json<ClaimsResult>()),
    datasets: collectPartial(json<DatasetAbout>()),
    dense: collectPartial(json<TrainingMetrics>()),
    static: collectPartial(json<TrainingMetrics>()),
    sweep: collectPartial(json<TrainingMetrics>()),
    rigl: collectPartial(json<TrainingMetrics>()),
    placed: collectPartial(json<TrainingMetrics>()),
    gradients: collectPartial(json<GradientStatistics>()),
    masks: collectPartial(json<FanInSummary>()),
    rewired: collectPartial(json<FanInSummary>()),
    convergence: collectPartial(json<Convergence>()),
    history: collectPartial(json<readonly HistoryRow[]>()),
    portraits: collectPartial(json<Portrait>()),
    equilibria: collectPartial(json<Equilibrium>()),
    fits: collectPartial(json<EquilibriumFits>()),
    pilots: collectPartial(json<FanInSummary>()),
  },
  outputs: {
    html: text(),
    /** report.md, metrics.json, tables/ as LaTeX and CSV, figures/ as SVG. */
    files: fileSet(),
  },
  // Vega counts ids in module state.
  isolate: true,
  async run({ params, inputs, progress }) {
    const { title, training } = params;
    const hidden = params.hidden.flat().map(String);
    const { accumulate, ...rewiring } = params.rigl;
    const { claims, ...measured } = inputs;
    const results = resultsOf(measured, hidden[0]!);
    const study = {
      ...results,
      title,
      hidden,
      training: optionsOf(training),
      rigl: { ...rewiring, ...(accumulate !== undefined && { accumulate }) },
      graph: Object.entries(params.graph).map(([stage, told]) => ({ stage, ...told })),
      claims: claims.items[0]?.value ?? null,
      missing: [
        ...results.missing,
        ...claims.missing.map(({ task, reason }) => ({
          task,
          kind: reason.kind,
          reason: reason.message,
        })),
      ],
    };
    return renderReport(study, progress);
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
