// source-text.ts — the bytes of a file that a person wrote → text, or what is wrong with its encoding
import { decodeUtf8, EncodingError, withoutBom } from '../utf8.ts';
import { failure, type Place, type Result, success } from './event.ts';

/** A longer line is no line of text, and is not shown. */
const LINE_CHARACTERS_MAX = 500;

/** Decodes a text file; a byte order mark is passed over. @param file what diagnostics call it */
export function decodeSource(bytes: Uint8Array, file: string): Result<string> {
  try {
    return success(withoutBom(decodeUtf8(bytes)));
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    const place = placeOf(bytes, error.offset, file);
    const [what, hint] = error.message.split('; ');
    return failure({ message: place ? what : `${file}: ${what}`, place, hint });
  }
}

/** Undefined where the line cannot be shown: in a binary file. */
function placeOf(bytes: Uint8Array, offset: number, file: string): Place | undefined {
  const begin = bytes.lastIndexOf(10, offset - 1) + 1;
  const next = bytes.indexOf(10, begin);
  const end = next < 0 ? bytes.length : next;
  const line = bytes.subarray(begin, end);
  if (
    line.length > LINE_CHARACTERS_MAX ||
    line.some((byte) => byte < 32 && byte !== 9 && byte !== 13)
  ) {
    return undefined;
  }
  const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
  const start = lenient.decode(bytes.subarray(0, offset)).length;
  return { file, text: lenient.decode(bytes), start, end: start + 1 };
}
