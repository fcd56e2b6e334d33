// Slurm as a batch system: what its programs print, by records of 22.05, and a real one on loopback where it is installed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { SubmitAsk } from '../src/cluster/batch.ts';
import { warnAt, warningTime } from '../src/cluster/head/end-warning.ts';
import { jobScript } from '../src/cluster/slurm/job-script.ts';
import { slurmBatch, submitWords } from '../src/cluster/slurm/slurm-batch.ts';
import {
  readAccounting,
  readQueue,
  readShownJobs,
  readSiteLimits,
} from '../src/cluster/slurm/slurm-text.ts';
import { slurmEnvironment, slurmTools, type ToolEnd } from '../src/cluster/slurm/slurm-tools.ts';
import { causeByLog, causeOf, obstacleOf, readRefusal } from '../src/cluster/slurm/slurm-words.ts';
import type { JobClass } from '../src/engine/config/job-class.ts';
import { type SlurmRig, slurmLack, startSlurm, until } from './slurm-rig.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const jobClass = (over: Partial<JobClass> = {}): JobClass => ({
  ...{ name: 'cpu', cpus: 1, memory_bytes: null, time_ms: 600_000, gpus: { count: 0 }, extra: [] },
  ...{ prologue: [], wrap: [], maxJobs: 10, slots: 1 },
  place: { file: '', text: '', start: 0, end: 0 },
  ...over,
});
const askOf = (over: Partial<SubmitAsk> = {}): SubmitAsk => ({
  ...{ name: 'pl.a1b2c3d4.cpu.x1', comment: 'train, 12 tasks', cls: jobClass(), count: 3 },
  ...{ argv: ['node', 'worker.js', '--set', 'x1'], logs: '/depot/logs', env: {} },
  ...over,
});

describe('what Slurm prints', () => {
  test('of the queue is read, in seconds and as a date, elements together too, and pipes in reasons', () => {
    const lines = readQueue(`1|2|pl.a.cpu.s1|PENDING|1796000000||Priority
1|0|pl.a.cpu.s1|RUNNING|1796003600|n1|None
4|N/A|pl.x|PENDING|N/A||PartitionConfig
2|1|pl.y|COMPLETING|2026-11-29T04:14:18|n[1-2]|None
7|[0-1,4%2]|pl.z|PENDING|N/A||(ReqNodeNotAvail, UnavailableNodes:n1|n2)
slurm_load_jobs: something else
`);
    expect(lines.map(({ id, element, state }) => `${id}_${element} ${state}`)).toEqual([
      ...['1_2 PENDING', '1_0 RUNNING', '4_0 PENDING', '2_1 COMPLETING'],
      ...['7_0 PENDING', '7_1 PENDING', '7_4 PENDING'],
    ]);
    expect(lines[1]).toMatchObject({ node: 'n1', reason: null, ends_ms: 1_796_003_600_000 });
    expect(lines[3]?.ends_ms).toBe(new Date(2026, 10, 29, 4, 14, 18).getTime());
    expect(lines[4]?.reason).toBe('(ReqNodeNotAvail, UnavailableNodes:n1|n2)');
  });

  test('of accounts and of jobs is read with its steps', () => {
    expect(
      readAccounting(`12_0|OUT_OF_MEMORY|0:125|n1
12_0.batch|OUT_OF_MEMORY|0:125|n1
12_1|CANCELLED by 1000|0:0|None assigned
12_2|FAILED|7:0|n2
12_2.batch|FAILED|7:0|n2
12_2.extern|COMPLETED|0:0|n2
`),
    ).toEqual([
      {
        id: '12_0',
        states: ['OUT_OF_MEMORY', 'OUT_OF_MEMORY'],
        exits: ['0:125', '0:125'],
        node: 'n1',
      },
      { id: '12_1', states: ['CANCELLED by 1000'], exits: ['0:0'], node: null },
      {
        id: '12_2',
        states: ['FAILED', 'FAILED', 'COMPLETED'],
        exits: ['7:0', '7:0', '0:0'],
        node: 'n2',
      },
    ]);
    const shown = readShownJobs(
      `JobId=9 ArrayJobId=1 ArrayTaskId=1 JobName=pl.a UserId=root(0) JobState=FAILED Reason=OutOfMemory Dependency=(null) ExitCode=0:9 NodeList=n2
JobId=1 ArrayJobId=1 ArrayTaskId=2-3 JobName=pl.a JobState=CANCELLED Reason=None ExitCode=0:0 NodeList=
`,
    );
    expect(shown.map(({ id, states, node }) => [id, states[0], node])).toEqual([
      ['1_1', 'FAILED', 'n2'],
      ['1_2', 'CANCELLED', null],
      ['1_3', 'CANCELLED', null],
    ]);
    expect(shown[0] && causeOf(shown[0], '').kind).toBe('memory');
  });

  test('of its configuration tells limits and accounting', () => {
    const text = `Configuration data as of 2026-11-29T04:14:17
AccountingStorageType   = accounting_storage/none
KillWait                = 3 sec
MaxArraySize            = 1001
SLURM_VERSION           = 22.05.8
`;
    expect(readSiteLimits(text)).toEqual({
      ...{ arrayMax: 1001, hasAccounting: false },
    });
    // From 23.11 on, none is said so.
    expect(readSiteLimits('AccountingStorageType = (null)\n').hasAccounting).toBe(false);
    expect(
      readSiteLimits('AccountingStorageType = accounting_storage/slurmdbd\n').hasAccounting,
    ).toBe(true);
    expect(readSiteLimits('').arrayMax).toBe(1000);
  });
});

