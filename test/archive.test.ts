// archive.test.ts — archives: written, checked, run again, imported, audited
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Digest, digestOf } from '../src/engine/model/key.ts';
import {
  archivedStudy,
  bagged,
  Forgery,
  honestFiles,
  rigWithArchive,
  STUDY,
  unpacked,
  verified,
  zipOf,
} from './archive-rig.ts';
import { DOOR, makeRig, type Rig, repository } from './rig.ts';

const FULL = process.env.FULL === '1';
const NODE24 = process.env.NODE24;

interface Told {
  readonly digest: string;
  readonly sha256: string;
}

const archiveOf = async (rig: Rig, ...words: string[]): Promise<Told> => {
  const { code, stdout, stderr } = await rig.run('archive', ...words, '--json');
  if (code !== 0) throw new Error(stdout + stderr);
  return JSON.parse(stdout) as Told;
};

/** Unpacks an archive into a folder of a rig. */
function unpackInto(rig: Rig, name: string): string {
  const folder = join(rig.folder, name);
  for (const [path, bytes] of unpacked(join(rig.folder, 'study.zip'))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  return folder;
}

describe('pipeline archive', () => {
  test('writes the same bytes whenever and wherever, and tells a digest that other stores give, too', async () => {
    const rig = await archivedStudy();
    const first = await archiveOf(rig, 'again.zip');
    const { stdout } = await rig.runWith(['archive', 'third.zip', '--json'], {
      TZ: 'Asia/Kathmandu',
      LANG: 'tr_TR.UTF-8',
    });
    expect(JSON.parse(stdout)).toMatchObject({ digest: first.digest, sha256: first.sha256 });
    expect(first.sha256).toBe(digestOf(readFileSync(join(rig.folder, 'study.zip'))));
    const other = await archivedStudy();
    const elsewhere = await archiveOf(other, 'again.zip');
    expect(elsewhere.digest).toBe(first.digest);
    expect(
      digestOf(unpacked(join(rig.folder, 'study.zip')).get('data/study.json') as Uint8Array),
    ).toBe(first.digest);
  });

  test('names no machine, and lets sha256sum alone check every file', async () => {
    const rig = await rigWithArchive();
    const folder = unpackInto(rig, 'unpacked');
    const traces = readFileSync(join(folder, 'data/traces.jsonl'), 'utf8');
    expect(traces).not.toContain('"host"');
    expect(
      JSON.parse(readFileSync(join(folder, 'data/environment.json'), 'utf8')).made[0],
    ).toMatchObject({
      versions: { node: process.version },
      machine: { arch: process.arch },
      tasks: 9,
    });
    for (const manifest of ['manifest-sha256.txt', 'tagmanifest-sha256.txt']) {
      const checked = execFileSync('sha256sum', ['-c', '--quiet', manifest], {
        cwd: folder,
        encoding: 'utf8',
      });
      expect(checked).toBe('');
    }
    const listed = readFileSync(join(folder, 'manifest-sha256.txt'), 'utf8')
      .trim()
      .split('\n').length;
    expect(listed).toBe(
      [...unpacked(join(rig.folder, 'study.zip')).keys()].filter((name) => name.startsWith('data/'))
        .length,
    );
  });

  test('wants everything made', async () => {
    const rig = makeRig(STUDY);
    const { code, stderr } = await rig.run('archive');
    expect(code).toBe(2);
    expect(stderr).toContain('9 tasks of 9 are not made, such as numbers[0]');
  });

  test('is held at the gate by secrets, paths, sizes and a missing licence, each let through by its name', async () => {
    const { LICENSE: _, ...unlicensed } = STUDY;
    const token = `ghp_${'a1B2'.repeat(9)}`;
    const rig = makeRig({
      ...unlicensed,
      'pipeline.yaml': `${STUDY['pipeline.yaml']}# ${token}\n# /home/ada/study\n`,
    });
    await rig.run('make', '-q');
    const { code, stdout } = await rig.run('archive', '--max-file', '200K', '--json');
    expect(code).toBe(2);
    const { held } = JSON.parse(stdout) as { held: { item: string; message: string }[] };
    expect(held.map(({ item }) => item)).toEqual([
      'licence',
      'secret:pipeline.yaml:19',
      'path:pipeline.yaml:20',
      'size:verify.mjs',
    ]);
    expect(stdout).not.toContain(token);
    const allowed = held.slice(1).flatMap(({ item }) => ['--allow', item]);
    const less = await rig.run('archive', '--max-file', '200K', ...allowed);
    expect(less.code).toBe(2);
    expect(less.stderr.split('\n').filter((line) => line.startsWith('  '))).toHaveLength(2);
    const more = await rig.run(
      'archive',
      'a.zip',
      '--max-file',
      '200K',
      ...allowed,
      '--allow',
      'licence',
    );
    expect(more.code).toBe(0);
    expect((await rig.run('verify', 'a.zip')).code).toBe(0);
  });

  test.runIf(process.env.FULL)(
    'leaves large blobs out of a light archive, and its digest as it is',
    async () => {
      const large = STUDY['numbers.mjs']
        .replace('shape: [4]', 'shape: [40_000]')
        .replace(
          '[params.seed, 1, 2, 3]',
          '{ length: 40_000 }, (_, i) => (i < 4 ? params.seed : 0)',
        );
      const rig = await archivedStudy({ ...STUDY, 'numbers.mjs': large });
      const whole = await archiveOf(rig, 'whole.zip');
      const light = await archiveOf(rig, 'light.zip', '--light');
      expect(light).toMatchObject({ digest: whole.digest, leftOut: 3 });
      const { code, stdout } = await rig.run('verify', 'light.zip', '--rerun', '--yes', '--json');
      const found = JSON.parse(stdout);
      expect(found).toMatchObject({ blobs: { leftOut: 3 }, holds: true });
      expect(found.taskVerdicts.map(({ verdict }: { verdict: string }) => verdict)).toEqual(
        Array(9).fill('identical'),
      );
      expect(code).toBe(0);
    },
  );
});

/** Waits until there is something. */
async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .split(' ')
    .filter(Boolean)
    .map(Number);

/** Whether a process runs that runs a task of an archive again; a dead one has no command line. */
function isSandbox(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('--sandbox');
  } catch {
    return false;
  }
}

