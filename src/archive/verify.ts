// verify.ts — an archive → what it comes to: its integrity, and what of it was run again
import { stat } from 'node:fs/promises';
import type { Digest } from '../pipeline/key.ts';
import { type OnRead, PAYLOAD } from './bag.ts';
import { type CitedClaims, readClaims } from './cited.ts';
import { Findings, Unreadable } from './finding.ts';
import { openFolder } from './folder-reader.ts';
import { type Contents, checkIntegrity } from './integrity.ts';
import { contentOf, LIMITS, type Opened } from './opened.ts';
import { type Rerun, type RerunOptions, rerun } from './rerun.ts';
import { PLACES, type StudyTask } from './study.ts';
import { claimVerdicts, type TaskVerdict, type Verification } from './verdict.ts';
import { openZip } from './zip-reader.ts';

/** What to verify, and how far. */
export interface VerifyOptions {
  readonly path: string;
  readonly version: string;
  /** SHA-256 of the verify.mjs of this version; null when this is it. */
  readonly checker: Digest | null;
  readonly node: string;
  readonly progress: OnRead;
  /** Absent when nothing is to be run. */
  readonly rerun?: Omit<RerunOptions, 'contents' | 'claims'>;
}

/** Opens an archive: a zip file, or a folder that one was unpacked to. @throws Unreadable after saying why */
export async function openArchive(path: string, { say }: Findings): Promise<Opened> {
  const found = await stat(path);
  return found.isDirectory() ? openFolder(path, LIMITS, say) : openZip(path, LIMITS, say);
}

/** Verifies an archive. */
export async function verifyArchive(options: VerifyOptions): Promise<Verification> {
  const findings = new Findings();
  let opened: Opened | undefined;
  try {
    opened = await openArchive(options.path, findings);
    const contents = await checkIntegrity(opened, findings, options.progress);
    return await conclude(contents, findings, options);
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
  checkChecker(contents, options, notes);
  let again: Rerun | undefined;
  if (options.rerun && contents && findings.count === 0) {
    again = await rerun({ ...options.rerun, contents, claims: claims?.claims ?? [] });
  } else if (options.rerun)
    notes.push('nothing was run again: first, the archive must hold together');
  const taskVerdicts = again && contents ? verdictsOf(contents, again, options) : [];
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
  return {
    form: 'verification/1',
    archive: options.path,
    digest: contents?.digest ?? null,
    version: options.version,
    checker: { archive: contents?.checker ?? null, own: options.checker },
    findings: findings.list,
    findingCount: findings.count,
    tasks: tasks.size,
    blobs: { here, leftOut: contents?.leftOut.size ?? 0 },
    rerun:
      again && options.rerun
        ? {
            seed: options.rerun.seed,
            budget_s: options.rerun.budget_s,
            chosen: again.choice.tasks.length,
            drawn: again.choice.drawn,
            node: options.node,
          }
        : null,
    taskVerdicts,
    claims: judged,
    notes,
    holds: findings.count === 0 && !differs && contents !== undefined,
  };
}

/** The archive's own checker is never run; whether it is ours is worth knowing. */
function checkChecker(
  contents: Contents | undefined,
  { checker, version }: VerifyOptions,
  notes: string[],
): void {
  if (contents === undefined || checker === null) return;
  if (contents.checker === undefined) notes.push('the archive has no verify.mjs');
  else if (contents.checker !== checker) {
    notes.push(
      `its verify.mjs is not that of pipeline ${version}: run it only if its SHA-256 (${contents.checker}) is published with the version that it says it is`,
    );
  }
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
  { rerun: how }: VerifyOptions,
): readonly TaskVerdict[] {
  return study.tasks.map((task: StudyTask): TaskVerdict => {
    const found = task.key === null ? undefined : verdicts.get(task.key);
    if (found) return { ...found, task: task.task };
    const why = `it was not among those chosen (budget ${how?.budget_s ?? 0} s)`;
    return {
      task: task.task,
      verdict: 'not tested',
      why: task.key === null ? 'it cannot be done, and was not run' : why,
    };
  });
}
