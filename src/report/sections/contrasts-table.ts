// contrasts-table.ts — the comparisons that a claim rests on, in numbers
import type { Arm, Contrast, JudgedClaim, Verdict } from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import { sourceLink } from '../data/sources.ts';
import { DIGITS, splitLabels } from '../figures/contrast-figure.ts';
import { tableFrame } from '../markup/document.ts';
import { fixed, listed, NOTHING, probability, signed } from '../markup/format.ts';
import { type Content, type Html, html } from '../markup/html.ts';
import { sourced } from './tables.ts';

/** Longer tables are folded away on screens. */
const ROWS_OPEN = 12;

/** One column: its heading, and the whole cell of a contrast. */
interface Column {
  readonly head: string;
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
  const parts = byDataset.map((all) => {
    const own = splitLabels(all.map(({ label }) => label));
    return all.length > 1
      ? own
      : { shared: whole.shared, rests: [whole.rests[contrasts.indexOf(all[0]!)] ?? ''] };
  });
  const names = new Map(
    byDataset.flatMap((all, at) => all.map((one, i) => [one, parts[at]!.rests[i]!] as const)),
  );
  const heads = columns.map(
    ({ head, words }) => html`<th scope="col"${words ? html` class="words"` : null}>${head}</th>`,
  );
  const row = (contrast: Contrast): Html =>
    html`<tr><th scope="row">${names.get(contrast) ?? contrast.label}</th>${columns.map(({ cell }) => cell(contrast))}</tr>
`;
  const rows = (all: readonly Contrast[], head: string): Html | null =>
    all.length === 0
      ? null
      : html`<tbody>
<tr class="group"><th scope="rowgroup" colspan="${columns.length + 1}">${head}</th></tr>
${all.map(row)}</tbody>
`;
  const table = html`<table class="numbers contrasts">
<thead><tr><th scope="col">Contrast</th>${heads}</tr></thead>
${byDataset.map((all, at) => {
  const head = [all[0]!.dataset, ...parts[at]!.shared].join(', ');
  const deciding = all.filter(({ decides }) => decides);
  const beside = all.filter(({ decides }) => !decides);
  return [rows(deciding, head), rows(beside, `${head}; beside the claim, not part of it`)];
})}</table>`;
  const label = `Contrasts of ${id}`;
  const frame = html`<div class="wide">${tableFrame(label, captionOf(claim), table, sourceOf(contrasts, anchors))}</div>`;
  return contrasts.length <= ROWS_OPEN
    ? frame
    : html`<details class="wide"><summary>All ${contrasts.length} contrasts of ${id}</summary>${frame}</details>`;
}

const some = (contrasts: readonly Contrast[], has: (contrast: Contrast) => boolean): boolean =>
  contrasts.some(has);

const number = (content: Content): Html => html`<td>${content}</td>`;

const pOrNothing = (p: number | null): Html => number(p === null ? NOTHING : probability(p));

const isAssessed = ({ verdict }: Contrast): boolean => verdict !== 'not assessed';

function columnsOf(
  { contrasts, kind }: JudgedClaim,
  anchors: ReadonlyMap<string, string>,
): readonly Column[] {
  const arm = (one: Arm | null, { unit }: Contrast): Html =>
    number(one === null ? NOTHING : armCell(one, unit === 'W1' ? 3 : 2, anchors));
  const isPair = some(contrasts, ({ b }) => b !== null);
  const isUnequal = new Set(contrasts.map(repetitions)).size > 1;
  const columns: readonly (Column | false)[] = [
    some(contrasts, isAssessed) && {
      head: 'verdict',
      words: true,
      cell: (one) => html`<td class="words" title="${one.reason}">${verdictOf(one)}</td>`,
    },
    { head: isPair ? 'treatment' : 'value', cell: (one) => arm(one.a, one) },
    isPair && { head: 'baseline', cell: (one) => arm(one.b, one) },
    {
      head: 'effect',
      cell: (one) => number(one.effect === null ? NOTHING : effectCell(one, anchors)),
    },
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

const repetitions = ({ unit, a, seeds }: Contrast): number => (unit === 'r' ? a.n : seeds);

/** What the table holds: whatever its headings cannot say. */
function captionOf({ id, contrasts, kind }: JudgedClaim): Html {
  const unit = contrasts.find(({ effect }) => effect !== null)?.unit ?? 'points';
  const repeats = new Set(contrasts.map(repetitions));
  const levels = [...new Set(contrasts.flatMap(({ ci, level }) => (ci ? [level] : [])))].map(
    (level) => `${fixed(level * 100, 0)}\u202f%`,
  );
  const n = repeats.size === 1 ? html`, <i>n</i> = ${[...repeats]} each` : null;
  const none = some(contrasts, isAssessed) ? null : ', none of which is assessed';
  const isPair = some(contrasts, ({ b }) => b !== null);
  const intervals = levels.length === 0 ? null : ` with ${listed(levels)} confidence intervals`;
  const p = some(contrasts, ({ pFor }) => pFor !== null)
    ? html`; <i>p</i> of ${TESTS[kind] ?? 'the test'} for the claim`
    : null;
  const against = some(contrasts, ({ pAgainstHolm }) => pAgainstHolm !== null)
    ? html`; <i>p</i> against it after Holm’s adjustment`
    : null;
  const d = some(contrasts, (one) => one.d !== null)
    ? html`; <i>d</i> is Cohen’s, over the pooled SD`
    : null;
  return html`Contrasts of ${id}${n}${none}: mean (SD) ${UNITS[unit]}; effects${isPair ? ', treatment less baseline,' : null}${intervals}${p}${against}${d}.`;
}

const UNITS = {
  points: 'in percent',
  ratio: 'of the ratio',
  r: 'of the hub ratio',
  W1: 'of the distance',
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

function armCell(arm: Arm, digits: number, anchors: ReadonlyMap<string, string>): Content {
  if (arm.mean === null) return NOTHING;
  const spread = arm.sd === null ? ' (one seed)' : ` (${fixed(arm.sd, digits)})`;
  return linked(`${fixed(arm.mean, digits)}${spread}`, `${arm.label}, n = ${arm.n}`, arm, anchors);
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

function effectCell(contrast: Contrast, anchors: ReadonlyMap<string, string>): Content {
  const { effect, ci, unit, a, b } = contrast;
  const digits = DIGITS[unit];
  const show = unit === 'points' ? signed : fixed;
  const interval = ci ? ` [${show(ci[0], digits)}, ${show(ci[1], digits)}]` : '';
  return linked(
    `${show(effect ?? 0, digits)}${interval}`,
    `${a.label}${b ? ` and ${b.label}` : ''}`,
    a,
    anchors,
  );
}
