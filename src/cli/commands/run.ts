// run.ts — one run: executed, shown, written down
import { join, resolve } from 'node:path';
import type { Pipeline } from '../../engine/config/config.ts';
import type { Executor } from '../../engine/executors/executor.ts';
import type { LocalMachine } from '../../engine/executors/machine.ts';
import { EXECUTORS, openExecutors } from '../../engine/executors/registry.ts';
import { failed } from '../../engine/model/action-result.ts';
import { debug } from '../../engine/model/debug-log.ts';
import type { Event, Listener } from '../../engine/model/event.ts';
import { EVENTS_VERSION } from '../../engine/model/event.ts';
import type { Json, Named, TaskId } from '../../engine/model/key.ts';
import { instanceOf } from '../../engine/model/process-identity.ts';
import type { RunStart } from '../../engine/model/record.ts';
import { searchPath } from '../../engine/planning/external-inputs.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { watchSuspended } from '../../engine/process/suspended.ts';
import type { KnownResults } from '../../engine/rebuilder/forecast.ts';
import { type ExecuteOptions, execute, type RunResult } from '../../engine/scheduler/execute.ts';
import { executeIdle } from '../../engine/scheduler/idle.ts';
import type { ResourcePool } from '../../engine/scheduler/resource-pool.ts';
import type { Supersession } from '../../engine/scheduler/superseded.ts';
import { recordRun } from '../../engine/store/history.ts';
import { storedBytes } from '../../engine/store/store.ts';
import type { HeadResults } from '../cluster/head-results.ts';
import type { OpenClusters } from '../cluster/open-cluster.ts';
import { executorsHere } from '../cluster/placements.ts';
import { openRunRemote, type RunRemote } from '../remote/remote-session.ts';
import type { FinishNotice, RunEnd } from '../session/finish-notice.ts';
import { checkFolder } from '../session/output-files.ts';
import { outsideExecutors } from '../session/outside-executors.ts';
import { ownSettings } from '../session/own-settings.ts';
import { provenanceWriter } from '../session/provenance.ts';
import {
  artifactsFolder,
  askedWords,
  type CommonOptions,
  stderrColors as c,
  EXIT,
  host,
  identity,
  machine,
  newRunId,
  type Session,
  workerCommand,
  writeStderr,
  writeStdout,
} from '../session/session.ts';
import { sourceDigests } from '../session/source-digests.ts';
import type { Stop } from '../session/stop.ts';
import { openTrace } from '../session/trace-file.ts';
import { isIdle, nothingToDo } from '../session/up-to-date-shortcut.ts';
import { mirrorSettings, storeLimitSetting } from '../settings/settings.ts';
import { createDisplay, type Display } from '../terminal/display.ts';
import { count, duration, shownPath, warningOf } from '../terminal/format.ts';

/** Filled in by the build. */
declare const VERSION: string;
declare const ESBUILD_VERSION: string;

/** What a run is told on the command line. */
export interface RunOptions extends CommonOptions {
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  readonly trace?: string;
  readonly mirror: readonly string[];
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly remote?: string;
  readonly remoteFetch?: string;
  /** Where tasks run, in place of what stages say. */
  readonly on?: string;
  /** Leaves when all that can be given to workers of clusters has been. */
  readonly detach?: boolean;
  /** What to call the run. */
  readonly name?: string;
  /** Of a head that runs as a job: puts its own store in place of that of the session. */
  readonly submitted?: (session: Session) => Promise<Session>;
}

/** What is to be run. */
export interface RunRequest {
  readonly id: string;
  readonly session: Session;
  readonly plan: Plan;
  readonly targets: readonly string[];
  readonly forced: ReadonlySet<TaskId>;
  readonly options: RunOptions;
  readonly pool: ResourcePool;
  readonly stop: Stop;
  readonly display: Display;
  /** Hears what happens beside the display. */
  readonly hear: Listener;
  readonly supersession?: Supersession;
  /** Records that the store is known to hold. */
  readonly known?: KnownResults;
}

/** A name for a run that begins now. */
export const nextRunId = (): string => newRunId(new Date());

