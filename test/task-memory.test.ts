// The peak memory of a worker process during a task, on a real process that allocates a given amount.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { platform } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { taskMemoryOf } from '../src/engine/worker/task-memory.ts';

const MIB = 2 ** 20;
const HOLDER = `process.stdin.on('data', (mib) => {
  globalThis.held = Array.from({ length: Number(mib) }, () => new Uint8Array(${MIB}).fill(1));
  console.log('done');
});
console.log('ready');`;

test.skipIf(platform() !== 'linux')(
  'the peak of a task is told, and none where what another left would be taken for its own',
  async () => {
    const child = spawn(process.execPath, ['-e', HOLDER], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const hold = async (mib: number): Promise<void> => {
      child.stdin.write(String(mib));
      await once(child.stdout, 'data');
    };
    await once(child.stdout, 'data');
    const memory = taskMemoryOf(child.pid);
    memory.begin();
    memory.begun();
    await hold(8);
    const small = memory.peak_bytes();
    expect(small).toBeGreaterThan(8 * MIB);
    expect(small).toBeLessThan(100 * MIB);
    memory.begin();
    memory.begun();
    await hold(200);
    expect(memory.peak_bytes()).toBeGreaterThan(200 * MIB);
    expect(memory.peak_bytes()).toBeLessThan(320 * MIB);
    memory.begin();
    memory.begun();
    await hold(1);
    expect(memory.peak_bytes()).toBeUndefined();
  },
);

test('of a process that is not there nothing is told', () => {
  for (const memory of [taskMemoryOf(undefined), taskMemoryOf(2 ** 22 + 1)]) {
    memory.begin();
    memory.begun();
    expect(memory.peak_bytes()).toBeUndefined();
  }
});
