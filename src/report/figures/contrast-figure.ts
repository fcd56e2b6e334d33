// contrast-figure.ts — effects with their intervals, and the seeds behind a comparison of two arms
import type { Contrast, JudgedClaim } from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import type { Layer } from '../charts/chart.ts';
import { swarm } from '../charts/dodge.ts';
import { type FigureDraft, legendOf, type Panel, dotSwatch, ringSwatch } from '../charts/figure.ts';
import {
  counted,
  cut,
  fixed,
  isPlaceWord,
  labelWords,
  probability,
  sentence,
  signed,
} from '../markup/format.ts';
import { type Html, html } from '../markup/html.ts';
import { FAINT, INK, PAPER, type Palette, SOFT } from '../markup/palette.ts';
import { meanOf } from '../charts/rows-chart.ts';
import { extent, type Interval, tickDigits, ticks } from '../charts/scale.ts';
import { datasetAt, type Study } from '../data/study.ts';

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

/** Whether a contrast is a mean over several cells, which has no arms of its own. */
const isMean = ({ a, b }: Contrast): boolean => b === null && a.mean === null;

/**
 * The effects of a claim, a panel for each data set; null where fewer than two were measured. Where another figure of the
 * claim draws each cell, only means over cells are drawn here.
 */
export function effectsDraft(
  claim: JudgedClaim,
  { cellsElsewhere = false }: { readonly cellsElsewhere?: boolean } = {},
): FigureDraft | null {
  const measured = claim.contrasts.filter(
    (contrast) => contrast.effect !== null && (!cellsElsewhere || isMean(contrast)),
  );
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
  const isMixed = new Set(measured.map(({ verdict }) => verdict === 'reproduced')).size > 1;
  return {
    id: `effects-${claim.id.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`,
    title: `effects of ${claim.id}`,
    data: 'contrasts',
    size: 'large',
    // Where all dots are alike the caption says what they are.
    legend: isMixed
      ? legendOf([
          html`${dotSwatch(INK.light)} supports the claim`,
          html`${ringSwatch(INK.light)} does not, or is not assessed`,
        ])
      : null,
    rows: [
      { title: null, panels: byDataset.map((all) => effectsPanel(all, claim, banded, alone)) },
    ],
    result: effectsResult(
      claim,
      measured,
      cellsElsewhere ? 'Means over profiles for' : 'Effects of',
    ),
    caption: html`${cellsElsewhere ? 'Mean effects, over all profiles of a setting or all settings of a profile,' : 'Effects'} with ${level} % confidence intervals${banded ? '; the band is the margin' : null}${nWords(measured)}.${cellsElsewhere ? ' The figure over CV has the single profiles.' : null}${rest}`,
  };
}

/** How the repetitions behind effects are told: once where all have as many, else row by row. */
function nWords(measured: readonly Contrast[]): Html {
  const all = new Set(measured.map(repetitions));
  return all.size > 1 ? html`; <i>n</i> stands at the right` : html`, <i>n</i> = ${[...all]} each`;
}

/** Seeds, or the configurations of a correlation. */
const repetitions = ({ unit, a, seeds }: Contrast): number => (unit === 'r' ? a.n : seeds);

function effectsResult(
  { id, verdict }: JudgedClaim,
  measured: readonly Contrast[],
  subject: string,
): string {
  const deciding = measured.filter(({ decides }) => decides);
  const assessed = deciding.filter(isAssessed);
  if (verdict !== 'not assessed' && assessed.length > 0) {
    const won = assessed.filter((one) => one.verdict === 'reproduced').length;
    return `${won} of ${counted(assessed.length, 'contrast')} ${won === 1 ? 'supports' : 'support'} ${id}.`;
  }
  const unit = measured[0]!.unit;
  const effects = measured.filter((one) => one.unit === unit).map(({ effect }) => effect ?? 0);
  const show = unit === 'points' ? signed : fixed;
  const [low, high] = [Math.min(...effects), Math.max(...effects)].map((one) =>
    show(one, DIGITS[unit]),
  );
  const known = measured.filter(isAssessed).length;
  const told = known === 0 ? 'none is assessed' : `${known} of ${measured.length} are assessed`;
  return `${subject} ${id} range from ${low} to ${high}${unit === 'points' ? ' points' : ''}; ${told}.`;
}

const isAssessed = ({ verdict }: Contrast): boolean =>
  verdict !== 'not assessed' && verdict !== 'not tested';

