// What is decoded is decoded exactly: UTF-8 and JSON are kept as they are, or refused with the place.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkBag } from '../src/archive/form/bag.ts';
import { parseJson } from '../src/archive/form/bounded-json.ts';
import { canonicalJson } from '../src/engine/model/key.ts';
import { json, text } from '../src/engine/stage.ts';
import { parseExactJson } from '../src/exact-json.ts';
import { fileSet } from '../src/file-set.ts';
import { decodeUtf8, invalidAt } from '../src/utf8.ts';
import { DOOR, makeRig, type Rig } from './rig.ts';

const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);
const latin1 = (value: string): Uint8Array => Buffer.from(value, 'latin1');
const failure = (work: () => unknown): string => {
  try {
    return `no error: ${JSON.stringify(work())}`;
  } catch (error) {
    return (error as Error).message;
  }
};

describe('UTF-8', () => {
  test('is valid exactly where the platform decodes it', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.array(
        fc.constantFrom(0x41, 0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xa0, 0x9f, 0xf0, 0x90, 0xf4, 0x8f),
      ),
      fc.string({ unit: 'binary' }).map((value) => [...utf8(value)]),
    );
    const fatal = new TextDecoder('utf-8', { fatal: true });
    fc.assert(
      fc.property(bytes, (list) => {
        const given = Uint8Array.from(list);
        let isValid = true;
        try {
          fatal.decode(given);
        } catch {
          isValid = false;
        }
        expect(invalidAt(given) === undefined).toBe(isValid);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    [latin1('a\nK\xf6ln'), 'the text is not UTF-8: 0xf6 at byte offset 3 (line 2, column 2)'],
    [latin1('\xe9'), '0xe9 at byte offset 0 (line 1, column 1)'],
    [Uint8Array.of(0xe2, 0x82), '0xe2 at byte offset 0'],
    [Buffer.from('\ufeffab', 'utf16le'), 'UTF-16 (little-endian), not UTF-8'],
    [Buffer.from('abc', 'utf16le'), 'UTF-16 (little-endian, without a byte order mark)'],
    [Buffer.from('abc', 'utf16le').swap16(), 'UTF-16 (big-endian, without'],
    [Uint8Array.of(0xfe, 0xff, 0, 0x61), 'UTF-16 (big-endian), not UTF-8'],
    [Uint8Array.of(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0), 'UTF-32 (little-endian)'],
  ])('that is none is told with its place: %#', (bytes, message) => {
    expect(failure(() => decodeUtf8(bytes))).toContain(message);
  });

  test('keeps its byte order mark and line ends as text', () => {
    const bytes = utf8('\ufeffa,b\r\n1,\u0000\r');
    expect(text().encode(text().decode(bytes))).toEqual(bytes);
  });

  test('cannot hold half of a surrogate pair', () => {
    expect(failure(() => text().encode('a\ud800'))).toContain('half of a surrogate pair');
    expect(failure(() => json().encode({ a: ['x\udc00'] }))).toContain('\\udc00');
    expect(failure(() => fileSet().encode({ 'a.txt': '\ud800' }))).toContain('`a.txt` holds half');
    const fine = { a: '\\ud800 \u{1f600}' };
    expect(json().decode(json().encode(fine))).toEqual(fine);
  });
});

describe('JSON', () => {
  test('is what JSON.parse gives, for every value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(4), (value, indent) => {
        const written = JSON.stringify(value, null, indent);
        expect(parseExactJson(utf8(written))).toEqual(JSON.parse(written));
        expect(parseExactJson(utf8(canonicalJson(value)))).toEqual(
          JSON.parse(canonicalJson(value)),
        );
      }),
    );
  });

  test('is refused where JSON.parse refuses it', () => {
    const part = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'u00e4',
      '1',
      '-',
      '.',
      'e',
      '0',
      'true',
      'null',
      ' ',
      '\n',
      '"a"',
    );
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 7 }).map((parts) => parts.join('')),
        (written) => {
          const [ours, theirs] = [
            failure(() => parseExactJson(utf8(written))),
            failure(() => JSON.parse(written)),
          ];
          // A name that stands twice is ours alone.
          if (!ours.includes('twice'))
            expect([written, ours.startsWith('no error')]).toEqual([
              written,
              theirs.startsWith('no error'),
            ]);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test.each([
    [
      '{"a": 9007199254740993}',
      'line 1, column 7 ($.a): the integer 9007199254740993 is beyond 2^53',
    ],
    [
      '[\n 1,\n -12345678901234567890]',
      'line 3, column 2 ($[1]): the integer -12345678901234567890',
    ],
    [
      '{"a":{"b":1,"c":2,"b":3}}',
      'line 1, column 19 ($.a.b): the name "b" stands in this map twice',
    ],
    ['{"a":1,"\\u0061":2}', 'twice'],
    ['["\\ud800"]', 'half of a surrogate pair'],
    ['["\\udc00\\ud800"]', 'half of a surrogate pair'],
    ['["\\ud83dx"]', 'half of a surrogate pair'],
    ['{"loss": NaN}', 'line 1, column 10 ($.loss): JSON has no NaN'],
    ['[-Infinity]', 'allow_nan=False'],
    ['{"ok": True}', '`True` is Python, not JSON'],
    ['1e400', '1e400 is beyond the range of doubles'],
    ['[1e-400]', '1e-400 is smaller than every double'],
    ['01', 'this is not a number of JSON'],
    ['', 'the text ends here'],
    ['{} x', 'there is more after the end'],
    ['[1,]', 'expected a value'],
    ["{'a': 1}", 'expected a name in double quotes'],
    ['"a\tb"', 'a control character'],
    ['['.repeat(2000), 'nested more than 1000 deep'],
  ])('that would lose something is refused with its place: %s', (written, message) => {
    expect(failure(() => parseExactJson(utf8(written)))).toContain(message);
  });

  test.each([
    ['{"b": 1.0, "a": -0, "c": 1e2}', '{"a":0,"b":1,"c":100}'],
    ['\ufeff{"seed": 9007199254740992}', '{"seed":9007199254740992}'],
    ['{"__proto__": {"x": 1}, "constructor": 2}', '{"__proto__":{"x":1},"constructor":2}'],
    ['["\\ud83d\\ude00", "\\u00e4"]', '["😀","ä"]'],
    [
      '[0.1, 1e-7, 0e999, 1.7976931348623157e308, 5e-324]',
      '[0.1,1e-7,0,1.7976931348623157e+308,5e-324]',
    ],
    ['[100000000000000000000, 1e21]', '[100000000000000000000,1e+21]'],
  ])('is kept in canonical form: %s', (written, canonical) => {
    const codec = json();
    expect(new TextDecoder().decode(codec.encode(codec.decode(utf8(written))))).toBe(canonical);
  });
});

