// submitted.ts — the state of heads that were submitted from here, in words
import type { DeathCause, JobId } from '../../cluster/batch.ts';
import { DepotLayout } from '../../cluster/layout.ts';
import {
  headFolder,
  headLog,
  isOpen,
  readSubmission,
  type SubmissionState,
  submissionCause,
  submissionStates,
} from '../../cluster/records/submission.ts';
import { type SubmittedNote, submittedNotes } from '../../cluster/records/submitted-notes.ts';
import { lastLinesOf } from '../../cluster/small-files.ts';
import { plainName } from '../../plain-text.ts';
import { identity } from '../session/this-process.ts';
import { duration, shownPath } from '../terminal/format.ts';
import { formatHeadEnd } from './head-end.ts';
import { type LiveRun, liveRuns } from './live-places.ts';
import { batchFor } from './open-batch.ts';

/** A head that was submitted from here. */
export interface SubmittedHead {
  readonly note: SubmittedNote;
  readonly state: SubmissionState;
  /** Why its job is over, where it did not say so itself. */
  readonly cause: DeathCause | undefined;
  readonly log: string;
  /** What goes on in its runs. */
  readonly live: readonly LiveRun[];
}

/** The heads of which there are notes beside a store. A batch system is asked once for each depot, and only where there are some. */
export async function submittedHeads(cache: string): Promise<readonly SubmittedHead[]> {
  const heads: SubmittedHead[] = [];
  for (const note of submittedNotes(cache)) {
    const { depot, project, id } = note;
    const layout = new DepotLayout(depot);
    const submission = readSubmission(layout, project, id);
    if (submission === undefined) continue;
    const batch = batchFor(note, layout.logsOf(project));
    const states = await submissionStates(layout, project, [id], batch);
    const state = states.get(id) ?? { state: 'unknown' };
    const live = isOpen(state) ? liveRuns(headFolder(layout, project, id), identity) : [];
    const job = { id: note.job as JobId, name: submission.name, element: 0 };
    const cause = state.state === 'gone' ? await submissionCause(batch, job) : undefined;
    heads.push({ note, state, cause, log: headLog(layout, project, submission.name), live });
  }
  return heads;
}

/** How a head is, in lines. */
export function formatSubmitted({ note, state, cause, log }: SubmittedHead): readonly string[] {
  return [formatState(note, state, cause), `  what it prints: ${shownPath(log)}`].map(plainName);
}

const LATER = '`pipeline make` takes up what it made';

function formatState(
  { job, executor }: SubmittedNote,
  now: SubmissionState,
  cause: DeathCause | undefined,
): string {
  const head = `job ${job} of ${executor}, which makes this study`;
  switch (now.state) {
    case 'waiting': {
      const why = now.sight.obstacle?.message ?? now.sight.reason;
      return `${head}, waits${why ? `: ${why}` : ''}`;
    }
    case 'running': {
      const { node, ends_ms } = now.sight;
      const left = ends_ms === null ? '' : `, for up to ${duration(timeUntil(ends_ms))} more`;
      return `${head}, runs${node ? ` on ${node}` : ''}${left}`;
    }
    case 'ended': {
      const { code, at, host } = now.end;
      const how = code === 0 ? 'with success' : `with exit code ${code}`;
      return `${head}, ended on ${host} ${how}, ${duration(timeUntil(Date.now(), at))} ago; ${LATER}`;
    }
    case 'gone':
      return `${head}, did not finish: ${formatHeadEnd(cause, executor)}`;
    default:
      return `${head}: the batch system does not answer`;
  }
}

const timeUntil = (end_ms: number, from_ms = Date.now()): number =>
  Math.max(0, end_ms - from_ms) / 1000;

/** The last that a head printed, in a line; empty where it printed nothing. */
export const lastWords = ({ log }: Pick<SubmittedHead, 'log'>): string => lastLinesOf(log);
