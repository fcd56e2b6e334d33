// live-places.ts — where tasks run on a cluster and why jobs wait, from the journals of running makes
import type { ClusterJob } from '../../engine/model/event.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { Identity } from '../../engine/model/process-identity.ts';
import type { ActionRecord, RunRecord } from '../../engine/model/record.ts';
import {
  type JournalEntry,
  journalIds,
  type RunNotes,
  readJournal,
  stateTeller,
} from '../../engine/store/journal.ts';
import { plainName } from '../../plain-text.ts';
import { count, formatJobs } from '../terminal/format.ts';

/** Where a task runs: the executor and its class, such as `lab/gpu`, and the node. Empty for this machine. */
export interface TaskPlace {
  readonly on?: string;
  readonly node?: string;
}

/** A run that goes on and has tasks or jobs on a cluster. */
export interface LiveRun {
  readonly id: string;
  /** The tasks that run on a cluster now. */
  readonly tasks: ReadonlyMap<TaskId, TaskPlace>;
  /** By executor. */
  readonly jobs: ReadonlyMap<string, readonly ClusterJob[]>;
}

/** The runs that go on with tasks or jobs on a cluster. It reads their journals, and no store. */
export function liveRuns(cache: string, identity: Identity): readonly LiveRun[] {
  const stateOf = stateTeller(identity, Date.now());
  return journalIds(cache).flatMap((id) => {
    const found = readJournal(cache, id);
    if (found === undefined || !['running', 'unknown'].includes(stateOf(found))) return [];
    const live = liveIn(id, found.notes);
    return live.tasks.size + live.jobs.size > 0 ? [live] : [];
  });
}

/** What the journal of a run comes to. */
export function liveIn(id: string, notes: RunNotes): LiveRun {
  const tasks = new Map<TaskId, TaskPlace>();
  for (const task of Object.keys(notes.begun) as TaskId[]) {
    const place = placeOf(notes, task);
    if (!Object.hasOwn(notes.outcomes, task) && place.on !== undefined) tasks.set(task, place);
  }
  const jobs = new Map<string, readonly ClusterJob[]>();
  for (const [executor, entry] of notes.jobs) {
    const known = jobsIn(entry);
    if (known.length > 0) jobs.set(executor, known);
  }
  return { id, tasks, jobs };
}

function placeOf(notes: RunNotes, task: TaskId): TaskPlace {
  const { on, node } = notes.startOf(task) ?? {};
  return {
    ...(typeof on === 'string' && { on }),
    ...(typeof node === 'string' && { node }),
  };
}

/** The jobs of an entry; what has not the form of one is left out. */
function jobsIn(entry: JournalEntry): readonly ClusterJob[] {
  if (!('event' in entry) || entry.event.event !== 'jobs' || !Array.isArray(entry.event.jobs)) {
    return [];
  }
  return (entry.event.jobs as readonly Partial<ClusterJob>[]).filter(
    (job): job is ClusterJob =>
      typeof job?.class === 'string' && typeof job.state === 'string' && Number.isFinite(job.tasks),
  );
}

/**
 * Where a task of a run runs or ran. While the run has a journal that tells the executor, class and node; afterwards the
 * record of a result tells the node, if that is not the machine of the run itself.
 */
export function placeIn(
  cache: string,
  { id, host }: RunRecord,
  task: TaskId,
  record: ActionRecord | undefined,
): TaskPlace {
  const noted = readJournal(cache, id);
  const place = noted ? placeOf(noted.notes, task) : {};
  if (place.on !== undefined) return place;
  const node = record?.made.host ?? host;
  return node === host ? {} : { node };
}

/** `on node-3 (lab/gpu)`; empty for this machine. */
export function formatPlace({ on, node }: TaskPlace): string {
  if (on !== undefined && node !== undefined) return `on ${plainName(node)} (${plainName(on)})`;
  const place = node ?? on;
  return place === undefined ? '' : `on ${plainName(place)}`;
}

/** Lines of a kind that are shown; the rest is counted. */
const SHOWN = 16;

/** What goes on in a run, in lines. @param show whether to list the tasks, too */
export function formatLive(
  { id, tasks, jobs }: LiveRun,
  show: { readonly tasks: boolean },
): readonly string[] {
  const lines = [...jobs].flatMap(([executor, all]) => {
    const waiting = all.filter(({ state }) => state !== 'running').map(waitingLine);
    return [...formatJobs(executor, all), ...some(waiting, 'waiting job')];
  });
  if (show.tasks) {
    const running = [...tasks].map(([task, place]) => `  ${task} runs ${formatPlace(place)}`);
    lines.push(...some(running, 'running task'));
  }
  return lines.length === 0 ? [] : [`now, in run ${id}:`, ...lines].map(plainName);
}

function waitingLine({ job, class: name, state, reason }: ClusterJob): string {
  const called = job === null ? 'a job' : `job ${job}`;
  const why =
    reason ?? (state === 'pending' ? 'no reason is known' : 'it was asked for and has not started');
  return `    ${called} of ${name} waits: ${why}`;
}

function some(lines: readonly string[], noun: string): readonly string[] {
  const more = lines.length - SHOWN;
  return more > 0 ? [...lines.slice(0, SHOWN), `  and ${count(more, noun)} more`] : lines;
}
