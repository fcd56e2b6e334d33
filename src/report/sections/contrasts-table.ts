// contrasts-table.ts — the comparisons that a claim rests on, in numbers
import type { Arm, Contrast, JudgedClaim, Verdict } from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import { sourceLink } from '../data/sources.ts';
import { DIGITS, splitLabels, splitPlaces } from '../figures/contrast-figure.ts';
import { rowName, tableFrame } from '../markup/document.ts';
import { fixed, listed, NOTHING, probability, signed } from '../markup/format.ts';
import { type Content, type Html, html } from '../markup/html.ts';
import { sourced } from './tables.ts';

/** Longer tables are folded away on screens. */
const ROWS_OPEN = 12;

/** One column: its heading, the heading that it shares with its neighbours, and the whole cell of a contrast. */
interface Column {
  readonly head: string;
  readonly over?: string;
  readonly words?: boolean;
  readonly cell: (contrast: Contrast) => Html;
}

/** A claim's contrasts by data set, verdict first. Columns that would be empty, or the same in every row, are left out. */
export function contrastsTable(claim: JudgedClaim, anchors: ReadonlyMap<string, string>): Content {
  const { id, contrasts } = claim;
  if (contrasts.length === 0) return null;
  const columns = columnsOf(claim, anchors);
  // A data set with one contrast says of it what all data sets share.
  const byDataset = group(contrasts, ({ dataset }) => dataset);
  const whole = splitLabels(contrasts.map(({ label }) => label));
  const isOneLabel = new Set(contrasts.map(({ label }) => label)).size === 1;
  const parts = byDataset.map((all) => {
    if (isOneLabel) return splitPlaces(all.map(({ label }) => label));
    const own = splitLabels(all.map(({ label }) => label));
    return all.length > 1
      ? own
      : { shared: whole.shared, rests: [whole.rests[contrasts.indexOf(all[0]!)] ?? ''] };
  });
  const names = new Map(
    byDataset.flatMap((all, at) => all.map((one, i) => [one, parts[at]!.rests[i]!] as const)),
  );
  const row = (contrast: Contrast): Html =>
    html`<tr><th scope="row">${rowName(names.get(contrast) ?? contrast.label)}</th>${columns.map(({ cell }) => cell(contrast))}</tr>
`;
  const rows = (all: readonly Contrast[], head: string): Html | null =>
    all.length === 0
      ? null
      : html`<tbody>
<tr class="group"><th scope="rowgroup" colspan="${columns.length + 1}">${head}</th></tr>
${all.map(row)}</tbody>
`;
  const table = html`<table class="numbers contrasts">
<thead>${headRows(columns)}</thead>
${byDataset.map((all, at) => {
  const head = [all[0]!.dataset, ...parts[at]!.shared].join(', ');
  const deciding = all.filter(({ decides }) => decides);
  const beside = all.filter(({ decides }) => !decides);
  return [rows(deciding, head), rows(beside, `${head}; not part of the claim`)];
})}</table>`;
  const label = `Contrasts of ${id}`;
  const frame = html`<div class="wide">${tableFrame(label, captionOf(claim), table, sourceOf(contrasts, anchors))}</div>`;
  return contrasts.length <= ROWS_OPEN
    ? frame
    : html`<details class="wide"><summary>All ${contrasts.length} contrasts of ${id}</summary>${frame}</details>`;
}

/** Columns that share a heading stand under it, the first of them a little apart. */
function headRows(columns: readonly Column[]): Html {
  const spans: { readonly over: string; length: number }[] = [];
  for (const { over = '' } of columns) {
    const last = spans.at(-1);
    if (last?.over === over) last.length += 1;
    else spans.push({ over, length: 1 });
  }
  const above = spans.map(({ over, length }) =>
    over === ''
      ? html`<td colspan="${length}"></td>`
      : html`<th scope="colgroup" colspan="${length}">${over}</th>`,
  );
  const heads = columns.map(({ head, over, words }, i) => {
    const kind = words
      ? 'words'
      : over !== undefined && over !== columns[i - 1]?.over
        ? 'first'
        : null;
    return html`<th scope="col"${kind && html` class="${kind}"`}>${head}</th>`;
  });
  return html`<tr><td></td>${above}</tr>
<tr><th scope="col">Contrast</th>${heads}</tr>`;
}

