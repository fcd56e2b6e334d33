// make.ts — pipeline make: plan, run, tell

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { forecast } from '../pipeline/action.ts';
import { estimate } from '../pipeline/estimate.ts';
import { EVENTS_VERSION, type Event, type Listener } from '../pipeline/event.ts';
import { execute, type RunResult } from '../pipeline/execute.ts';
import { type RunFacts, recordRun } from '../pipeline/history.ts';
import type { Digest, Json, Named, TaskId } from '../pipeline/key.ts';
import { isNetworkFolder } from '../pipeline/lmdb-root.ts';
import { type Plan, restsOnFiles } from '../pipeline/plan.ts';
import { runningGroups } from '../pipeline/shell.ts';
import type { Store } from '../pipeline/store.ts';
import { createWorkers } from '../pipeline/workers.ts';
import { createDisplay, type Display, lineFor } from './display.ts';
import { tellForecast } from './forecast.ts';
import { isIdle, nothingToDo, type Witness, witness } from './noop.ts';
import { companionsOf, writeProvenance } from './provenance.ts';
import {
  artifactsFolder,
  type CommonOptions,
  stderrColors as c,
  EXIT,
  host,
  newRunId,
  openSession,
  planFor,
  resolveTargets,
  type Session,
  talk,
  tell,
  workerCommand,
} from './session.ts';
import { openTrace } from './trace.ts';
import { count, duration, shownPath } from './words.ts';

/** Filled in by the build. */
declare const VERSION: string;
declare const ESBUILD_VERSION: string;

interface MakeOptions extends CommonOptions {
  readonly jobs?: number;
  readonly dryRun?: boolean;
  readonly keepGoing?: boolean;
  /** Tasks to run again; true: all that are named as targets. */
  readonly force: readonly (string | true)[];
  readonly trace?: string;
  readonly mirror: readonly string[];
  readonly quiet?: boolean;
  readonly verify?: boolean;
}

/** Makes targets and what they need. */
export async function make(targets: readonly string[], options: MakeOptions): Promise<number> {
  const witnessed = witness(options, targets);
  const session = await openSession(options, options.dryRun ? 'read' : 'write');
  let keep = (): void => undefined;
  try {
    const plan = planFor(session.plan, targets);
    if (options.verify) await verifyStore(session.store);
    const forced = new Set(options.force.flatMap((task) => resolveForced(plan, task, targets)));
    if (options.dryRun) {
      if (options.json) tell(JSON.stringify(planned(plan, targets)));
      const fates = forecast(plan, session.store, forced);
      const slots = options.jobs ?? availableParallelism();
      const cost = estimate(plan, fates, session.store);
      tellForecast(fates, cost, { slots, json: options.json ?? false });
      return EXIT.made;
    }
    const { code, result } = await run(session, plan, forced, targets, options, witnessed);
    // Not before the workers are gone: they read the store, too.
    if (result.tally.built > 0) await keepWithin(session, options.json ?? false);
    if (forced.size === 0) keep = () => keepWitness(witnessed, session, plan, result.traces);
    return code;
  } finally {
    await session.store.close();
    keep();
  }
}

/** Keeps for the next make that there was nothing to do, unless that rests on more than files. */
function keepWitness(
  witnessed: Witness,
  { text, sources, root, cache }: Session,
  plan: Plan,
  traces: RunResult['traces'],
): void {
  if (!restsOnFiles(plan) || isNetworkFolder(cache)) return;
  const artifacts = new Map<string, Digest>();
  for (const task of plan.tasks.values()) {
    for (const [output, path] of Object.entries(task.artifacts)) {
      const made = traces.get(task.id)?.outputs[output];
      if (made) artifacts.set(join(artifactsFolder(root), path), made.digest);
    }
  }
  witnessed.keep({
    text,
    sources,
    tasks: plan.tasks.size,
    artifacts,
    companions: companionsOf(plan, artifactsFolder(root)),
    lineFor: (event, colors) => lineFor(event, { running: new Map(), made: new Set() }, colors),
  });
}

const planned = (plan: Plan, targets: readonly string[]): Event => ({
  event: 'planned',
  version: EVENTS_VERSION,
  tasks: plan.tasks.size,
  targets,
});

async function run(
  session: Session,
  plan: Plan,
  forced: ReadonlySet<TaskId>,
  targets: readonly string[],
  options: MakeOptions,
  { hear }: Witness,
): Promise<{ readonly code: number; readonly result: RunResult }> {
  const { store, root, cache, pipeline } = session;
  const workers = createWorkers(workerCommand);
  const display = options.json ? jsonDisplay() : peopleDisplay(plan, options.quiet ?? false);
  const trace = options.trace === undefined ? undefined : openTrace(options.trace, monotonic);
  const id = newRunId(new Date());
  const startedAt = new Date().toISOString();
  const versions = { node: process.version, pipeline: VERSION, esbuild: ESBUILD_VERSION };
  const history = recordRun(store, factsOf(session, id, versions, targets, options), Date.now);
  const listener: Listener = (event) => {
    hear(event);
    history.listener(event);
    display.listener(event);
    trace?.listener(event);
  };
  const stopNow = (): void => trace?.close();
  const { signal, release } = stopSignal(() => {
    const message = 'stopping at the next checkpoint; Ctrl-C again stops at once';
    listener({ event: 'warning', message });
  }, stopNow);
  try {
    listener(planned(plan, targets));
    const result = await execute(plan, {
      store,
      workers,
      listener,
      slots: options.jobs ?? availableParallelism(),
      resources: pipeline.resources,
      policies: new Map([...pipeline.stages].map(([name, { policy }]) => [name, policy])),
      keepGoing: options.keepGoing ?? false,
      forced,
      mirrors: mirrorsOf(options, root, pipeline.mirrors),
      root,
      scratch: join(session.cache, 'scratch'),
      cache,
      artifacts: artifactsFolder(root),
      maker: { run: id, host, versions },
      identity: { host, pid: process.pid, exists: processExists },
      clock: Date.now,
      signal,
    });
    display.close();
    history.close(result);
    const command = `pipeline ${process.argv.slice(2).join(' ')}`;
    const facts = { id, command, host, at: startedAt };
    await writeProvenance(plan, result, artifactsFolder(root), facts);
    if (!options.json) summarise(session, plan, result, options);
    return { code: codeOf(result, signal), result };
  } finally {
    display.close();
    trace?.close();
    release();
    await workers.close();
  }
}

