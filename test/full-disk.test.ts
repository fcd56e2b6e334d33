// A disk that fills up while a run writes to it: a small tmpfs, which takes root to mount.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DOOR, digestsOf, makeRig, type Rig, tasksOf } from './rig.ts';

const mount = (...words: string[]): boolean => spawnSync('mount', words).status === 0;

/** A disk of some MiB, in a folder of its own, until the test is over. */
function smallDisk(size: string): { readonly folder: string; grow(size: string): void } {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-disk-'));
  if (!mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder)) throw new Error('no mount');
  onTestFinished(() => {
    spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, grow: (to) => void mount('-o', `remount,size=${to}`, folder) };
}

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-disk-'));
  const can = mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder);
  if (can) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
  return can;
}

/** Tasks of a megabyte each, no two alike. */
const BIG = `${DOOR}
const fill = (seed: number) => {
  const data = new Uint32Array(250_000);
  for (let i = 0, x = seed + 1; i < data.length; i++) data[i] = x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  return data;
};
export default defineStage({
  params: z.object({ n: z.int(), saves: z.int() }),
  inputs: {},
  outputs: { out: tensors() },
  run({ params: { n, saves }, checkpoint, log }) {
    const done = Number(checkpoint.load()?.metadata.done ?? 0);
    for (let save = done; save < saves; save++) {
      checkpoint.save({
        tensors: { state: { shape: [250_000], data: fill(1000 + save) } },
        metadata: { done: String(save + 1) },
      });
    }
    log('from ' + done);
    return { out: { tensors: { data: { shape: [250_000], data: fill(n) } }, metadata: {} } };
  },
});
`;

const pipeline = (count: number, saves: number): Record<string, string> => ({
  'big.ts': BIG,
  'pipeline.yaml': `stages:
  big: { run: big.ts, matrix: { n: [${Array.from({ length: count }, (_, n) => n)}] }, params: { saves: ${saves} } }
`,
});

/** Makes until the disk is full, then on a larger one; gives what the second make found done. */
async function makeTwice(rig: Rig, disk: ReturnType<typeof smallDisk>): Promise<readonly string[]> {
  const cache = ['--cache', join(disk.folder, 'cache')];
  const first = rig.start(['make', '-j', '2', ...cache]);
  const { code, stderr } = await first.ended;
  expect(code).toBe(2);
  expect(stderr).toMatch(/error: .*(disk is full|no space left)/i);
  expect(stderr).not.toMatch(/\n +at |\bbug\b|Unhandled|failed/);
  expect(stderr.match(/error:/g)).toHaveLength(1);
  const finished = [...stderr.matchAll(/^built {3}(\S+)/gm)].map(([, task]) => task!).sort();
  // Still full: the same words, and nothing is lost by trying.
  const again = await rig.run('make', '-j', '2', ...cache);
  expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/error: /)]);
  expect(again.stderr).not.toMatch(/\n +at |\bbug\b/);
  disk.grow('64m');
  const { code: end, events } = await rig.make(...cache);
  expect(end).toBe(0);
  expect(tasksOf(events, 'reused')).toEqual(expect.arrayContaining(finished));
  const clean = digestsOf((await rig.make('--cache', 'clean')).events);
  expect(clean).toMatchObject(digestsOf(events));
  return finished;
}

const can = canMount();
const title = can ? 'a full disk' : 'a full disk (skipped: mounting a tmpfs needs root)';

describe.runIf(can)(title, () => {
  test('during a commit: a clear error and exit 2; with more room the next make goes on, finished tasks stay', async () => {
    const disk = smallDisk('6m');
    const finished = await makeTwice(makeRig(pipeline(10, 0)), disk);
    expect(finished.length).toBeGreaterThan(0);
    expect(finished.length).toBeLessThan(10);
  });

  test('during checkpoints: they are warned about, not fatal, unless nothing can be kept at all', async () => {
    const disk = smallDisk('3m');
    const rig = makeRig(pipeline(1, 6));
    const cache = ['--cache', join(disk.folder, 'cache')];
    const { code, stderr } = await rig.run('make', ...cache);
    expect(stderr).not.toMatch(/\n +at |\bbug\b|Unhandled/);
    // It is told before anything is written: LMDB may die of a write that fails.
    expect(stderr).toMatch(/no space left: \d+ KiB are needed, \d+ KiB are free/);
    expect([0, 2]).toContain(code);
    disk.grow('64m');
    expect((await rig.make(...cache)).code).toBe(0);
  });

  test('before anything is there, or when bundles are written: a clear error', async () => {
    for (const size of ['8k', '64k', '200k']) {
      const disk = smallDisk(size);
      const rig = makeRig(pipeline(1, 0));
      const cache = ['--cache', join(disk.folder, 'cache')];
      const { code, stderr } = await rig.run('make', ...cache);
      expect([size, code, stderr]).toEqual([size, 2, expect.stringMatching(/^error: .*\n/)]);
      expect(stderr).not.toMatch(/\n +at |\bbug\b|Unhandled/);
      disk.grow('64m');
      expect((await rig.make(...cache)).code).toBe(0);
    }
  });

  test('for artifacts: a clear error, and they are written when there is room', async () => {
    const disk = smallDisk('16k');
    const rig = makeRig(
      {
        'page.ts': `${DOOR}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { page: text() },
  run: () => ({ page: 'x'.repeat(100_000) }),
});`,
        'pipeline.yaml': 'stages:\n  page: { run: page.ts, artifacts: { page: page.txt } }\n',
      },
      disk.folder,
    );
    const cache = mkdtempSync(join(tmpdir(), 'pipeline-cache-'));
    onTestFinished(() => rmSync(cache, { recursive: true, force: true }));
    const { code, stderr } = await rig.run('make', '--cache', cache);
    expect([code, stderr]).toEqual([2, expect.stringContaining('the disk is full')]);
    expect(stderr).not.toMatch(/\n +at |\bbug\b/);
    disk.grow('1m');
    const { events } = await rig.make('--cache', cache);
    expect(tasksOf(events, 'reused')).toEqual(['page']);
    expect(rig.read('artifacts/page/page.txt')).toHaveLength(100_000);
  });
});

test.skipIf(can)(title, () => undefined);
