// hostile-archive.test.ts — archives as forgers would make them: each is told in a line, with its place
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { verifyArchive } from '../src/archive/verify.ts';
import { keyOf } from '../src/pipeline/key.ts';
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
  });

  test('with a symbolic link is refused', async () => {
    const link = {
      name: 'study/data/link',
      bytes: text('/etc/passwd'),
      claims: { mode: 0o120777 },
    };
    expect(await findingsOf(await withEntry(link))).toContain(
      'study/data/link: is refused: a link or a special file',
    );
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
    const liar = { name: 'study/data/liar', bytes: new Uint8Array(2 ** 24), claims: { size: 100 } };
    const findings = await findingsOf(await withEntry(liar));
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
      expect(finding).toContain('is no zip file, or is cut short');
    }
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
      'data/left-out.json: has 67108865 bytes, and may have 67108864',
    ]);
    const deep = put('data/study.json', text('['.repeat(100_000)));
    expect(await findingsOf(deep)).toEqual(['data/study.json: is nested more than 64 deep']);
    const sly = put('data/study.json', text('{"form":"study/1","__proto__":{"polluted":true}}'));
    expect(await findingsOf(sly)).toEqual([
      'data/study.json: is $.__proto__ is a key that could reach a prototype',
    ]);
    const other = put(
      'data/study.json',
      text('{"form":"study/1","constructor":{"prototype":{"polluted":1}}}'),
    );
    expect((await findingsOf(other)).join()).toContain('data/study.json: ');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('with a file that no manifest lists, or without one that it lists, is told', async () => {
    expect(
      await findingsOf(await withEntry({ name: 'study/data/more', bytes: text('x') })),
    ).toEqual(['data/more: is in no manifest']);
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
      const [first, second] = [files.get(a), files.get(b)] as Uint8Array[];
      files.set(a, second).set(b, first);
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

describe('code of a stranger', () => {
  test('that reads, writes or starts programs is kept from it, and told as different', async () => {
    const marker = join(tmpdir(), `owned-${process.pid}`);
    const prying = STUDY['report.mjs']
      .replace(
        'run: ({ inputs }) => ({',
        `run: async ({ inputs }) => {
    const { writeFileSync, readFileSync } = await import('node:fs');
    const { spawnSync } = await import('node:child_process');
    const tries = [
      () => writeFileSync(${JSON.stringify(marker)}, 'x'), () => readFileSync('/etc/hostname'),
      () => { if (spawnSync('true').error) throw new Error('no'); },
    ];
    const told = tries.map((one) => { try { one(); return 'done'; } catch { return 'denied'; } }).join(' ');
    const seen = Object.keys(globalThis.process.env).length > 3;
    return {`,
      )
      .replace("join(' ') + '</p>',\n  }),", "join(' ') + told + seen + '</p>',\n  };\n  },");
    const rig = await archivedStudy({ ...STUDY, 'report.mjs': prying });
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
    expect(stderr).toContain('does not keep them from the network');
  });
});
