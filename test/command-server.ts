// command-server.ts — runs commands one after another in one process, which saves starting Node each time
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command is started with. */
export interface CommandStart {
  readonly words: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** A process that runs commands, and ends with this one. */
export interface CommandServer {
  /** Whether a command runs. */
  isBusy(): boolean;
  run(start: CommandStart): Promise<Ended>;
  kill(): void;
}

/**
 * A process takes longer than this to start. Files that changed less than a tick (20 ms) before a command began are not
 * trusted, and what it finds would depend on how fast the test was.
 */
const START_MS = 25;

const script = fileURLToPath(new URL('./command-server.cjs', import.meta.url));
const { resolve } = createRequire(import.meta.url);

/** @param binary the program, as one file of CommonJS */
export function commandServer(binary: string): CommandServer {
  let server: ChildProcess | undefined;
  let isBusy = false;
  const started = (): ChildProcess => {
    const child = fork(script, [binary, resolve('lmdb'), resolve('esbuild')], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
    });
    child.stdout?.setEncoding('utf8');
    child.stderr?.setEncoding('utf8');
    child.once('exit', () => {
      if (server === child) server = undefined;
    });
    return child;
  };
  return {
    isBusy: () => isBusy,
    kill: () => void server?.kill('SIGKILL'),
    async run(start) {
      server ??= started();
      isBusy = true;
      try {
        await pause(START_MS);
        return await answer(server, start);
      } finally {
        isBusy = false;
      }
    },
  };
}

/** Runs one command. One that ends the process itself, or breaks it, has its exit code. */
function answer(server: ChildProcess, { words, cwd, env }: CommandStart): Promise<Ended> {
  const mark = `\0${randomUUID()}\0`;
  let [stdout, stderr] = ['', ''];
  return new Promise((resolveEnd) => {
    const hear = (): void => {
      const [said, code, end] = stdout.split(mark);
      if (said === undefined || end === undefined || !stderr.endsWith(mark)) return;
      finish({ code: Number(code), stdout: said, stderr: stderr.slice(0, -mark.length) });
    };
    const onStdout = (text: string): void => {
      stdout += text;
      if (text.endsWith('\0')) hear();
    };
    const onStderr = (text: string): void => {
      stderr += text;
      if (text.endsWith('\0')) hear();
    };
    const onClose = (code: number | null): void => finish({ code, stdout, stderr });
    const finish = (ended: Ended): void => {
      server.stdout?.off('data', onStdout);
      server.stderr?.off('data', onStderr);
      server.off('close', onClose);
      resolveEnd(ended);
    };
    server.stdout?.on('data', onStdout);
    server.stderr?.on('data', onStderr);
    server.on('close', onClose);
    server.send({ words, cwd, env, umask: process.umask(), mark });
  });
}
