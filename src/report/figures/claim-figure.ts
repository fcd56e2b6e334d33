// claim-figure.ts — a claim in one small drawing: effects, intervals, margin and the paper's value on one axis
import type { Contrast, JudgedClaim, Published } from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import { extent, tickDigits, ticks } from '../charts/scale.ts';
import { cut, fixed, signed } from '../markup/format.ts';
import { escapeHtml, type Html, rawHtml } from '../markup/html.ts';
import { FAINT, GRID, INK, PAPER, PROFILE_HUES, SOFT } from '../markup/palette.ts';
import { datasetAt } from '../data/study.ts';
import { DIGITS } from './contrast-figure.ts';

/** The colour of what the paper says. */
export const PUBLISHED_HUE = PROFILE_HUES[1]!.light;

const [W, LEFT, RIGHT, ROW, AXIS] = [360, 112, 12, 22, 22];
/** Data sets beyond these are left to the claim's section. */
const ROWS = 12;
const NAME_LENGTH = 16;
const SHORT_UNITS = { points: 'points', ratio: 'hub / mean', r: 'r', W1: 'W1' } as const;

/** Draws a claim, a row for each data set; null where nothing was measured. */
export function claimFigure(claim: JudgedClaim): Html | null {
  const measured = claim.contrasts.filter(({ effect }) => effect !== null);
  const [first] = measured;
  if (first === undefined) return null;
  const drawn = measured.filter(({ unit }) => unit === first.unit);
  const rows = group(drawn, ({ dataset }) => dataset).slice(0, ROWS);
  const published = claim.published ?? [];
  const reference = first.unit === 'ratio' ? 1 : 0;
  const domain = extent(
    [
      ...drawn.flatMap(({ effect, ci }) => [effect ?? 0, ...(ci ?? [])]),
      ...published.flatMap(({ low, high }) => [low, high]),
      ...(first.unit === 'r' ? [1] : [reference]),
    ],
    0.04,
  );
  const at = (value: number): number =>
    Math.round(
      (LEFT + ((value - domain[0]) / (domain[1] - domain[0])) * (W - LEFT - RIGHT)) * 100,
    ) / 100;
  const height = rows.length * ROW + AXIS;
  const marks = ticks(domain, 4);
  const digits = tickDigits(marks);
  const parts = [
    marginBand(claim, reference, at, rows.length, domain),
    ...marks.map(
      (tick) =>
        `<line x1="${at(tick)}" x2="${at(tick)}" y1="0" y2="${rows.length * ROW}" stroke="${tick === reference ? FAINT.light : GRID.light}"/>` +
        words(at(tick), rows.length * ROW + 13, fixed(tick, digits), 'middle', SOFT.light, 10),
    ),
    words(0, rows.length * ROW + 13, SHORT_UNITS[first.unit], 'start', SOFT.light, 10),
    ...rows.map((all, row) => rowOf(all, row, published, at)),
  ];
  const label = `${claim.id}: effects by data set${published.length > 0 ? ', with the value of the paper' : ''}`;
  return rawHtml(
    `<svg xmlns="http://www.w3.org/2000/svg" class="claim-figure" role="img" aria-label="${escapeHtml(label)}" ` +
      `width="${W}" height="${height}" viewBox="0 0 ${W} ${height}">${parts.join('')}</svg>`,
  );
}

type Scale = (value: number) => number;

/** What counts as nothing, or as close enough, for the rules that have such a margin about their reference. */
function marginBand(
  { kind, margin }: JudgedClaim,
  reference: number,
  at: Scale,
  rows: number,
  [low, high]: readonly [number, number],
): string {
  if (margin === null || (kind !== 'equivalence' && kind !== 'no-advantage')) return '';
  const from = kind === 'equivalence' ? Math.max(reference - margin, low) : low;
  const to = Math.min(reference + margin, high);
  return `<rect x="${at(from)}" y="0" width="${Math.round((at(to) - at(from)) * 100) / 100}" height="${rows * ROW}" fill="${FAINT.light}" fill-opacity="0.25"><title>within the margin</title></rect>`;
}

