// Stores that are damaged: nothing of them is ever given out as if it were whole, and each is repaired.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { open } from 'lmdb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { watchProcess } from '../src/cli/session/store-process.ts';
import { digestOf, type Key, keyOf, type TaskId } from '../src/engine/model/key.ts';
import { type ActionRecord, logKey, type RunRecord } from '../src/engine/model/record.ts';
import { asActionRecord, asRunRecord, asTaskLog } from '../src/engine/model/record-check.ts';
import { lmdbFault } from '../src/engine/store/lmdb/lmdb-fault.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { pagesFault } from '../src/engine/store/lmdb/salvage.ts';
import { checkStore, repairStore } from '../src/engine/store/maintenance/fsck.ts';
import { rebuildStore } from '../src/engine/store/maintenance/rebuild.ts';
import { keptOutput, type Store } from '../src/engine/store/store.ts';
import type { RoundReport } from './damage-rounds.ts';
import { madeRig, type Rig, repository } from './rig.ts';

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-damage-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function recordOf(n: number, content: Uint8Array): ActionRecord {
  const parts = {
    code: digestOf('code'),
    params: { n },
    inputs: {},
    outputs: { out: 'bytes' },
    source: null,
  };
  return {
    key: keyOf(parts),
    task: `task[${n}]` as TaskId,
    parts,
    outputs: { out: { digest: digestOf(content), bytes: content.length, kind: 'bytes' } },
    cost: { seconds: 1, work: null },
    made: { run: 'r', host: 'h', at: '2026-01-01T00:00:00.000Z', versions: { node: 'v20' } },
  };
}

const runOf = (id: string, tasks: Record<string, Key>): RunRecord => ({
  id,
  at: '2026-01-01T00:00:00.000Z',
  host: 'h',
  command: 'make',
  seconds: 1,
  tally: { built: 1 },
  tasks,
  outcomes: Object.fromEntries(Object.keys(tasks).map((task) => [task, 'built' as const])),
});

/** A store with something of every kind: small and long values, in tables of one page and of several. */
async function filled(folder: string): Promise<void> {
  const store = openStore(folder, () => undefined);
  for (let n = 0; n < 40; n++) {
    const content = bytesOf(`${n} `.repeat(n % 5 === 0 ? 9000 : 100));
    const record = recordOf(n, content);
    await store.actions.put([{ record, outputs: [keptOutput(content)] }]);
    const id = `2026010${1 + (n % 9)}T00000${n % 10}-${n}`;
    const log = { task: record.task, run: id, at: record.made.at, outcome: 'built' as const };
    store.history.put(runOf(id, { [record.task]: record.key }), [{ ...log, lines: ['said'] }]);
    await store.checkpoints.put(digestOf(`${n}`) as string as Key, bytesOf(`half-way ${n}`));
    store.upkeep?.tables.pins.putSync(id, record.made.at);
  }
  await store.close();
}

/** Changes texts of a table behind the engine's back. */
async function rewrite(
  folder: string,
  table: string,
  change: (text: string) => string,
  count = 1,
): Promise<readonly string[]> {
  const root = open({ path: join(folder, 'store.lmdb'), noSubdir: true, maxDbs: 16 });
  const texts = root.openDB<string, string>({ name: table, encoding: 'string' });
  const keys = [...texts.getKeys()].slice(0, count);
  for (const key of keys) texts.putSync(key, change(texts.get(key) ?? ''));
  await root.close();
  return keys;
}

const upkeepOf = (store: Store) => {
  if (store.upkeep === undefined) throw new Error('a store of LMDB has tables');
  return store.upkeep;
};

