// What a worker process does to its task when it dies, and to nothing else; and how tasks are run by their policies.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DOOR, makeRig, type SaidEvent, tasksOf } from './rig.ts';

/** The error of each failed task. */
function errorsOf(events: readonly SaidEvent[]): Record<string, string> {
  const errors = events.flatMap(({ event, task, error }) =>
    event === 'failed' ? [[task, (error as { message: string }).message] as const] : [],
  );
  return Object.fromEntries(errors.sort());
}

const eventsIn = (stdout: string): readonly SaidEvent[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as SaidEvent);

test('a worker that dies fails its task with its last words, and not the run', async () => {
  const ways = ['exit', 'throw', 'kill', 'crash', 'memory', 'native', 'well', 'later'];
  const rig = makeRig({
    'pipeline.yaml': `stages:
  one: { run: one.ts, matrix: { way: [${ways}] } }
  load: { run: load.ts }
`,
    'one.ts': `${DOOR}
import { writeSync } from 'node:fs';
export default defineStage({
  params: z.object({ way: z.string() }), inputs: {}, outputs: { out: json() },
  async run({ params: { way } }) {
    if (way === 'exit') process.exit(0);
    if (way === 'throw') await new Promise(() => setImmediate(() => { throw new Error('adrift'); }));
    if (way === 'kill') process.kill(process.pid, 'SIGKILL');
    if (way === 'crash') process.kill(process.pid, 'SIGSEGV');
    // As native code does: past the streams of JavaScript.
    if (way === 'native') { writeSync(2, 'assertion failed: x > 0\\n'); process.abort(); }
    const kept: unknown[] = [];
    while (way === 'memory') kept.push(new Array(10_000).fill(kept.length));
    // Dies when its task is long done, while the worker waits for the next one.
    if (way === 'later') setImmediate(() => process.exit(1));
    return { out: way };
  },
});`,
    'load.ts': `${DOOR}
// Where it runs, and not where it is planned.
if (process.execArgv.includes('--enable-source-maps')) process.exit(7);
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() }, run: () => ({ out: 1 }),
});`,
  });
  const making = rig.start(['make', '--json', '-k', '-j', '1'], {
    NODE_OPTIONS: '--max-old-space-size=64',
  });
  const { code, stdout, stderr } = await making.ended;
  const events = eventsIn(stdout);
  expect([code, stderr]).toEqual([1, '']);
  expect(tasksOf(events, 'built')).toEqual(['one[later]', 'one[well]']);
  const errors = errorsOf(events);
  const { 'one[memory]': memory, 'one[native]': native, ...others } = errors;
  expect(others).toEqual({
    load: 'the worker ended with exit code 7 before the stage did: does it exit the process?',
    'one[crash]': 'the worker was killed by SIGSEGV: native code crashed',
    'one[exit]':
      'the worker ended with exit code 0 before the stage did: does it exit the process?',
    'one[kill]':
      'the worker was killed by SIGKILL: the system does so to the largest process when memory runs out',
    'one[throw]': 'the worker died: adrift',
  });
  expect(memory).toMatch(/^the worker ran out of memory \(.*out of memory/i);
  expect(native).toMatch(/^the worker was killed by SIGABRT\nits last words:\n/);
  expect(events.some(({ line }) => line === 'assertion failed: x > 0')).toBe(true);
});

test('a stage that exits when the pipeline is planned is a mistake that is shown, not an end without a word', async () => {
  const rig = makeRig({
    'pipeline.yaml': 'stages:\n  one: { run: one.ts }\n',
    'one.ts': `${DOOR}
process.exit(0);
export default defineStage({ params: z.object({}), inputs: {}, outputs: {}, run: () => ({}) });`,
  });
  const { code, stderr } = await rig.run('make');
  expect(code).toBe(2);
  expect(stderr).toContain(
    'stage module one.ts throws when it is loaded: it exits the process (code 0)',
  );
});

test('what a stage prints, by whatever way, is in its log, in order, and stdin is closed', async () => {
  const rig = makeRig({
    'pipeline.yaml': 'stages:\n  one: { run: one.ts }\n',
    'one.ts': `${DOOR}
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { read: json() },
  run({ log }) {
    process.stdout.write('half a ');
    process.stdout.write('line\\n');
    console.error('error %d', 1);
    log('said');
    process.stderr.write('no end');
    return { read: readFileSync(0, 'utf8') };
  },
});`,
  });
  const { events } = await rig.make();
  expect(events.flatMap(({ event, line }) => (event === 'log' ? [line] : []))).toEqual([
    'half a line',
    'error 1',
    'said',
    'no end',
  ]);
  expect((await rig.run('show', 'one:read')).stdout).toBe('""\n');
});

/** To a process that loads it, this machine has no shell, as in the smallest of containers: nothing supervises. */
const NO_SHELL = `const childProcess = require('node:child_process');
const { spawn } = childProcess;
childProcess.spawn = (file, ...more) => spawn(file === '/bin/sh' ? '/nowhere/sh' : file, ...more);
require('node:module').syncBuiltinESMExports();
`;

test.each([
  ['', false],
  [', where nothing supervises them', true],
])(
  'workers end with the engine, also when it is killed and they are busy%s',
  async (_, isAlone) => {
    const rig = makeRig({
      'pipeline.yaml': 'stages:\n  one: { run: one.ts }\n',
      'no-shell.cjs': NO_SHELL,
      'one.ts': `${DOOR}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() },
  run({ log }) {
    log('pid ' + process.pid);
    for (;;);
  },
});`,
    });
    const options = isAlone
      ? { NODE_OPTIONS: `--require=${join(rig.folder, 'no-shell.cjs')}` }
      : {};
    const making = rig.start(['make', '--json'], options);
    const line = await making.line((text) => text.includes('pid '));
    const pid = Number(/pid (\d+)/.exec(line)?.[1]);
    making.process.kill('SIGKILL');
    await making.ended;
    const lives = (): boolean => {
      try {
        process.kill(pid, 0);
        // One that nobody has buried yet is dead, too.
        return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      } catch {
        return false;
      }
    };
    // The end of a pipe tells it to a thread of its own, or to the shell that supervises it.
    while (lives()) await new Promise((resolve) => setImmediate(resolve));
  },
);
