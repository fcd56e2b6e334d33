// plot.ts — results → a plot: what it shows, its specification, and what is to be said of it
import { AnalysisError, type Frame } from '../frame.ts';
import { type Result, seriesOf } from '../results.ts';
import { parallelSpec } from './parallel.ts';
import { isNumeric, type PlotKind, type PlotPlan, type PlotRequest, planPlot } from './plan.ts';
import { curvePoints, type Points, taskPoints } from './points.ts';
import { headOf, type PlotSpec, specOf } from './spec.ts';

/** A plot that can be drawn. */
export interface Plot {
  readonly kind: PlotKind;
  readonly plan: PlotPlan;
  readonly title: string;
  readonly spec: PlotSpec;
  readonly notes: readonly string[];
}

/** Makes a plot. @param frame the rows of these results that are shown @throws AnalysisError */
export function makePlot(
  stage: string,
  frame: Frame,
  results: readonly Result[],
  request: PlotRequest,
): Plot {
  const all = seriesOf(results);
  const known = new Set(frame.columns.map(({ name }) => name));
  const series = new Set([...all.keys()].filter((name) => known.has(name)));
  const plan = planPlot(frame, series, request);
  const metric = plan.kind === 'heatmap' ? plan.color : plan.y;
  const title = request.title ?? `${metric} of ${stage}`;
  if (plan.kind === 'parallel') {
    return {
      kind: plan.kind,
      plan,
      title,
      spec: parallelSpec(frame, plan.apart, plan.y, headOf(title)),
      notes: [],
    };
  }
  const isXNumber =
    plan.kind === 'curves' ||
    plan.kind === 'scatter' ||
    (plan.kind === 'dots' && isNumeric(frame, plan.x ?? ''));
  const own = all.get(plan.y) ?? new Map();
  const points =
    plan.kind === 'curves' ? curvePoints(frame, own, plan) : taskPoints(frame, plan, isXNumber);
  if (points.tasks.length === 0) throw new AnalysisError(`\`${metric}\` has no number to plot`);
  const [stepName = 'step'] = [...own.values()].flatMap((one) => one.stepName ?? []);
  const subtitle = subtitleOf(plan, points);
  const spec = specOf({ frame, plan, points, title, subtitle, isXNumber, stepName });
  const notes =
    points.left > 0 ? [`${points.left} values that are not finite numbers are not drawn`] : [];
  return { kind: plan.kind, plan, title, spec, notes };
}

function subtitleOf({ kind, over }: PlotPlan, { means }: Points): string {
  const counts = means.map(({ n = 0 }) => n);
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  if (kind === 'scatter' || most <= 1) return '';
  const least = counts.reduce((a, b) => Math.min(a, b), most);
  const n = least === most ? `n = ${most}` : `n = ${least} to ${most}`;
  const what = kind === 'heatmap' ? 'mean' : 'mean and 95 % interval';
  return `${what} over ${over.length > 0 ? over.join(', ') : 'tasks'} (${n})`;
}
