// submitted.ts — the state of heads that were submitted from here, in words
import { DepotLayout } from '../../cluster/layout.ts';
import {
  headFolder,
  headLog,
  isOpen,
  readSubmission,
  type SubmissionState,
  submissionStates,
} from '../../cluster/records/submission.ts';
import { type SubmittedNote, submittedNotes } from '../../cluster/records/submitted-notes.ts';
import { lastLinesOf } from '../../cluster/small-files.ts';
import { plainName } from '../../plain-text.ts';
import { identity } from '../session/session.ts';
import { duration, shownPath } from '../terminal/format.ts';
import { type LiveRun, liveRuns } from './live-places.ts';
import { batchFor } from './open-batch.ts';

/** A head that was submitted from here. */
export interface SubmittedHead {
  readonly note: SubmittedNote;
  readonly state: SubmissionState;
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
    heads.push({ note, state, log: headLog(layout, project, submission.name), live });
  }
  return heads;
}

/** How a head is, in lines. */
export function formatSubmitted({ note, state, log }: SubmittedHead): readonly string[] {
  return [`${formatState(note, state)}`, `  what it prints: ${shownPath(log)}`].map(plainName);
}

const LATER = '`pipeline make` takes up what it made';

function formatState({ job, executor }: SubmittedNote, now: SubmissionState): string {
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
      return `${head}, is over without a word (killed, or out of time or memory); ${LATER}`;
    default:
      return `${head}: the batch system does not answer`;
  }
}

const timeUntil = (end_ms: number, from_ms = Date.now()): number =>
  Math.max(0, end_ms - from_ms) / 1000;

/** The last that a head printed, in a line; empty where it printed nothing. */
export const lastWords = ({ log }: Pick<SubmittedHead, 'log'>): string => lastLinesOf(log);
