// Studies on a real Slurm of two nodes on loopback: the same bits, Ctrl-C, a head that dies. FULL: what takes minutes.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { DOOR, digestsOf, type Rig, type SaidEvent, type Started } from './rig.ts';
import { accountingLack, type SlurmRig, slurmLack, startSlurm, until } from './slurm-rig.ts';
import { eventsOf, noJobs, queueOf, ran, startMake, studyWith } from './slurm-studies.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const lack = slurmLack();
if (lack !== undefined) console.warn(`no study is run on Slurm: ${lack}`);
const isFull = process.env.FULL !== undefined;

const FILES = {
  'draw.ts': `${DOOR}export default defineStage({
  params: z.object({ seed: z.int() }), inputs: {}, outputs: { numbers: bytes() },
  run: ({ params }) => ({
    numbers: new Uint8Array(Float32Array.from({ length: 50000 }, (_, n) => Math.sin(n + params.seed)).buffer),
  }),
});
`,
  'eat.ts': `${DOOR}export default defineStage({
  params: z.object({ mib: z.int() }), inputs: {}, outputs: { n: json() },
  run({ params: { mib } }) {
    const end = performance.now() + 3000;
    const all = Array.from({ length: mib }, () => new Uint8Array(2 ** 20).fill(1));
    while (performance.now() < end) all[0][0] = 2;
    return { n: all.length };
  },
});
`,
};

