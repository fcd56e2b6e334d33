// tables.ts — the numbers, each a link to where it came from
import {
  type Arm,
  advantage,
  allArms,
  type DatasetResults,
  finalWords,
  findArm,
  group,
  type LayerChange,
  layerChanges,
  ran,
  type Setting,
} from '../data/arms.ts';
import { equilibriumAnchor } from '../data/anchors.ts';
import { sourceLink } from '../data/sources.ts';
import { rowName, tableFrame } from '../markup/document.ts';
import {
  counted,
  fixed,
  listed,
  NOTHING,
  percent,
  percentage,
  placeName,
  points,
  ruleName,
  sparsityName,
  widths,
} from '../markup/format.ts';
import { type Content, type Html, html } from '../markup/html.ts';
import type { EquilibriumRow } from '../data/study.ts';

/** Names of methods as headings say them. */
export const METHOD_NAMES = { dense: 'Dense', static: 'Static', rigl: 'RigL' } as const;

/**
 * A number that leads to its row on the page of sources; `title` says how it was made. With a keyboard one gets there from
 * the link below the table: hundreds of tab stops would stand between a reader and the next section.
 */
export function sourced(anchor: string, text: string, title: string): Html {
  return html`<a class="source" href="${sourceLink(anchor)}" tabindex="-1" title="${title}">${text}</a>`;
}

/** A setting in words, without its data set. */
export function settingName({ sparsity, rule }: { sparsity: string; rule: string }): string {
  return `${sparsityName(sparsity)}, ${ruleName(rule)}`;
}

/** What an accuracy table tells: all results of a data set, on the study's networks. */
export interface AccuracyRows {
  readonly dataset: string;
  /** By network. */
  readonly results: readonly DatasetResults[];
  /** The grid of sparsity and profile. */
  readonly sweep: readonly Setting[];
  /** Networks that keep something of a RigL run. */
  readonly placed: readonly Setting[];
}

/** Accuracies on one data set: profiles by method, in groups of equal setting, with the dense network on top. */
export function accuracyTable({ dataset, results, sweep, placed }: AccuracyRows): Html {
  const rigl = results.some((one) => ran(one, 'rigl'));
  const arms = allArms(results);
  const final = finalWords(arms.flatMap(({ runs }) => runs));
  const caption = html`Test accuracy on <b>${dataset}</b> ${final}: mean and sample SD over seeds in
percent, number of seeds <i>n</i>, and differences of means in percentage points.`;
  const table = html`<table class="numbers accuracy">
<thead>
<tr><td></td><th scope="colgroup" colspan="4">Static</th>${rigl ? RIGL_HEADINGS : null}</tr>
<tr><th scope="col">Profile</th>${METHOD_HEADINGS}${rigl ? METHOD_HEADINGS : null}</tr>
</thead>
${results.map(({ dense, settings }) => [
  dense ? denseRows(dense, rigl) : null,
  settings.map((setting) => settingRows(setting, { rigl, what: '' })),
])}
${sweep.map((setting) => settingRows(setting, { rigl, what: 'grid' }))}
${placed.map((setting) => settingRows(setting, { rigl, what: 'kept of a RigL run' }))}
</table>`;
  const source = arms[0] && sourceLink(arms[0].anchor);
  return tableFrame(`Test accuracy on ${dataset}`, caption, table, source);
}

/** The network of a place, where it is not the study's first: `1024-512`. */
const networkOf = (place: string): string => place.split(' ').slice(1).join(' ');

const RIGL_HEADINGS = html`<th scope="colgroup" colspan="4">RigL</th>
<th scope="col" rowspan="2">RigL minus<br>static</th>`;

const METHOD_HEADINGS = html`<th scope="col" class="first">mean</th><th scope="col">SD</th>
<th scope="col">n</th><th scope="col">to dense</th>`;

function denseRows(dense: Arm, rigl: boolean): Html {
  const network = networkOf(dense.dataset);
  return html`<tbody><tr><th scope="row">${rowName(html`${network === '' ? null : `${widths(network)}, `}dense, all connections`)}</th>${armCells(dense, null)}
${rigl ? html`<td colspan="5"></td>` : null}</tr></tbody>`;
}