function effectsPanel(
  all: readonly Contrast[],
  claim: JudgedClaim,
  banded: boolean,
  alone: boolean,
): Panel {
  const contrasts = all.slice(0, ROWS);
  const { shared, rests } = splitLabels(contrasts.map(({ label }) => label));
  const [{ dataset, unit }] = contrasts as [Contrast];
  const margin = banded ? (claim.margin ?? 0) : 0;
  const reference = unit === 'ratio' ? 1 : 0;
  const values = contrasts.flatMap(({ effect, ci }) => [effect ?? 0, ...(ci ?? [])]);
  const domain = extent([...values, reference - margin, reference + margin], 0.05);
  const marks = ticks(domain, 5);
  const names = contrasts.map((contrast, i) =>
    cut(alone ? contrast.dataset : (rests[i] ?? ''), LABEL_LENGTH),
  );
  const isUneven = new Set(claim.contrasts.filter(isMeasured).map(repetitions)).size > 1;
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
    detail: shared.length === 0 ? null : shared.join(', '),
    chart: {
      label: `Effects of ${claim.id} on ${dataset} with confidence intervals`,
      width: 230,
      height: rows * ROW,
      margin: {
        top: 6,
        right: isUneven ? 34 : 14,
        bottom: 40,
        left: Math.ceil(longest * CHARACTER) + 12,
      },
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
          marks: isUneven
            ? contrasts.map((contrast, row) => ({
                x: domain[1],
                y: row + 0.5,
                text: String(repetitions(contrast)),
              }))
            : [],
          color: SOFT.light,
          size: 10.5,
          align: 'left',
          dx: 8,
        },
      ],
    },
  };
}

const isMeasured = ({ effect }: Contrast): boolean => effect !== null;

/** Labels without what all of them say: their first words, and the places that all of them name; and what that is. */
export function splitLabels(labels: readonly string[]): {
  readonly shared: readonly string[];
  readonly rests: readonly string[];
} {
  const prefix = sharedWords(labels);
  const rests = labels.map((label) => label.slice(prefix.length).split(' '));
  const [first = []] = rests;
  const places =
    labels.length < 2
      ? []
      : first.filter((word) => isPlaceWord(word) && rests.every((words) => words.includes(word)));
  return {
    shared: labelWords([prefix, ...places].join(' ')),
    rests: rests.map((words) =>
      labelWords(words.filter((word) => !places.includes(word)).join(' ')).join(', '),
    ),
  };
}

