// effect-drawing.ts — an effect in one small drawing: its interval, and what was expected
import { extent, tickDigits, ticks } from '../report/charts/scale.ts';
import { fixed } from '../report/markup/format.ts';
import { escapeHtml, type Html, rawHtml } from '../report/markup/html.ts';
import { FAINT, GRID, INK, PAPER, SOFT } from '../report/markup/palette.ts';
import type { TestedClaim } from './claim-test.ts';

const [WIDTH, HEIGHT, EDGE, ROW] = [360, 46, 14, 24];

/** Draws the effect of a claim; null where there is none. */
export function effectDrawing({ claim, effect, ci, outcome }: TestedClaim): Html | null {
  if (effect === null || !Number.isFinite(effect)) return null;
  const { expect, margin } = claim;
  const bound = expect === 'less' ? -margin : margin;
  const domain = extent(
    [0, bound, effect, ...(ci ?? []), ...(expect === 'equal' ? [-margin] : [])],
    0.06,
  );
  const at = (value: number): number =>
    Math.round(
      (EDGE + ((value - domain[0]) / (domain[1] - domain[0])) * (WIDTH - 2 * EDGE)) * 100,
    ) / 100;
  const [from, to] =
    expect === 'equal'
      ? [-margin, margin]
      : expect === 'greater'
        ? [bound, domain[1]]
        : [domain[0], bound];
  const marks = ticks(domain, 4);
  const digits = tickDigits(marks);
  const y = ROW / 2;
  const parts = [
    `<rect x="${at(from)}" y="0" width="${Math.round((at(to) - at(from)) * 100) / 100}" height="${ROW}" fill="${FAINT.light}" fill-opacity="0.25"><title>what is claimed</title></rect>`,
    ...marks.map(
      (tick) =>
        `<line x1="${at(tick)}" x2="${at(tick)}" y1="0" y2="${ROW}" stroke="${tick === 0 ? FAINT.light : GRID.light}"/>` +
        `<text x="${at(tick)}" y="${ROW + 15}" text-anchor="middle" font-family="sans-serif" font-size="11" fill="${SOFT.light}">${fixed(tick, digits)}</text>`,
    ),
    ci
      ? `<line x1="${at(ci[0])}" x2="${at(ci[1])}" y1="${y}" y2="${y}" stroke="${INK.light}" stroke-width="1.5"/>`
      : '',
    `<circle cx="${at(effect)}" cy="${y}" r="3.8" fill="${outcome === 'supported' ? INK.light : PAPER.light}" stroke="${INK.light}" stroke-width="1.4"/>`,
  ];
  const label = `${claim.id}: ${outcome}; the effect with its interval, and what is claimed`;
  return rawHtml(
    `<svg xmlns="http://www.w3.org/2000/svg" class="claim-figure" role="img" aria-label="${escapeHtml(label)}" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}">${parts.join('')}</svg>`,
  );
}
