// as-user.ts — the real binary run by a user who is not root
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Ended, type Rig, repository } from './rig.ts';

const binary = join(repository, 'dist', 'cli.cjs');
const NOBODY = 65_534;

/** What stands before a command so that it runs without root's rights; nothing where we have none. */
const before: readonly string[] =
  process.getuid?.() === 0
    ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', 'env', 'HOME=/tmp']
    : [];

const command = (...words: string[]): [program: string, words: string[]] => {
  const [program, ...rest] = [...before, process.execPath, binary, ...words];
  return [program!, rest];
};

/** Whether the binary can be run so: by `setpriv`, and with a repository and a Node that everybody may read. */
export const canRunAsUser = spawnSync(...command('--version')).status === 0;

/** Gives a rig to that user, with everything in it. */
export function giveToUser(rig: Rig): void {
  if (before.length === 0) return;
  // Temporary folders are their maker's alone.
  chmodSync(dirname(rig.folder), 0o755);
  const give = (path: string): void => {
    const found = lstatSync(path);
    if (found.isSymbolicLink()) return;
    chownSync(path, NOBODY, NOBODY);
    if (found.isDirectory()) for (const name of readdirSync(path)) give(join(path, name));
  };
  give(rig.folder);
}

/** Runs a command in a rig as a user who is not root. */
export function runAsUser(rig: Rig, ...words: string[]): Promise<Ended> {
  const environment = { ...process.env, NO_COLOR: '1' };
  const child = spawn(...command(...words), { cwd: rig.folder, env: environment });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