describe.skipIf(lack !== undefined)('a study on a real Slurm', () => {
  let slurm: SlurmRig;
  beforeAll(async () => {
    slurm = await startSlurm();
  });
  afterAll(async () => slurm?.stop());

  /** A study in which all stages run on the cluster. @param cls the class of jobs */
  const rigOf = (
    stages: string,
    cls = 'cpus: 4, time: 10m, max-jobs: 2, slots: 2, memory: 500MiB',
    more = '',
  ): Rig => studyWith(stages, { cls, more, files: FILES });
  const start = (rig: Rig, ...words: string[]): Started => startMake(slurm, rig, ...words);
  const make = async (rig: Rig, ...words: string[]) => {
    const { code, stdout, stderr } = await start(rig, ...words).ended;
    return { code, events: eventsOf(stdout), stderr };
  };
  const queue = (): readonly string[] => queueOf(slurm);
  const messages = (events: readonly SaidEvent[]): string =>
    events.map(({ message, error }) => `${message ?? ''}${JSON.stringify(error ?? '')}`).join('\n');

  test('has the same bits as here, on both nodes, and leaves no job behind', async () => {
    const rig = rigOf(
      `  draw: { run: draw.ts, matrix: { seed: [1, 2, 3, 4, 5, 6, 7, 8] }, on: lab }
  count: { command: [sh, -c, 'cat numbers* | wc -c > n.txt'], matrix: { seed: [1, 2, 3, 4] }, inputs: { numbers: draw.numbers }, outputs: { n: n.txt }, on: lab }`,
      // A job takes a whole node.
      'cpus: 4, time: 10m, max-jobs: 2, slots: 1, memory: 3GiB',
    );
    const here = await make(rig, '--on', 'local', '--cache', 'here');
    expect(here.code, messages(here.events)).toBe(0);
    const there = await make(rig, '--cache', 'there');
    expect(there.code, messages(there.events)).toBe(0);
    expect(digestsOf(there.events)).toEqual(digestsOf(here.events));
    expect(there.events.filter(({ event }) => event === 'built')).toHaveLength(12);
    await noJobs(slurm);
  });

  test('stops on Ctrl-C with all of its jobs, and goes on afterwards; a head that was killed is followed by one that runs nothing twice', async () => {
    const rig = rigOf(
      '  wait: { run: wait.ts, matrix: { n: [1, 2, 3, 4, 5, 6] }, params: { folder: FOLDER, ms: 1500 }, on: lab }',
      'cpus: 1, time: 10m, max-jobs: 2, slots: 1, memory: 500MiB',
    );
    const killed = start(rig);
    await until(() => ran(rig).length >= 2, 'no task begins');
    killed.process.kill('SIGKILL');
    await killed.ended;
    expect(queue().length).toBeGreaterThan(0);
    const again = start(rig);
    await until(() => ran(rig).length >= 4, 'the second head gives nothing');
    again.process.kill('SIGINT');
    expect((await again.ended).code).toBe(130);
    await noJobs(slurm);
    const last = await make(rig);
    expect(last.code, messages(last.events)).toBe(0);
    // Those that Ctrl-C stopped have run twice: they keep no checkpoint.
    expect(new Set(ran(rig)).size).toBe(6);
    expect(ran(rig).length).toBeLessThanOrEqual(8);
    await noJobs(slurm);
  });

  test('tells a partition that does not exist and a time that it does not allow, and ends', async () => {
    const one = '  draw: { run: draw.ts, matrix: { seed: [1] }, on: lab }';
    const wrong = await make(rigOf(one, 'partition: nosuch'));
    expect([wrong.code, messages(wrong.events)]).toEqual([
      1,
      expect.stringContaining('there is no partition `nosuch`'),
    ]);
    const long = await make(rigOf(one, 'partition: short, time: 2h'));
    expect([long.code, messages(long.events)]).toEqual([
      1,
      expect.stringMatching(/longer than the partition allows|too long/),
    ]);
    await noJobs(slurm);
  });

  test('runs its head as a job, which is seen from here, and a make here takes up what it made', async () => {
    const rig = rigOf(
      `  here: { command: [sh, -c, 'echo here > n.txt'], outputs: { n: n.txt } }
  wait: { run: wait.ts, matrix: { n: [1, 2, 3] }, params: { folder: FOLDER, ms: 700 }, on: lab }`,
      'cpus: 1, time: 10m, max-jobs: 2, slots: 1, memory: 500MiB',
    );
    const submitted = await start(rig, '--submit').ended;
    const [event] = eventsOf(submitted.stdout);
    expect([submitted.code, event], submitted.stderr).toEqual([
      0,
      expect.objectContaining({ event: 'submitted', executor: 'lab', tasks: 4 }),
    ]);
    expect(queue().join()).toMatch(/pl\.[0-9a-f]{8}\.head\./);
    const followed = await start(rig, '--submit', '--follow').ended;
    expect(followed.code, followed.stdout).toBe(0);
    expect(eventsOf(followed.stdout).filter((one) => one.event === 'built')).toHaveLength(4);
    const here = await make(rig);
    expect(here.events.filter((one) => one.event === 'reused')).toHaveLength(4);
    expect(ran(rig)).toHaveLength(3);
    await noJobs(slurm);
  });

  describe.skipIf(!isFull)('in minutes', () => {
    test('a head that scancel ends leaves no job, and the next goes on; one that is killed is followed by one that runs nothing twice', async () => {
      const rig = rigOf(
        '  wait: { run: wait.ts, matrix: { n: [1, 2, 3, 4, 5, 6] }, params: { folder: FOLDER, ms: 3000 }, on: lab }',
        'cpus: 1, time: 10m, max-jobs: 2, slots: 1, memory: 500MiB',
      );
      const submit = async (): Promise<string> => {
        const { stdout, stderr, code } = await start(rig, '--submit').ended;
        expect(code, stdout + stderr).toBe(0);
        return String((eventsOf(stdout)[0] as unknown as { readonly job: string }).job);
      };
      const job = await submit();
      await until(() => ran(rig).length >= 3, 'nothing begins');
      slurm.run('scancel', job);
      await noJobs(slurm);
      const before = ran(rig).length;
      const again = await submit();
      await until(() => ran(rig).length >= before + 2, 'the second head gives nothing');
      // The node process alone: the script of the job sees that it is gone.
      slurm.run('scancel', '--signal=KILL', '--full', again);
      await until(() => !queue().some((line) => line.includes('.head.')), 'the head goes on');
      const last = await start(rig, '--submit', '--follow').ended;
      expect(last.code, last.stdout).toBe(0);
      const here = await make(rig);
      expect(here.events.filter((one) => one.event === 'reused')).toHaveLength(6);
      // Those that scancel stopped have run twice: they keep no checkpoint.
      expect(new Set(ran(rig)).size).toBe(6);
      expect(ran(rig).length).toBeLessThanOrEqual(8);
      await noJobs(slurm);
    });

    test('does 2,000 tasks of 10 ms on two nodes', async () => {
      const rig = rigOf(
        `  wait: { run: wait.ts, matrix: { n: [${Array.from({ length: 2000 }, (_, n) => n).join()}] }, params: { folder: FOLDER, ms: 10 }, on: lab }`,
      );
      const timed = async (...words: string[]): Promise<number> => {
        const began = performance.now();
        const { code, events } = await make(rig, ...words);
        expect([code, events.filter(({ event }) => event === 'built').length]).toEqual([0, 2000]);
        return (performance.now() - began) / 1000;
      };
      const there = await timed();
      // As many at once as there.
      const here = await timed('--on', 'local', '-j', '4', '--cache', 'here');
      console.log(
        `2,000 tasks of 10 ms on two nodes: ${there.toFixed(1)} s; on this machine: ${here.toFixed(1)} s`,
      );
      // All of it runs on the same processors, and others use them, too.
      expect(there).toBeLessThan(Math.max(15, 2 * here));
      await noJobs(slurm);
    });

    test('goes on from checkpoints when the time of its jobs is over', async () => {
      const rig = rigOf(
        '  save: { run: save.ts, params: { steps: 150, folder: FOLDER }, on: lab }',
        'time: 1m, memory: 500MiB',
      );
      const { code, events } = await make(rig);
      expect(code, messages(events)).toBe(0);
      const resumed = await rig.run('show', 'save:resumed');
      expect(Number(resumed.stdout)).toBeGreaterThan(10);
      await noJobs(slurm);
    });

    test('gives more memory to a task that was ended for want of it', async () => {
      const rig = rigOf(
        '  eat: { run: eat.ts, params: { mib: 350 }, needs: { memory: { start: 250MiB, limit: 1GiB } }, on: lab }',
        'memory: 260MiB, time: 10m, slots: 1 }, more: { memory: 1GiB, time: 10m, slots: 1',
      );
      const { code, events } = await make(rig);
      expect(code, messages(events)).toBe(0);
      expect(messages(events)).toContain('it ran out of memory in lab/cpu, and is given more');
      expect(JSON.stringify(events)).toContain('"class":"more"');
      await noJobs(slurm);
    });

    test('gives the tasks of a node that dies to another', async () => {
      const rig = rigOf(
        '  wait: { run: wait.ts, matrix: { n: [1, 2, 3, 4] }, params: { folder: FOLDER, ms: 15000 }, on: lab }',
        'cpus: 4, time: 10m, max-jobs: 2, slots: 2, memory: 3GiB',
      );
      const started = start(rig);
      await until(() => ran(rig).length === 4, 'not all tasks begin');
      await slurm.kill('slurmd-n2', 'SIGKILL');
      const steps = slurm
        .run('pgrep', '-f', 'slurmstepd: \\[')
        .split('\n')
        .filter((pid) => pid !== '');
      expect(steps.length).toBeGreaterThan(0);
      onTestFinished(() => slurm.startNode('n2'));
      // slurmd is gone, and the job lives: its results count.
      const { code, stdout } = await started.ended;
      expect(code, messages(eventsOf(stdout))).toBe(0);
      expect(ran(rig)).toHaveLength(4);
      await noJobs(slurm).catch(() => undefined);
    });

    test('goes on while the controller is away, and after it is back', async () => {
      const rig = rigOf(
        '  wait: { run: wait.ts, matrix: { n: [1, 2, 3, 4, 5, 6] }, params: { folder: FOLDER, ms: 5000 }, on: lab }',
      );
      const started = start(rig);
      await until(() => ran(rig).length >= 2, 'no task begins');
      await slurm.kill('slurmctld', 'SIGKILL');
      await until(() => ran(rig).length >= 5, 'nothing goes on without the controller');
      slurm.startController();
      const { code, stdout } = await started.ended;
      expect(code, messages(eventsOf(stdout))).toBe(0);
      // A controller that had not saved the jobs starts them again, and ends what ran.
      expect(new Set(ran(rig)).size).toBe(6);
      expect(ran(rig).length).toBeLessThanOrEqual(8);
      await noJobs(slurm);
    });

    test('leaves the jobs of others alone that have its names', async () => {
      const rig = rigOf(
        '  wait: { run: wait.ts, matrix: { n: [1, 2] }, params: { folder: FOLDER, ms: 4000 }, on: lab }',
      );
      const started = start(rig);
      await until(() => queue().length > 0, 'no job is made');
      const [name = ''] = (queue()[0] ?? '').split(' ');
      slurm.run(
        'sbatch',
        '--uid=65534',
        '--gid=65534',
        '--chdir=/tmp',
        `--job-name=${name}`,
        '--output=/dev/null',
        '--wrap=sleep 20',
      );
      started.process.kill('SIGINT');
      await started.ended;
      expect(slurm.run('squeue', '-h', '-o', '%U %T', `--name=${name}`)).toMatch(
        /65534 (?:RUNNING|PENDING)/,
      );
      slurm.run('scancel', `--name=${name}`);
      await noJobs(slurm);
    });
  });
});