/** Runs a plan, reports on it and records it. */
export async function run(request: RunRequest): Promise<RunResult> {
  const { id, session, plan, targets, options, pool, stop, display, supersession, known } = request;
  const { store, root, pipeline } = session;
  const outside = await outsideExecutors();
  const here = machineFor(session, plan);
  const trace =
    options.trace === undefined
      ? undefined
      : openTrace(options.trace, monotonic, ({ message }) => {
          const told = `the trace cannot be written, and ends here: ${message}`;
          display.listener({ event: 'warning', message: told });
        });
  const startedAt = new Date().toISOString();
  const versions = { node: process.version, pipeline: VERSION, esbuild: ESBUILD_VERSION };
  const start = { ...factsOf(session, id, versions, targets, options), started: startedAt };
  const history = recordRun(store.history, start, Date.now);
  const runningHere = new Set<TaskId>();
  const listener: Listener = (event) => {
    if (event.event === 'started' && event.on === undefined) runningHere.add(event.task);
    else if (event.event === 'built' || event.event === 'failed') runningHere.delete(event.task);
    request.hear(event);
    history.listener(event);
    display.listener(event);
    trace?.listener(event);
  };
  const { signal, atEnd, atHangUp } = stop;
  const endAtOnce = (): void => {
    history.cut({ state: 'interrupted' });
    trace?.close();
  };
  const announce = (): void => {
    const message = 'stopping at the next checkpoint; Ctrl-C again stops at once';
    listener({ event: 'warning', message });
  };
  atEnd.add(endAtOnce);
  signal.addEventListener('abort', announce, { once: true });
  const remote = await openRunRemote({
    ...{ flags: options, root, cache: session.cache, config: pipeline.remote, store },
    listener: {
      warn: (message) => listener({ event: 'warning', message }),
      note(message) {
        debug?.('remote', message);
        if (options.verbose) listener({ event: 'note', message });
      },
    },
  });
  const began = performance.now();
  const unwatch = watchSuspended((message) => listener({ event: 'warning', message }));
  let clusters: OpenClusters | undefined;
  const endClusters = (): void => clusters?.endNow();
  atEnd.add(endClusters);
  const leaveClusters = async (): Promise<void> => void (await clusters?.detach());
  atHangUp.add(leaveClusters);
  const opened = openExecutors(here, () => [
    ...outside,
    ...(clusters?.providers ?? []),
    ...EXECUTORS,
  ]);
  const executor = options.submitted ? withoutFolders(opened) : opened;
  try {
    listener(planned(plan, targets));
    for (const warning of pipeline.warnings) listener(warningOf(warning));
    let runOptions: ExecuteOptions = {
      store,
      executor,
      listener,
      pool,
      policies: new Map([...pipeline.stages].map(([name, { policy }]) => [name, policy])),
      choices: {
        keepGoing: options.keepGoing ?? false,
        forced: request.forced,
        mirrors: mirrorsOf(options, root, pipeline.mirrors),
      },
      artifacts: {
        folder: artifactsFolder(root),
        provenance: provenanceWriter({ plan: session.plan, store, run: start }),
      },
      self: { maker: { run: id, host, versions, machine: machine() }, identity },
      clock: Date.now,
      signal,
      ...(supersession && { supersession }),
      ...(known && { known }),
      ...(remote && { shared: remote }),
    };
    const idle =
      known && request.forced.size === 0 ? await executeIdle(plan, runOptions, known) : undefined;
    if (idle === undefined && mayBeAway(session, options)) {
      const { openClusters } = await import('../cluster/open-cluster.ts');
      clusters = await openClusters({
        ...{ session, plan, machine: here, run: id, listener, on: options.on },
        totals: pool.totals,
        isSubmitted: options.submitted !== undefined,
      });
    }
    const heads = idle === undefined ? await headResultsFor(request, listener) : undefined;
    if (heads) runOptions = { ...runOptions, shared: heads.joint(remote) };
    const away = clusters && { away: clusters.away };
    const leaving = new AbortController();
    let detached: number | undefined;
    if (options.detach && clusters) {
      void clusters
        .detachWhenGiven(() => runningHere.size > 0)
        .then((tasks) => {
          detached = tasks;
          leaving.abort();
        });
      runOptions = { ...runOptions, signal: AbortSignal.any([signal, leaving.signal]) };
    }
    const result = idle ?? (await execute(plan, { ...runOptions, ...away }));
    await closeRemote(remote, performance.now() - began, listener);
    display.close();
    heads?.settle();
    const makers = makersOf(remote, heads);
    history.close({ ...result, interrupted: signal.aborted, makers });
    if (detached !== undefined) {
      const message = `left ${count(detached, 'task')} to workers; \`pipeline make\` takes up what they make`;
      listener({ event: 'warning', message });
      return { ...result, ok: true };
    }
    // What people see is left to the run that took this one's place.
    if (supersession?.isSuperseded) return result;
    if (!options.json) summarise(session, plan, result, { ...options, makers });
    return result;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    history.cut({ state: signal.aborted ? 'interrupted' : 'aborted', error: message });
    throw error;
  } finally {
    display.close();
    trace?.close();
    atEnd.delete(endAtOnce);
    signal.removeEventListener('abort', announce);
    unwatch();
    await remote?.close(0);
    await executor.close();
    await clusters?.close();
    atEnd.delete(endClusters);
    atHangUp.delete(leaveClusters);
  }
}

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