describe('why a job ended', () => {
  const line = (state: string, exit = '0:0', ...more: string[]) => ({
    ...{ id: '1_0', states: [state, ...more], exits: [exit], node: 'n1' },
  });
  test.each([
    ['COMPLETED', '0:0', '', 'ended'],
    ['FAILED', '7:0', 'Error: no such file', 'failed'],
    ['TIMEOUT', '0:15', '', 'time'],
    ['DEADLINE', '0:0', '', 'time'],
    ['OUT_OF_MEMORY', '0:125', '', 'memory'],
    ['OUT_OF_ME+', '0:125', '', 'memory'],
    [
      'FAILED',
      '0:9',
      'slurmstepd: error: Job 5 exceeded memory limit (212480000 > 104857600), being killed',
      'memory',
    ],
    [
      'CANCELLED by 0',
      '0:0',
      'slurmstepd: error: Detected 1 oom-kill event(s) in StepId=5.batch.',
      'memory',
    ],
    ['NODE_FAIL', '0:0', '', 'node'],
    ['PREEMPTED', '0:15', '', 'node'],
    ['BOOT_FAIL', '0:0', '', 'node'],
    [
      'CANCELLED',
      '0:0',
      '*** JOB 5 ON n1 CANCELLED AT 2026-11-29T04:14:18 DUE TO TIME LIMIT ***',
      'time',
    ],
    [
      'CANCELLED by 1000',
      '0:0',
      '*** JOB 5 ON n1 CANCELLED AT 2026-11-29T04:14:18 ***',
      'cancelled',
    ],
    ['SOMETHING_NEW', '0:0', '', 'unknown'],
  ])('%s with exit code %s and the log "%s" is %s', (state, exit, log, kind) => {
    expect(causeOf(line(state, exit), log).kind).toBe(kind);
  });

  test('is told by a step, too, and by the log alone where Slurm has forgotten', () => {
    expect(causeOf(line('FAILED', '1:0', 'OUT_OF_MEMORY'), '').kind).toBe('memory');
    expect(causeByLog('')).toBeUndefined();
    expect(causeByLog('*** JOB 5 ON n1 CANCELLED AT 2026-11-29T04:14:18 ***')?.kind).toBe('node');
    expect(
      causeByLog('*** JOB 5 CANCELLED AT 2026-11-29 DUE TO NODE FAILURE, SEE SLURMCTLD LOG ***')
        ?.kind,
    ).toBe('node');
  });
});

