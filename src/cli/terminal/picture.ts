// picture.ts — tensors → pixels: connections as bitmaps, images as contact sheets, matrices as heat maps

import { PNG } from 'pngjs';
import { elementAt } from '../../present.ts';
import { exactValues, ForeignTensor, type Tensor, type TensorFile } from '../../tensor.ts';

/** An image of opaque pixels: `rgb` is [height][width][3]. */
interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

type Color = readonly [red: number, green: number, blue: number];

/** Larger matrices are averaged down to this many pixels a side, smaller ones enlarged toward it. */
const SIDE_MAX = 1600;
const SIDE_GOOD = 512;
const SCALE_MAX = 16;
const GAP = 4;
const PAPER: Color = [255, 255, 255];
const BETWEEN: Color = [150, 150, 150];
const INK: Color = [20, 30, 70];
/** From least to greatest, for values of one sign. */
const RAMP: readonly Color[] = [
  [247, 251, 255],
  [158, 202, 225],
  [66, 146, 198],
  [8, 48, 107],
];
/** From the most negative by zero to the most positive. */
const DIVERGING: readonly Color[] = [
  [178, 24, 43],
  [244, 165, 130],
  [255, 255, 255],
  [146, 197, 222],
  [33, 102, 172],
];
const CURVE = { width: 800, height: 240 };
/** Images on a contact sheet, along each side. */
const SHEET = { columns: 20, rows: 12, scale: 2 };

/** Draws tensors as one PNG, or says why not: nothing in them has two dimensions. */
export function drawTensors(file: TensorFile): Uint8Array | undefined {
  const pictures = picturesOf({ ...file, tensors: drawable(file.tensors) });
  return pictures.length > 0 ? encode(stacked(pictures)) : undefined;
}

/** Tensors of types without a typed array as doubles, near enough to be looked at; not those without numbers. */
function drawable(tensors: TensorFile['tensors']): TensorFile['tensors'] {
  const plain = Object.entries(tensors).flatMap(([name, tensor]): [string, Tensor][] => {
    if (!(tensor instanceof ForeignTensor)) return [[name, tensor]];
    const values = exactValues(tensor);
    if (values === undefined) return [];
    const data = Float64Array.from(values as Iterable<number | bigint>, Number);
    return [[name, { shape: tensor.shape, data }]];
  });
  return Object.fromEntries(plain);
}

/** Connections before images before matrices before vectors: the first kind that is there is drawn. */
function picturesOf({ tensors }: TensorFile): readonly Picture[] {
  const all = Object.entries(tensors);
  const patterns = all.flatMap(([name]) => {
    const stem = /^(.*)\.crow_indices$/.exec(name)?.[1];
    return stem === undefined ? [] : (pattern(tensors, stem) ?? []);
  });
  if (patterns.length > 0) return patterns;
  const bySize = all
    .map(([, tensor]) => tensor)
    .filter(({ data }) => data.length > 0)
    .sort((a, b) => b.data.length - a.data.length);
  const images = bySize.find((tensor) => imageSize(tensor));
  if (images) return [contactSheet(images)];
  const matrix = bySize.find(({ shape }) => shape.length === 2);
  if (matrix) {
    const [height = 0, width = 0] = matrix.shape;
    return [heatMap(matrix.data, height, width)];
  }
  const vector = bySize.find(({ shape }) => shape.length === 1);
  return vector ? [curve(vector.data)] : [];
}

/** Which entries of a CSR matrix exist: rows down, columns across. */
function pattern(tensors: TensorFile['tensors'], stem: string): Picture | undefined {
  const rows = tensors[`${stem}.crow_indices`]?.data;
  const columns = tensors[`${stem}.col_indices`]?.data;
  if (rows === undefined || columns === undefined) return undefined;
  const size = tensors[`${stem}.size`]?.data;
  const height = rows.length - 1;
  let width = size?.[1] ?? 0;
  if (size === undefined) for (const column of columns) width = Math.max(width, column + 1);
  if (height < 1 || width < 1 || width * height > 400_000_000) return undefined;
  const dense = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const end = elementAt(rows, row + 1);
    for (let at = elementAt(rows, row); at < end; at++) {
      const column = columns[at] ?? width;
      if (column < width) dense[row * width + column] = 1;
    }
  }
  return matrixPicture(dense, height, width, (share) => blend([PAPER, INK], share));
}

/** Colours of a matrix: from white to blue, or from red by white to blue where there are negative values. */
function heatMap(data: Tensor['data'], height: number, width: number): Picture {
  let [min, max] = [0, 0];
  for (const value of data) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const reach = Math.max(-min, max) || 1;
  const color = (value: number): Color => {
    if (!Number.isFinite(value)) return BETWEEN;
    return min < 0 ? blend(DIVERGING, (value / reach + 1) / 2) : blend(RAMP, value / reach);
  };
  return matrixPicture(data, height, width, color);
}