describe('records', () => {
  const record = recordOf(1, bytesOf('x'));
  const run = runOf('r1', { a: record.key });
  const log = { task: 'a', run: 'r1', at: run.at, outcome: 'failed', lines: ['x'] };

  /** A value with each of its fields renamed, taken for another type, or left out, one at a time and at every depth. */
  function* variants(value: object): Generator<readonly [path: string, value: unknown]> {
    for (const [name, field] of Object.entries(value)) {
      const { [name]: _, ...rest } = value as Record<string, unknown>;
      yield [`${name} renamed`, { ...rest, [`${name}x`]: field }];
      yield [`${name} of another type`, { ...rest, [name]: Array.isArray(field) ? {} : [field] }];
      if (typeof field !== 'object' || field === null || Array.isArray(field)) continue;
      for (const [path, inner] of variants(field)) {
        yield [`${name}.${path}`, { ...rest, [name]: inner }];
      }
    }
  }

  test('are taken as they are, and none that has a field renamed or of another type', () => {
    expect(asActionRecord(record, record.key)).toBe(record);
    expect(asRunRecord(run, 'r1')).toBe(run);
    expect(asTaskLog(log, logKey('r1', 'a' as TaskId))).toBe(log);
    // What a name of an open set is, such as a task or a version, no form can tell.
    const open =
      /^(?:tasks|outcomes|tally|parts\.params|made\.versions)\..* renamed|^parts\.params\./;
    const optional = /^outcomes renamed$/;
    const cases = [
      ...[...variants(record)].map(([path, value]) => [path, asActionRecord(value, record.key)]),
      ...[...variants(run)].map(([path, value]) => [path, asRunRecord(value, 'r1')]),
      ...[...variants(log)].map(([path, value]) => [
        path,
        asTaskLog(value, logKey('r1', 'a' as TaskId)),
      ]),
    ] as const;
    const taken = cases.filter(([path, value]) => {
      return value !== undefined && !open.test(String(path)) && !optional.test(String(path));
    });
    expect(taken.map(([path]) => path)).toEqual([]);
    expect(cases.length).toBeGreaterThan(60);
  });

  test('stand in their own place only, whatever they are', () => {
    expect(asActionRecord(record, recordOf(2, bytesOf('x')).key)).toBeUndefined();
    expect(asRunRecord(run, 'r2')).toBeUndefined();
    expect(asTaskLog(log, logKey('r2', 'a' as TaskId))).toBeUndefined();
    for (const value of [null, 1, 'x', [], {}, { key: 1 }]) {
      expect(asActionRecord(value, record.key)).toBeUndefined();
      expect(asRunRecord(value, 'r1')).toBeUndefined();
    }
  });

  test.each([
    ['no JSON', (text: string) => text.slice(1)],
    ['with a field renamed', (text: string) => text.replace(/"(task|tasks|at)":/, '"tusk":')],
    ['of another place', (text: string) => text.replace(/[0-9a-f]{64}|2026\d/, 'f'.repeat(64))],
  ])(
    'that are damaged count as absent, are told once, found by fsck and dropped (%s)',
    async (_, change) => {
      const folder = newFolder();
      await filled(folder);
      const keys = {
        traces: await rewrite(folder, 'traces', change, 2),
        runs: await rewrite(folder, 'runs', change),
        logs: await rewrite(folder, 'logs', change),
      };
      await rewrite(folder, 'pins', () => 'x');
      await rewrite(folder, 'latest', () => '"x"');
      const told: string[] = [];
      const store = openStore(folder, (name, kind) => told.push(`${kind} ${name}`));
      onTestFinished(() => store.close());
      for (const key of keys.traces) {
        expect(await store.actions.get(key as Key)).toBeUndefined();
        expect(await store.actions.get(key as Key)).toBeUndefined();
      }
      expect([...(await store.actions.all())]).toHaveLength(38);
      expect(store.history.runs()).toHaveLength(39);
      expect(store.history.run(keys.runs[0] ?? '')).toBeUndefined();
      expect(told.sort()).toEqual(
        [...keys.traces.map((key) => `action record ${key}`), `run record ${keys.runs[0]}`].sort(),
      );
      const defects = await checkStore(upkeepOf(store), () => undefined);
      expect(defects.map(({ kind }) => kind).sort()).toEqual([
        'damaged latest key',
        'damaged log',
        'damaged pin',
        'damaged run',
        'damaged trace',
        'damaged trace',
      ]);
      repairStore(upkeepOf(store), defects);
      expect(await checkStore(upkeepOf(store), () => undefined)).toEqual([]);
    },
  );

  test('whose parts are not what their key says are found by fsck', async () => {
    const folder = newFolder();
    await filled(folder);
    const [key] = await rewrite(folder, 'traces', (text) => text.replace('"n":', '"m":'));
    const store = openStore(folder, () => undefined);
    onTestFinished(() => store.close());
    expect(await checkStore(upkeepOf(store), () => undefined)).toEqual([
      { kind: 'damaged trace', key },
    ]);
  });
});

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('a file of a store', () => {
  const PAGE = 4096;
  const damages: { readonly [name: string]: (bytes: Buffer) => Buffer } = {
    'the mark of the first page': (bytes) => flipped(bytes, 24),
    'the mark of the second page': (bytes) => flipped(bytes, PAGE + 24),
    'the marks of both': (bytes) => flipped(flipped(bytes, 24), PAGE + 26),
    'the roots in both': (bytes) => flipped(flipped(bytes, 136, 7), PAGE + 136, 7),
    'the size of pages': (bytes) => flipped(bytes, 49, 3),
    'the transaction': (bytes) => flipped(bytes, PAGE + 159, 6),
    'both pages zeroed': (bytes) => bytes.fill(0, 0, 2 * PAGE),
    'a page zeroed': (bytes) => bytes.fill(0, rootOf(bytes) * PAGE, (rootOf(bytes) + 1) * PAGE),
    'half of it cut off': (bytes) => bytes.subarray(0, bytes.length >> 1),
    'some bytes left': (bytes) => bytes.subarray(0, 100),
  };
  const flipped = (bytes: Buffer, at: number, bit = 0): Buffer => {
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    return bytes;
  };
  /** The root of the tables, by the newest description. */
  const rootOf = (bytes: Buffer): number => {
    const newest = bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(PAGE + 152) ? 0 : PAGE;
    return Number(bytes.readBigUInt64LE(newest + 136));
  };

  test('is refused before LMDB sees it, with the repair, and rebuilt from what is whole', async () => {
    const model = newFolder();
    await filled(model);
    const whole = readFileSync(join(model, 'store.lmdb'));
    expect(lmdbFault(join(model, 'store.lmdb'))).toBeUndefined();
    expect(pagesFault(join(model, 'store.lmdb'))).toBeUndefined();
    for (const [name, change] of Object.entries(damages)) {
      const folder = newFolder();
      const file = join(folder, 'store.lmdb');
      writeFileSync(file, change(Buffer.from(whole)));
      expect([name, lmdbFault(file)]).not.toEqual([name, undefined]);
      const error = thrownBy(() => openStore(folder, () => undefined));
      expect([name, error]).toEqual([
        name,
        expect.objectContaining({ hint: expect.stringContaining('`pipeline fsck --repair`') }),
      ]);
      const made = newFolder();
      const { blobs = 0, traces = 0 } = await rebuildStore(file, made);
      const isLost = name.startsWith('some') || name.startsWith('half');
      if (!isLost) expect([name, blobs, traces]).toEqual([name, 40, 40]);
      const store = openStore(made, () => undefined);
      const kinds = (await checkStore(upkeepOf(store), () => undefined)).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind !== 'missing blob')).toEqual([]);
      await store.close();
    }
  });
});