describe('pipeline verify --rerun', () => {
  test('runs everything again, gives a verdict to each task and claim, and writes a page', async () => {
    const rig = await rigWithArchive();
    const { code, stdout } = await rig.run(
      'verify',
      'study.zip',
      '--rerun',
      '--yes',
      '--seed',
      '7',
      '--html',
      'v.html',
      '--json',
    );
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ form: 'verification/1', holds: true, findings: [], notes: [] });
    expect(found.rerun).toMatchObject({ seed: 7, budget_s: 600, chosen: 9 });
    expect(found.taskVerdicts).toHaveLength(9);
    expect(found.claims).toEqual([
      {
        id: 'C1',
        says: 'reproduced',
        verdict: 'identical',
        why: 'judged again from the measurements; 6 of the 6 tasks behind it were run again',
        behind: { tasks: 6, tested: 6 },
      },
    ]);
    expect(rig.read('v.html')).toContain(
      'Integrity verified; 9 of 9 tasks (100 %) re-run, all identical.',
    );
  });

  test.runIf(existsSync('/proc/self/stat'))(
    'ends what it runs when it is killed itself',
    async () => {
      // The study may read its folder; what is run again may not, and goes on for ever.
      const spins = `${DOOR}import { readFileSync } from 'node:fs';
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() },
  run() {
    try { readFileSync('pipeline.yaml'); } catch { for (;;); }
    return { out: 1 };
  },
});
`;
      const yaml = 'stages:\n  spin: { run: spin.mjs, artifacts: { out: out.json } }\n';
      const rig = await archivedStudy({ ...STUDY, 'pipeline.yaml': yaml, 'spin.mjs': spins });
      const verify = rig.start(['verify', 'study.zip', '--rerun', '--yes', '-j', '1']);
      const pid = verify.process.pid ?? 0;
      const sandbox = await until(() => childrenOf(pid).find(isSandbox));
      verify.process.kill('SIGKILL');
      await verify.ended;
      await until(() => !isSandbox(sandbox));
    },
  );

  test('tells which tensor of a forged model differs, and how far', async () => {
    const forgery = new Forgery(await honestFiles());
    const model = forgery.outputOf('model', 'model');
    model.writeDoubleLE(0.5, model.length - 8);
    forgery.replaceOutput('model', 'model', model, 'data/artifacts/model/model.safetensors');
    const rig = makeRig({});
    writeFileSync(join(rig.folder, 'forged.zip'), zipOf(bagged(forgery.files)));
    expect((await rig.run('verify', 'forged.zip')).code).toBe(0);
    const { code, stdout } = await rig.run('verify', 'forged.zip', '--rerun', '--yes', '--json');
    expect(code).toBe(1);
    const model2 = JSON.parse(stdout).taskVerdicts.find(
      ({ task }: { task: string }) => task === 'model',
    );
    expect(model2).toMatchObject({
      verdict: 'different',
      outputs: [
        {
          output: 'model',
          words: 'weights differs in 1 of 3 numbers, by 0.1 at most (relatively 0.2)',
        },
      ],
    });
  });

  test('tells of a budget that is used up, and still draws the report and judges the claims', async () => {
    const rig = await rigWithArchive();
    const { stdout } = await rig.run(
      'verify',
      'study.zip',
      '--rerun',
      '--yes',
      '--budget',
      '0.001s',
      '--json',
    );
    const { taskVerdicts, holds } = JSON.parse(stdout);
    expect(taskVerdicts.map(({ why }: { why: string }) => why)).toContain(
      'it was not in the sample (budget 0.001 s)',
    );
    expect(holds).toBe(true);
  });

  test.runIf(process.env.FULL)(
    'applies the tolerance of an engine that is not bit-exact, and says so',
    async () => {
      const inexact = `${DOOR}
import { fileSet } from '${join(repository, 'src/file-set.ts')}';
export default defineStage({
  params: z.object({}), inputs: { runs: collect(json()) }, outputs: { model: tensors(), tables: fileSet() },
  tools: () => () => ({ versions: { dice: '1.0.0' }, tolerance: 1e-3 }),
  run: () => ({ model: { metadata: {}, tensors: { w: { shape: [1], data: Float64Array.of(1 + Math.random() * 1e-6) } } }, tables: {} }),
});
`;
      const rig = await archivedStudy({ ...STUDY, 'model.mjs': inexact });
      const without = JSON.parse(
        (await rig.run('verify', 'study.zip', '--rerun', '--yes', '--json')).stdout,
      );
      const model = ({ task }: { task: string }): boolean => task === 'model';
      expect(without.taskVerdicts.find(model)).toMatchObject({
        verdict: 'not tested',
        why: expect.stringContaining('dice 1.0.0'),
      });
      const { code, stdout } = await rig.run(
        'verify',
        'study.zip',
        '--rerun',
        '--yes',
        '--packages',
        '.',
        '--json',
      );
      const verdict = JSON.parse(stdout).taskVerdicts.find(model);
      expect(verdict).toMatchObject({
        verdict: 'within tolerance',
        outputs: [{ output: 'model', tolerance: 1e-3 }],
      });
      expect(code).toBe(0);
    },
  );
});

