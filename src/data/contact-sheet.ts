// contact-sheet.ts — many small images on one sheet, for people to look at

/** Images of one size: `data` is [N][height][width], 0..255. */
export interface Images {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** How the sheet is laid out. */
export interface SheetLayout {
  readonly columns: number;
  readonly rows: number;
  /** Sheet pixels per image pixel along each axis, a whole number. */
  readonly scale: number;
}

/** A gray image: `pixels` is [height][width], 0 is black. */
export interface GrayImage {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** Sheet pixels between images, and their gray. */
const GAP = 2;
const GAP_GRAY = 96;

/**
 * Lays the first columns * rows images out in reading order, enlarged without smoothing. Places
 * without an image stay gray.
 * @throws RangeError when a size is not a whole number from 1 up.
 */
export function contactSheet(images: Images, { columns, rows, scale }: SheetLayout): GrayImage {
  const sizes = { columns, rows, scale, height: images.height, width: images.width };
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new RangeError(`a contact sheet's ${name} is a whole number from 1 up, not ${size}`);
    }
  }
  const stepX = images.width * scale + GAP;
  const stepY = images.height * scale + GAP;
  const width = columns * stepX + GAP;
  const height = rows * stepY + GAP;
  const pixels = new Uint8Array(width * height).fill(GAP_GRAY);
  const count = Math.floor(images.data.length / (images.width * images.height));
  for (let image = 0; image < Math.min(count, columns * rows); image++) {
    const left = GAP + (image % columns) * stepX;
    const top = GAP + Math.floor(image / columns) * stepY;
    enlarge(images, image, scale, pixels, top * width + left, width);
  }
  return { width, height, pixels };
}

/** Copies one image into the sheet at offset `start`; `stride` is the sheet's width. */
function enlarge(
  { data, height, width }: Images,
  image: number,
  scale: number,
  pixels: Uint8Array,
  start: number,
  stride: number,
): void {
  const first = image * height * width;
  for (let y = 0; y < height * scale; y++) {
    const row = first + Math.floor(y / scale) * width;
    for (let x = 0; x < width * scale; x++) {
      pixels[start + y * stride + x] = data[row + Math.floor(x / scale)]!;
    }
  }
}
