// contestant.mjs — a process that answers requests, one line of JSON each
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Starts a contestant. It is asked one thing at a time. */
export function startContestant(name, command, args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
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
