// make.ts — pipeline make: plan, run, tell
import { join } from 'node:path';
import { becomesFolder } from '../../engine/artifacts/artifact.ts';
import { placedFiles, writtenDigests } from '../../engine/artifacts/artifact-index.ts';
import type { Diagnostic, Event } from '../../engine/model/event.ts';
import type { Digest, Json, Named, TaskId } from '../../engine/model/key.ts';
import { type Plan, restsOnFiles } from '../../engine/planning/plan.ts';
import { estimate, NO_ESTIMATE } from '../../engine/rebuilder/estimate.ts';
import type { RunResult } from '../../engine/scheduler/execute.ts';
import { lackingResources, openPool } from '../../engine/scheduler/machine-pool.ts';
import { policiesOf, resourcesHere } from '../../engine/scheduler/machine-resources.ts';
import type { Store } from '../../engine/store/store.ts';
import { placementsFor } from '../cluster/placements.ts';
import { finishNotice, type RunEnd } from '../runs/finish-notice.ts';
import { companionNames } from '../runs/provenance.ts';
import { nextRunId, run } from '../runs/run.ts';
import { ABORTED, codeOf, endOf, keepWithin, tellEnd } from '../runs/run-end.ts';
import { openDisplay, planned } from '../runs/run-listeners.ts';
import type { RunOptions } from '../runs/run-start.ts';
import { hearStop } from '../runs/stop.ts';
import { isMoving, tellForecast } from '../session/forecast.ts';
import { planFor, resolveTargets } from '../session/named-tasks.ts';
import { jobsFor } from '../session/own-settings.ts';
import { artifactsFolder, placesOf } from '../session/places.ts';
import { stderrColors as c, writeStderr, writeStdout } from '../session/printing.ts';
import { checkRunName } from '../session/run-selection.ts';
import { inspect, knownBefore, mayRepeat, openSession, type Session } from '../session/session.ts';
import { identity } from '../session/this-process.ts';
import { type Recorder, recordMake } from '../session/up-to-date-shortcut.ts';
import { UsageError } from '../session/usage-error.ts';
import {
  COMMON,
  type CommandDeclaration,
  JOBS,
  RUNNING,
  TARGETS,
} from '../terminal/declaration.ts';
import { lineFor } from '../terminal/display.ts';
import { count, drawDiagnostic, shownPath, warningOf } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'make',
  group: 'Make',
  about: 'build targets and everything that they need',
  arguments: [TARGETS],
  options: [
    JOBS,
    {
      flags: '-n, --dry-run',
      about: 'print what would run and why, without running it',
      changes: 'no',
    },
    ...RUNNING,
    {
      flags: '--force [task]',
      about: 'run a task even if its result is known; without a name, all targets (repeatable)',
      repeatable: true,
    },
    {
      flags: '--detach',
      about: 'leave running tasks to the cluster and exit; the next make collects the results',
    },
    {
      flags: '--submit',
      about: 'run everything in a cluster job, and exit; the next make collects the results',
    },
    { flags: '--follow', about: 'with --submit: show what the job prints until it ends' },
    { flags: '--name <name>', about: 'a name for this run' },
    { flags: '--plots', about: 'draw the plots of pipeline.yaml into plots/ afterwards' },
    { flags: '--trace <file>', about: 'write a timeline for ui.perfetto.dev or chrome://tracing' },
    {
      flags: '--verify',
      about: 'read and verify the whole store first; rebuild what is damaged',
      changes: 'yes',
    },
    ...COMMON,
  ],
  examples: [
    'make report',
    'make report --dry-run --set profiles.lognormal-cv1.cv=1.25',
    "make 'rigl[profile=uniform]' -j 1",
    'make rigl/synth-digits/128-64/0.9/erk/uniform/0',
  ],
};
export { make as run };

export interface MakeOptions extends RunOptions {
  readonly dryRun?: boolean;
  /** Tasks to run again; true: all that are named as targets. */
  readonly force: readonly (string | true)[];
  readonly verify?: boolean;
  readonly plots?: boolean;
  readonly submit?: boolean;
  readonly follow?: boolean;
}

