// idx.ts — the file format of MNIST and its kin: a small header, then bytes
import { gunzipSync } from 'node:zlib';

/** What one IDX file of unsigned bytes holds. */
export interface IdxArray {
  /** One size per dimension: [N] for labels, [N, height, width] for images. */
  readonly shape: readonly number[];
  /** Row-major; its length is the product of `shape`. */
  readonly data: Uint8Array;
}

/** What a caller asks of a file, so that the wrong file is told apart from a broken one. */
export interface IdxExpectation {
  /** 1 for labels, 3 for images. */
  readonly dimensions: 1 | 3;
  /** Bound on the decompressed file in bytes, header and all: 1 GiB when absent. */
  readonly maxBytes?: number;
}

/**
 * Enough for every file of the MNIST family (EMNIST ByClass is 547 MB), and far from a gzip bomb.
 */
const DEFAULT_MAX_BYTES = 1024 * 1024 * 1024;
/** Bytes decompressed at a time: sixteen times zlib's default, for a third less time. */
const GUNZIP_CHUNK = 256 * 1024;

/** An IDX magic is 0, 0, the element type (8 is unsigned byte), the number of dimensions. */
const MAGIC_OF_BYTES = 0x800;
const MAGIC_OF_LABELS = MAGIC_OF_BYTES + 1;
const MAGIC_OF_IMAGES = MAGIC_OF_BYTES + 3;

/**
 * Reads an IDX file of unsigned bytes, gzipped or not. The array shares the memory of the
 * decompressed file. The bytes may come from anywhere: nothing is allocated on the word of the
 * header.
 * Source: the IDX section of http://yann.lecun.com/exdb/mnist/
 * @param name what messages call the file.
 * @throws RangeError when the file is corrupt, of another kind, cut short, too long or too large.
 */
export function readIdx(bytes: Uint8Array, name: string, expected: IdxExpectation): IdxArray {
  const maxBytes = expected.maxBytes ?? DEFAULT_MAX_BYTES;
  const content = isGzip(bytes) ? gunzip(bytes, name, maxBytes) : bytes;
  if (content.length > maxBytes) {
    throw new RangeError(`${name}: ${content.length} bytes, more than the ${maxBytes} allowed`);
  }
  const { dimensions } = expected;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  checkMagic(content, view, name, dimensions);
  const start = 4 + 4 * dimensions;
  if (content.length < start) {
    throw new RangeError(
      `${name}: truncated: the header takes ${start} bytes, the file has ${content.length}`,
    );
  }
  const shape = Array.from({ length: dimensions }, (_, d) => view.getUint32(4 + 4 * d));
  const data = content.subarray(start);
  checkExtent(shape, data.length, name);
  return { shape, data };
}

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** Decompresses at most `maxBytes`, so that a small file cannot fill the memory. */
function gunzip(bytes: Uint8Array, name: string, maxBytes: number): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes, chunkSize: GUNZIP_CHUNK });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new RangeError(
      code === 'ERR_BUFFER_TOO_LARGE'
        ? `${name}: decompresses to more than the ${maxBytes} bytes allowed`
        : `${name}: corrupt gzip (${why}): the download may have been cut short`,
      { cause: error },
    );
  }
}

function checkMagic(content: Uint8Array, view: DataView, name: string, dimensions: 1 | 3): void {
  if (content.length < 4) {
    throw new RangeError(
      `${name}: truncated: IDX begins with 4 bytes of magic, the file has ${content.length}`,
    );
  }
  const wanted = MAGIC_OF_BYTES + dimensions;
  const found = view.getUint32(0);
  if (found === wanted) return;
  const guess = kindOf(content, found);
  throw new RangeError(
    `${name}: expected IDX magic ${magicText(wanted)}, found ${magicText(found)}` +
      (guess === undefined ? '' : `: this looks like ${guess}`),
  );
}

const magicText = (magic: number): string => `${magic} (0x${magic.toString(16).padStart(8, '0')})`;

/** What a file with this beginning usually is, in words; undefined when it is anyone's guess. */
function kindOf(content: Uint8Array, magic: number): string | undefined {
  if (magic === MAGIC_OF_LABELS) return 'a label file';
  if (magic === MAGIC_OF_IMAGES) return 'an image file';
  if (magic >>> 16 === 0) return 'IDX of other elements or dimensions';
  if ((magic & 0xffff) === 0) return 'a little-endian file, where IDX is big-endian';
  if (isGzip(content)) return 'a file that was gzipped twice';
  const text = String.fromCharCode(...content.subarray(0, 64)).trimStart();
  if (text.startsWith('<')) return 'an HTML or XML page, such as a server sends in place of a file';
  if (text.startsWith('version https://git-lfs')) return 'a Git LFS pointer, not the file itself';
  if (text.startsWith('PK')) return 'a zip archive, to be unpacked first';
  return undefined;
}

/** Checks that the shape asks for exactly `length` bytes. */
function checkExtent(shape: readonly number[], length: number, name: string): void {
  // A product of 32-bit sizes may round beyond 2^53, but then it is no length of a file either way.
  const wanted = shape.reduce((product, size) => product * size, 1);
  if (wanted === length) return;
  const declared = `its header declares ${shape.join(' x ')} = ${wanted} bytes`;
  throw new RangeError(
    length < wanted
      ? `${name}: truncated: ${declared}, ${length} follow`
      : `${name}: ${length - wanted} trailing bytes: ${declared}, ${length} follow`,
  );
}