/** Whether stages may run elsewhere: whether anything says so. */
const mayBeAway = ({ pipeline }: Session, { on }: RunOptions): boolean =>
  on !== undefined || [...pipeline.stages.values()].some(({ policy }) => policy.on !== undefined);

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

/** The exit code of a make that ended so. */
export function codeOf({ ok }: RunResult, signal: AbortSignal): number {
  if (signal.aborted) return EXIT.interrupted;
  return ok ? EXIT.success : EXIT.failed;
}

/** The end of a run that an error ended that was no task's own. */
export const ABORTED: RunEnd = { state: 'aborted', exit: EXIT.usage };

/** How a run ended. Undefined where there was nothing to do: such a run is not remembered either. */
export function endOf(result: RunResult, signal: AbortSignal): RunEnd | undefined {
  if (result.ran === 0 && result.tally.interrupted === 0) return undefined;
  const exit = codeOf(result, signal);
  const state = signal.aborted ? 'interrupted' : result.ok ? 'finished' : 'failed';
  const failed = [...result.outcomes].flatMap(([id, outcome]) =>
    outcome === 'failed' ? [id] : [],
  );
  return { state, exit, tally: result.tally, failed };
}

/** Tells of the end of a run. That this fails changes nothing: it is a warning. */
export async function tellEnd(
  notice: FinishNotice,
  end: RunEnd,
  { json = false }: Pick<CommonOptions, 'json'>,
): Promise<void> {
  const message = await notice.tell(end);
  if (message === undefined) return;
  if (json) writeStdout(JSON.stringify({ event: 'warning', message } satisfies Event));
  else writeStderr(`${c.yellow('warning')}: ${message}`);
}

/** What executors draw on here. */
function machineFor({ root, cache, store }: Session, { stages, tasks }: Plan): LocalMachine {
  const bundles = new Map([...stages.values()].map(({ code }) => [code.digest, code]));
  return {
    root,
    cache,
    scratch: join(cache, 'scratch'),
    path: searchPath(process.env),
    environment: process.env,
    homes: join(cache, 'homes'),
    environmentOf: environmentsOf(tasks),
    identity,
    blobs: store.blobs,
    worker: workerCommand,
    bundle(code) {
      const bundle = bundles.get(code);
      if (bundle === undefined) throw new Error(`bug: there is no bundle ${code}`);
      return bundle;
    },
    projectFile: ({ name }) => resolve(root, name),
  };
}

/** The environments of Python in which the stages of a plan run, by stage. */
function environmentsOf(tasks: Plan['tasks']): Required<LocalMachine>['environmentOf'] {
  const places = new Map(
    [...tasks.values()].map(({ stage, command }) => [stage, command?.environment?.place]),
  );
  return (stage) => places.get(stage);
}

/** The first event of a run. */
export const planned = (plan: Plan, targets: readonly string[]): Event => ({
  event: 'planned',
  version: EVENTS_VERSION,
  tasks: plan.tasks.size,
  targets,
});

const monotonic = (): number => performance.now();

