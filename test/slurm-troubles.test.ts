// Failures on a real Slurm: each is reported in a sentence and ends cleanly. Only with FULL, as it takes minutes.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { DOOR, type Rig, type Started } from './rig.ts';
import { type SlurmRig, slurmLack, startSlurm, until } from './slurm-rig.ts';
import { eventsOf, linesOf, noJobs, ran, startMake, studyWith } from './slurm-studies.ts';

vi.setConfig({ testTimeout: 400_000, hookTimeout: 180_000 });

const isInstalled = (program: string): boolean =>
  (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)));

const FILES = {
  'large.ts': `${DOOR}export default defineStage({
  params: z.object({ n: z.int() }), inputs: {}, outputs: { b: bytes() },
  run: ({ params: { n } }) => ({ b: new Uint8Array(2 ** 21).map((_, i) => (i * 31 + n * 7 + (i >> 8)) & 255) }),
});
`,
};
const NAPS =
  '  wait: { run: wait.ts, matrix: { n: [1, 2] }, params: { folder: FOLDER, ms: 300 }, on: lab }';
const SMALL = 'cpus: 2, time: 10m, max-jobs: 2, slots: 2, memory: 500MiB';

describe.skipIf(slurmLack() !== undefined || process.env.FULL === undefined)('trouble', () => {
  let slurm: SlurmRig;
  beforeAll(async () => {
    slurm = await startSlurm();
  });
  afterAll(async () => slurm?.stop());

  const rigOf = (stages: string, more: string, type?: 'processes'): Rig =>
    studyWith(stages, { cls: SMALL, more, type: type ?? 'slurm', files: FILES });
  const start = (rig: Rig): Started => startMake(slurm, rig);
  const make = async (rig: Rig) => {
    const { code, stdout, stderr } = await start(rig).ended;
    const events = stdout.split('\n').filter(Boolean);
    return { code, stderr, text: events.join('\n') };
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
    expect(stdout).toMatch(/somebody cancelled its jobs|its jobs ended while it ran/);
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
