// counted.ts — a command of the real binary, and what its process hashed and how large it grew
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Rig } from './rig.ts';

/** Loaded by the process: notes what it hashed, and its greatest size, when it ends. */
const COUNT = `const crypto = require('node:crypto');
const fs = require('node:fs');
let hashed = 0;
const { createHash, hash } = crypto;
crypto.createHash = (...words) => {
  const made = createHash(...words);
  const update = made.update.bind(made);
  made.update = (data, ...rest) => { hashed += data.length; return update(data, ...rest) && made; };
  return made;
};
crypto.hash = (algorithm, data, ...rest) => { hashed += data.length; return hash(algorithm, data, ...rest); };
process.on('exit', () => {
  const [, kib] = /VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8')) ?? [];
  fs.appendFileSync(process.env.COUNTS, JSON.stringify({ hashed, kib: Number(kib), argv: process.argv.slice(1) }) + '\\n');
});
`;

/** Runs a command; tells what its process hashed and how large it was, threads of it included. */
export async function counted(rig: Rig, ...words: string[]) {
  const counts = join(rig.folder, 'counts.jsonl');
  rmSync(counts, { force: true });
  rig.write('count.cjs', COUNT);
  const options = `--require ${join(rig.folder, 'count.cjs')}`;
  const { code, stderr } = await rig.start(words, { NODE_OPTIONS: options, COUNTS: counts }).ended;
  const own = readFileSync(counts, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { hashed: number; kib: number; argv: string[] })
    .filter(({ argv }) => argv.join(' ').includes('cli.cjs'));
  const hashed = own.reduce((sum, one) => sum + one.hashed, 0);
  return { code, stderr, hashed, mib: Math.max(...own.map(({ kib }) => kib)) / 1024 };
}

/** From Node 22 on, buffers that nobody holds any more are freed later: up to 64 MiB of them. */
const LATER_MIB = Number.parseInt(process.versions.node, 10) >= 22 ? 64 : 0;

/** A large blob of the tests: larger than what a process may grow by. */
export const LARGE_MIB = 64 + 2 * LATER_MIB;

/** The most that a process may grow by, in MiB. @param mib what it may on Node 20 */
export const within = (mib: number): number => mib + LATER_MIB;
