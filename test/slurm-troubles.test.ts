// Failures on a real Slurm: each is reported in a sentence and ends cleanly. Only with FULL, as it takes minutes.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { DOOR, type Rig, type Started } from './rig.ts';
import {
  accountingLack,
  isInstalled,
  type SlurmRig,
  slurmLack,
  startSlurm,
  until,
} from './slurm-rig.ts';
import { eventsOf, linesOf, noJobs, ran, startMake, studyWith } from './slurm-studies.ts';

vi.setConfig({ testTimeout: 400_000, hookTimeout: 180_000 });

const FILES = {
  'large.ts': `${DOOR}export default defineStage({
  params: z.object({ n: z.int() }), inputs: {}, outputs: { b: bytes() },
  run: ({ params: { n } }) => ({ b: new Uint8Array(2 ** 21).map((_, i) => (i * 31 + n * 7 + (i >> 8)) & 255) }),
});
`,
};
const NAPS =
  '  wait: { run: wait.ts, matrix: { n: [1, 2] }, params: { folder: FOLDER, ms: 300 }, on: lab }';
const LIMITS = 'MaxTime=01:00:00 DefMemPerCPU=300 State=UP';
/** A job takes a whole node. */
const WHOLE = 'cpus: 4, time: 10m, max-jobs: 2, slots: 1, memory: 3GiB';
const SMALL = 'cpus: 2, time: 10m, max-jobs: 2, slots: 2, memory: 500MiB';

