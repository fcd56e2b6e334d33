// places.ts — the folder of the pipeline, that of its store, and that of its artifacts
import { type Stats, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { notePipelineFile } from './access-warning.ts';
import { cacheFolder } from './up-to-date-shortcut.ts';
import { UsageError } from './usage-error.ts';

/** Folder of the pipeline and of its store. */
export interface Places {
  readonly root: string;
  readonly cache: string;
}

/** Where the pipeline and its store are, by options and environment. @throws UsageError where no folder can be */
export function placesOf(options: {
  readonly directory: string;
  readonly cache?: string;
  readonly file?: string;
}): Places {
  const root = resolve(options.directory);
  const cache = cacheFolder(root, options.cache);
  notePipelineFile(cache, resolve(root, options.file ?? 'pipeline.yaml'));
  const file = fileOnTheWay(root);
  if (file !== undefined) {
    const hint = 'name the folder of a pipeline with -C DIR';
    throw new UsageError([{ message: `${file} is a file and not a folder`, hint }]);
  }
  const obstacle = fileOnTheWay(cache);
  if (obstacle === undefined) return { root, cache };
  const what = obstacle === cache ? 'it' : obstacle;
  const message = `the store cannot be in ${cache}: ${what} is a file and not a folder`;
  throw new UsageError([{ message, hint: 'name another folder with --cache' }]);
}

/** The first part of a path that is not a folder; undefined when there is none. */
function fileOnTheWay(folder: string): string | undefined {
  for (let path = folder; ; path = dirname(path)) {
    const found = lookedAt(path);
    if (found !== undefined) return found.isDirectory() ? undefined : path;
    if (dirname(path) === path) return undefined;
  }
}

/** What lies at a path. Undefined where nothing does, or below a file. */
export function lookedAt(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Where artifacts go. */
export const artifactsFolder = (root: string): string => join(root, 'artifacts');