const some = (contrasts: readonly Contrast[], has: (contrast: Contrast) => boolean): boolean =>
  contrasts.some(has);

const number = (content: Content): Html => html`<td>${content}</td>`;

const pOrNothing = (p: number | null): Html => number(p === null ? NOTHING : probability(p));

const isAssessed = ({ verdict }: Contrast): boolean =>
  verdict !== 'not assessed' && verdict !== 'not tested';

function columnsOf(
  { contrasts, kind }: JudgedClaim,
  anchors: ReadonlyMap<string, string>,
): readonly Column[] {
  const isPair = some(contrasts, ({ b }) => b !== null);
  const measured = contrasts.filter(({ effect }) => effect !== null);
  const isUnequal = new Set(measured.map(repetitions)).size > 1;
  const [first] = measured;
  const isOneUnit = measured.every(({ unit }) => unit === first?.unit);
  const unit = first && isOneUnit ? UNITS[first.unit] : null;
  const columns: readonly (Column | false)[] = [
    some(contrasts, isAssessed) && {
      head: 'verdict',
      words: true,
      cell: (one) => html`<td class="words" title="${one.reason}">${verdictOf(one)}</td>`,
    },
    ...armColumns(headed(isPair ? 'treatment' : 'value', unit?.arm), ({ a }) => a, anchors),
    ...(isPair ? armColumns(headed('baseline', unit?.arm), ({ b }) => b, anchors) : []),
    ...effectColumns(headed('effect', unit?.effect) + intervalWords(measured), measured, anchors),
    isUnequal && { head: 'n', cell: (one) => number(repetitions(one)) },
    some(contrasts, ({ pFor }) => pFor !== null) && {
      head: kind === 'equivalence' ? 'p (TOST)' : 'p',
      cell: (one) => pOrNothing(one.pForHolm ?? one.pFor),
    },
    some(contrasts, ({ pAgainstHolm }) => pAgainstHolm !== null) && {
      head: 'p, against',
      cell: (one) => pOrNothing(one.pAgainstHolm),
    },
    some(contrasts, ({ d }) => d !== null) && {
      head: 'd',
      cell: ({ d, dCi }) => {
        const size = dCi && `95 % BCa interval ${fixed(dCi[0], 2)} to ${fixed(dCi[1], 2)}`;
        return html`<td title="${size ?? 'no interval'}">${d === null ? NOTHING : fixed(d, 2)}</td>`;
      },
    },
  ];
  return columns.filter((column) => column !== false);
}

/** `, 90 % CI`: what the ends of the effects are. */
function intervalWords(measured: readonly Contrast[]): string {
  const levels = [...new Set(measured.flatMap(({ ci, level }) => (ci ? [level] : [])))];
  const names = levels.map((level) => `${fixed(level * 100, 0)}\u202f%`);
  return names.length === 0 ? '' : `, ${listed(names)} CI`;
}

const headed = (name: string, unit: string | undefined): string =>
  unit === undefined ? name : `${name} (${unit})`;

/** Mean and SD apart: numbers below each other have their points below each other. */
function armColumns(
  over: string,
  armOf: (contrast: Contrast) => Arm | null,
  anchors: ReadonlyMap<string, string>,
): readonly Column[] {
  return [
    {
      over,
      head: 'mean',
      cell: (one) => {
        const arm = armOf(one);
        if (arm === null || arm.mean === null) return html`<td class="first">${NOTHING}</td>`;
        const text = fixed(arm.mean, armDigits(one));
        return html`<td class="first">${linked(text, `${arm.label}, n = ${arm.n}`, arm, anchors)}</td>`;
      },
    },
    {
      over,
      head: 'SD',
      cell: (one) => {
        const arm = armOf(one);
        if (arm?.n === 1) return html`<td title="one seed has no SD">${NOTHING}</td>`;
        const sd = arm?.sd ?? null;
        return number(sd === null ? NOTHING : fixed(sd, armDigits(one)));
      },
    },
  ];
}

