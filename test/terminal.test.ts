// Nothing that came from outside reaches a terminal so that it obeys: a table of commands over a study full of such texts.
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DOOR, makeRig, type Rig, repository } from './rig.ts';

const FULL = process.env.FULL === '1';
const binary = join(repository, 'dist', 'cli.cjs');
/** A title, a bell, a colour, C1 controls, reordering, and a return to the beginning of the line. */
const NASTY = 'a\x1b]0;T\x07\x1b[31mRED\x9b5m\x85\u202eE\u2066\rX';
const TEXT = JSON.stringify(NASTY);

const FILES = {
  'pipeline.yaml': `params: { word: ${TEXT}, fail: false }
stages:
  tell:
    run: tell.mjs
    matrix: { label: [a, b] }
    params: { word: $word }
    artifacts: { words: '{label}/words.txt' }
  program:
    command: [sh, program.sh, '{outputs.out}']
    fingerprint: [sh, finger.sh]
    inputs: { script: { file: program.sh } }
    outputs: { out: out.txt }
  fails: { run: fails.mjs, params: { fail: $fail, word: $word } }
`,
  'tell.mjs': `${DOOR}
export default defineStage({
  params: z.object({ word: z.string(), label: z.string() }),
  inputs: {}, outputs: { words: text(), numbers: json(), weights: tensors() },
  run: async ({ params: { word }, log, progress }) => {
    log(word);
    console.log(word);
    progress(1, 2, word);
    // Until the live display was drawn with that.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const data = new Float32Array([1, 2]);
    return {
      words: word, numbers: { [word]: 1, loss: 2, text: word },
      weights: { tensors: { [word]: { data, shape: [2] } }, metadata: { about: word } },
    };
  },
});
`,
  'fails.mjs': `${DOOR}
export default defineStage({
  params: z.object({ fail: z.boolean(), word: z.string() }), inputs: {}, outputs: { out: json() },
  run: ({ params: { fail, word } }) => {
    if (fail) throw new Error(word);
    return { out: 1 };
  },
});
`,
  'program.sh': `printf '%s\\n' '${NASTY.replace('\r', '')}' >&2; echo done > "$1"\n`,
  'finger.sh': `printf '%s' '${NASTY}'\n`,
  'labels.yaml': `stages: { tell: { run: tell.mjs, matrix: { label: [${TEXT}, ${JSON.stringify('x\u202ey')}] } } }\n`,
  'bad.yaml': `# ${NASTY.replaceAll('\r', '').replaceAll('\x07', '').replaceAll('\x1b', '')}\nstages: { ${TEXT}: 1, x: { run: ${TEXT}, ${TEXT}: 2 } }\n`,
};

/** Sequences that this program uses itself: colours, lines taken back, and what the live display moves the cursor with. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OWN = /\x1b\[(?:[12]|22|3[1-6]|39)m|\x1b\[\d*[A-DGJK]|\x1b\[\?(?:25|2026)[hl]|\r\n/g;
const OBEYED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufdd0\ufdd1]/;

/** What of an output a terminal would obey that is not our own. */
function obeyed(text: string): string | undefined {
  const at = text.replace(OWN, '').search(OBEYED);
  if (at >= 0) return JSON.stringify(text.replace(OWN, '').slice(Math.max(0, at - 60), at + 20));
  return text.includes('\x1b[31mRED') ? 'a colour from outside' : undefined;
}

const hasTerminal = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;

/** Runs a command on a terminal, where one can be had, and otherwise in colours. */
function shown(rig: Rig, words: readonly string[]): Promise<string> {
  const line = [process.execPath, binary, ...words].map(
    (word) => `'${word.replaceAll("'", "'\\''")}'`,
  );
  const argv = hasTerminal
    ? // One without a size has no room for the live display.
      ['script', '-qec', `stty rows 24 cols 100; ${line.join(' ')}`, '/dev/null']
    : ['sh', '-c', `${line.join(' ')} 2>&1`];
  const [program = '', ...rest] = argv;
  const env: NodeJS.ProcessEnv = { ...process.env, FORCE_COLOR: '1', TERM: 'xterm' };
  delete env.NO_COLOR;
  const child = spawn(program, rest, { cwd: rig.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    child.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
  });
}

