// open-cluster.ts — the clusters that a run uses: opened when something is to run there
import { networkInterfaces } from 'node:os';
import { openDepot } from '../../cluster/depot.ts';
import { Head } from '../../cluster/head/head.ts';
import type { StagePlace } from '../../cluster/head/work.ts';
import { DepotError, depotFolder, openLayout, projectId } from '../../cluster/layout.ts';
import type { Here } from '../../cluster/messages.ts';
import { HEAD_MS, type HeadNote, newId } from '../../cluster/sets.ts';
import { type LineServer, listenForWorkers } from '../../cluster/tcp-line.ts';
import type { ExecutorConfig } from '../../engine/config/executors.ts';
import type { ExecutorProvider, LocalMachine } from '../../engine/executors/machine.ts';
import type { Listener } from '../../engine/model/event.ts';
import {
  instanceOf,
  livenessFor,
  type ProcessInstance,
} from '../../engine/model/process-identity.ts';
import { ANY_NEEDS } from '../../engine/pipeline/placement.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { type AwayPools, ResourcePool } from '../../engine/scheduler/resource-pool.ts';
import type { Session } from '../session/session.ts';
import { identity } from '../session/this-process.ts';
import { UsageError } from '../session/usage-error.ts';
import { jobsEvents } from './jobs-events.ts';
import { batchFor, jobProgram } from './open-batch.ts';
import { placementsFor } from './placements.ts';

/** Filled in by the build. */
declare const VERSION: string;
declare const BUILD: string;

/** What a run does with clusters. */
export interface OpenClusters {
  readonly providers: readonly ExecutorProvider[];
  readonly away: AwayPools;
  /** Ends what was started there. */
  close(): Promise<void>;
  /**
   * Leaves when everything that can be given to workers now has been, and gives how many tasks they have.
   * @param isBusy whether tasks run on this machine
   */
  detachWhenGiven(isBusy: () => boolean): Promise<number>;
  /** Leaves now: workers do what they have. Gives how many tasks that is. */
  detach(): Promise<number>;
  /** For who ends this process now. */
  endNow(): void;
}

/** What clusters are opened for. */
export interface ClusterRequest {
  readonly session: Session;
  readonly plan: Plan;
  readonly machine: LocalMachine;
  /** What `--on` says. */
  readonly on: string | undefined;
  readonly run: string;
  readonly totals: ReadonlyMap<string, number>;
  readonly listener: Listener;
  /** The head runs as a job itself: its store has its checkpoints in the depot. */
  readonly isSubmitted: boolean;
}

/** So many tasks are on their way at once, at most: the head has them in memory. */
const IN_FLIGHT = 2048;
const IN_FLIGHT_PER_SLOT = 4;

/** Opens the clusters on which stages of a plan run. Undefined where all run here. @throws UsageError */
export async function openClusters(request: ClusterRequest): Promise<OpenClusters | undefined> {
  const { session, plan, on } = request;
  const { executors, byStage } = placementsFor(session.pipeline, plan, on);
  const stages = new Set([...plan.tasks.values()].map(({ stage }) => stage));
  const places = new Map<string, Map<string, StagePlace>>();
  for (const stage of stages) {
    const placement = byStage.get(stage);
    if (placement === undefined || !('classes' in placement)) continue;
    const needs = session.pipeline.stages.get(stage)?.policy.needs ?? ANY_NEEDS;
    const known = places.get(placement.executor) ?? new Map<string, StagePlace>();
    places.set(placement.executor, known.set(stage, { classes: placement.classes, needs }));
  }
  if (places.size === 0) return undefined;
  const opened: Opened[] = [];
  try {
    for (const [name, stagesOf] of places) {
      const config = executors.get(name) as ExecutorConfig;
      opened.push(await openHead(config, stagesOf, request));
    }
  } catch (error) {
    await Promise.all(opened.map(({ close }) => close()));
    if (!(error instanceof DepotError)) throw error;
    const { message, hint } = error;
    throw new UsageError([{ message, hint }]);
  }
  return joined(opened);
}

interface Opened {
  readonly head: Head;
  readonly stages: ReadonlyMap<string, StagePlace>;
  readonly pool: ResourcePool;
  close(): Promise<void>;
}

function joined(opened: readonly Opened[]): OpenClusters {
  return {
    providers: opened.map(({ head, stages }) => ({
      name: head.name,
      accepts: ({ stage }) => stages.has(stage),
      // Heads are closed below, also those that nothing was given to.
      open: () => ({
        name: head.name,
        execute: (action, hooks, signal) => head.execute(action, hooks, signal),
        checkpointNow: () => head.checkpointNow(),
        close: async () => undefined,
      }),
    })),
    away: {
      poolOf: (stage) => opened.find(({ stages }) => stages.has(stage))?.pool,
      get isBusy() {
        return opened.some(({ pool }) => pool.taken > 1);
      },
    },
    async close() {
      await Promise.all(opened.map(({ close }) => close()));
    },
    async detachWhenGiven(isBusy) {
      await settled(opened, isBusy);
      return detachAll(opened);
    },
    detach: () => detachAll(opened),
    endNow() {
      for (const { head } of opened) head.endNow();
    },
  };
}

