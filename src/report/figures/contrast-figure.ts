// contrast-figure.ts — effects with their intervals, and the seeds behind a comparison of two arms
import type { Contrast, JudgedClaim } from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import type { Layer } from '../charts/chart.ts';
import {
  barSwatch,
  dotSwatch,
  type FigureDraft,
  legendOf,
  type Panel,
  ringSwatch,
} from '../charts/figure.ts';
import { counted, cut, fixed, probability, signed } from '../markup/format.ts';
import { html } from '../markup/html.ts';
import { FAINT, INK, PAPER, PROFILE_HUES, SOFT } from '../markup/palette.ts';
import { meanOf } from '../charts/rows-chart.ts';
import { extent, tickDigits, ticks } from '../charts/scale.ts';
import type { Study } from '../data/study.ts';

/** What an effect is measured in, as axes and tables say it. */
export const UNIT_NAMES = {
  points: 'difference (percentage points)',
  ratio: 'hub gradient / mean gradient',
  r: 'Pearson’s r',
  W1: 'W1 of relative fan-in',
} as const;

/** Digits of an effect: as many as tell whether an interval holds what it is compared with. */
export const DIGITS = { points: 2, ratio: 2, r: 3, W1: 3 } as const;

/** Rows beyond these are left to the table. */
const ROWS = 40;
const ROW = 19;
const CHARACTER = 5.9;
const LABEL_LENGTH = 34;

/** The effects of a claim, a panel for each data set; null where fewer than two were measured. */
export function effectsDraft(claim: JudgedClaim): FigureDraft | null {
  const measured = claim.contrasts.filter(({ effect }) => effect !== null);
  if (measured.length < 2) return null;
  const groups = group(measured, ({ dataset, unit }) => JSON.stringify([dataset, unit]));
  // One contrast a data set: they stand in one panel, by their data sets.
  const alone =
    groups.every(({ length }) => length === 1) && new Set(measured.map((c) => c.unit)).size === 1;
  const byDataset = alone ? [measured] : groups;
  const banded = claim.kind === 'equivalence' && claim.margin !== null;
  const rest = byDataset.some(({ length }) => length > ROWS)
    ? html` The first ${ROWS} of each data set; the table has all.`
    : null;
  const level = measured[0]!.level * 100;
  return {
    id: `effects-${claim.id.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`,
    title: `effects of ${claim.id}`,
    data: 'contrasts',
    size: 'large',
    legend: legendOf([
      html`${dotSwatch(INK.light)} supports the claim`,
      html`${ringSwatch(INK.light)} does not, or is not assessed`,
      ...(banded ? [html`${barSwatch(FAINT.light)} the margin`] : []),
    ]),
    rows: [
      { title: null, panels: byDataset.map((all) => effectsPanel(all, claim, banded, alone)) },
    ],
    result: effectsResult(claim, measured),
    caption: html`${claim.id}: effects with ${level} % confidence intervals; <i>n</i> stands at the right.${rest}`,
  };
}

function effectsResult({ verdict }: JudgedClaim, measured: readonly Contrast[]): string {
  const deciding = measured.filter(({ decides }) => decides);
  const assessed = deciding.filter(
    (one) => one.verdict !== 'not assessed' && one.verdict !== 'not tested',
  );
  if (verdict !== 'not assessed' && assessed.length > 0) {
    const won = assessed.filter((one) => one.verdict === 'reproduced').length;
    return `${won} of ${counted(assessed.length, 'contrast')} ${won === 1 ? 'supports' : 'support'} the claim.`;
  }
  const unit = measured[0]!.unit;
  const effects = measured.filter((one) => one.unit === unit).map(({ effect }) => effect ?? 0);
  const show = unit === 'points' ? signed : fixed;
  const [low, high] = [Math.min(...effects), Math.max(...effects)].map((one) =>
    show(one, DIGITS[unit]),
  );
  return `Effects range from ${low} to ${high}${unit === 'points' ? ' points' : ''}; none is assessed.`;
}

