// What survives a kill, a Ctrl-C and company: checkpoints, claims, finished tasks. Stages block on files, never on time.
import { existsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { expect, test } from 'vitest';
import { DOOR, digestsOf, makeRig, type Rig, type SaidEvent, tasksOf } from './rig.ts';

/** Ten steps with a checkpoint at each; blocks at the fifth until the gate opens. Says how many it did. */
const STEPS = `${DOOR}
import { existsSync } from 'node:fs';
const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
export default defineStage({
  params: z.object({ gate: z.string(), polite: z.boolean() }), inputs: {}, outputs: { out: json() },
  run({ params, checkpoint, log }) {
    const saved = checkpoint.load();
    const state = saved ? Float64Array.from(saved.tensors.state.data) : new Float64Array([0, 1]);
    let done = 0;
    while (state[0] < 10) {
      state[1] = state[1] * 1.1 + state[0];
      state[0] += 1;
      done += 1;
      checkpoint.save({ tensors: { state: { shape: [2], data: state.slice() } }, metadata: {} });
      if (state[0] === 5) log('at five');
      while (state[0] === 5 && !existsSync(params.gate) && !(params.polite && checkpoint.due())) sleep(5);
    }
    log('did ' + done);
    return { out: state[1] };
  },
});
`;

/** Two quick tasks, then one of steps, in a folder with a gate. Polite: it looks for a stop while it waits. */
function stepsRig({ polite }: { readonly polite: boolean }): { rig: Rig; gate: string } {
  const rig = makeRig({
    'steps.ts': STEPS,
    'quick.ts': `${DOOR}
export default defineStage({
  params: z.object({ n: z.int() }), inputs: {}, outputs: { out: json() },
  run: ({ params }) => ({ out: params.n }),
});`,
  });
  const gate = join(rig.folder, 'gate');
  rig.write(
    'pipeline.yaml',
    `stages:
  quick: { run: quick.ts, matrix: { n: [1, 2] } }
  steps: { run: steps.ts, params: { gate: ${gate}, polite: ${polite} } }
`,
  );
  return { rig, gate };
}

const eventOf = (events: readonly SaidEvent[], kind: string, task: string): SaidEvent | undefined =>
  events.find((said) => said.event === kind && said.task === task);

const saysFive = (line: string): boolean => line.includes('at five');
const logs = (events: readonly SaidEvent[]): readonly unknown[] =>
  events.flatMap(({ event, line }) => (event === 'log' ? [line] : []));

test('kill -9, then make: finished tasks are not rerun, the rest goes on from its checkpoint to the same digest', async () => {
  const { rig, gate } = stepsRig({ polite: false });
  const killed = rig.start(['make', '--json', '-j', '1']);
  await killed.line(saysFive);
  killed.process.kill('SIGKILL');
  const ended = await killed.ended;
  expect(ended.code).toBeNull();
  // What is told as built is committed. Which tasks come first is nobody's promise, and a commit may not be told yet.
  const built = [...ended.stdout.matchAll(/"event":"built","task":"([^"]+)"/g)];
  writeFileSync(gate, '');
  const { code, events } = await rig.make();
  expect(code).toBe(0);
  expect(tasksOf(events, 'reused')).toEqual(expect.arrayContaining(built.map(([, task]) => task)));
  // The dead process held a claim on the action: on the same machine it is known to be dead, and not waited for.
  const lifeIsTold = existsSync('/proc/self/stat');
  expect(tasksOf(events, 'waiting')).toEqual(lifeIsTold ? [] : ['steps']);
  expect(eventOf(events, 'started', 'steps')?.reason).toEqual({ kind: 'resumed' });
  expect(logs(events)).toEqual(['did 5']);
  const whole = await rig.make('--cache', 'other');
  expect(logs(whole.events)).toEqual(['at five', 'did 10']);
  expect(digestsOf(whole.events)['steps:out']).toBe(digestsOf(events)['steps:out']);
  const forced = await rig.make('--force', 'steps');
  expect(logs(forced.events)).toEqual(['at five', 'did 10']);
});

test('a damaged checkpoint is not gone on from', async () => {
  const { rig, gate } = stepsRig({ polite: true });
  const stopped = rig.start(['make', '--json', '-j', '1']);
  await stopped.line(saysFive);
  stopped.process.kill('SIGINT');
  expect((await stopped.ended).code).toBe(130);
  const root = open({ path: join(rig.folder, 'cache/store.lmdb'), noSubdir: true, maxDbs: 16 });
  const partials = root.openDB<Buffer, string>({ name: 'partial', encoding: 'binary' });
  const { key, value } = [...partials.getRange()][0]!;
  const bytes = Buffer.from(value);
  bytes[bytes.length - 2]! ^= 1;
  partials.putSync(key, bytes);
  await root.close();
  writeFileSync(gate, '');
  const { code, events } = await rig.make();
  expect(code).toBe(0);
  expect(logs(events)).toEqual(['at five', 'did 10']);
});

test('Ctrl-C stops at a checkpoint with exit code 130, and the next make goes on from there', async () => {
  const { rig, gate } = stepsRig({ polite: true });
  const stopped = rig.start(['make', '--json', '-j', '1']);
  await stopped.line(saysFive);
  stopped.process.kill('SIGINT');
  const { code, stdout } = await stopped.ended;
  expect(code).toBe(130);
  expect(stdout).toContain('stopping at the next checkpoint');
  expect(stdout).toContain('{"event":"interrupted","task":"steps","checkpoint":true}');
  writeFileSync(gate, '');
  const next = await rig.make();
  expect(next.code).toBe(0);
  expect(logs(next.events)).toEqual(['did 4']);
  expect(tasksOf(next.events, 'waiting')).toEqual([]);
});

test('two makes on one store share the work: every action runs once', async () => {
  const { rig, gate } = stepsRig({ polite: false });
  const first = rig.start(['make', '--json', '-j', '1']);
  await first.line(saysFive);
  const second = rig.start(['make', '--json', '-j', '1']);
  const line = await second.line((text) => text.includes('"waiting"') && text.includes('"steps"'));
  const pid = first.process.pid;
  expect(JSON.parse(line)).toMatchObject({ by: { task: 'steps', host: hostname(), pid } });
  writeFileSync(gate, '');
  const ends = await Promise.all([first.ended, second.ended]);
  expect(ends.map(({ code }) => code)).toEqual([0, 0]);
  const events = ends
    .flatMap(({ stdout }) => stdout.split('\n').slice(0, -1))
    .map((line) => JSON.parse(line) as SaidEvent);
  expect(tasksOf(events, 'built')).toEqual(['quick[1]', 'quick[2]', 'steps']);
  expect(tasksOf(events, 'reused')).toEqual(['quick[1]', 'quick[2]', 'steps']);
});

test('Ctrl-C while waiting for another make stops, and runs nothing', async () => {
  const { rig, gate } = stepsRig({ polite: false });
  const first = rig.start(['make', '--json', '-j', '1']);
  await first.line(saysFive);
  const second = rig.start(['make', 'steps', '--json']);
  await second.line((line) => line.includes('"waiting"'));
  second.process.kill('SIGINT');
  const { code, stdout } = await second.ended;
  expect(code).toBe(130);
  expect(stdout).not.toContain('"started"');
  writeFileSync(gate, '');
  expect((await first.ended).code).toBe(0);
});