function settingRows(
  setting: Setting,
  { rigl, what }: { readonly rigl: boolean; readonly what: string },
): Html {
  const network = networkOf(setting.dataset);
  const names = [widths(network), settingName(setting), what].filter((name) => name !== '');
  const both = rigl && setting.arms.some(({ method }) => method === 'rigl');
  return html`<tbody>
<tr class="group"><th scope="rowgroup" colspan="${rigl ? 10 : 5}">${names.join(', ')}</th></tr>
${setting.profiles.map((profile) => profileRow(setting, profile, { rigl, both }))}
</tbody>`;
}

function profileRow(
  setting: Setting,
  profile: string,
  { rigl, both }: { readonly rigl: boolean; readonly both: boolean },
): Html {
  const fixedMask = findArm(setting, profile, 'static');
  const rewired = both
    ? riglCells(findArm(setting, profile, 'rigl'), fixedMask, setting.dense)
    : html`<td colspan="5"></td>`;
  return html`<tr data-profile="${profile}"><th scope="row">${rowName(profile)}</th>${armCells(fixedMask, setting.dense)}
${rigl ? rewired : null}</tr>
`;
}

function riglCells(arm: Arm | null, fixedMask: Arm | null, dense: Arm | null): Html {
  return html`${armCells(arm, dense)}<td class="first">${differenceOf(arm, fixedMask, 'static')}</td>`;
}

function armCells(arm: Arm | null, dense: Arm | null): Html {
  if (!arm) {
    const nothing = html`<td title="no run">${NOTHING}</td>`;
    return html`<td class="first" title="no run">${NOTHING}</td>${nothing}<td>0</td>${nothing}`;
  }
  const { mean, sd } = arm.accuracy;
  const spread =
    sd === null
      ? html`<td title="n = 1: one seed has no SD">${NOTHING}</td>`
      : html`<td>${sourced(arm.anchor, percent(sd), `sample SD (n − 1) of ${seedList(arm)}`)}</td>`;
  return html`<td class="first mean">${sourced(arm.anchor, percent(mean), `mean of ${seedList(arm)}`)}</td>
${spread}<td>${seedsOf(arm)}</td><td>${differenceOf(arm, dense, 'dense')}</td>`;
}

/** How many seeds, and of how many where some are missing. */
export const seedsOf = ({ runs, expected }: Arm): string =>
  runs.length < expected ? `${runs.length} of ${expected}` : String(runs.length);

function differenceOf(arm: Arm | null, over: Arm | null, name: string): Content {
  const difference = advantage(arm, over);
  if (!arm || !over || difference === null) return NOTHING;
  const title = `${percent(arm.accuracy.mean)} minus ${percent(over.accuracy.mean)} (${name})`;
  return sourced(arm.anchor, points(difference), title);
}

function seedList({ runs }: Arm): string {
  const values = runs.map(({ metrics }) => percent(metrics.value.accuracy));
  const seeds = runs.map(({ coordinates }) => coordinates.seed);
  return `${values.join(', ')} (${runs.length === 1 ? 'seed' : 'seeds'} ${listed(seeds)})`;
}

/** CV of fan-in before and after RigL, per profile and hidden layer: a table for each number of layers that was rewired. */
export function fanInTables(settings: readonly Setting[]): readonly Html[] {
  const changed = settings
    .map((setting) => ({
      setting,
      rows: setting.arms
        .map((arm) => ({ arm, changes: layerChanges(arm) }))
        .filter(({ changes }) => changes.length > 0),
    }))
    .filter(({ rows }) => rows.length > 0);
  return group(changed, ({ rows }) => String(rows[0]!.changes.length)).map(fanInTable);
}

/** A setting, and the arms whose fan-in changed in it. */
interface ChangedSetting {
  readonly setting: Setting;
  readonly rows: readonly { readonly arm: Arm; readonly changes: readonly LayerChange[] }[];
}

