// comparison-tables.ts — rows of both runs, changed ones first, the others folded
import {
  type Both,
  changeOf,
  isOtherVerdict,
  largestFirst,
  type Metrics,
  number,
  type Pair,
  pairedAccuracies,
  pairedEffects,
  pairedVerdicts,
  type Row,
  text,
} from './comparison-data.ts';
import { changeWords, meanWords, methodName, runsOf, settingName } from './comparison-words.ts';
import { rowName, tableFrame } from './markup/document.ts';
import { count, fixed, labelWords, NOTHING, signed } from './markup/format.ts';
import { type Content, type Html, html } from './markup/html.ts';
import { type Palette, paintOf } from './markup/palette.ts';
import { hueSwatch } from './comparison-figure.ts';
import { DIGITS } from './figures/contrast-figure.ts';

/** Verdicts: other ones first, then those whose numbers alone changed. */
export function verdictTables(metrics: Both<Metrics>): Content {
  const pairs = pairedVerdicts(metrics);
  if (pairs.length === 0) return html`<p class="note">Neither run has claims.</p>`;
  const others = pairs.filter(isOtherVerdict);
  const moved = pairs.filter((pair) => pair.isChanged && !isOtherVerdict(pair));
  const same = pairs.filter(({ isChanged }) => !isChanged);
  return changedFirst({
    label: 'Verdicts of both runs',
    noun: ['verdict', 'verdicts'],
    caption: html`<b>Verdicts.</b> Other verdicts first, then those that are the same by other numbers.`,
    changed: [...others, ...moved],
    same,
    table: (
      rows,
    ) => html`<table class="claims"><thead><tr><th scope="col">Claim</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
<tbody>
${rows.map(
  ({ before, after, row }) => html`<tr><th scope="row">${text(row.claim)} ${text(row.title)}</th>
<td data-label="Before">${told(before)}</td><td data-label="After">${told(after)}</td></tr>
`,
)}</tbody></table>`,
  });
}

const told = (row: Row | undefined): Content => {
  if (row === undefined) return NOTHING;
  const verdict = text(row.verdict);
  const words = [verdict, text(row.qualifiers)].filter((word) => word !== '').join(', ');
  return html`<b class="verdict ${verdict.replaceAll(' ', '-')}">${words}</b> ${text(row.reason)}`;
};

/** Mean accuracies, the largest change first. */
export function accuracyTables(metrics: Both<Metrics>, palette: Palette): Content {
  const pairs = pairedAccuracies(metrics);
  const table = (
    rows: readonly Pair[],
  ): Html => html`<table class="numbers contrasts"><thead><tr><th scope="col">Setting</th>
<th scope="col" class="words">Trained</th><th scope="col">Before</th><th scope="col">n</th><th scope="col">After</th><th scope="col">n</th>
<th scope="col">Difference</th></tr></thead>
<tbody>
${rows.map((pair) => accuracyRow(pair, palette))}</tbody></table>`;
  return changedFirst({
    label: 'Test accuracy of both runs',
    noun: ['mean accuracy', 'mean accuracies'],
    caption: html`<b>Test accuracy.</b> Mean (SD) over seeds in percent, number of seeds, and the difference of means, after
minus before, in points. The largest difference first.`,
    changed: largestFirst(changedOf(pairs), 'mean'),
    same: pairs.filter(({ isChanged }) => !isChanged),
    table,
  });
}

function accuracyRow(pair: Pair, palette: Palette): Html {
  const { before, after, row } = pair;
  const swatch =
    row.method === 'dense' ? null : hueSwatch(paintOf(palette, text(row.profile)).color);
  return html`<tr><th scope="row">${rowName(settingName(row))}</th><td class="words">${swatch} ${methodName(row)}</td>
<td>${meanWords(before)}</td><td>${runsOf(before)}</td><td>${meanWords(after)}</td><td>${runsOf(after)}</td>
<td>${difference(changeOf(pair, 'mean'), 2)}</td></tr>
`;
}

/** Effects behind the verdicts, the largest change first. */
export function effectTables(metrics: Both<Metrics>): Content {
  const pairs = pairedEffects(metrics);
  if (pairs.length === 0) return html`<p class="note">Neither run has contrasts.</p>`;
  const table = (
    rows: readonly Pair[],
  ): Html => html`<table class="numbers contrasts"><thead><tr><th scope="col">Contrast</th>
<th scope="col" class="words">Unit</th><th scope="col">Before</th><th scope="col">After</th><th scope="col">Difference</th>
<th scope="col" class="words">Verdict</th></tr></thead>
<tbody>
${rows.map(
  (
    pair,
  ) => html`<tr><th scope="row">${rowName(`${text(pair.row.claim)}, ${text(pair.row.dataset)}: ${labelWords(text(pair.row.contrast)).join(', ')}`)}</th>
<td class="words">${text(pair.row.unit)}</td><td>${effect(pair.before)}</td><td>${effect(pair.after)}</td>
<td>${difference(changeOf(pair, 'effect'), digitsOf(pair.row))}</td>
<td class="words">${verdictChange(pair)}</td></tr>
`,
)}</tbody></table>`;
  return changedFirst({
    label: 'Effects of both runs',
    noun: ['effect', 'effects'],
    caption: html`<b>Effects behind the verdicts,</b> each with its interval. The largest difference first.`,
    changed: largestFirst(changedOf(pairs), 'effect'),
    same: pairs.filter(({ isChanged }) => !isChanged),
    table,
  });
}

function verdictChange({ before, after }: Pair): string {
  const [from, to] = [before, after].map((row) => text(row?.verdict) || NOTHING);
  return from === to ? from! : `${from} → ${to}`;
}

function effect(row: Row | undefined): string {
  const [value, low, high] = [number(row?.effect), number(row?.ci_low), number(row?.ci_high)];
  if (value === null) return NOTHING;
  const digits = digitsOf(row);
  const show = row?.unit === 'points' || row?.unit === 'W1' ? signed : fixed;
  return low === null || high === null
    ? show(value, digits)
    : `${show(value, digits)} [${show(low, digits)}, ${show(high, digits)}]`;
}

/** As many digits as the report shows. */
const digitsOf = (row: Row | undefined): number =>
  Object.entries(DIGITS).find(([unit]) => unit === row?.unit)?.[1] ?? 3;

const changedOf = (pairs: readonly Pair[]): readonly Pair[] =>
  pairs.filter(({ isChanged }) => isChanged);

const difference = (change: number | null, digits: number): string =>
  change === null ? NOTHING : changeWords(change, digits);

/** Rows of one kind, and how they stand in a table. */
interface Tables {
  /** Of the table, for those who cannot see it. */
  readonly label: string;
  readonly noun: readonly [one: string, many: string];
  readonly caption: Html;
  readonly changed: readonly Pair[];
  readonly same: readonly Pair[];
  table(rows: readonly Pair[]): Html;
}

/** What changed in a table of its own, and what did not in a folded one. */
function changedFirst({
  label,
  noun: [one, many],
  caption,
  changed,
  same,
  table,
}: Tables): Content {
  const all = changed.length + same.length;
  const counts = `${count(same.length)} of ${count(all)} ${all === 1 ? one : many}`;
  return html`${
    changed.length > 0
      ? html`<div class="wide">${tableFrame(label, caption, table(changed))}</div>`
      : html`<p class="note">None of ${count(all)} ${all === 1 ? one : many} changed.</p>`
  }
${
  same.length > 0
    ? html`<details class="wide"><summary>${counts} did not change</summary>${tableFrame(`${label}, unchanged`, null, table(same))}</details>`
    : null
}`;
}
