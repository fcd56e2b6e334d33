// rows-chart.ts — named rows with dots, means and intervals on a shared axis
import { meanInterval } from '../../stats/t-test.ts';
import { type Chart, type Layer, type Mark, merged } from './chart.ts';
import { cut, fixed } from '../markup/format.ts';
import { GRID, INK, PAPER, SOFT } from '../markup/palette.ts';
import { swarm } from './dodge.ts';
import { extent, type Interval, tickDigits, ticks } from './scale.ts';

/** One sample in a row: a dot for each value, a stroke at the mean, a bar over its interval. */
export interface Lane {
  /** Of the sample, for tooltips: `RigL`. */
  readonly name: string;
  readonly color: string;
  readonly hollow: boolean;
  readonly values: readonly { readonly name: string; readonly value: number }[];
}

/** A row and its lanes, from top to bottom. */
export interface ChartRow {
  readonly name: string;
  readonly lanes: readonly Lane[];
}

/** What is drawn. Numbers are in the axis's unit. */
export interface RowsChart {
  readonly label: string;
  readonly title: string;
  readonly rows: readonly ChartRow[];
  /** A value that all rows are seen against, such as that of the dense network. */
  readonly reference: { readonly name: string; readonly value: number } | null;
  readonly domain: Interval;
}

const LANE = 20;
const GAP = 8;
/** Of the plotting area: with names on both sides it is no wider than a phone. */
const WIDTH = 228;
/** Across, and how far dots move out of each other's way within a lane. */
const [DOT, REACH] = [5.2, 7];
const LABEL_LENGTH = 20;
/** A generous width of one character at 12 px. */
const CHARACTER = 6.4;

/** The mean of some values with its 95 % interval by t; no interval for one value. */
export function meanOf(values: readonly number[]): {
  readonly mean: number;
  readonly ci: Interval | null;
} {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, ci: meanInterval(values).ci };
}

/** An axis that holds all values and their intervals. */
export function rowsDomain(rows: readonly ChartRow[], more: readonly number[] = []): Interval {
  const ends = rows.flatMap(({ lanes }) =>
    lanes.flatMap(({ values }) => {
      const all = values.map(({ value }) => value);
      return all.length === 0 ? [] : [...all, ...(meanOf(all).ci ?? [])];
    }),
  );
  const values = [...ends, ...more];
  return values.length === 0 ? [0, 1] : extent(values, 0.05);
}

/** The chart; its rows are as high as their lanes need. */
export function rowsChart({ label, title, rows, reference, domain }: RowsChart): Chart {
  const marks = ticks(domain, 4);
  const names = rows.map(({ name }) => cut(name, LABEL_LENGTH));
  const longest = names.reduce((length, name) => Math.max(length, [...name].length), 4);
  const lanes = rows.reduce((most, row) => Math.max(most, row.lanes.length), 1);
  const height = rows.length * (lanes * LANE + GAP);
  const lines = Array.from({ length: rows.length + 1 }, (_, y) => ({
    x: domain[0],
    x2: domain[1],
    y,
  }));
  const texts = names.map((text, row) => ({
    x: domain[0],
    y: row + 0.5,
    text,
    title: rows[row]!.name,
  }));
  return {
    label,
    width: WIDTH,
    height,
    margin: {
      top: 20,
      right: lanes > 1 ? 44 : 14,
      bottom: 40,
      left: Math.ceil(longest * CHARACTER) + 14,
    },
    x: { domain, ticks: marks, digits: tickDigits(marks), title, grid: true },
    y: { domain: [rows.length, 0], ticks: [], hidden: true },
    layers: [
      { kind: 'rule', marks: lines, color: GRID.light },
      ...referenceLayers(reference, rows.length, domain),
      ...merged(
        rows.flatMap((row, y) =>
          row.lanes.flatMap((lane, i) =>
            laneLayers(lane, row, {
              y: y + (i + 0.5) / row.lanes.length,
              perPixel: rows.length / height,
              domain,
            }),
          ),
        ),
      ),
      ...laneNames(rows, domain),
      { kind: 'text', marks: texts, color: INK.light, size: 12, align: 'right', dx: -10 },
    ],
  };
}

function referenceLayers(
  reference: RowsChart['reference'],
  rows: number,
  [low, high]: Interval,
): readonly Layer[] {
  if (reference === null) return [];
  const { name, value: x } = reference;
  return [
    { kind: 'rule', marks: [{ x, y: 0, y2: rows }], color: INK.light, dash: [4, 3] },
    {
      kind: 'text',
      marks: [{ x, y: 0, text: `${name} ${fixed(x, 2)}` }],
      color: INK.light,
      size: 11,
      // At the edges there is room on one side only.
      align:
        x > low + 0.8 * (high - low) ? 'right' : x < low + 0.2 * (high - low) ? 'left' : 'center',
      dy: -10,
    },
  ];
}

/** The names of the lanes, once: beside those of the first row that has values in all. */
function laneNames(rows: readonly ChartRow[], domain: Interval): readonly Layer[] {
  const several = rows.filter(({ lanes }) => lanes.length > 1);
  const full = several.find(({ lanes }) => lanes.every(({ values }) => values.length > 0));
  const shown = full ?? several[0];
  if (shown === undefined) return [];
  const y = rows.indexOf(shown);
  const marks = shown.lanes.map(({ name }, i) => ({
    x: domain[1],
    y: y + (i + 0.5) / shown.lanes.length,
    text: name,
  }));
  return [{ kind: 'text', marks, color: SOFT.light, size: 10.5, align: 'left', dx: 6 }];
}

/** Where a lane lies, and the rows that a pixel is high. */
interface Place {
  readonly y: number;
  readonly perPixel: number;
  readonly domain: Interval;
}

function laneLayers(
  { name, color, hollow, values }: Lane,
  row: ChartRow,
  { y, perPixel, domain }: Place,
): readonly Layer[] {
  if (values.length === 0) return [];
  const { mean, ci } = meanOf(values.map(({ value }) => value));
  const words = ci === null ? 'one seed' : `95 % CI ${fixed(ci[0], 2)} to ${fixed(ci[1], 2)}`;
  const title = `${row.name}, ${name}: mean ${fixed(mean, 2)}, ${words}, n = ${values.length}`;
  const bar: Mark[] = ci === null ? [] : [{ x: ci[0], x2: ci[1], y, title }];
  const reach = 0.13;
  // Dots move up and down only: along the axis they stand where they are.
  const shifts = swarm(
    values.map(({ value }) => ({
      x: 0,
      y: ((value - domain[0]) / (domain[1] - domain[0])) * WIDTH,
    })),
    DOT + 1.4,
    REACH,
  );
  const dots = values.map(({ name: seed, value }, i) => ({
    x: value,
    y: y + (shifts[i] ?? 0) * perPixel,
    title: `${row.name}, ${name}, ${seed}: ${fixed(value, 2)}`,
  }));
  return [
    { kind: 'rule', marks: bar, color, size: 1.5 },
    { kind: 'rule', marks: [{ x: mean, y: y - reach, y2: y + reach, title }], color, size: 2.5 },
    {
      kind: 'dot',
      marks: dots,
      color,
      size: DOT,
      fill: hollow ? PAPER.light : color,
      opacity: 0.85,
    },
  ];
}