describe('a study with commands, and with tasks that failed', () => {
  const files = {
    LICENSE: 'Do as you like.\n',
    'pipeline.yaml': `params: { seeds: [0, 1] }
stages:
  half: { run: half.mjs, matrix: { seed: $seeds } }
  twin: { run: half.mjs, matrix: { seed: $seeds } }
  after: { run: after.mjs, matrix: { seed: $seeds }, inputs: { half: half.half } }
  total:
    command: [node, total.mjs, '{inputs.halves}', '{outputs.total}']
    fingerprint: [node, --version]
    inputs: { halves: { from: half.half, partial: true }, script: { file: total.mjs } }
    outputs: { total: { file: out/total.json, kind: json } }
    artifacts: { total: total.json }
`,
    'half.mjs': `${DOOR}
export default defineStage({
  params: z.object({ seed: z.int() }), inputs: {}, outputs: { half: json() },
  run({ params }) {
    if (params.seed === 1) throw new Error('the loss is NaN in epoch 3');
    return { half: params.seed / 2 };
  },
});
`,
    'after.mjs': `${DOOR}
export default defineStage({
  params: z.object({}), inputs: { half: json() }, outputs: { more: json() },
  run: ({ inputs }) => ({ more: inputs.half + 1 }),
});
`,
    'total.mjs': `import { readFileSync, writeFileSync } from 'node:fs';
const [, , folder, out] = process.argv;
const index = JSON.parse(readFileSync(folder + '/index.json'));
writeFileSync(out, JSON.stringify({ there: index.filter(({ file }) => file).length, of: index.length }));
`,
  };
  test('runs commands again whose fingerprints have blanks in their words, also of archives that do not tell those', async () => {
    const script =
      "\"const [v] = process.versions.node.split('.'); console.log('node  ' + v, process.argv[1])\"";
    const rig = makeRig({
      LICENSE: 'Do as you like.\n',
      'pipeline.yaml': `stages:
  t:
    command: [cp, t.in, t.txt]
    fingerprint:
      - [node, -e, ${script}, "c  d"]
      - [node, -p, "1 + 1"]
    inputs: { script: { file: t.in } }
    outputs: { t: t.txt }
`,
      't.in': 'as it is',
    });
    expect((await rig.run('make', '-q')).code).toBe(0);
    await archiveOf(rig, 'study.zip');
    const verdicts = async (file: string): Promise<string[]> => {
      const { stdout } = await rig.run('verify', file, '--json', '--yes', '--commands');
      return words(JSON.parse(stdout).taskVerdicts);
    };
    expect(await verdicts('study.zip')).toEqual(['t identical']);
    // As an earlier version wrote it: pipeline.yaml and invocation.json tell the words.
    const old = new Forgery(unpacked(join(rig.folder, 'study.zip')));
    old.edit((_, traces) => {
      for (const trace of traces) delete trace.fingerprints;
    });
    writeFileSync(join(rig.folder, 'old.zip'), zipOf(bagged(old.files)));
    expect(await verdicts('old.zip')).toEqual(['t identical']);
    old.put('data/pipeline.yaml', 'stages: [');
    writeFileSync(join(rig.folder, 'older.zip'), zipOf(bagged(old.files)));
    expect(await verdicts('older.zip')).toEqual([
      expect.stringContaining('this archive does not tell where its arguments end'),
    ]);
  });

  const words = (verdicts: readonly { task: string; verdict: string; why?: string }[]): string[] =>
    verdicts.map(({ task, verdict, why }) => `${task} ${verdict}${why ? `: ${why}` : ''}`);

  test('is archived when that is meant, tells which failed and why, and runs commands again for who asks', async () => {
    const rig = makeRig(files);
    expect((await rig.run('make', '--keep-going', '-q')).code).toBe(1);
    const targets = ['total', 'after', 'twin'].flatMap((target) => ['--target', target]);
    const held = await rig.run('archive', 'study.zip', '--json', ...targets);
    expect(held.code).toBe(2);
    expect(JSON.parse(held.stdout).held).toEqual([
      {
        item: 'failed',
        message:
          '1 task failed, such as half[1]: the archive would say so, and lack what they should have given',
      },
    ]);
    await archiveOf(rig, 'study.zip', '--allow', 'failed', ...targets);
    const study = new Forgery(unpacked(join(rig.folder, 'study.zip'))).json('data/study.json');
    const told = study.tasks.filter(({ outputs }: { outputs: object }) => !Object.keys(outputs)[0]);
    expect(told).toMatchObject([
      { task: 'half[1]', key: expect.any(String), failed: 'the loss is NaN in epoch 3' },
      { task: 'twin[1]', key: expect.any(String), skipped: 'it needs half[1], which failed' },
      { task: 'after[1]', key: null, skipped: 'it needs half[1], which failed' },
    ]);

    const verify = async (...more: string[]) => {
      const { stdout } = await rig.run('verify', 'study.zip', '--json', '--yes', ...more);
      return JSON.parse(stdout);
    };
    const found = await verify('--rerun');
    expect(found).toMatchObject({ findings: [], absent: { failed: 1, skipped: 2 }, holds: true });
    const command = 'node total.mjs {inputs.halves} {outputs.total}';
    expect(words(found.taskVerdicts)).toEqual([
      'half[0] identical',
      'half[1] not tested: it failed in the study: the loss is NaN in epoch 3',
      'twin[0] identical',
      'twin[1] not tested: it was skipped in the study: it needs half[1], which failed',
      'after[0] identical',
      'after[1] not tested: it was skipped in the study: it needs half[1], which failed',
      `total not tested: it is the command \`${command}\` (node --version: ${process.version}): --commands runs it, with all your rights`,
    ]);
    expect(words((await verify('--commands')).taskVerdicts)).toContain('total identical');

    // What failed is no result: a store that is filled from the archive tries again.
    await rig.run('import', 'study.zip', '--cache', 'other');
    const { stderr } = await rig.run('make', '--keep-going', '--cache', 'other');
    expect(stderr).toContain('failed  half[1]');
    expect(stderr).toMatch(/7 tasks: 0 built, 4 reused, 1 failed, 2 not made/);
  });
});

