// run.ts — one run: executed, shown, written down
import type { Executor } from '../../engine/executors/executor.ts';
import { EXECUTORS, openExecutors } from '../../engine/executors/registry.ts';
import { failed } from '../../engine/model/action-result.ts';
import { debug } from '../../engine/model/debug-log.ts';
import type { Listener } from '../../engine/model/event.ts';
import type { RunStart } from '../../engine/model/record.ts';
import { watchSuspended } from '../../engine/process/suspended.ts';
import { type ExecuteOptions, execute, type RunResult } from '../../engine/scheduler/execute.ts';
import { executeIdle } from '../../engine/scheduler/idle.ts';
import type { HeadResults } from '../cluster/head-results.ts';
import { executorsHere } from '../cluster/placements.ts';
import { openRunRemote, type RunRemote } from '../remote/remote-session.ts';
import { outsideExecutors } from '../session/outside-executors.ts';
import { artifactsFolder } from '../session/places.ts';
import { host, identity, machine, newRunId } from '../session/this-process.ts';
import { count, warningOf } from '../terminal/format.ts';
import { provenanceWriter } from './provenance.ts';
import { RunClusters } from './run-clusters.ts';
import { summarise } from './run-end.ts';
import { openListeners, planned, type RunListeners } from './run-listeners.ts';
import { machineFor, mirrorsOf, type RunRequest, startOf, versionsHere } from './run-start.ts';
import type { Stop } from './stop.ts';

/** A name for a run that begins now. */
export const nextRunId = (): string => newRunId(new Date());

/** Runs a plan, reports on it and records it. */
export async function run(request: RunRequest): Promise<RunResult> {
  const { session, plan, options, stop } = request;
  const outside = await outsideExecutors();
  const here = machineFor(session, plan);
  const start = startOf(request);
  const listeners = openListeners(request, start);
  const { listener, history } = listeners;
  const unhear = hearEnds(stop, listeners);
  const remote = await remoteFor(request, listener);
  const unwatch = watchSuspended((message) => listener({ event: 'warning', message }));
  const clusters = new RunClusters(stop);
  const opened = openExecutors(here, () => [...outside, ...clusters.providers, ...EXECUTORS]);
  const executor = options.submitted ? withoutFolders(opened) : opened;
  const around = { start, listeners, remote, here, clusters };
  try {
    return await executed(request, around, executor);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    history.cut({ state: stop.signal.aborted ? 'interrupted' : 'aborted', error: message });
    throw error;
  } finally {
    listeners.close();
    unhear();
    unwatch();
    await remote?.close(0);
    await executor.close();
    await clusters.close();
  }
}

/** What a run has open. */
interface Surroundings {
  readonly start: RunStart;
  readonly listeners: RunListeners;
  readonly remote: RunRemote | undefined;
  readonly here: ReturnType<typeof machineFor>;
  readonly clusters: RunClusters;
}

/** Runs the tasks that are not up to date, and reports the result. */
async function executed(
  request: RunRequest,
  around: Surroundings,
  executor: Executor,
): Promise<RunResult> {
  const { session, plan, targets, options, stop, display, supersession } = request;
  const { remote, clusters } = around;
  const { listener, history } = around.listeners;
  const began = performance.now();
  listener(planned(plan, targets));
  for (const warning of session.pipeline.warnings) listener(warningOf(warning));
  const runOptions = executeOptions(request, around, executor);
  const idle = await idleResult(request, runOptions);
  if (idle === undefined) await clusters.open({ request, here: around.here, listener });
  const heads = idle === undefined ? await headResultsFor(request, listener) : undefined;
  const leaving = clusters.leaveWhenGiven(options, around.listeners);
  const result =
    idle ??
    (await execute(plan, {
      ...runOptions,
      ...(heads && { shared: heads.joint(remote) }),
      ...(leaving && { signal: AbortSignal.any([stop.signal, leaving.signal]) }),
      ...(clusters.away && { away: clusters.away }),
    }));
  await closeRemote(remote, performance.now() - began, listener);
  display.close();
  heads?.settle();
  const makers = makersOf(remote, heads);
  history.close({ ...result, interrupted: stop.signal.aborted, makers });
  const left = leaving?.tasks();
  if (left !== undefined) {
    const message = `left ${count(left, 'task')} to workers; \`pipeline make\` takes up what they make`;
    listener({ event: 'warning', message });
    return { ...result, ok: true };
  }
  // What people see is left to the run that took this one's place.
  if (supersession?.isSuperseded) return result;
  if (!options.json) summarise(session, plan, result, { ...options, makers });
  return result;
}

