// What keeps a store small and sound: gc, pins, the limit, fsck, du, invalidate, and files that no store survives.
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { lmdbFault } from '../src/engine/store/lmdb/lmdb-fault.ts';
import { bundledRig, DOOR, madeRig, makeRig, type Rig, tasksOf } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { seeds: [0, 1], size: 1000 }
stages:
  draw: { run: draw.ts, matrix: { seed: $seeds }, params: { size: $size } }
  page: { run: page.ts, inputs: { draws: draw.values } }
`,
  'draw.ts': `${DOOR}
export default defineStage({
  params: z.object({ seed: z.int(), size: z.int() }),
  inputs: {},
  outputs: { values: bytes() },
  run: ({ params: { seed, size } }) => ({ values: new Uint8Array(size).fill(seed) }),
});`,
  'page.ts': `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: { draws: collect(bytes()) },
  outputs: { sizes: json() },
  run: ({ inputs }) => ({ sizes: inputs.draws.map(({ value }) => value.length) }),
});`,
};

const jsonOf = async (rig: Rig, ...words: string[]): Promise<Record<string, unknown>> =>
  JSON.parse((await rig.run(...words, '--json')).stdout);

/** Changes one table of the store behind its back. */
async function behindTheBack(
  rig: Rig,
  name: string,
  encoding: 'binary' | 'json',
  change: (table: {
    getKeys(): Iterable<string>;
    get(key: string): never;
    putSync(key: string, value: unknown): void;
    removeSync(key: string): void;
  }) => void,
): Promise<void> {
  const root = open({ path: join(rig.folder, 'cache', 'store.lmdb'), noSubdir: true, maxDbs: 16 });
  change(root.openDB({ name, encoding }) as never);
  await root.close();
}

describe('gc', () => {
  test('drops what neither the pipeline nor the kept runs reach, and says first what that is', async () => {
    const rig = await madeRig(FILES);
    await rig.make('--set', 'size=2000');
    await rig.make('--set', 'size=3000');
    writeFileSync(join(rig.folder, `cache/bundles/${'0'.repeat(64)}.mjs`), 'of an older stage');
    // What a command that failed, or was killed, left behind.
    for (const name of ['old', 'fresh']) {
      mkdirSync(join(rig.folder, 'cache/scratch', name, 'work'), { recursive: true });
      writeFileSync(join(rig.folder, 'cache/scratch', name, 'work/plot.png'), 'half a picture');
    }
    utimesSync(join(rig.folder, 'cache/scratch/old'), 1, 1);
    const would = await jsonOf(rig, 'gc', '--keep-runs', '1', '--dry-run');
    const counts = (said: Record<string, unknown>) =>
      ['blobs', 'traces', 'runs', 'files'].map((what) => (said[what] as unknown[]).length);
    // The pipeline as it is reaches size=1000, the last run size=3000: what goes is size=2000.
    expect(counts(would)).toEqual([3, 3, 2, 2]);
    expect(await jsonOf(rig, 'gc', '--keep-runs', '1')).toEqual({ ...would, dryRun: false });
    expect(readdirSync(join(rig.folder, 'cache/scratch'))).toEqual(['fresh']);
    const { events } = await rig.make('--set', 'size=3000');
    expect(tasksOf(events, 'reused')).toHaveLength(3);
  });

  test('a pinned run keeps what it made until it is let go', async () => {
    const rig = await madeRig(FILES, '--set', 'size=2000');
    expect((await rig.run('pin', 'last')).stdout).toMatch(/^pinned \d{8}T\d{6}-[0-9a-f]{6}\n$/);
    await rig.make();
    expect(await jsonOf(rig, 'gc', '--keep-runs', '0')).toMatchObject({ blobs: [], traces: [] });
    await rig.run('unpin', 'last');
    const gone = (await jsonOf(rig, 'gc', '--keep-runs', '0')).traces as string[];
    expect(gone).toHaveLength(3);
  });

  test('--compact gives space back, and the store is as it was', async () => {
    const rig = await bundledRig(FILES);
    await rig.make('--set', 'size=3000000');
    await rig.make();
    const file = join(rig.folder, 'cache/store.lmdb');
    const before = statSync(file).size;
    const { stdout, stderr } = await rig.run('gc', '--keep-runs', '0', '--compact');
    expect(stderr).toContain('compacted: ');
    expect(stdout).toMatch(/^dropped 3 blobs, 3 traces, 2 runs: 6 MB$/m);
    expect(statSync(file).size).toBeLessThan(before / 10);
    expect((await rig.run('fsck')).code).toBe(0);
    expect(tasksOf((await rig.make()).events, 'built')).toEqual([]);
    expect(readdirSync(join(rig.folder, 'cache')).sort()).toEqual(
      expect.not.arrayContaining([expect.stringContaining('compact')]),
    );
  });

  test('leaves a store alone that somebody else has open', async () => {
    const rig = await madeRig(FILES);
    const path = join(rig.folder, 'cache/store.lmdb');
    const other = open({ path, noSubdir: true, maxDbs: 16 });
    other.openDB({ name: 'meta', encoding: 'json' }).get('format');
    const { code, stderr } = await rig.run('gc');
    expect([code, stderr]).toEqual([2, expect.stringContaining('another process has it open')]);
    await other.close();
    expect(await rig.run('gc')).toMatchObject({ code: 0, stdout: 'nothing to drop\n' });
  });
});

describe('the limit of a store', () => {
  test('is kept by a make: older runs lose what they made, the newest one does not', async () => {
    const rig = await bundledRig(FILES);
    rig.write('pipeline.yaml', `store: { limit: 5MB }\n${FILES['pipeline.yaml']}`);
    await rig.make('--set', 'size=1500000');
    const { events } = await rig.make('--set', 'size=1600000');
    expect(events).toContainEqual({
      event: 'warning',
      message: expect.stringMatching(
        /^the store had outgrown its limit of 5 MB: [\d.]+ MB of older/,
      ),
    });
    const again = await rig.make('--set', 'size=1600000');
    expect(tasksOf(again.events, 'built')).toEqual([]);
    const before = await rig.make('--set', 'size=1500000', '--dry-run');
    expect(before.events.filter(({ status }) => status === 'reuse')).toEqual([]);
  });

  test('that is no size is a mistake at its place', async () => {
    const rig = makeRig(FILES);
    rig.write('pipeline.yaml', `store: { limit: much }\n${FILES['pipeline.yaml']}`);
    const { code, stderr } = await rig.run('check');
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('pipeline.yaml:1:17: error: `limit` of `store` must be a size'),
    ]);
  });
});

describe('fsck', () => {
  test('finds blobs that are damaged or missing, traces and checkpoints; --repair and a make put all right', async () => {
    const rig = await madeRig(FILES);
    expect((await rig.run('fsck')).stderr).toBe('3 blobs read: nothing is wrong\n');
    const [damaged, missing] = await new Promise<string[]>((resolve) => {
      void behindTheBack(rig, 'blobs', 'binary', (blobs) => {
        const keys = [...blobs.getKeys()];
        blobs.putSync(keys[0]!, Buffer.from('bit rot'));
        blobs.removeSync(keys[1]!);
        resolve(keys);
      });
    });
    await behindTheBack(rig, 'partial', 'binary', (partials) =>
      partials.putSync('b'.repeat(64), Buffer.from('c'.repeat(80))),
    );
    await behindTheBack(rig, 'traces', 'json', (traces) => {
      const [key] = traces.getKeys();
      const trace: { parts: object } = traces.get(key!);
      traces.putSync('d'.repeat(64), { ...trace, key: 'd'.repeat(64) });
    });
    const found = await rig.run('fsck', '--json');
    const { defects } = JSON.parse(found.stdout);
    expect(found.code).toBe(2);
    expect(defects).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'damaged blob', digest: damaged }),
        expect.objectContaining({ kind: 'missing blob', digest: missing }),
        { kind: 'damaged checkpoint', key: 'b'.repeat(64) },
        { kind: 'damaged trace', key: 'd'.repeat(64) },
      ]),
    );
    expect(defects).toHaveLength(4);
    const repaired = await rig.run('fsck', '--repair');
    expect([repaired.code, repaired.stderr]).toEqual([0, expect.stringContaining('4 defects')]);
    expect((await rig.make()).code).toBe(0);
    expect((await rig.run('fsck')).code).toBe(0);
  });

  test('make --verify reads everything, and makes again what is damaged', async () => {
    const rig = await madeRig(FILES);
    await behindTheBack(rig, 'blobs', 'binary', (blobs) => {
      for (const key of blobs.getKeys()) blobs.putSync(key, Buffer.from('bit rot'));
    });
    expect(tasksOf((await rig.make()).events, 'built')).toEqual([]);
    expect(tasksOf((await rig.make('--verify')).events, 'built')).toHaveLength(3);
  });
});

describe('a file that LMDB would not survive', () => {
  test('a store that is cut short is refused, and fsck --repair puts it aside', async () => {
    const rig = await bundledRig(FILES);
    await rig.make('--set', 'size=100000');
    const file = join(rig.folder, 'cache/store.lmdb');
    const whole = readFileSync(file);
    truncateSync(file, Math.floor(whole.length / 2));
    for (const words of [['make'], ['runs']]) {
      const { code, stderr } = await rig.run(...words);
      expect([words, code, stderr]).toEqual([words, 2, expect.stringContaining('is cut short')]);
    }
    writeFileSync(file, whole);
    expect((await rig.run('fsck')).code).toBe(0);
    truncateSync(file, whole.length - 8192);
    expect((await rig.run('fsck', '--repair')).code).toBe(0);
    expect(existsSync(join(rig.folder, 'cache/damaged-1/store.lmdb'))).toBe(true);
    expect((await rig.make()).code).toBe(0);
  });
});

describe('a file that is being written', () => {
  /** Fills one file of LMDB after the other. */
  const WRITER = `
    import { open } from 'lmdb';
    const [folder, files] = process.argv.slice(1);
    for (let f = 0; f < Number(files); f++) {
      const root = open({ path: folder + '/' + f, noSubdir: true, maxDbs: 16, noSync: true });
      const table = root.openDB({ name: 'table' });
      for (let i = 0; i < 60; i++) {
        root.transactionSync(() => {
          table.putSync('key ' + i, 'x'.repeat((i % 7) * 3000));
          if (i % 3 === 0) table.removeSync('key ' + (i - 5));
        });
      }
      await root.close();
    }`;

  test('is sound whenever one looks', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'written-'));
    const words = ['--input-type=module', '--eval', WRITER, folder, '20'];
    const writer = spawn(process.execPath, words, { stdio: 'ignore' });
    const ended = new Promise((resolve) => writer.once('close', resolve));
    let code: unknown;
    ended.then((status) => {
      code = status;
    });
    const faults: unknown[] = [];
    let looks = 0;
    for (let file = 0; code === undefined; ) {
      for (let look = 0; look < 100; look++, looks++) {
        const fault = lmdbFault(join(folder, `${file}`));
        if (fault !== undefined) faults.push(fault);
      }
      while (existsSync(join(folder, `${file + 1}`))) file++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    rmSync(folder, { recursive: true });
    expect([code, faults]).toEqual([0, []]);
    expect(looks).toBeGreaterThan(1000);
  });
});

test('a store whose maker died over it is made by who comes next', async () => {
  const rig = makeRig(FILES);
  const mark = join(rig.folder, 'cache/store.lmdb.new');
  mkdirSync(join(rig.folder, 'cache'));
  writeFileSync(mark, '');
  expect((await rig.make()).code).toBe(0);
  expect(existsSync(mark)).toBe(false);
});

describe('commands that look on', () => {
  test('make no store where there is none', async () => {
    const rig = makeRig(FILES);
    const words = [
      ['status'],
      ['runs'],
      ['du'],
      ['fsck'],
      ['gc'],
      ['make', '--dry-run'],
      ['check'],
    ];
    for (const command of words)
      expect([command, (await rig.run(...command)).code]).toEqual([command, 0]);
    expect(existsSync(join(rig.folder, 'cache/store.lmdb'))).toBe(false);
  });

  test('du tells sizes by stage and kind; invalidate forgets a task, and only that one runs', async () => {
    const rig = await madeRig(FILES);
    expect((await jsonOf(rig, 'du')).rows).toEqual([
      { stage: 'draw', kind: 'bytes', blobs: 2, bytes: 2000 },
      { stage: 'page', kind: 'json', blobs: 1, bytes: 11 },
    ]);
    const look = await rig.run('invalidate', 'draw', '--dry-run');
    expect(look.stdout).toBe('draw[0]\ndraw[1]\n');
    expect(look.stderr).toBe('2 tasks would be forgotten\n');
    const told = await jsonOf(rig, 'invalidate', 'draw/1', '-n');
    expect(told).toEqual([{ task: 'draw[1]', keys: [expect.stringMatching(/^[0-9a-f]{64}$/)] }]);
    expect((await rig.run('invalidate', 'draw/1')).stdout).toBe('draw[1]\n');
    expect(tasksOf((await rig.make()).events, 'built')).toEqual(['draw[1]']);
  });
});
