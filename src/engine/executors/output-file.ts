// output-file.ts — a file that a command wrote → an output in the form in which outputs of its kind are kept
import { readFile } from 'node:fs/promises';
import type { KeptOutput } from '../model/record.ts';
import { codecOf } from '../planning/command-module.ts';
import { type CodecKind, StageError } from '../stage.ts';
import { type BlobStore, keptOutput } from '../store/store.ts';

/** Kinds other than bytes are decoded, and so held in memory: a file of one may have no more bytes. */
const DECODED_BYTES_MAX = 2 ** 30;

/** A file that was declared as an output. */
export interface OutputFile {
  readonly path: string;
  readonly kind: CodecKind;
  readonly size: number;
}

/**
 * Takes a file as an output: equal values give equal bytes. Bytes are taken as they are, and may be as large as the disk.
 * @throws StageError when it does not hold its kind
 */
export async function takeOutput(
  { path, kind, size }: OutputFile,
  blobs: Pick<BlobStore, 'takeFile'>,
): Promise<KeptOutput> {
  if (kind === 'bytes') return blobs.takeFile(path);
  if (size > DECODED_BYTES_MAX) {
    throw new StageError(
      `it is larger than 1 GiB, which only outputs of kind bytes may be: declare it as \`bytes\``,
    );
  }
  const codec = codecOf(kind);
  return keptOutput(codec.encode(codec.decode(await readFile(path))));
}
