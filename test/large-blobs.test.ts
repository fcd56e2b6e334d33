// Blobs of 8 MiB and more: files beside LMDB, written and verified piece by piece, hashed once on their way.
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Digest, digestOf, type Key, type TaskId } from '../src/engine/model/key.ts';
import type { ActionRecord } from '../src/engine/model/record.ts';
import { LARGE_BLOB_BYTES, openBlobFiles } from '../src/engine/store/blob-files.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { openStoreReadOnly } from '../src/engine/store/lmdb/read-only-store.ts';
import { keptOutput } from '../src/engine/store/store.ts';
import { counted, LARGE_MIB, within } from './counted.ts';
import { DOOR, makeRig, tasksOf } from './rig.ts';

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-large-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Content of so many bytes; another for each seed. */
const content = (bytes: number, seed = 1): Buffer => Buffer.alloc(bytes, `content ${seed}\n`);

const placeOf = (digest: string): string => join('blobs', digest.slice(0, 2), digest);

/** The files below a folder, by their paths in it. */
const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

async function* pieces(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

describe('files of blobs', () => {
  test('lie where their digests say, and come back verified', async () => {
    const folder = newFolder();
    const files = openBlobFiles(folder);
    const { digest, bytes } = await files.keep(pieces(content(1000), content(24, 2)));
    const whole = Buffer.concat([content(1000), content(24, 2)]);
    expect([digest, bytes]).toEqual([digestOf(whole), 1024]);
    expect(filesIn(folder)).toEqual([`${digest.slice(0, 2)}/${digest}`]);
    expect(files.read(digest)).toEqual(whole);
    const copy = join(newFolder(), 'copy');
    // One that this process has written, and one of which it knows nothing.
    for (const [at, reader] of [files, openBlobFiles(folder)].entries()) {
      expect(await reader.copyTo(digest, `${copy}-${at}`)).toBe(true);
      expect(readFileSync(`${copy}-${at}`)).toEqual(whole);
    }
    expect([...files.list()]).toEqual([{ digest, bytes: 1024 }]);
    expect(files.sizeOf(digestOf('another'))).toBeUndefined();
    expect(files.read(digestOf('another'))).toBeUndefined();
  });

  test('that changed are never given out, whoever wrote them', async () => {
    const folder = newFolder();
    const files = openBlobFiles(folder);
    const { digest } = await files.keep(pieces(content(1000)));
    appendFileSync(join(folder, digest.slice(0, 2), digest), 'x');
    const copy = join(newFolder(), 'copy');
    for (const reader of [files, openBlobFiles(folder)]) {
      expect(reader.read(digest)).toBeUndefined();
      expect(await reader.verify(digest)).toBe(false);
      expect(await reader.copyTo(digest, copy)).toBe(false);
      expect(existsSync(copy)).toBe(false);
    }
  });

  test('leave nothing behind when their content ends in an error', async () => {
    const folder = newFolder();
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield content(1000);
      throw new Error('the connection broke');
    };
    await expect(openBlobFiles(folder).keep(broken())).rejects.toThrow('the connection broke');
    expect(filesIn(folder)).toEqual([]);
  });
});

describe('a store', () => {
  const key = digestOf('key') as string as Key;
  const recordOf = (digest: Digest): ActionRecord => ({
    key,
    task: 'a' as TaskId,
    parts: { code: digestOf('code'), params: {}, inputs: {}, outputs: {}, source: null },
    outputs: { out: { digest, bytes: LARGE_BLOB_BYTES, kind: 'bytes' } },
    cost: { seconds: 1, work: null },
    made: { run: 'r', host: 'h', at: '', versions: {} },
  });

  test('keeps blobs from 8 MiB on in files and smaller ones in LMDB, and reads both alike', async () => {
    const folder = newFolder();
    const store = openStore(folder, () => undefined);
    const [large, small] = [content(LARGE_BLOB_BYTES), content(LARGE_BLOB_BYTES - 1)];
    const source = join(newFolder(), 'source');
    writeFileSync(source, large);
    const taken = await store.blobs.takeFile(source);
    expect(taken.content).toBeUndefined();
    await store.actions.put([{ record: recordOf(taken.digest), outputs: [keptOutput(small)] }]);
    const other = await store.blobs.put(content(LARGE_BLOB_BYTES + 1));
    const digests = [taken.digest, digestOf(small), other];
    expect(filesIn(join(folder, 'blobs'))).toHaveLength(2);
    await store.close();
    const readers = [
      openStore(folder, () => undefined),
      openStoreReadOnly(folder, () => undefined),
    ];
    for (const reader of readers) {
      expect(await reader.blobs.missing([...digests, digestOf('x')])).toEqual([digestOf('x')]);
      for (const digest of digests) {
        const bytes = await reader.blobs.get(digest);
        expect(bytes && digestOf(bytes)).toBe(digest);
        expect(await reader.blobs.verify(digest)).toBe(true);
        const copy = join(newFolder(), 'copy');
        expect(await reader.blobs.copyTo(digest, copy)).toBe(true);
        expect(digestOf(readFileSync(copy))).toBe(digest);
      }
      await reader.close();
    }
  });

  test('drops a large blob that is damaged, and tells it', async () => {
    const folder = newFolder();
    const damaged: string[] = [];
    const store = openStore(folder, (digest) => damaged.push(digest));
    onTestFinished(() => store.close());
    const digest = await store.blobs.put(content(LARGE_BLOB_BYTES));
    truncateSync(join(folder, placeOf(digest)), 100);
    expect(await store.blobs.get(digest)).toBeUndefined();
    expect(damaged).toEqual([digest]);
    expect(await store.blobs.missing([digest])).toEqual([digest]);
    expect(filesIn(join(folder, 'blobs'))).toEqual([]);
  });
});

