// contestant.mjs — a process that answers requests, one line of JSON each
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** For libraries that would otherwise take all cores. */
const ONE_THREAD = {
  OPENBLAS_NUM_THREADS: '1',
  OMP_NUM_THREADS: '1',
  TF_NUM_INTRAOP_THREADS: '1',
  TF_NUM_INTEROP_THREADS: '1',
  TF_CPP_MIN_LOG_LEVEL: '2',
};

/** Starts a contestant. It is asked one thing at a time. */
export function startContestant(name, command, args) {
  const env = { ...process.env, ...ONE_THREAD };
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const failed = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(new Error(`${name} ended before it answered`)));
  });
  failed.catch(() => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    name,
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value } = await Promise.race([lines.next(), failed]);
      return JSON.parse(value);
    },
    end: () => child.stdin.end(),
  };
}
