// submitted-ids.ts — the ids of submitted heads that have notes beside a store; loads nothing else, as every look at a study asks
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

export const submittedFolder = (cache: string): string => join(cache, 'submitted');

/** The ids of heads of which there are notes. Reads no note. */
export function submittedIds(cache: string): readonly string[] {
  try {
    return readdirSync(submittedFolder(cache))
      .flatMap((name) => /^([0-9a-f]{16})\.json$/.exec(name)?.[1] ?? [])
      .sort();
  } catch {
    return []; // Most stores have none.
  }
}
