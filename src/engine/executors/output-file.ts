// output-file.ts — a file that a command wrote → an output in the form in which outputs of its kind are kept
import { readFile } from 'node:fs/promises';
import type { KeptOutput } from '../model/record.ts';
import { codecOf } from '../planning/command-module.ts';
import { type CodecKind, StageError } from '../stage.ts';
import { LARGE_BLOB_BYTES } from '../store/blob-files.ts';
import { chunksOf } from '../store/blob-io.ts';
import { type BlobStore, keptOutput } from '../store/store.ts';

/** What is decoded is held in memory, and a JSON text some times over: a file may have no more bytes. */
const DECODED_BYTES_MAX: { readonly [kind in CodecKind]: number } = {
  bytes: Number.POSITIVE_INFINITY,
  text: Number.POSITIVE_INFINITY,
  tensors: 2 ** 30,
  json: 2 ** 28,
  files: 2 ** 28,
  folder: 0,
};

/** A file that was declared as an output. */
export interface OutputFile {
  readonly path: string;
  readonly kind: CodecKind;
  readonly size: number;
}

/**
 * Takes a file as an output: equal values give equal bytes. Bytes and text are taken as they are, and may be as large as
 * the disk.
 * @throws StageError when it does not hold its kind
 */
export async function takeOutput(
  { path, kind, size }: OutputFile,
  blobs: Pick<BlobStore, 'takeFile' | 'putStream'>,
): Promise<KeptOutput> {
  if (kind === 'bytes') return blobs.takeFile(path, { mayMove: true });
  if (kind === 'text' && size >= LARGE_BLOB_BYTES) {
    await checkText(path);
    return blobs.takeFile(path, { mayMove: true });
  }
  const most = DECODED_BYTES_MAX[kind];
  if (size > most) {
    const limit = most >= 2 ** 30 ? `${most / 2 ** 30} GiB` : `${most / 2 ** 20} MiB`;
    throw new StageError(
      `it is larger than ${limit}, which only outputs of kind bytes and text may be: declare it as \`bytes\``,
    );
  }
  const codec = codecOf(kind);
  return keptOutput(codec.encode(codec.decode(await readFile(path))));
}

/** What the codec of text looks at to tell other encodings. */
const SAMPLE_BYTES = 512;

/** Reads a file of text piece by piece. @throws StageError when it is not UTF-8 */
async function checkText(path: string): Promise<void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let offset = 0;
  for await (const chunk of chunksOf(path)) {
    if (offset === 0) codecOf('text').decode(beginningOf(chunk));
    decodeNext(decoder, chunk, offset);
    offset += chunk.length;
  }
  decodeNext(decoder, undefined, offset);
}

/** So much of a chunk as ends with a whole character. */
function beginningOf(chunk: Uint8Array): Uint8Array {
  let end = Math.min(SAMPLE_BYTES, chunk.length);
  while (end > 0 && (chunk[end - 1] ?? 0) >= 0x80) end -= 1;
  return chunk.subarray(0, end);
}

function decodeNext(decoder: TextDecoder, chunk: Uint8Array | undefined, offset: number): void {
  try {
    decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    const place = `between bytes ${offset} and ${offset + (chunk?.length ?? 0)}`;
    throw new StageError(`the text is not UTF-8, ${place}: convert it, or declare it as \`bytes\``);
  }
}