describe('what is told to a person', () => {
  test.each([
    [
      'sbatch: error: invalid partition specified: nosuch\nsbatch: error: Batch job submission failed: Invalid partition name specified',
      'there is no partition `gpu`',
    ],
    [
      'sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration is not available',
      'no node is as large',
    ],
    ['sbatch: error: Invalid generic resource (gres) specification', 'no such gpus'],
    [
      'sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified',
      'account `lab` may not be used',
    ],
    ['sbatch: error: Batch job submission failed: Invalid qos specification', 'no QOS `long`'],
    [
      'sbatch: error: Batch job submission failed: Invalid feature specification',
      '`constraint: a100`',
    ],
    [
      'sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)',
      '`time` is more than the partition allows',
    ],
    [
      'sbatch: unrecognized option \'--nosuch\'\nTry "sbatch --help" for more information',
      "unrecognized option '--nosuch'",
    ],
    ['sbatch: error: Batch job submission failed: Some new trouble', 'some new trouble'],
  ])('of the refusal %j', (stderr, words) => {
    const job = jobClass({ partition: 'gpu', account: 'lab', qos: 'long', constraint: 'a100' });
    expect(readRefusal(stderr, job)).toMatchObject({
      isForNow: false,
      message: expect.stringContaining(words),
    });
  });

  test.each([
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    'sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy',
    'sbatch: error: Batch job submission failed: Resource temporarily unavailable',
  ])('%j is a limit that passes', (stderr) => {
    expect(readRefusal(stderr, jobClass()).isForNow).toBe(true);
  });

  test('of reasons that do not pass by themselves, and not of those that do', () => {
    for (const reason of [
      'PartitionTimeLimit',
      'PartitionConfig',
      'BadConstraints',
      'QOSMaxWallDurationPerJobLimit',
      'AssocMaxCpuPerJobLimit',
      'AssocGrpCPUMinutesLimit',
      'JobHeldUser',
      'InvalidAccount',
      'PartitionDown',
    ]) {
      expect(obstacleOf(reason)?.message, reason).toContain(`(${reason})`);
    }
    for (const reason of [
      'Priority',
      'Resources',
      'None',
      'BeginTime',
      'QOSMaxJobsPerUserLimit',
      'AssocMaxJobsLimit',
      'Prolog',
      null,
    ]) {
      expect(obstacleOf(reason), String(reason)).toBeUndefined();
    }
  });
});

describe('a request', () => {
  test('names all that a class says, each in one word, and is never requeued', () => {
    const cls = jobClass({
      ...{ cpus: 8, memory_bytes: 2 ** 30 + 1, time_ms: 601_000, gpus: { count: 2, type: 'a100' } },
      ...{
        partition: 'gpu',
        account: 'lab',
        qos: 'long',
        constraint: '[a|b]',
        extra: ['--exclusive=user'],
      },
    });
    expect(submitWords(askOf({ cls, logs: '/depot/100%/logs' }))).toEqual([
      ...[
        '--parsable',
        '--no-requeue',
        '--job-name=pl.a1b2c3d4.cpu.x1',
        '--comment=train, 12 tasks',
      ],
      ...[
        '--array=0-2',
        '--output=/depot/100%%/logs/pl.a1b2c3d4.cpu.x1.%a.log',
        '--open-mode=append',
      ],
      ...['--chdir=/depot/100%/logs', '--nodes=1', '--ntasks=1', '--cpus-per-task=8', '--time=11'],
      ...['--signal=B:USR1@90', '--mem=1025M', '--gpus=a100:2', '--partition=gpu', '--account=lab'],
      ...['--qos=long', '--constraint=[a|b]', '--exclusive=user'],
    ]);
  });

  test('runs a script that quotes words, runs the prologue, passes signals on and keeps the exit code', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pipeline-job-'));
    const worker = join(folder, "it's a worker.mjs");
    writeFileSync(
      worker,
      `console.log(process.argv.slice(2).join('|'), process.env.PROLOGUE, process.env.MINE);
process.on('SIGUSR1', () => { console.log('heard'); process.exit(7); });
process.kill(process.ppid, 'SIGUSR1');
setTimeout(() => {}, 60_000);
`,
    );
    const cls = jobClass({ prologue: ['export PROLOGUE="a b"'], wrap: ['env', '-u', 'NOBODY'] });
    const ask = askOf({
      cls,
      argv: [process.execPath, worker, '$HOME', 'a b'],
      env: { MINE: "it's $5" },
    });
    const script = join(folder, 'job.sh');
    writeFileSync(script, jobScript(ask));
    const run = () => {
      const env = { ...process.env, SLURM_ARRAY_TASK_ID: '4' };
      const { status, stdout } = spawnSync('bash', [script], { encoding: 'utf8', env });
      return [status, stdout];
    };
    expect(run()).toEqual([7, "$HOME|a b|4 a b it's $5\nheard\n"]);
    writeFileSync(script, jobScript(askOf({ argv: ['no-such-node'] })));
    const words = expect.stringContaining('there is no program "no-such-node" on');
    expect(run()).toEqual([127, words]);
    rmSync(folder, { recursive: true });
  });

  test('is told nothing of the job in which it may be made itself', () => {
    const kept = slurmEnvironment({
      PATH: '/bin',
      SLURM_CONF: '/c',
      SLURM_CPUS_PER_TASK: '4',
      SBATCH_WAIT: '1',
    });
    expect(kept).toEqual({ PATH: '/bin', SLURM_CONF: '/c', LC_ALL: 'C', SLURM_TIME_FORMAT: '%s' });
  });
});