describe('verify.mjs', () => {
  test('is in the archive as it was built, and needs nothing but Node and the archive', async () => {
    const rig = await rigWithArchive();
    const checker = unpacked(join(rig.folder, 'study.zip')).get('data/verify.mjs') as Uint8Array;
    expect(digestOf(checker)).toBe(digestOf(readFileSync(join(repository, 'dist/verify.mjs'))));
    expect(Buffer.from(checker).toString()).not.toMatch(/from\s*["'](?!node:)[^"']*["'];/);
    const empty = makeRig({});
    const alone = join(empty.folder, 'alone');
    mkdirSync(alone);
    writeFileSync(join(alone, 'verify.mjs'), checker);
    copyFileSync(join(rig.folder, 'study.zip'), join(alone, 'study.zip'));
    for (const node of [process.execPath, ...(FULL && NODE24 ? [NODE24] : [])]) {
      const { status, stdout } = spawnSync(node, ['verify.mjs', '--rerun', '--yes', '--json'], {
        cwd: alone,
        env: { PATH: process.env.PATH },
        encoding: 'utf8',
      });
      expect(JSON.parse(stdout)).toMatchObject({ holds: true, rerun: { chosen: 9 } });
      expect(status).toBe(0);
    }
    const folder = unpackInto(rig, 'unpacked');
    const within = spawnSync(process.execPath, [join(folder, 'data/verify.mjs')], {
      cwd: alone,
      encoding: 'utf8',
    });
    expect(within.stdout).toContain('nothing is wrong; nothing was run again');
  });

  test('of another version is told, and never run', async () => {
    const forgery = new Forgery(await honestFiles());
    forgery.put('data/verify.mjs', 'process.exit(0)');
    const rig = makeRig({});
    writeFileSync(join(rig.folder, 'other.zip'), zipOf(bagged(forgery.files)));
    const { code, stdout } = await rig.run('verify', 'other.zip');
    expect(stdout).toMatch(/verify\.mjs {4}is unknown to pipeline .*: do not run it, unless/);
    expect(code).toBe(0);
  });

  test('is told by the list of those that were published', async () => {
    const files = await honestFiles();
    const sha256 = digestOf(files.get('data/verify.mjs') as Uint8Array);
    const words = async (checker: Digest, version: string) => {
      const published = [{ version, sha256: version === '0.0.9' ? sha256 : '0'.repeat(64) }];
      return (await verified(zipOf(bagged(files)), { checker, published })).checker.words;
    };
    expect(await words(digestOf('another'), '0.0.9')).toBe(
      'is that of pipeline 0.0.9, as published; it was not run',
    );
    expect(await words(sha256, '0.0.8')).toBe('is that of this pipeline 0; it was not run');
    expect(await words(digestOf('another'), '0.0.8')).toContain('is unknown to pipeline 0: do not');
  });

  test('says how it is used', async () => {
    const help = spawnSync(process.execPath, [join(repository, 'dist/verify.mjs'), '--help'], {
      encoding: 'utf8',
    });
    expect(help.stdout).toContain('could vouch for itself');
    const wrong = spawnSync(process.execPath, [join(repository, 'dist/verify.mjs'), '--nonsense'], {
      encoding: 'utf8',
    });
    expect(wrong.status).toBe(2);
  });
});

