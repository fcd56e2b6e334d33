// What is kept beside the store only saves time: `walked/`, costs and latest keys count for the state that they were written for.
import {
  closeSync,
  copyFileSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { writeSealed } from '../src/engine/files/sealed-file.ts';
import { digestOf, type Key, type TaskId } from '../src/engine/model/key.ts';
import type { ActionRecord } from '../src/engine/model/record.ts';
import type { CostSample } from '../src/engine/rebuilder/estimate.ts';
import { type KnownRecords, knownRecords } from '../src/engine/rebuilder/known-records.ts';
import { readKept, writeKept } from '../src/engine/rebuilder/known-records-file.ts';
import { lmdbFault } from '../src/engine/store/lmdb/lmdb-fault.ts';
import { NO_PAGE, newestMeta } from '../src/engine/store/lmdb/lmdb-file.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { walkFile } from '../src/engine/store/lmdb/lmdb-walk.ts';
import { keptOutput, type Store } from '../src/engine/store/store.ts';
import { contentState } from '../src/engine/store/store-state.ts';
import { makeRig } from './rig.ts';

function newCache(): string {
  const cache = mkdtempSync(join(inject('folder'), 'kept-'));
  onTestFinished(() => rmSync(cache, { recursive: true, force: true }));
  return cache;
}

const recordOf = (n: number): ActionRecord => {
  const { digest, bytes } = keptOutput(Buffer.from(String(n)));
  return {
    key: digestOf(`key ${n}`) as string as Key,
    task: `s[${n}]` as TaskId,
    parts: {
      code: digestOf('code'),
      params: { n },
      inputs: {},
      outputs: { out: 'json' },
      source: null,
    },
    outputs: { out: { digest, bytes, kind: 'json' } },
    cost: { seconds: 1, work: null },
    made: { run: 'run-1', host: 'here', at: new Date(0).toISOString(), versions: {} },
  };
};

const put = (store: Store, from: number, to: number): Promise<unknown> =>
  store.actions.put(
    Array.from({ length: to - from }, (_, n) => ({
      record: recordOf(from + n),
      outputs: [keptOutput(Buffer.from(String(from + n)))],
    })),
  );

async function filled(cache: string, from: number, to: number): Promise<void> {
  const store = openStore(cache, () => undefined);
  await put(store, from, to);
  await store.close();
}

const PAGE = 4096;
const [BRANCH, LEAF] = [1, 2];

/** Pages of trees, by the transaction that wrote them. */
function treePages(path: string): readonly { page: number; transaction: bigint }[] {
  const file = openSync(path, 'r');
  try {
    const { seen } = walkFile(file, { ...newestMeta(file)!, freeRoot: NO_PAGE });
    return [...seen].flatMap((page) => {
      const bytes = Buffer.alloc(PAGE);
      readSync(file, bytes, 0, PAGE, page * PAGE);
      const isTree = [BRANCH, LEAF].includes(bytes.readUInt16LE(18));
      const isOwn = bytes.readBigUInt64LE(0) === BigInt(page);
      return isTree && isOwn ? [{ page, transaction: bytes.readBigUInt64LE(8) }] : [];
    });
  } finally {
    closeSync(file);
  }
}

/** Gives a page the number of another. */
function damage(path: string, page: number): void {
  const bytes = readFileSync(path);
  bytes.writeBigUInt64LE(1n, page * PAGE);
  writeFileSync(path, bytes);
}

/** So many records take more than the hundred pages of which a walk is noted, and fewer than the 200 that are walked. */
const RECORDS = 440;

/** A store that was walked, and what was noted of that. */
async function walkedStore() {
  const cache = newCache();
  await filled(cache, 0, RECORDS);
  const path = join(cache, 'store.lmdb');
  const pages = treePages(path).length;
  expect([pages, pages > 110 && pages < 170]).toEqual([pages, true]);
  expect(lmdbFault(path)).toBeUndefined();
  return { cache, path, note: join(cache, 'walked/store.lmdb') };
}

const oldestPage = (path: string): number =>
  [...treePages(path)].sort((a, b) => Number(a.transaction - b.transaction))[0]!.page;

describe('a store that was walked', () => {
  test('is walked again when its file was changed without a commit', async () => {
    const { path, note } = await walkedStore();
    expect(readFileSync(note).length).toBeGreaterThan(64);
    damage(path, oldestPage(path));
    expect(lmdbFault(path)).toBe('damaged');
  });

  test('is walked where a commit wrote since', async () => {
    const { cache, path } = await walkedStore();
    const before = newestMeta(openedUntilTheEnd(path))!.transaction;
    await filled(cache, RECORDS, RECORDS + 20);
    const later = treePages(path).filter(({ transaction }) => transaction > before);
    expect(later.length).toBeGreaterThan(1);
    damage(path, later.at(-1)!.page);
    expect(lmdbFault(path)).toBe('damaged');
  });

  test.each([
    ['is damaged', (note: string) => flip(note, 70)],
    ['has another seal', (note: string) => flip(note, 3)],
    ['is cut short', (note: string) => writeFileSync(note, readFileSync(note).subarray(0, 80))],
    ['is empty', (note: string) => writeFileSync(note, '')],
    [
      'is of another version',
      (note: string) => writeSealed(note, 'walked file', readFileSync(note).subarray(65), 4),
    ],
  ])('is walked whole where the note %s', async (_, spoil) => {
    const { cache, path, note } = await walkedStore();
    await filled(cache, RECORDS, RECORDS + 1);
    // Of an earlier transaction: where the note counts, that is not looked at.
    spoilBounds(path, untouchedPage(path));
    const kept = readFileSync(note);
    expect(lmdbFault(path)).toBeUndefined();
    writeFileSync(note, kept);
    spoil(note);
    expect(lmdbFault(path)).toBe('damaged');
  });

  test('is walked whole in another place, and where an older one lies in its place', async () => {
    const { cache, path } = await walkedStore();
    const other = newCache();
    cpSync(cache, other, { recursive: true });
    const copied = join(other, 'store.lmdb');
    damage(copied, oldestPage(copied));
    expect(lmdbFault(copied)).toBe('damaged');

    const older = join(newCache(), 'older');
    copyFileSync(path, older);
    damage(older, oldestPage(older));
    await filled(cache, RECORDS, RECORDS + 1);
    expect(lmdbFault(path)).toBeUndefined();
    // The same file with fewer transactions than it had.
    writeFileSync(path, readFileSync(older));
    expect(lmdbFault(path)).toBe('damaged');
  });
});

/** Gives a page bounds that make no sense: its head says nothing of that. */
function spoilBounds(path: string, page: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt16LE(0xffff, page * PAGE + 20);
  writeFileSync(path, bytes);
}

/** A page below the roots that the last commit has left alone. */
function untouchedPage(path: string): number {
  const pages = treePages(path);
  const newest = pages.reduce((most, one) => (one.transaction > most ? one.transaction : most), 0n);
  return pages.filter(({ transaction }) => transaction < newest).at(-1)!.page;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(path, bytes);
}

function openedUntilTheEnd(path: string): number {
  const file = openSync(path, 'r');
  onTestFinished(() => closeSync(file));
  return file;
}

const SAMPLES: readonly CostSample[] = [
  {
    ...{ listedAs: 's', stage: 's', code: digestOf('code') },
    ...{ seconds: 2, work: null, isInfeasible: false },
  },
];
const LATEST = digestOf('latest');

const requestFor = (cache: string) => {
  const state = contentState(cache);
  return { cache, state, file: 'p', presets: [], paramsFiles: [], sets: [] };
};

/** What is known in the state that the store is in. */
async function known(cache: string, store: Store): Promise<KnownRecords> {
  return knownRecords(requestFor(cache), store);
}

/** A store with a record, of which costs and latest keys are kept. */
async function keptStore(): Promise<{ readonly cache: string; readonly store: Store }> {
  const cache = newCache();
  await filled(cache, 0, 2);
  const store = openStore(cache, () => undefined);
  onTestFinished(() => store.close());
  const records = await known(cache, store);
  expect([records.costs(), records.latest?.()]).toEqual([undefined, undefined]);
  records.note?.(recordOf(0));
  records.noteCosts(SAMPLES);
  records.noteLatest?.(LATEST);
  records.keep();
  return { cache, store };
}

const told = async (cache: string, store: Store) => {
  const records = await known(cache, store);
  const record = records.get(recordOf(0).key);
  return { costs: records.costs(), latest: records.latest?.(), hasRecord: record !== undefined };
};
const NOTHING = { costs: undefined, latest: undefined, hasRecord: false };

describe('costs and latest keys that are kept', () => {
  test('count while nothing was written', async () => {
    const { cache, store } = await keptStore();
    expect(await told(cache, store)).toEqual({ costs: SAMPLES, latest: LATEST, hasRecord: true });
  });

  test('count no more when anything was written, though records do', async () => {
    const { cache, store } = await keptStore();
    await store.actions.setLatest(new Map([['s[1]' as TaskId, recordOf(0).key]]));
    expect(await told(cache, store)).toEqual({ ...NOTHING, hasRecord: true });
    // Keeping what is known in the new state does not bring them back.
    (await known(cache, store)).keep();
    expect(await told(cache, store)).toEqual({ ...NOTHING, hasRecord: true });
  });

  test('are not kept by a look into whose time a write falls', async () => {
    const { cache, store } = await keptStore();
    const records = await known(cache, store);
    records.costs();
    records.noteLatest?.(digestOf('other'));
    await put(store, 5, 6);
    records.keep();
    expect(await told(cache, store)).toEqual({ ...NOTHING, hasRecord: true });
  });

  test('costs count no more when a run has begun; the store itself is as it was', async () => {
    const { cache, store } = await keptStore();
    const journals = join(cache, 'runs');
    cpSync(join(cache, 'known'), journals, { recursive: true });
    expect(await told(cache, store)).toMatchObject({ costs: undefined, latest: LATEST });
  });

  test.each([['damaged'], ['cut short'], ['of another version'], ['of another pipeline']])(
    'are as good as none in a file that is %s',
    async (how) => {
      const { cache, store } = await keptStore();
      const request = requestFor(cache);
      const [name] = readdirSync(join(cache, 'known'));
      const path = join(cache, 'known', name!);
      const kept = readKept(request)!;
      if (how === 'damaged') flip(path, 200);
      if (how === 'cut short') writeFileSync(path, readFileSync(path).subarray(0, -1));
      // Sealed by us, as an earlier version did.
      if (how === 'of another version') writeKept(request, { ...kept, form: 'known/3' as never });
      if (how === 'of another pipeline') {
        expect(readKept({ ...request, sets: ['n=2'] })).toBeUndefined();
        writeFileSync(path, '');
      }
      expect(await told(cache, store)).toEqual(NOTHING);
    },
  );
});

test('makes in turn of two designs leave the latest keys of the last one', async () => {
  const rig = makeRig({
    'pipeline.yaml': `params: { n: 1 }
stages:
  s:
    command: [sh, -c, "echo {params.n} > out.txt"]
    params: { n: $n }
    outputs: { out: { file: out.txt, kind: text } }
`,
  });
  const latest = async (): Promise<string | undefined> => {
    const store = openStore(join(rig.folder, 'cache'), () => undefined);
    const keys = await store.actions.latest(['s' as TaskId]);
    await store.close();
    return keys.get('s' as TaskId);
  };
  const make = async (...words: string[]): Promise<string | undefined> => {
    const ended = await rig.runWith(['make', ...words], { PIPELINE_NO_MEMO: '1' });
    expect(ended.code).toBe(0);
    return latest();
  };
  const [one, two] = [await make(), await make('--set', 'n=2')];
  expect(one).not.toBe(two);
  // Nothing is to do in any of these.
  expect(await make()).toBe(one);
  expect(await make('--set', 'n=2')).toBe(two);
  expect(await make('--set', 'n=2')).toBe(two);
  expect(await make()).toBe(one);
});
