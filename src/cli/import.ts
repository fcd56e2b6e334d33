// import.ts — pipeline import: an archive as a cache
import { resolve } from 'node:path';
import { fillStore } from '../archive/fill.ts';
import { Findings, Unreadable } from '../archive/finding.ts';
import { checkIntegrity } from '../archive/integrity.ts';
import type { Opened } from '../archive/opened.ts';
import { openArchive } from '../archive/verify.ts';
import {
  type CommonOptions,
  stderrColors as c,
  EXIT,
  placesOf,
  storeAt,
  talk,
  tell,
} from './session.ts';
import { count } from './words.ts';

/** Fills the store from an archive that holds together; one that does not is not touched. */
export async function importArchive(
  file: string,
  options: Pick<CommonOptions, 'directory' | 'cache' | 'json'>,
): Promise<number> {
  const findings = new Findings();
  let opened: Opened | undefined;
  try {
    opened = await openArchive(resolve(file), findings);
    const contents = await checkIntegrity(opened, findings, () => undefined);
    if (contents === undefined || findings.count > 0)
      return refuse(findings, options.json ?? false);
    const store = storeAt(placesOf(options).cache, 'write');
    try {
      const filled = await fillStore(contents, store, () => undefined);
      if (options.json) tell(JSON.stringify({ digest: contents.digest, ...filled }));
      else {
        tell(`study digest  ${contents.digest}`);
        talk(
          `${count(filled.traces, 'result')} and ${count(filled.blobs, 'blob')} are in the store`,
        );
        if (filled.incomplete > 0) {
          talk(
            c.yellow(
              `${count(filled.incomplete, 'result')} lack outputs that the archive leaves out: make runs them again`,
            ),
          );
        }
      }
    } finally {
      await store.close();
    }
    return EXIT.made;
  } catch (error) {
    if (error instanceof Unreadable) return refuse(findings, options.json ?? false);
    throw error;
  } finally {
    opened?.close();
  }
}

function refuse({ list, count: all }: Findings, json: boolean): number {
  if (json) tell(JSON.stringify({ event: 'refused', findings: list }));
  else {
    for (const { place, message } of list) talk(`${c.red('wrong')}  ${place}: ${message}`);
    talk(`${count(all, 'finding')}: nothing was imported`);
  }
  return EXIT.failed;
}