function effectsPanel(
  all: readonly Contrast[],
  claim: JudgedClaim,
  banded: boolean,
  alone: boolean,
): Panel {
  const contrasts = all.slice(0, ROWS);
  const shared = sharedWords(contrasts.map(({ label }) => label));
  const [{ dataset, unit }] = contrasts as [Contrast];
  const margin = banded ? (claim.margin ?? 0) : 0;
  const reference = unit === 'ratio' ? 1 : 0;
  const values = contrasts.flatMap(({ effect, ci }) => [effect ?? 0, ...(ci ?? [])]);
  const domain = extent([...values, reference - margin, reference + margin], 0.05);
  const marks = ticks(domain, 5);
  const names = contrasts.map((contrast) =>
    cut(alone ? contrast.dataset : contrast.label.slice(shared.length), LABEL_LENGTH),
  );
  const longest = names.reduce((length, name) => Math.max(length, [...name].length), 4);
  const rows = contrasts.length;
  const title = ({ label, effect, ci, seeds }: Contrast): string =>
    `${label}: ${fixed(effect ?? 0, DIGITS[unit])}${ci ? ` [${fixed(ci[0], DIGITS[unit])}, ${fixed(ci[1], DIGITS[unit])}]` : ', no interval'}, n = ${seeds}`;
  const dots = (won: boolean) =>
    contrasts.flatMap((contrast, row) =>
      (contrast.verdict === 'reproduced') === won
        ? [{ x: contrast.effect ?? 0, y: row + 0.5, title: title(contrast) }]
        : [],
    );
  return {
    name: alone ? 'all' : dataset,
    title: alone ? 'All data sets' : dataset,
    detail: shared.trim() === '' ? null : shared.trim(),
    chart: {
      label: `Effects of ${claim.id} on ${dataset} with confidence intervals`,
      width: 230,
      height: rows * ROW,
      margin: { top: 6, right: 34, bottom: 40, left: Math.ceil(longest * CHARACTER) + 12 },
      x: { domain, ticks: marks, digits: tickDigits(marks), title: UNIT_NAMES[unit], grid: true },
      y: { domain: [rows, 0], ticks: [], hidden: true },
      layers: [
        {
          kind: 'bar',
          marks: banded ? [{ x: reference - margin, x2: reference + margin, y: 0, y2: rows }] : [],
          color: FAINT.light,
          opacity: 0.35,
        },
        {
          kind: 'rule',
          marks: [{ x: reference, y: 0, y2: rows }],
          color: SOFT.light,
          dash: [4, 3],
        },
        {
          kind: 'rule',
          marks: contrasts.flatMap((contrast, row) =>
            contrast.ci
              ? [{ x: contrast.ci[0], x2: contrast.ci[1], y: row + 0.5, title: title(contrast) }]
              : [],
          ),
          color: INK.light,
          size: 1.3,
        },
        { kind: 'dot', marks: dots(true), color: INK.light, size: 6 },
        { kind: 'dot', marks: dots(false), color: INK.light, size: 6, fill: PAPER.light },
        {
          kind: 'text',
          marks: names.map((text, row) => ({
            x: domain[0],
            y: row + 0.5,
            text,
            title: contrasts[row]!.label,
          })),
          color: INK.light,
          size: 11,
          align: 'right',
          dx: -8,
        },
        {
          kind: 'text',
          marks: contrasts.map(({ seeds }, row) => ({
            x: domain[1],
            y: row + 0.5,
            text: String(contrasts[row]!.unit === 'r' ? contrasts[row]!.a.n : seeds),
          })),
          color: SOFT.light,
          size: 10.5,
          align: 'left',
          dx: 8,
        },
      ],
    },
  };
}

/** The words with which all of several labels begin; nothing for a single label. */
export function sharedWords(labels: readonly string[]): string {
  if (labels.length < 2) return '';
  const words = labels.map((label) => label.split(' '));
  const least = words.reduce((n, { length }) => Math.min(n, length), Infinity) - 1;
  let same = 0;
  while (same < least && words.every((one) => one[same] === words[0]![same])) same++;
  return words[0]!
    .slice(0, same)
    .map((word) => `${word} `)
    .join('');
}

/** One seed in both arms, or in one of them. */
interface Pair {
  readonly seed: string;
  readonly a: number | null;
  readonly b: number | null;
}

/** Two arms as dots joined by seed, a panel for each contrast of accuracies; null without any. */
export function pairsDraft(claim: JudgedClaim, study: Study): FigureDraft | null {
  const panels = claim.contrasts.flatMap((contrast) => {
    const pairs = pairsOf(contrast, study);
    return contrast.unit === 'points' && pairs.length > 0 ? [pairsPanel(contrast, pairs)] : [];
  });
  if (panels.length === 0) return null;
  return {
    id: `pairs-${claim.id.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`,
    title: `seeds behind ${claim.id}`,
    data: 'runs',
    size: 'medium',
    legend: legendOf([html`${dotSwatch(PAIR.b)} baseline`, html`${dotSwatch(PAIR.a)} treatment`]),
    rows: [{ title: null, panels }],
    result: pairsResult(claim),
    caption: html`${claim.id}: test accuracy of treatment and baseline. A dot is one seed, lines join equal seeds, strokes are means
with 95 % confidence intervals. The effect is the mean on the right less that on the left.`,
  };
}

/** How often the treatment ends above the baseline. */
function pairsResult({ contrasts }: JudgedClaim): string | null {
  const measured = contrasts.filter(({ unit, effect }) => unit === 'points' && effect !== null);
  if (measured.length === 0) return null;
  const above = measured.filter(({ effect }) => (effect ?? 0) > 0).length;
  return `The treatment ends above the baseline in ${above} of ${counted(measured.length, 'contrast')}.`;
}

