// Which order goes to which worker, and how many jobs are asked for: decisions without a clock.
import { describe, expect, test } from 'vitest';
import { DISPATCH_TERMS, Dispatcher } from '../src/cluster/dispatch/dispatcher.ts';
import type { Lane, OrderFacts } from '../src/cluster/dispatch/order-queue.ts';
import type { JobClass } from '../src/engine/config/job-class.ts';

const HOUR = 3_600_000;
const jobClass = (over: Partial<JobClass> = {}): JobClass => ({
  ...{ name: 'cpu', cpus: 4, memory_bytes: null, time_ms: HOUR, gpus: { count: 0 }, extra: [] },
  ...{ prologue: [], wrap: [], maxJobs: 10, slots: 4 },
  place: { file: '', text: '', start: 0, end: 0 },
  ...over,
});
const CPU = jobClass();
const laneOf = (over: Partial<Lane> = {}): Lane => ({
  ...{ stage: 'train', class: CPU, isResumable: false },
  demand: { cpus: 1, memory_bytes: null, time_ms: null, gpus: 0 },
  ...over,
});
const LANE = laneOf();
const order = (id: string, seconds: number | null, over: Partial<OrderFacts> = {}): OrderFacts => ({
  ...{ id, lane: LANE, seconds, urgency: seconds ?? 0 },
  ...over,
});

function dispatcherOf(orders: readonly OrderFacts[]): Dispatcher {
  const dispatcher = new Dispatcher();
  for (const one of orders) dispatcher.add(one);
  return dispatcher;
}
const arrive = (
  dispatcher: Dispatcher,
  id: string,
  ends_ms: number | null = HOUR,
  job = CPU,
): void => dispatcher.arrive({ id, class: job, ends_ms }, 0);

describe('a worker is given', () => {
  test('the most urgent first, as many as run at once, and beyond those only what is short', () => {
    const long = dispatcherOf([1, 5, 3, 2, 6, 4].map((n) => order(`o${n}`, 100 * n)));
    arrive(long, 'w');
    expect(long.give('w', 0)).toEqual(['o6', 'o5', 'o4', 'o3']);
    expect(long.give('w', 0)).toEqual([]);
    expect(long.end('o5', 480)).toEqual(['w']);
    expect(long.give('w', 0)).toEqual(['o2']);
    const short = dispatcherOf(Array.from({ length: 2000 }, (_, n) => order(`o${n}`, 0.1)));
    arrive(short, 'w');
    arrive(short, 'v');
    // 200 s in 8 slots: 25 s of each worker, of which it is given a part.
    expect(short.give('w', 0).length).toBeGreaterThan(100);
    const given = short.give('v', 0).length;
    expect(given).toBeGreaterThan(100);
    expect(given).toBeLessThan(1000);
  });

  test('many short ones at once, and no others until half of them have ended', () => {
    const dispatcher = dispatcherOf(Array.from({ length: 2000 }, (_, n) => order(`o${n}`, 0.01)));
    arrive(dispatcher, 'w');
    let [rounds, ended] = [0, 0];
    const held: string[] = [];
    while (ended < 2000) {
      const given = dispatcher.give('w', 0);
      if (given.length > 0) rounds += 1;
      held.push(...given);
      expect(held.length, 'it has nothing to do').toBeGreaterThan(0);
      dispatcher.end(held.shift() ?? '', 0.01);
      ended += 1;
    }
    expect(rounds).toBeLessThan(60);
  });

  test('no more than its slots of what nobody knows the length of, until the first have ended', () => {
    const dispatcher = dispatcherOf(Array.from({ length: 100 }, (_, n) => order(`o${n}`, null)));
    arrive(dispatcher, 'w');
    expect(dispatcher.give('w', 0)).toEqual(['o0', 'o1', 'o2', 'o3']);
    dispatcher.end('o0', 0.01);
    expect(dispatcher.give('w', 0).length).toBeGreaterThan(4);
  });

  test('what fits: by memory, by class, and by the time that its job has left', () => {
    const big = laneOf({
      class: jobClass({ memory_bytes: 8 }),
      demand: { cpus: 1, memory_bytes: 4, time_ms: null, gpus: 0 },
    });
    const memory = dispatcherOf([1, 2, 3].map((n) => order(`o${n}`, 100, { lane: big })));
    arrive(memory, 'w', HOUR, big.class);
    expect(memory.give('w', 0)).toHaveLength(2);
    const other = dispatcherOf([order('o', 1)]);
    arrive(other, 'w', HOUR, jobClass({ name: 'gpu' }));
    expect(other.give('w', 0)).toEqual([]);
    const ending = dispatcherOf([
      order('long', 600),
      order('short', 100),
      order('saved', 500, { lane: laneOf({ isResumable: true }) }),
    ]);
    arrive(ending, 'w');
    expect(ending.give('w', HOUR - 300_000)).toEqual(['saved', 'short']);
    // Where nothing more can be done, a fresh job has to do.
    const hopeless = dispatcherOf([order('day', 86_400)]);
    arrive(hopeless, 'w');
    expect(hopeless.give('w', HOUR / 2)).toEqual([]);
    expect(hopeless.give('w', 0)).toEqual(['day']);
  });

  test('nothing when it is unknown or leaves', () => {
    const dispatcher = dispatcherOf([order('o', 1)]);
    expect(dispatcher.give('w', 0)).toEqual([]);
    arrive(dispatcher, 'w');
    dispatcher.leave('w');
    expect(dispatcher.give('w', 0)).toEqual([]);
  });
});

