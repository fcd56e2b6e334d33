// What the queue of a batch system says of jobs: which are over, which were put back, which were never there.
import { expect, test, vi } from 'vitest';
import type { Batch, JobSight } from '../src/cluster/batch.ts';
import { QueueWatch } from '../src/cluster/head/queue-watch.ts';
import type { WorkerView } from '../src/cluster/head/worker-view.ts';

type State = WorkerView['state'];

/** A worker of the set `name`, whose job was asked for long ago. @param silent_ms how long it has said nothing */
const workerOf = (name: string, state: State, silent_ms = 0, asked = 0): WorkerView =>
  ({
    ...{ set: { name, count: 1, asked }, element: 0, cls: { name: 'cpu' }, job: name, state },
    ...{ hopelessLooks: 0, isConnected: false, heardAt: performance.now() - silent_ms },
  }) as unknown as WorkerView;

const sightOf = (name: string, state: JobSight['state']): JobSight =>
  ({ id: name, name, element: 0, state, reason: null, node: null, ends_ms: null }) as JobSight;

/** A queue that is looked at again and again. */
function watching(workers: readonly WorkerView[], sights: readonly JobSight[] | 'unknown') {
  const [over, ended, warned]: [string[], string[], string[]] = [[], [], []];
  let looks = 0;
  const batch = {
    pace: { least_ms: 5, first_ms: 5, most_ms: 20 },
    look: async () => {
      looks += 1;
      return sights;
    },
    end: async (names: readonly string[]) => ended.push(...names),
  } as unknown as Batch;
  const living = new Set(workers);
  const queue = new QueueWatch({
    ...{ batch, workers: living, names: () => workers.map(({ set }) => set.name) },
    async over(worker) {
      living.delete(worker);
      over.push(worker.set.name);
    },
    close: () => undefined,
    warn: (message) => warned.push(message),
    changed: () => undefined,
  });
  queue.submitted();
  const looked = (count: number): Promise<void> =>
    vi.waitFor(
      () => {
        queue.watch();
        expect(looks).toBeGreaterThanOrEqual(count);
      },
      { interval: 2 },
    );
  return { looked, over, ended, warned };
}

test('a job that the queue lists as over is over; one that it does not list is so only after a while', async () => {
  const workers = [
    workerOf('over', 'asked'),
    workerOf('runs', 'here'),
    workerOf('late', 'asked', 0, Date.now() + 60_000),
    workerOf('lost', 'asked'),
  ];
  const { looked, over } = watching(workers, [sightOf('over', 'over'), sightOf('runs', 'running')]);
  await looked(3);
  expect(over.sort()).toEqual(['lost', 'over']);
});

test('a worker that is connected and speaks lives, whatever the queue says', async () => {
  const connected = (name: string, silent_ms: number): WorkerView =>
    Object.assign(workerOf(name, 'here', silent_ms), { isConnected: true });
  const workers = [connected('speaks', 0), connected('silent', 30_000), workerOf('gone', 'here')];
  const { looked, over } = watching(workers, []);
  await looked(3);
  expect(over.sort()).toEqual(['gone', 'silent']);
});

test('a job that was put back into the queue is cancelled, unless its worker still speaks', async () => {
  const workers = [
    workerOf('speaks', 'here'),
    workerOf('waits', 'asked'),
    workerOf('back', 'here', 30_000),
  ];
  const names = ['speaks', 'waits', 'back'];
  const { looked, over, ended, warned } = watching(
    workers,
    names.map((name) => sightOf(name, 'pending')),
  );
  await looked(3);
  expect([over, ended]).toEqual([['back'], ['back']]);
  expect(warned).toEqual([expect.stringContaining('job back was put back into the queue')]);
});

test('a batch system that does not answer changes nothing', async () => {
  const { looked, over, ended } = watching(
    [workerOf('a', 'here', 90_000), workerOf('b', 'asked')],
    'unknown',
  );
  await looked(3);
  expect([over, ended]).toEqual([[], []]);
});
