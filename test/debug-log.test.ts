// debug-log.test.ts — PIPELINE_LOG=debug shows what the engine does, and changes nothing
import { expect, test } from 'vitest';
import { DOOR, digestsOf, makeRig, type SaidEvent, tasksOf } from './rig.ts';

const FILES = {
  'pipeline.yaml': `stages:
  one: { run: one.ts, params: { secret: hunter2 } }
`,
  'one.ts': `${DOOR}
export default defineStage({
  params: z.object({ secret: z.string() }),
  inputs: {},
  outputs: { out: text() },
  run: ({ params }) => ({ out: params.secret }),
});
`,
};

const eventsIn = (stdout: string): readonly SaidEvent[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

test('the debug log tells plan, key, look-up, lease and attempt with times, and no values', async () => {
  const rig = makeRig(FILES);
  const { code, stdout, stderr } = await rig.runWith(['make', '--json'], { PIPELINE_LOG: 'debug' });
  expect(code).toBe(0);
  const topics = [...stderr.matchAll(/^debug +\d+\.\d{3}s (\w+) /gm)].map(([, topic]) => topic);
  expect(new Set(topics)).toEqual(new Set(['plan', 'key', 'cache', 'lease', 'attempt']));
  expect(stderr).toMatch(/ cache +one [0-9a-f]{12} miss: new$/m);
  expect(stderr).not.toContain('hunter2');
  // Events go to stdout, as without it.
  expect(tasksOf(eventsIn(stdout), 'built')).toEqual(['one']);
});

test('the debug log enters no key, and a make with it finds what one without it made', async () => {
  const rig = makeRig(FILES);
  const before = await rig.make();
  const again = await rig.runWith(['make', '--json'], { PIPELINE_LOG: 'debug' });
  expect(tasksOf(eventsIn(again.stdout), 'reused')).toEqual(['one']);
  expect(again.stderr).toMatch(/ cache +one [0-9a-f]{12} hit from run /);
  const clean = await rig.runWith(['make', '--json', '--cache', 'other'], {
    PIPELINE_LOG: 'debug',
  });
  expect(digestsOf(eventsIn(clean.stdout))).toEqual(digestsOf(before.events));
  expect((await rig.run('make')).stderr).toContain('nothing to do');
});