describe('pipeline import', () => {
  test('fills a store, so that nothing is to do; and after a change only what it reaches runs', async () => {
    const other = await rigWithArchive(STUDY);
    expect((await other.run('import', 'study.zip')).code).toBe(0);
    const nothing = await other.run('make');
    expect(nothing.stderr).toContain('nothing to do: 9 tasks up to date');
    const archived = digestOf((await honestFiles()).get('data/study.json') as Uint8Array);
    expect((await archiveOf(other, 'b.zip')).digest).toBe(archived);
    const { events } = await other.make('--set', 'margin=0.2');
    const built = events.filter(({ event }) => event === 'built').map(({ task }) => task);
    expect(built).toEqual(['claims']);
  });

  test('refuses an archive that does not hold together', async () => {
    const forgery = new Forgery(await honestFiles());
    forgery.put('data/claims.json', '{}');
    const rig = makeRig(STUDY);
    writeFileSync(join(rig.folder, 'forged.zip'), zipOf(bagged(forgery.files)));
    const { code, stderr } = await rig.run('import', 'forged.zip');
    expect(code).toBe(1);
    expect(stderr).toContain('1 finding: nothing was imported');
    expect(existsSync(join(rig.folder, 'cache'))).toBe(false);
  });
});

describe('pipeline audit', () => {
  test('tells a task that is bit-exact from one that looks around', async () => {
    const around = STUDY['report.mjs'].replace("'<p>' +", "'<p>' + new Date(0).getHours() +");
    const rig = makeRig({ ...STUDY, 'report.mjs': around });
    await rig.run('make', '-q');
    const exact = await rig.run('audit', 'metrics/1');
    expect(exact.stdout).toBe('bit-exact  metrics[1]\n');
    expect(exact.code).toBe(0);
    const { code, stdout } = await rig.run('audit', 'report');
    expect(stdout).toMatch(
      /^different {2}report\n {2}html: \d+ bytes, which differ from byte 3 on\n/,
    );
    expect(code).toBe(1);
    await archiveOf(rig, 'study.zip');
    const audits = JSON.parse(
      Buffer.from(
        unpacked(join(rig.folder, 'study.zip')).get('data/audits.json') as Uint8Array,
      ).toString(),
    );
    expect(audits.map(({ verdict }: { verdict: string }) => verdict).sort()).toEqual([
      'bit-exact',
      'different',
    ]);
  });
});

