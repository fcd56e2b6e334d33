// slurm-tools.ts — runs the programs of Slurm: without a shell, with a limit of time, and with nothing inherited that changes what they do
import { spawn } from 'node:child_process';
import { hasPipes } from '../../engine/process/pipes.ts';

/** How a program of Slurm ended. */
export type ToolEnd =
  | { readonly end: 'ok'; readonly stdout: string; readonly stderr: string }
  /** It answered with an error. */
  | { readonly end: 'failed'; readonly stdout: string; readonly stderr: string }
  /** Nobody answered: what is so is not known. */
  | { readonly end: 'silent'; readonly message: string }
  /** There is no such program here. */
  | { readonly end: 'missing'; readonly message: string };

/** Runs a program of Slurm. @param input what it reads */
export type SlurmTool = (
  program: string,
  words: readonly string[],
  input?: string,
) => Promise<ToolEnd>;

const TIMEOUT_MS = 60_000;
/** A queue of 10,000 jobs has 1 MB. */
const OUTPUT_MAX = 64 * 2 ** 20;
/** What Slurm's programs say when the controller or the database does not answer. */
const SILENT =
  /unable to contact slurm controller|connection (?:refused|timed out|reset)|socket timed out|communications? (?:connection )?(?:failure|error)|zero bytes (?:were )?(?:transmitted|received)|slurmctld is (?:in backup|not)|transport endpoint|unable to establish controller|slurm_persist_conn_open|controller not responding|temporarily unable to accept job|protocol authentication error|munge_encode|munged/i;

/** The variables that Slurm's programs are given. */
export function slurmEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // Within a job, variables of that job would count as options: SLURM_CPUS_PER_TASK, SBATCH_WAIT and others.
  const kept = Object.entries(environment).filter(
    ([name]) =>
      !/^(?:SLURM|SBATCH|SQUEUE|SACCT|SCANCEL|SCONTROL)_/.test(name) || name === 'SLURM_CONF',
  );
  return { ...Object.fromEntries(kept), LC_ALL: 'C', SLURM_TIME_FORMAT: '%s' };
}

/** @param timeout_ms a program that takes longer is ended, and counts as silent */
export function slurmTools(
  environment: NodeJS.ProcessEnv,
  timeout_ms: number = TIMEOUT_MS,
): SlurmTool {
  const env = slurmEnvironment(environment);
  return (program, words, input = '') =>
    new Promise((resolve) => {
      const child = spawn(program, words, { env, stdio: ['pipe', 'pipe', 'pipe'] });
      let [stdout, stderr, late] = ['', '', false];
      const timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, timeout_ms);
      const hear = (text: string, more: string): string =>
        text.length + more.length > OUTPUT_MAX ? text : text + more;
      if (hasPipes(child)) {
        child.stdout.setEncoding('utf8').on('data', (more: string) => {
          stdout = hear(stdout, more);
        });
        child.stderr.setEncoding('utf8').on('data', (more: string) => {
          stderr = hear(stderr, more);
        });
        child.stdin.on('error', () => undefined);
        child.stdin.end(input);
      }
      child.once('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        const isMissing = error.code === 'ENOENT' || error.code === 'EACCES';
        const message = isMissing
          ? `there is no program \`${program}\` here`
          : `\`${program}\` cannot be started (${error.code ?? error.message})`;
        resolve({ end: isMissing ? 'missing' : 'silent', message });
      });
      child.once('close', (code) => {
        clearTimeout(timer);
        if (late) {
          const message = `\`${program}\` did not answer within ${timeout_ms / 1000} s`;
          resolve({ end: 'silent', message });
        } else if (code === 0) resolve({ end: 'ok', stdout, stderr });
        else if (SILENT.test(stderr)) {
          resolve({ end: 'silent', message: `\`${program}\`: ${lastError(stderr)}` });
        } else resolve({ end: 'failed', stdout, stderr });
      });
    });
}

/** The last line of what a program complains of, without its own name. */
export function lastError(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.replace(/^\w+: (?:error: )?/, '').trim());
  return lines.filter((line) => line !== '').at(-1) ?? 'it gave no reason';
}
