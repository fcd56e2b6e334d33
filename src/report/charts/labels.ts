// labels.ts — names at the ends of lines and beside points, in place of a legend that is far away
import exp from '@stdlib/math-base-special-exp';
import ln from '@stdlib/math-base-special-ln';
import { cut } from '../markup/format.ts';
import { INK } from '../markup/palette.ts';
import type { Axis, Layer } from './chart.ts';
import { spread } from './dodge.ts';

/** A generous width of one character at 10.5 px. */
const CHARACTER = 5.7;
const SIZE = 10.5;
/** Between the lines of two labels. */
export const LABEL_GAP = 11.5;
const LENGTH = 18;
/** From the end of a line to its label. */
const LEADER = 16;

/** The end of a line, and its name. */
export interface LineEnd {
  readonly value: number;
  readonly name: string;
  readonly color: string;
}

/** The room that labels take at the right of a chart, in px. */
export const labelRoom = (names: readonly string[]): number =>
  LEADER + 10 + Math.ceil(names.reduce((most, name) => Math.max(most, widthOf(name)), 0));

/** The width of a name as it is drawn, in px. */
export const widthOf = (name: string): number => [...cut(name, LENGTH)].length * CHARACTER;

/** How high a chart has to be for so many labels. */
export const labelHeight = (count: number, least: number): number =>
  Math.max(least, Math.ceil((count - 1) * LABEL_GAP));

/** Names right of the lines' ends, apart from each other, each led to from its end. */
export function endLabels(
  ends: readonly LineEnd[],
  {
    x,
    y,
    width,
    height,
  }: { readonly x: Axis; readonly y: Axis; readonly width: number; readonly height: number },
): readonly Layer[] {
  const places = spread(
    ends.map(({ value }) => pixelOf(y, value, height)),
    LABEL_GAP,
    height,
  );
  const texts = ends.map(({ name }, i) => ({
    x: x.domain[1],
    y: valueAt(y, places[i]!, height),
    text: cut(name, LENGTH),
    title: name,
  }));
  const leaders = ends.map(({ value, color }, i): Layer => {
    const marks = [
      { x: valueAt(x, -2, width), y: value },
      { x: valueAt(x, -LEADER, width), y: valueAt(y, places[i]!, height) },
    ];
    return { kind: 'line', marks, color, size: 1 };
  });
  return [
    ...leaders,
    { kind: 'text', marks: texts, color: INK.light, size: SIZE, align: 'left', dx: LEADER + 4 },
  ];
}

/** Where a value lies, from the top. */
export function pixelOf(
  { domain: [low, high], scale }: Axis,
  value: number,
  height: number,
): number {
  const share = scale === 'log' ? ln(value / low) / ln(high / low) : (value - low) / (high - low);
  return height * (1 - share);
}

/** The value that lies so far from the top. */
export function valueAt(
  { domain: [low, high], scale }: Axis,
  pixel: number,
  height: number,
): number {
  const share = 1 - pixel / height;
  return scale === 'log' ? low * exp(share * ln(high / low)) : low + share * (high - low);
}