const monotonic = (): number => performance.now();

/** What `--force` names; without a name, the targets, or everything when there are none. */
function resolveForced(
  plan: Plan,
  task: string | true,
  targets: readonly string[],
): readonly TaskId[] {
  return resolveTargets(plan, task === true ? targets : [task]);
}

function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function codeOf({ ok }: RunResult, signal: AbortSignal): number {
  if (signal.aborted) return EXIT.interrupted;
  return ok ? EXIT.made : EXIT.failed;
}

/** Mirrors, nearest first: the command line, the environment, pipeline.yaml (relative to its folder). */
function mirrorsOf(
  { mirror }: MakeOptions,
  root: string,
  declared: readonly string[],
): readonly string[] {
  const fromEnvironment = process.env.PIPELINE_MIRROR ? [process.env.PIPELINE_MIRROR] : [];
  const relativeToRoot = declared.map((place) =>
    /^https?:\/\//.test(place) || place.startsWith('/') ? place : join(root, place),
  );
  return [...mirror, ...fromEnvironment, ...relativeToRoot];
}

const jsonDisplay = (): Display => ({
  listener: (event: Event) => tell(JSON.stringify(event)),
  close: () => undefined,
});

function peopleDisplay(plan: Plan, quiet: boolean): Display {
  return createDisplay({ plan, stream: process.stderr, colors: c, clock: Date.now, quiet });
}

/** Ends this process, and the programs that commands run: they are in groups of their own, which Ctrl-C spares. */
function endNow(): never {
  for (const group of runningGroups()) {
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
  process.exit(EXIT.interrupted);
}

/** Ctrl-C once: stop at the next checkpoints. Twice: stop now. */
function stopSignal(
  announce: () => void,
  stopNow: () => void,
): { readonly signal: AbortSignal; release(): void } {
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) {
      stopNow();
      endNow();
    }
    stop.abort();
    announce();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: stop.signal,
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

/** What the history keeps of a run beside what happens in it. */
function factsOf(
  { pipeline }: Session,
  id: string,
  versions: Named<string>,
  targets: readonly string[],
  { preset, set }: MakeOptions,
): RunFacts {
  const command = process.argv.slice(2).join(' ');
  const params = pipeline.params.value as Named<Json>;
  return { id, host, command, targets, presets: preset, sets: set, params, versions };
}

/** Reads every blob before anything is taken from the store: what is damaged is dropped, and made again. */
async function verifyStore(store: Store): Promise<void> {
  if (store.upkeep === undefined) return;
  const { examine, repair } = await import('../pipeline/examine.ts');
  const defects = examine(store.upkeep, Date.now(), () => undefined);
  repair(store.upkeep, defects);
  const bad = defects.filter(({ kind }) => kind !== 'dead claim').length;
  if (bad > 0)
    talk(`${c.yellow('warning')}: ${count(bad, 'defect')} in the store, to be made again`);
}

/** Keeps the store within its limit. */
async function keepWithin(session: Session, json: boolean): Promise<void> {
  const { store, pipeline } = session;
  if (store.upkeep === undefined || store.upkeep.bytes() <= pipeline.storeLimit) return;
  const { collectToLimit } = await import('./gc.ts');
  const message = await collectToLimit(session, store.upkeep);
  if (message === undefined) return;
  if (json) tell(JSON.stringify({ event: 'warning', message } satisfies Event));
  else talk(`${c.yellow('warning')} ${message}`);
}

/** One sentence about the run, then the artifacts on stdout. */
function summarise(
  session: Session,
  plan: Plan,
  { tally, seconds, traces, ran }: RunResult,
  { quiet, keepGoing }: MakeOptions,
): void {
  const parts = [
    `${tally.built} built`,
    `${tally.reused} reused`,
    ...(tally.infeasible > 0 ? [c.yellow(`${tally.infeasible} infeasible`)] : []),
    ...(tally.failed > 0 ? [c.red(`${tally.failed} failed`)] : []),
    ...(tally.skipped > 0 ? [c.yellow(`${tally.skipped} not made`)] : []),
    ...(tally.interrupted > 0 ? [c.yellow(`${tally.interrupted} to be continued`)] : []),
  ];
  const nothing = ran === 0 && isIdle(tally, plan.tasks.size);
  const line = nothing
    ? nothingToDo(tally, seconds, c)
    : `${count(plan.tasks.size, 'task')}: ${parts.join(', ')} ${c.dim(`(${duration(seconds)})`)}`;
  if (!quiet) talk(line);
  if (tally.failed > 0 && tally.skipped > 0 && !keepGoing && !quiet) {
    talk(c.dim('--keep-going makes what does not need the failed tasks'));
  }
  for (const task of plan.tasks.values()) {
    if (!traces.has(task.id)) continue;
    for (const path of Object.values(task.artifacts)) {
      tell(shownPath(join(artifactsFolder(session.root), path)));
    }
  }
}