async function detachAll(opened: readonly Opened[]): Promise<number> {
  const counts = await Promise.all(opened.map(({ head }) => head.detach()));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Nothing changes any more for so long: then what can be given has been. */
const SETTLED_LOOKS = 5;
const SETTLE_LOOK_MS = 200;

async function settled(opened: readonly Opened[], isBusy: () => boolean): Promise<void> {
  let before = '';
  for (let same = 0; same < SETTLED_LOOKS; ) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_LOOK_MS));
    const loads = opened.map(({ head }) => head.load);
    const now = JSON.stringify(loads);
    const isOpen = isBusy() || loads.some(({ isAsking }) => isAsking);
    same = now === before && !isOpen ? same + 1 : 0;
    before = now;
  }
}

async function openHead(
  config: ExecutorConfig,
  stages: ReadonlyMap<string, StagePlace>,
  { session, machine, run, totals, listener, isSubmitted }: ClusterRequest,
): Promise<Opened> {
  const { store, root } = session;
  const { name, classes } = config;
  const project = projectId(root);
  const layout = openLayout(depotFolder(config.depot), project);
  const depot = openDepot(layout);
  const batch = batchFor(config, layout.logsOf(project));
  const secret = `${newId()}${newId()}${newId()}${newId()}`;
  const id = newId();
  let server: LineServer | undefined;
  const host = addressFor(config);
  const note = (): HeadNote => ({
    ...{ form: 'head/1', id, secret, isDetached: head.isDetached },
    ...{ host: identity.host, pid: identity.pid, life: instanceOf(identity.pid) ?? null },
    at: Date.now(),
    address: server ? { host, port: server.port } : null,
  });
  const changed = jobsEvents(name, listener);
  const liveness = livenessFor(identity);
  const mayConnect = config.line !== 'files';
  const head: Head = new Head({
    name,
    fleet: {
      ...{ executor: name, batch, layout, project, classes, note },
      argvOf: (set) => [
        config.node ?? process.execPath,
        jobProgram,
        'worker',
        layout.folder,
        project,
        set,
      ],
      terms: { maxIdle_ms: config.maxIdle_ms, orphan_ms: config.orphan_ms, mayConnect, root },
      env: {},
      comment: () => `pipeline ${run}`,
    },
    preparation: { depot, machine, store },
    intake: { depot, store, areSavesShared: isSubmitted },
    placeOf: (stage) => stages.get(stage),
    isKept: async (key) => {
      const { actions } = store;
      const kept = actions.mark ? actions.mark(key) : await actions.get(key);
      return kept !== undefined;
    },
    misfit,
    warn: (message) => listener({ event: 'warning', message }),
    changed,
    isGone(other) {
      const life = (other.life ?? undefined) as ProcessInstance | undefined;
      const is = liveness({ host: other.host, pid: other.pid, ...(life && { life }) });
      return is === 'dead' || (is === 'unknown' && Date.now() - other.at > HEAD_MS);
    },
  });
  if (mayConnect) server = await listen(head, host, config, secret, listener);
  await head.recover();
  const slots = [...classes.values()].reduce((sum, one) => sum + one.maxJobs * one.slots, 0);
  const pool = new ResourcePool(Math.max(IN_FLIGHT, IN_FLIGHT_PER_SLOT * slots), totals);
  return {
    ...{ head, stages, pool },
    async close() {
      await head.close();
      await server?.close();
      await batch.close();
    },
  };
}

async function listen(
  head: Head,
  host: string,
  { listen, line }: ExecutorConfig,
  secret: string,
  listener: Listener,
): Promise<LineServer | undefined> {
  try {
    return await listenForWorkers(
      { host, port: listen?.port ?? 0, secret },
      {
        connected: (end, connection) => head.fleet.find(end.set, end.element)?.connect(connection),
      },
    );
  } catch (error) {
    const message = `no port can be opened at ${host} (${(error as Error).message}): orders travel by files`;
    if (line === 'tcp') throw new UsageError([{ message }]);
    listener({ event: 'warning', message });
    return undefined;
  }
}

/** The address at which nodes reach this machine. */
function addressFor({ listen, type }: ExecutorConfig): string {
  if (listen && listen.host !== '') return listen.host;
  if (type === 'processes') return '127.0.0.1';
  const all = Object.values(networkInterfaces()).flat();
  const outer = all.find((one) => one?.family === 'IPv4' && !one.internal);
  return outer?.address ?? '127.0.0.1';
}

const major = (version: string): string => version.split('.', 1).join();

/** Why a worker may not work for this head: another version could give other results. */
function misfit({ versions, host }: Here): string | undefined {
  if (versions.build !== BUILD || versions.pipeline !== VERSION) {
    return `${host} runs pipeline ${versions.pipeline}, and this machine ${VERSION}, or another build of it: install the same`;
  }
  if (major(versions.node ?? '') === major(process.version)) return undefined;
  return `${host} runs Node ${versions.node}, and this machine ${process.version}: name the same with \`node\` of the executor`;
}
