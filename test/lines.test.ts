// What programs print: split into lines in linear time, progress bars by their last state, and harmless to show.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ERASE_LINE, inkFor, rendered } from '../src/cli/terminal/ink.ts';
import { lineReader, progressOf, shortLine } from '../src/engine/process/lines.ts';
import { plainLog, plainName, plainText } from '../src/plain-text.ts';
import { DOOR, makeRig, type SaidEvent } from './rig.ts';

function read(...chunks: readonly (Uint8Array | string)[]): { lines: string[]; states: string[] } {
  const [lines, states]: [string[], string[]] = [[], []];
  const reader = lineReader({
    line: (text) => lines.push(text),
    state: (text) => states.push(text),
  });
  for (const chunk of chunks) reader.push(chunk);
  reader.flush();
  return { lines, states };
}

const linesOf = (...chunks: readonly (Uint8Array | string)[]): readonly string[] =>
  read(...chunks).lines;

describe('lines', () => {
  test('end with \\n or \\r\\n, and the last one may lack its end', () => {
    expect(linesOf('a\nb\r\n\nc')).toEqual(['a', 'b', '', 'c']);
    expect(linesOf('a\r', '\nb')).toEqual(['a', 'b']);
    expect(linesOf('')).toEqual([]);
  });

  test('that are overwritten come as their last state, and their states as progress', () => {
    expect(read('\r 10%\r 20%\r', '100%\nnext')).toEqual({
      lines: ['100%', 'next'],
      states: [' 10%'],
    });
    expect(linesOf('50%\r100%\r\n')).toEqual(['100%']);
    expect(linesOf('50%\r100%\r')).toEqual(['100%']);
    expect(progressOf(' 42%|####   | 42/100')).toEqual({
      done: 42,
      of: 100,
      note: '42%|####   | 42/100',
    });
    expect(progressOf('page 3')).toEqual({ done: 0, of: 0, note: 'page 3' });
  });

  test('are the same however the bytes are cut', () => {
    const parts = fc.array(fc.constantFrom('a', 'é', '€', '😀', '\n', '\r', '\xff', ' '), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(parts, fc.array(fc.nat(60), { maxLength: 6 }), (texts, cuts) => {
        const bytes = Buffer.concat(
          texts.map((text) => (text === '\xff' ? Buffer.from([0xff]) : Buffer.from(text))),
        );
        const places = [0, ...cuts.filter((cut) => cut <= bytes.length), bytes.length].sort(
          (a, b) => a - b,
        );
        const chunks = places.slice(1).map((place, at) => bytes.subarray(places[at], place));
        expect(linesOf(...chunks)).toEqual(linesOf(bytes));
      }),
    );
  });

  test('show bytes that are no UTF-8, and lose none', () => {
    expect(linesOf(Uint8Array.of(0x61, 0xff, 0xc3, 0x62, 0xe2, 0x82, 0x0a, 0xc3, 0xa9))).toEqual([
      'a\\xff\\xc3b\\xe2\\x82',
      'é',
    ]);
  });

  test('that are very long are cut between characters, with a word on the rest', () => {
    const [line] = linesOf(`${'é'.repeat(1999)}€${'x'.repeat(1000)}`);
    expect(line).toBe(`${'é'.repeat(1999)}… (1003 more bytes)`);
    expect(shortLine('short')).toBe('short');
    expect(shortLine('x'.repeat(5000))).toBe(`${'x'.repeat(4000)}… (1000 more bytes)`);
  });

  test('take time in proportion to their bytes, as one line and as many', () => {
    const time = (chunk: Buffer, count: number): number => {
      const reader = lineReader({ line: () => undefined });
      const before = process.cpuUsage();
      for (let n = 0; n < count; n++) reader.push(chunk);
      reader.flush();
      return process.cpuUsage(before).user / 1000;
    };
    const chunk = Buffer.alloc(65536, 'x');
    time(chunk, 500);
    // 130 MB without an end, where the square would take half a minute.
    expect(time(chunk, 2000)).toBeLessThan(2000);
    expect(time(Buffer.from('a line of some length\n'.repeat(3000)), 100)).toBeLessThan(3000);
    expect(time(Buffer.from('\r 10 % of it'.repeat(3000)), 100)).toBeLessThan(3000);
  });
});

