// pen.ts — strokes on paper: curves through points, and the ink that they leave

/** A square gray image: `ink` is [size][size], row-major, from 0 (paper) to 1 (ink). */
export interface Paper {
  readonly size: number;
  readonly ink: Float64Array;
}

/** How a stroke is drawn. */
export interface Nib {
  /**
   * Half the stroke's width in pixels at its first and last point; between them it changes evenly.
   */
  readonly startRadius: number;
  readonly endRadius: number;
  /** The darkest value that the stroke leaves, in (0, 1]. */
  readonly darkness: number;
}

/** An empty sheet of size x size pixels. */
export const blankPaper = (size: number): Paper => ({ size, ink: new Float64Array(size * size) });

/** Straight pieces per span of a curve: at 28 pixels, more cannot be told apart. */
const PIECES = 4;

/**
 * The uniform Catmull-Rom curve through the points x0, y0, x1, y1, ... of a stroke, in the same
 * form. At a doubled point the tangents point straight at the neighbours, which makes a corner.
 * Source: Catmull and Rom 1974, "A class of local interpolating splines".
 */
export function curveThrough(stroke: ArrayLike<number>): Float64Array {
  const last = stroke.length / 2 - 1;
  const curve = new Float64Array(2 * (last * PIECES + 1));
  let at = 0;
  for (let span = 0; span < last; span++) {
    const p0 = 2 * Math.max(span - 1, 0);
    const p1 = 2 * span;
    const p2 = p1 + 2;
    const p3 = 2 * Math.min(span + 2, last);
    for (let piece = 0; piece < PIECES; piece++) {
      const t = piece / PIECES;
      for (let axis = 0; axis < 2; axis++) {
        curve[at++] = catmullRom(
          stroke[p0 + axis]!,
          stroke[p1 + axis]!,
          stroke[p2 + axis]!,
          stroke[p3 + axis]!,
          t,
        );
      }
    }
  }
  curve[at] = stroke[2 * last]!;
  curve[at + 1] = stroke[2 * last + 1]!;
  return curve;
}

/** The curve between b (t = 0) and c (t = 1), whose neighbours are a and d. */
function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  const cubic = 3 * (b - c) + d - a;
  const square = 2 * a - 5 * b + 4 * c - d;
  return b + 0.5 * t * (c - a + t * (square + t * cubic));
}

/**
 * Draws a curve x0, y0, x1, y1, ... in pixels, where pixel (0, 0) covers 0..1. A pixel is as dark
 * as its centre lies within the stroke, over one pixel of soft edge. Where strokes cross, the
 * darker one stays.
 */
export function drawCurve(paper: Paper, curve: Float64Array, nib: Nib): void {
  const { startRadius, endRadius, darkness } = nib;
  const pieces = curve.length / 2 - 1;
  for (let piece = 0; piece < pieces; piece++) {
    const radius = startRadius + ((endRadius - startRadius) * (piece + 0.5)) / pieces;
    drawPiece(paper, curve.subarray(2 * piece, 2 * piece + 4), radius, darkness);
  }
}

/** Draws a straight piece with round ends; its ends are a and b. */
function drawPiece(
  { size, ink }: Paper,
  [ax, ay, bx, by]: Float64Array,
  radius: number,
  darkness: number,
): void {
  const reach = radius + 0.5;
  const left = Math.max(0, Math.ceil(Math.min(ax!, bx!) - reach - 0.5));
  const right = Math.min(size - 1, Math.floor(Math.max(ax!, bx!) + reach - 0.5));
  const top = Math.max(0, Math.ceil(Math.min(ay!, by!) - reach - 0.5));
  const bottom = Math.min(size - 1, Math.floor(Math.max(ay!, by!) + reach - 0.5));
  const dx = bx! - ax!;
  const dy = by! - ay!;
  const length2 = dx * dx + dy * dy;
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const x = column + 0.5 - ax!;
      const y = row + 0.5 - ay!;
      const along = length2 === 0 ? 0 : (x * dx + y * dy) / length2;
      const nearest = Math.max(0, Math.min(1, along));
      const offX = x - nearest * dx;
      const offY = y - nearest * dy;
      const distance2 = offX * offX + offY * offY;
      if (distance2 >= reach * reach) continue;
      const cover = darkness * Math.min(1, reach - Math.sqrt(distance2));
      const pixel = row * size + column;
      if (cover > ink[pixel]!) ink[pixel] = cover;
    }
  }
}

/** Takes the ink off a disc of paper, with one pixel of soft edge. */
export function erase({ size, ink }: Paper, x: number, y: number, radius: number): void {
  const reach = radius + 0.5;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const dx = column + 0.5 - x;
      const dy = row + 0.5 - y;
      const distance = Math.sqrt(dx * dx + dy * dy);
      if (distance < reach) ink[row * size + column]! *= Math.max(0, distance - reach + 1);
    }
  }
}

/**
 * Blurs by [b, 1 - 2b, b] along both axes, b = `amount` in [0, 1/3]. Ink that leaves the sheet is
 * lost.
 */
export function blur({ size, ink }: Paper, amount: number): void {
  for (let row = 0; row < size; row++) blurLine(ink, row * size, 1, size, amount);
  for (let column = 0; column < size; column++) blurLine(ink, column, size, size, amount);
}

function blurLine(ink: Float64Array, from: number, step: number, count: number, b: number): void {
  let before = 0;
  for (let i = 0; i < count; i++) {
    const at = from + i * step;
    const here = ink[at]!;
    const after = i + 1 < count ? ink[at + step]! : 0;
    ink[at] = b * before + (1 - 2 * b) * here + b * after;
    before = here;
  }
}
