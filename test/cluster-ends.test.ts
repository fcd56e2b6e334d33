// How a cluster handles ended jobs, a failing depot, and many short tasks at once: tested without a cluster.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { formatHeadEnd } from '../src/cli/cluster/head-end.ts';
import type { Batch, DeathCause, JobId } from '../src/cluster/batch.ts';
import { Deaths } from '../src/cluster/head/deaths.ts';
import { DepotPatience } from '../src/cluster/head/depot-patience.ts';
import { OrderEnds } from '../src/cluster/head/order-ends.ts';
import { Orders, type OrdersParts } from '../src/cluster/head/orders.ts';
import { Work } from '../src/cluster/head/work.ts';
import type { WorkerView } from '../src/cluster/head/worker-view.ts';
import type { OrderRun } from '../src/cluster/node/order-run.ts';
import { OrderSlots } from '../src/cluster/node/order-slots.ts';
import { Reports } from '../src/cluster/node/reports.ts';
import type { Order } from '../src/cluster/order.ts';
import type { JobClass } from '../src/engine/config/job-class.ts';
import type { Growing } from '../src/engine/config/needs.ts';
import type { ActionSpec, Hooks } from '../src/engine/executors/executor.ts';
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

const GIB = 2 ** 30;
const classOf = (name: string, gib: number, slots = 1): JobClass => ({
  ...{ name, cpus: slots, memory_bytes: gib * GIB, time_ms: 600_000, gpus: { count: 0 }, slots },
  ...{ extra: [], prologue: [], wrap: [], maxJobs: 2 },
  place: { file: '', text: '', start: 0, end: 0 },
});
const workWith = (memory_bytes: Growing | null, ...classes: readonly JobClass[]): Work => {
  const action = { stage: 'train', key: 'k', parts: {} } as unknown as ActionSpec;
  const hooks = { warn: () => undefined } as unknown as Hooks;
  const needs = { cpus: 1, memory_bytes, time_ms: null, gpus: 0 };
  return new Work(action, hooks, new AbortController().signal, { classes, needs });
};

test.each([
  ['shares its job', null, [classOf('cpu', 1, 2)], 'up to 2 tasks share the memory of a job'],
  ['has no limit', null, [classOf('cpu', 1)], 'lets it have more, in a class of lab with more'],
  [
    'has no limit, and there is a larger class',
    null,
    [classOf('cpu', 1), classOf('big', 4)],
    /lets it have more$/,
  ],
  [
    'may grow, but no class can',
    { start: GIB, limit: 4 * GIB },
    [classOf('cpu', 1)],
    'could be given more in a class of lab',
  ],
  ['may grow', { start: GIB, limit: 4 * GIB }, [classOf('cpu', 1), classOf('big', 4)], undefined],
])(
  'a task that ran out of memory and %s is told what gives it more',
  (_, memory, classes, words) => {
    const ends = new OrderEnds({ name: 'lab' } as never);
    const [cls] = classes;
    const end = ends.lacking(workWith(memory, ...classes), 'memory', { cls } as never);
    const message = end?.status === 'failed' && 'message' in end.failure && end.failure.message;
    if (words === undefined) expect(end).toBeUndefined();
    else expect(message).toMatch(words);
  },
);

test('a class of which no more jobs are asked for leaves what waits to those that run, and fails it after the last', async () => {
  const [cls, work] = [classOf('cpu', 1), workWith(null)];
  const warned: string[] = [];
  let message: string | undefined;
  const desk = { take: () => [work], gone: () => [], end: () => undefined };
  const parts = { name: 'lab', fleet: { hopeless: () => message }, desk, ends: {} };
  const orders = new Orders({
    ...(parts as unknown as Pick<OrdersParts, 'name' | 'fleet' | 'desk' | 'ends'>),
    prepare: () => Promise.reject(new Error('nothing is prepared')),
    warn: (words) => warned.push(words),
  });
  orders.closed('cpu', 'somebody cancelled jobs');
  expect([work.isOver, warned]).toEqual([
    false,
    [expect.stringContaining('the jobs that run go on')],
  ]);
  message = 'somebody cancelled jobs';
  orders.gone({ cls, held: new Map() } as never, undefined);
  expect(await work.result).toMatchObject({
    failure: { message: 'lab/cpu: somebody cancelled jobs' },
  });
});

test.each([
  ['time', 'TIMEOUT', 'ran out of time (TIMEOUT): `head: { time: … }` of executor lab'],
  ['memory', 'OUT_OF_MEMORY', 'ran out of memory (OUT_OF_MEMORY): `head: { memory: … }`'],
  ['cancelled', 'CANCELLED by 7', 'was cancelled (CANCELLED by 7)'],
  ['node', 'NODE_FAIL', 'its node failed, or the site took it back (NODE_FAIL)'],
  ['failed', 'FAILED, exit code 2:0', 'its job failed (FAILED, exit code 2:0)'],
  ['unknown', '', 'is over without a word'],
] as const)('a head that ended without a word by %s says what to do', (kind, detail, words) => {
  const told = formatHeadEnd({ kind, detail }, 'lab');
  expect(told).toContain(words);
  expect(told).toContain('`pipeline make --submit` or `pipeline make` goes on');
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