/** Makes targets and what they need. */
async function make(targets: readonly string[], options: MakeOptions): Promise<number> {
  // A folder that cannot be one is told before anything looks into it.
  placesOf(options);
  if (options.name !== undefined) checkRunName(options.name, '--name');
  if (options.dryRun) return dryRun(targets, options);
  if (options.submit) return submit(targets, options);
  if (options.follow) {
    throw new UsageError([{ message: '--follow is for --submit', hint: 'make --submit --follow' }]);
  }
  const recorder = recordMake(options, targets);
  const known = knownBefore(options);
  const opened = await openSession(options, 'write', { meanwhile: known.read });
  const session = (await options.submitted?.(opened)) ?? opened;
  const id = nextRunId();
  const notice = finishNotice({ id, name: options.name, targets, root: session.root });
  let keep = (): void => undefined;
  let end: RunEnd | undefined;
  try {
    const plan = planFor(session.plan, targets);
    // A wrong `--on` is an error though there may be nothing to run.
    if (options.on !== undefined) placementsFor(session.pipeline, plan, options.on);
    if (options.verify) await verifyStore(session.store);
    const forced = forcedIn(plan, targets, options);
    const records = await known.of(session.store);
    const here = resourcesHere(session.pipeline, process.env);
    const local = onThisMachine(session.pipeline, options.on);
    const pipeline = { ...session.pipeline, stages: local };
    const lacking = await lackingResources(
      { ...session, pipeline, plan },
      here,
      process.env,
      forced,
    );
    if (lacking.length > 0) throw new UsageError(lacking);
    const display = await openDisplay(plan, options);
    const slots = jobsFor(options.jobs);
    const { listener } = display;
    const { cache } = session;
    const { pool, close } = openPool({ here, slots, cache, owner: id, identity, listener });
    const stop = hearStop();
    if (notice) stop.atEnd.add(notice.tellAtOnce);
    end = ABORTED;
    const result = await run({
      id,
      session,
      plan,
      targets,
      forced,
      options,
      pool,
      stop,
      display,
      hear: recorder.hear,
      known: records,
    }).finally(() => {
      stop.release();
      return close();
    });
    end = endOf(result, stop.signal);
    // Not before the workers are gone: they read the store, too.
    if (options.name !== undefined && result.ran === 0) {
      const hint = 'pipeline tag RUN NAME marks an earlier one';
      writeStderr(`nothing ran: there is no run to call ${options.name}; ${hint}`);
    }
    if (result.tally.built > 0) await keepWithin(session, options.json ?? false);
    records.keep();
    if (options.plots) await drawPlots(session, options);
    if (forced.size === 0) keep = () => keepRecord(recorder, session, plan, result.traces);
    return codeOf(result, stop.signal);
  } finally {
    await session.store.close();
    keep();
    if (notice && end) await tellEnd(notice, end, options);
  }
}

/** Has a job of a cluster make targets and what they need. */
async function submit(targets: readonly string[], options: MakeOptions): Promise<number> {
  if (options.detach) {
    const hint = '--detach is for a make that runs here';
    throw new UsageError([{ message: '--submit and --detach do not go together', hint }]);
  }
  const session = await openSession(options, 'write');
  try {
    const plan = planFor(session.plan, targets);
    const forced = forcedIn(plan, targets, options);
    const { submitHead } = await import('../cluster/submit.ts');
    const { submit: _, follow = false, directory: __, cache: ___, ...rest } = options;
    // What commander gives is text, numbers, truth values and lists of these.
    const passed = rest as unknown as Named<Json>;
    const { on, json = false } = options;
    return await submitHead({
      ...{ session, plan, targets, forced, options: passed, on, follow, json },
    });
  } finally {
    await session.store.close();
  }
}

/** Stages that run on this machine, as far as that is said: others need not find here what they take. */
const onThisMachine = ({ stages }: Session['pipeline'], on: string | undefined) =>
  new Map(
    [...stages].filter(([, { policy }]) =>
      on === undefined ? policy.on === undefined : on === 'local',
    ),
  );

/** Draws what pipeline.yaml names under `plots`. What cannot be drawn is a warning. */
async function drawPlots(session: Session, options: MakeOptions): Promise<void> {
  const { drawAll } = await import('./plot.ts');
  const files = await drawAll(session, options, (message) => {
    if (options.json) writeStdout(JSON.stringify({ event: 'warning', message } satisfies Event));
    else writeStderr(`${c.yellow('warning')}: ${message}`);
  });
  if (!options.json) for (const file of files) writeStdout(shownPath(file));
}

