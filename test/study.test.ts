import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { describe, expect, test, vi } from 'vitest';
import type { ClaimsResult } from '../src/claims/result.ts';
import {
  digestsOf,
  madeStudy,
  type Rig,
  repository,
  type SaidEvent,
  studyRig,
  tasksOf,
} from './rig.ts';

// Whole studies are made here: beside other work on two cores that takes its time.
vi.setConfig({ testTimeout: 240_000 });

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const set = (...sets: readonly string[]): string[] => sets.flatMap((text) => ['--set', text]);

/** A study that takes seconds: small digits, small nets, one seed. */
const TINY = set(
  'datasets=[{ name: tiny, kind: synth-digits, train: 600, test: 200 }]',
  'seeds=[0]',
  'pilots=[100, 101]',
  'hidden=[32-16]',
  'sensitivity.hidden=[]',
  'baselines=[{ family: uniform }]',
  'profiles=[{ family: lognormal, cv: 0.5 }]',
  'sweep.sparsities=[0.8]',
  'sweep.profiles=[{ family: uniform }, { family: lognormal, cv: 2.5 }]',
  'starts=[{ family: uniform }, { family: lognormal, cv: 0.5 }]',
  'sparsities=[0.8]',
  'training.epochs=2',
  'training.batch=128',
  'rigl.every=2',
);

/** What was built, by key. */
const outputsByKey = (events: readonly SaidEvent[]): Record<string, unknown> =>
  Object.fromEntries(
    events.flatMap(({ event, key, outputs }) =>
      event === 'built' ? [[String(key), outputs]] : [],
    ),
  );

