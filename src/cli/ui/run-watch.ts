// run-watch.ts — follows the journals of all runs of a store, begun before or after, by whoever
import { statSync } from 'node:fs';
import type { Identity } from '../../engine/model/process-identity.ts';
import type { RunStatus } from '../../engine/model/record.ts';
import { journalFile, journalIds, RunNotes, stateTeller } from '../../engine/store/journal.ts';
import { followJournal } from '../../engine/store/journal-follow.ts';
import { isLive } from '../../ui/progress.ts';
import { RunState } from '../../ui/run-state.ts';

/** A run that has a journal, or had one while it was followed. */
export interface FollowedRun {
  readonly state: RunState;
  /** Whether its journal is gone: its record is in the store. */
  isOver: boolean;
}

export interface RunWatch {
  readonly runs: ReadonlyMap<string, FollowedRun>;
  /** How far a run is, by what can be seen of its process, and when it was seen last. */
  statusOf(id: string): { readonly status: RunStatus; readonly seen: number };
  /** Ids of journals that this version cannot read: another one writes them. */
  readonly foreign: ReadonlySet<string>;
  /** How far runs are: changes when one begins, ends, or its process goes. */
  readonly states: string;
  /** Changes with everything that journals say, too. */
  readonly revision: string;
  /** Whether a run goes on. */
  readonly isBusy: boolean;
  close(): void;
}

/** How often to look for new runs. Watching a folder tells nothing on a network file system. */
const LOOK_MS = 500;
/** Runs that are over and were followed stay for their curves and logs; so many. */
const KEPT = 4;

/**
 * @param identity tells whether the process of a run is alive
 * @param onChange is called after something was read, often
 */
export function watchRuns(cache: string, identity: Identity, onChange: () => void): RunWatch {
  const runs = new Map<string, FollowedRun>();
  const seenAs = new Map<string, string>();
  const abort = new AbortController();
  const foreign = new Set<string>();
  const follow = async (id: string): Promise<void> => {
    let one: FollowedRun | undefined;
    let isGone = false;
    try {
      for await (const entry of followJournal(cache, id, abort.signal)) {
        if ('form' in entry) {
          foreign.add(id);
        } else if ('run' in entry) {
          if (one) one.state.restart(entry.run);
          else one = { state: new RunState(entry.run), isOver: false };
          runs.set(id, one);
        } else one?.state.apply(entry);
        onChange();
      }
      isGone = true;
    } catch {
      // A journal that cannot be read, or has lines that make no sense: what was read stays.
    }
    if (one) {
      one.isOver = true;
      if (isGone) one.state.releaseLogs();
    } else runs.delete(id);
    foreign.delete(id);
    seenAs.delete(id);
    onChange();
  };
  const following = new Set<string>();
  const look = (): void => {
    for (const id of journalIds(cache)) {
      if (following.has(id)) continue;
      following.add(id);
      void follow(id).finally(() => following.delete(id));
    }
    const over = [...runs].filter(([, { isOver }]) => isOver).map(([id]) => id);
    for (const id of over.slice(0, Math.max(0, over.length - KEPT))) runs.delete(id);
    // A process that was killed writes nothing more: its state alone changes.
    for (const [id, run] of runs) {
      if (run.isOver) continue;
      const { status } = statusOf(id);
      if (seenAs.get(id) !== status) onChange();
      seenAs.set(id, status);
    }
  };
  const statusOf = (id: string): { readonly status: RunStatus; readonly seen: number } => {
    const now = Date.now();
    const followed = runs.get(id);
    if (followed === undefined) return { status: 'finished', seen: now };
    const { run, end } = followed.state;
    let seen = now;
    try {
      seen = statSync(journalFile(cache, id)).mtimeMs;
    } catch {
      return { status: end?.end ?? 'finished', seen };
    }
    const notes = Object.assign(new RunNotes(), { end: end && { ...end } });
    return { status: stateTeller(identity, now)({ run, notes, seen }), seen };
  };
  const statesOf = (): readonly string[] => [
    ...[...runs].map(([id, { isOver }]) => `${id} ${isOver ? 'over' : statusOf(id).status}`),
    ...foreign,
  ];
  look();
  const timer = setInterval(look, LOOK_MS);
  return {
    runs,
    statusOf,
    foreign,
    get states() {
      return statesOf().join('\n');
    },
    get revision() {
      return [...statesOf(), ...[...runs.values()].map(({ state }) => state.revision)].join('\n');
    },
    get isBusy() {
      return [...runs].some(([id, { isOver }]) => !isOver && isLive(statusOf(id).status));
    },
    close() {
      clearInterval(timer);
      abort.abort();
    },
  };
}
