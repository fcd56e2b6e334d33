// archive.ts — pipeline archive: a study as one file

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { signatureFile } from '../../../archive/checking/signed.ts';
import { type FinalOutcome, finalOutcomes } from '../../../archive/packing/final-outcomes.ts';
import { gather } from '../../../archive/packing/gather.ts';
import { type Beside, prepare, Vanished, writePackage } from '../../../archive/packing/pack.ts';
import type { Hold } from '../../../archive/packing/release-checks.ts';
import { verifiedCode } from '../../../engine/bundler/bundle-digest.ts';
import { byCodeUnit, type Named, type TaskId } from '../../../engine/model/key.ts';
import type { Plan } from '../../../engine/planning/plan.ts';
import { decodeSource } from '../../../engine/text/source-text.ts';
import { decodeUtf8 } from '../../../utf8.ts';
import { withRemoteBlobs } from '../../remote/far-blobs.ts';
import { ownSigner } from '../../remote/remote-session.ts';
import { planFor, resolveTargets } from '../../session/named-tasks.ts';
import { checkOutput, unwritten } from '../../session/output-files.ts';
import { stderrColors as c, writeStderr, writeStdout } from '../../session/printing.ts';
import {
  askedWords,
  type CommonOptions,
  EXIT,
  openSession,
  type Session,
} from '../../session/session.ts';
import { host } from '../../session/this-process.ts';
import { UsageError } from '../../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../../terminal/declaration.ts';
import { count, quoted, shownPath } from '../../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'archive',
  group: 'Archives',
  about: 'write the study into one self-checking file (default: study-DIGEST.zip)',
  arguments: [{ name: '[file]', about: 'the archive to write' }],
  options: [
    {
      flags: '--target <target>',
      about:
        'what to archive, with everything it needs (repeatable; default: tasks with artifacts)',
      repeatable: true,
    },
    { flags: '--light', about: 'leave out large blobs that are neither masks nor final models' },
    {
      flags: '--with-data',
      about: 'include external files: check that their licences allow it',
    },
    {
      flags: '--allow <item>',
      about: 'accept a finding of the release checks (repeatable)',
      repeatable: true,
    },
    {
      flags: '--max-file <size>',
      about: 'report files larger than this',
      value: 'size',
      default: 2 ** 30,
      defaultShown: '1G',
    },
    { flags: '--sign', about: 'sign it with the key of `pipeline remote key`' },
    ...COMMON,
  ],
  examples: ['archive', 'archive study.zip --preset mnist', "archive --light --allow 'licence'"],
};
export { archive as run };

/** Filled in by the build. */
declare const VERSION: string;

/** The checker that archives carry: it lies beside this bundle. */
export const checkerFile = fileURLToPath(new URL('./verify.mjs', import.meta.url));

interface ArchiveOptions extends CommonOptions {
  readonly target: readonly string[];
  readonly allow: readonly string[];
  readonly light?: boolean;
  readonly withData?: boolean;
  readonly sign?: boolean;
  readonly maxFile: number;
}