describe('the study, in miniature', () => {
  test('makes a report, then nothing, then only what one profile reaches', async () => {
    const rig = await madeStudy('report', '-j', '2', ...TINY);
    // Cells of the grid that are arms elsewhere, starts that are profiles, and headline runs are made once.
    expect(rig.made.at(-1)).toMatchObject({ tally: { built: 51, reused: 8, infeasible: 2 } });
    expect(rig.read('artifacts/report/report.html')).toContain('<!doctype html>');
    expect(rig.read('artifacts/report/provenance.html')).toContain(
      'rigl[tiny,32-16,0.8,erk,uniform,0]',
    );

    const second = await rig.make('report', ...TINY);
    expect(tasksOf(second.events, 'built')).toEqual([]);

    const changed = set('profiles.lognormal-cv0.5.cv=0.7');
    const forecast = await rig.make('report', '--dry-run', ...TINY, ...changed);
    const forecasts = forecast.events.filter(({ event }) => event === 'forecast');
    const foreseen = forecasts.filter(({ status }) => status === 'run' || status === 'pending');
    // Only `npm run test:full` draws the report again: that it would be is foreseen.
    const third = await rig.make(process.env.FULL ? 'report' : 'claims', ...TINY, ...changed);
    const expected = [
      'claims',
      'mask[tiny,32-16,0.8,erk,lognormal-cv0.7,0]',
      'report',
      'static[tiny,32-16,0.8,erk,lognormal-cv0.7,0]',
    ];
    expect(foreseen.map(({ task }) => task).sort()).toEqual(expected);
    const remade = expected.filter((task) => task !== 'report' || process.env.FULL);
    expect(tasksOf(third.events, 'built')).toEqual(remade);

    await expectVerdicts(rig);
    await expectEstimate(rig);
  });

  /** Every claim is exercised, and none is counted: the data are synthetic. */
  async function expectVerdicts(rig: Rig): Promise<void> {
    const { stdout } = await rig.run('show', 'claims:claims', ...TINY);
    const { form, claims } = JSON.parse(stdout) as ClaimsResult;
    expect(form).toBe('claims/2');
    expect(claims.map(({ id, verdict }) => `${id} ${verdict}`)).toEqual([
      // What C1 says is said of a sparsity of 0.9; correlations and noise floors need more runs than these.
      'C1 not tested',
      'C2 not assessed',
      'C3 not assessed',
      'C4 not assessed',
      'C5 not assessed',
      'C6 not tested',
      'C7 not assessed',
      // Nothing was trained but the one network.
      'C1-networks not tested',
      'C5-networks not tested',
    ]);
    const impossible = claims[1]!.contrasts.find(({ verdict }) => verdict === 'not tested');
    expect(impossible).toMatchObject({ label: '32-16 0.8 erk lognormal-cv2.5' });
    expect(impossible?.reason).toContain('= 2.00 there');
    expect(rig.read('artifacts/report/report.html')).toContain('Which neurons become hubs');
  }

  /** Stages that have no record borrow from those that run the same module. */
  async function expectEstimate(rig: Rig): Promise<void> {
    const { code, events } = await rig.make('report', '--preset', 'full', '--dry-run', '-j', '2');
    expect(code).toBe(0);
    const estimate = events.at(-1);
    expect(estimate).toMatchObject({ event: 'estimate', slots: 2, unknown: {} });
    // Of these, cells and starts share their keys with profiles.
    expect(estimate?.tasks).toBeGreaterThan(4000);
    expect(estimate?.tasks).toBeLessThan(events.length);
    // Nobody trains four data sets in the time of a miniature.
    expect(estimate?.wall).toBeGreaterThan(600);
  }

  test('gives the same bits in another folder, with one slot or two, on every Node', async () => {
    const together = (await madeStudy('report', '-j', '2', ...TINY)).made;
    // What comes after training is made from its bits: `npm run test:full` makes that twice, too.
    const target = process.env.FULL ? 'report' : 'rigl';
    const alone = (await (await studyRig()).make(target, '-j', '1', ...TINY)).events;
    const digests = digestsOf(together);
    // By key: of two tasks with one key, the other may be the one that runs when more is made.
    expect(outputsByKey(together)).toMatchObject(outputsByKey(alone));
    expect(tasksOf(alone, 'built')).toContain('rigl[tiny,32-16,0.8,erk,uniform,0]');
    // Literals: equal on Node 20 and 24, and on every machine.
    expect({
      model: digests['rigl[tiny,32-16,0.8,erk,uniform,0]:model'],
      metrics: digests['static[tiny,32-16,0.8,erk,equilibrium,0]:metrics'],
      equilibrium: digests['equilibrium[tiny,32-16,0.8,erk]:equilibrium'],
      report: digests['report:html'],
    }).toMatchInlineSnapshot(`
      {
        "equilibrium": "226b2514c698ce6fde6b3e7610e5c126074408a09139d47c4dc0b60574f373d2",
        "metrics": "46617306a91a7fafd961b4d3658398356764ca8aa8e1ed0b6f5f494c117b37c0",
        "model": "6532ba6aaf87f1939a181b0d4d0b4f647cc41bb8656143daba96d88b9f831c99",
        "report": "c9bdfff650cfc763cafa56cf8c73d76739d8edd9adfe99f4e96b687ab864dab7",
      }
    `);
  });

  // `resume.test.ts` kills and goes on in less time.
  test.runIf(process.env.FULL)(
    'killed while RigL trains, it goes on from the checkpoint and ends in the same bits',
    async () => {
      const longer = [...TINY, ...set('training.epochs=40')];
      const [killed, whole] = [await studyRig(), await studyRig()];
      const target = 'rigl/tiny/32-16/0.8/erk/uniform/0';
      const run = killed.start(['make', target, '--json', ...longer]);
      const finished = 'start-mask[tiny,32-16,0.8,erk,uniform,0]';
      await run.line((line) => /"progress","task":"rigl\[.*epoch ([5-9]|[1-3]\d) of/.test(line));
      run.process.kill('SIGKILL');
      await run.ended;
      const resumed = await killed.make(target, ...longer);
      const started = resumed.events.find(({ event }) => event === 'started');
      expect(started).toMatchObject({
        task: 'rigl[tiny,32-16,0.8,erk,uniform,0]',
        reason: { kind: 'resumed' },
      });
      expect(tasksOf(resumed.events, 'reused')).toContain(finished);
      expect(tasksOf(resumed.events, 'built')).toEqual(['rigl[tiny,32-16,0.8,erk,uniform,0]']);
      const uninterrupted = await whole.make(target, ...longer);
      const model = 'rigl[tiny,32-16,0.8,erk,uniform,0]:model';
      expect(digestsOf(resumed.events)[model]).toBe(digestsOf(uninterrupted.events)[model]);
    },
  );

  // The study as it is declared: minutes of training.
  test.runIf(process.env.FULL && existsSync(CHROMIUM))(
    'the report of the default study is printed on sixteen pages at most, and every caption says what is to be seen',
    async () => {
      const rig = await studyRig();
      await rig.make('report', '-j', '2');
      const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
      const page = await browser.newPage();
      await page.goto(pathToFileURL(join(rig.folder, 'artifacts/report/report.html')).href);
      const captions = await page.$$eval('figure[id] figcaption > b', (all) =>
        all.map((one) => one.textContent ?? ''),
      );
      const pdf = new TextDecoder('latin1').decode(await page.pdf({ format: 'A4' }));
      await browser.close();
      expect(captions.length).toBeGreaterThan(15);
      for (const caption of captions) expect(caption).toMatch(/^Figure \d+\. [A-Z0-9].+\.$/);
      expect([...pdf.matchAll(/\/Type\s*\/Page\b/g)].length).toBeLessThanOrEqual(16);
    },
    900_000,
  );

  test('an infeasible CV is found before anything runs, where it was written', async () => {
    const rig = await studyRig();
    rig.edit('pipeline.yaml', 'cv: 1.5', 'cv: 3.5');
    const { code, stderr } = await rig.run('make', 'report');
    expect(code).toBe(2);
    const line = readFileSync(join(rig.folder, 'pipeline.yaml'), 'utf8')
      .split('\n')
      .findIndex((text) => text.includes('cv: 3.5'));
    expect(stderr).toContain(
      `pipeline.yaml:${line + 1}:32: error: CV 3.5 is out of reach at sparsity 0.9`,
    );
    expect(stderr).toContain('no fan-in profile exceeds sqrt(1/density - 1) = 3.00 there');
  });

  test('SET is an arm like RigL; schedules and gradients are params; metrics tell', async () => {
    const rig = await studyRig();
    const options = 'optimizer: sgd, nesterov: true, schedule: { kind: cosine, warmup: 0.5 }';
    rig.edit('pipeline.yaml', 'optimizer: adam', `${options}, clipNorm: 1, labelSmoothing: 0.1`);
    rig.edit(
      'pipeline.yaml',
      '  report:\n',
      `  set:
    run: stages/set.ts
    matrix:
      { dataset: $datasets, hidden: $hidden, sparsity: $sparsities, rule: $rules, profile: $starts, seed: $seeds }
    inputs: { data: dataset.data, shape: dataset.shape, mask: start-mask.mask }
    params: { training: $training, set: $rigl, gradients: { lastEpochs: 0 } }

  report:\n`,
    );
    const target = 'set/tiny/32-16/0.8/erk/uniform/0';
    const { code } = await rig.make(target, ...TINY);
    expect(code).toBe(0);
    const show = async (output: string) =>
      JSON.parse((await rig.run('show', `${target}:${output}`, ...TINY)).stdout);
    const metrics = await show('metrics');
    expect(metrics).toMatchObject({ method: 'set', withoutFanIn: [0, 0, 0] });
    expect(metrics.rewirings[0]).toMatchObject({ step: 2, withoutFanIn: [0, 0, 0] });
    expect(metrics.rewirings[0].overlap[0]).toBeLessThan(1);
    const { windows } = await show('gradients');
    expect(windows.map(({ name, batches }: { name: string; batches: number }) => [name, batches]))
      // Two epochs of five batches; SET steps on each of them.
      .toEqual([['first', 10]]);
  });

  test('options that contradict each other are found before anything runs', async () => {
    const rig = await studyRig();
    rig.edit('pipeline.yaml', 'optimizer: adam', 'optimizer: adam, nesterov: true');
    const { code, stderr } = await rig.run('make', 'report');
    expect(code).toBe(2);
    expect(stderr).toContain('nesterov needs optimizer sgd, not adam');
    expect(stderr).toContain('^');
  });

  test('training that diverges fails its task at once, and says what to try', async () => {
    const rig = await studyRig();
    rig.edit('pipeline.yaml', 'optimizer: adam', 'optimizer: sgd, weightDecay: 1');
    const absurd = set('training.learningRate=100');
    const { code, stderr } = await rig.run('make', 'dense', ...TINY, ...absurd);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /training diverged: .* in epoch \d, step \d+, at learning rate 100: the .* of layer \d/,
    );
    expect(stderr).toContain('try a smaller learning rate, such as 10, or clipNorm: 1');
    expect(stderr).not.toContain('    at ');
  });

  test('a CV that only the wiring finds infeasible fails its task with the attainable maximum', async () => {
    const rig = await studyRig();
    const { code, stderr } = await rig.run(
      'make',
      'mask',
      ...TINY,
      ...set('profiles.lognormal-cv0.5.cv=1.99'),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /CV 1\.99 is infeasible for lognormal in hidden layer \d .*at most CV \d\.\d\d/,
    );
  });
});

describe('a published data set', () => {
  const mirror = process.env.PIPELINE_TEST_DATA ?? join(repository, '..', 'shared', 'data');
  const present = existsSync(join(mirror, 'mnist'));
  const needs = present ? '' : ' (skipped: needs real data, PIPELINE_TEST_DATA=DIR)';

  test.skipIf(!present)(
    `comes from a mirror, verified, and is then in the store${needs}`,
    async () => {
      const rig = await studyRig();
      const first = await rig.make('dataset', '--preset', 'mnist', '--mirror', mirror);
      expect(tasksOf(first.events, 'built')).toEqual(['dataset[mnist]']);
      // --force runs it again, and without a mirror: the files are in the store.
      const again = await rig.make('dataset', '--preset', 'mnist', '--force', 'dataset');
      expect(digestsOf(again.events)).toEqual(digestsOf(first.events));
    },
  );
});
