// source-text.ts — the bytes of a file that a person wrote → text, or what is wrong with its encoding
import { elementAt } from '../../present.ts';
import { decodeUtf8, EncodingError, invalidAt, withoutBom } from '../../utf8.ts';
import { failure, type Place, type Result, success } from '../model/event.ts';

/** A longer line is no line of text, and is not shown. */
const LINE_CHARACTERS_MAX = 500;

/** Decodes a text file; a byte order mark is passed over. @param file what diagnostics call it */
export function decodeSource(bytes: Uint8Array, file: string): Result<string> {
  try {
    return success(withoutBom(decodeUtf8(bytes)));
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    const place = placeOf(bytes, error.offset, file);
    const [what = '', hint] = error.message.split('; ');
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
  const text = escapedText(bytes);
  const start = escapedText(bytes.subarray(0, offset)).length;
  return { file, text, start, end: start + ESCAPED_LENGTH };
}

/** As long as a byte is that stands as \xff. */
const ESCAPED_LENGTH = 4;

/** A text with the bytes that are not UTF-8 as \xff: it is shown, and never taken for the text itself. */
function escapedText(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const parts: string[] = [];
  for (let rest = bytes; ; ) {
    const wrong = invalidAt(rest);
    if (wrong === undefined) return [...parts, decoder.decode(rest)].join('');
    const byte = elementAt(rest, wrong).toString(16).padStart(2, '0');
    parts.push(decoder.decode(rest.subarray(0, wrong)), `\\x${byte}`);
    rest = rest.subarray(wrong + 1);
  }
}