describe('text from outside', () => {
  const NASTY = 'a\x1b[2J\x07\x9b1m\u202eb\x1b]0;title\x07\ud800';

  test('has nothing that a terminal obeys', () => {
    const harmless = 'a\\x1b[2J\\x07\\u009b1m\\u202eb\\x1b]0;title\\x07\\ud800';
    expect(plainText(NASTY)).toBe(harmless);
    expect(plainName('a\nb\tc')).toBe('a\\nb\\tc');
    expect(plainText('two\n\tlines 😀 é')).toBe('two\n\tlines 😀 é');
  });

  test('loses its colours in a log, and keeps only ours elsewhere', () => {
    expect(plainLog('\x1b[1;32mok\x1b[0m\x1b[K \x1b[5A')).toBe('ok \\x1b[5A');
    const [on, off] = [inkFor(true), inkFor(false)];
    const foreign = '\x1b[31mred\x1b[39m';
    expect(rendered(on.bold(`a ${on.red(foreign)} b`))).toBe(
      '\x1b[1ma \x1b[31m\\x1b[31mred\\x1b[39m\x1b[39m b\x1b[22m',
    );
    expect(rendered(on.dim(`a${on.bold('b')}c`))).toBe('\x1b[2ma\x1b[1mb\x1b[22m\x1b[2mc\x1b[22m');
    expect(rendered(off.red(foreign))).toBe('\\x1b[31mred\\x1b[39m');
    expect(rendered(`${ERASE_LINE}\x1b[K\r`)).toBe('\x1b[G\x1b[K\\x1b[K\\x0d');
    // Nobody can write our marks: they hold a number that no text from outside knows.
    expect(rendered(`${on.red('x')}\ufdd00123456789abcdef:31m\ufdd1`)).toContain('\ufdd0');
  });

  test('leaves JSON valid, and with its meaning', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(JSON.parse(plainText(JSON.stringify(text)))).toBe(text);
      }),
    );
  });
});

/** Printed by a command, by a module, by native code, and in a message; also a label. */
const EVIL = 'x\\u001bc\\u0007\\u009b2J\\u202e';

test('what programs, modules, labels and errors say is never obeyed by a terminal', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  command:
    command: [node, print.mjs]
    matrix: { way: [plain] }
    inputs: { script: { file: print.mjs } }
    outputs: { out: out.txt }
  module: { run: print.ts, matrix: { way: [plain] } }
  "bad\\u001b[31m": 1
`,
    'print.mjs': `console.log('${EVIL}'); process.exitCode = 1;`,
    'print.ts': `${DOOR}
import { writeSync } from 'node:fs';
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() },
  run({ log, progress }) {
    console.log('${EVIL}');
    log('${EVIL}');
    progress(1, 2, '${EVIL}');
    writeSync(2, '${EVIL}\\n');
    throw new Error('${EVIL}');
  },
});`,
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const obeyed = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]/;
  const broken = await rig.run('make');
  expect(broken.code).toBe(2);
  expect(broken.stderr).toContain('x1b');
  rig.edit('pipeline.yaml', '  "bad\\u001b[31m": 1\n', '');
  const texts = [broken];
  for (const words of [
    ['make', '-k'],
    ['make', '-k', '--json'],
    ['log', 'module[plain]'],
    ['log', 'command[plain]'],
    ['status'],
    ['why', 'module'],
    ['make', '-n'],
    ['runs'],
  ]) {
    texts.push(await rig.run(...words));
  }
  for (const { stdout, stderr } of texts) expect(stdout + stderr).not.toMatch(obeyed);
  expect(texts[3]!.stdout).toContain('x\\x1bc\\x07\\u009b2J\\u202e');
});

test('a progress bar is progress while it moves, and one line in the log', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  one: { command: [node, bar.mjs], inputs: { script: { file: bar.mjs } }, outputs: { out: out.txt } }
  two: { run: bar.ts }
`,
    'bar.mjs': `import { writeFileSync } from 'node:fs';
for (let n = 0; n <= 100; n += 1) process.stderr.write('\\r' + n + '% done');
process.stderr.write('\\n');
writeFileSync('out.txt', '');`,
    'bar.ts': `${DOOR}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() },
  run() {
    for (let n = 0; n <= 100; n += 1) process.stdout.write(n + '% done\\r');
    return { out: 1 };
  },
});`,
  });
  const { events } = await rig.make();
  const of = (task: string, kind: string): readonly SaidEvent[] =>
    events.filter((said) => said.event === kind && said.task === task);
  for (const task of ['one', 'two']) {
    expect(of(task, 'log').map(({ line }) => line)).toEqual(['100% done']);
    expect(of(task, 'progress')[0]).toMatchObject({ done: 0, of: 100, note: '0% done' });
  }
});