describe.skipIf(accountingLack() !== undefined || !isFull)('with accounting', () => {
  test('causes of ends come from the accounts, though they lag', async () => {
    const slurm = await startSlurm({ accounting: true });
    onTestFinished(() => slurm.stop());
    const { slurmBatch } = await import('../src/cluster/slurm/slurm-batch.ts');
    const logs = join(slurm.folder, 'log');
    const batch = slurmBatch({ environment: slurm.environment, logs });
    const place = { file: '', text: '', start: 0, end: 0 };
    const cls = {
      ...{
        name: 'cpu',
        cpus: 1,
        memory_bytes: 100 * 2 ** 20,
        time_ms: 60_000,
        gpus: { count: 0 },
        extra: [],
      },
      ...{ prologue: [], wrap: [], maxJobs: 10, slots: 1, place },
    };
    const script =
      'case $1 in 0) exit 0;; 1) exit 7;; 2) sleep 300;; 3) exec python3 -c "import time; b = bytearray(400 * 2**20); time.sleep(30)";; esac';
    const name = 'pl.rig.cpu.acct';
    const end = await batch.submit({
      ...{ name, comment: 'x', cls, count: 4, logs, env: {} },
      argv: ['sh', '-c', script, 'w'],
    });
    if (end.end !== 'accepted') throw new Error(JSON.stringify(end));
    const states = (): string =>
      slurm.run('squeue', '-h', '-r', '-t', 'all', `--name=${name}`, '-o', '%T');
    await until(() => !/PENDING|RUNNING|COMPLETING/.test(states()), 'not all jobs end', 170_000);
    const jobs = end.jobs.map((id, element) => ({ id, name, element }));
    const causes = await batch.causes(jobs);
    expect(end.jobs.map((id) => causes.get(id)?.kind)).toEqual([
      'ended',
      'failed',
      'time',
      'memory',
    ]);
    writeFileSync(join(slurm.folder, 'slurm-states.txt'), states());
    expect(readdirSync(logs).length).toBeGreaterThan(0);
    expect(readFileSync(join(logs, `${name}.3.log`), 'utf8')).toMatch(/memory|oom|kill/i);
  });
});
