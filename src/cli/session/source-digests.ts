// source-digests.ts — digests of pipeline.yaml and of what stages were bundled from, for the history of runs
import { readFileSync } from 'node:fs';
import { isAbsolute, relative, sep } from 'node:path';
import { byCodeUnit, type Digest, digestOf, type Named } from '../../engine/model/key.ts';
import type { Loaded } from '../../engine/planning/load.ts';

/** More files than this are not a study's own. */
const FILES_MAX = 2000;

/** Digests by path from the folder of the pipeline. Packages are left out: their versions are in the keys. */
export function sourceDigests(
  root: string,
  file: string,
  { text, sources }: Pick<Loaded, 'text' | 'sources'>,
): Named<Digest> {
  const found: [string, Digest][] = [[file, text]];
  const own = [...sources.files].filter(
    ([path, stamp]) => stamp !== null && !path.split(sep).includes('node_modules'),
  );
  for (const [path] of own.slice(0, FILES_MAX)) {
    const name = relative(root, path).split(sep).join('/');
    const digest = isAbsolute(name) ? undefined : digestOfFile(path);
    if (digest !== undefined) found.push([name, digest]);
  }
  return Object.fromEntries(found.sort(([a], [b]) => byCodeUnit(a, b)));
}

/** Undefined for a file that went away since it was bundled. */
function digestOfFile(path: string): Digest | undefined {
  try {
    return digestOf(readFileSync(path));
  } catch {
    return undefined;
  }
}