/** Writes an archive of what is made. */
async function archive(file: string | undefined, options: ArchiveOptions): Promise<number> {
  const named = file === undefined ? undefined : resolve(options.directory, file);
  if (named !== undefined) checkOutput(named);
  const signer = options.sign ? await ownSigner() : undefined;
  const opened = await openSession(options);
  const session = { ...opened, store: withRemoteBlobs(opened.store, opened) };
  try {
    const targets = targetsOf(session.plan, options.target);
    const plan = planFor(session.plan, targets);
    const policies = new Map(
      [...session.pipeline.stages].map(([name, { policy }]) => [name, policy]),
    );
    const ends = await finalOutcomes(plan, session.store, policies);
    refuseOpen(ends, options);
    const wanted = { light: options.light ?? false, withData: options.withData ?? false };
    const gathered = await gather(plan, ends, targets, session.store, wanted);
    await session.store.fetchAhead([...gathered.blobs.keys()]);
    const beside = await besideOf(session, plan, options);
    const around = { home: homedir(), root: session.root, user: userInfo().username, host };
    const made = await prepare(gathered, beside, session.store, around, options.maxFile);
    const allowed = new Set(options.allow);
    const held = [...failuresIn(ends), ...made.holds].filter(({ item }) => !allowed.has(item));
    if (held.length > 0) return refuse(held, options.json ?? false);
    const path = named ?? resolve(options.directory, `${made.name}.zip`);
    const sign = signer && signatureFile(signer);
    const bytes = await writePackage(made, path, () => undefined, sign).catch((error: unknown) => {
      throw unwritten(path, error);
    });
    const sha256 = await digestOfPath(path);
    const left = gathered.leftOut.length;
    if (options.json)
      writeStdout(
        JSON.stringify({ file: path, digest: made.digest, bytes, sha256, leftOut: left }),
      );
    else {
      for (const line of formatAbsent(ends)) writeStderr(line);
      writeStderr(
        `${count(plan.tasks.size, 'task')}, ${count(gathered.blobs.size, 'blob')}${left > 0 ? c.dim(`; ${left} listed and left out`) : ''}`,
      );
      writeStdout(`study digest  ${made.digest}`);
      if (signer) writeStdout(`signed with   ${signer.key}`);
      writeStdout(`archive       ${shownPath(path)}  ${bytes} bytes  sha256 ${sha256}`);
    }
    return EXIT.success;
  } catch (error) {
    if (error instanceof Vanished) throw new UsageError([{ message: error.message }]);
    throw error;
  } finally {
    await session.store.close();
  }
}

/** Everything must be made, or it must be known why not. */
function refuseOpen(ends: ReadonlyMap<TaskId, FinalOutcome>, options: ArchiveOptions): void {
  const open = [...ends].filter(([, { outcome }]) => outcome === 'open').map(([task]) => task);
  if (open.length === 0) return;
  const message = `${count(open.length, 'task')} of ${ends.size} are not made, such as ${open[0]}`;
  const words = [
    'pipeline make',
    ...options.target.map(quoted),
    ...askedWords(options).map(quoted),
  ];
  throw new UsageError([{ message, hint: words.join(' ') }]);
}

const absentTasks = (
  ends: ReadonlyMap<TaskId, FinalOutcome>,
  kind: FinalOutcome['outcome'],
): TaskId[] => [...ends].filter(([, { outcome }]) => outcome === kind).map(([task]) => task);

/** Tasks that failed and were not allowed to: an archive without them is to be meant. */
function failuresIn(ends: ReadonlyMap<TaskId, FinalOutcome>): readonly Hold[] {
  const failed = [...ends].flatMap(([task, end]) =>
    end.outcome === 'failed' && !end.failure.allowed ? [task] : [],
  );
  if (failed.length === 0) return [];
  const message = `${count(failed.length, 'task')} failed, such as ${failed[0]}: the archive would say so, and lack what they should have given`;
  return [{ item: 'failed', message }];
}

/** What the archive says about tasks that produced no output. */
function formatAbsent(ends: ReadonlyMap<TaskId, FinalOutcome>): readonly string[] {
  const [failed, skipped] = [absentTasks(ends, 'failed'), absentTasks(ends, 'skipped')];
  if (failed.length === 0) return [];
  const without = skipped.length > 0 ? `, and ${skipped.length} were skipped for that` : '';
  const words = `${count(failed.length, 'task')} failed (${failed.slice(0, 3).join(', ')}${failed.length > 3 ? ', …' : ''})${without}: the archive says which and why`;
  return [`${c.yellow('warning')}: ${words}`];
}

/** What people look at: tasks with artifacts; all tasks, where nothing is an artifact. */
function targetsOf(plan: Plan, named: readonly string[]): readonly TaskId[] {
  if (named.length > 0) return resolveTargets(plan, named);
  const shown = [...plan.tasks.values()].filter(
    ({ artifacts }) => Object.keys(artifacts).length > 0,
  );
  return (shown.length > 0 ? shown : [...plan.tasks.values()]).map(({ id }) => id);
}

