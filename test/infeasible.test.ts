// Tasks that ask for what cannot be done, and studies that are made from what there is. Through the real binary.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundledRig, DOOR, madeRig, type Rig, type SaidEvent, tasksOf } from './rig.ts';

const PIPELINE = `params:
  cvs: [1, 2, 3]
  most: 2
  broken: none
stages:
  mask:
    run: stages/mask.ts
    matrix: { cv: $cvs }
    params: { most: $most }
    infeasible: skip
  train:
    run: stages/train.ts
    matrix: { cv: $cvs }
    inputs: { mask: mask.out }
    params: { broken: $broken }
  report:
    run: stages/report.ts
    inputs: { runs: train.out }
    artifacts: { page: page.txt }
`;

const FILES = {
  'pipeline.yaml': PIPELINE,
  'stages/mask.ts': `${DOOR}
export default defineStage({
  params: z.object({ cv: z.number(), most: z.number() }),
  inputs: {},
  outputs: { out: json<number>() },
  run({ params: { cv, most } }) {
    if (cv > most) throw new InfeasibleError(\`CV \${cv} is infeasible: at most CV \${most}\`);
    return { out: cv };
  },
});
`,
  'stages/train.ts': `${DOOR}
export default defineStage({
  params: z.object({ cv: z.number(), broken: z.string() }),
  inputs: { mask: json<number>() },
  outputs: { out: json<number>() },
  run({ params: { cv, broken }, inputs }) {
    if (broken === String(cv)) throw new StageError('the loss is NaN');
    return { out: inputs.mask * 10 };
  },
});
`,
  'stages/report.ts': `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: { runs: collectPartial(json<number>()) },
  outputs: { page: text() },
  run({ inputs: { runs } }) {
    const items = runs.items.map(({ at, value }) => \`\${at.cv}: \${value}\`);
    const missing = runs.missing.map(
      ({ task, at, reason }) => \`\${task} \${at.cv} \${reason.kind}: \${reason.message}\`,
    );
    return { page: [...items, ...missing].join('\\n') };
  },
});
`,
};

const page = (rig: Rig): string =>
  readFileSync(join(rig.folder, 'artifacts/report/page.txt'), 'utf8');

const finished = (events: readonly SaidEvent[]): unknown => events.at(-1)?.tally;

