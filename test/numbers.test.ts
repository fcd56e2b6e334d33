// One run, told to a program, in the history, beside artifacts and to a person: the numbers are the same.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOOR, makeRig, type Rig, type SaidEvent } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { mark: 0 }
stages:
  flaky: { run: flaky.ts, params: { mark: $mark }, retries: { times: 2, delay: 1ms } }
  twin: { run: plain.ts, matrix: { label: [a, b] } }
  breaks: { run: breaks.ts, matrix: { n: [1, 2] }, allow-failure: true }
  after: { run: plain.ts, matrix: { n: [1, 2] }, inputs: { from: breaks.out } }
  cannot: { run: cannot.ts, infeasible: skip }
  page:
    run: page.ts
    inputs: { flaky: flaky.out, twins: twin.out, some: after.out, others: cannot.out }
    artifacts: { html: page.html }
`,
  'flaky.ts': `${DOOR}import { existsSync, writeFileSync } from 'node:fs';
export default defineStage({
  params: z.object({ mark: z.int() }), inputs: {}, outputs: { out: json() },
  run({ params, log }) {
    log('tries');
    if (existsSync('tried-' + params.mark)) return { out: params.mark };
    writeFileSync('tried-' + params.mark, '');
    throw new StageError('not yet');
  },
});`,
  'plain.ts': `${DOOR}export default defineStage({
  params: z.object({}), inputs: { from: optional(json()) }, outputs: { out: json() }, run: () => ({ out: 1 }),
});`,
  'breaks.ts': `${DOOR}export default defineStage({
  params: z.object({ n: z.int() }), inputs: {}, outputs: { out: json() },
  run({ params }) { if (params.n === 1) throw new StageError('broken'); return { out: 2 }; },
});`,
  'cannot.ts': `${DOOR}export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() },
  run() { throw new InfeasibleError('never'); },
});`,
  'page.ts': `${DOOR}const some = collectPartial(json());
export default defineStage({
  params: z.object({}), inputs: { flaky: json(), twins: collect(json()), some, others: some }, outputs: { html: text() },
  run: () => ({ html: '<p>made</p>' }),
});`,
};

const ENDS = ['built', 'reused', 'failed', 'skipped', 'interrupted', 'infeasible'];

/** How often each end was said. */
function counted(events: readonly SaidEvent[]): Record<string, number> {
  const tally = Object.fromEntries(ENDS.map((end) => [end, 0]));
  for (const { event } of events) if (event in tally) tally[event]! += 1;
  return tally;
}

async function lastRun(rig: Rig) {
  return JSON.parse((await rig.run('runs', '--json', '-n', '1')).stdout)[0];
}

function tallyOf(outcomes: Record<string, string>): Record<string, number> {
  const tally = Object.fromEntries(ENDS.map((end) => [end, 0]));
  for (const outcome of Object.values(outcomes)) tally[outcome]! += 1;
  return tally;
}

describe('a run with retries, twins, failures and what cannot be done', () => {
  test('is counted alike by its events, its tally, the history, the trace and the provenance', async () => {
    const rig = makeRig(FILES);
    const { events } = await rig.make('-k', '--trace', 'trace.json');
    const { tally, seconds } = events.at(-1) as unknown as { tally: object; seconds: number };
    expect(tally).toEqual({
      built: 5,
      reused: 1,
      failed: 1,
      skipped: 1,
      interrupted: 0,
      infeasible: 1,
    });
    expect(counted(events)).toEqual(tally);
    expect(events[0]!.tasks).toBe(9);
    const run = await lastRun(rig);
    expect(run).toMatchObject({ tally, seconds, state: 'finished' });
    expect(tallyOf(run.outcomes)).toEqual(tally);
    const provenance = JSON.parse(rig.read('artifacts/page/provenance.json'));
    expect(provenance.run).toMatchObject({ id: run.id, at: run.started, host: run.host });
    const page = rig.read('artifacts/page/provenance.html');
    expect(page).toContain('9 tasks: 5 built');
    expect(page).toMatch(/1 reused, which saved .*, 1 infeasible, 1 failed, 1 skipped\./);
    // Of a task that was tried twice, everybody tells the seconds of the try that counts, and all of its lines.
    const built = events.find(({ event, task }) => event === 'built' && task === 'flaky');
    const made = provenance.tasks.find((one: { task: string } | null) => one?.task === 'flaky');
    expect(made.cost.seconds).toBe(built?.seconds);
    const trace = JSON.parse(readFileSync(join(rig.folder, 'trace.json'), 'utf8'));
    const slices = trace.filter(
      ({ ph, name }: { ph: string; name: string }) => ph === 'X' && name === 'flaky',
    );
    expect(slices.map(({ args }: { args: { end: string } }) => args.end)).toEqual([
      'failed',
      'built',
    ]);
    expect(slices[1].dur).toBe(Math.max(1, Math.round(Number(built?.seconds) * 1e6)));
    expect((await rig.run('log', 'flaky')).stdout).toBe('tries\ntries\n');
  });

  test('is told to a person in the same numbers', async () => {
    const rig = makeRig(FILES);
    const { stderr } = await rig.run('make', '-k');
    expect(stderr).toContain('9 tasks: 5 built, 1 reused, 1 infeasible, 1 failed, 1 not made (');
    const { seconds, tally } = await lastRun(rig);
    const shown = seconds < 1 ? seconds.toFixed(2) : seconds.toFixed(1);
    expect(stderr).toContain(`(${shown} s)`);
    expect((await rig.run('runs')).stdout).toContain(
      '5 built, 1 reused, 1 failed, 1 skipped, 1 infeasible',
    );
    expect(tally.built).toBe(5);
  });

  test.runIf(process.env.FULL === '1')(
    'that ends early tells each task once, those too whose turn never came',
    async () => {
      const rig = makeRig({
        ...FILES,
        'pipeline.yaml': FILES['pipeline.yaml'].replace(', allow-failure: true', ''),
      });
      const { code, events } = await rig.make('-j', '1');
      expect(code).toBe(1);
      const { tally } = events.at(-1) as unknown as { tally: Record<string, number> };
      expect(counted(events)).toEqual(tally);
      expect(Object.values(tally).reduce((sum, n) => sum + n, 0)).toBe(9);
      const run = await lastRun(rig);
      expect(tallyOf(run.outcomes)).toEqual(tally);
    },
  );
});
