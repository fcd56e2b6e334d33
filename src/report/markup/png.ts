// png.ts — small images of few colours: the same bytes everywhere, since nothing native packs them
import { zlibSync } from 'fflate';

/** An image whose pixels are numbers of colours. */
export interface IndexedImage {
  readonly width: number;
  readonly height: number;
  /** [height][width] numbers of colours. */
  readonly pixels: Uint8Array;
  /** Up to 256 colours: red, green, blue and opacity from 0 to 255. */
  readonly colors: readonly (readonly [number, number, number, number])[];
}

/** A PNG of indexed colours, as a data URI. */
export function pngUri(image: IndexedImage): string {
  const bytes = png(image);
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return `data:image/png;base64,${btoa(text)}`;
}

function png({ width, height, pixels, colors }: IndexedImage): Uint8Array {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  // Eight bits, indexed colours.
  header.set([8, 3], 8);
  const lines = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) {
    lines.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const chunks = [
    new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk('IHDR', header),
    // The opacities are a chunk of their own.
    chunk('PLTE', Uint8Array.from(colors.flatMap((color) => color.slice(0, 3)))),
    chunk('tRNS', Uint8Array.from(colors.map(([, , , opacity]) => opacity))),
    chunk('IDAT', zlibSync(lines, { level: 9 })),
    chunk('IEND', new Uint8Array(0)),
  ];
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of chunks) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function chunk(name: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** CRC-32, as PNG wants it. */
function crc(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}