const MIB = 2 ** 20;

/** A command that writes so many MiB, an artifact of it, and a command that reads it. */
const pipeline = (mib: number): Record<string, string> => ({
  'pipeline.yaml': `params: { mib: ${mib} }
stages:
  big:
    params: { mib: $mib }
    command: [node, write.mjs, "{params.mib}", "{outputs.data}"]
    inputs: { script: { file: write.mjs } }
    outputs: { data: data.bin }
    artifacts: { data: big.bin }
  last:
    command: [node, last.mjs, "{inputs.data}", "{outputs.last}"]
    inputs: { data: big.data, script: { file: last.mjs } }
    outputs: { last: last.json }
`,
  'write.mjs': `import { closeSync, openSync, writeSync } from 'node:fs';
const [, , mib, path] = process.argv;
const file = openSync(path, 'w');
for (let n = 0; n < Number(mib); n++) writeSync(file, Buffer.alloc(${MIB}, 'piece ' + n));
closeSync(file);
`,
  'last.mjs': `import { statSync, writeFileSync } from 'node:fs';
const [, , path, out] = process.argv;
writeFileSync(out, String(statSync(path).size));
`,
});

test.skipIf(!existsSync('/proc/self/status'))(
  'an output of a stage module, too, is hashed once on its way, and costs the engine no such memory',
  async () => {
    const size = process.env.FULL ? 1024 : LARGE_MIB;
    const rig = makeRig({
      'pipeline.yaml': `params: { mib: ${size} }
stages: { one: { run: one.ts, params: { mib: $mib }, artifacts: { data: one.bin } } }
`,
      'one.ts': `${DOOR}
export default defineStage({
  params: z.object({ mib: z.number() }), inputs: {}, outputs: { data: bytes(), medium: bytes() },
  run: ({ params }) => ({
    data: new Uint8Array(params.mib * ${MIB}).fill(7),
    medium: new Uint8Array(${2 * MIB}),
  }),
});`,
    });
    const least = await counted(rig, 'make', '--set', 'mib=1');
    const { code, hashed, mib } = await counted(rig, 'make');
    expect([code, statSync(join(rig.folder, 'artifacts/one/one.bin')).size]).toEqual([
      0,
      size * MIB,
    ]);
    // The rest is its bundle and what it was made from.
    expect(hashed / MIB).toBeGreaterThan(size);
    expect(hashed / MIB).toBeLessThan(size + 5);
    expect(mib - least.mib).toBeLessThan(within(40));
    expect((await rig.run('fsck')).code).toBe(0);
  },
);

