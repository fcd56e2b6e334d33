// portrait-figure.ts — masks as images: hubs on top, and what pixels are used for
import type { LayerPortrait } from '../../sparse/portrait.ts';
import { group } from '../data/arms.ts';
import { barSwatch, type FigureDraft, legendOf, type Panel } from '../charts/figure.ts';
import { percent, percentage, placeName, ruleName, sparsityName } from '../markup/format.ts';
import { escapeHtml, type Html, html, rawHtml } from '../markup/html.ts';
import { PROFILE_HUES } from '../markup/palette.ts';
import { type IndexedImage, pngUri } from '../markup/png.ts';
import type { PortraitResult } from '../data/study.ts';

/** Seen on light paper and on dark. */
const OTHER = [122, 120, 112, 255] as const;
const HUB = [213, 94, 0, 255] as const;
const NONE = [122, 120, 112, 26] as const;
/** Shades of a plane, from nothing to its greatest value. */
const SHADES = 32;
/** Masks of more starts than these are left out. */
const STARTS = 12;

/** The first hidden layer before and after RigL, a row for each start; null without any. */
export function portraitDraft(portraits: readonly PortraitResult[]): FigureDraft | null {
  if (portraits.length === 0) return null;
  const settings = group(portraits, ({ dataset, sparsity, rule }) =>
    JSON.stringify([dataset, sparsity, rule]),
  );
  const planes = portraits.some(({ image }) => image !== null)
    ? html` Small squares sum a layer onto the plane of pixels: how many neurons, and how many hubs, look at each; the
darkest is the most of its square.`
    : null;
  const rest = settings.some(({ length }) => length > STARTS)
    ? html` The first ${STARTS} starts of each.`
    : null;
  return {
    id: 'masks',
    title: 'masks before and after RigL',
    size: 'large',
    legend: legendOf([
      html`${barSwatch(PROFILE_HUES[1]!.light)} a hub’s connection`,
      html`${barSwatch('#7a7870')} another neuron’s`,
    ]),
    rows: settings.map((ofSetting) => {
      const [{ dataset, sparsity, rule, seed }] = ofSetting as [(typeof ofSetting)[number]];
      return {
        title: `${placeName(dataset)}: ${sparsityName(sparsity)}, ${ruleName(rule)}, seed ${seed}`,
        panels: ofSetting.slice(0, STARTS).map(portraitPanel),
      };
    }),
    result: portraitResult(portraits),
    caption: html`The mask of the first hidden layer of one run, before and after RigL. A row is a neuron, with the
most connected on top (up to 96, evenly spaced in that order); a column is an input.${planes}${rest}`,
  };
}

/** How many of the connections hubs have, before and after. */
function portraitResult(portraits: readonly PortraitResult[]): string {
  const span = (side: 'start' | 'end'): string => {
    const all = portraits.map((portrait) => hubShare(portrait[side]));
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const least = percent(low, 0) === percent(high, 0) ? '' : `${percent(low, 0)} to `;
    return `${least}${percentage(high, 0)}`;
  };
  return `Hubs, a tenth of the neurons, have ${span('start')} of the connections before RigL, and ${span('end')} after it.`;
}

/** The share of a layer's connections that lead to hubs. */
function hubShare({ listeners, hubListeners }: LayerPortrait): number {
  const total = (counts: readonly number[]): number => counts.reduce((sum, one) => sum + one, 0);
  return total(hubListeners) / Math.max(1, total(listeners));
}

function portraitPanel(portrait: PortraitResult): Panel {
  const { dataset, profile, start, end, image } = portrait;
  return {
    name: `${dataset} ${portrait.sparsity} ${portrait.rule} ${profile}`,
    title: profile,
    detail: `${start.inputs} inputs, ${start.neurons} neurons, ${start.hubs} of them hubs`,
    chart: portraitSvg(
      `Mask of ${profile} on ${dataset} before and after RigL`,
      [start, end],
      image,
    ),
  };
}

const WIDTH = 400;
const BAND = 72;
const PLANE = 72;
const LABEL = 14;

function portraitSvg(
  label: string,
  sides: readonly LayerPortrait[],
  image: PortraitResult['image'],
): Html {
  const room = image ? WIDTH - 2 * (PLANE + 6) : WIDTH;
  const height = sides.length * (BAND + LABEL + 6);
  const parts = sides.flatMap((side, i) => {
    const top = i * (BAND + LABEL + 6) + LABEL;
    const words = (x: number, text: string): string =>
      `<text x="${x}" y="${top - 4}" font-family="sans-serif" font-size="10.5" fill="#6d6a60">${text}</text>`;
    const picture = (x: number, width: number, drawn: IndexedImage): string =>
      `<image x="${x}" y="${top}" width="${width}" height="${BAND}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${pngUri(drawn)}"/>`;
    const planes = image
      ? [
          picture(room + 6, PLANE, planeOf(side.listeners, image, OTHER)),
          words(room + 6, 'all neurons'),
          picture(room + PLANE + 12, PLANE, planeOf(side.hubListeners, image, HUB)),
          words(room + PLANE + 12, 'hubs'),
        ]
      : [];
    return [words(0, i === 0 ? 'before' : 'after'), picture(0, room, rowsOf(side)), ...planes];
  });
  return rawHtml(
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeHtml(label)}" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">${parts.join('')}</svg>`,
  );
}

function rowsOf({ rows, inputs }: LayerPortrait): IndexedImage {
  const pixels = new Uint8Array(rows.length * inputs);
  rows.forEach(({ hub, steps }, y) => {
    let x = 0;
    for (const step of steps) {
      x += step;
      pixels[y * inputs + x] = hub ? 2 : 1;
    }
  });
  return { width: inputs, height: rows.length, pixels, colors: [NONE, OTHER, HUB] };
}

/** Counts on the plane of pixels, in shades of one colour; transposed images are turned back. */
function planeOf(
  counts: readonly number[],
  { height, width, transposed }: NonNullable<PortraitResult['image']>,
  [r, g, b]: readonly [number, number, number, number],
): IndexedImage {
  const most = counts.reduce((a, c) => Math.max(a, c), 1);
  const pixels = new Uint8Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = transposed ? x * height + y : y * width + x;
      pixels[y * width + x] = Math.round(((counts[at] ?? 0) / most) * (SHADES - 1));
    }
  }
  const colors = Array.from({ length: SHADES }, (_, i) => {
    return [r, g, b, Math.round(16 + (239 * i) / (SHADES - 1))] as const;
  });
  return { width, height, pixels, colors };
}
