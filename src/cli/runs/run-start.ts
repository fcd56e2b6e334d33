// run-start.ts — what a run starts from: its options, its machine, its mirrors, and what the history keeps of that
import { join, resolve } from 'node:path';
import type { Pipeline } from '../../engine/config/config.ts';
import { searchPath } from '../../engine/environments/command-variables.ts';
import type { LocalMachine } from '../../engine/executors/machine.ts';
import type { Listener } from '../../engine/model/event.ts';
import type { Json, Named, TaskId } from '../../engine/model/key.ts';
import { instanceOf } from '../../engine/model/process-identity.ts';
import type { RunStart } from '../../engine/model/record.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import type { KnownResults } from '../../engine/rebuilder/forecast.ts';
import type { ResourcePool } from '../../engine/scheduler/resource-pool.ts';
import type { Supersession } from '../../engine/scheduler/superseded.ts';
import { checkFolder } from '../session/output-files.ts';
import { ownSettings } from '../session/own-settings.ts';
import type { CommonOptions, Session } from '../session/session.ts';
import { sourceDigests } from '../session/source-digests.ts';
import { host, identity, workerCommand } from '../session/this-process.ts';
import { mirrorSettings } from '../settings/settings.ts';
import type { Display } from '../terminal/display.ts';
import type { Stop } from './stop.ts';

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

/** What makes the results of a run, by name. */
export const versionsHere = (): Named<string> => ({
  node: process.version,
  pipeline: VERSION,
  esbuild: ESBUILD_VERSION,
});

/** What executors draw on here. */
export function machineFor({ root, cache, store }: Session, { stages, tasks }: Plan): LocalMachine {
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

/** Mirrors, nearest first. */
export function mirrorsOf(
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

/** What the history keeps of a run beside what happens in it. */
export function startOf({ id, session, targets, options }: RunRequest): RunStart {
  const { preset, params: paramsFiles, set, file, name } = options;
  const { pipeline, root } = session;
  const { pid } = process;
  const life = instanceOf(pid);
  const axes = [...pipeline.stages].map(([stage, config]) => [stage, [...config.axes.keys()]]);
  return {
    id,
    host,
    command: withoutPasswords(process.argv.slice(2).join(' ')),
    targets,
    presets: preset,
    sets: set,
    params: pipeline.params.value as Named<Json>,
    ...(paramsFiles.length > 0 && { paramsFiles }),
    versions: versionsHere(),
    process: { host, pid, ...(life && { life }) },
    axes: Object.fromEntries(axes),
    sources: sourceDigests(root, file, session),
    ...(name !== undefined && { name }),
    started: new Date().toISOString(),
  };
}

/** A mirror may have a password in its URL: no record has it. */
const withoutPasswords = (command: string): string =>
  command.replace(/(https?:\/\/)[^\s/@]+@/g, '$1***@');
