// jobs-events.ts — the workers of a cluster as events: told when something about them has changed
import type { WorkerView } from '../../cluster/head/worker-view.ts';
import type { ClusterJob, Listener } from '../../engine/model/event.ts';

/** Turns changes of workers into `jobs` events. */
export function jobsEvents(
  executor: string,
  listener: Listener,
): (workers: readonly WorkerView[]) => void {
  let before = '';
  return (workers) => {
    const jobs = workers.map(jobOf);
    // How many tasks each has is told along, and alone is no news.
    const now = JSON.stringify(jobs.map(({ tasks: _, ...rest }) => rest));
    if (now === before) return;
    before = now;
    listener({ event: 'jobs', executor, jobs });
  };
}

function jobOf({ sight, job, cls, state, node, host, held }: WorkerView): ClusterJob {
  const where = node || host;
  const { reason } = sight ?? {};
  return {
    job: job ?? null,
    class: cls.name,
    state:
      state === 'here' ? 'running' : (sight?.state ?? 'asked') === 'pending' ? 'pending' : 'asked',
    ...(reason && state !== 'here' && { reason }),
    ...(where !== '' && { node: where }),
    tasks: held.size,
  };
}