/** Labels that are all the same: the places that they name, and the rest, which says what is compared. */
export function splitPlaces(labels: readonly string[]): ReturnType<typeof splitLabels> {
  const words = (labels[0] ?? '').split(' ');
  const rest = words.filter((word) => !isPlaceWord(word)).join(' ');
  return { shared: labelWords(words.filter(isPlaceWord).join(' ')), rests: labels.map(() => rest) };
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

/** More panels than these are left to the table. */
const PAIR_PANELS = 24;

/** One seed in both arms, or in one of them. */
interface Pair {
  readonly seed: string;
  readonly a: number | null;
  readonly b: number | null;
}

/** Two arms as dots joined by seed, a panel for each contrast of accuracies; null without any. */
export function pairsDraft(claim: JudgedClaim, study: Study, palette: Palette): FigureDraft | null {
  const compared = claim.contrasts.flatMap((contrast) => {
    const pairs = pairsOf(contrast, study);
    return contrast.unit === 'points' && pairs.length > 0 ? [{ contrast, pairs }] : [];
  });
  if (compared.length === 0) return null;
  const axisOf = ({ dataset }: Contrast): Interval =>
    extent(
      compared
        .filter((one) => datasetAt(one.contrast.dataset) === datasetAt(dataset))
        .flatMap(({ pairs }) => (['a', 'b'] as const).flatMap((side) => reachOf(pairs, side))),
      0.06,
    );
  const panels = compared
    .slice(0, PAIR_PANELS)
    .map(({ contrast, pairs }) =>
      pairsPanel(contrast, pairs, { y: axisOf(contrast), colors: colorsOf(contrast, palette) }),
    );
  return {
    id: `pairs-${claim.id.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`,
    title: `seeds behind ${claim.id}`,
    data: 'runs',
    size: 'medium',
    legend: null,
    rows: [{ title: null, panels }],
    result: pairsResult(claim),
    caption: html`${claim.id}: test accuracy of the baseline (left) and the treatment (right). A dot is one seed; lines join the
same seed on both sides; strokes are means with 95 % confidence intervals. The effect is the right mean minus the left one.
Panels of a data set share their axis.${compared.length > panels.length ? html` The first ${panels.length} of ${compared.length} contrasts; the table has all.` : null}`,
  };
}

/** How often the treatment is more accurate than the baseline. */
function pairsResult({ contrasts }: JudgedClaim): string {
  const measured = contrasts.filter(({ unit, effect }) => unit === 'points' && effect !== null);
  if (measured.length === 0) return 'No contrast is measured: one side of each has no runs.';
  const above = measured.filter(({ effect }) => (effect ?? 0) > 0).length;
  const all = measured.length;
  const share = above === all && all > 1 ? 'all' : `${above} of`;
  const [treatment, baseline] = namesOf(measured) ?? ['the treatment', 'the baseline'];
  return `${sentence(treatment)} is more accurate than ${baseline} in ${share} ${counted(all, 'contrast')}.`;
}

/** What the two sides are called, where that is the same in all contrasts. */
function namesOf(contrasts: readonly Contrast[]): readonly [string, string] | null {
  const names = contrasts.map(({ a, b }) => {
    const labels = [a.label, b?.label ?? ''];
    const shared = sharedWords(labels);
    return shared === '' ? [] : labels.map((label) => label.slice(shared.length));
  });
  const [[treatment = '', baseline = ''] = []] = names;
  const isOne = names.every(([a, b]) => a === treatment && b === baseline);
  return isOne && treatment !== '' && baseline !== '' ? [treatment, baseline] : null;
}

/** What both sides are drawn in: the colours of their profiles, or light and dark where these are no two profiles. */
interface PairColors {
  readonly a: string;
  readonly b: string;
}

function colorsOf({ a, b }: Contrast, palette: Palette): PairColors {
  const [treatment, baseline] = [a.label, b?.label ?? ''].map((label) =>
    palette.get(label.split(' ').at(-1) ?? ''),
  );
  return treatment && baseline && treatment.color !== baseline.color
    ? { a: treatment.color, b: baseline.color }
    : { a: INK.light, b: SOFT.light };
}

function pairsOf({ a, b }: Contrast, { runs, sweep }: Study): readonly Pair[] {
  const all = [...runs, ...sweep];
  const known = new Map(all.map((run) => [run.metrics.from.task, run]));
  // Stages that train the same network are one run here, under the name of one of them: its results are the same bytes.
  const same = new Map(all.map((run) => [run.metrics.from.digest, run]));
  const values = (arm: Contrast['a'] | null) =>
    new Map(
      (arm?.tasks ?? []).flatMap(({ task, digest }) => {
        const run = known.get(task) ?? same.get(digest);
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

/** The values of one side, and the ends of their interval. */
function reachOf(pairs: readonly Pair[], side: 'a' | 'b'): readonly number[] {
  const values = pairs.flatMap((pair) => pair[side] ?? []);
  return values.length === 0 ? [] : [...values, ...(meanOf(values).ci ?? [])];
}

/** What both arms share, without the stage that made them: `128–64, 90 % sparse, ERK layers`. */
function settingOf(shared: string): string {
  const places = shared.split(' ').filter(isPlaceWord).join(' ');
  return labelWords(places === '' ? shared : places).join(', ');
}

const PAIRS = { width: 240, height: 190, x: [-0.4, 1.4] } as const;
/** Across, and how far dots move out of each other's way. */
const [DOT, REACH] = [6, 24];

function pairsPanel(
  contrast: Contrast,
  pairs: readonly Pair[],
  { y, colors }: { readonly y: Interval; readonly colors: PairColors },
): Panel {
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
  const marks = ticks(y, 5);
  const places = { a: placesOf(pairs, 'a', y), b: placesOf(pairs, 'b', y) };
  const links = pairs.flatMap(({ a, b }, series) =>
    a === null || b === null
      ? []
      : [
          { x: places.b[series]!, y: b, series },
          { x: places.a[series]!, y: a, series },
        ],
  );
  const layers = sides.flatMap(({ side, x, summary }): readonly Layer[] => {
    const color = colors[side];
    const outer = side === 'b' ? -0.16 : 1.16;
    const dots = pairs.flatMap((pair, i) => {
      const value = pair[side];
      const name = side === 'a' ? contrast.a.label : contrast.b?.label;
      return value === null
        ? []
        : [
            {
              x: places[side][i]!,
              y: value,
              title: `${name}, seed ${pair.seed}: ${fixed(value, 2)}`,
            },
          ];
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
      { kind: 'dot', marks: dots, color, size: DOT, opacity: 0.9 },
      { kind: 'text', marks: label, color: SOFT.light, size: 11, align: 'center', dy: 14 },
    ];
  });
  return {
    name: contrast.dataset + contrast.label,
    title: contrast.dataset,
    detail: html`${settingOf(shared)}; ${effectOf(contrast)}${p === null ? null : html`, <i>p</i> = ${probability(p)}`}`,
    chart: {
      label: `Test accuracy by seed, ${contrast.a.label} beside ${contrast.b?.label ?? ''}, ${contrast.dataset}`,
      width: PAIRS.width,
      height: PAIRS.height,
      margin: { top: 8, right: 10, bottom: 30, left: 56 },
      x: { domain: PAIRS.x, ticks: [], hidden: true },
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

/** Where the dots of one side stand across: moved outward where they would lie on each other. */
function placesOf(
  pairs: readonly Pair[],
  side: 'a' | 'b',
  [low, high]: Interval,
): readonly number[] {
  const centre = side === 'b' ? 0.12 : 0.88;
  const there = pairs.flatMap((pair, i) => {
    const value = pair[side];
    const y = ((value ?? 0) - low) / (high - low);
    return value === null ? [] : [{ i, x: 0, y: y * PAIRS.height }];
  });
  const shifts = swarm(there, DOT + 1.4, REACH);
  const places = pairs.map((): number => centre);
  const perPixel = (PAIRS.x[1] - PAIRS.x[0]) / PAIRS.width;
  there.forEach(({ i }, at) => {
    places[i] = centre + (shifts[at] ?? 0) * perPixel;
  });
  return places;
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
