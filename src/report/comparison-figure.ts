// comparison-figure.ts — the same numbers of two runs drawn over each other, on one axis
import { extent, type Interval, tickDigits, ticks } from './charts/scale.ts';
import { cut, fixed } from './markup/format.ts';
import { escapeHtml, type Html, html, rawHtml } from './markup/html.ts';
import { FAINT, GRID, INK, PAPER, SOFT } from './markup/palette.ts';

/** An estimate and its interval, where it has one. */
export interface Estimate {
  readonly value: number;
  readonly interval: Interval | null;
}

/** One estimate in both runs; null where a run lacks it. */
export interface OverlayRow {
  readonly name: string;
  readonly color: string;
  readonly before: Estimate | null;
  readonly after: Estimate | null;
}

/** Rows on one axis. */
export interface Overlay {
  /** What it shows, for those who cannot see it. */
  readonly label: string;
  readonly unit: string;
  readonly rows: readonly OverlayRow[];
  /** Shared by the panels that are to be read against each other. */
  readonly domain: Interval;
}

const [WIDTH, RIGHT, ROW, AXIS] = [360, 12, 24, 34];
/** Of names, in characters; and a generous width of one. */
const [NAME_LENGTH, CHARACTER] = [28, 6.1];

/** An axis that holds every estimate and interval of both runs. */
export function overlayDomain(rows: readonly OverlayRow[]): Interval {
  const values = rows.flatMap(({ before, after }) =>
    [before, after].flatMap((one) => (one ? [one.value, ...(one.interval ?? [])] : [])),
  );
  return values.length === 0 ? [0, 1] : extent(values, 0.05);
}

/** A row each: a ring and a dashed interval before, a dot and a whole interval after. */
export function overlay({ label, unit, rows, domain }: Overlay): Html {
  const [low, high] = domain;
  const names = rows.map(({ name }) => [...cut(name, NAME_LENGTH)].length);
  const left =
    Math.ceil(names.reduce((most, length) => Math.max(most, length), 4) * CHARACTER) + 12;
  const at = (value: number): number =>
    Math.round((left + ((value - low) / (high - low)) * (WIDTH - left - RIGHT)) * 100) / 100;
  const bottom = rows.length * ROW;
  const marks = ticks(domain, 4);
  const digits = tickDigits(marks);
  const parts = [
    ...marks.map(
      (tick) =>
        `<line x1="${at(tick)}" x2="${at(tick)}" y1="0" y2="${bottom}" stroke="${GRID.light}"/>` +
        words(at(tick), bottom + 14, fixed(tick, digits), 'middle', SOFT.light),
    ),
    words((left + WIDTH - RIGHT) / 2, bottom + 29, unit, 'middle', SOFT.light),
    ...rows.map((row, i) => rowMarks(row, { y: (i + 0.5) * ROW, left, at })),
  ];
  const height = bottom + AXIS;
  return rawHtml(
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeHtml(label)}" ` +
      `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">${parts.join('')}</svg>`,
  );
}

/** Where a row lies: its height, the room for its name, and the axis. */
interface Place {
  readonly y: number;
  readonly left: number;
  readonly at: (value: number) => number;
}

function rowMarks(row: OverlayRow, { y, left, at }: Place): string {
  const { name, color, before, after } = row;
  const title = `<title>${escapeHtml(`${name}: ${told(before)} → ${told(after)}`)}</title>`;
  const [up, down] = [y - 3, y + 3];
  const between =
    before && after
      ? `<line x1="${at(before.value)}" x2="${at(after.value)}" y1="${up}" y2="${down}" stroke="${FAINT.light}"/>`
      : '';
  const bar = (one: Estimate | null, height: number, dash: string): string =>
    one?.interval
      ? `<line x1="${at(one.interval[0])}" x2="${at(one.interval[1])}" y1="${height}" y2="${height}" stroke="${color}" stroke-width="1.5"${dash}/>`
      : '';
  const dot = (one: Estimate | null, height: number, fill: string): string =>
    one
      ? `<circle cx="${at(one.value)}" cy="${height}" r="3.6" fill="${fill}" stroke="${color}" stroke-width="1.4"/>`
      : '';
  return (
    `<g>${title}${words(left - 8, y + 3.5, cut(name, NAME_LENGTH), 'end', INK.light)}${between}` +
    `${bar(before, up, ' stroke-dasharray="3 2"')}${bar(after, down, '')}` +
    `${dot(before, up, PAPER.light)}${dot(after, down, color)}</g>`
  );
}

const told = (one: Estimate | null): string =>
  one === null
    ? 'none'
    : `${fixed(one.value, 2)}${one.interval ? ` (${fixed(one.interval[0], 2)} to ${fixed(one.interval[1], 2)})` : ''}`;

const words = (x: number, y: number, text: string, anchor: string, fill: string): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${fill}" font-size="11">${escapeHtml(text)}</text>`;

/** How a run is marked: the ring of the one before, the dot of the one after. */
export const runSwatch = (run: 'before' | 'after'): Html =>
  html`<svg class="symbol" width="26" height="11" aria-hidden="true"><line x1="0" x2="26" y1="5.5" y2="5.5"
stroke="${INK.light}" stroke-width="1.5" stroke-dasharray="${run === 'before' ? '3 2' : 'none'}"/><circle cx="13" cy="5.5" r="3.6"
fill="${run === 'before' ? PAPER.light : INK.light}" stroke="${INK.light}" stroke-width="1.4"/></svg>`;

/** A hue in a legend. */
export const hueSwatch = (color: string): Html =>
  html`<svg class="symbol" width="11" height="11" aria-hidden="true"><circle cx="5.5" cy="5.5" r="4.5" fill="${color}"/></svg>`;
