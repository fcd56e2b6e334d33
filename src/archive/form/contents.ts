// contents.ts — what an archive holds, once its forms could be read
import { decodeFolder, FOLDER, type FolderFile } from '../../engine/model/folder-manifest.ts';
import { canonicalJson, type Digest, digestOf } from '../../engine/model/key.ts';
import { PAYLOAD } from './bag.ts';
import type { Say } from './finding.ts';
import { contentOf, formOf, isBomb, LIMITS, type Opened } from './opened.ts';
import {
  type ArchivedTrace,
  FORM_BYTES_MAX,
  type LeftOut,
  PLACES,
  readLeftOut,
  readSources,
  readStudy,
  readTraces,
  type Source,
  type Study,
  studyDigest,
} from './study.ts';

/** An archive whose forms could be read. */
export interface Contents {
  readonly opened: Opened;
  readonly study: Study;
  readonly digest: Digest;
  readonly traces: ReadonlyMap<string, ArchivedTrace>;
  readonly sources: readonly Source[];
  readonly leftOut: ReadonlyMap<string, LeftOut>;
  /** Digest of its verify.mjs; undefined when it has none. */
  readonly checker: Digest | undefined;
  /** The bytes of a blob, verified; undefined when it is not in the archive, or too large to be held in memory. */
  blob(digest: string): Promise<Uint8Array | undefined>;
  /** The same for a blob that is a text; undefined also when it unpacks to far more than such texts do. */
  text(digest: string): Promise<Uint8Array | undefined>;
  /** The files of outputs that are folders, by the digests of their lists: those whose lists are in the archive, and are lists. */
  readonly folders: ReadonlyMap<string, readonly FolderFile[]>;
}

/** A blob has no more bytes than this: it is held in memory whole. */
const BLOB_BYTES_MAX = 2 ** 31 - 1;
/** A list, or the claims, may have so many. */
export const LIST_BYTES_MAX = 64 * 2 ** 20;

/** Reads the forms of an archive. @param digests what its files really have @throws Unreadable */
export async function readContents(
  opened: Opened,
  digests: ReadonlyMap<string, Digest>,
  sayAt: Say,
): Promise<Contents> {
  const say: Say = (place, message) => sayAt(`${PAYLOAD}${place}`, message);
  const bytes = (place: string, most: number): Promise<Uint8Array> =>
    formOf(opened, `${PAYLOAD}${place}`, most, sayAt);
  const placeOf = (digest: string): string => `${PAYLOAD}${PLACES.blobs}${digest}`;
  const blob = async (digest: string): Promise<Uint8Array | undefined> => {
    const file = opened.files.get(placeOf(digest));
    if (file === undefined || file.bytes > BLOB_BYTES_MAX) return undefined;
    const content = await contentOf(opened, placeOf(digest), BLOB_BYTES_MAX, sayAt);
    return digestOf(content) === digest ? content : undefined;
  };
  const study = readStudy(await bytes(PLACES.study, FORM_BYTES_MAX.study), say);
  const leftOut = readLeftOut(await bytes(PLACES.leftOut, LIST_BYTES_MAX), say);
  const text = async (digest: string): Promise<Uint8Array | undefined> => {
    const file = opened.files.get(placeOf(digest));
    return file === undefined || isBomb(file) ? undefined : blob(digest);
  };
  return {
    opened,
    study,
    digest: studyDigest(study),
    traces: readTraces(await bytes(PLACES.traces, FORM_BYTES_MAX.traces), say),
    sources: readSources(await bytes(PLACES.sources, LIST_BYTES_MAX), say),
    leftOut: new Map(leftOut.map((one) => [one.digest, one])),
    checker: digests.get(PAYLOAD + PLACES.checker),
    blob,
    text,
    folders: await foldersIn(study, text, say),
  };
}

/** All lists of folders together may name so many files: each is a file of the archive. */
const FOLDER_FILES_MAX = LIMITS.files;

async function foldersIn(
  { tasks }: Study,
  text: Contents['text'],
  say: Say,
): Promise<Contents['folders']> {
  const folders = new Map<string, readonly FolderFile[]>();
  let count = 0;
  for (const { task, outputs } of tasks) {
    for (const [output, { digest, kind }] of Object.entries(outputs)) {
      if (kind !== FOLDER || folders.has(digest)) continue;
      const content = await text(digest);
      if (content === undefined) continue;
      try {
        const files = decodeFolder(content);
        count += files.length;
        if (count > FOLDER_FILES_MAX) throw new RangeError('there are too many files in folders');
        folders.set(digest, files);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        say(`${PLACES.blobs}${digest}`, `is not the folder ${task}:${output}: ${error.message}`);
      }
    }
  }
  return folders;
}

/** The code of commands: they have no bundle. */
const COMMAND_CODES: ReadonlySet<string> = new Set(
  ['command/1', 'command/2'].map((form) => digestOf(canonicalJson([form]))),
);
export const isCommandCode = (code: string): boolean => COMMAND_CODES.has(code);