describe('without an answer', () => {
  const batchWith = (answer: (program: string, words: readonly string[]) => ToolEnd) => {
    const asked: string[] = [];
    const tool = async (program: string, words: readonly string[]): Promise<ToolEnd> => {
      asked.push([program, ...words].join(' '));
      return answer(program, words);
    };
    return {
      asked,
      batch: slurmBatch({ environment: {}, logs: '/nowhere', tool, lags_ms: [1, 1] }),
    };
  };
  const ok = (stdout: string): ToolEnd => ({ end: 'ok', stdout, stderr: '' });
  const silent: ToolEnd = { end: 'silent', message: 'Unable to contact slurm controller' };

  test('nothing is known, and Slurm is not asked again at once', async () => {
    const { batch, asked } = batchWith(() => silent);
    expect((await batch.submit(askOf())).end).toBe('unknown');
    asked.length = 0;
    expect([await batch.look(['a']), await batch.look(['a'])]).toEqual(['unknown', 'unknown']);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatch(/^squeue -h -r -t all --user=\S+ --name=a -o /);
  });

  test('a program that hangs is ended, and one that is missing is told', async () => {
    const slow = await slurmTools(process.env, 100)('sleep', ['20']);
    expect(slow).toMatchObject({
      end: 'silent',
      message: expect.stringContaining('did not answer'),
    });
    expect(await slurmTools(process.env)('no-such-squeue', [])).toMatchObject({ end: 'missing' });
  });

  test('an array has no more jobs than the site takes, which is asked once', async () => {
    const { batch, asked } = batchWith(() => ok('MaxArraySize = 2\n'));
    expect([await batch.most?.(), await batch.most?.()]).toEqual([2, 2]);
    expect(asked).toEqual(['scontrol show config']);
    expect(await batchWith(() => silent).batch.most?.()).toBe(1000);
  });

  test('accounts that lag are asked again, once for all jobs; without them the controller is', async () => {
    let asks = 0;
    const jobs = [0, 1].map((element) => ({ id: `5_${element}`, name: 'n', element })) as never;
    const lagging = batchWith((program) => {
      if (program === 'scontrol')
        return ok('AccountingStorageType = accounting_storage/slurmdbd\n');
      asks += 1;
      return ok(asks === 1 ? '5_0|RUNNING|0:0|n1\n5_1|TIMEOUT|0:15|n1\n' : '5_0|FAILED|3:0|n1\n');
    });
    const causes = await lagging.batch.causes(jobs);
    expect([...causes].map(([id, { kind }]) => `${id} ${kind}`)).toEqual([
      '5_0 failed',
      '5_1 time',
    ]);
    expect(lagging.asked.filter((one) => one.startsWith('sacct'))).toEqual([
      'sacct -n -P --jobs=5_0,5_1 -o JobID,State,ExitCode,NodeList',
      'sacct -n -P --jobs=5_0 -o JobID,State,ExitCode,NodeList',
    ]);
    const without = batchWith((_, words) =>
      words.includes('config')
        ? ok('AccountingStorageType = accounting_storage/none\n')
        : ok(
            'JobId=6 ArrayJobId=5 ArrayTaskId=0 JobState=NODE_FAIL Reason=None ExitCode=0:0 NodeList=n1\n',
          ),
    );
    expect(
      [...(await without.batch.causes(jobs))].map(([id, { kind }]) => `${id} ${kind}`),
    ).toEqual(['5_0 node']);
    expect(without.asked).toEqual(['scontrol show config', 'scontrol -o show job 5']);
  });

  test('what we ended ourselves was nobody’s wish', async () => {
    const { batch } = batchWith((_, words) =>
      words.includes('config')
        ? ok('')
        : ok('JobId=6 ArrayJobId=5 ArrayTaskId=0 JobState=CANCELLED Reason=None ExitCode=0:0\n'),
    );
    const jobs = [{ id: '5_0', name: 'n', element: 0 }] as never;
    expect([...(await batch.causes(jobs)).values()][0]?.kind).toBe('cancelled');
    await batch.end(['n']);
    expect([...(await batch.causes(jobs)).values()][0]?.kind).toBe('ended');
  });
});

