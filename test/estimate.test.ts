// How long a make would take: as the scheduler would do it, with the resources that there are.
import { join } from 'node:path';
import fc from 'fast-check';
import { open } from 'lmdb';
import { expect, test } from 'vitest';
import type { ActionRecord } from '../src/engine/model/record.ts';
import { type ScheduledTask, simulatedSeconds } from '../src/engine/rebuilder/simulate.ts';
import { DOOR, madeRig } from './rig.ts';

const task = (seconds: number, gpu = 0, ...after: number[]): ScheduledTask => ({
  seconds,
  resources: new Map(gpu > 0 ? [['gpu', gpu]] : []),
  after,
});
const on = (slots: number, gpu = 1) => ({ slots, resources: new Map([['gpu', gpu]]) });

test('tasks that share a token run one after another, and others beside them', () => {
  expect(simulatedSeconds([task(10, 1), task(10, 1), task(10, 1), task(5)], on(4))).toBe(30);
  expect(simulatedSeconds([task(10, 1), task(10, 1), task(10, 1)], on(4, 2))).toBe(20);
  expect(simulatedSeconds([task(10), task(10, 0, 0), task(1)], on(4))).toBe(20);
  expect(simulatedSeconds([], on(4))).toBe(0);
});

test('no schedule is shorter than its longest way, its work or what a resource allows; none wastes a slot', () => {
  const tasks = fc.array(
    fc.record({
      seconds: fc.nat(9),
      gpu: fc.nat(2),
      after: fc.array(fc.nat(20), { maxLength: 3 }),
    }),
    { maxLength: 25 },
  );
  fc.assert(
    fc.property(tasks, fc.integer({ min: 1, max: 4 }), (all, slots) => {
      const listed = all.map(({ seconds, gpu, after }, at) =>
        task(seconds, gpu, ...new Set(after.filter((one) => one < at))),
      );
      const wall = simulatedSeconds(listed, on(slots, 2));
      const work = listed.reduce((sum, one) => sum + one.seconds, 0);
      const held = listed.reduce(
        (sum, one) => sum + one.seconds * (one.resources.get('gpu') ?? 0),
        0,
      );
      expect(wall).toBeGreaterThanOrEqual(Math.max(work / slots, held / 2) - 1e-9);
      expect(wall).toBeLessThanOrEqual(work + 1e-9);
    }),
  );
});

test('a dry run tells the time that one token leaves, and which resource it is that limits it', async () => {
  const rig = await madeRig({
    'pipeline.yaml': `params: { mark: 0 }
resources: { gpu: 1 }
stages:
  one: { run: one.ts, matrix: { n: [1, 2, 3, 4] }, params: { mark: $mark }, resources: { gpu: 1 } }
`,
    'one.ts': `${DOOR}export default defineStage({
  params: z.object({ n: z.int(), mark: z.int() }), inputs: {}, outputs: { out: json() },
  run: ({ params }) => ({ out: params.n }),
});`,
  });
  const root = open({ path: join(rig.folder, 'cache/store.lmdb'), noSubdir: true, maxDbs: 16 });
  const traces = root.openDB<ActionRecord, string>({ name: 'traces', encoding: 'json' });
  for (const { key, value } of [...traces.getRange()]) {
    traces.putSync(key, { ...value, cost: { ...value.cost, seconds: 20 } });
  }
  await root.close();
  const words = ['-n', '-j', '4', '--set', 'mark=1'];
  const { events } = await rig.make(...words);
  expect(events.at(-1)).toMatchObject({ seconds: 80, wall: 80, slots: 4, limitedBy: ['gpu'] });
  const { stderr } = await rig.run('make', ...words);
  expect(stderr).toContain('about 1m on 4 slots (limited by gpu)');
});
