// Blobs that the store has lost, or holds damaged: their tasks are made again like any other.
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { DOOR, digestsOf, madeRig, type Rig, type SaidEvent, tasksOf } from './rig.ts';

const stage = (inputs: string, run: string): string =>
  `${DOOR}import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
/** Fails where another task of the token runs at the same time. */
const alone = <T>(work: () => T): T => {
  closeSync(openSync('token', 'wx'));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
  rmSync('token');
  return work();
};
export default defineStage({
  params: z.object({ mark: z._default(z.int(), 0) }), inputs: ${inputs}, outputs: { out: bytes() },
  ${run}
});\n`;

const join8 =
  'run: ({ inputs, params }) => alone(() => ({ out: new Uint8Array([...inputs.from, params.mark]) })),';
const FILES = {
  'pipeline.yaml': `params: { mark: 0 }
resources: { gpu: 1 }
stages:
  a: { run: first.ts, resources: { gpu: 1 } }
  twin: { run: first.ts, resources: { gpu: 1 } }
  b: { run: next.ts, inputs: { from: a.out }, resources: { gpu: 1 } }
  c: { run: next.ts, inputs: { from: b.out }, params: { mark: $mark }, resources: { gpu: 1 } }
  d: { run: next.ts, inputs: { from: twin.out }, params: { mark: $mark }, resources: { gpu: 1 } }
`,
  'first.ts': stage('{}', 'run: () => alone(() => ({ out: new Uint8Array([1, 2, 3]) })),'),
  'next.ts': stage('{ from: bytes() }', join8),
};

/** Changes blobs of the store behind the engine's back. */
async function tamper(rig: Rig, digests: readonly string[], how: 'damage' | 'drop'): Promise<void> {
  const root = open({ path: join(rig.folder, 'cache/store.lmdb'), noSubdir: true, maxDbs: 16 });
  const blobs = root.openDB<Buffer, string>({ name: 'blobs', encoding: 'binary' });
  for (const digest of digests) {
    const bytes = Buffer.from(blobs.get(digest) as Buffer);
    bytes[0]! ^= 1;
    if (how === 'damage') blobs.putSync(digest, bytes);
    else blobs.removeSync(digest);
  }
  await root.close();
}

const tallyOf = (events: readonly SaidEvent[]) => events.at(-1)?.tally as Record<string, number>;

describe('a blob that was lost', () => {
  test.each(['damage', 'drop'] as const)(
    'is made again before what reads it starts, in a turn of its own (%s)',
    async (how) => {
      const rig = await madeRig(FILES);
      const digests = digestsOf(rig.made);
      await tamper(rig, [digests['a:out']!, digests['b:out']!], how);
      const { code, events } = await rig.make('--set', 'mark=5', '-j', '4');
      expect(code).toBe(0);
      // Neither is reused and built; the twin takes the result of the one that is made again.
      expect(tasksOf(events, 'built')).toEqual(['a', 'b', 'c', 'd']);
      expect(tasksOf(events, 'reused')).toEqual(['twin']);
      expect(tallyOf(events)).toMatchObject({ built: 4, reused: 1, failed: 0 });
      const reasons = events.flatMap(({ event, task, reason }) =>
        event === 'started' ? [[task, reason]] : [],
      );
      expect(Object.fromEntries(reasons)).toMatchObject({
        a: { kind: 'lost', outputs: ['out'] },
        b: { kind: 'lost', outputs: ['out'] },
      });
      expect(tasksOf(events, 'started')).toEqual(['a', 'b', 'c', 'd']);
    },
  );

  test('is counted once by every reader: events, summary, runs', async () => {
    const rig = await madeRig(FILES);
    await tamper(rig, [digestsOf(rig.made)['b:out']!], 'damage');
    const { stderr } = await rig.run('make', '--set', 'mark=6');
    expect(stderr).toContain('built   b');
    expect(stderr).toContain('out missing from the store');
    expect(stderr).toContain('5 tasks: 3 built, 2 reused');
    const [run] = JSON.parse((await rig.run('runs', '--json')).stdout);
    expect(run.tally).toMatchObject({ built: 3, reused: 2 });
    expect(run.outcomes).toEqual({
      a: 'reused',
      twin: 'reused',
      b: 'built',
      c: 'built',
      d: 'built',
    });
  });
});

test('what cannot be made again fails once, and what reads it is skipped', async () => {
  const files = {
    'pipeline.yaml': `params: { mark: 0 }
stages:
  a: { run: a.ts }
  b: { run: next.ts, inputs: { from: a.out }, params: { mark: $mark }, retries: 1 }
`,
    'a.ts': stage(
      '{}',
      `run: () => {
        if (existsSync('broken')) throw new StageError('no more');
        return { out: new Uint8Array([1]) };
      },`,
    ),
    'next.ts': FILES['next.ts'],
  };
  const rig = await madeRig(files);
  await tamper(rig, [digestsOf(rig.made)['a:out']!], 'damage');
  rig.write('broken', '');
  const { code, events } = await rig.make('--set', 'mark=1', '-k');
  expect(code).toBe(1);
  expect(tasksOf(events, 'failed')).toEqual(['a']);
  expect(events).toContainEqual({ event: 'skipped', task: 'b', because: 'a' });
  expect(tallyOf(events)).toMatchObject({ built: 0, reused: 0, failed: 1, skipped: 1 });
});

test.runIf(process.env.FULL === '1')(
  'a large one that only its reader finds damaged is made again while that waits, and is counted once',
  async () => {
    const files = {
      'pipeline.yaml': `params: { mark: 0 }
resources: { gpu: 1 }
stages:
  a: { run: a.ts, resources: { gpu: 1 } }
  b: { run: b.ts, inputs: { from: a.out }, params: { mark: $mark }, resources: { gpu: 1 } }
`,
      'a.ts': stage('{}', 'run: () => alone(() => ({ out: new Uint8Array(64 * 2 ** 20 + 1) })),'),
      'b.ts': stage(
        '{ from: bytes() }',
        'run: ({ inputs }) => alone(() => ({ out: inputs.from.subarray(0, 9) })),',
      ),
    };
    const rig = await madeRig(files);
    await tamper(rig, [digestsOf(rig.made)['a:out']!], 'damage');
    const { code, events } = await rig.make('--set', 'mark=1', '-j', '2');
    expect(code).toBe(0);
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'waiting',
        task: 'b',
        by: expect.objectContaining({ task: 'a' }),
      }),
    );
    expect(tasksOf(events, 'built')).toEqual(['a', 'b']);
    expect(tallyOf(events)).toMatchObject({ built: 2, reused: 0 });
  },
);