function fanInTable(all: readonly ChangedSetting[]): Html {
  const [first] = all as readonly [ChangedSetting];
  const layers = first.rows[0]!.changes;
  const caption = html`CV of fan-in before and after RigL, ${layers.length} hidden layers: means over seeds.`;
  const table = html`<table class="numbers">
<thead>
<tr><td></td>${layers.map((_, l) => html`<th scope="colgroup" colspan="3">Hidden layer ${l + 1}</th>`)}
<th scope="col" rowspan="2">n</th></tr>
<tr><th scope="col">Start</th>${layers.map(() => CV_HEADINGS)}</tr>
</thead>
${all.map(
  ({ setting, rows }) => html`<tbody>
<tr class="group"><th scope="rowgroup" colspan="${2 + 3 * layers.length}">${placeName(setting.dataset)}, ${settingName(setting)}</th></tr>
${rows.map(
  ({
    arm,
    changes,
  }) => html`<tr data-profile="${arm.profile}"><th scope="row">${rowName(arm.profile)}</th>
${changes.map(
  ({ cvBefore, cvAfter }) => html`<td class="first">${cvCell(arm, cvBefore.mean)}</td>
<td>${cvCell(arm, cvAfter.mean)}</td><td>${cvAfter.sd === null ? NOTHING : cvCell(arm, cvAfter.sd)}</td>`,
)}<td>${changes[0]!.cvAfter.n}</td></tr>
`,
)}
</tbody>
`,
)}</table>`;
  const label = `CV of fan-in, ${layers.length} hidden layers`;
  return tableFrame(label, caption, table, sourceLink(first.rows[0]!.arm.anchor));
}

const CV_HEADINGS = html`<th scope="col" class="first">before</th><th scope="col">after</th>
<th scope="col">SD after</th>`;

function cvCell(arm: Arm, value: number): Html {
  return sourced(arm.anchor, fixed(value, 3), `over ${counted(arm.runs.length, 'run')} of RigL`);
}

/** The fits of the equilibrium, one row for each hidden layer of each setting; null without any. */
export function equilibriumTable(rows: readonly EquilibriumRow[]): Html | null {
  if (rows.length === 0) return null;
  const caption = html`Fan-in at the equilibrium of RigL, pooled over pilot runs, and the lognormal fitted to it.`;
  const table = html`<table class="numbers">
<thead><tr><th scope="col">Hidden layer</th><th scope="col">neurons</th><th scope="col">μ</th>
<th scope="col">σ</th><th scope="col">CV of the fit</th><th scope="col">CV</th>
<th scope="col">without<br>connections</th><th scope="col">moved</th><th scope="col">noise floor</th></tr></thead>
${rows.map(equilibriumRows)}</table>`;
  return tableFrame('Equilibrium', caption, table, sourceLink(equilibriumAnchor(0)));
}

function equilibriumRows(row: EquilibriumRow, index: number): Html {
  const anchor = equilibriumAnchor(index);
  const cell = (value: number | null, digits = 3) =>
    value === null ? NOTHING : sourced(anchor, fixed(value, digits), 'from the fitted equilibrium');
  const { layers, runs } = row.fit.value;
  return html`<tbody>
<tr class="group"><th scope="rowgroup" colspan="9">${placeName(row.dataset)}, ${settingName(row)}, ${counted(runs, 'pilot run')}</th></tr>
${layers.map(
  (
    fit,
    l,
  ) => html`<tr><th scope="row">${l + 1}</th><td>${cell(fit.neurons, 0)}</td><td>${cell(fit.mu)}</td>
<td>${cell(fit.sigma)}</td><td>${cell(fit.cvFit)}</td><td>${cell(fit.cv)}</td>
<td>${sourced(anchor, percentage(fit.zeroFraction, 1), 'of pooled neurons')}</td>
<td>${cell(fit.moved)}</td><td>${cell(fit.noiseFloor)}</td></tr>
`,
)}
</tbody>
`;
}