describe('a stage that says `infeasible: skip`', () => {
  test('is left out with all that needs it, and a partial input tells of it', async () => {
    const rig = await madeRig(FILES);
    const events = rig.made;
    expect(events.filter(({ event }) => event === 'infeasible')).toEqual([
      {
        event: 'infeasible',
        task: 'mask[3]',
        message: 'CV 3 is infeasible: at most CV 2',
        known: false,
      },
      {
        event: 'infeasible',
        task: 'train[3]',
        message: 'CV 3 is infeasible: at most CV 2',
        known: true,
        because: 'mask[3]',
      },
    ]);
    expect(tasksOf(events, 'warning')).toEqual([]);
    expect(page(rig)).toBe('1: 10\n2: 20\ntrain[3] 3 infeasible: CV 3 is infeasible: at most CV 2');
  });

  test('is remembered: nothing runs again, and every command says it', async () => {
    const rig = await madeRig(FILES);
    const again = await rig.make();
    expect(tasksOf(again.events, 'started')).toEqual([]);
    expect(finished(again.events)).toMatchObject({ reused: 5, infeasible: 2, built: 0 });
    expect((await rig.run('make')).stderr).toMatch(
      /nothing to do: 5 tasks up to date, 2 infeasible/,
    );
    expect((await rig.run('make', '--dry-run')).stderr).toMatch(/5 tasks up to date, 2 infeasible/);
    expect((await rig.run('status')).stdout).toMatch(/infeasible\n.*mask +2 +0 +0 +1\n/s);
    expect((await rig.run('why', 'train/3')).stdout).toMatch(
      'train[3] is infeasible, as mask[3] is: CV 3 is infeasible: at most CV 2',
    );
    const shown = await rig.run('show', 'mask/3');
    expect(shown.code).toBe(2);
    expect(shown.stderr).toMatch('mask[3] has no outputs: infeasible: CV 3 is infeasible');
  });

  test('becomes feasible by its params, and the page with it', async () => {
    const rig = await madeRig(FILES);
    const { code, events } = await rig.make('--set', 'most=3');
    expect(code).toBe(0);
    expect(tasksOf(events, 'infeasible')).toEqual([]);
    expect(page(rig)).toBe('1: 10\n2: 20\n3: 30');
  });

  test('is an error again when it no longer says so', async () => {
    const rig = await madeRig(FILES);
    rig.edit('pipeline.yaml', '    infeasible: skip\n', '');
    const { code, events } = await rig.make();
    expect(code).toBe(1);
    expect(tasksOf(events, 'failed')).toEqual(['mask[3]']);
    expect(tasksOf(events, 'skipped')).toEqual(['report', 'train[3]']);
  });

  test('leaves out what its check finds infeasible, and runs nothing for it', async () => {
    const rig = await bundledRig(FILES);
    rig.edit(
      'stages/mask.ts',
      '  run({',
      `  check: ({ cv, most }) =>
    cv > most
      ? [{ path: ['cv'], message: \`CV \${cv} is infeasible\`, hint: \`at most \${most}\`, infeasible: true }]
      : [],
  run({`,
    );
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    expect(tasksOf(events, 'started')).not.toContain('mask[3]');
    expect(page(rig)).toContain('train[3] 3 infeasible: CV 3 is infeasible: at most 2');
    rig.edit('pipeline.yaml', 'infeasible: skip', 'infeasible: fail');
    const refused = await rig.run('make');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch('CV 3 is infeasible (stage `mask`)');
  });

  test('an input that is not partial is left out with it', async () => {
    const rig = await bundledRig(FILES);
    rig.edit('stages/report.ts', 'collectPartial(json', 'collect(json');
    rig.edit('stages/report.ts', '{ inputs: { runs } }', '{ inputs }');
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    expect(tasksOf(events, 'infeasible')).toEqual(['mask[3]', 'report', 'train[3]']);
    expect(existsSync(join(rig.folder, 'artifacts/report/page.txt'))).toBe(false);
  });

  test('takes skip or fail, and nothing else', async () => {
    const rig = await bundledRig(FILES);
    rig.edit('pipeline.yaml', 'infeasible: skip', 'infeasible: maybe');
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toMatch('`infeasible` is `skip` or `fail`');
  });
});

describe('a partial input of tasks that failed', () => {
  const BROKEN = ['--set', 'broken="2"'];

  test('is not made unless --keep-going asks for what there is', async () => {
    const rig = await bundledRig(FILES);
    const { code, events } = await rig.make('-j', '1', ...BROKEN);
    expect(code).toBe(1);
    expect(tasksOf(events, 'skipped')).toContain('report');
    expect(existsSync(join(rig.folder, 'artifacts/report/page.txt'))).toBe(false);
  });

  test('is made from what there is, which is said, and anew when the rest is there', async () => {
    const rig = await bundledRig(FILES);
    const { code, events } = await rig.make('--keep-going', ...BROKEN);
    expect(code).toBe(1);
    expect(page(rig)).toBe(
      '1: 10\ntrain[2] 2 failed: the loss is NaN\ntrain[3] 3 infeasible: CV 3 is infeasible: at most CV 2',
    );
    const warnings = events.filter(({ event }) => event === 'warning');
    expect(warnings).toEqual([
      {
        event: 'warning',
        task: 'report',
        message: 'made from what there is: 1 of 3 for input runs (1 failed, 1 infeasible)',
      },
    ]);
    const whole = await rig.make();
    expect(whole.code).toBe(0);
    const started = whole.events.find(
      ({ event, task }) => event === 'started' && task === 'report',
    );
    expect(started?.reason).toMatchObject({
      kind: 'changed',
      changes: [{ path: 'inputs.runs', through: ['train[2]'] }],
    });
    expect(page(rig)).toMatch('2: 20');
  });

  test('tells of tasks that were skipped, too', async () => {
    const rig = await bundledRig(FILES);
    rig.edit(
      'stages/mask.ts',
      'if (cv > most)',
      "if (cv === 1) throw new Error('out of masks');\n    if (cv > most)",
    );
    const { code, events } = await rig.make('--keep-going');
    expect(code).toBe(1);
    expect(tasksOf(events, 'skipped')).toEqual(['train[1]']);
    expect(page(rig)).toMatch('train[1] 1 skipped: it needs mask[1], which failed');
  });
});