describe('the RO-Crate', () => {
  interface Entity {
    readonly '@id': string;
    readonly '@type': string | readonly string[];
    readonly [name: string]: unknown;
  }

  const list = (value: unknown): readonly unknown[] =>
    value === undefined ? [] : Array.isArray(value) ? value : [value];
  const isA = (entity: Entity | undefined, type: string): boolean =>
    list(entity?.['@type']).includes(type);

  test('tells every task as an action with its inputs, outputs and params; every reference leads somewhere', async () => {
    const files = await honestFiles();
    const crate = new Forgery(files).json('data/ro-crate-metadata.json') as { '@graph': Entity[] };
    const graph = new Map(crate['@graph'].map((entity) => [entity['@id'], entity]));
    expect(graph.size).toBe(crate['@graph'].length);
    const elsewhere = /^https:\/\/(w3id\.org\/ro\/crate\/1\.1|bioschemas\.org\/.*)$/;
    for (const entity of graph.values()) {
      for (const value of Object.values(entity).flatMap(list)) {
        const id = (value as { '@id'?: string } | null)?.['@id'];
        if (id !== undefined && !elsewhere.test(id))
          expect(graph.has(id), `${entity['@id']} → ${id}`).toBe(true);
      }
      const isFile = isA(entity, 'File') && !/^https?:/.test(entity['@id']);
      if (isFile) expect(files.has(`data/${entity['@id']}`), entity['@id']).toBe(true);
    }
    const root = graph.get('./') as Entity;
    const parts = list(root.hasPart).map((part) => (part as Entity)['@id']);
    const payload = [...files.keys()]
      .filter((name) => name.startsWith('data/'))
      .map((name) => name.slice(5));
    expect(parts.sort()).toEqual(
      payload.filter((name) => name !== 'ro-crate-metadata.json').sort(),
    );
    const action = graph.get('#task-metrics%5B1%5D') as Entity;
    expect(action['@type']).toBe('CreateAction');
    const kinds = list(action.object).map((one) => graph.get((one as Entity)['@id'])?.['@type']);
    expect(kinds.sort()).toEqual(['File', 'PropertyValue']);
    expect(list(action.result)).toHaveLength(1);
    expect(list(root.mentions)).toHaveLength(10);
    expect([...graph.values()].filter((one) => isA(one, 'ControlAction'))).toHaveLength(9);
  });

  const python = process.env.ROC_VALIDATOR;
  test.skipIf(!FULL || python === undefined)(
    'is valid by the published validator (ROC_VALIDATOR: its python)',
    async () => {
      const rig = await rigWithArchive();
      const folder = unpackInto(rig, 'unpacked');
      const output = join(rig.folder, 'validation.json');
      const script = join(repository, 'test/ro-crate-offline.py');
      spawnSync(python as string, [script, join(folder, 'data'), 'REQUIRED', output]);
      expect(JSON.parse(readFileSync(output, 'utf8'))).toMatchObject({ passed: true, issues: [] });
    },
  );
});