describe('an order', () => {
  test('of a silent worker is given to another once, and the first result ends both', () => {
    const dispatcher = dispatcherOf([order('o', 100)]);
    arrive(dispatcher, 'w');
    expect(dispatcher.give('w', 0)).toEqual(['o']);
    expect(dispatcher.doubt(59_999)).toEqual([]);
    expect(dispatcher.doubt(60_000)).toEqual(['w']);
    expect(dispatcher.doubt(70_000)).toEqual([]);
    expect(dispatcher.give('w', 70_000)).toEqual([]);
    dispatcher.arrive({ id: 'v', class: CPU, ends_ms: null }, 70_000);
    expect(dispatcher.give('v', 70_000)).toEqual(['o']);
    expect(dispatcher.doubt(140_000)).toEqual(['v']);
    dispatcher.arrive({ id: 'u', class: CPU, ends_ms: null }, 140_000);
    expect(dispatcher.give('u', 140_000)).toEqual([]);
    expect(dispatcher.end('o', 90)).toEqual(['w', 'v']);
    expect(dispatcher.size).toBe(0);
  });

  test('is not given again where its worker speaks in time', () => {
    const dispatcher = dispatcherOf([order('o', 100)]);
    arrive(dispatcher, 'w');
    dispatcher.give('w', 0);
    dispatcher.doubt(60_000);
    dispatcher.hear('w', 61_000);
    dispatcher.arrive({ id: 'v', class: CPU, ends_ms: null }, 61_000);
    expect(dispatcher.give('v', 61_000)).toEqual([]);
    expect(dispatcher.gone('w')).toEqual({ again: ['o'], givenUp: [] });
    expect(dispatcher.give('v', 62_000)).toEqual(['o']);
  });

  test('that a worker holds already is not given again, and one that it gives back is', () => {
    const dispatcher = dispatcherOf([order('a', 100), order('b', 90)]);
    dispatcher.arrive({ id: 'w', class: CPU, ends_ms: null }, 0, ['a', 'unknown']);
    expect(dispatcher.give('w', 0)).toEqual(['b']);
    dispatcher.giveBack(['a'], 'w');
    dispatcher.giveBack(['b'], 'v');
    dispatcher.arrive({ id: 'v', class: CPU, ends_ms: null }, 0);
    expect(dispatcher.give('v', 0)).toEqual(['a']);
  });

  test('is given up when its workers vanish again and again, but not for what it never began', () => {
    const dispatcher = dispatcherOf([order('killer', 100), order('bystander', 90)]);
    for (let round = 1; round <= DISPATCH_TERMS.goneMax; round += 1) {
      arrive(dispatcher, `w${round}`);
      expect(dispatcher.give(`w${round}`, 0)).toEqual(['killer', 'bystander']);
      dispatcher.begin('killer', `w${round}`);
      const { again, givenUp } = dispatcher.gone(`w${round}`);
      const isLast = round === DISPATCH_TERMS.goneMax;
      expect(again).toEqual(isLast ? ['bystander'] : ['killer', 'bystander']);
      expect(givenUp).toEqual(isLast ? ['killer'] : []);
    }
  });
});

