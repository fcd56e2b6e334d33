// verify.ts — an archive → what it comes to: its integrity, and what of it was run again
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Digest } from '../engine/model/key.ts';
import type { Trust } from '../engine/signing/public-key.ts';
import { type CitedClaims, readClaims } from './checking/cited.ts';
import { checkIntegrity } from './checking/integrity.ts';
import { signedBy } from './checking/signed.ts';
import { claimVerdicts, type TaskVerdict, type Verification } from './checking/verdict.ts';
import { type OnRead, PAYLOAD } from './form/bag.ts';
import type { Contents } from './form/contents.ts';
import { Findings, printable, Unreadable } from './form/finding.ts';
import { openFolder } from './form/folder-reader.ts';
import { contentOf, LIMITS, type Opened } from './form/opened.ts';
import { absenceOf, PLACES, type StudyTask } from './form/study.ts';
import { openZip } from './form/zip-reader.ts';
import { type Rerun, type RerunOptions, rerun } from './rerun/rerun.ts';

/** What to verify, and how far. */
export interface VerifyOptions {
  readonly path: string;
  readonly version: string;
  /** SHA-256 of the verify.mjs of this version; null when this is it. */
  readonly checker: Digest | null;
  readonly published: readonly KnownChecker[];
  readonly node: string;
  readonly progress: OnRead;
  /** By whom the archive has to be signed. Absent or empty: by anybody or nobody. */
  readonly trust?: Trust;
  /** Asked once it is known that the archive holds together. Absent when nothing is to be run. */
  readonly rerun?: () => Promise<Omit<RerunOptions, 'contents' | 'claims'>>;
}

/** A verify.mjs that was published. */
export interface KnownChecker {
  readonly version: string;
  readonly sha256: string;
}

/** Opens an archive: a zip file, or a folder that one was unpacked to. @throws Unreadable after saying why */
export async function openArchive(path: string, { say }: Findings): Promise<Opened> {
  const found = await stat(path);
  if (found.isDirectory()) return openFolder(await bagAt(path), LIMITS, say);
  if (found.isFile()) return openZip(path, LIMITS, say);
  say(path, 'is neither a file nor a folder');
  throw new Unreadable(path);
}

/** The bag that somebody means who names the folder in which it was unpacked, or its payload. */
async function bagAt(path: string): Promise<string> {
  const isBag = (folder: string): Promise<boolean> =>
    lstat(join(folder, 'bagit.txt')).then(
      (file) => file.isFile(),
      () => false,
    );
  if (await isBag(path)) return path;
  const above = dirname(resolve(path));
  if (`${basename(resolve(path))}/` === PAYLOAD && (await isBag(above))) return above;
  const within = (await readdir(path, { withFileTypes: true })).filter((one) => one.isDirectory());
  const [only] = within.map(({ name }) => join(path, name));
  return only !== undefined && within.length === 1 && (await isBag(only)) ? only : path;
}

/** Verifies an archive. */
export async function verifyArchive(options: VerifyOptions): Promise<Verification> {
  const findings = new Findings();
  let opened: Opened | undefined;
  try {
    opened = await openArchive(options.path, findings);
    const contents = await checkIntegrity(opened, findings, options.progress);
    const signed = await signedBy(opened, options.trust, findings.say);
    return { ...(await conclude(contents, findings, options)), signed };
  } catch (error) {
    if (error instanceof Unreadable) return await conclude(undefined, findings, options);
    throw error;
  } finally {
    opened?.close();
  }
}