describe('the default study', () => {
  test.skipIf(!FULL)(
    'is archived and verified in an empty folder, claims and all',
    async () => {
      const rig = makeRig({});
      const cache = ['-C', repository, '--cache', join(rig.folder, 'cache')];
      expect((await rig.run('make', 'report', '-q', ...cache)).code).toBe(0);
      const archived = await rig.run('archive', join(rig.folder, 'study.zip'), '--json', ...cache);
      expect(archived.code, archived.stdout).toBe(0);
      copyFileSync(join(repository, 'dist/verify.mjs'), join(rig.folder, 'verify.mjs'));
      const words = ['verify.mjs', 'study.zip', '--rerun', '--yes', '--budget', '3m', '--json'];
      const { status, stdout } = spawnSync(NODE24 ?? process.execPath, words, {
        cwd: rig.folder,
        env: { PATH: process.env.PATH },
        encoding: 'utf8',
        maxBuffer: 2 ** 28,
      });
      const found = JSON.parse(stdout);
      expect(found).toMatchObject({ findings: [], holds: true });
      expect(found.digest).toBe(JSON.parse(archived.stdout).digest);
      const verdicts = new Set(found.claims.map(({ verdict }: { verdict: string }) => verdict));
      expect([...verdicts]).toEqual(['identical']);
      expect(status).toBe(0);
    },
    600_000,
  );
});
