// What a make started ends with it at once, whatever it is doing; and nobody waits for a suspended process without a word.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DOOR, makeRig, type Rig, type Started } from './rig.ts';

/** Only there are processes found that have left their session, and suspended ones. */
const linux = existsSync('/proc/self/environ');

/** A head that is gone may leave its programs so long on a busy machine; on an idle one it is a tenth of that. */
const ENDED_MS_MAX = 1500;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/\) [ZX] /.test(readFileSync(stat, 'utf8'));
  } catch {
    return false;
  }
}

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

/** Process ids that programs of a rig wrote, one file each, when all of these are there. */
async function pidsIn(rig: Rig, ...names: string[]): Promise<readonly number[]> {
  const text = (name: string): string => {
    const path = join(rig.folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  while (!names.every((name) => text(name).endsWith('\n'))) await tick();
  return names.flatMap((name) => text(name).trim().split(/\s+/).map(Number));
}

/** Kills a head, and says how long the others outlive it. */
async function outlived(head: Started, pids: readonly number[]): Promise<number> {
  onTestFinished(() => {
    for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
  });
  expect(pids.filter(isAlive)).toEqual(pids);
  head.process.kill('SIGKILL');
  const start = performance.now();
  while (pids.some(isAlive) && performance.now() - start < 10 * ENDED_MS_MAX) await tick();
  expect(pids.filter(isAlive)).toEqual([]);
  return performance.now() - start;
}

/** A program that never ends, with children of which one has left its session. */
const family = (file: string): string =>
  `sleep 300 & a=$!; setsid sleep 300 & echo $$ $a $! > ${file}; while :; do :; done`;
const SPIN = (file: string): string =>
  `writeFileSync(${JSON.stringify(file)}, process.pid + '\\n'); for (;;);`;
const MODULE = (first: string, run: string): string => `${DOOR}
import { writeFileSync } from 'node:fs';
${first}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() }, run: () => { ${run} },
});
`;

describe.skipIf(!linux)('a make that is killed', () => {
  test('takes with it a module that never lets go, and a command with all that it started', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  module: { run: spin.mjs }
  command:
    command: [sh, program.sh, '{outputs.out}']
    inputs: { script: { file: program.sh } }
    outputs: { out: out.txt }
`,
    });
    rig.write('spin.mjs', MODULE('', SPIN(join(rig.folder, 'module.pid'))));
    rig.write('program.sh', family(join(rig.folder, 'command.pid')));
    const head = rig.start(['make', '-j', '2']);
    const pids = await pidsIn(rig, 'module.pid', 'command.pid');
    expect(await outlived(head, pids)).toBeLessThan(ENDED_MS_MAX);
  });

  test('takes with it a module that never lets go while it is planned', async () => {
    const rig = makeRig({ 'pipeline.yaml': 'stages: { module: { run: spin.mjs } }\n' });
    rig.write('spin.mjs', MODULE(SPIN(join(rig.folder, 'module.pid')), 'return { out: 1 };'));
    const head = rig.start(['make']);
    expect(await outlived(head, await pidsIn(rig, 'module.pid'))).toBeLessThan(ENDED_MS_MAX);
  });

  test('takes with it a fingerprint that never ends', async () => {
    const rig = makeRig({});
    rig.write('finger.sh', family(join(rig.folder, 'finger.pid')));
    rig.write(
      'pipeline.yaml',
      `stages:
  command:
    command: [sh, -c, 'echo > $0', '{outputs.out}']
    fingerprint: [sh, finger.sh]
    outputs: { out: out.txt }
`,
    );
    const head = rig.start(['make']);
    expect(await outlived(head, await pidsIn(rig, 'finger.pid'))).toBeLessThan(ENDED_MS_MAX);
  });
});

test.skipIf(!linux)(
  'who waits for a suspended process is told which, and what to do',
  async () => {
    const rig = makeRig({});
    rig.write('program.sh', family(join(rig.folder, 'command.pid')));
    rig.write(
      'pipeline.yaml',
      `stages:
  command:
    command: [sh, program.sh, '{outputs.out}']
    inputs: { script: { file: program.sh } }
    outputs: { out: out.txt }
`,
    );
    const first = rig.start(['make', '--json']);
    const pids = await pidsIn(rig, 'command.pid');
    const [leader = 0] = pids;
    const { pid = 0 } = first.process;
    // One of its own programs.
    process.kill(leader, 'SIGSTOP');
    const own = await first.line((line) => line.includes('suspended'));
    expect(JSON.parse(own)).toMatchObject({
      event: 'warning',
      message: expect.stringContaining(`process ${leader}, in which a task runs, is suspended`),
    });
    process.kill(leader, 'SIGCONT');
    // Another make.
    first.process.kill('SIGSTOP');
    const second = rig.start(['make', '--json']);
    await second.line((line) => line.includes('"waiting"'));
    const start = performance.now();
    const said = await second.line((line) => line.includes('suspended'));
    expect(performance.now() - start).toBeLessThan(2000);
    expect(JSON.parse(said)).toMatchObject({ event: 'warning', task: 'command' });
    expect(said).toContain(`(process ${pid}), which is making command, is suspended`);
    expect(said).toContain(`\`kill -CONT ${pid}\` lets it go on, \`kill -KILL ${pid}\` ends it`);
    second.process.kill('SIGKILL');
    expect(await outlived(first, pids)).toBeLessThan(ENDED_MS_MAX);
  },
  60_000,
);
