// head-results.ts — the results that other heads left in the depots, as a run takes them
import { existsSync, readdirSync } from 'node:fs';
import { DepotLayout, depotFolder, openLayout, projectId } from '../../cluster/layout.ts';
import { jointResults, LoggedResults } from '../../cluster/records/logged-results.ts';
import {
  headFolder,
  isOpen,
  submissionStates,
  submissionsIn,
} from '../../cluster/records/submission.ts';
import { dropSubmitted, submittedNotes } from '../../cluster/records/submitted-notes.ts';
import type { ExecutorConfig } from '../../engine/config/executors.ts';
import { isSystemError, systemSentence } from '../../engine/files/system-error.ts';
import type { ActionRecord } from '../../engine/model/record.ts';
import { openRunTable } from '../../engine/store/run-table.ts';
import type { SharedResults } from '../../engine/store/shared-results.ts';
import type { Store } from '../../engine/store/store.ts';
import type { Session } from '../session/session.ts';
import { identity } from '../session/this-process.ts';
import { batchFor } from './open-batch.ts';
import { executorsHere } from './placements.ts';

/** What a run takes from other heads. */
export interface HeadResults {
  /** Results of other heads, and of a remote where there is one. */
  joint(remote: SharedResults | undefined): SharedResults;
  /** How many results were taken. */
  readonly count: number;
  /** To be called when the run is over: what ended heads left is here now. */
  settle(): void;
}

/** What it is opened for. */
export interface HeadResultsRequest {
  readonly session: Session;
  /** This run is that of a submitted head: it lacks nothing but results. */
  readonly isSubmitted: boolean;
  warn(message: string): void;
  note(message: string): void;
}

/** The depots of executors in which other heads of a study left something. Undefined where there are none. */
export async function openHeadResults(
  request: HeadResultsRequest,
): Promise<HeadResults | undefined> {
  const { session, isSubmitted, warn } = request;
  const project = projectId(session.root);
  const parts: DepotResults[] = [];
  for (const config of depotsHere(session)) {
    const folder = depotFolder(config.depot);
    const layout = new DepotLayout(folder);
    if (!existsSync(layout.recordsOf(project)) && !existsSync(layout.headsOf(project))) continue;
    try {
      parts.push(await openDepotResults(config, request));
    } catch (error) {
      // A depot that is gone or damaged costs results, and no run.
      const why = isSystemError(error) ? systemSentence(error) : (error as Error).message;
      warn(`results of other heads are not looked for in ${folder}: ${why}`);
    }
  }
  if (parts.length === 0) return undefined;
  return {
    joint: (remote) =>
      parts.reduceRight<SharedResults | undefined>(
        (rest, { results }) => jointResults(results, rest),
        remote,
      ) as SharedResults,
    get count() {
      return parts.reduce((sum, part) => sum + part.count(), 0);
    },
    settle() {
      if (!isSubmitted) for (const part of parts) part.settle();
    },
  };
}

/** The executors that are known here, each depot once. */
function depotsHere({ pipeline }: Session): readonly ExecutorConfig[] {
  const byFolder = new Map<string, ExecutorConfig>();
  for (const config of executorsHere(pipeline).values()) {
    const folder = depotFolder(config.depot);
    if (!byFolder.has(folder)) byFolder.set(folder, config);
  }
  return [...byFolder.values()];
}

interface DepotResults {
  readonly results: SharedResults;
  count(): number;
  settle(): void;
}

async function openDepotResults(
  config: ExecutorConfig,
  { session, isSubmitted, warn, note }: HeadResultsRequest,
): Promise<DepotResults> {
  const { store, root, cache, pipeline } = session;
  const project = projectId(root);
  const layout = openLayout(depotFolder(config.depot), project);
  let count = 0;
  const found = ({ task, made }: ActionRecord): void => {
    count += 1;
    note(`${task} was made by another head on ${made.host}`);
  };
  const { trust } = pipeline.remote;
  const results = new LoggedResults({ layout, project, store, trust, found });
  const ended: string[] = [];
  if (!isSubmitted) {
    const ids = submissionsIn(layout, project);
    const states = await submissionStates(
      layout,
      project,
      ids,
      batchFor(config, layout.logsOf(project)),
    );
    for (const [id, state] of states) {
      if ('sight' in state) {
        const where = state.sight.node ? ` on ${state.sight.node}` : '';
        warn(
          `job ${state.sight.id}${where} makes this study, too: what both make now is made twice`,
        );
      }
      if (!isOpen(state)) ended.push(id);
      settleJournals(headFolder(layout, project, id), store);
    }
    await results.takeRuns();
  }
  const settle = (): void => {
    const known = submittedNotes(cache).map(({ id }) => id);
    for (const id of ended) if (known.includes(id)) dropSubmitted(cache, id);
  };
  return { results, count: () => count, settle };
}

/** Runs of heads that were killed, or never wrote their record, are kept here. */
function settleJournals(folder: string, store: Store): void {
  if (!existsSync(`${folder}/runs`) || readdirSync(`${folder}/runs`).length === 0) return;
  const { history } = store;
  openRunTable({
    folder,
    identity,
    runs: {
      get: (id) => history.run(id),
      doesExist: (id) => history.run(id) !== undefined,
      newest: (limit) => history.runs(limit),
    },
    log: (run, task) => history.log(run, task),
    trace: () => undefined,
    putRun: (run, logs) => history.put(run, logs),
  }).settle();
}