describe('jobs are asked for', () => {
  test('as many as the work needs, none without work, and no more than the class may have', () => {
    expect(new Dispatcher().jobsWanted(CPU, 0)).toBe(0);
    expect(dispatcherOf([order('o', null)]).jobsWanted(CPU, 0)).toBe(1);
    const many = dispatcherOf(Array.from({ length: 1000 }, (_, n) => order(`o${n}`, 600)));
    expect(many.jobsWanted(CPU, 0)).toBe(10);
    expect(many.jobsWanted(CPU, 7)).toBe(3);
    expect(many.jobsWanted(CPU, 12)).toBe(0);
    const short = dispatcherOf(Array.from({ length: 1000 }, (_, n) => order(`o${n}`, 0.01)));
    expect(short.jobsWanted(CPU, 0)).toBe(1);
    expect(short.jobsWanted(CPU, 1)).toBe(0);
    const few = dispatcherOf([1, 2, 3, 4, 5].map((n) => order(`o${n}`, 7200)));
    expect(few.jobsWanted(CPU, 0)).toBe(2);
  });

  test('for what waits beside what runs, and not again for what runs', () => {
    const dispatcher = dispatcherOf([1, 2, 3, 4].map((n) => order(`o${n}`, 7200)));
    arrive(dispatcher, 'w');
    dispatcher.give('w', 0);
    expect(dispatcher.jobsWanted(CPU, 1)).toBe(0);
    dispatcher.add(order('more', 7200));
    expect(dispatcher.jobsWanted(CPU, 1)).toBe(1);
    expect(dispatcher.jobsWanted(CPU, 2)).toBe(0);
  });
});

test('whatever happens in whatever order, every order ends, and none is with more than two workers', () => {
  let seed = 7;
  const random = (): number => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  const dispatcher = new Dispatcher({ ...DISPATCH_TERMS, goneMax: 1e9 });
  const lanes = ['a', 'b'].map((stage) => laneOf({ stage, isResumable: stage === 'b' }));
  const open = new Set<string>();
  const holders = new Map<string, Set<string>>();
  let [now, next, workers] = [0, 0, 0];
  const alive: string[] = [];
  const drop = (worker: string): void => {
    for (const [, set] of holders) set.delete(worker);
  };
  for (let step = 0; step < 20_000 || open.size > 0; step += 1) {
    const dice = random();
    now += 200;
    if (dice < 0.3 && step < 20_000) {
      const lane = lanes[next % 2];
      if (lane === undefined) throw new Error('no lane');
      const seconds = random() < 0.2 ? null : 30 * random();
      dispatcher.add({ id: `o${next}`, lane, seconds, urgency: random() });
      open.add(`o${next}`);
      next += 1;
    } else if (alive.length < 5) {
      workers += 1;
      alive.push(`w${workers}`);
      dispatcher.arrive({ id: `w${workers}`, class: CPU, ends_ms: now + HOUR }, now);
    }
    const worker = alive[Math.floor(random() * alive.length)] ?? '';
    if (dice < 0.97) dispatcher.hear(worker, now);
    for (const id of dispatcher.give(worker, now)) {
      const set = holders.get(id) ?? new Set();
      expect(set.has(worker)).toBe(false);
      expect(open.has(id)).toBe(true);
      holders.set(id, set.add(worker));
      expect(set.size).toBeLessThanOrEqual(2);
    }
    dispatcher.doubt(now);
    const mine = [...holders].filter(([, set]) => set.has(worker)).map(([id]) => id);
    const [first] = mine;
    if (dice > 0.985) {
      dispatcher.gone(worker);
      drop(worker);
      alive.splice(alive.indexOf(worker), 1);
    } else if (first !== undefined && dice > 0.8) {
      dispatcher.giveBack([first], worker);
      holders.get(first)?.delete(worker);
    } else if (first !== undefined) {
      expect([...dispatcher.end(first, random())].sort()).toEqual(
        [...(holders.get(first) ?? [])].sort(),
      );
      holders.delete(first);
      open.delete(first);
    }
  }
  expect(dispatcher.size).toBe(0);
  expect(next).toBeGreaterThan(4000);
});