describe.skipIf(slurmLack() !== undefined || process.env.FULL === undefined)('trouble', () => {
  let slurm: SlurmRig;
  beforeAll(async () => {
    slurm = await startSlurm({
      more: [
        'PreemptType=preempt/partition_prio',
        'PreemptMode=CANCEL',
        `PartitionName=low Nodes=n[1-2] PriorityTier=1 ${LIMITS}`,
        `PartitionName=high Nodes=n[1-2] PriorityTier=100 ${LIMITS}`,
      ],
    });
  });
  afterAll(async () => slurm?.stop());

  const rigOf = (stages: string, more: string, type?: 'processes'): Rig =>
    studyWith(stages, { cls: SMALL, more, type: type ?? 'slurm', files: FILES });
  const wholeNodes = (ms: number, cls = WHOLE): Rig => {
    const tasks =
      '  wait: { run: wait.ts, matrix: { n: [1, 2, 3, 4] }, params: { folder: FOLDER, ms: ';
    return studyWith(`${tasks}${ms} }, on: lab }`, { cls });
  };
  /** The jobs that run now, such as `12_0`. */
  const running = (): readonly string[] =>
    slurm.run('squeue', '-h', '-r', '-t', 'RUNNING', '-o', '%F_%K').split('\n').filter(Boolean);
  const start = (rig: Rig, ...words: string[]): Started => startMake(slurm, rig, ...words);
  const make = async (rig: Rig) => {
    const { code, stdout, stderr } = await start(rig).ended;
    return { code, stderr, text: stdout };
  };

  test.each([
    ['a node without Node', 'node: /no/such/node, ', 'there is no program \\"/no/such/node\\"'],
    [
      'a depot that nodes do not see',
      `wrap: [unshare, --mount, sh, -c, 'mount -t tmpfs none FOLDER/depot && exec "$@"', x], `,
      'a job ended before a worker could start',
    ],
  ])('%s is told, and ends', async (_, more, sentence) => {
    const { code, text, stderr } = await make(rigOf(NAPS, more));
    expect([code, stderr]).toEqual([1, '']);
    expect(text).toContain(sentence);
    expect(text).toContain('its jobs end before a worker can start');
    await noJobs(slurm);
  });

  test.skipIf(!isInstalled('faketime'))(
    'clocks that are minutes apart change nothing',
    async () => {
      for (const shift of ['+7m', '-7m']) {
        const rig = rigOf(NAPS, `wrap: [faketime, -f, '${shift}'], `);
        const { code, text } = await make(rig);
        expect(code, text).toBe(0);
        expect(ran(rig)).toHaveLength(2);
      }
      await noJobs(slurm);
    },
  );

  test('somebody cancels the jobs: no more are asked for, and that is told', async () => {
    const rig = rigOf(NAPS.replace('300', '60000'), '');
    const started = start(rig);
    await until(() => ran(rig).length === 2, 'no task begins');
    // The name of the jobs, as a person would cancel them.
    const [name = ''] = slurm.run('squeue', '-h', '-o', '%j').split('\n');
    slurm.run('scancel', `--name=${name}`);
    const { code, stdout } = await started.ended;
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /somebody cancelled jobs.*pipeline make goes on|its jobs ended while it ran/,
    );
    await noJobs(slurm);
  });

  test('somebody cancels one job of two: the other takes its tasks', async () => {
    const rig = wholeNodes(5000);
    const started = start(rig);
    await until(() => ran(rig).length === 2, 'no task begins');
    slurm.run('scancel', running()[0] ?? '');
    const { code, stdout } = await started.ended;
    expect(code, stdout).toBe(0);
    await noJobs(slurm);
  });

  test('a job that is put back into the queue is cancelled, and its tasks run elsewhere', async () => {
    const rig = wholeNodes(5000);
    const started = start(rig);
    await until(() => ran(rig).length === 2, 'no task begins');
    const [job = ''] = running();
    // Ours are not requeued by themselves.
    expect(() => slurm.run('scontrol', 'requeue', job)).toThrow(/disabled/);
    slurm.run('scontrol', 'update', `job=${job}`, 'requeue=1');
    slurm.run('scontrol', 'requeue', job);
    const { code, stdout } = await started.ended;
    expect(code, stdout).toBe(0);
    await noJobs(slurm);
  });

  test('a node that the site takes down, and one that preempts, give their tasks to others', async () => {
    const rig = wholeNodes(5000);
    const started = start(rig);
    await until(() => ran(rig).length === 2, 'no task begins');
    slurm.run('scontrol', 'update', 'nodename=n1', 'state=down', 'reason=test');
    const { code, stdout } = await started.ended;
    expect(code, stdout).toBe(0);
    const idle = (): string =>
      slurm.run('sinfo', '-h', '-N', '-p', 'main', '-t', 'idle', '-o', '%N');
    // It comes back by itself, as its daemon never went.
    await until(
      () => idle().split('\n').filter(Boolean).length === 2,
      'the node does not come back',
    );
    const low = wholeNodes(5000, `${WHOLE}, partition: low`);
    const second = start(low);
    await until(() => ran(low).length === 2, 'no task begins');
    const high = ['-p', 'high', '-c4', '--mem=3G', '--array=0-1', '-o', '/dev/null'];
    slurm.run('sbatch', ...high, '--wrap=sleep 5');
    const preempted = await second.ended;
    expect(preempted.code, preempted.stdout).toBe(0);
    await noJobs(slurm);
  });

  test('a head whose time is nearly over leaves its tasks to their jobs and says so, and the next make goes on', async () => {
    const rig = studyWith(
      '  wait: { run: wait.ts, matrix: { n: [1, 2, 3, 4, 5, 6, 7, 8] }, params: { folder: FOLDER, ms: 20000 }, on: lab }',
      {
        cls: 'cpus: 1, time: 10m, max-jobs: 1, slots: 1, memory: 500MiB',
        more: 'head: { cpus: 1, memory: 1GiB, time: 1m }, ',
      },
    );
    const { code, stderr } = await start(rig, '--submit', '--follow').ended;
    expect(code).toBe(130);
    expect(stderr).toContain('the time of this job is nearly over: running tasks go on');
    const before = ran(rig).length;
    expect(before).toBeGreaterThan(1);
    const again = start(rig);
    await again.line((line) => line.includes('"reused"'));
    again.process.kill('SIGINT');
    await again.ended;
    await noJobs(slurm);
  });

  test('Ctrl-C once saves a checkpoint and ends the jobs; twice ends them now', async () => {
    const rig = rigOf(
      '  save: { run: save.ts, params: { steps: 60, folder: FOLDER }, on: lab }',
      '',
    );
    const first = start(rig);
    await until(() => linesOf(rig, 'steps.txt').length >= 2, 'the task does not begin');
    first.process.kill('SIGINT');
    expect((await first.ended).code).toBe(130);
    await noJobs(slurm);
    const second = start(rig);
    await until(() => ran(rig).length === 2, 'the task does not begin again');
    expect(Number(ran(rig)[1])).toBeGreaterThan(0);
    second.process.kill('SIGINT');
    await second.line((line) => line.includes('Ctrl-C again'));
    second.process.kill('SIGINT');
    expect((await second.ended).code).toBe(130);
    await noJobs(slurm);
  });

  test('a depot that is full is waited for, told, and goes on when there is room', async () => {
    const stages = '  large: { run: large.ts, matrix: { n: [1, 2, 3, 4] }, on: lab }';
    const rig = rigOf(stages, 'max-idle: 3s, ', 'processes');
    const script = `mount -t tmpfs -o size=5m,mode=700 none depot
(while [ ! -e room ]; do sleep 0.2; done; mount -o remount,size=40m depot) &
exec "$@"`;
    rig.write('depot/.keep', '');
    const cli = join(import.meta.dirname, '../dist/cli.cjs');
    const words = ['--mount', 'sh', '-c', script, 'x', process.execPath, cli, 'make', '--json'];
    const child = spawn('unshare', words, { cwd: rig.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (stdout.includes('the disk is full')) writeFileSync(join(rig.folder, 'room'), '');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    const events = eventsOf(stdout);
    expect([code, events.filter(({ event }) => event === 'built').length], stdout).toEqual([0, 4]);
    expect(stdout).toContain('waits for the depot');
    expect(stdout).not.toContain('ENOSPC');
  });

  test.skipIf(!isInstalled('gcc'))(
    'a depot that goes stale for a while loses nothing',
    async () => {
      const rig = rigOf(NAPS.replace('[1, 2]', '[1, 2, 3, 4, 5, 6]'), '', 'processes');
      const library = join(rig.folder, 'stale.so');
      execFileSync('gcc', ['-shared', '-fPIC', '-o', library, '-x', 'c', '-', '-ldl'], {
        input: STALE,
      });
      const flag = join(rig.folder, 'is-stale');
      const started = rig.start(['make', '--json'], {
        ...{ LD_PRELOAD: library, STALE_UNDER: join(rig.folder, 'depot'), STALE_FLAG: flag },
      });
      await until(() => ran(rig).length >= 3, 'no task begins');
      writeFileSync(flag, '');
      // So often the depot could not be used.
      await until(() => statSync(flag).size >= 20, 'nobody meets the stale depot');
      rmSync(flag);
      const { code, stdout } = await started.ended;
      expect(code, stdout).toBe(0);
      expect(stdout).not.toContain('ESTALE');
      expect(stdout.split('"event":"built"')).toHaveLength(7);
    },
  );
});

/** Whether Slurm can limit memory by cgroups here. */
const hasGroups = existsSync('/sys/fs/cgroup/memory/cgroup.procs');

describe.skipIf(slurmLack() !== undefined || process.env.FULL === undefined || !hasGroups)(
  'memory that cgroups limit',
  () => {
    const EAT = {
      'eat.ts': `${DOOR}export default defineStage({
  params: z.object({ mib: z.int() }), inputs: {}, outputs: { n: json() },
  run: ({ params: { mib } }) => ({ n: Array.from({ length: mib }, () => new Uint8Array(2 ** 20).fill(1)).length }),
});
`,
    };
    const PROGRAM =
      "[python3, -c, \"b = bytearray(b'x' * 400 * 2**20); open('n.txt', 'w').write('x')\"]";

    test('gives more to modules and commands that were killed for it, or says what would', async () => {
      const slurm = await startSlurm({ cgroup: true, accounting: accountingLack() === undefined });
      onTestFinished(() => slurm.stop());
      const needs = 'needs: { memory: { start: 250MiB, limit: 1GiB } }';
      const stages = (
        keys: string,
      ): string => `  eat: { run: eat.ts, params: { mib: 350 }, ${keys}on: lab }
  program: { command: ${PROGRAM}, outputs: { n: n.txt }, ${keys}on: lab }`;
      const small = 'memory: 260MiB, time: 10m, slots: 1, max-jobs: 1';
      const grows = studyWith(stages(`${needs}, `), {
        cls: `${small} }, more: { memory: 1GiB, time: 10m, slots: 1`,
        files: EAT,
      });
      const grown = await startMake(slurm, grows).ended;
      expect(grown.code, grown.stdout).toBe(0);
      expect(grown.stdout.split('it ran out of memory in lab/cpu, and is given more')).toHaveLength(
        3,
      );
      const fixed = studyWith(stages(''), { cls: small, files: EAT });
      const failed = await startMake(slurm, fixed, '-k').ended;
      expect(failed.code).toBe(1);
      expect(failed.stdout.split('"cause":"memory"')).toHaveLength(3);
      expect(
        failed.stdout.split('lets it have more, in a class of lab with more `memory` than cpu'),
      ).toHaveLength(3);
      await noJobs(slurm);
    });
  },
);

/** While a file is there, calls on what lies under a folder fail with ESTALE, as those of an NFS client do. The file gets a byte for each such call. */
const STALE = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int stale(const char *path) {
  const char *under = getenv("STALE_UNDER"), *flag = getenv("STALE_FLAG");
  if (!under || !flag || !path || strncmp(path, under, strlen(under))) return 0;
  int told = syscall(SYS_openat, AT_FDCWD, flag, O_WRONLY | O_APPEND, 0);
  if (told < 0) return 0;
  syscall(SYS_write, told, "x", 1);
  syscall(SYS_close, told);
  errno = ESTALE;
  return 1;
}
static int staleFile(int file) {
  char link[64], path[4096];
  int before = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = syscall(SYS_readlink, link, path, sizeof path - 1);
  if (length >= 0) {
    path[length] = 0;
    if (stale(path)) return 1;
  }
  errno = before;
  return 0;
}
#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define OPEN(name) int name(const char *path, int flags, ...) { \\
  REAL(name); va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \\
  return stale(path) ? -1 : real(path, flags, mode); }
OPEN(open)
OPEN(open64)
int rename(const char *from, const char *to) { REAL(rename); return stale(from) || stale(to) ? -1 : real(from, to); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return stale(path) ? -1 : real(path, mode); }
ssize_t write(int file, const void *bytes, size_t count) { REAL(write); return staleFile(file) ? -1 : real(file, bytes, count); }
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) { REAL(pwrite64); return staleFile(file) ? -1 : real(file, bytes, count, at); }
ssize_t pread64(int file, void *bytes, size_t count, off64_t at) { REAL(pread64); return staleFile(file) ? -1 : real(file, bytes, count, at); }
int fdatasync(int file) { REAL(fdatasync); return staleFile(file) ? -1 : real(file); }
int fsync(int file) { REAL(fsync); return staleFile(file) ? -1 : real(file); }
`;
