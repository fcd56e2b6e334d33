// hostile-archive.test.ts — archives as forgers would make them: each is told in a line, with its place
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ArchivedTrace, StudyTask } from '../src/archive/form/study.ts';
import { Programs } from '../src/archive/rerun/programs.ts';
import { verifyArchive } from '../src/archive/verify.ts';
import { keyOf } from '../src/engine/model/key.ts';
import {
  archivedStudy,
  bagged,
  type Entry,
  Forgery,
  findingsOf,
  honestFiles,
  rigWithArchive,
  STUDY,
  verified,
  zipOf,
} from './archive-rig.ts';
import { DOOR } from './rig.ts';

const text = (words: string): Uint8Array => Buffer.from(words);

describe('a zip file of a stranger', () => {
  const honest = async (): Promise<readonly Entry[]> => bagged(await honestFiles());
  const withEntry = async (entry: Entry): Promise<Buffer> => zipOf([...(await honest()), entry]);

  test('that is as we made it holds', async () => {
    expect((await verified(zipOf(await honest()))).findings).toEqual([]);
  });

  test.each([
    ['../../evil.txt', 'a path that leaves its folder'],
    ['study/../../evil.txt', 'a path that leaves its folder'],
    ['/tmp/evil.txt', 'an absolute path'],
    ['C:/evil.txt', 'an absolute path'],
    ['study\\..\\evil.txt', 'a backslash in its name'],
    ['study/data//evil.txt', 'a path with an empty part'],
    ['study/data/\ufffd', 'a name that is not UTF-8'],
  ])('with an entry %s is refused', async (name, why) => {
    expect(await findingsOf(await withEntry({ name, bytes: text('x') }))).toContain(
      `${name}: is refused: ${why}`,
    );
    expect(existsSync('/tmp/evil.txt')).toBe(false);
  });

  test('with a name that steers terminals is told without it', async () => {
    const [finding] = await findingsOf(
      await withEntry({ name: 'study/\u001b[2J', bytes: text('x') }),
    );
    expect(finding).toBe('study/?[2J: is refused: a control character in its name');
    for (const name of ['study/data/a\0b', 'study/data/\u202egpj.exe']) {
      const [told] = await findingsOf(await withEntry({ name, bytes: text('x') }));
      expect(told).toContain('?');
      expect(told).toContain('is refused: a control character in its name');
    }
  });

  test('with a symbolic link is refused', async () => {
    const link = {
      name: 'study/data/link',
      bytes: text('/etc/passwd'),
      claims: { mode: 0o120777 },
    };
    const zip = await withEntry(link);
    const told = ['study/data/link: is refused: a link or a special file'];
    expect(await findingsOf(zip)).toEqual(told);
    // Also when the entry says that another system than Unix made it.
    for (const system of [0, 19]) {
      zip[zip.lastIndexOf('PK\x01\x02') + 5] = system;
      expect(await findingsOf(zip)).toEqual(told);
    }
  });

  test('with two entries of one name is refused, also when case alone tells them apart', async () => {
    const twice = { name: 'study/data/study.json', bytes: text('{}') };
    expect(await findingsOf(await withEntry(twice))).toEqual([
      'study/data/study.json: stands there twice',
    ]);
    const shouted = { name: 'study/data/STUDY.json', bytes: text('{}') };
    expect(await findingsOf(await withEntry(shouted))).toEqual([
      'study/data/STUDY.json: stands there twice',
    ]);
  });

  test('with a file that is a folder to another is refused', async () => {
    const below = { name: 'study/data/study.json/x', bytes: text('x') };
    expect(await findingsOf(await withEntry(below))).toContain(
      'study/data/study.json/x: lies in study/data/study.json, which is a file',
    );
  });

  test('that would unpack to far more than deflate can hold is refused before it is unpacked', async () => {
    const bomb = { name: 'study/data/bomb', bytes: text('x'), claims: { size: 2 ** 31 } };
    expect((await findingsOf(await withEntry(bomb)))[0]).toMatch(
      /^study\/data\/bomb: is refused: \d+ bytes that would unpack to 2147483648$/,
    );
  });

  test('that unpacks to more than it says is told, and never held in memory', async () => {
    const files = new Map(await honestFiles()).set('data/liar', new Uint8Array(2 ** 24));
    const entries = bagged(files).map((entry) =>
      entry.name === 'study/data/liar' ? { ...entry, claims: { size: 100 } } : entry,
    );
    const findings = await findingsOf(zipOf(entries));
    expect(findings).toContainEqual(
      expect.stringMatching(/^data\/liar: cannot be read: too many bytes/),
    );
  });

  test('whose entries share their bytes is refused', async () => {
    const zip = await withEntry({ name: 'study/data/again', bytes: text('x') });
    // The last entry of the directory is sent to where the first one lies.
    const at = zip.lastIndexOf('PK\x01\x02');
    zip.writeUInt32LE(0, at + 42);
    expect((await findingsOf(zip))[0]).toContain('shares bytes with another entry');
  });

  test('that is cut short, or is none at all, is told', async () => {
    const whole = zipOf(await honest());
    for (const bytes of [whole.subarray(0, whole.length - 100), text('no zip'), Buffer.alloc(0)]) {
      const [finding] = await findingsOf(bytes);
      expect(finding).toContain('is not a zip file, or is incomplete');
    }
  });

  test('with something before its first entry, or after its end, is refused', async () => {
    const whole = zipOf(await honest());
    const junk = text('#!/bin/sh\n');
    const moved = Buffer.concat([junk, whole]);
    for (let at = moved.indexOf('PK\x01\x02'); at >= 0; at = moved.indexOf('PK\x01\x02', at + 4)) {
      moved.writeUInt32LE(moved.readUInt32LE(at + 42) + junk.length, at + 42);
    }
    moved.writeUInt32LE(moved.readUInt32LE(moved.length - 6) + junk.length, moved.length - 6);
    expect(await findingsOf(moved)).toEqual([
      'study/bagit.txt: does not stand at the beginning: something else may hide there',
    ]);
    expect((await findingsOf(Buffer.concat([whole, junk])))[0]).toContain('is not a zip file');
    expect((await findingsOf(Buffer.concat([whole, zipOf([])])))[0]).toContain(
      'must hold one folder',
    );
  });

  test('whose directory lies in ZIP64 about how much there is, and where, is told', async () => {
    const whole = zipOf(await honest());
    const end = whole.length - 22;
    const [bytes, offset] = [whole.readUInt32LE(end + 12), whole.readUInt32LE(end + 16)];
    const far = (count: bigint, start: bigint): Buffer => {
      const record = Buffer.alloc(56);
      record.write('PK\x06\x06', 0, 'latin1');
      record.writeBigUInt64LE(44n, 4);
      for (const at of [24, 32]) record.writeBigUInt64LE(count, at);
      record.writeBigUInt64LE(BigInt(bytes), 40);
      record.writeBigUInt64LE(start, 48);
      const locator = Buffer.alloc(20);
      locator.write('PK\x06\x07', 0, 'latin1');
      locator.writeBigUInt64LE(BigInt(end), 8);
      const last = Buffer.from(whole.subarray(end));
      last.fill(0xff, 8, 20);
      return Buffer.concat([whole.subarray(0, end), record, locator, last]);
    };
    const entries = BigInt((await honest()).length);
    expect((await verified(far(entries, BigInt(offset)))).findings).toEqual([]);
    expect((await findingsOf(far(2n ** 53n - 1n, BigInt(offset))))[0]).toMatch(
      /has 9007199254740991 entries, and may have 500000$/,
    );
    expect((await findingsOf(far(entries, 2n ** 60n)))[0]).toContain(
      'its directory cannot be read',
    );
    expect((await findingsOf(far(entries, 2n ** 40n)))[0]).toContain(
      'its directory cannot be read',
    );
  });

  test('whose manifest ends its lines otherwise, or lists what lies elsewhere, is told', async () => {
    const withManifest = async (change: (manifest: string) => string): Promise<Buffer> => {
      const name = 'study/manifest-sha256.txt';
      const entries = await honest();
      const changed = entries.map((entry) =>
        entry.name === name
          ? { name, bytes: text(change(Buffer.from(entry.bytes).toString())) }
          : entry,
      );
      return zipOf(changed);
    };
    expect((await findingsOf(await withManifest((all) => all.replaceAll('\n', '\r\n'))))[0]).toBe(
      'manifest-sha256.txt:1: is not a line of a manifest: it ends with a carriage return',
    );
    const outside = await withManifest((all) => `${all}${'0'.repeat(64)}  ../../etc/passwd\n`);
    const told = await findingsOf(outside);
    expect(told).toContain(
      'manifest-sha256.txt: lists ../../etc/passwd, which is not a payload file',
    );
    expect(told).toContain('../../etc/passwd: is missing');
    expect((await findingsOf(await withManifest(() => '\n'.repeat(2 ** 20)))).at(-1)).toBe(
      'manifest-sha256.txt: is not read any further',
    );
  });

  test('that is encrypted or packed in an unknown way is refused', async () => {
    const strange = { name: 'study/data/x', bytes: text('x'), claims: { method: 99 } };
    expect(await findingsOf(await withEntry(strange))).toContain(
      'study/data/x: is refused: packed by method 99',
    );
  });

  test('whose JSON is too large, too deep, or reaches for prototypes is told', async () => {
    const shared = await honestFiles();
    const put = (name: string, bytes: Uint8Array) =>
      zipOf(bagged(new Map(shared).set(name, bytes)));
    const large = put('data/left-out.json', new Uint8Array(2 ** 26 + 1).fill(0x20));
    expect(await findingsOf(large)).toEqual([
      expect.stringMatching(
        /^data\/left-out.json: is refused: \d+ bytes that would unpack to 67108865$/,
      ),
    ]);
    const deep = put('data/study.json', text('['.repeat(100_000)));
    expect(await findingsOf(deep)).toEqual(['data/study.json: is nested more than 64 deep']);
    const sly = put('data/study.json', text('{"form":"study/1","__proto__":{"polluted":true}}'));
    expect(await findingsOf(sly)).toEqual([
      'data/study.json: is unfit: $.__proto__ is a key that could reach a prototype',
    ]);
    const beyond = put('data/left-out.json', text('[{"digest":1e999}]'));
    expect(await findingsOf(beyond)).toEqual([
      'data/left-out.json: is unfit: $[0].digest is a number beyond all that JSON can hold',
    ]);
    const many = put('data/left-out.json', text(`[${'0,'.repeat(3_000_001)}0]`));
    expect(await findingsOf(many)).toEqual([
      'data/left-out.json: holds more values than any study',
    ]);
    const other = put(
      'data/study.json',
      text('{"form":"study/1","constructor":{"prototype":{"polluted":1}}}'),
    );
    expect((await findingsOf(other)).join()).toContain('data/study.json: ');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('whose forms unpack to far more than ours are refused before they are in memory', async () => {
    const blank = Buffer.alloc(100 * 2 ** 20, ' ');
    const before = process.memoryUsage().rss;
    for (const name of ['data/study.json', 'data/traces.jsonl']) {
      const files = new Map(await honestFiles());
      files.set(name, Buffer.concat([files.get(name) ?? Buffer.of(), blank]));
      expect(await findingsOf(zipOf(bagged(files)))).toContainEqual(
        expect.stringMatching(`^${name}: is refused: \\d+ bytes that would unpack to 1048`),
      );
    }
    // Most of it is what is packed here.
    expect(process.memoryUsage().rss - before).toBeLessThan(500 * 2 ** 20);
  });

  test('whose manifest lists far more files than there are is not read to its end', async () => {
    const entries = bagged(await honestFiles()).map((entry) =>
      entry.name === 'study/manifest-sha256.txt'
        ? {
            ...entry,
            bytes: text(
              Array.from({ length: 5000 }, (_, n) => `${'0'.repeat(64)}  data/x${n}\n`).join(''),
            ),
          }
        : entry,
    );
    expect(await findingsOf(zipOf(entries))).toContainEqual(
      expect.stringMatching(
        /^manifest-sha256.txt:\d+: is one of more lines than the archive has files$/,
      ),
    );
  });

  test('with a file that the study does not speak of is told', async () => {
    const files = new Map(await honestFiles()).set('data/run-me.sh', text('#!/bin/sh'));
    expect(await findingsOf(zipOf(bagged(files)))).toEqual([
      'data/run-me.sh: is not part of the study',
    ]);
  });

  test('with a file that no manifest lists, or without one that it lists, is told', async () => {
    expect(
      await findingsOf(await withEntry({ name: 'study/data/more', bytes: text('x') })),
    ).toEqual(['data/more: is not in any manifest']);
    const less = (await honest()).filter(({ name }) => !name.endsWith('environment.json'));
    expect(await findingsOf(zipOf(less))).toEqual(['data/environment.json: is missing']);
  });
});

describe('a forged study', () => {
  const told = async (forge: (forgery: Forgery) => void): Promise<readonly string[]> => {
    const forgery = new Forgery(await honestFiles());
    forge(forgery);
    return findingsOf(zipOf(bagged(forgery.files)));
  };

  test('that lacks a blob which its trace cites', async () => {
    const findings = await told((forgery) => {
      const { tasks } = forgery.json('data/study.json');
      forgery.files.delete(`data/blobs/${tasks[0].outputs.numbers.digest}`);
    });
    expect(findings).toEqual([
      expect.stringMatching(
        /^data\/blobs\/\w{64}: is missing, and not listed as left out: numbers\[0\]:numbers$/,
      ),
    ]);
  });

  test('two of whose blobs are swapped', async () => {
    const findings = await told(({ files }) => {
      const [a, b] = [...files.keys()].filter((name) => name.startsWith('data/blobs/'));
      const [first, second] = [files.get(a!), files.get(b!)] as Uint8Array[];
      files.set(a!, second!).set(b!, first!);
    });
    expect(
      findings.filter((line) => line.includes('holds other bytes than its name says')),
    ).toHaveLength(2);
  });

  test('with an edited metric, and all digests mended up to the first key', async () => {
    const metric = Buffer.from('{"accuracy":0.99}');
    const findings = await told((forgery) =>
      forgery.replaceOutput('metrics[0]', 'metrics', metric),
    );
    expect(findings).toContainEqual(
      expect.stringMatching(
        /^data\/study.json: tasks\[\d+\]: report: its inputs are not those of its trace$/,
      ),
    );
    expect(findings).toContainEqual(
      expect.stringMatching(
        /^data\/claims.json: C1, contrast 1: cites \w{12} as an output of metrics\[0\], which it is not$/,
      ),
    );
  });

  test('with an edited metric in a file alone', async () => {
    const forgery = new Forgery(await honestFiles());
    const bag = bagged(forgery.files).map((entry) =>
      entry.name.endsWith('data/claims.json') ? { ...entry, bytes: text('{}') } : entry,
    );
    expect((await findingsOf(zipOf(bag)))[0]).toMatch(
      /^data\/claims.json: is not what its manifest says: SHA-256/,
    );
  });

  test('with an edited verdict', async () => {
    const edited = (forgery: Forgery): Buffer =>
      Buffer.from(
        forgery
          .outputOf('claims', 'claims')
          .toString()
          .replace(/"reproduced"\}\],"form"/, `"not reproduced"}],"form"`),
      );
    const findings = await told((forgery) => {
      expect(edited(forgery)).not.toEqual(forgery.outputOf('claims', 'claims'));
      forgery.put('data/claims.json', edited(forgery));
    });
    expect(findings).toEqual(['data/claims.json: is not claims:claims']);
    const deeper = await told((forgery) =>
      forgery.replaceOutput('claims', 'claims', edited(forgery), 'data/claims.json'),
    );
    expect(deeper).toContain(
      'data/claims.json: C1: says "not reproduced", and its contrasts make it "reproduced"',
    );
  });

  test('whose claims say other means than their metrics have', async () => {
    const findings = await told((forgery) => {
      const claims = JSON.parse(forgery.outputOf('claims', 'claims').toString());
      claims.claims[0].contrasts[0].a.mean += 1;
      forgery.replaceOutput(
        'claims',
        'claims',
        Buffer.from(JSON.stringify(claims)),
        'data/claims.json',
      );
    });
    expect(findings).toContainEqual(
      expect.stringMatching(
        /^data\/claims.json: C1, contrast 1: says a mean of [\d.]+, and its metrics have 35/,
      ),
    );
    expect(findings).toContainEqual(
      expect.stringMatching(/contrast 1: says an effect of 0, and its means differ by 1/),
    );
  });

  test('with an edited file for people', async () => {
    const findings = await told((forgery) => forgery.put('data/artifacts/model/tables/m.csv', '1'));
    expect(findings).toEqual(['data/artifacts/model/tables/m.csv: is not model:tables']);
  });

  test('with other code than it was keyed by', async () => {
    const findings = await told(({ files }) => {
      const name = [...files.keys()].find((one) => one.startsWith('data/bundles/')) as string;
      files.set(name, Buffer.concat([files.get(name) as Uint8Array, text(';')]));
    });
    expect(findings).toEqual([
      expect.stringMatching(/^data\/bundles\/\w{64}\.mjs: is not the code that was run$/),
    ]);
  });

  test('with other params: told by the trace, and by the key when that is edited, too', async () => {
    const change = (study: { tasks: { task: string; params: { scale: number } }[] }) => {
      for (const task of study.tasks) if (task.task === 'metrics[1]') task.params.scale = 11;
    };
    expect(await told((forgery) => forgery.edit(change))).toEqual([
      expect.stringContaining('metrics[1]: its params are not those of its trace'),
    ]);
    const findings = await told((forgery) =>
      forgery.edit((study, traces) => {
        change(study);
        for (const trace of traces) if (trace.task === 'metrics[1]') trace.parts.params.scale = 11;
      }),
    );
    expect(findings).toEqual([
      expect.stringMatching(
        /^data\/traces.jsonl:\d+: the key of metrics\[1\] is not that of its parts \(\w{64}\)$/,
      ),
    ]);
  });

  test('with an input from a task that did not make it', async () => {
    const findings = await told((forgery) =>
      forgery.edit((study) => {
        const task = study.tasks.find((one: { task: string }) => one.task === 'metrics[1]');
        task.inputs.numbers.links = [['numbers[2]', 'numbers']];
      }),
    );
    expect(findings).toEqual([
      expect.stringContaining('metrics[1]: its inputs are not those of its trace'),
    ]);
  });

  test('in which a task is said to have failed that did not, or to have been skipped for nothing', async () => {
    const asIf = (name: 'failed' | 'skipped', key: boolean) =>
      told((forgery) =>
        forgery.edit((study) => {
          const model = study.tasks.find((one: { task: string }) => one.task === 'model');
          Object.assign(model, {
            [name]: 'the loss is NaN',
            outputs: {},
            ...(key && { key: null }),
          });
          study.artifacts = study.artifacts.filter((one: { task: string }) => one.task !== 'model');
        }),
      );
    expect(await asIf('failed', false)).toContainEqual(
      expect.stringContaining('model: its failures are not those of its trace'),
    );
    expect(await asIf('failed', true)).toContainEqual(expect.stringContaining('model has no key'));
    expect(await asIf('skipped', false)).toContainEqual(
      expect.stringContaining('model was skipped, and its action did not fail'),
    );
    expect(await asIf('skipped', true)).toContainEqual(
      expect.stringContaining('model was skipped, and nothing that it needs failed'),
    );
  });

  test('with a trace too many, and one whose key was made to fit', async () => {
    const findings = await told((forgery) =>
      forgery.edit((_study, traces) => {
        const parts = { ...traces[0].parts, params: { seed: 99 } };
        traces.push({ ...traces[0], parts, key: keyOf(parts) });
      }),
    );
    expect(findings).toEqual([
      expect.stringMatching(/^data\/traces.jsonl:\d+: is a trace of .* that no task has$/),
    ]);
  });

  test('that is unpacked, with a link in its folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'forged-'));
    try {
      writeFileSync(join(folder, 'bagit.txt'), 'x');
      symlinkSync('/etc', join(folder, 'data'));
      const { findings } = await verifyArchive({
        path: folder,
        version: '0',
        checker: null,
        published: [],
        node: '',
        progress: () => undefined,
      });
      expect(findings).toEqual([
        { place: 'data', message: 'is refused: a link or a special file' },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('commands of a stranger', () => {
  test('whose files would lie outside their folder are not run', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'forged-'));
    try {
      const programs = new Programs({
        scratch,
        path: process.env.PATH ?? '',
        home: undefined,
        walls: null,
        signal: new AbortController().signal,
      });
      const parts = { argv: ['true'], env: {}, inputs: {}, outputs: {} };
      const told = (command: object, inputs: object = {}, tools?: object) =>
        programs.obstacle(
          { inputs } as StudyTask,
          { parts: { command: { ...parts, ...command }, tools } } as unknown as ArchivedTrace,
        );
      expect(await told({})).toBeUndefined();
      const files = [['/etc/../..', 'x']];
      for (const unfit of [
        told({ outputs: { x: '../evil' } }),
        told({ outputs: { x: '/tmp/evil' } }),
        told({ inputs: { x: '../evil.json' } }),
        told({ inputs: { x: '../evil/*.json' } }),
        told({ inputs: { '../x': null } }),
        told({}, { x: { files } }),
      ]) {
        expect(await unfit).toMatch(/^it has .*, which is not a name in its folder$/);
      }
      expect(await told({}, {}, { 'no-such-tool --version': '1.0' })).toBe(
        'it needs `no-such-tool --version` to say "1.0", and here it says "that there is no such program"',
      );
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
});

describe('code of a stranger', () => {
  test('that reads, writes or starts programs is kept from it, and told as different', async () => {
    const marker = join(tmpdir(), `owned-${process.pid}`);
    const prying = `${DOOR}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { html: text() },
  run: async () => {
    const { writeFileSync, readFileSync } = await import('node:fs');
    const { spawnSync } = await import('node:child_process');
    const tries = [
      () => writeFileSync(${JSON.stringify(marker)}, 'x'), () => readFileSync('/etc/hostname'),
      () => { if (spawnSync('true').error) throw new Error('no'); },
    ];
    const told = tries.map((one) => { try { one(); return 'done'; } catch { return 'denied'; } }).join(' ');
    return { html: told + (Object.keys(globalThis.process.env).length > 3) };
  },
});
`;
    const rig = await archivedStudy({
      LICENSE: STUDY.LICENSE,
      'pipeline.yaml':
        'stages: { report: { run: report.mjs, artifacts: { html: report.html } } }\n',
      'report.mjs': prying,
    });
    expect(existsSync(marker)).toBe(true);
    rmSync(marker);
    expect(rig.read('artifacts/report/report.html')).toContain('done done donetrue');
    const { code, stdout } = await rig.run('verify', 'study.zip', '--rerun', '--yes', '--json');
    const found = JSON.parse(stdout);
    const report = found.taskVerdicts.find(({ task }: { task: string }) => task === 'report');
    expect(report).toMatchObject({ verdict: 'different', outputs: [{ output: 'html' }] });
    expect(code).toBe(1);
    expect(existsSync(marker)).toBe(false);
  });

  test('is not run without a yes', async () => {
    const rig = await rigWithArchive();
    const { code, stderr } = await rig.run('verify', 'study.zip', '--rerun');
    expect(code).toBe(2);
    expect(stderr).toContain('executes code from the archive');
    expect(stderr).toMatch(/behind .*no network|There are no walls of the system around them/s);
    const required = await rig.run('verify', 'study.zip', '--rerun', '--require-walls');
    expect(required.code).toBe(2);
    expect(required.stderr).toMatch(/executes code|the system has no walls/);
  });
});