describe('a process that looks at a store', () => {
  const script = (text: string) => [process.execPath, ['--eval', text]] as const;

  test('is judged by how it ends', async () => {
    const end = 'console.log(\'{"end":true}\')';
    const verdicts = [
      await watchProcess(script(end), {}),
      await watchProcess(script("process.kill(process.pid, 'SIGSEGV')"), {}),
      await watchProcess(script('process.abort()'), {}),
      await watchProcess(script(`${end}; process.exitCode = 3`), {}),
      await watchProcess(script('for (;;);'), { silence_ms: 300 }),
    ];
    expect(verdicts.map(({ damaged }) => damaged)).toEqual([
      undefined,
      'LMDB does not survive it (SIGSEGV)',
      'LMDB does not survive it (SIGABRT)',
      'it cannot be read',
      'reading it comes to no end',
    ]);
  });
});

const FILES = {
  'pipeline.yaml': `stages:
  a: { command: [sh, -c, 'seq 1 4000 > out.txt'], outputs: { o: { file: out.txt, kind: text } } }
  b:
    command: [sh, -c, 'wc -l < "$1" > n.txt', sh, '{inputs.t}']
    inputs: { t: a.o }
    outputs: { n: { file: n.txt, kind: text } }
`,
};
const storeIn = (rig: Rig): string => join(rig.folder, 'cache/store.lmdb');