/** Says what a make would run and why, and what it would cost. */
const dryRun = (targets: readonly string[], options: MakeOptions): Promise<number> =>
  inspect(
    options,
    async ({ pipeline, store, foresee, ...session }) => {
      const plan = planFor(session.plan, targets);
      if (options.on !== undefined) placementsFor(pipeline, plan, options.on);
      if (options.verify) await verifyStore(store);
      const forced = forcedIn(plan, targets, options);
      tellWarnings(pipeline.warnings, options.json ? planned(plan, targets) : undefined);
      const forecasts = await foresee(plan, forced);
      const slots = jobsFor(options.jobs);
      const policies = policiesOf(pipeline);
      const capacity = { slots, resources: resourcesHere(pipeline, process.env).totals };
      // Without anything to run, people are told no estimate, and the history need not be read for it.
      const isTold = options.json || [...forecasts.values()].some(isMoving);
      const around = { capacity, policies, known: session.costs };
      const cost = isTold ? await estimate(plan, forecasts, store, around) : NO_ESTIMATE;
      tellForecast(forecasts, cost, { slots, json: options.json ?? false });
    },
    (ahead) => openSession(options, 'read', ahead),
  );

/** The tasks that are to run again whatever was made before. */
const forcedIn = (
  plan: Plan,
  targets: readonly string[],
  { force }: MakeOptions,
): ReadonlySet<TaskId> => new Set(force.flatMap((task) => resolveForced(plan, task, targets)));

/** Keeps for the next make that there was nothing to do, unless that rests on more than files. */
function keepRecord(
  recorder: Recorder,
  session: Session,
  plan: Plan,
  traces: RunResult['traces'],
): void {
  const { text, sources, paramsFiles, environment, readsOutside, root, cache } = session;
  if (!restsOnFiles(plan) || readsOutside || !mayRepeat(cache)) return;
  const folder = artifactsFolder(root);
  const artifacts = new Map<string, Digest>();
  const results: string[] = [];
  const told: string[] = [];
  const pathsOf = companionNames(session.plan);
  for (const task of plan.tasks.values()) {
    if (traces.has(task.id)) told.push(...pathsOf(task).own);
    for (const [output, path] of Object.entries(task.artifacts)) {
      const made = traces.get(task.id)?.outputs[output];
      if (made === undefined) continue;
      results.push(join(folder, path));
      if (!becomesFolder(made.kind)) artifacts.set(join(folder, path), made.digest);
      else for (const [file, digest] of placedFiles(folder, path)) artifacts.set(file, digest);
    }
  }
  const companions = writtenDigests(folder, told);
  if (companions === undefined) return;
  recorder.keep({
    text,
    sources,
    paramsFiles,
    environment,
    tasks: plan.tasks.size,
    artifacts,
    results,
    companions: new Map([...companions].map(([path, digest]) => [join(folder, path), digest])),
    lineFor: (event, colors) => lineFor(event, { running: new Map(), made: new Set() }, colors),
  });
}

/** What a dry run says before all else. @param first the event before warnings; undefined when people are told */
function tellWarnings(warnings: readonly Diagnostic[], first: Event | undefined): void {
  if (first)
    for (const event of [first, ...warnings.map(warningOf)]) writeStdout(JSON.stringify(event));
  else for (const warning of warnings) writeStderr(drawDiagnostic(warning, c, 'warning'));
}

/** What `--force` names; without a name, the targets, or everything when there are none. */
function resolveForced(
  plan: Plan,
  task: string | true,
  targets: readonly string[],
): readonly TaskId[] {
  return resolveTargets(plan, task === true ? targets : [task]);
}

/** Reads every blob before anything is taken from the store: what is damaged is dropped, and made again. */
async function verifyStore(store: Store): Promise<void> {
  if (store.upkeep === undefined) return;
  const { checkStore, repairStore } = await import('../../engine/store/maintenance/fsck.ts');
  const defects = await checkStore(store.upkeep, () => undefined);
  repairStore(store.upkeep, defects);
  const bad = defects.length;
  if (bad > 0)
    writeStderr(`${c.yellow('warning')}: ${count(bad, 'defect')} in the store, to be made again`);
}
