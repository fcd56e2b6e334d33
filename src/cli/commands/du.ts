// du.ts — pipeline du: what takes up the store, by stage and kind
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { byCodeUnit, type Digest } from '../../engine/model/key.ts';
import { filesOfOutput } from '../../engine/store/folder-blobs.ts';
import { storedBytes, type Upkeep } from '../../engine/store/store.ts';
import { placesOf } from '../session/places.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, storeAt } from '../session/session.ts';
import { type CommandDeclaration, STORE } from '../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'du',
  group: 'Store',
  about: 'show what takes up space in the store, by stage and kind',
  options: STORE,
  examples: ['du', 'du --json'],
};
export { du as run };

/** Bytes and number of blobs of one kind that a stage made. */
interface Row {
  readonly stage: string;
  readonly kind: string;
  blobs: number;
  bytes: number;
}

/** Tells what takes up space. */
async function du(options: CommonOptions): Promise<number> {
  const { cache } = placesOf(options);
  const store = storeAt(cache, 'read');
  try {
    const { upkeep } = store;
    const rows = upkeep ? rowsOf(upkeep) : [];
    const bundles = folderBytes(join(cache, 'bundles'));
    const file = upkeep ? statSync(upkeep.file).size : 0;
    const free = upkeep ? Math.max(0, file - upkeep.bytes()) : 0;
    const large = upkeep ? storedBytes(upkeep) - upkeep.bytes() : 0;
    if (options.json) writeJson({ rows, bundles, file, free, large });
    else if (upkeep === undefined) writeStderr(`there is no store in ${cache}`);
    else tellRows(rows, { bundles, file, free, large });
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/** A blob that several stages made counts for the first of them. */
function rowsOf({ tables, files, checkpoints }: Upkeep): readonly Row[] {
  const rows = new Map<string, Row>();
  const add = (stage: string, kind: string, bytes: number): void => {
    const row = rows.get(`${stage}/${kind}`) ?? { stage, kind, blobs: 0, bytes: 0 };
    row.blobs += 1;
    row.bytes += bytes;
    rows.set(`${stage}/${kind}`, row);
  };
  const seen = new Set<string>();
  const count = (stage: string, kind: string, digest: Digest, bytes: number): void => {
    const isThere = tables.blobs.doesExist(digest) || files.sizeOf(digest) !== undefined;
    if (seen.has(digest) || !isThere) return;
    seen.add(digest);
    add(stage, kind, bytes);
  };
  for (const key of tables.traces.getKeys()) {
    const trace = tables.traces.get(key);
    const stage = trace?.task.split('[')[0] ?? '';
    for (const output of Object.values(trace?.outputs ?? {})) {
      count(stage, output.kind, output.digest, output.bytes);
      for (const file of filesOfOutput({ tables, files }, output)) {
        count(stage, output.kind, file.digest, file.bytes);
      }
    }
  }
  for (const digest of tables.blobs.getKeys()) {
    if (!seen.has(digest))
      add('(files from outside)', 'bytes', tables.blobs.get(digest)?.length ?? 0);
  }
  for (const { digest, bytes } of files.list()) {
    if (!seen.has(digest)) add('(files from outside)', 'bytes', bytes);
  }
  for (const key of tables.partials.getKeys()) {
    add('(checkpoints)', 'tensors', tables.partials.get(key)?.length ?? 0);
  }
  for (const { bytes } of checkpoints.list()) add('(checkpoints)', 'folder', bytes);
  return [...rows.values()].sort(
    (a, b) => b.bytes - a.bytes || byCodeUnit(a.stage + a.kind, b.stage + b.kind),
  );
}

function folderBytes(folder: string): number {
  try {
    return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  } catch {
    return 0;
  }
}

function tellRows(
  rows: readonly Row[],
  rest: {
    readonly bundles: number;
    readonly file: number;
    readonly free: number;
    readonly large: number;
  },
): void {
  const width = Math.max(5, ...rows.map(({ stage }) => stage.length));
  const line = (stage: string, kind: string, blobs: string, bytes: number): string =>
    `${stage.padEnd(width)}  ${kind.padEnd(7)}  ${blobs.padStart(7)}  ${prettyBytes(bytes).padStart(9)}`;
  writeStdout(c.dim(`${'stage'.padEnd(width)}  kind       blobs       size`));
  for (const { stage, kind, blobs, bytes } of rows)
    writeStdout(line(stage, kind, String(blobs), bytes));
  writeStdout(line('(bundles)', 'code', '', rest.bundles));
  const large = rest.large > 0 ? `; ${prettyBytes(rest.large)} in files of large blobs` : '';
  writeStderr(
    `${prettyBytes(rest.file)} on disk, ${prettyBytes(rest.free)} of it free for new results${large}`,
  );
}
