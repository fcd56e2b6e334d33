// file-set.ts — several text files in one blob: a folder, as a stage gives it
import { parseExactJson } from './exact-json.ts';

/** Contents by path, such as `tables/claims.csv`. */
export interface FileSet {
  readonly [path: string]: string;
}

/** Text files by path, such as `tables/claims.csv`: a folder in one blob. As an artifact they become files. */
export function fileSet() {
  return {
    kind: 'files' as const,
    encode: (value: FileSet): Uint8Array =>
      new TextEncoder().encode(JSON.stringify(inOrder(checkedFiles(value)))),
    decode: (bytes: Uint8Array): FileSet => checkedFiles(parseExactJson(bytes)),
  };
}

/** Paths that mean one file on every system, below the folder that they are put in, and text. */
function checkedFiles(value: unknown): FileSet {
  const seen = new Set<string>();
  for (const [path, text] of Object.entries(value as { [path: string]: unknown })) {
    const plain = /^(?!.*\.\.)[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)*$/.test(path);
    if (!plain || path.endsWith('.') || path.length > 200) {
      throw new RangeError(`\`${path}\` is no path of a file: letters, digits, . _ - and /`);
    }
    if (typeof text === 'string' && /\p{Surrogate}/u.test(text)) {
      throw new RangeError(`\`${path}\` holds half of a surrogate pair, which no UTF-8 can hold`);
    }
    if (typeof text !== 'string') throw new RangeError(`\`${path}\` holds no text`);
    if (seen.has(path.toLowerCase())) throw new RangeError(`two files are called \`${path}\``);
    seen.add(path.toLowerCase());
  }
  return value as FileSet;
}

/** By code unit of the paths, so that equal sets are equal bytes. */
const inOrder = (files: FileSet): FileSet =>
  Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