/** The result of a run that has nothing to do, where that is known of all of it. */
async function idleResult(
  { plan, known, forced }: RunRequest,
  options: ExecuteOptions,
): Promise<RunResult | undefined> {
  return known && forced.size === 0 ? executeIdle(plan, options, known) : undefined;
}

/** What the scheduler is told. */
function executeOptions(
  request: RunRequest,
  { start, listeners: { listener }, remote }: Surroundings,
  executor: Executor,
): ExecuteOptions {
  const { id, session, options, pool, stop, supersession, known, forced } = request;
  const { store, root, pipeline } = session;
  return {
    store,
    executor,
    listener,
    pool,
    policies: new Map([...pipeline.stages].map(([name, { policy }]) => [name, policy])),
    choices: {
      keepGoing: options.keepGoing ?? false,
      forced,
      mirrors: mirrorsOf(options, root, pipeline.mirrors),
    },
    artifacts: {
      folder: artifactsFolder(root),
      provenance: provenanceWriter({ plan: session.plan, store, run: start }),
    },
    self: { maker: { run: id, host, versions: versionsHere(), machine: machine() }, identity },
    clock: Date.now,
    signal: stop.signal,
    ...(supersession && { supersession }),
    ...(known && { known }),
    ...(remote && { shared: remote }),
  };
}

/** Says that a run is being stopped, and writes down that it was, however it ends. Gives what undoes that. */
function hearEnds({ signal, atEnd }: Stop, { listener, endAtOnce }: RunListeners): () => void {
  const announce = (): void => {
    const message = 'stopping at the next checkpoint; Ctrl-C again stops at once';
    listener({ event: 'warning', message });
  };
  atEnd.add(endAtOnce);
  signal.addEventListener('abort', announce, { once: true });
  return () => {
    atEnd.delete(endAtOnce);
    signal.removeEventListener('abort', announce);
  };
}

/** The remote of a run, if it has one. */
const remoteFor = (
  { session: { root, cache, pipeline, store }, options }: RunRequest,
  listener: Listener,
): Promise<RunRemote | undefined> =>
  openRunRemote({
    ...{ flags: options, root, cache, config: pipeline.remote, store },
    listener: {
      warn: (message) => listener({ event: 'warning', message }),
      note(message) {
        debug?.('remote', message);
        if (options.verbose) listener({ event: 'note', message });
      },
    },
  });

/** An executor on a disk that goes with its job: no folder of a failed command is kept there. */
const withoutFolders = (executor: Executor): Executor => ({
  name: executor.name,
  async execute(action, hooks, signal) {
    const result = await executor.execute(action, hooks, signal);
    if (result.status !== 'failed') return result;
    const { keptFolder: _, ...failure } = result.failure;
    return failed(failure);
  },
  checkpointNow: () => executor.checkpointNow(),
  close: () => executor.close(),
});

/** Results that heads left in depots of clusters. Undefined where there are none, and no executor is known. */
async function headResultsFor(
  { session, options }: RunRequest,
  listener: Listener,
): Promise<HeadResults | undefined> {
  if (executorsHere(session.pipeline).size === 0) return undefined;
  const { openHeadResults } = await import('../cluster/head-results.ts');
  return openHeadResults({
    session,
    isSubmitted: options.submitted !== undefined,
    warn: (message) => listener({ event: 'warning', message }),
    note(message) {
      if (options.verbose) listener({ event: 'note', message });
    },
  });
}

/** How many results came from elsewhere, by their makers. */
function makersOf(
  remote: RunRemote | undefined,
  heads: HeadResults | undefined,
): RunRemote['makers'] {
  const theirs = remote?.makers ?? {};
  return heads && heads.count > 0 ? { ...theirs, 'another head': heads.count } : theirs;
}

/** Fetches what is still to be fetched, and waits a while for what is being published. */
async function closeRemote(
  remote: RunRemote | undefined,
  run_ms: number,
  listener: Listener,
): Promise<void> {
  await remote?.fetchAll();
  const left = (await remote?.close(run_ms)) ?? 0;
  if (left === 0) return;
  const message = `${count(left, 'result')} still to be published: the next run or \`pipeline remote push\` goes on`;
  listener({ event: 'warning', message });
}