describe('a head', () => {
  test.each([
    ['of two days is told 90 s before its end', 2 * 86_400, 90],
    ['of ten minutes too', 600, 90],
    ['of five minutes a quarter of its time before', 300, 75],
    ['of a minute too', 60, 15],
  ])('%s', (_, limit_s, before_s) => {
    const began = 1_800_000_000_000;
    const ask = { limit_ms: limit_s * 1000, began, end_s: undefined };
    expect(warningTime(ask)).toBe(began + (limit_s - before_s) * 1000);
  });

  test('that began late for a long prologue is told by what Slurm says of its end', () => {
    const began = 1_800_000_000_000;
    const ask = { limit_ms: 3_600_000, began, end_s: String(began / 1000 + 600) };
    expect(warningTime(ask)).toBe(began + 510_000);
    // Nor later than its limit allows, nor by what is no time.
    const limit = began + 3_510_000;
    for (const end_s of [String(began / 1000 + 9_000), '0', '', 'Unknown']) {
      expect(warningTime({ ...ask, end_s })).toBe(limit);
    }
  });

  test('is told once, at that time, however far it is', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const days = 86_400_000;
    let told = 0;
    warnAt(Date.now() + 60 * days, () => {
      told += 1;
    });
    vi.advanceTimersByTime(60 * days - 1);
    expect(told).toBe(0);
    vi.advanceTimersByTime(days);
    expect(told).toBe(1);
  });
});

const lack = slurmLack();
if (lack !== undefined) console.warn(`Slurm is not tested: ${lack}`);

