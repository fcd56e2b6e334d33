// import.ts — pipeline import: an archive as a cache
import { resolve } from 'node:path';
import { checkIntegrity } from '../../../archive/checking/integrity.ts';
import { signedBy, trustIn } from '../../../archive/checking/signed.ts';
import type { Contents } from '../../../archive/form/contents.ts';
import { Findings, printable, Unreadable } from '../../../archive/form/finding.ts';
import type { Opened } from '../../../archive/form/opened.ts';
import { type Filled, fillStore } from '../../../archive/packing/fill.ts';
import { openArchive } from '../../../archive/verify.ts';
import { placesOf } from '../../session/places.ts';
import { stderrColors as c, writeStderr, writeStdout } from '../../session/printing.ts';
import { type CommonOptions, EXIT, storeAt } from '../../session/session.ts';
import { UsageError } from '../../session/usage-error.ts';
import { type CommandDeclaration, STORE } from '../../terminal/declaration.ts';
import { count } from '../../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'import',
  group: 'Archives',
  about: 'fill the store from an archive, so that make runs only what differs',
  arguments: [{ name: '<file>', about: 'the archive' }],
  options: [
    {
      flags: '--trust <name=key>',
      about: 'require a signature by this key; of several, by any (repeatable)',
      repeatable: true,
    },
    ...STORE,
  ],
  examples: ['import study.zip', 'import study.zip --cache other-cache'],
};
export { importArchive as run };

/** Fills the store from an archive that holds together; one that does not is not touched. */
async function importArchive(
  file: string,
  options: Pick<CommonOptions, 'directory' | 'cache' | 'json'> & {
    readonly trust: readonly string[];
  },
): Promise<number> {
  const findings = new Findings();
  let opened: Opened | undefined;
  try {
    opened = await openArchive(resolve(file), findings);
    const contents = await checkIntegrity(opened, findings, () => undefined);
    const trusted = trustIn(options.trust);
    if ('wrong' in trusted) {
      const hint = 'such as lab=ed25519:…, from the `trust` of a pipeline.yaml';
      const message = `--trust ${trusted.wrong} names no public key`;
      throw new UsageError([{ message, hint }]);
    }
    const signed = await signedBy(opened, trusted.trust, findings.say);
    if (contents === undefined || findings.count > 0)
      return refuse(findings, options.json ?? false);
    const store = storeAt(placesOf(options).cache, 'write');
    try {
      const filled = await fillStore(contents, store, () => undefined);
      if (options.json) writeStdout(JSON.stringify({ digest: contents.digest, signed, ...filled }));
      else {
        writeStdout(`study digest  ${contents.digest}`);
        if (signed) writeStdout(`signed by     ${signed.by ?? signed.key}`);
        for (const line of formatFilled(filled, contents.study)) writeStderr(line);
      }
    } finally {
      await store.close();
    }
    return EXIT.success;
  } catch (error) {
    if (error instanceof Unreadable) return refuse(findings, options.json ?? false);
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && path === resolve(file)) {
      throw new UsageError([{ message: `there is no ${file}` }]);
    }
    throw error;
  } finally {
    opened?.close();
  }
}

const NAMED_MAX = 4;

function formatFilled(
  { traces, added, blobs, files, incomplete }: Filled,
  { tasks }: Contents['study'],
): readonly string[] {
  const there = traces > added ? `; ${traces - added} of its results were there` : '';
  const data = files > 0 ? ` and ${count(files, 'file')} from outside` : '';
  const lines = [
    `${count(added, 'result')}, ${count(blobs, 'blob')}${data} put into the store${there}`,
  ];
  if (incomplete.length > 0) {
    const named = incomplete.slice(0, NAMED_MAX).map((task) => printable(task));
    const which = `${named.join(', ')}${incomplete.length > NAMED_MAX ? ', …' : ''}`;
    lines.push(
      c.yellow(
        `${count(incomplete.length, 'task')} gave outputs that the archive leaves out (${which}): a make runs them again where it needs them`,
      ),
    );
  }
  const failed = tasks.filter((task) => task.failed !== undefined).length;
  if (failed > 0) lines.push(c.yellow(`${count(failed, 'task')} failed there: a make tries again`));
  return lines;
}

function refuse({ list, count: all }: Findings, json: boolean): number {
  if (json) writeStdout(JSON.stringify({ event: 'refused', findings: list }));
  else {
    for (const { place, message } of list) writeStderr(`${c.red('wrong')}  ${place}: ${message}`);
    writeStderr(`${count(all, 'finding')}: nothing was imported`);
  }
  return EXIT.failed;
}