/** Commands, in an order in which each finds what it needs. Those with `FULL` only are of kinds that others show, too. */
const COMMANDS: readonly (readonly [words: readonly string[], always?: boolean])[] = [
  [['make', '-j', '1'], true],
  [['make']],
  [['make', '--json', '-n']],
  [['make', '-k', '--set', 'fail=true'], true],
  [['make', '-k', '--json', '--set', 'fail=true']],
  [['log', 'tell[a]'], true],
  [['log', 'program']],
  [['log', 'fails'], true],
  [['log', 'tell[b]', '--json']],
  [['show', 'tell[b]']],
  [['show', 'tell[b]:words'], true],
  [['show', 'tell[b]:numbers']],
  [['show', 'tell[b]:weights'], true],
  [['show', 'tell[b]:weights', '--json']],
  [['show', 'tell[b]:words', '--json']],
  [['why', 'tell[a]', '--set', 'word=\x1b[31mRED\x9b\u202e'], true],
  [['why', 'program'], true],
  [['why', 'program', '--json']],
  [['status', '--set', 'word=\u202e\x07']],
  [['status', '--json']],
  [['check', '--file', 'bad.yaml'], true],
  [['check', '--file', 'bad.yaml', '--json']],
  [['check', '--file', 'labels.yaml']],
  [['check', '--file', NASTY.replace('\r', '')]],
  [['metrics', 'tell'], true],
  [['metrics', 'tell', '--format', 'csv']],
  [['metrics', 'tell', '--json']],
  [['runs'], true],
  [['runs', '--json']],
  [['diff', 'last~1', 'last']],
  [['tag', 'last', NASTY.replace('\r', '')]],
  [['graph', '--tasks']],
  [['graph', '--tasks', '--format', 'dot']],
  [['plot', 'tell', '-o', '-']],
  [['export', 'tell[b]:words', '-']],
  [['export', 'tell[b]:weights', '-']],
  [['du']],
  [['fsck']],
  [['complete', '--', 'show', '']],
  [['complete', '--', 'why', 'tell']],
  [['archive', 'a.zip', '--allow', 'licence', '--allow', 'home', '--allow', 'path']],
  [['verify', 'a.zip']],
  [['verify', 'a.zip', '--json']],
  [[NASTY]],
  [['make', NASTY], true],
  [['show', NASTY, '--json']],
];

test('no terminal obeys what a study, its programs or its files say', async () => {
  const rig = makeRig(FILES);
  let saidNasty = 0;
  for (const [words, always] of COMMANDS) {
    if (!FULL && always !== true) continue;
    const text = await shown(rig, words);
    expect({ words, obeyed: obeyed(text) }).toEqual({ words, obeyed: undefined });
    expect(text).not.toMatch(/bug: this|at .*\.js:\d+/);
    if (words.length === 3 && words[1] === '-j') expect(text).toContain('4 built');
    if (/\\x1b|\\u001b|\\u202e|RED/.test(text)) saidNasty += 1;
  }
  // The table would hold nothing if none of it was said.
  expect(saidNasty).toBeGreaterThan(FULL ? 20 : 6);
}, 600_000);

test('texts are written to the streams of the process, and bytes only where they are results', () => {
  const files = (readdirSync(join(repository, 'src'), { recursive: true }) as string[])
    .filter((name) => /^(cli(?!\/processes)|archive|analysis)\/.*\.ts$/.test(name))
    .map((name) => [name, readFileSync(join(repository, 'src', name), 'utf8')] as const);
  const raw = files.filter(([, text]) =>
    /\\x1b|\\u001b|createLogUpdate\(stream|fd: [12]\b|writeSync\([12],/.test(text),
  );
  // The first writes them, the second knows what whole files hold, the third takes colours off again.
  expect(raw.map(([name]) => name).sort()).toEqual([
    'cli/session/up-to-date-shortcut.ts',
    'cli/terminal/ink.ts',
  ]);
});