async function conclude(
  contents: Contents | undefined,
  findings: Findings,
  options: VerifyOptions,
): Promise<Verification> {
  const claims = contents ? await claimsOf(contents) : undefined;
  const notes: string[] = [];
  let again: Rerun | undefined;
  let how: Omit<RerunOptions, 'contents' | 'claims'> | undefined;
  if (options.rerun && contents && findings.count === 0) {
    how = await options.rerun();
    again = await rerun({ ...how, contents, claims: claims?.claims ?? [] });
  } else if (options.rerun)
    notes.push('nothing was run again, because the archive is not consistent');
  const taskVerdicts = again && how && contents ? verdictsOf(contents, again, how.budget_s) : [];
  const verdicts = new Map(taskVerdicts.map((one) => [one.task, one.verdict]));
  const tasks = new Map(contents?.study.tasks.map((task) => [task.task, task]));
  const judged =
    claims && again
      ? claimVerdicts(
          claims.claims,
          claims.bytes,
          again.claims,
          tasks,
          (task) => verdicts.get(task) ?? 'not tested',
        )
      : (claims?.claims ?? []).map(({ id, verdict }) => ({
          id,
          says: verdict,
          verdict: 'not tested' as const,
          why: 'nothing was run again',
        }));
  const differs = [...taskVerdicts, ...judged].some(({ verdict }) => verdict === 'different');
  const here = [...(contents?.opened.files.keys() ?? [])].filter((name) =>
    name.startsWith(PAYLOAD + PLACES.blobs),
  ).length;
  const kinds = (kind: 'failed' | 'skipped'): number =>
    [...tasks.values()].filter((task) => task[kind] !== undefined).length;
  const known = contents && formatChecker(contents.checker, options);
  return {
    form: 'verification/1',
    archive: options.path,
    digest: contents?.digest ?? null,
    version: options.version,
    checker: { archive: contents?.checker ?? null, own: options.checker, ...known },
    findings: findings.list,
    findingCount: findings.count,
    tasks: tasks.size,
    absent: { failed: kinds('failed'), skipped: kinds('skipped') },
    blobs: { here, leftOut: contents?.leftOut.size ?? 0 },
    rerun:
      again && how
        ? {
            seed: how.seed,
            budget_s: how.budget_s,
            chosen: again.choice.tasks.length,
            drawn: again.choice.drawn,
            node: options.node,
            ...(how.launcher.walls && { walls: how.launcher.walls.kind }),
          }
        : null,
    taskVerdicts,
    claims: judged,
    notes,
    holds: findings.count === 0 && !differs && contents !== undefined,
  };
}

/** Whose verify.mjs is in the archive. It is never run, but somebody may run it. */
function formatChecker(
  archived: Digest | undefined,
  { checker, version, published }: VerifyOptions,
): { readonly words: string } | undefined {
  if (checker === null) return undefined;
  if (archived === undefined) return { words: 'there is none' };
  const known = published.find(({ sha256 }) => sha256 === archived);
  if (known) return { words: `is that of pipeline ${known.version}, as published; it was not run` };
  if (archived === checker) return { words: `is that of this pipeline ${version}; it was not run` };
  const words = `is unknown to pipeline ${version}: do not run it, unless its SHA-256 is published with the version that it says it is (${archived})`;
  return { words };
}

async function claimsOf({
  opened,
  study,
}: Contents): Promise<{ readonly claims: CitedClaims; readonly bytes: Uint8Array } | undefined> {
  const name = PAYLOAD + PLACES.claims;
  if (study.claims === null || !opened.files.has(name)) return undefined;
  try {
    const bytes = await contentOf(opened, name, 2 ** 26, () => undefined);
    const claims = readClaims(bytes);
    return claims && { claims, bytes };
  } catch {
    return undefined; // What is wrong with them is among the findings.
  }
}

/** A verdict for every task, in the order of the plan. */
function verdictsOf(
  { study }: Contents,
  { verdicts }: Rerun,
  budget_s: number,
): readonly TaskVerdict[] {
  const why = (task: StudyTask): string => {
    const absence = absenceOf(task);
    if (absence?.kind === 'failed') return `it failed in the study: ${firstLine(absence.message)}`;
    if (absence?.kind === 'skipped') return `it was skipped in the study: ${absence.message}`;
    if (absence && task.key === null) return 'it is infeasible, and was not run';
    return `it was not in the sample (budget ${budget_s} s)`;
  };
  return study.tasks.map((task: StudyTask): TaskVerdict => {
    const found = task.key === null ? undefined : verdicts.get(task.key);
    const isAbsent = task.failed !== undefined || task.skipped !== undefined;
    if (found && !isAbsent) return { ...found, task: task.task };
    return { task: task.task, verdict: 'not tested', why: why(task) };
  });
}

const firstLine = (text: string): string => printable(text.split('\n', 1).join());
