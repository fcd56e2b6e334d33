// stdout and stderr that are closed or full: work goes on, and exit codes tell the truth.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundledRig, DOOR, type Ended, madeRig, type Rig, repository } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { n: 400000 }
stages:
  first: { run: one.ts, params: { n: 3 } }
  second: { run: one.ts, inputs: { from: first.out }, params: { n: $n }, artifacts: { out: out.txt } }
`,
  'one.ts': `${DOOR}export default defineStage({
  params: z.object({ n: z.int() }), inputs: { from: optional(text()) }, outputs: { out: text() },
  run({ params, log }) { log('says something'); return { out: '1234567890\\n'.repeat(params.n) }; },
});`,
};

/** Runs a line of a shell, in which %P is the program. */
function shell(rig: Rig, line: string): Promise<Ended> {
  const program = `"${process.execPath}" "${join(repository, 'dist/cli.cjs')}"`;
  const env = { ...process.env, NO_COLOR: '1' };
  const child = spawn('bash', ['-c', line.replaceAll('%P', program)], { cwd: rig.folder, env });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

const FULL = 'error: stdout cannot be written: no space left on device\n';

test('a make whose reader goes away makes everything, and its exit code says so', async () => {
  const rig = await bundledRig(FILES);
  const { stdout } = await shell(rig, '%P make --json | head -1; echo "code $PIPESTATUS"');
  expect(stdout).toMatch(/^\{"event":"planned".*\}\ncode 0\n$/);
  expect(existsSync(join(rig.folder, 'artifacts/second/out.txt'))).toBe(true);
  expect((await rig.run('make')).stderr).toContain('nothing to do');
  const failing = await shell(rig, '%P make --set n=-1 --json | head -1; echo "code $PIPESTATUS"');
  expect(failing.stdout).toContain('code 1\n');
});

describe.runIf(existsSync('/dev/full'))('a stream that is full', () => {
  test('is told in a sentence, with exit code 2, by every command; a make has done its work', async () => {
    const rig = await bundledRig(FILES);
    expect(await shell(rig, '%P make --json > /dev/full')).toEqual({
      code: 2,
      stdout: '',
      stderr: FULL,
    });
    expect((await rig.run('make')).stderr).toContain('nothing to do');
    const commands = [
      'make',
      'runs',
      'show first',
      'graph',
      'status --json',
      'export second:out -',
      'schema',
      '--help',
    ];
    const lines = commands.map((words) => `%P ${words} > /dev/full; echo "$? ${words}"`);
    const { stdout, stderr } = await shell(rig, lines.join('\n'));
    expect(stdout).toBe(commands.map((words) => `2 ${words}\n`).join(''));
    expect(stderr.split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(
      commands.length,
    );
    expect(stderr).not.toMatch(/\n +at |\bbug\b/);
  });

  test.runIf(process.env.FULL === '1')(
    'of talk is left out: stderr that is full or closed ends nothing',
    async () => {
      const rig = await bundledRig(FILES);
      for (const where of ['2> /dev/full', '2>&-']) {
        const { code, stdout } = await shell(rig, `%P make --force ${where}`);
        expect([code, stdout]).toEqual([0, 'artifacts/second/out.txt\n']);
      }
      expect((await shell(rig, '%P make --force > /dev/full 2> /dev/full')).code).toBe(2);
    },
  );
});

test('a result is whole, however slowly it is read', async () => {
  const rig = await madeRig(FILES);
  const { stdout } = await shell(rig, '%P show second:out | (sleep 0.5; wc -c)');
  expect(stdout.trim()).toBe(String(11 * 400_000));
});
