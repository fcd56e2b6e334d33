// What the pipeline remembers: real LMDB in real folders.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Digest, digestOf, type Key, type TaskId } from '../src/engine/model/key.ts';
import { type ActionRecord, LEASE_MS } from '../src/engine/model/record.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import type { Store } from '../src/engine/store/store.ts';
import { checkFormat } from '../src/engine/store/store-format.ts';

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Opens the store in a folder until the test is over; damage is collected. */
function opened(folder = newFolder()): { store: Store; damaged: Digest[]; folder: string } {
  const damaged: Digest[] = [];
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
  return {
    key,
    task,
    parts: { code: digestOf('code'), params: {}, inputs: {}, outputs: {}, source: null },
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
    const digest = store.putBlob(bytesOf('some bytes'));
    expect(digest).toBe(digestOf('some bytes'));
    expect(store.putBlob(bytesOf('some bytes'))).toBe(digest);
    expect(store.putBlob(new Uint8Array(0))).toBe(digestOf(''));
    await store.close();
    const again = opened(folder).store;
    expect(new TextDecoder().decode(again.blob(digest))).toBe('some bytes');
    expect(again.blob(digestOf(''))).toHaveLength(0);
    expect([again.hasBlob(digest), again.hasBlob(digestOf('other'))]).toEqual([true, false]);
    expect(again.blob(digestOf('other'))).toBeUndefined();
  });

  test('that do not fit their digest any more are told and dropped, never given out', async () => {
    const { store, folder } = opened();
    const digest = store.putBlob(bytesOf('some bytes'));
    await store.close();
    await behindTheBack(folder, 'blobs', (blobs) =>
      blobs.putSync(digest, Buffer.from('some bites')),
    );
    const { store: again, damaged } = opened(folder);
    expect(again.hasBlob(digest)).toBe(true);
    expect(again.blob(digest)).toBeUndefined();
    expect(damaged).toEqual([digest]);
    expect(again.hasBlob(digest)).toBe(false);
    again.putBlob(bytesOf('some bytes'));
    expect(again.blob(digest)).toHaveLength(10);
  });
});

describe('a commit', () => {
  test('keeps trace, blobs and the latest key at once, and drops the checkpoint', () => {
    const { store } = opened();
    const key = keyOf('one');
    store.putPartial(key, bytesOf('half-way'));
    const blobs = [bytesOf('a'), bytesOf('b')];
    const trace = traceOf(key, ...blobs);
    store.commit({ trace, blobs });
    expect(store.trace(key)).toEqual(trace);
    expect(blobs.map((bytes) => store.hasBlob(digestOf(bytes)))).toEqual([true, true]);
    expect([store.latest(task), store.partial(key)]).toEqual([key, undefined]);
  });

  test('that fails half-way leaves nothing behind', () => {
    const { store } = opened();
    const key = keyOf('one');
    store.putPartial(key, bytesOf('half-way'));
    const impossible = { ...traceOf(key), task: 'x'.repeat(5000) as TaskId };
    expect(() => store.commit({ trace: impossible, blobs: [bytesOf('a')] })).toThrow(
      expect.objectContaining({ name: 'StoreError' }),
    );
    expect([store.trace(key), store.hasBlob(digestOf('a'))]).toEqual([undefined, false]);
    expect(store.partial(key)).toEqual(Buffer.from('half-way'));
  });
});

describe('checkpoints', () => {
  test('come back as they were put, the last one only', () => {
    const { store } = opened();
    const key = keyOf('one');
    expect(store.partial(key)).toBeUndefined();
    store.putPartial(key, bytesOf('first'));
    store.putPartial(key, bytesOf('second'));
    expect(store.partial(key)).toEqual(Buffer.from('second'));
    store.dropPartial(key);
    store.dropPartial(key);
    expect(store.partial(key)).toBeUndefined();
  });

  test('that are damaged are told and dropped', async () => {
    const { store, folder } = opened();
    const key = keyOf('one');
    store.putPartial(key, bytesOf('state'));
    await store.close();
    await behindTheBack(folder, 'partial', (partials) => {
      const bytes = Buffer.from(partials.get(key));
      bytes[bytes.length - 1] ^= 1;
      partials.putSync(key, bytes);
    });
    const { store: again, damaged } = opened(folder);
    expect([again.partial(key), again.partial(key)]).toEqual([undefined, undefined]);
    expect(damaged).toEqual([digestOf('state')]);
  });
});

describe('leases', () => {
  const key = keyOf('one');

  test('one owner has an action until it is given back', () => {
    const { store } = opened();
    expect(store.acquire(key, 'me', 1000)).toBeUndefined();
    expect(store.acquire(key, 'me', 1001)).toBeUndefined();
    expect(store.acquire(key, 'you', 1002)).toEqual({ owner: 'me', renewed: 1001 });
    store.release(key, 'you');
    expect(store.acquire(key, 'you', 1003)?.owner).toBe('me');
    store.release(key, 'me');
    expect(store.acquire(key, 'you', 1004)).toBeUndefined();
  });

  test('one lasts for as long as is right for its holder: not at all when he is gone, longer when he lives', () => {
    const { store } = opened();
    const holder = { task: 'a' as TaskId, host: 'here', pid: 1 };
    const you = (lease: number) => store.acquire(key, 'you', 2 * LEASE_MS, holder, () => lease);
    store.acquire(key, 'me', 0, holder);
    expect(you(3 * LEASE_MS)?.owner).toBe('me');
    expect(you(0)).toBeUndefined();
  });

  test('one that is renewed lasts; one that is not may be taken over, and cannot be renewed after that', () => {
    const { store } = opened();
    store.acquire(key, 'me', 0);
    store.renew([key, keyOf('other')], 'me', LEASE_MS - 1);
    expect(store.acquire(key, 'you', LEASE_MS + 1)?.owner).toBe('me');
    expect(store.acquire(key, 'you', 2 * LEASE_MS - 1)).toBeUndefined();
    store.renew([key], 'me', 2 * LEASE_MS);
    store.release(key, 'me');
    expect(store.acquire(key, 'me', 2 * LEASE_MS)?.owner).toBe('you');
    expect(store.acquire(keyOf('other'), 'you', 0)).toBeUndefined();
  });
});

describe('memory of runs', () => {
  test('runs come newest first, latest keys as last put', () => {
    const { store } = opened();
    const run = (id: string) => ({
      id,
      at: '',
      host: '',
      command: '',
      seconds: 0,
      tally: {},
      tasks: {},
    });
    for (const id of ['20260101T000000-b', '20260102T000000-a', '20260101T000001-c']) {
      store.putRun(run(id));
    }
    expect(store.runs().map(({ id }) => id)).toEqual([
      '20260102T000000-a',
      '20260101T000001-c',
      '20260101T000000-b',
    ]);
    store.setLatest(new Map([[task, keyOf('one')]]));
    store.setLatest(new Map([[task, keyOf('two')]]));
    expect(store.latest(task)).toBe(keyOf('two'));
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
      `"StoreError: DIR/store.lmdb is no store, or its beginning is damaged: move it away and make again, or name another folder with --cache"`,
    );
    writeFileSync(join(folder, 'file'), '');
    expect(errorOf(join(folder, 'file'))).toMatch(/^StoreError: /);
    mkdirSync(join(folder, 'locked'));
    chmodSync(join(folder, 'locked'), 0o500);
    // Root may write anywhere.
    if (process.getuid?.() !== 0) expect(errorOf(join(folder, 'locked'))).toMatch(/^StoreError: /);
  });
});