/** A vector as a curve: in each column of pixels, from the least to the greatest value that falls there. */
function curve(data: Tensor['data']): Picture {
  const { width, height } = CURVE;
  const picture = blank(width, height);
  let [min, max] = [0, 0];
  for (const value of data) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const rowOf = (value: number): number =>
    Math.round(((max - value) / (max - min || 1)) * (height - 1));
  for (let x = 0; x < width; x++) {
    fill(picture, x, rowOf(0), 1, BETWEEN);
    const from = Math.floor((x * data.length) / width);
    const to = Math.max(from + 1, Math.ceil(((x + 1) * data.length) / width));
    const part = Array.from(data.subarray(from, Math.min(data.length, to)), rowOf);
    const rows = part.filter(Number.isFinite);
    for (let y = Math.min(...rows); y <= Math.max(...rows); y++) fill(picture, x, y, 1, INK);
  }
  return picture;
}

/** Averages blocks of a large matrix and enlarges a small one, by whole numbers. */
function matrixPicture(
  data: ArrayLike<number>,
  height: number,
  width: number,
  color: (value: number) => Color,
): Picture {
  const block = Math.ceil(Math.max(height, width) / SIDE_MAX);
  const [down, across] = [Math.ceil(height / block), Math.ceil(width / block)];
  const scale = Math.max(1, Math.min(SCALE_MAX, Math.floor(SIDE_GOOD / Math.max(down, across))));
  const picture = blank(across * scale, down * scale);
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      const ink = color(mean(data, width, y * block, x * block, height, block));
      fill(picture, x * scale, y * scale, scale, ink);
    }
  }
  return picture;
}

function mean(
  data: ArrayLike<number>,
  width: number,
  top: number,
  left: number,
  height: number,
  block: number,
): number {
  let [sum, count] = [0, 0];
  for (let y = top; y < Math.min(height, top + block); y++) {
    for (let x = left; x < Math.min(width, left + block); x++) {
      sum += data[y * width + x] ?? 0;
      count += 1;
    }
  }
  return sum / count;
}

/** Height and width of the images that a tensor of bytes holds: [N][height][width], or [N][side * side]. */
function imageSize({ shape, data }: Tensor): readonly [number, number] | undefined {
  if (!(data instanceof Uint8Array)) return undefined;
  const [, height = 0, width = 0] = shape;
  if (shape.length === 3 && height <= 512 && width <= 512) return [height, width];
  const side = Math.round(Math.sqrt(height));
  return shape.length === 2 && side >= 4 && side * side === height ? [side, side] : undefined;
}

function contactSheet(tensor: Tensor): Picture {
  const [height, width] = imageSize(tensor) ?? [1, 1];
  const count = Math.min(tensor.shape[0] ?? 0, SHEET.columns * SHEET.rows);
  const columns = Math.min(SHEET.columns, count);
  const [stepX, stepY] = [width * SHEET.scale + GAP, height * SHEET.scale + GAP];
  const sheet = blank(columns * stepX + GAP, Math.ceil(count / columns) * stepY + GAP, BETWEEN);
  for (let image = 0; image < count; image++) {
    const [left, top] = [
      GAP + (image % columns) * stepX,
      GAP + Math.floor(image / columns) * stepY,
    ];
    for (let pixel = 0; pixel < width * height; pixel++) {
      const gray = elementAt(tensor.data, image * width * height + pixel);
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      fill(sheet, left + x * SHEET.scale, top + y * SHEET.scale, SHEET.scale, [gray, gray, gray]);
    }
  }
  return sheet;
}

/** Pictures below one another. */
function stacked(pictures: readonly Picture[]): Picture {
  const [first] = pictures;
  if (first !== undefined && pictures.length === 1) return first;
  const width = Math.max(...pictures.map((picture) => picture.width));
  const height = pictures.reduce((sum, picture) => sum + picture.height + GAP, -GAP);
  const sheet = blank(width, height, BETWEEN);
  let top = 0;
  for (const picture of pictures) {
    for (let y = 0; y < picture.height; y++) {
      const row = picture.rgb.subarray(3 * y * picture.width, 3 * (y + 1) * picture.width);
      sheet.rgb.set(row, 3 * (top + y) * width);
    }
    top += picture.height + GAP;
  }
  return sheet;
}

function blank(width: number, height: number, color: Color = PAPER): Picture {
  const rgb = new Uint8Array(3 * width * height);
  for (let at = 0; at < rgb.length; at += 3) rgb.set(color, at);
  return { width, height, rgb };
}

function fill(
  { width, rgb }: Picture,
  left: number,
  top: number,
  side: number,
  color: Color,
): void {
  for (let y = top; y < top + side; y++) {
    for (let x = left; x < left + side; x++) rgb.set(color, 3 * (y * width + x));
  }
}

/** The colour at a place from 0 to 1 between some that are evenly spaced. */
function blend(colors: readonly Color[], place: number): Color {
  const at = Math.min(1, Math.max(0, place)) * (colors.length - 1);
  const low = Math.min(colors.length - 2, Math.floor(at));
  const [below, above] = [elementAt(colors, low), elementAt(colors, low + 1)];
  const mix = (channel: 0 | 1 | 2): number =>
    Math.round(below[channel] + (at - low) * (above[channel] - below[channel]));
  return [mix(0), mix(1), mix(2)];
}

function encode({ width, height, rgb }: Picture): Uint8Array {
  const png = new PNG({ width, height });
  for (let pixel = 0; pixel < width * height; pixel++) {
    png.data.set(rgb.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
    png.data[4 * pixel + 3] = 255;
  }
  return PNG.sync.write(png, { colorType: 2 });
}
