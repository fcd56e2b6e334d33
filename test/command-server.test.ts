// command-server.test.ts — a command that shares its process with others says and does what one alone does
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { commandServer } from './command-server.ts';
import { madeRig } from './rig.ts';

describe('a command in a process that ran others', () => {
  test('says what it says in a process of its own, and ends like that', async () => {
    const rig = await madeRig(
      {
        'pipeline.yaml': `stages:
  s: { command: [sh, -c, 'echo 1 > o.txt'], outputs: { o: o.txt } }
  t: { command: [sh, -c, 'echo no >&2; exit 3'], inputs: { o: { from: s.o, file: o.txt } }, outputs: { t: t.txt } }
`,
      },
      's',
    );
    for (const words of [
      ['show', 's:o'],
      ['status', '--json'],
      ['nonsense'],
      ['make', 't', '--json'],
      ['status', '--file', 'none'],
    ]) {
      const alone = await rig.start(words).ended;
      const beside = await rig.run(...words);
      expect(beside.code).toBe(alone.code);
      const lines = ({ stdout, stderr }: typeof alone): readonly string[] =>
        `${stdout}\n${stderr}`
          .split('\n')
          .map((line) => line.replaceAll(/\d[\d.T:Z-]*/g, '0').slice(0, 60));
      expect(lines(beside)).toEqual(lines(alone));
    }
  });

  /** A server of a program that is told what to do by its first word. */
  function serverOf(program: string) {
    const folder = mkdtempSync(join(tmpdir(), 'pipeline-server-'));
    const binary = join(folder, 'program.cjs');
    writeFileSync(binary, program);
    const server = commandServer(binary);
    onTestFinished(() => {
      server.kill();
      rmSync(folder, { recursive: true });
    });
    const run = (...words: string[]) => server.run({ words, cwd: folder, env: { WORD: words[0] } });
    return { folder, run };
  }

  test('finds nothing that an earlier one left, which ended as its process would have', async () => {
    const { folder, run } = serverOf(`const { spawn } = require('node:child_process');
const { existsSync, writeFileSync } = require('node:fs');
const { Worker } = require('node:worker_threads');
if (process.argv[2] === 'first') {
  globalThis.timer = setInterval(() => undefined, 1_000_000).unref();
  new Worker('setInterval(() => undefined, 10)', { eval: true }).unref();
  // It ends when its stdin does.
  const child = spawn(process.execPath, ['-e', "process.stdin.resume().on('end', () => require('node:fs').writeFileSync('gone', ''))"], { stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  child.stdin.unref();
  process.on('SIGINT', () => undefined);
  process.once('exit', (code) => writeFileSync('exit', String(code)));
  process.env.LEFT = 'x';
  globalThis.process.stdout.write = ((write) => function (text) { return write.call(this, text.toUpperCase()); })(process.stdout.write);
  process.exitCode = 3;
  setTimeout(() => process.stdout.write('said'.repeat(100000)), 10);
} else {
  const look = () => existsSync('gone') ? process.stdout.write(JSON.stringify([process.env.WORD, process.env.LEFT ?? null, process.listenerCount('SIGINT'), globalThis.timer._destroyed, process.cwd() === __dirname])) : setTimeout(look, 10);
  look();
}
`);
    const first = await run('first');
    expect({ ...first, stdout: first.stdout.length }).toEqual({
      code: 3,
      stdout: 400_000,
      stderr: '',
    });
    expect(first.stdout.startsWith('SAID')).toBe(true);
    expect(readFileSync(join(folder, 'exit'), 'utf8')).toBe('3');
    expect(await run('second')).toEqual({
      code: 0,
      stdout: JSON.stringify(['second', null, 0, true, true]),
      stderr: '',
    });
  });

  test('may end the process, or break it: the next one has another', async () => {
    const { run } = serverOf(`if (process.argv[2] === 'exit') process.exit(5);
if (process.argv[2] === 'throw') throw new Error('broken');
console.log(process.pid);
`);
    const { stdout } = await run('pid');
    expect((await run('pid')).stdout).toBe(stdout);
    expect((await run('exit')).code).toBe(5);
    expect(await run('throw')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('broken'),
    });
    expect((await run('pid')).stdout).not.toBe(stdout);
  });
});
