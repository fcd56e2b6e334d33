// figures.ts — charts in their frames: panels, legends, captions
import { accuracyCharts } from './accuracy-figure.ts';
import { type DatasetResults, ran, type Setting } from './arms.ts';
import { type Chart, drawChart } from './chart.ts';
import { curveCharts } from './curves-figure.ts';
import {
  type EquilibriumPanel,
  equilibriumPanels,
  type FanInPanel,
  FIT_COLOR,
  fanInPanels,
} from './fan-in-figure.ts';
import { counted, fixed } from './format.ts';
import { type Content, type Html, html } from './html.ts';
import { FAINT, INK, PAPER, type Palette, paintOf, SOFT } from './palette.ts';
import type { EquilibriumRow } from './study.ts';
import { METHOD_NAMES, settingName, sourced } from './tables.ts';

/** Accuracy by profile on one data set, a panel for each setting; null where only the dense network ran. */
export async function accuracyFigure(
  results: DatasetResults,
  palette: Palette,
): Promise<Html | null> {
  if (results.settings.length === 0) return null;
  const charts = accuracyCharts(results, palette);
  const panels = await inTurn(charts, async (chart, i) =>
    panel(settingName(results.settings[i]), await drawChart(chart)),
  );
  return figure(
    'of-accuracy',
    dotLegend(results),
    panels,
    html`Test accuracy on <b>${results.dataset}</b>, as in the table above. A dot is one seed,
the upright stroke their mean, the bar one sample SD to each side. All panels share their axis.`,
  );
}

/** Learning curves of one setting. */
export async function curvesFigure(setting: Setting, palette: Palette): Promise<Html> {
  const panels = await inTurn(curveCharts(setting, palette), async ({ method, accuracy, loss }) => [
    panel(`${METHOD_NAMES[method]}: test accuracy (%)`, await drawChart(accuracy)),
    panel(`${METHOD_NAMES[method]}: ${lossTitle(loss)}`, await drawChart(loss)),
  ]);
  return figure(
    'of-curves',
    profileLegend(setting, palette),
    panels,
    html`Learning on <b>${setting.dataset}</b>, ${settingName(setting)}: means over seeds, single seeds faint.
Test accuracy is monitored; the last epoch (dot) is reported, never the best. Loss is the mean over the epoch’s
training samples.`,
  );
}

function lossTitle({ y }: Chart): string {
  return y.scale === 'log' ? 'training loss (nats, log scale)' : 'training loss (nats)';
}

/** Fan-in before and after RigL in one setting; null where nothing was rewired. */
export async function fanInFigure(setting: Setting, palette: Palette): Promise<Html | null> {
  const layers = fanInPanels(setting, palette);
  if (layers.length === 0) return null;
  const rows = await inTurn(layers, async (panels, l) => [
    html`<p class="row-title">${layerName(l, panels[0].change)}</p>`,
    ...(await inTurn(panels, fanInPanel)),
  ]);
  return figure(
    'of-fan-in',
    html`<ul class="legend"><li>${barSwatch(SOFT.light)} after RigL, in the colour of the start</li>
<li>${lineSwatch(INK.light, [])} before</li></ul>`,
    rows,
    html`Connections per neuron on <b>${setting.dataset}</b>, ${settingName(setting)}, before and after RigL,
pooled over seeds. Panels of a layer share their axis, whose last bar takes all that lies beyond it; heights are
shares of neurons, scaled panel by panel.`,
  );
}

/** The equilibrium of one setting under its fitted lognormals. */
export async function equilibriumFigure(row: EquilibriumRow, anchor: string): Promise<Html | null> {
  const layers = equilibriumPanels(row);
  if (layers.length === 0) return null;
  const panels = await inTurn(layers, async (layer, l) =>
    panel(layerName(l, layer), await drawChart(layer.chart), fitLine(layer, anchor)),
  );
  return figure(
    'of-equilibrium',
    html`<ul class="legend"><li>${barSwatch(FAINT.light)} neurons of ${counted(row.pilots.length, 'pilot run')}</li>
<li>${lineSwatch(FIT_COLOR, [])} fitted lognormal</li></ul>`,
    panels,
    html`Fan-in at which RigL ended on <b>${row.dataset}</b>, ${settingName(row)}, and the lognormal fitted
to it by maximum likelihood over neurons that have connections.`,
  );
}

async function fanInPanel({ arm, change, chart }: FanInPanel): Promise<Html> {
  const [before, after] = [change.cvBefore, change.cvAfter].map(({ mean }) =>
    sourced(arm.anchor, fixed(mean, 2), `mean over ${counted(arm.runs.length, 'seed')}`),
  );
  return panel(arm.profile, await drawChart(chart), html`CV ${before} → ${after}`);
}

function fitLine({ fit }: EquilibriumPanel, anchor: string): Html {
  const cell = (value: number) => sourced(anchor, fixed(value, 3), 'from the fitted equilibrium');
  return html`σ = ${cell(fit.sigma)}, CV of the fit ${cell(fit.cvFit)}, empirical CV ${cell(fit.cv)}`;
}

function layerName(l: number, { inputs, outputs }: { inputs: number; outputs: number }): string {
  return `Hidden layer ${l + 1}: ${inputs} inputs, ${outputs} neurons`;
}

function panel(title: string, chart: Html, detail: Content = null): Html {
  const small = detail === null ? null : html`<small>${detail}</small>`;
  return html`<div><p class="panel-title">${title}${small}</p>${chart}</div>
`;
}

function figure(kind: string, legend: Html, panels: Content, caption: Html): Html {
  return html`<figure class="wide">
${legend}
<div class="panels ${kind}">${panels}</div>
<figcaption>${caption}</figcaption>
</figure>
`;
}

const DENSE_ITEM = html`<li>${lineSwatch(INK.light, [4, 3])} dense</li>`;

function dotLegend(results: DatasetResults): Html {
  const fixedMask = ran(results, 'static') ? html`<li>${dotSwatch(PAPER.light)} static</li>` : null;
  const rigl = ran(results, 'rigl') ? html`<li>${dotSwatch(SOFT.light)} RigL</li>` : null;
  return html`<ul class="legend">${fixedMask}${rigl}${results.dense ? DENSE_ITEM : null}</ul>`;
}

function profileLegend(setting: Setting, palette: Palette): Html {
  const items = setting.profiles.map((profile) => {
    const { color, dash } = paintOf(palette, profile);
    return html`<li>${lineSwatch(color, dash)} ${profile}</li>`;
  });
  return html`<ul class="legend">${items}${setting.dense ? DENSE_ITEM : null}</ul>`;
}

function lineSwatch(color: string, dash: readonly number[]): Html {
  return html`<svg width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" stroke="${color}"
stroke-width="2" stroke-dasharray="${dash.join(' ')}"/></svg>`;
}

function barSwatch(color: string): Html {
  return html`<svg width="14" height="11" aria-hidden="true"><rect width="14" height="11" fill="${color}"
fill-opacity="0.75"/></svg>`;
}

function dotSwatch(fill: string): Html {
  return html`<svg width="11" height="11" aria-hidden="true"><circle cx="5.5" cy="5.5" r="4" fill="${fill}"
stroke="${SOFT.light}" stroke-width="1.4"/></svg>`;
}

/** Draws one after another: Vega counts its definitions in a global, which two drawings at once would share. */
async function inTurn<T, R>(
  items: readonly T[],
  draw: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const drawn: R[] = [];
  for (const [i, item] of items.entries()) drawn.push(await draw(item, i));
  return drawn;
}
