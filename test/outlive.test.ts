// Nothing that outlives its make reaches another run's result, and as little as possible outlives it. Real processes and signals.
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOOR, makeRig, type Rig, type SaidEvent, tasksOf } from './rig.ts';

/** Whether the system tells of processes: those that leave their session are found only there. */
const linux = existsSync('/proc/self/environ');

/** Whether a process runs; one that has ended and that nobody asked after does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/\) [ZX] /.test(readFileSync(stat, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until some processes are gone. */
async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The process ids that a line of a log tells. */
const pidsIn = (line: string): readonly number[] =>
  [...(/pids ([\d ]+)/.exec(line)?.[1] ?? '').matchAll(/\d+/g)].map(Number);

const scratchOf = (rig: Rig): readonly string[] => {
  const folder = join(rig.folder, 'cache/scratch');
  return existsSync(folder) ? readdirSync(folder) : [];
};

const warnings = (events: readonly SaidEvent[]): string =>
  events.flatMap(({ event, message }) => (event === 'warning' ? [String(message)] : [])).join('\n');

/** Starts a process in a session of its own, where the system has setsid(1). */
const ESCAPE = linux ? 'setsid sleep 300 > /dev/null 2>&1 &' : 'sleep 300 > /dev/null 2>&1 &';

/**
 * A command that writes five rows by its absolute path, the later ones only once there is a file `go`. It hears no SIGTERM,
 * and has two processes beside it, one of which has left its session. With a file `go.orphan` there is a third, which has
 * left its session, the environment that would tell whose it is, and its parent; it writes a sixth row.
 */
function rowsRig(): Rig {
  const rig = makeRig({
    'pipeline.yaml': '',
    'rows.sh': `trap '' TERM HUP INT QUIT
out=$PWD/rows.txt
sleep 300 &
a=$!
${ESCAPE}
echo pids $$ $a $!
echo row 1 >> $out
if [ -e "$1.orphan" ]; then
  (env -i setsid sh -c 'echo pids $$; until [ -e "$1" ]; do /bin/sleep 0.05; done; echo row 6 >> $0' $out "$1" &)
fi
while ! [ -e "$1" ]; do sleep 0.05; done
for i in 2 3 4 5; do echo row $i >> $out; done
kill -9 $a $!
wait
`,
  });
  rig.write(
    'pipeline.yaml',
    `stages:
  rows:
    command: [sh, rows.sh, "{params.go}"]
    inputs: { script: { file: rows.sh } }
    params: { go: ${join(rig.folder, 'go')} }
    outputs: { rows: rows.txt }
    artifacts: { rows: rows.txt }
`,
  );
  return rig;
}

const ROWS = 'row 1\nrow 2\nrow 3\nrow 4\nrow 5\n';

describe.each([
  ['SIGKILL', null],
  ['SIGQUIT', null],
  ['SIGHUP', 130],
] as const)('a make that is ended by %s', (signal, code) => {
  test('ends its commands and what they started, and the next one gets a folder of its own', async () => {
    const rig = rowsRig();
    const making = rig.start(['make', '--json']);
    const pids = pidsIn(await making.line((line) => line.includes('pids ')));
    expect(pids).toHaveLength(3);
    making.process.kill(signal);
    const ended = await making.ended;
    expect(ended.code).toBe(code);
    if (code !== null) expect(ended.stdout).toContain('"event":"interrupted","task":"rows"');
    await gone(pids);
    rig.write('go', '');
    expect((await rig.run('make')).code).toBe(0);
    expect(rig.read('artifacts/rows/rows.txt')).toBe(ROWS);
    // What the dead make left has gone with the next one that runs a command.
    expect(scratchOf(rig)).toEqual([]);
  });
});

test.runIf(linux)('a process that nothing finds any more reaches no later result', async () => {
  const rig = rowsRig();
  rig.write('go.orphan', '');
  const making = rig.start(['make', '--json']);
  const [pid] = pidsIn(await making.line((line) => pidsIn(line).length === 1));
  making.process.kill('SIGKILL');
  await making.ended;
  rmSync(join(rig.folder, 'go.orphan'));
  rig.write('go', '');
  expect((await rig.run('make')).code).toBe(0);
  expect(rig.read('artifacts/rows/rows.txt')).toBe(ROWS);
  await gone([pid!]);
});

test('a make that was suspended and then killed ends its commands', async () => {
  const rig = rowsRig();
  const making = rig.start(['make', '--json']);
  const pids = pidsIn(await making.line((line) => line.includes('pids ')));
  making.process.kill('SIGSTOP');
  making.process.kill('SIGKILL');
  await making.ended;
  await gone(pids);
});