describe('what comes from files', () => {
  /** Stages that copy a file of the project: commands, or modules that take it as JSON. */
  const rig = (files: { readonly [name: string]: Uint8Array }): Rig => {
    const stages = Object.keys(files).map((file) => {
      const [stage, kind] = file.split('.');
      return kind === 'data'
        ? `  ${stage}: { run: s.ts, inputs: { i: { file: ${file} } } }\n`
        : `  ${stage}: { command: [cp, ${file}, out.${kind}], inputs: { i: { file: ${file} } }, outputs: { o: out.${kind} }, artifacts: { o: out.${kind} } }\n`;
    });
    const made = makeRig({
      'pipeline.yaml': `stages:\n${stages.join('')}`,
      's.ts': `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: { i: json() },
  outputs: { o: json() },
  run: ({ inputs }) => ({ o: inputs.i }),
});
`,
    });
    for (const [name, bytes] of Object.entries(files))
      writeFileSync(join(made.folder, name), bytes);
    return made;
  };

  test('is kept byte for byte as text, in canonical form as JSON, or refused with the place', async () => {
    const csv = utf8('\ufeffa;b\r\n1;ä\r\n\n');
    const { make, read } = rig({
      'table.csv': csv,
      'latin.csv': latin1('a\nK\xf6ln'),
      'wide.txt': Buffer.from('\ufeffa', 'utf16le'),
      'big.json': utf8('{\n "id": 12345678901234567890}'),
      'town.json': latin1('"K\xf6ln"'),
      'module-town.data': latin1('{"town": "K\xf6ln"}'),
      'module-seed.data': utf8('{"seed": 9007199254740993}'),
    });
    const { code, events } = await make('--keep-going');
    const failed = events.flatMap(({ event, task, error }) =>
      event === 'failed' ? [[task, (error as { message: string }).message.split('\n')[0]]] : [],
    );
    const integer = (digits: string) =>
      `the integer ${digits} is beyond 2^53 and would lose digits: write it as a text, in quotes`;
    const iconv = 'convert it, for example with iconv -f LATIN1 -t UTF-8';
    const input = 'input i does not hold what the stage expects:';
    const output = (name: string, kind: string) => `output o (out.${name}) does not hold ${kind}:`;
    expect([code, Object.fromEntries(failed)]).toEqual([
      1,
      {
        latin: `${output('csv', 'text')} the text is not UTF-8: 0xf6 at byte offset 3 (line 2, column 2); ${iconv}`,
        wide: `${output('txt', 'text')} the text is UTF-16 (little-endian), not UTF-8`,
        big: `${output('json', 'json')} line 2, column 8 ($.id): ${integer('12345678901234567890')}`,
        town: `${output('json', 'json')} the text is not UTF-8: 0xf6 at byte offset 2 (line 1, column 3); ${iconv}`,
        'module-town': `${input} the text is not UTF-8: 0xf6 at byte offset 11 (line 1, column 12); ${iconv}`,
        'module-seed': `${input} line 1, column 10 ($.seed): ${integer('9007199254740993')}`,
      },
    ]);
    expect(utf8(read('artifacts/table/out.csv'))).toEqual(csv);
  });

  test('is no stage either when it is not UTF-8: the bundler would not say so', async () => {
    const made = rig({ 'x.data': utf8('1') });
    const source = Buffer.from("export const town = 'K\xf6ln';\n", 'latin1');
    writeFileSync(join(made.folder, 'town.ts'), source);
    made.edit('s.ts', 'export default', "import { town } from './town.ts';\nexport default");
    made.edit('s.ts', 'params: z.object({})', 'params: z.object({ t: z.literal(town) })');
    const { code, stderr } = await made.run('check');
    expect([code, stderr.split('\n').slice(0, 3)]).toEqual([
      2,
      [
        'town.ts:1:23: error: the text is not UTF-8: 0xf6 at byte offset 22 (line 1, column 23)',
        "    1 | export const town = 'K\\xf6ln';",
        '      |                       ^^^^',
      ],
    ]);
  });
});

