// difference.ts — how two outputs of one name differ: which tensor, which number, how far
import { decodeFolder, FOLDER, type FolderFile } from '../../engine/model/folder-manifest.ts';
import type { Json } from '../../engine/model/key.ts';
import { plainName } from '../../plain-text.ts';
import {
  decodeSafetensors,
  elementType,
  exactValues,
  type Tensor,
  tensorBytes,
} from '../../tensor.ts';
import { parseJson } from '../form/bounded-json.ts';

/** A difference in words, and how large it is. */
export interface Difference {
  /** Such as `layers.0.values: 12 of 400 differ, by 0.003 at most (relatively 0.02)`. */
  readonly words: string;
  /** The largest relative difference; Infinity where what differs is no number. */
  readonly relative: number;
}

/** How two contents differ; undefined when they are the same bytes. */
export function differenceOf(
  kind: string,
  before: Uint8Array,
  after: Uint8Array,
): Difference | undefined {
  if (Buffer.compare(before, after) === 0) return undefined;
  try {
    const found =
      kind === 'tensors'
        ? tensorsDiffer(before, after)
        : kind === 'json' || kind === 'files'
          ? jsonDiffers(parseJson(before), parseJson(after))
          : kind === FOLDER
            ? foldersDiffer(decodeFolder(before), decodeFolder(after))
            : undefined;
    if (found !== undefined) return found;
  } catch {
    // What cannot be read is told by its bytes.
  }
  return bytesDiffer(before, after);
}

/** Which files of a folder differ. */
function foldersDiffer(
  before: readonly FolderFile[],
  after: readonly FolderFile[],
): Difference | undefined {
  const [was, is] = [before, after].map(
    (files) => new Map(files.map((file) => [file.path, file] as const)),
  );
  const words: string[] = [];
  for (const path of new Set([...(was?.keys() ?? []), ...(is?.keys() ?? [])])) {
    const [a, b] = [was?.get(path), is?.get(path)];
    if (a && b && a.digest === b.digest && a.isExecutable === b.isExecutable) continue;
    const how = !a
      ? 'is new'
      : !b
        ? 'is gone'
        : a.digest === b.digest
          ? 'has other rights'
          : 'differs';
    words.push(`${plainName(path)} ${how}`);
  }
  if (words.length === 0) return undefined;
  const more = words.length > 4 ? ` and ${words.length - 4} more` : '';
  return { words: `${words.slice(0, 4).join('; ')}${more}`, relative: Infinity };
}

/** How far apart two numbers are, by the larger one. */
const relativeOf = (a: number, b: number): number => {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  const most = Math.max(Math.abs(a), Math.abs(b));
  return Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) / most : Infinity;
};

const short = (value: number): string => Number(value.toPrecision(3)).toString();

function bytesDiffer(before: Uint8Array, after: Uint8Array): Difference {
  const most = Math.min(before.length, after.length);
  let at = 0;
  while (at < most && before[at] === after[at]) at += 1;
  const sizes =
    before.length === after.length
      ? `${before.length} bytes`
      : `${before.length} → ${after.length} bytes`;
  return { words: `${sizes}, which differ from byte ${at} on`, relative: Infinity };
}

function tensorsDiffer(before: Uint8Array, after: Uint8Array): Difference | undefined {
  const [a, b] = [decodeSafetensors(before), decodeSafetensors(after)];
  const words: string[] = [];
  let relative = 0;
  for (const name of new Set([...Object.keys(a.tensors), ...Object.keys(b.tensors)])) {
    const [was, is] = [a.tensors[name], b.tensors[name]];
    const found =
      !was || !is
        ? { words: was ? 'is gone' : 'is new', relative: Infinity }
        : tensorDiffers(was, is);
    if (found === undefined) continue;
    words.push(`${name} ${found.words}`);
    relative = Math.max(relative, found.relative);
  }
  return words.length > 0 ? { words: words.slice(0, 8).join('; '), relative } : undefined;
}

function tensorDiffers(was: Tensor, is: Tensor): Difference | undefined {
  if (was.shape.join() !== is.shape.join()) {
    return { words: `has shape [${was.shape}] → [${is.shape}]`, relative: Infinity };
  }
  const types = [elementType(was), elementType(is)];
  const [before, after] = [exactValues(was), exactValues(is)];
  if (types[0] !== types[1]) return { words: `is ${types.join(' → ')}`, relative: Infinity };
  if (before === undefined || after === undefined) {
    const isSame = Buffer.compare(tensorBytes(was), tensorBytes(is)) === 0;
    return isSame ? undefined : { words: `of ${types[0]} differs`, relative: Infinity };
  }
  const { length } = before;
  let [count, most, relative] = [0, 0, 0];
  for (let i = 0; i < length; i++) {
    const [x, y] = [Number(before[i]), Number(after[i])];
    const by = relativeOf(x, y);
    if (by === 0) continue;
    count += 1;
    most = Math.max(most, Math.abs(x - y));
    relative = Math.max(relative, by);
  }
  if (count === 0) return undefined;
  const far = `by ${short(most)} at most (relatively ${short(relative)})`;
  return { words: `differs in ${count} of ${length} numbers, ${far}`, relative };
}

/** Numbers apart in JSON, by path; the first of what is more than a number. */
function jsonDiffers(before: Json, after: Json): Difference | undefined {
  const words: string[] = [];
  let count = 0;
  let relative = 0;
  const visit = (a: Json | undefined, b: Json | undefined, path: string): void => {
    if (isBranch(a) && isBranch(b) && Array.isArray(a) === Array.isArray(b)) {
      const [x, y] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
      for (const name of new Set([...x.keys(), ...y.keys()])) {
        visit(x.get(name), y.get(name), path === '' ? name : `${path}.${name}`);
      }
      return;
    }
    if (JSON.stringify(a) === JSON.stringify(b)) return;
    count += 1;
    const by = typeof a === 'number' && typeof b === 'number' ? relativeOf(a, b) : Infinity;
    relative = Math.max(relative, by);
    if (words.length < 4) words.push(`${path}: ${brief(a)} → ${brief(b)}`);
  };
  visit(before, after, '');
  if (count === 0) return undefined;
  const more = count > words.length ? ` and ${count - words.length} more` : '';
  return { words: `${words.join('; ')}${more}`, relative };
}

const isBranch = (
  value: Json | undefined,
): value is Exclude<Json, string | number | boolean | null> =>
  typeof value === 'object' && value !== null;

function brief(value: Json | undefined): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
