// What the pipeline remembers: real LMDB in real folders.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { digestOf, type Key, type TaskId } from '../src/engine/model/key.ts';
import { type ActionRecord, LEASE_MS } from '../src/engine/model/record.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { keptOutput, type Store } from '../src/engine/store/store.ts';
import { checkFormat } from '../src/engine/store/store-format.ts';

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Opens the store in a folder until the test is over; damage is collected. */
function opened(folder = newFolder()): { store: Store; damaged: string[]; folder: string } {
  const damaged: string[] = [];
  const store = openStore(folder, (digest) => damaged.push(digest));
  onTestFinished(() => store.close());
  return { store, damaged, folder };
}

/** The LMDB file itself, for what only a broken disk would do. */
async function behindTheBack(
  folder: string,
  name: string,
  change: (table: { get(key: string): Buffer; putSync(key: string, bytes: Buffer): void }) => void,
  encoding: 'binary' | 'json' = 'binary',
): Promise<void> {
  const root = open({ path: join(folder, 'store.lmdb'), noSubdir: true, maxDbs: 16 });
  change(root.openDB<Buffer, string>({ name, encoding }) as never);
  await root.close();
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const keyOf = (text: string): Key => digestOf(text) as string as Key;
const task = 'mask[a]' as TaskId;

function traceOf(key: Key, ...outputs: readonly Uint8Array[]): ActionRecord {
  const declared = Object.fromEntries(outputs.map((_, index) => [`out${index}`, 'bytes']));
  return {
    key,
    task,
    parts: { code: digestOf('code'), params: {}, inputs: {}, outputs: declared, source: null },
    outputs: Object.fromEntries(
      outputs.map((bytes, index) => [
        `out${index}`,
        { digest: digestOf(bytes), bytes: bytes.length, kind: 'bytes' },
      ]),
    ),
    cost: { seconds: 1, work: null },
    made: { run: 'r', host: 'h', at: '2026-01-01T00:00:00.000Z', versions: {} },
  };
}

describe('blobs', () => {
  test('are kept under their digest, across processes and openings', async () => {
    const { store, folder } = opened();
    const digest = await store.blobs.put(bytesOf('some bytes'));
    expect(digest).toBe(digestOf('some bytes'));
    expect(await store.blobs.put(bytesOf('some bytes'))).toBe(digest);
    expect(await store.blobs.put(new Uint8Array(0))).toBe(digestOf(''));
    await store.close();
    const again = opened(folder).store;
    expect(new TextDecoder().decode(await again.blobs.get(digest))).toBe('some bytes');
    expect(await again.blobs.get(digestOf(''))).toHaveLength(0);
    expect(await again.blobs.missing([digest, digestOf('other')])).toEqual([digestOf('other')]);
    expect(await again.blobs.get(digestOf('other'))).toBeUndefined();
  });

  test('that do not fit their digest any more are told and dropped, never given out', async () => {
    const { store, folder } = opened();
    const digest = await store.blobs.put(bytesOf('some bytes'));
    await store.close();
    await behindTheBack(folder, 'blobs', (blobs) =>
      blobs.putSync(digest, Buffer.from('some bites')),
    );
    const { store: again, damaged } = opened(folder);
    expect(await again.blobs.missing([digest])).toEqual([]);
    expect(await again.blobs.get(digest)).toBeUndefined();
    expect(damaged).toEqual([digest]);
    expect(await again.blobs.missing([digest])).toEqual([digest]);
    await again.blobs.put(bytesOf('some bytes'));
    expect(await again.blobs.get(digest)).toHaveLength(10);
  });
});

describe('a commit', () => {
  test('keeps trace, blobs and the latest key at once, and drops the checkpoint', async () => {
    const { store } = opened();
    const key = keyOf('one');
    await store.checkpoints.put(key, bytesOf('half-way'));
    const blobs = [bytesOf('a'), bytesOf('b')];
    const trace = traceOf(key, ...blobs);
    await store.actions.put([{ record: trace, outputs: blobs.map(keptOutput) }]);
    expect(await store.actions.get(key)).toEqual(trace);
    expect(await store.blobs.missing(blobs.map(digestOf))).toEqual([]);
    expect(await store.actions.latest([task, 'other' as TaskId])).toEqual(new Map([[task, key]]));
    expect(await store.checkpoints.get(key)).toBeUndefined();
  });

  test('that fails half-way leaves nothing behind', async () => {
    const { store } = opened();
    const key = keyOf('one');
    await store.checkpoints.put(key, bytesOf('half-way'));
    const impossible = { ...traceOf(key), task: 'x'.repeat(5000) as TaskId };
    const commit = { record: impossible, outputs: [keptOutput(bytesOf('a'))] };
    await expect(store.actions.put([commit])).rejects.toThrow(
      expect.objectContaining({ name: 'StoreError' }),
    );
    expect(await store.actions.get(key)).toBeUndefined();
    expect(await store.blobs.missing([digestOf('a')])).toEqual([digestOf('a')]);
    expect(await store.checkpoints.get(key)).toEqual(Buffer.from('half-way'));
  });
});

describe('checkpoints', () => {
  test('come back as they were put, the last one only', async () => {
    const { store } = opened();
    const key = keyOf('one');
    expect(await store.checkpoints.get(key)).toBeUndefined();
    await store.checkpoints.put(key, bytesOf('first'));
    await store.checkpoints.put(key, bytesOf('second'));
    expect(await store.checkpoints.get(key)).toEqual(Buffer.from('second'));
    await store.checkpoints.drop(key);
    await store.checkpoints.drop(key);
    expect(await store.checkpoints.get(key)).toBeUndefined();
  });

  test('that are damaged are told and dropped', async () => {
    const { store, folder } = opened();
    const key = keyOf('one');
    await store.checkpoints.put(key, bytesOf('state'));
    await store.close();
    await behindTheBack(folder, 'partial', (partials) => {
      const bytes = Buffer.from(partials.get(key));
      bytes[bytes.length - 1]! ^= 1;
      partials.putSync(key, bytes);
    });
    const { store: again, damaged } = opened(folder);
    expect(await again.checkpoints.get(key)).toBeUndefined();
    expect(await again.checkpoints.get(key)).toBeUndefined();
    expect(damaged).toEqual([key]);
  });
});

describe('leases', () => {
  const key = keyOf('one');

  test('one owner has an action until it is given back', () => {
    const { store } = opened();
    expect(store.leases.acquire(key, 'me', 1000)).toBeUndefined();
    expect(store.leases.acquire(key, 'me', 1001)).toBeUndefined();
    expect(store.leases.acquire(key, 'you', 1002)).toEqual({ owner: 'me', renewed: 1000 });
    store.leases.release([key], 'you');
    expect(store.leases.acquire(key, 'you', 1003)?.owner).toBe('me');
    store.leases.release([key], 'me');
    expect(store.leases.acquire(key, 'you', 1004)).toBeUndefined();
  });

  test('one lasts for as long as is right for its holder: not at all when he is gone, longer when he lives', () => {
    const { store } = opened();
    const holder = { task: 'a' as TaskId, host: 'here', pid: 1 };
    const you = (lease: number) =>
      store.leases.acquire(key, 'you', 2 * LEASE_MS, holder, () => lease);
    store.leases.acquire(key, 'me', 0, holder);
    expect(you(3 * LEASE_MS)?.owner).toBe('me');
    expect(you(0)).toBeUndefined();
  });

  test('one that is renewed lasts; one that is not may be taken over, and cannot be renewed after that', () => {
    const { store } = opened();
    store.leases.acquire(key, 'me', 0);
    store.leases.renew('me', LEASE_MS - 1);
    expect(store.leases.acquire(key, 'you', LEASE_MS + 1)?.owner).toBe('me');
    expect(store.leases.acquire(key, 'you', 2 * LEASE_MS - 1)).toBeUndefined();
    store.leases.renew('me', 2 * LEASE_MS);
    store.leases.release([key], 'me');
    expect(store.leases.acquire(key, 'me', 2 * LEASE_MS)?.owner).toBe('you');
    expect(store.leases.acquire(keyOf('other'), 'you', 0)).toBeUndefined();
  });
});

describe('leases of a process', () => {
  test('are renewed by one write for all that it has, and given back at once', async () => {
    const { store, folder } = opened();
    const keys = Array.from({ length: 50 }, (_, n) => keyOf(String(n)));
    for (const key of keys) store.leases.acquire(key, 'me', 0);
    store.leases.renew('me', LEASE_MS);
    const leases = () =>
      [...(store.upkeep?.leases() ?? [])].filter(([, { owner }]) => owner === 'me');
    expect(leases().map(([, { renewed }]) => renewed)).toEqual(keys.map(() => LEASE_MS));
    const file = readdirSync(folder).find((name) => /^leases.*\.lmdb$/.test(name)) ?? '';
    const rows = (table: string): number => {
      const root = open({ path: join(folder, file), noSubdir: true, maxDbs: 16, readOnly: true });
      const { entryCount } = root.openDB({ name: table }).getStats() as { entryCount: number };
      void root.close();
      return entryCount;
    };
    expect([rows('owners'), rows('actions')]).toEqual([1, keys.length]);
    store.leases.acquire(keyOf('of another'), 'you', LEASE_MS);
    store.leases.leave('me', LEASE_MS);
    expect(leases()).toEqual([]);
    expect(keys.map((key) => store.leases.acquire(key, 'you', LEASE_MS))).toEqual(
      keys.map(() => undefined),
    );
  });
});

describe('memory of runs', () => {
  test('runs come newest first, latest keys as last put', async () => {
    const { store } = opened();
    const run = (id: string) => ({
      id,
      at: '2026-01-01T00:00:00.000Z',
      host: '',
      command: '',
      seconds: 0,
      tally: {},
      tasks: {},
    });
    for (const id of ['20260101T000000-b', '20260102T000000-a', '20260101T000001-c']) {
      store.history.put(run(id));
    }
    expect(store.history.runs().map(({ id }) => id)).toEqual([
      '20260102T000000-a',
      '20260101T000001-c',
      '20260101T000000-b',
    ]);
    await store.actions.setLatest(new Map([[task, keyOf('one')]]));
    await store.actions.setLatest(new Map([[task, keyOf('two')]]));
    expect(await store.actions.latest([task])).toEqual(new Map([[task, keyOf('two')]]));
  });
});

describe('a store that cannot be opened', () => {
  const errorOf = (folder: string): string => {
    try {
      void openStore(folder, () => undefined).close();
      return 'was opened';
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message.replaceAll(folder, 'DIR')}`;
    }
  };

  test('another format is refused, never guessed at', async () => {
    const { store, folder } = opened();
    await store.close();
    await behindTheBack(folder, 'meta', (meta) => meta.putSync('format', 99 as never), 'json');
    expect(errorOf(folder)).toMatchInlineSnapshot(
      `"StoreError: the store in DIR was written by a newer version of pipeline (format 99; this version reads 1): update pipeline, or name another folder with --cache"`,
    );
  });

  test('one of an earlier form is brought from form to form; one without a way to ours is refused', () => {
    const done: string[] = [];
    const upgrades = new Map([
      [1, () => void done.push('1 to 2')],
      [2, () => void done.push('2 to 3')],
    ]);
    const meta = new Map([['format', 1]]);
    const table = { get: (name: string) => meta.get(name), putSync: meta.set.bind(meta) };
    checkFormat(table, 'DIR', 3, upgrades);
    expect([done, meta.get('format')]).toEqual([['1 to 2', '2 to 3'], 3]);
    expect(() => checkFormat(table, 'DIR', 5, upgrades)).toThrow('another version of pipeline');
    expect(() => checkFormat(table, 'DIR', 2, upgrades)).toThrow('a newer version of pipeline');
    expect(meta.get('format')).toBe(3);
  });

  test('a file that is no store, a folder that is a file, a folder without permission', () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'store.lmdb'), 'x'.repeat(8192));
    expect(errorOf(folder)).toMatchInlineSnapshot(
      `"StoreError: DIR/store.lmdb is no store, or its beginning is damaged"`,
    );
    writeFileSync(join(folder, 'file'), '');
    expect(errorOf(join(folder, 'file'))).toMatch(/^StoreError: /);
    mkdirSync(join(folder, 'locked'));
    chmodSync(join(folder, 'locked'), 0o500);
    // Root may write anywhere.
    if (process.getuid?.() !== 0) expect(errorOf(join(folder, 'locked'))).toMatch(/^StoreError: /);
  });
});