const PAIR = { a: PROFILE_HUES[1]!.light, b: PROFILE_HUES[0]!.light } as const;

function pairsOf({ a, b }: Contrast, { runs, sweep }: Study): readonly Pair[] {
  const known = new Map([...runs, ...sweep].map((run) => [run.metrics.from.task, run]));
  const values = (arm: Contrast['a'] | null) =>
    new Map(
      (arm?.tasks ?? []).flatMap(({ task }) => {
        const run = known.get(task);
        return run ? [[run.coordinates.seed, run.metrics.value.accuracy * 100] as const] : [];
      }),
    );
  const [left, right] = [values(b), values(a)];
  return [...new Set([...left.keys(), ...right.keys()])].map((seed) => ({
    seed,
    a: right.get(seed) ?? null,
    b: left.get(seed) ?? null,
  }));
}

function pairsPanel(contrast: Contrast, pairs: readonly Pair[]): Panel {
  const p = contrast.pForHolm ?? contrast.pFor;
  const names = [contrast.a.label, contrast.b?.label ?? ''];
  const shared = sharedWords(names);
  const sides = (['b', 'a'] as const).map((side) => {
    const values = pairs.flatMap((pair) => pair[side] ?? []);
    return {
      side,
      x: side === 'b' ? 0 : 1,
      values,
      summary: values.length > 0 ? meanOf(values) : null,
    };
  });
  const all = sides.flatMap(({ values, summary }) => [...values, ...(summary?.ci ?? [])]);
  const y = extent(all, 0.06);
  const marks = ticks(y, 5);
  const links = pairs.flatMap(({ a, b }, series) =>
    a === null || b === null
      ? []
      : [
          { x: 0.12, y: b, series },
          { x: 0.88, y: a, series },
        ],
  );
  const layers = sides.flatMap(({ side, x, summary }): readonly Layer[] => {
    const color = PAIR[side];
    const outer = side === 'b' ? -0.16 : 1.16;
    const inner = side === 'b' ? 0.12 : 0.88;
    const dots = pairs.flatMap((pair) => {
      const value = pair[side];
      const name = side === 'a' ? contrast.a.label : contrast.b?.label;
      return value === null
        ? []
        : [{ x: inner, y: value, title: `${name}, seed ${pair.seed}: ${fixed(value, 2)}` }];
    });
    const interval = summary?.ci ? [{ x: outer, y: summary.ci[0], y2: summary.ci[1] }] : [];
    const centre = summary
      ? [
          {
            x: outer - 0.07,
            x2: outer + 0.07,
            y: summary.mean,
            title: `mean ${fixed(summary.mean, 2)}`,
          },
        ]
      : [];
    const label = [
      { x, y: y[0], text: cut((names[side === 'a' ? 0 : 1] ?? '').slice(shared.length), 18) },
    ];
    return [
      { kind: 'rule', marks: interval, color, size: 1.6 },
      { kind: 'rule', marks: centre, color, size: 3 },
      { kind: 'dot', marks: dots, color, size: 6, opacity: 0.9 },
      { kind: 'text', marks: label, color: SOFT.light, size: 11, align: 'center', dy: 14 },
    ];
  });
  return {
    name: contrast.dataset + contrast.label,
    title: contrast.dataset,
    detail: html`${shared.trim()}; ${effectOf(contrast)}${p === null ? null : html`, <i>p</i> = ${probability(p)}`}`,
    chart: {
      label: `Test accuracy by seed, ${contrast.a.label} beside ${contrast.b?.label ?? ''}, ${contrast.dataset}`,
      width: 240,
      height: 190,
      margin: { top: 8, right: 10, bottom: 30, left: 56 },
      x: { domain: [-0.4, 1.4], ticks: [], hidden: true },
      y: {
        domain: y,
        ticks: marks,
        digits: tickDigits(marks),
        title: 'test accuracy (%)',
        grid: true,
      },
      layers: [{ kind: 'line', marks: links, color: FAINT.light, size: 1.4 }, ...layers],
    },
  };
}

/** An effect with its interval, in the digits of its unit. */
export function effectOf({ effect, ci, unit, seeds, a }: Contrast): string {
  if (effect === null) return 'not measured';
  const digits = DIGITS[unit];
  const show = unit === 'points' ? signed : fixed;
  const interval = ci ? ` [${show(ci[0], digits)}, ${show(ci[1], digits)}]` : ', no interval';
  // A correlation is over configurations; its seeds are behind each of them.
  const n = unit === 'r' ? `${a.n} configurations` : `n = ${seeds}`;
  return `${show(effect, digits)}${interval}, ${n}`;
}