/** Mirrors, nearest first. */
function mirrorsOf(
  { mirror: flags }: RunOptions,
  root: string,
  declared: Pipeline['mirrors'],
): readonly string[] {
  const found = mirrorSettings({ flags, declared, root }, ownSettings());
  for (const { value, origin } of found) {
    const isNamedNow = origin.kind === 'flag' || origin.kind === 'variable';
    if (isNamedNow && !/^https?:\/\//.test(value)) checkFolder(value, MIRROR_WORDS);
  }
  return found.map(({ value }) => value);
}

const MIRROR_WORDS = '--mirror or PIPELINE_MIRROR';

/** What shows a run, for people or programs. */
export async function openDisplay(plan: Plan, options: RunOptions): Promise<Display> {
  const { json, quiet = false } = options;
  if (json)
    return { listener: (event) => writeStdout(JSON.stringify(event)), close: () => undefined };
  const shown = { plan, stream: process.stderr, colors: c, clock: Date.now };
  return createDisplay({ ...shown, quiet, asked: askedWords(options) });
}

/** What the history keeps of a run beside what happens in it. */
function factsOf(
  session: Session,
  id: string,
  versions: Named<string>,
  targets: readonly string[],
  { preset, params: paramsFiles, set, file, name }: RunOptions,
): Omit<RunStart, 'started'> {
  const { pipeline, root } = session;
  const command = withoutPasswords(process.argv.slice(2).join(' '));
  const params = pipeline.params.value as Named<Json>;
  const { pid } = process;
  const life = instanceOf(pid);
  const self = { host, pid, ...(life && { life }) };
  const asked = { command, targets, presets: preset, sets: set, params };
  const axes = [...pipeline.stages].map(([stage, config]) => [stage, [...config.axes.keys()]]);
  const made = { axes: Object.fromEntries(axes), sources: sourceDigests(root, file, session) };
  const called = name === undefined ? {} : { name };
  const laid = paramsFiles.length === 0 ? {} : { paramsFiles };
  return { id, host, ...asked, ...laid, versions, process: self, ...made, ...called };
}

/** A mirror may have a password in its URL: no record has it. */
const withoutPasswords = (command: string): string =>
  command.replace(/(https?:\/\/)[^\s/@]+@/g, '$1***@');

/** Keeps the store within its limit. */
export async function keepWithin(session: Session, json: boolean): Promise<void> {
  const { store, pipeline } = session;
  const { value: limit } = storeLimitSetting(pipeline.storeLimit, ownSettings());
  if (store.upkeep === undefined || storedBytes(store.upkeep) <= limit) return;
  const { collectToLimit } = await import('./gc.ts');
  const message = await collectToLimit(session, store.upkeep, limit);
  if (message === undefined) return;
  if (json) writeStdout(JSON.stringify({ event: 'warning', message } satisfies Event));
  else writeStderr(`${c.yellow('warning')} ${message}`);
}

/** How many tasks were stopped, and how many of them the next make continues. */
function formatStopped(stopped: number, resumable: number): readonly string[] {
  if (stopped === 0) return [];
  if (resumable === stopped) return [c.yellow(`${stopped} to be continued`)];
  const some = resumable > 0 ? `, ${resumable} of them to be continued` : '';
  return [c.yellow(`${stopped} stopped${some}`)];
}

/** One sentence about the run, then the artifacts on stdout. */
function summarise(
  session: Session,
  plan: Plan,
  { tally, seconds, traces, ran, resumable }: RunResult,
  { quiet, keepGoing, makers }: RunOptions & { readonly makers: Named<number> },
): void {
  const theirs = Object.entries(makers).map(([by, n]) => `${n} made by ${by}`);
  const parts = [
    `${tally.built} built`,
    `${tally.reused} reused${theirs.length > 0 ? ` (${theirs.join(', ')})` : ''}`,
    ...(tally.infeasible > 0 ? [c.yellow(`${tally.infeasible} infeasible`)] : []),
    ...(tally.failed > 0 ? [c.red(`${tally.failed} failed`)] : []),
    ...(tally.skipped > 0 ? [c.yellow(`${tally.skipped} not made`)] : []),
    ...formatStopped(tally.interrupted, resumable.size),
  ];
  const nothing = ran === 0 && theirs.length === 0 && isIdle(tally, plan.tasks.size);
  const line = nothing
    ? nothingToDo(tally, seconds, c)
    : `${count(plan.tasks.size, 'task')}: ${parts.join(', ')} ${c.dim(`(${duration(seconds)})`)}`;
  if (!quiet) writeStderr(line);
  if (tally.failed > 0 && tally.skipped > 0 && !keepGoing && !quiet) {
    writeStderr(c.dim('--keep-going continues with tasks that do not need the failed ones'));
  }
  for (const task of plan.tasks.values()) {
    if (!traces.has(task.id)) continue;
    for (const path of Object.values(task.artifacts)) {
      writeStdout(shownPath(join(artifactsFolder(session.root), path)));
    }
  }
}
