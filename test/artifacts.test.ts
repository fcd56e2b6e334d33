// Artifacts and their provenance, whoever writes them: other params, other processes, processes that are killed.
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Publication } from '../src/engine/artifacts/artifact.ts';
import { openArtifacts } from '../src/engine/artifacts/artifact-folder.ts';
import { withFolderLock } from '../src/engine/files/folder-lock.ts';
import { digestOf } from '../src/engine/model/key.ts';
import { DOOR, madeRig, makeRig, type Rig } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { x: 0 }
stages:
  base: { run: base.ts, params: { x: $x } }
  page: { run: page.ts, inputs: { from: base.out }, artifacts: { html: page.html, note: summary.md } }
  part: { run: part.ts, matrix: { n: [1, 2] }, inputs: { from: base.out }, artifacts: { text: "{n}.txt" } }
`,
  'base.ts': `${DOOR}export default defineStage({
  params: z.object({ x: z.number() }), inputs: {}, outputs: { out: json() },
  run: ({ params }) => ({ out: params.x }),
});`,
  'page.ts': `${DOOR}export default defineStage({
  params: z.object({}), inputs: { from: json<number>() }, outputs: { html: text(), note: text() },
  run: ({ inputs }) => ({ html: '<p>x is ' + inputs.from + '</p>', note: 'x is ' + inputs.from }),
});`,
  'part.ts': `${DOOR}export default defineStage({
  params: z.object({ n: z.number() }), inputs: { from: json<number>() }, outputs: { text: text() },
  run: ({ params, inputs }) => ({ text: params.n + ': x is ' + inputs.from }),
});`,
};

/** Of each artifact: the param that its content tells, and the one that the provenance beside it tells. */
function told(rig: Rig): readonly (readonly [content: string, provenance: number])[] {
  const pairs = [
    ['page/page.html', 'page/provenance.json'],
    ['page/summary.md', 'page/provenance.json'],
    ['part/1.txt', 'part/1.txt.provenance.json'],
    ['part/2.txt', 'part/2.txt.provenance.json'],
  ];
  return pairs.map(([artifact, provenance]) => {
    const path = join(rig.folder, 'artifacts', artifact!);
    const text = readFileSync(path, 'utf8');
    const found = JSON.parse(rig.read(`artifacts/${provenance}`));
    expect(found.artifacts[artifact!]).toBe(digestOf(text));
    const base = found.tasks.find(({ task }: { task: string }) => task === 'base');
    return [/x is (\d+)/.exec(text)?.[1] ?? '', base.parts.params.x];
  });
}

const all = (x: number) => Array.from({ length: 4 }, () => [String(x), x]);
const names = (rig: Rig, folder: string) =>
  readdirSync(join(rig.folder, 'artifacts', folder)).sort();

describe('the provenance beside an artifact', () => {
  test('is that of its content, whichever make wrote it and whether anything was built', async () => {
    const rig = await madeRig(FILES);
    expect(told(rig)).toEqual(all(0));
    const first = rig.read('artifacts/page/provenance.html');
    await rig.make('--set', 'x=1');
    expect(told(rig)).toEqual(all(1));
    expect(rig.read('artifacts/page/provenance.html')).not.toBe(first);
    for (const words of [[], [], ['page', 'part']]) {
      await rig.make(...words);
      expect(told(rig)).toEqual(all(0));
    }
    // The same results, the same provenance: to the byte.
    expect(rig.read('artifacts/page/provenance.html')).toBe(first);
    await rig.make('page', '--set', 'x=1');
    expect(told(rig).map(([x]) => x)).toEqual(['1', '1', '0', '0']);
    expect(told(rig).map(([, x]) => x)).toEqual([1, 1, 0, 0]);
    expect(names(rig, 'page')).toEqual([
      'page.html',
      'provenance.html',
      'provenance.json',
      'summary.md',
    ]);
  });

  test('is put right when it is edited, deleted or of other content, though there is nothing to do', async () => {
    const rig = await madeRig(FILES);
    await rig.make();
    const names =
      process.env.FULL === '1' ? ['provenance.html', 'provenance.json'] : ['provenance.json'];
    for (const name of names) {
      const path = join(rig.folder, 'artifacts/page', name);
      const text = readFileSync(path, 'utf8');
      rmSync(path);
      await rig.make();
      expect(readFileSync(path, 'utf8')).toBe(text);
      await rig.make();
      writeFileSync(path, 'notes of mine');
      await rig.make();
      expect(readFileSync(path, 'utf8')).toBe(text);
      expect(rig.read(`artifacts/page/${name.replace('.', '.edited-1.')}`)).toBe('notes of mine');
    }
  });
});

test('six makes with other params at once: none fails, no false edits, each artifact with its own provenance', async () => {
  const rig = await madeRig(FILES);
  const makes = [1, 2, 3, 4, 5, 6].map((x) => rig.run('make', '-j', '1', '--set', `x=${x}`));
  const ends = await Promise.all(makes);
  expect(ends.map(({ code, stderr }) => [code, /edited|error/.test(stderr)])).toEqual(
    ends.map(() => [0, false]),
  );
  for (const [content, provenance] of told(rig)) expect(Number(content)).toBe(provenance);
  expect(
    [...names(rig, 'page'), ...names(rig, 'part')].filter((name) => /edited|tmp/.test(name)),
  ).toEqual([]);
  await rig.make('--set', 'x=3');
  expect(told(rig)).toEqual(all(3));
});

describe('a folder for artifacts', () => {
  const identity = { host: hostname(), pid: process.pid, exists: () => true };
  const publication = (text: string): Publication => ({
    artifacts: [{ path: 'a.md', digest: digestOf(text), kind: 'text' }],
    lineage: digestOf(`lineage of ${text}`),
    companions: ['provenance.json'],
    obsolete: [],
    render: async () => new Map([['provenance.json', `of ${text}`]]),
    ensure: async () => true,
    read: async () => new TextEncoder().encode(text),
    copyTo: async (_, path) => {
      writeFileSync(path, text);
      return true;
    },
  });

  test('keeps an edit by a person, and takes what a killed process left for its own', async () => {
    const { folder, read } = makeRig({});
    const open = () => openArtifacts(folder, identity, Date.now);
    await open().publish(publication('one'));
    // As if killed after the artifact was written: the index knows what was about to be.
    const index = JSON.parse(read('.written.json'));
    index['a.md'].next = digestOf('two');
    index['provenance.json'].next = digestOf('of two');
    writeFileSync(join(folder, '.written.json'), JSON.stringify(index));
    writeFileSync(join(folder, 'a.md'), 'two');
    rmSync(join(folder, 'provenance.json'));
    expect(await open().publish(publication('three'))).toEqual([{ path: join(folder, 'a.md') }]);
    expect([read('a.md'), read('provenance.json')]).toEqual(['three', 'of three']);
    writeFileSync(join(folder, 'a.md'), 'by hand');
    const kept = join(folder, 'a.edited-1.md');
    expect(await open().publish(publication('four'))).toEqual([
      { path: join(folder, 'a.md'), kept },
    ]);
    expect([read('a.md'), read('a.edited-1.md'), read('provenance.json')]).toEqual([
      'four',
      'by hand',
      'of four',
    ]);
  });

  test('knows copied files again, and has no need to read them twice', async () => {
    const { folder } = makeRig({});
    const soon = () => Date.now() + 60_000;
    const open = () => openArtifacts(folder, identity, soon);
    await open().publish(publication('one'));
    expect(open().isInPlace(publication('one'))).toBe(true);
    const earlier = new Date(Date.now() - 60_000);
    for (const name of ['a.md', 'provenance.json'])
      utimesSync(join(folder, name), earlier, earlier);
    expect(open().isInPlace(publication('one'))).toBe(false);
    expect(await open().publish(publication('one'))).toEqual([]);
    expect(open().isInPlace(publication('one'))).toBe(true);
  });

  test('says what stands in the way', async () => {
    const rig = await madeRig(FILES);
    rmSync(join(rig.folder, 'artifacts/page/summary.md'));
    rig.write('artifacts/page/summary.md/inside', '');
    const { code, stderr } = await rig.run('make', '--set', 'x=9');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/summary\.md cannot be written: a folder stands in its place/),
    ]);
    expect(stderr).not.toContain('EISDIR');
  });

  test('is locked by one at a time, in order; a ticket of a process that is gone counts for nothing', async () => {
    const { folder } = makeRig({});
    let inside = 0;
    const order: number[] = [];
    const work = (n: number) =>
      withFolderLock(folder, identity, async () => {
        inside += 1;
        expect(inside).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(n);
        inside -= 1;
      });
    await work(0);
    const tickets = join(folder, '.lock');
    const life = { boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() };
    const gone = {
      task: '',
      host: hostname(),
      pid: 2 ** 22 + 1,
      life: { ...life, space: '', started: '1' },
    };
    const { readlinkSync } = await import('node:fs');
    gone.life.space = readlinkSync('/proc/self/ns/pid');
    writeFileSync(join(tickets, '000000001-dead'), JSON.stringify(gone));
    writeFileSync(join(tickets, 'choosing-dead'), JSON.stringify(gone));
    const exists = (pid: number): boolean => existsSync(`/proc/${pid}`);
    Object.assign(identity, { exists });
    await Promise.all([1, 2, 3, 4].map(work));
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(readdirSync(tickets)).toEqual([]);
  });
});
