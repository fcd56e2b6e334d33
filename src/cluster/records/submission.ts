// submission.ts — a head that runs as a job: its instructions, and how it ended
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../../engine/files/files.ts';
import { makeFolder } from '../../engine/files/make-folder.ts';
import { type Digest, isDigest, type Json, type Named } from '../../engine/model/key.ts';
import type { Batch, DeathCause, JobSight } from '../batch.ts';
import type { DepotLayout } from '../layout.ts';

/** Instructions for a head that runs as a job. */
export interface Submission {
  readonly form: 'submission/1';
  readonly id: string;
  /** The name of its job. */
  readonly name: string;
  readonly executor: string;
  /** The size of its job. */
  readonly cls: string;
  readonly cpus: number;
  /** The time limit of its job. Earlier versions did not say. */
  readonly time_ms?: number | undefined;
  /** Folder of the study. */
  readonly root: string;
  /** Folder from which it was submitted: other paths are relative to it. */
  readonly from: string;
  readonly targets: readonly string[];
  /** Options of `make`. */
  readonly options: Named<Json>;
  /** Declared files that lie in the depot. */
  readonly files: readonly { readonly digest: Digest; readonly bytes: number }[];
  /** When, in milliseconds since 1970. */
  readonly asked: number;
}

/** How such a head ended. */
export interface SubmissionEnd {
  readonly form: 'submission-end/1';
  readonly code: number;
  /** When, in milliseconds since 1970. */
  readonly at: number;
  readonly host: string;
}

const ID = /^[0-9a-f]{16}$/;

/** Where the notes of a head lie; its journals lie in `runs` below. */
export const headFolder = (layout: DepotLayout, project: string, id: string): string =>
  join(layout.headsOf(project), id);

/** Where what its job prints lies. */
export const headLog = (layout: DepotLayout, project: string, name: string): string =>
  join(layout.logsOf(project), `${name}.0.log`);

export const headJobName = (project: string, id: string): string => `pl.${project}.head.${id}`;

/** The ids of the heads of a project that ran or are to run as jobs. */
export function submissionsIn(layout: DepotLayout, project: string): readonly string[] {
  try {
    return readdirSync(layout.headsOf(project))
      .filter((name) => ID.test(name))
      .sort();
  } catch {
    return []; // Most projects have none.
  }
}

export async function writeSubmission(
  layout: DepotLayout,
  project: string,
  submission: Submission,
): Promise<void> {
  const folder = headFolder(layout, project, submission.id);
  makeFolder(folder);
  await writeAtomically(join(folder, 'about.json'), JSON.stringify(submission));
}

/** The instructions of a head; undefined where the file is incomplete. */
export function readSubmission(
  layout: DepotLayout,
  project: string,
  id: string,
): Submission | undefined {
  if (!ID.test(id)) return undefined;
  const read = readJson(join(headFolder(layout, project, id), 'about.json'));
  const one = read as Partial<Submission> | undefined;
  const texts = [one?.name, one?.executor, one?.cls, one?.root, one?.from];
  const isWhole =
    one?.form === 'submission/1' &&
    one.id === id &&
    one.name === headJobName(project, id) &&
    texts.every((text) => typeof text === 'string') &&
    isTexts(one.targets) &&
    typeof one.options === 'object' &&
    one.options !== null &&
    [one.cpus, one.asked].every((value) => typeof value === 'number' && Number.isFinite(value)) &&
    (one.time_ms === undefined || (Number.isFinite(one.time_ms) && one.time_ms > 0)) &&
    Array.isArray(one.files) &&
    one.files.every((file) => isDigest(String(file?.digest)) && Number.isSafeInteger(file.bytes));
  return isWhole ? (one as Submission) : undefined;
}

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((text) => typeof text === 'string');

export const writeSubmissionEnd = (
  layout: DepotLayout,
  project: string,
  id: string,
  end: Omit<SubmissionEnd, 'form'>,
): Promise<void> =>
  writeAtomically(
    join(headFolder(layout, project, id), 'end.json'),
    JSON.stringify({ form: 'submission-end/1', ...end }),
  );

/** How a head ended; undefined for one that has not, or that ended without a word. */
export function readSubmissionEnd(
  layout: DepotLayout,
  project: string,
  id: string,
): SubmissionEnd | undefined {
  const read = readJson(join(headFolder(layout, project, id), 'end.json'));
  const end = read as Partial<SubmissionEnd> | undefined;
  const isWhole =
    end?.form === 'submission-end/1' &&
    [end.code, end.at].every((value) => Number.isFinite(value)) &&
    typeof end.host === 'string';
  return isWhole ? (end as SubmissionEnd) : undefined;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** How a submitted head is now. */
export type SubmissionState =
  | { readonly state: 'waiting' | 'running'; readonly sight: JobSight }
  | { readonly state: 'ended'; readonly end: SubmissionEnd }
  /** Its job is over, and it did not say how it ended: it was killed. */
  | { readonly state: 'gone' }
  /** The batch system does not answer. */
  | { readonly state: 'unknown' };

/** Whether it may still make something. */
export const isOpen = ({ state }: SubmissionState): boolean =>
  state === 'waiting' || state === 'running' || state === 'unknown';

/** How some heads are now: one question for all of them that have not said that they ended. */
export async function submissionStates(
  layout: DepotLayout,
  project: string,
  ids: readonly string[],
  batch: Pick<Batch, 'look'>,
): Promise<ReadonlyMap<string, SubmissionState>> {
  const states = new Map<string, SubmissionState>();
  const asked: string[] = [];
  for (const id of ids) {
    const end = readSubmissionEnd(layout, project, id);
    if (end) states.set(id, { state: 'ended', end });
    else asked.push(id);
  }
  if (asked.length === 0) return states;
  const sights = await batch.look(asked.map((id) => headJobName(project, id)));
  for (const id of asked) {
    if (sights === 'unknown') states.set(id, { state: 'unknown' });
    else {
      const jobName = headJobName(project, id);
      const sight = sights.find(({ name, state }) => name === jobName && state !== 'over');
      if (sight === undefined) states.set(id, goneOrEnded(layout, project, id));
      else states.set(id, { state: sight.state === 'pending' ? 'waiting' : 'running', sight });
    }
  }
  return states;
}

/** It may have ended between the two looks. */
function goneOrEnded(layout: DepotLayout, project: string, id: string): SubmissionState {
  const end = readSubmissionEnd(layout, project, id);
  return end ? { state: 'ended', end } : { state: 'gone' };
}

/** Why the job of a head is over, as far as the batch system knows. */
export async function submissionCause(
  batch: Pick<Batch, 'causes'>,
  job: Parameters<Batch['causes']>[0][number],
): Promise<DeathCause | undefined> {
  return (await batch.causes([job])).get(job.id);
}
