// Why a task would run, and who made one that is made.
import { describe, expect, test } from 'vitest';
import { DOOR, madeRig, makeRig, type Rig } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { seeds: [0, 1], size: 3, title: Numbers }
stages:
  base:
    run: stages/base.ts
    params: { size: $size }
  draw:
    run: stages/draw.ts
    matrix: { seed: $seeds }
    inputs: { base: base.n }
  page:
    run: stages/page.ts
    inputs: { draws: draw.n }
    params: { title: $title }
`,
  'stages/base.ts': `${DOOR}export default defineStage({
  params: z.object({ size: z.number() }), inputs: {}, outputs: { n: json() },
  run: ({ params }) => ({ n: params.size }),
});
`,
  'stages/draw.ts': `${DOOR}import { scale } from './scale.ts';
export default defineStage({
  params: z.object({ seed: z.number() }), inputs: { base: json() }, outputs: { n: json() },
  run: ({ params, inputs }) => ({ n: (inputs.base + params.seed) * scale }),
});
`,
  'stages/scale.ts': 'export const scale = 1;\n',
  'stages/page.ts': `${DOOR}export default defineStage({
  params: z.object({ title: z.string() }), inputs: { draws: collect(json()) }, outputs: { text: text() },
  run: ({ params, inputs }) => ({ text: params.title + inputs.draws.map(({ value }) => value).join() }),
});
`,
};

/** What `why` says, but for what is another thing every time. */
async function why(rig: Rig, ...words: string[]): Promise<string> {
  const { stdout, stderr } = await rig.run('why', ...words);
  const steady = stdout
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<when>')
    .replace(/\d{8}T\d{6}-[0-9a-f]{6}/g, '<run>')
    .replace(/ on \S+ \(.*\)/g, ' on <host> (<versions>)')
    .replace(/\d+\.\d+ s(?:, \d+(?:\.\d+)? MiB of memory)?/g, '<time>')
    .replace(/\b[0-9a-f]{64}\b/g, '<key>')
    .replace(/\b[0-9a-f]{12}\b/g, '<digest>')
    .replace(/\b[0-9a-f]{8}\b/g, '<digest>');
  return `\n${stderr}${steady}`;
}

describe('why', () => {
  test('a task would run: each change, and through which task an input changed', async () => {
    const rig = await madeRig(FILES);
    rig.edit('stages/scale.ts', 'scale = 1', 'scale = 2');
    expect(await why(rig, 'draw/0')).toMatchInlineSnapshot(`
      "
      draw[0] would run
        code changed (<digest> → <digest>): stages/scale.ts
      "
    `);
    await rig.run('make', 'draw', '-q');
    expect(await why(rig, 'page', '--set', 'title=Sums')).toMatchInlineSnapshot(`
      "
      page would run
        params.title: Numbers → Sums
        input draws: draw[0]: <digest> → <digest>
        input draws: draw[1]: <digest> → <digest>
      "
    `);
    expect(await why(rig, 'page', '--set', 'seeds=[1, 5]')).toMatchInlineSnapshot(`
      "
      page changed itself, and would run after:
        input draws: draw[0] is no longer there
        input draws: draw[5] is new
        draw[5] would run
          never made before
      "
    `);
    await rig.run('make', 'base', '-q', '--set', 'size=4');
    expect(await why(rig, 'draw/1', '--set', 'size=4')).toMatchInlineSnapshot(`
      "
      draw[1] would run
        input base (base): <digest> → <digest>
      "
    `);
  });

  test('a task that was never made: the nearest one that was, and what separates them', async () => {
    const rig = makeRig(FILES);
    expect(await why(rig, 'base')).toMatchInlineSnapshot(`
      "
      base would run
        never made before
      "
    `);
    await rig.run('make', '-q');
    expect(await why(rig, 'draw/7', '--set', 'seeds=[0, 7]')).toMatchInlineSnapshot(`
      "
      draw[7] would run
        never made before
        the nearest that was made is draw[1] (<when>, run <run>); from there:
          params.seed: 1 → 7
      "
    `);
  });

  test('a task that is made: by which run and command, and what had changed then', async () => {
    const rig = await madeRig(FILES);
    rig.edit('stages/scale.ts', 'scale = 1', 'scale = 3');
    rig.edit('pipeline.yaml', 'title: Numbers', 'title: Sums');
    await rig.run('make', '-q', '-j', '1');
    expect(await why(rig, 'page')).toMatchInlineSnapshot(`
      "
      page is up to date
        made     <when> on <host> (<versions>)
        run      <run>
        command  pipeline make -q -j 1
        cost     <time>
        key      <key>
        output   text: text, 8 B, <digest>
        changed  since <when>, run <run>:
          params.title: Numbers → Sums
          input draws: draw[0]: <digest> → <digest>
          input draws: draw[1]: <digest> → <digest>
      "
    `);
    const { stdout } = await rig.run('why', 'draw/0', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'reuse',
      command: 'make -q -j 1',
      before: {
        task: 'draw[0]',
        changes: [{ path: 'code' }],
        sources: { changed: ['stages/scale.ts'], added: [], removed: [] },
      },
    });
  });

  test('a task that only an earlier run had: which one, and with which params it is there again', async () => {
    const rig = await madeRig(FILES);
    await rig.run('make', '-q', '--set', 'seeds=[0, 7]', '--set', 'title=It’s');
    const { code, stderr } = await rig.run('why', 'draw/7');
    expect(code).toBe(2);
    expect(stderr).toContain('draw[7] is not in the pipeline as it is now');
    const words = /had it: add (.*)/.exec(stderr)?.[1] ?? '';
    expect(words).toBe("--set 'seeds=[0, 7]' --set 'title=It’s'");
    expect((await rig.run('why', 'draw/7', '--set', 'seeds=[0, 7]')).code).toBe(0);
    rig.edit('pipeline.yaml', 'seeds: [0, 1]', 'seeds: [3]');
    expect((await rig.run('why', 'draw/1')).stderr).toContain('pipeline show draw/1');
    expect((await rig.run('why', 'draw/9')).stderr).toContain('no task is called `draw/9`');
  });

  test('a dry run gives each task its reason, and says which may be cut off', async () => {
    const rig = await madeRig(FILES);
    rig.edit('pipeline.yaml', 'size: 3, title: Numbers', 'size: 4, title: Sums');
    const { stdout, stderr } = await rig.run('make', '--dry-run');
    // How long it would take depends on the machine.
    const said = `\n${stdout}${stderr}`.replace(/about .* on \d+ slots/, 'about so long');
    expect(said).toMatchInlineSnapshot(`
      "
      run base — params.size: 3 → 4
      may draw[0] — after base, unless its inputs stay the same
      may draw[1] — after base, unless its inputs stay the same
      may page — params.title: Numbers → Sums; after draw[0] and 1 more
      4 tasks: 1 would run, 3 may run, 0 up to date
      4 tasks with keys of their own; about so long, from the costs of 4 recorded tasks
      "
    `);
  });
});