describe('commands', () => {
  test('name the repair of a damaged store and alter nothing; it saves what is whole, and a make does the rest', async () => {
    const rig = await madeRig(FILES);
    const bytes = readFileSync(storeIn(rig));
    bytes.fill(0, 24, 28).fill(0, 4096 + 24, 4096 + 28);
    writeFileSync(storeIn(rig), bytes);
    const NO_MEMO = { PIPELINE_NO_MEMO: '1' };
    for (const words of [['make'], ['runs']]) {
      const { code, stderr } = await rig.runWith(words, NO_MEMO);
      expect([words, code, stderr]).toEqual([
        words,
        2,
        expect.stringMatching(/damaged[\s\S]*`pipeline fsck --repair`/),
      ]);
    }
    expect(readFileSync(storeIn(rig)).equals(bytes)).toBe(true);
    const found = await rig.run('fsck', '--json');
    expect([found.code, JSON.parse(found.stdout).defects]).toMatchObject([
      2,
      [{ kind: 'damaged store' }],
    ]);
    const repaired = await rig.run('fsck', '--repair');
    expect([repaired.code, repaired.stderr]).toEqual([
      0,
      'a new store was made: 2 blobs, 2 results, 1 run saved; the damaged store is now in cache/damaged-1: make again\n',
    ]);
    expect(readFileSync(join(rig.folder, 'cache/damaged-1/store.lmdb')).equals(bytes)).toBe(true);
    const { events } = await rig.make();
    expect(events.at(-1)?.tally).toMatchObject({ built: 0, reused: 2 });
    expect((await rig.run('fsck')).code).toBe(0);
  });

  test('go on beside a damaged run record', async () => {
    const rig = await madeRig(FILES);
    const folder = join(rig.folder, 'cache');
    const [id = ''] = await rewrite(folder, 'runs', (text) => text.replace('"tasks"', '"tusks"'));
    const commands = [['runs'], ['gc', '-n'], ['log', 'a'], ['pin', id]];
    for (const words of commands) {
      const { code, stderr } = await rig.run(...words);
      expect([words, code === null || code > 2, stderr]).toEqual([
        words,
        false,
        expect.not.stringContaining('bug'),
      ]);
      expect(stderr).toContain(`the run record ${id} is damaged, and counts as absent`);
    }
  });

  test('look at a store whose process died, once; one that was killed left it whole', async () => {
    const rig = await madeRig(FILES);
    const dead = spawn(process.execPath, ['--eval', '']);
    await new Promise((resolve) => dead.once('exit', resolve));
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const { hostname } = await import('node:os');
    const { readlinkSync } = await import('node:fs');
    const life = { boot, space: readlinkSync('/proc/self/ns/pid'), started: '1' };
    const mark = join(rig.folder, `cache/store.lmdb.open-${dead.pid}-1`);
    const leave = (): void =>
      writeFileSync(mark, JSON.stringify({ host: hostname(), pid: dead.pid, life }));
    leave();
    const { code, stderr } = await rig.run('runs');
    expect([code, stderr]).toEqual([0, '']);
    expect(existsSync(mark)).toBe(false);
    leave();
    const bytes = readFileSync(storeIn(rig));
    // A table that no longer tells its entries: no look before an opening reads as far as this in a large store.
    for (let at = bytes.indexOf('traces\0'); at >= 0; at = bytes.indexOf('traces\0', at + 1)) {
      bytes.fill(7, at + 15, at + 23);
    }
    writeFileSync(storeIn(rig), bytes);
    const next = await rig.run('runs');
    expect([next.code, next.stderr]).toEqual([2, expect.stringContaining('fsck --repair')]);
    expect(existsSync(mark)).toBe(true);
    expect((await rig.run('fsck', '--repair')).code).toBe(0);
    expect(existsSync(mark)).toBe(false);
  });
});

describe('random damage', () => {
  /** Runs rounds in as few processes as LMDB allows. */
  async function campaign(seed: number, rounds: number): Promise<Record<string, number>> {
    const model = newFolder();
    await filled(model);
    const outfile = join(repository, 'node_modules', `.damage-${process.pid}.mjs`);
    onTestFinished(() => rmSync(outfile, { force: true }));
    await build({
      entryPoints: [join(repository, 'test/damage-rounds.ts')],
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      external: ['lmdb'],
    });
    const counts: Record<string, number> = {};
    const count = (what: string): void => {
      counts[what] = (counts[what] ?? 0) + 1;
    };
    const work = newFolder();
    for (let first = 0, resume = ''; first < rounds; ) {
      const words = [outfile, model, work, `${seed}`, `${first}`, `${rounds}`, resume];
      const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const ended = new Promise<string>((resolve) =>
        child.once('close', (code, signal) => resolve(signal ?? `${code}`)),
      );
      let last: RoundReport | undefined;
      for await (const line of createInterface({ input: child.stdout })) {
        last = JSON.parse(line) as RoundReport;
        if (last.step === 'wrong') throw new Error(line);
        if (last.step === 'begun') count(`${last.kind}`);
        if (last.step === 'checked') count(`found by ${last.found}`);
        if (last.step === 'repaired') count('repaired');
      }
      const how = await ended;
      if (how === '0') break;
      // LMDB may end the process that looks, and no other.
      if (last?.step !== 'begun') throw new Error(`${how} in ${JSON.stringify(last)}\n${said}`);
      count('LMDB ended the process that looked');
      first = last.round;
      resume = 'rebuild';
    }
    return counts;
  }

  test('is found and repaired, round by round', async () => {
    expect(await campaign(1, 30)).toMatchObject({ repaired: 30 });
  });

  test.runIf(process.env.FULL)(
    'in 1,000 rounds: fsck and --repair never crash, and nothing that proves itself is ever another',
    async () => {
      const counts = await campaign(20_000, 1000);
      process.stdout.write(`damage: ${JSON.stringify(counts)}\n`);
      expect(counts.repaired).toBe(1000);
    },
    1_800_000,
  );
});