function refuse(
  held: readonly { readonly item: string; readonly message: string }[],
  json: boolean,
): number {
  if (json) writeStdout(JSON.stringify({ event: 'held', held }));
  else {
    writeStderr(
      `${c.red('error')}: not written: check this before the archive leaves this machine`,
    );
    for (const { item, message } of held) writeStderr(`  ${c.bold(item)}  ${message}`);
    const quoted = held.slice(0, 3).map(({ item }) => `--allow '${item}'`);
    writeStderr(
      `  ${c.dim(`correct it and make again, or add ${quoted.join(' ')}${held.length > 3 ? ' …' : ''}`)}`,
    );
  }
  return EXIT.usage;
}

async function besideOf(session: Session, plan: Plan, options: ArchiveOptions): Promise<Beside> {
  const { root, cache, pipeline } = session;
  const text = decodeUtf8(await readFile(join(root, options.file)));
  const papers: Record<string, Uint8Array> = {};
  for (const name of ['LICENSE', 'CITATION.cff']) {
    const bytes = await paper(root, name);
    if (bytes) papers[name] = bytes;
  }
  const citation =
    papers['CITATION.cff'] && (parse(paperText('CITATION.cff', papers['CITATION.cff'])) as unknown);
  const written = parse(text) as { readonly params?: { readonly title?: unknown } } | null;
  const title = written?.params?.title;
  const modules = [...pipeline.stages.values()].map(({ name, run }) => [name, run] as const);
  return {
    pipeline: text,
    invocation: { presets: options.preset, sets: pipeline.overrides, targets: options.target },
    modules: Object.fromEntries(modules.filter(([name]) => plan.stages.has(name))),
    bundles: new Map(
      [...plan.stages.values()].flatMap(({ code }) => {
        const bytes = verifiedCode(code.bytes, code.digest);
        return bytes ? [[code.digest, bytes]] : [];
      }),
    ),
    papers,
    packages: await packagesOf(root),
    audits: await auditsIn(cache, plan),
    checker: await readFile(checkerFile),
    title: typeof title === 'string' ? title : 'A study',
    authors: authorsOf(citation),
    version: VERSION,
  };
}

/** @throws UsageError when it is not UTF-8 */
function paperText(name: string, bytes: Uint8Array): string {
  const text = decodeSource(bytes, name);
  if (!text.ok) throw new UsageError(text.diagnostics);
  return text.value;
}

/** Licences go by two spellings. */
async function paper(root: string, name: string): Promise<Uint8Array | undefined> {
  for (const spelled of name === 'LICENSE'
    ? ['LICENSE', 'LICENCE', 'LICENSE.md', 'LICENSE.txt']
    : [name]) {
    const bytes = await readFile(join(root, spelled)).catch(() => undefined);
    if (bytes) return bytes;
  }
  return undefined;
}

function authorsOf(citation: unknown): readonly string[] {
  const { authors } = (citation ?? {}) as { readonly authors?: unknown };
  const names = (Array.isArray(authors) ? authors : []).map((author: Named<unknown>) =>
    [author?.name, author?.['given-names'], author?.['family-names']]
      .filter((part) => typeof part === 'string')
      .join(' '),
  );
  const told = names.filter((name) => name !== '');
  return told.length > 0 ? told : ['the authors of the study'];
}

/** Exact versions of the packages that the project names. */
async function packagesOf(root: string): Promise<Named<string>> {
  try {
    const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
      readonly packages?: {
        readonly [path: string]: { readonly version?: string; readonly dependencies?: object };
      };
    };
    const names = Object.keys(lock.packages?.['']?.dependencies ?? {}).sort(byCodeUnit);
    return Object.fromEntries(
      names.map((name) => [name, lock.packages?.[`node_modules/${name}`]?.version ?? 'unknown']),
    );
  } catch {
    return {}; // A project without packages of its own.
  }
}

/** What audits found of the tasks that go in. */
async function auditsIn(cache: string, plan: Plan): Promise<readonly unknown[]> {
  const folder = join(cache, 'audits');
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
  const audits: unknown[] = [];
  for (const name of names.sort(byCodeUnit)) {
    const audit = JSON.parse(await readFile(join(folder, name), 'utf8')) as {
      readonly task: TaskId;
    };
    if (plan.tasks.has(audit.task)) audits.push(audit);
  }
  return audits;
}

async function digestOfPath(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
