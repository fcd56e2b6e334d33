// utf8.ts — UTF-8, decoded strictly: a wrong byte is an error with its place, never U+FFFD

/** Bytes that are not UTF-8. The message says where, and what they may be instead. */
export class EncodingError extends RangeError {
  override readonly name = 'EncodingError';
  /** Offset of the first byte that is wrong, from 0. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Keeps a byte order mark: it is part of the text. */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Decodes UTF-8. A byte order mark stays in the text, as U+FEFF.
 * @throws EncodingError with the byte offset, line and column of the first byte that is not UTF-8, or that names UTF-16
 */
export function decodeUtf8(bytes: Uint8Array): string {
  const other = otherEncoding(bytes);
  if (other !== undefined) throw new EncodingError(`the text is ${other}, not UTF-8`, 0);
  try {
    return strict.decode(bytes);
  } catch (error) {
    const offset = invalidAt(bytes);
    // A text that is too long for a string, for one.
    if (offset === undefined) throw error;
    throw new EncodingError(wordsFor(bytes, offset), offset);
  }
}

/** A text without the byte order mark that it may begin with. */
export const withoutBom = (text: string): string =>
  text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;

/** Offset of the first byte that is not UTF-8; undefined when all are. */
export function invalidAt(bytes: Uint8Array): number | undefined {
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceAt(bytes, at);
    if (length === 0) return at;
    at += length;
  }
  return undefined;
}

/** Length of the UTF-8 sequence that begins at an offset; 0 when there is none. Source: RFC 3629, section 4. */
function sequenceAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return 0;
  // The second byte excludes overlong forms, surrogates and what is beyond U+10FFFF.
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (bytes[at + 1]! < least || bytes[at + 1]! > most) return 0;
  for (let next = 2; next < length; next++) if ((bytes[at + next]! & 0xc0) !== 0x80) return 0;
  return length;
}

function wordsFor(bytes: Uint8Array, offset: number): string {
  const begin = bytes.lastIndexOf(10, offset - 1) + 1;
  let line = 1;
  for (let at = 0; at < begin; at++) if (bytes[at] === 10) line += 1;
  const column = lenient.decode(bytes.subarray(begin, offset)).length + 1;
  const byte = bytes[offset]!.toString(16).padStart(2, '0');
  const place = `byte offset ${offset} (line ${line}, column ${column})`;
  return `the text is not UTF-8: 0x${byte} at ${place}; convert it, for example with iconv -f LATIN1 -t UTF-8`;
}

/** So many bytes tell UTF-16 without a byte order mark. */
const SAMPLE_BYTES = 512;

/** UTF-16 or UTF-32, by its byte order mark or by where its zeros stand; undefined for anything else. */
export function otherEncoding(bytes: Uint8Array): string | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0xff && b === 0xfe) {
    return bytes.length >= 4 && c === 0 && d === 0
      ? 'UTF-32 (little-endian)'
      : 'UTF-16 (little-endian)';
  }
  if (a === 0xfe && b === 0xff) return 'UTF-16 (big-endian)';
  if (bytes.length >= 4 && a === 0 && b === 0 && c === 0xfe && d === 0xff) {
    return 'UTF-32 (big-endian)';
  }
  if (bytes.length < 4 || bytes.length % 2 !== 0) return undefined;
  const end = Math.min(bytes.length, SAMPLE_BYTES);
  let [even, odd] = [0, 0];
  for (let at = 0; at < end; at += 2) {
    if (bytes[at] === 0) even += 1;
    if (bytes[at + 1] === 0) odd += 1;
  }
  // Western texts have a zero in nearly every pair, always on one side.
  const many = 0.7 * (end / 2);
  if (odd >= many && even === 0) return 'UTF-16 (little-endian, without a byte order mark)';
  if (even >= many && odd === 0) return 'UTF-16 (big-endian, without a byte order mark)';
  return undefined;
}