describe.skipIf(lack !== undefined)('a real Slurm of two nodes', () => {
  let rig: SlurmRig;
  let logs: string;
  beforeAll(async () => {
    rig = await startSlurm();
    logs = mkdtempSync(join(rig.folder, 'logs-'));
  });
  afterAll(async () => rig?.stop());
  const batchHere = () => slurmBatch({ environment: rig.environment, logs, lags_ms: [200, 500] });
  /** A worker that is none: a shell. */
  const shell = (name: string, script: string, over: Partial<SubmitAsk> = {}): SubmitAsk =>
    askOf({ name, argv: ['sh', '-c', script, 'worker'], logs, ...over });
  const statesOf = (name: string): string =>
    rig.run('squeue', '-h', '-r', '-t', 'all', `--name=${name}`, '-o', '%T');

  test('runs an array, tells of it, and why each job ended', async () => {
    const batch = batchHere();
    const name = 'pl.rig.cpu.a';
    const end = await batch.submit(
      shell(
        name,
        'echo "element $1 on $SLURMD_NODENAME"; [ "$1" != 2 ] || exit 7; [ "$1" != 3 ] || sleep 60',
        { count: 4 },
      ),
    );
    if (end.end !== 'accepted') throw new Error(JSON.stringify(end));
    expect(end.jobs).toHaveLength(4);
    await until(
      () => statesOf(name).match(/COMPLETED|FAILED/g)?.length === 3,
      'the jobs do not end',
    );
    const sights = await batch.look([name, 'pl.somebody.else']);
    if (sights === 'unknown') throw new Error('Slurm is silent');
    const states = sights.map(({ element, state, node }) => [element, state, typeof node]);
    expect(states.sort()).toEqual([
      ...[0, 1, 2].map((element) => [element, 'over', 'string']),
      [3, 'running', 'string'],
    ]);
    const running = sights.find(({ state }) => state === 'running');
    const left_ms = (running?.ends_ms ?? 0) - Date.now();
    expect(left_ms).toBeGreaterThan(500_000);
    expect(left_ms).toBeLessThan(620_000);
    expect(running?.id).toBe(end.jobs[3]);
    expect(readFileSync(join(logs, `${name}.1.log`), 'utf8')).toMatch(/^element 1 on n[12]\n$/);
    const ended = [0, 1, 2].map((element) => ({ id: end.jobs[element], name, element })) as never;
    expect([...(await batch.causes(ended)).values()].map(({ kind }) => kind)).toEqual([
      'ended',
      'ended',
      'failed',
    ]);
    await batch.end([name]);
    await until(() => !/RUNNING|PENDING/.test(statesOf(name)), 'the job is not cancelled');
  });

  test('tells refusals and jobs that will never start, in words', async () => {
    const batch = batchHere();
    const refused = (cls: JobClass) => batch.submit(shell('pl.rig.no', 'true', { cls, count: 1 }));
    expect(await refused(jobClass({ partition: 'nosuch' }))).toMatchObject({
      message: expect.stringContaining('there is no partition `nosuch`'),
    });
    expect(await refused(jobClass({ memory_bytes: 2 ** 40 }))).toMatchObject({
      message: expect.stringContaining('no node is as large'),
    });
    expect(await refused(jobClass({ gpus: { count: 1 } }))).toMatchObject({
      message: expect.stringContaining('no such gpus'),
    });
    expect(await refused(jobClass({ constraint: 'nosuch' }))).toMatchObject({
      message: expect.stringContaining('`constraint: nosuch`'),
    });
    expect(await refused(jobClass({ extra: ['--nosuch'] }))).toMatchObject({
      message: expect.stringContaining("unrecognized option '--nosuch'"),
      hint: 'look at `extra` of the class',
    });
    const name = 'pl.rig.cpu.never';
    const cls = jobClass({ partition: 'short', time_ms: 86_400_000 });
    expect((await batch.submit(shell(name, 'true', { cls, count: 1 }))).end).toBe('accepted');
    const [sight] = (await batch.look([name])) as Exclude<
      Awaited<ReturnType<typeof batch.look>>,
      'unknown'
    >;
    expect(sight).toMatchObject({
      ...{ state: 'pending', reason: expect.stringMatching(/^Partition(?:TimeLimit|Config)$/) },
      obstacle: { message: expect.stringMatching(/will not start .* the partition/) },
    });
    await batch.end([name]);
  });

  test('ends jobs that wait before those that run, some of an array, and nobody else’s', async () => {
    const batch = batchHere();
    const name = 'pl.rig.cpu.many';
    rig.run(
      'sbatch',
      '--parsable',
      '--job-name=pl.rig.cpu.other',
      '--output=/dev/null',
      '--wrap=sleep 60',
    );
    const end = await batch.submit(
      shell(name, 'trap "exit 0" TERM; sleep 60 & wait', { count: 10 }),
    );
    expect(end.end).toBe('accepted');
    await until(() => statesOf(name).includes('RUNNING'), 'no job starts');
    await batch.end([name], [0, 9]);
    await until(
      () => (statesOf(name).match(/CANCELLED|COMPLET/g) ?? []).length === 2,
      'two are not cancelled',
    );
    await batch.end([name]);
    await until(() => !/RUNNING|PENDING/.test(statesOf(name)), 'not all are cancelled');
    expect(statesOf('pl.rig.cpu.other')).toMatch(/RUNNING|PENDING/);
    batch.endNow(['pl.rig.cpu.other']);
    await until(() => !/RUNNING|PENDING/.test(statesOf('pl.rig.cpu.other')), 'it is not cancelled');
  });

  test('that is away tells nothing, and back again it tells of all', async () => {
    const batch = slurmBatch({
      ...{ environment: rig.environment, logs },
      // Slurm's own patience is 10 s.
      tool: slurmTools(rig.environment, 1500),
    });
    const name = 'pl.rig.cpu.away';
    expect((await batch.submit(shell(name, 'sleep 60', { count: 1 }))).end).toBe('accepted');
    // Killed, it forgets what it was told in its last seconds; asked to end, it writes that down.
    await rig.kill('slurmctld', 'SIGTERM');
    expect(await batch.look([name])).toBe('unknown');
    rig.startController();
    const again = batchHere();
    await vi.waitFor(async () => expect(await again.look([name])).toHaveLength(1), {
      timeout: 30_000,
      interval: 500,
    });
    await again.end([name]);
  });
});
