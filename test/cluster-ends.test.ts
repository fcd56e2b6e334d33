// How a cluster handles ended jobs, a failing depot, and many short tasks at once: tested without a cluster.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Batch, DeathCause, JobId } from '../src/cluster/batch.ts';
import { Deaths } from '../src/cluster/head/deaths.ts';
import { DepotPatience } from '../src/cluster/head/depot-patience.ts';
import type { WorkerView } from '../src/cluster/head/worker-view.ts';
import type { OrderRun } from '../src/cluster/node/order-run.ts';
import { OrderSlots } from '../src/cluster/node/order-slots.ts';
import { Reports } from '../src/cluster/node/reports.ts';
import type { Order } from '../src/cluster/order.ts';
import type { Key } from '../src/engine/model/key.ts';

const systemError = (code: string): Error =>
  Object.assign(new Error(`${code}: something, write`), { code, syscall: 'write' });

test('a depot that is full for a moment is tried again, and told once each time', async () => {
  const troubles: string[] = [];
  const patience = new DepotPatience({
    ...{ folder: '/depot', pauses_ms: [0, 0] },
    trouble: ({ message }) => troubles.push(message),
  });
  const goesWrong = (times: number, code: string) => {
    let left = times;
    return async () => {
      left -= 1;
      if (left >= 0) throw systemError(code);
      return 'kept';
    };
  };
  expect(await patience.during(goesWrong(2, 'ENOSPC'), () => false)).toBe('kept');
  expect(troubles).toHaveLength(2);
  await expect(patience.during(goesWrong(3, 'ESTALE'), () => false)).rejects.toThrow(
    'the depot /depot cannot be used: a file cannot be written: the network file system has lost it',
  );
  // What does not pass by itself, and what nobody waits for any more, is not tried again.
  await expect(patience.during(goesWrong(1, 'EACCES'), () => false)).rejects.toThrow('permission');
  await expect(patience.during(goesWrong(1, 'EIO'), () => true)).rejects.toThrow('the disk fails');
  await expect(
    patience.during(
      () => Promise.reject(new TypeError('no trouble of a depot')),
      () => false,
    ),
  ).rejects.toThrow(TypeError);
});

const workerOf = (set: string, element: number): WorkerView =>
  ({ set: { name: set }, element, cls: { name: 'cpu' }, job: `${set}_${element}` }) as never;

function deathsWith(cause: DeathCause) {
  const asked: (readonly JobId[])[] = [];
  const [closed, warned]: [string[], string[]] = [[], []];
  const batch = {
    pace: { least_ms: 20 },
    causes: async (jobs: readonly { readonly id: JobId }[]) => {
      asked.push(jobs.map(({ id }) => id));
      return new Map(jobs.map(({ id }) => [id, cause]));
    },
  } as unknown as Batch;
  const deaths = new Deaths({
    ...{ batch, logs: '/no/logs' },
    close: (cls, message) => closed.push(`${cls}: ${message}`),
    warn: (cls, message) => warned.push(`${cls}: ${message}`),
  });
  return { deaths, asked, closed, warned };
}

test('all jobs that end together are asked about in one question', async () => {
  const { deaths, asked } = deathsWith({ kind: 'memory', detail: 'OUT_OF_MEMORY' });
  const workers = ['a', 'b', 'c'].flatMap((set) => [0, 1, 2].map((n) => workerOf(set, n)));
  const causes = await Promise.all(workers.map((worker) => deaths.causeOf(worker)));
  expect(causes.map((cause) => cause?.kind)).toEqual(Array(9).fill('memory'));
  expect(asked).toEqual([workers.map(({ job }) => job)]);
});

test('a job that ends before its worker starts is told at once, and three in a row close the class', () => {
  const failed: DeathCause = { kind: 'failed', detail: 'FAILED, exit code 127:0' };
  const atStart = { wasHere: false, tasks: 0, cause: failed };
  const { deaths, closed, warned } = deathsWith(failed);
  deaths.note(workerOf('a', 0), atStart);
  expect(warned).toEqual([expect.stringMatching(/before a worker could start: FAILED.*\(see /)]);
  // One that worked in between: it is not the class.
  deaths.note(workerOf('a', 1), { ...atStart, wasHere: true });
  for (const n of [2, 3]) deaths.note(workerOf('a', n), atStart);
  expect(closed).toEqual([]);
  deaths.note(workerOf('a', 4), atStart);
  expect(closed).toEqual([expect.stringContaining('its jobs end before a worker can start')]);
});

test('a short order gives up its slot before its result is on the disk, but not without bound', async () => {
  const begun: { readonly id: string; finish(): void; settle(): void }[] = [];
  const slots = new OrderSlots({
    units: ['0'],
    start: (order, units) => {
      let [finish, settle] = [() => {}, () => {}];
      const finished = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const ended = new Promise<void>((resolve) => {
        settle = resolve;
      });
      begun.push({ id: order.id, finish, settle });
      return { order, units, finished, ended, stop: () => undefined } as unknown as OrderRun;
    },
    neverBegan: () => undefined,
    ended: () => undefined,
  });
  const orderOf = (n: number): Order => ({ id: `${n}`, share: 1, action: { parts: {} } }) as never;
  for (let n = 0; n < 400; n += 1) slots.add(orderOf(n));
  expect(begun.map(({ id }) => id)).toEqual(['0']);
  for (let n = 0; n < 300; n += 1) {
    begun[n]?.finish();
    await turn();
  }
  // 256 results wait for the disk: nothing more is begun.
  expect(begun).toHaveLength(256);
  for (const { settle } of begun) settle();
  await turn();
  expect(begun).toHaveLength(257);
  expect(slots.isBusy).toBe(true);
});

test('what a short order said comes before its end, and that it began is not told apart', () => {
  const written: { readonly say: string }[] = [];
  const reports = new Reports((frame) => written.push(frame));
  const order = (id: string): Order => ({ id, action: { key: `${id}` as Key } }) as Order;
  reports.took(order('a'));
  reports.took(order('b'));
  reports.begun('a');
  reports.begun('b');
  reports.done('a');
  expect(written).toEqual([]);
  reports.line('b', 'hello');
  reports.done('b');
  expect(written).toEqual([expect.objectContaining({ say: 'said', lines: [['b', 'hello']] })]);
});
