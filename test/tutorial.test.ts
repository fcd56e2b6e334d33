// tutorial.test.ts — what README.md and the tutorial show is what happens: their files are written, their commands are run
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { repository } from './rig.ts';

interface Block {
  readonly language: string;
  readonly text: string;
}

const blocksOf = (page: string): readonly Block[] =>
  [...readFileSync(join(repository, page), 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', text = '']) => ({ language, text }),
  );

/** The name that a file has in its first line: `# train.py`. */
const nameOf = ({ text }: Block): string | undefined => /^# ([\w.-]+)\n/.exec(text)?.[1];

/** A folder in which `pipeline` is the command that was built. */
function workplace(): { readonly folder: string; run(command: string): string } {
  const folder = mkdtempSync(join(inject('folder'), 'tutorial-'));
  const programs = mkdtempSync(join(inject('folder'), 'programs-'));
  const program = join(programs, 'pipeline');
  writeFileSync(
    program,
    `#!/bin/sh\nexec '${process.execPath}' '${join(repository, 'dist/cli.cjs')}' "$@"\n`,
  );
  chmodSync(program, 0o755);
  const PATH = `${programs}${delimiter}${process.env.PATH}`;
  return {
    folder,
    run: (command) =>
      execFileSync('/bin/sh', ['-c', `{ ${command}\n} 2>&1 || true`], {
        cwd: folder,
        env: { ...process.env, PATH, HOME: folder, NO_COLOR: '1', PIPELINE_CACHE: undefined },
        encoding: 'utf8',
      }),
  };
}

/** What differs from run to run, elided; blanks of tables count as one. */
const steady = (text: string): string =>
  text
    .replace(/\b\d+(?:\.\d+)? m?s\b/g, 'TIME')
    .replace(/\b[0-9a-f]{8,64}\b/g, 'DIGEST')
    .replace(/ +/g, ' ')
    .trim();

/** Commands of a console block, each with the lines that are shown below it. */
function commandsOf(text: string): readonly { command: string; shown: readonly string[] }[] {
  const commands: { command: string; shown: string[] }[] = [];
  for (const line of text.trimEnd().split('\n')) {
    const last = commands.at(-1);
    if (line.startsWith('$ ')) commands.push({ command: line.slice(2), shown: [] });
    else if (last && /^>( |$)/.test(line)) last.command += `\n${line.slice(2)}`;
    else last?.shown.push(line);
  }
  return commands;
}

/** Whether the lines are there in any order (tasks run side by side); `...` stands for any number of lines. */
function compare(command: string, printed: string, shown: readonly string[]): void {
  const there = printed.trimEnd().split('\n').map(steady);
  const expected = shown.filter((line) => line !== '...').map(steady);
  if (shown.includes('...')) {
    for (const line of expected)
      expect([command, there]).toEqual([command, expect.arrayContaining([line])]);
  } else {
    const sorted = (lines: readonly string[]): readonly string[] =>
      lines.filter((line) => line !== '').toSorted();
    expect([command, sorted(there)]).toEqual([command, sorted(expected)]);
  }
}

test('the study of README.md works as it stands', () => {
  const { folder, run } = workplace();
  const blocks = blocksOf('README.md');
  for (const block of blocks) {
    const name = nameOf(block);
    if (name !== undefined) writeFileSync(join(folder, name), block.text);
  }
  const lines = blocks.flatMap((block) =>
    nameOf(block) === undefined ? [] : block.text.trim().split('\n').slice(1),
  );
  expect(lines.length, 'lines of the study in README.md').toBe(15);
  expect(run('pipeline make')).toContain('9 tasks: 9 built, 0 reused');
  expect(run('pipeline metrics train --group-by rate')).toContain('mean ± SD over seed (3)');
});

test.runIf(process.env.FULL)('every command of the tutorial prints what the tutorial shows', () => {
  const { folder, run } = workplace();
  for (const block of blocksOf('docs/tutorial.md')) {
    const name = nameOf(block);
    if (name !== undefined) writeFileSync(join(folder, name), block.text);
    if (block.language !== 'console') continue;
    for (const { command, shown } of commandsOf(block.text)) {
      const printed = run(command);
      if (process.env.SHOW) process.stdout.write(`$ ${command}\n${printed}`);
      compare(command, printed, shown);
    }
  }
});