test('what a successful command leaves running is ended and told', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  one: { command: [sh, one.sh], inputs: { script: { file: one.sh } }, outputs: { out: out.txt } }
`,
    // The first holds stdout open, and writes into the output after the command has ended.
    'one.sh': `(sleep 5; echo late >> out.txt) &
echo 1 > out.txt
${ESCAPE}
echo pids $!`,
  });
  const { code, events } = await rig.make();
  expect(code).toBe(0);
  expect(tasksOf(events, 'built')).toEqual(['one']);
  expect(warnings(events)).toMatch(/^the command exited and left .*running: they were stopped/);
  if (linux) expect(warnings(events)).toContain('sleep 300');
  await gone(events.flatMap(({ line }) => pidsIn(String(line))));
  expect((await rig.run('show', 'one:out')).stdout).toBe('1\n');
});

test.runIf(linux)(
  'a command that gives its own values to the variables by which it is found keeps them, and is found',
  async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  own:
    command: [sh, -c, "(cd / && exec setsid sleep 300) & echo $PIPELINE_ATTEMPT $HOME > o.txt; sleep 0.1"]
    env: { PIPELINE_ATTEMPT: mine, HOME: /, TMPDIR: /tmp }
    outputs: { o: o.txt }
    artifacts: { o: o.txt }
`,
    });
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    expect(rig.read('artifacts/own/o.txt')).toBe('mine /\n');
    expect(warnings(events)).toMatch(/left `sleep 300` \(process \d+\) running/);
  },
);

test('a helper that ends by itself is not told', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  one: { command: [sh, -c, "(read x < wait; true) & echo 1 > out.txt; sleep 0.05 &"], outputs: { out: out.txt } }
`,
  });
  const { code, events } = await rig.make();
  expect([code, warnings(events)]).toEqual([0, '']);
});

test.runIf(linux)(
  'a timeout ends all that a command started, suspended or out of its session',
  async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  one: { command: [sh, one.sh], inputs: { script: { file: one.sh } }, timeout: 1s, outputs: { out: out.txt } }
`,
      'one.sh': `${ESCAPE}
a=$!
timeout 300 sleep 300 &
echo pids $$ $a $!
kill -STOP $$`,
    });
    const { code, events } = await rig.make();
    expect(code).toBe(1);
    const pids = events.flatMap(({ line }) => pidsIn(String(line)));
    expect(pids).toHaveLength(3);
    await gone(pids);
    expect(scratchOf(rig)).toEqual([]);
  },
);

describe('what a module stage started', () => {
  const rigWith = (then: string): Rig =>
    makeRig({
      'pipeline.yaml': 'stages:\n  one: { run: one.ts }\n',
      'one.ts': `${DOOR}
import { spawn } from 'node:child_process';
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() },
  async run({ log }) {
    const child = spawn('sleep', ['300'], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('spawn', resolve));
    log('pids ' + process.pid + ' ' + child.pid);
    ${then}
    return { out: 1 };
  },
});`,
    });

  test('ends with the make, when that is killed while the stage computes', async () => {
    const making = rigWith('for (;;);').start(['make', '--json']);
    const pids = pidsIn(await making.line((line) => line.includes('pids ')));
    making.process.kill('SIGKILL');
    await making.ended;
    await gone(pids);
  });

  test('ends with its worker, when that dies', async () => {
    const { code, events } = await rigWith("process.kill(process.pid, 'SIGKILL');").make();
    expect(code).toBe(1);
    await gone(events.flatMap(({ line }) => pidsIn(String(line))));
  });

  test('ends when the make is over', async () => {
    const { code, events } = await rigWith('').make();
    expect(code).toBe(0);
    await gone(events.flatMap(({ line }) => pidsIn(String(line))));
  });
});

describe('a scratch folder', () => {
  const FAILS = `stages:
  one: { command: [sh, -c, "echo half > half.txt; exit 1"], outputs: { out: out.txt } }
  two: { command: [sh, -c, "echo 1 > out.txt"], outputs: { out: out.txt } }
`;

  test('of a failure is kept until the task runs again, whatever else runs', async () => {
    const rig = makeRig({ 'pipeline.yaml': FAILS });
    const kept = (): readonly string[] => scratchOf(rig).filter((name) => !name.endsWith('.json'));
    await rig.make('one');
    const [first] = kept();
    await rig.make('two');
    expect(kept()).toEqual([first]);
    const { events } = await rig.make('one');
    const failed = events.find(({ event }) => event === 'failed');
    const [second] = kept();
    expect(kept()).toHaveLength(1);
    expect(second).not.toBe(first);
    expect(failed?.error).toMatchObject({
      message: expect.stringContaining(
        `its folder is kept: cache/scratch/${second}/work`,
      ) as string,
    });
    expect(rig.read(`cache/scratch/${second}/work/half.txt`)).toBe('half\n');
  });

  test('of a make that may live is left alone; that of a dead one is removed by make and by gc', async () => {
    const rig = makeRig({ 'pipeline.yaml': FAILS });
    await rig.make('two');
    const add = (name: string, mark: object): void => {
      rig.write(`cache/scratch/${name}/work/x.txt`, '');
      rig.write(`cache/scratch/${name}.json`, JSON.stringify(mark));
    };
    const live = rig.start(['watch', 'two', '--json']);
    await live.line((line) => line.includes('"watching"'));
    const mark = { host: 'elsewhere', pid: 1 };
    add('elsewhere-1', mark);
    utimesSync(join(rig.folder, 'cache/scratch/elsewhere-1.json'), new Date(), new Date());
    add('long-ago-1', mark);
    expect((await rig.make('two', '--force')).code).toBe(0);
    expect(scratchOf(rig)).toEqual(['elsewhere-1', 'elsewhere-1.json']);
    live.process.kill('SIGKILL');
    await live.ended;
    add('long-ago-2', mark);
    expect((await rig.run('gc')).code).toBe(0);
    expect(scratchOf(rig)).toEqual(['elsewhere-1', 'elsewhere-1.json']);
  });
});
