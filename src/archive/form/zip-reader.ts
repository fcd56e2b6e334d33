// zip-reader.ts — a zip file from strangers: everything that its directory says is checked before a byte is unpacked
import { stat } from 'node:fs/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { printable, type Say, Unreadable } from './finding.ts';
import { type Limits, nameFault, type Opened, type OpenedFile } from './opened.ts';

const FILE_TYPE = 0o170000;
const PLAIN_FILE = 0o100000;
const FOLDER = 0o040000;
/** Deflate cannot do better than 1032:1; what we write is far from it. */
const RATIO_MAX = 1100;
/** Names, comments and extra fields of all entries together: we write some hundred bytes an entry. */
const DIRECTORY_BYTES_MAX = 128 * 2 ** 20;
/** A directory with so many entries that are refused is not read any further. */
const FAULTS_MAX = 200;

/** An entry with its name, which yauzl leaves to us: it would mend what is to be refused. */
interface NamedEntry {
  readonly entry: Entry;
  readonly name: string;
}

/** A local header without its name and extra field. */
const HEADER_BYTES = 30;

/**
 * Opens a zip file whose entries all lie in one folder; names are told without it.
 * @throws Unreadable after saying what is wrong with its structure
 */
export async function openZip(path: string, limits: Limits, say: Say): Promise<Opened> {
  const { size } = await stat(path);
  let zip: ZipFile;
  try {
    zip = await openPromise(path, { autoClose: false, decodeStrings: false });
  } catch (error) {
    say(path, `is not a zip file, or is incomplete (${wordsOf(error)})`);
    throw new Unreadable(path);
  }
  try {
    const entries = await readDirectory(zip, path, limits, say);
    return openedOf(zip, entries, size, path, say);
  } catch (error) {
    zip.close();
    throw error;
  }
}

const wordsOf = (error: unknown): string =>
  printable(error instanceof Error ? error.message : String(error));

/** Every entry of the directory; all that is wrong with them is said. */
async function readDirectory(
  zip: ZipFile,
  path: string,
  limits: Limits,
  say: Say,
): Promise<readonly NamedEntry[]> {
  const refuse = (place: string, message: string): never => {
    say(place, message);
    throw new Unreadable(place);
  };
  if (zip.entryCount > limits.files) {
    refuse(path, `has ${zip.entryCount} entries, and may have ${limits.files}`);
  }
  const entries: NamedEntry[] = [];
  let total = 0;
  let [faults, named] = [0, 0];
  try {
    for await (const entry of zip.eachEntry()) {
      const name = nameIn(entry);
      const fault = entryFault(entry, name, limits);
      if (fault !== undefined) {
        faults += 1;
        say(name, fault);
      }
      total += entry.uncompressedSize;
      named += entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
      if (total > limits.bytes || named > DIRECTORY_BYTES_MAX || faults > FAULTS_MAX) break;
      entries.push({ entry, name });
    }
  } catch (error) {
    refuse(path, `its directory cannot be read (${wordsOf(error)})`);
  }
  if (total > limits.bytes) refuse(path, `unpacks to more than ${limits.bytes} bytes`);
  if (named > DIRECTORY_BYTES_MAX) refuse(path, 'its directory is too long');
  if (faults > 0) throw new Unreadable(path);
  return entries;
}

/** Names are UTF-8. Of what is none, so much becomes U+FFFD that no manifest lists it. */
const nameIn = ({ fileNameRaw }: Entry): string => Buffer.from(fileNameRaw).toString('utf8');

/** What is wrong with an entry by itself. */
function entryFault(entry: Entry, fileName: string, limits: Limits): string | undefined {
  const { compressedSize, uncompressedSize, compressionMethod } = entry;
  const isFolder = fileName.endsWith('/');
  const unfit = nameFault(isFolder ? fileName.slice(0, -1) : fileName);
  if (unfit !== undefined) return `is refused: ${unfit}`;
  const type = (entry.externalFileAttributes >>> 16) & FILE_TYPE;
  // Systems other than Unix leave these bits empty; programs that unpack may go by them all the same.
  if (type !== 0 && type !== (isFolder ? FOLDER : PLAIN_FILE)) {
    return 'is refused: a link or a special file';
  }
  if (entry.isEncrypted()) return 'is refused: it is encrypted';
  if (compressionMethod !== 0 && compressionMethod !== 8) {
    return `is refused: packed by method ${compressionMethod}`;
  }
  if (isFolder && uncompressedSize > 0) return 'is refused: a folder with content';
  if (uncompressedSize > limits.fileBytes) {
    return `unpacks to ${uncompressedSize} bytes, and may have ${limits.fileBytes}`;
  }
  if (uncompressedSize > compressedSize * RATIO_MAX + 1024) {
    return `is refused: ${compressedSize} bytes that would unpack to ${uncompressedSize}`;
  }
  return undefined;
}

/** Entries as files. No two may have one name or share bytes, and all lie in one folder. */
function openedOf(
  zip: ZipFile,
  entries: readonly NamedEntry[],
  size: number,
  path: string,
  say: Say,
): Opened {
  const files = new Map<string, OpenedFile>();
  const seen = new Set<string>();
  const folders = new Set<string>();
  const bases = new Set(entries.map(({ name }) => name.split('/')[0]));
  let faults = 0;
  const fault = (place: string, message: string): void => {
    faults += 1;
    say(place, message);
  };
  if (bases.size !== 1) fault(path, 'must hold one folder, with everything in it');
  for (const { entry, name: fileName } of entries) {
    // A system may take two names for one that differ in case or form only.
    const folded = fileName.normalize('NFC').toLowerCase().replace(/\/$/, '');
    if (seen.has(folded)) fault(fileName, 'stands there twice');
    seen.add(folded);
    if (fileName.endsWith('/')) {
      folders.add(folded);
      continue;
    }
    const slash = fileName.indexOf('/');
    if (slash < 0) fault(fileName, 'lies outside the folder of the archive');
    files.set(fileName.slice(slash + 1), {
      bytes: entry.uncompressedSize,
      packed: entry.compressedSize,
      stream: () => zip.openReadStreamPromise(entry),
    });
  }
  for (const name of seen) {
    const parts = name.split('/');
    const above = parts.map((_, index) => parts.slice(0, index + 1).join('/')).slice(0, -1);
    const file = above.find((one) => seen.has(one) && !folders.has(one));
    if (file !== undefined) fault(name, `lies in ${file}, which is a file`);
  }
  checkOverlap(entries, size, fault);
  if (faults > 0) throw new Unreadable(path);
  return { files, close: () => zip.close() };
}

/** Entries that share their bytes make a bomb of a small file. */
function checkOverlap(
  entries: readonly NamedEntry[],
  size: number,
  fault: (place: string, message: string) => void,
): void {
  const byOffset = [...entries].sort(
    (a, b) => a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader,
  );
  const first = byOffset[0];
  if (first && first.entry.relativeOffsetOfLocalHeader > 0) {
    fault(first.name, 'does not stand at the beginning: something else may hide there');
  }
  byOffset.forEach(({ entry, name }, index) => {
    const least = entry.relativeOffsetOfLocalHeader + HEADER_BYTES + entry.compressedSize;
    const next = byOffset[index + 1]?.entry.relativeOffsetOfLocalHeader ?? size;
    if (least + entry.fileNameRaw.length > next) {
      fault(name, 'shares bytes with another entry, or reaches past the end');
    }
  });
}