/** An effect, and the ends of its interval where there is one. */
function effectColumns(
  over: string,
  measured: readonly Contrast[],
  anchors: ReadonlyMap<string, string>,
): readonly Column[] {
  const end = (head: string, side: 0 | 1): Column => ({
    ...{ over, head },
    cell: (one) => number(one.ci === null ? NOTHING : effectWords(one.ci[side], one)),
  });
  return [
    {
      over,
      head: 'mean',
      cell: (one) =>
        html`<td class="first">${one.effect === null ? NOTHING : effectCell(one, one.effect, anchors)}</td>`,
    },
    ...(some(measured, ({ ci }) => ci !== null) ? [end('from', 0), end('to', 1)] : []),
  ];
}

const armDigits = ({ unit }: Contrast): number => (unit === 'W1' ? 3 : 2);

/** Differences have their sign, ratios and correlations only where they are negative. */
const effectWords = (value: number, { unit }: Contrast): string =>
  (unit === 'points' || unit === 'W1' ? signed : fixed)(value, DIGITS[unit]);

const repetitions = ({ unit, a, seeds }: Contrast): number => (unit === 'r' ? a.n : seeds);

/** What the table holds: whatever its headings cannot say. */
function captionOf({ id, contrasts, kind }: JudgedClaim): Html {
  const repeats = new Set(contrasts.filter(({ effect }) => effect !== null).map(repetitions));
  const n = repeats.size === 1 ? html`, <i>n</i> = ${[...repeats]} each` : null;
  const none = some(contrasts, isAssessed) ? null : ', none of which is assessed';
  const isPair = some(contrasts, ({ b }) => b !== null);
  const p = some(contrasts, ({ pFor }) => pFor !== null)
    ? html`; <i>p</i> of ${TESTS[kind] ?? 'the test'} for the claim`
    : null;
  const against = some(contrasts, ({ pAgainstHolm }) => pAgainstHolm !== null)
    ? html`; <i>p</i> against it after Holm’s adjustment`
    : null;
  const d = some(contrasts, (one) => one.d !== null)
    ? html`; <i>d</i> is Cohen’s, over the pooled SD`
    : null;
  return html`Contrasts of ${id}${n}${none}${isPair ? '; effects are treatment minus baseline' : null}${p}${against}${d}.`;
}

/** What arms and effects are measured in, for headings. */
const UNITS = {
  points: { arm: '%', effect: 'points' },
  ratio: { arm: 'ratio', effect: 'ratio' },
  r: { arm: 'hub ratio', effect: 'r' },
  W1: { arm: 'W1', effect: 'W1' },
} as const;

/** Tests by the kind of claim. */
const TESTS: { readonly [kind: string]: string } = {
  equivalence: 'two one-sided tests (TOST)',
  'non-inferiority': 'the test of non-inferiority',
  superiority: 'Welch’s test',
  correlation: 'Fisher’s test',
};

/** What a contrast says of its claim. */
const verdictOf = ({ verdict, qualifiers }: Contrast): string =>
  [VERDICT_WORDS[verdict], ...qualifiers].join(', ');

const VERDICT_WORDS: { readonly [V in Verdict]: string } = {
  reproduced: '● supports the claim',
  refuted: '✕ contradicts it',
  inconclusive: '○ inconclusive',
  'not assessed': 'not assessed',
  'not tested': 'not tested',
};

/** Where the numbers of some contrasts come from, for those who have no mouse. */
function sourceOf(
  contrasts: readonly Contrast[],
  anchors: ReadonlyMap<string, string>,
): string | undefined {
  const tasks = contrasts.flatMap(({ a }) => a.tasks.map(({ task }) => task));
  const first = tasks.find((task) => anchors.has(task));
  const anchor = first === undefined ? undefined : anchors.get(first);
  return anchor && sourceLink(anchor);
}

/** A number as a link to the runs of an arm. */
function linked(
  text: string,
  title: string,
  arm: Arm,
  anchors: ReadonlyMap<string, string>,
): Content {
  const anchor = arm.tasks.map(({ task }) => anchors.get(task)).find((at) => at !== undefined);
  return anchor === undefined ? text : sourced(anchor, text, title);
}

function effectCell(
  contrast: Contrast,
  effect: number,
  anchors: ReadonlyMap<string, string>,
): Content {
  const { a, b } = contrast;
  const title = `${a.label}${b ? ` and ${b.label}` : ''}`;
  return linked(effectWords(effect, contrast), title, a, anchors);
}
