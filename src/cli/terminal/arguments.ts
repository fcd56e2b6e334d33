// arguments.ts — words of the command line that are not UTF-8: Node has decoded them before we are asked

import { readFileSync } from 'node:fs';
import { elementAt } from '../../present.ts';
import { invalidAt } from '../../utf8.ts';

/** What Node puts in the place of a byte that is not UTF-8. A person may have written it, too. */
const REPLACEMENT = '\ufffd';

/** Whether some word may have been changed when it was decoded. */
export const mayBeAltered = (words: readonly string[]): boolean =>
  words.some((word) => word.includes(REPLACEMENT));

/** What is wrong with the words of the command line; undefined when they are what was written. */
export function argumentFault(words: readonly string[]): string | undefined {
  if (!mayBeAltered(words)) return undefined;
  const raw = rawArguments(words.length);
  for (const [index, word] of words.entries()) {
    if (!word.includes(REPLACEMENT)) continue;
    const bytes = raw?.[index];
    // Without the bytes nobody can tell: a rare character is refused rather than a wrong one taken.
    if (bytes === undefined)
      return `the argument \`${word}\` holds U+FFFD, the sign for bytes that are not UTF-8`;
    const offset = invalidAt(bytes);
    if (offset === undefined) continue;
    const byte = elementAt(bytes, offset).toString(16).padStart(2, '0');
    return `the argument \`${word}\` is not UTF-8: 0x${byte} at byte offset ${offset}`;
  }
  return undefined;
}

/** The last words of the command line as bytes, where the system tells them. */
function rawArguments(count: number): readonly Buffer[] | undefined {
  try {
    return nulSeparated(readFileSync('/proc/self/cmdline')).slice(-count);
  } catch {
    return undefined;
  }
}

function nulSeparated(bytes: Buffer): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    parts.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    at = end < 0 ? bytes.length : end + 1;
  }
  return parts;
}