describe('a large output of a command', () => {
  const size = process.env.FULL ? 2048 : LARGE_MIB;

  test.skipIf(!existsSync('/proc/self/status'))(
    `of ${size} MiB costs no such memory, and is hashed once on its way to the store and its artifact`,
    async () => {
      const rig = makeRig(pipeline(size));
      const small = await counted(makeRig(pipeline(1)), 'make', '--set', 'mib=1');
      const { code, hashed, mib } = await counted(rig, 'make');
      expect(code).toBe(0);
      expect(statSync(join(rig.folder, 'artifacts/big/big.bin')).size).toBe(size * MIB);
      // What else is hashed (keys, bundles, provenance) is small.
      expect(hashed / MIB).toBeGreaterThan(size - 1);
      expect(hashed / MIB).toBeLessThan(size + 2);
      expect(mib - small.mib).toBeLessThan(within(40));
      const again = await counted(rig, 'make', '--verify');
      expect(again.mib - small.mib).toBeLessThan(within(40));
    },
  );

  test('that another reader drops is lost to who is about to read it, and no error', async () => {
    const folder = newFolder();
    const bytes = Buffer.from('content');
    const digest = digestOf(bytes);
    const drain = async (): Promise<boolean> => {
      const stream = openBlobFiles(folder).stream(digest)[Symbol.asyncIterator]();
      for (;;) {
        const { done, value } = await stream.next();
        if (done) return value;
      }
    };
    const readers = [
      () => openBlobFiles(folder).verify(digest),
      () => openBlobFiles(folder).copyTo(digest, join(folder, 'copy')),
      () => openBlobFiles(folder).linkTo(digest, join(folder, 'link')),
      drain,
    ];
    for (const reader of readers) {
      for (let times = 0; times < 20; times++) {
        const files = openBlobFiles(folder);
        await files.keepBytes(digest, bytes);
        const reading = reader();
        files.drop(digest);
        expect(typeof (await reading)).toBe('boolean');
        for (const name of ['copy', 'link']) rmSync(join(folder, name), { force: true });
      }
    }
  });

  test('that is damaged or lost is found by fsck and made again; gc drops it when nothing needs it', async () => {
    const rig = makeRig(pipeline(9));
    expect((await rig.run('make')).code).toBe(0);
    const [name] = filesIn(join(rig.folder, 'cache/blobs'));
    const path = join(rig.folder, 'cache/blobs', name ?? '');
    expect(JSON.parse((await rig.run('du', '--json')).stdout)).toMatchObject({
      large: 9 * MIB,
      rows: [{ stage: 'big', kind: 'bytes', blobs: 1, bytes: 9 * MIB }, { stage: 'last' }],
    });
    truncateSync(path, 100);
    const { defects } = JSON.parse((await rig.run('fsck', '--json')).stdout);
    expect(defects).toMatchObject([{ kind: 'damaged blob', made: ['big'] }]);
    expect((await rig.run('fsck', '--repair')).code).toBe(0);
    expect(existsSync(path)).toBe(false);
    expect(JSON.parse((await rig.run('fsck', '--json')).stdout).defects).toMatchObject([
      { kind: 'missing blob', task: 'big' },
    ]);
    expect(tasksOf((await rig.make('--force', 'last')).events, 'built')).toEqual(['big', 'last']);
    // Damage is noticed by who reads it.
    truncateSync(path, 100);
    expect(tasksOf((await rig.make('--force', 'last')).events, 'built')).toEqual(['big', 'last']);
    expect((await rig.run('fsck')).code).toBe(0);
    await rig.run('make', '--set', 'mib=10');
    await rig.run('gc', '--keep-runs', '0', '--set', 'mib=10');
    expect(filesIn(join(rig.folder, 'cache/blobs'))).toHaveLength(1);
    expect(existsSync(path)).toBe(false);
  });

  test('of text is kept as written, and refused when it is not UTF-8', async () => {
    const write = (end: string): string =>
      `import { writeFileSync } from 'node:fs';
writeFileSync('out.txt', Buffer.concat([Buffer.from('zwölf Boxkämpfer\\n'.repeat(600_000)), ${end}]));\n`;
    const rig = makeRig({
      'pipeline.yaml': `stages:
  words:
    command: [node, write.mjs]
    inputs: { script: { file: write.mjs } }
    outputs: { words: { file: out.txt, kind: text } }
`,
      'write.mjs': write("Buffer.from('ö')"),
    });
    const { code, events } = await rig.make();
    const whole = digestOf(`${'zwölf Boxkämpfer\n'.repeat(600_000)}ö`);
    expect([code, existsSync(join(rig.folder, 'cache', placeOf(whole)))]).toEqual([0, true]);
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'built',
        outputs: { words: expect.objectContaining({ digest: whole, kind: 'text' }) },
      }),
    );
    rig.write('write.mjs', write('Buffer.from([0xc3])'));
    expect((await rig.run('make')).stderr).toContain('does not hold text: the text is not UTF-8');
    expect(filesIn(join(rig.folder, 'cache/blobs'))).toEqual([placeOf(whole).slice(6)]);
  });

  test.runIf(process.env.FULL)(
    'goes through export, an archive and import as it is, without such memory',
    async () => {
      const rig = makeRig({ ...pipeline(128), LICENSE: 'MIT' });
      // The test above holds this one to account.
      const made = await counted(rig, 'make', 'big');
      expect(made.code).toBe(0);
      const whole = digestOf(readFileSync(join(rig.folder, 'artifacts/big/big.bin')));
      const exported = await counted(rig, 'export', 'big:data', 'copy.bin');
      expect([exported.code, digestOf(readFileSync(join(rig.folder, 'copy.bin')))]).toEqual([
        0,
        whole,
      ]);
      const archived = await counted(rig, 'archive', 'study.zip');
      expect(archived.code).toBe(0);
      const imported = await counted(rig, 'import', 'study.zip', '--cache', 'other');
      expect(imported.code).toBe(0);
      expect(digestOf(readFileSync(join(rig.folder, 'other', placeOf(whole))))).toBe(whole);
      expect((await rig.run('make', 'big', '--cache', 'other')).stderr).toContain('nothing to do');
      for (const { mib } of [exported, archived, imported])
        expect(mib - made.mib).toBeLessThan(100);
    },
  );
});