/** A data set: every effect as a tick, the farthest out with its interval, and what the paper says. */
function rowOf(
  all: readonly Contrast[],
  row: number,
  published: readonly Published[],
  at: Scale,
): string {
  const [{ dataset, unit }] = all as [Contrast];
  const y = row * ROW + ROW / 2;
  const told = farthest(all);
  const show = unit === 'points' ? signed : fixed;
  const title = titleOf(told, show);
  const paper = published
    .filter((one) => one.dataset === null || one.dataset === datasetAt(dataset))
    .map(({ low, high }) =>
      publishedMark(at(low), at(high), y, `the paper: ${spanWords(low, high, show, DIGITS[unit])}`),
    );
  const others = all
    .filter((one) => one !== told)
    .map(
      ({ effect }) =>
        `<line x1="${at(effect ?? 0)}" x2="${at(effect ?? 0)}" y1="${y - 4}" y2="${y + 4}" stroke="${SOFT.light}" stroke-opacity="0.55"/>`,
    );
  const interval = told.ci
    ? `<line x1="${at(told.ci[0])}" x2="${at(told.ci[1])}" y1="${y}" y2="${y}" stroke="${INK.light}" stroke-width="1.5"/>`
    : '';
  const fill = told.verdict === 'reproduced' ? INK.light : PAPER.light;
  const dot = `<circle cx="${at(told.effect ?? 0)}" cy="${y}" r="3.6" fill="${fill}" stroke="${INK.light}" stroke-width="1.4"/>`;
  return (
    words(LEFT - 8, y + 4, cut(dataset, NAME_LENGTH), 'end', INK.light, 11) +
    `<g><title>${escapeHtml(title)}</title>${others.join('')}${interval}${dot}</g>${paper.join('')}`
  );
}

/** Of the contrasts that decide, the one that is farthest out; of all where none does. */
export function farthest(all: readonly Contrast[]): Contrast {
  const deciding = all.filter(({ decides }) => decides);
  const size = ({ effect, unit }: Contrast): number =>
    Math.abs((effect ?? 0) - (unit === 'ratio' ? 1 : 0));
  return (deciding.length > 0 ? deciding : all).reduce((most, one) =>
    size(one) > size(most) ? one : most,
  );
}

type Show = (value: number, digits: number) => string;

function titleOf({ dataset, label, effect, ci, level, unit, seeds }: Contrast, show: Show): string {
  const digits = DIGITS[unit];
  const interval = ci
    ? `, ${fixed(level * 100, 0)} % CI ${show(ci[0], digits)} to ${show(ci[1], digits)}`
    : ', no interval';
  return `${dataset}, ${label}: ${show(effect ?? 0, digits)}${interval}, n = ${seeds}`;
}

const spanWords = (low: number, high: number, show: Show, digits: number): string =>
  low === high ? show(low, digits) : `${show(low, digits)} to ${show(high, digits)}`;

function publishedMark(x1: number, x2: number, y: number, title: string): string {
  const shape =
    x1 === x2
      ? `<path d="M${x1} ${y - 6}L${x1 + 4.5} ${y}L${x1} ${y + 6}L${x1 - 4.5} ${y}Z" fill="none" stroke="${PUBLISHED_HUE}" stroke-width="1.6">`
      : `<path d="M${x1} ${y + 8}V${y + 5}H${x2}V${y + 8}" fill="none" stroke="${PUBLISHED_HUE}" stroke-width="1.6">`;
  return `${shape}<title>${escapeHtml(title)}</title></path>`;
}

const words = (
  x: number,
  y: number,
  text: string,
  anchor: 'start' | 'middle' | 'end',
  fill: string,
  size: number,
): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" font-family="sans-serif" font-size="${size}" fill="${fill}">${escapeHtml(text)}</text>`;
