// spare-bundles.ts — bundles for somebody who may not write into the cache
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from '../model/event.ts';
import { type Bundles, type BundleTerms, bundleStages, type ModuleRequest } from './code.ts';

/** How a system says that a place may not be written. */
const FORBIDDEN = ['EACCES', 'EPERM', 'EROFS'];

/**
 * Bundles stage modules in the cache or, where that cannot be written, in a folder of this process alone. What
 * the cache holds and is still true is used either way.
 * `newFolder` makes an empty folder that goes when the process ends
 */
export async function bundleAnywhere(
  root: string,
  cache: string,
  requests: readonly ModuleRequest[],
  { newFolder, ...terms }: BundleTerms & { readonly newFolder: () => string },
): Promise<Result<Bundles>> {
  try {
    return await bundleStages(root, cache, requests, terms);
  } catch (error) {
    if (!FORBIDDEN.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  return bundleStages(root, spareCache(cache, newFolder()), requests, terms);
}

/** A cache of our own, which begins with the bundles of another. */
function spareCache(cache: string, spare: string): string {
  const [from, to] = [join(cache, 'bundles'), join(spare, 'bundles')];
  mkdirSync(to);
  try {
    for (const name of readdirSync(from)) {
      // Not as a copy of the file: that would be read-only where the file is.
      writeFileSync(join(to, name), readFileSync(join(from, name)));
    }
  } catch {
    // Nothing there, or nothing that may be read: it is bundled anew.
  }
  return spare;
}
