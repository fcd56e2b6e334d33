// In what order work gets pool, and that resources are never exceeded.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TaskId } from '../src/engine/model/key.ts';
import type { Plan, Task } from '../src/engine/planning/plan.ts';
import { urgencies } from '../src/engine/planning/visit-order.ts';
import { ResourcePool } from '../src/engine/scheduler/resource-pool.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('of those that wait, the most urgent goes first; among equals, the first that asked', async () => {
  const pool = new ResourcePool(1, new Map());
  const order: string[] = [];
  const ask = (name: string, urgency: number): Promise<void> =>
    pool.withSlot({ resources: {}, urgency: () => urgency }, async () => void order.push(name));
  await Promise.all([ask('low', 1), ask('high', 5), ask('mid a', 3), ask('mid b', 3)]);
  expect(order).toEqual(['high', 'mid a', 'mid b', 'low']);
});

test('nobody is asked how urgent it is while there is room for all', async () => {
  const pool = new ResourcePool(2, new Map());
  const urgency = (): number => {
    throw new Error('asked');
  };
  const numbers = [0, 1].map(() => pool.withSlot({ resources: {}, urgency }, async (slot) => slot));
  expect((await Promise.all(numbers)).sort()).toEqual([0, 1]);
  expect(pool.busy).toBe(false);
});

test('pool and resources are never exceeded, and everything gets its turn', async () => {
  const works = fc.array(
    fc.record({
      memory: fc.integer({ min: 0, max: 4 }),
      gpu: fc.integer({ min: 0, max: 2 }),
      turns: fc.integer({ min: 0, max: 3 }),
      urgency: fc.integer({ min: 0, max: 3 }),
      fails: fc.boolean(),
    }),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(works, fc.integer({ min: 1, max: 5 }), async (all, count) => {
      const pool = new ResourcePool(count, new Map(Object.entries({ memory: 4, gpu: 2 })));
      const now = { pool: new Set<number>(), memory: 0, gpu: 0 };
      let done = 0;
      const run = async (slot: number, work: (typeof all)[number]): Promise<void> => {
        expect(now.pool.has(slot)).toBe(false);
        now.pool.add(slot);
        now.memory += work.memory;
        now.gpu += work.gpu;
        expect([now.pool.size <= count, now.memory <= 4, now.gpu <= 2]).toEqual([true, true, true]);
        for (let n = 0; n < work.turns; n++) await turn();
        now.pool.delete(slot);
        now.memory -= work.memory;
        now.gpu -= work.gpu;
        done += 1;
        if (work.fails) throw new Error('as it should');
      };
      const ends = await Promise.allSettled(
        all.map((work) => {
          const { memory, gpu, urgency } = work;
          const resources = { ...(memory && { memory }), ...(gpu && { gpu }) };
          return pool.withSlot({ resources, urgency: () => urgency }, (slot) => run(slot, work));
        }),
      );
      expect(done).toBe(all.length);
      expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(
        all.filter(({ fails }) => fails).length,
      );
    }),
    { numRuns: 50 },
  );
});

test('a task is as urgent as the longest way from it to the end; what never ran counts as its stage’s mean', () => {
  const task = (id: string, ...needs: string[]): [TaskId, Task] => {
    const links = needs.map((need) => ({ task: need as TaskId, output: 'out', at: {} }));
    const inputs = { in: { arity: 'many', links } };
    return [id as TaskId, { id, stage: id[0], inputs } as unknown as Task];
  };
  const tasks = new Map([
    task('a1'),
    task('a2'),
    task('a3'),
    task('b1', 'a1'),
    task('b2', 'a1', 'a2'),
    task('c1', 'b1', 'b2'),
  ]);
  const seconds: Record<string, number> = { a1: 2, a2: 4, b1: 10, c1: 1 };
  const found = urgencies({ tasks } as unknown as Plan, ({ id }) => seconds[id]);
  expect(Object.fromEntries(found)).toEqual({ a1: 13, a2: 15, a3: 3, b1: 11, b2: 11, c1: 1 });
});