describe('JSON of an archive', () => {
  test.each([
    [
      '{"a":1,"b":{"c":1,"c":2}}',
      'line 1, column 19 ($.b.c): the name "c" stands in this map twice',
    ],
    ['[{"a":1,"\\u0061":2}]', 'stands in this map twice'],
    ['{"a":"\\":","a":2}', 'stands in this map twice'],
  ])('has no name twice: %s', (written, message) => {
    expect(failure(() => parseJson(utf8(written)))).toContain(message);
  });

  test('is otherwise what JSON.parse gives', () => {
    const written = fc.jsonValue().map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(written, (one) => {
        fc.pre(!one.includes('"__proto__"'));
        expect(parseJson(utf8(one))).toEqual(JSON.parse(one));
      }),
    );
  });
});

test('the manifest of an archive is told where it is not UTF-8', async () => {
  const files = new Map(
    ['bagit.txt', 'manifest-sha256.txt', 'tagmanifest-sha256.txt'].map((name) => {
      const bytes = latin1(`${'0'.repeat(64)}  data/caf\xe9\n`);
      return [name, { bytes: bytes.length, stream: async () => Readable.from([bytes]) }];
    }),
  );
  const said: string[] = [];
  await checkBag(
    { files, close: () => undefined },
    (place, message) => void said.push(`${place}: ${message}`),
    () => undefined,
  );
  expect(said).toContain('manifest-sha256.txt:1: is not UTF-8: 0xe9 at byte 75 of the line');
});
