// run-clusters.ts — the clusters of a run, opened where it has something to do that may run there
import type { LocalMachine } from '../../engine/executors/machine.ts';
import type { Listener } from '../../engine/model/event.ts';
import type { OpenClusters } from '../cluster/open-cluster.ts';
import type { RunListeners } from './run-listeners.ts';
import type { RunOptions, RunRequest } from './run-start.ts';
import type { Stop } from './stop.ts';

/** A run that leaves its tasks to workers. */
export interface Leaving {
  /** Aborts when all that can be given to workers has been. */
  readonly signal: AbortSignal;
  /** How many tasks were left to them. Undefined while none was. */
  tasks(): number | undefined;
}

/** The clusters of a run. However the run ends, their jobs end with it, or are left to go on. */
export class RunClusters {
  private opened: OpenClusters | undefined;
  private readonly stop: Stop;
  private readonly endNow = (): void => this.opened?.endNow();
  private readonly leave = async (): Promise<void> => void (await this.opened?.detach());

  constructor(stop: Stop) {
    this.stop = stop;
    stop.atEnd.add(this.endNow);
    stop.atHangUp.add(this.leave);
  }

  get providers(): OpenClusters['providers'] {
    return this.opened?.providers ?? [];
  }

  get away(): OpenClusters['away'] | undefined {
    return this.opened?.away;
  }

  /** Opens those on which stages of the plan may run, if there are any. @throws UsageError */
  async open({
    request: { id, session, plan, options, pool },
    here,
    listener,
  }: {
    readonly request: RunRequest;
    readonly here: LocalMachine;
    readonly listener: Listener;
  }): Promise<void> {
    if (!mayBeAway(session, options)) return;
    const { openClusters } = await import('../cluster/open-cluster.ts');
    this.opened = await openClusters({
      ...{ session, plan, machine: here, run: id, listener, on: options.on },
      totals: pool.totals,
      isSubmitted: options.submitted !== undefined,
    });
  }

  /** With `--detach`: leaves when all that can be given to workers has been, and nothing runs here. */
  leaveWhenGiven(
    { detach }: Pick<RunOptions, 'detach'>,
    { runsHere }: Pick<RunListeners, 'runsHere'>,
  ): Leaving | undefined {
    if (!detach || this.opened === undefined) return undefined;
    const leaving = new AbortController();
    let left: number | undefined;
    void this.opened.detachWhenGiven(runsHere).then((tasks) => {
      left = tasks;
      leaving.abort();
    });
    return { signal: leaving.signal, tasks: () => left };
  }

  async close(): Promise<void> {
    await this.opened?.close();
    this.stop.atEnd.delete(this.endNow);
    this.stop.atHangUp.delete(this.leave);
  }
}

/** Whether stages may run elsewhere: whether anything says so. */
const mayBeAway = ({ pipeline }: RunRequest['session'], { on }: Pick<RunOptions, 'on'>): boolean =>
  on !== undefined || [...pipeline.stages.values()].some(({ policy }) => policy.on !== undefined);
