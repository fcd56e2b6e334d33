// Numbers, names and texts of pipeline.yaml and --set are what was written, or are told.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Located } from '../src/engine/config/located.ts';
import { parseYaml } from '../src/engine/config/yaml.ts';
import type { Diagnostic, Result } from '../src/engine/model/event.ts';
import { lookAlike } from '../src/engine/text/look-alike.ts';
import { makeRig, repository } from './rig.ts';

const parsed = (text: string): { result: Result<Located>; suspects: Diagnostic[] } => {
  const suspects: Diagnostic[] = [];
  const result = parseYaml(text, 'p.yaml', ({ diagnostic }) => suspects.push(diagnostic));
  return { result, suspects };
};
const scalarOf = (text: string): unknown => {
  const { result } = parsed(text);
  return result.ok ? result.value.value : result.diagnostics[0]!.message;
};

describe('numbers', () => {
  test.each([
    ['1.0e+30', 1e30],
    ['6.02e23', 6.02e23],
    ['1e21', 1e21],
    ['9007199254740993.0', 9007199254740992],
    ['5e-324', 5e-324],
    ['0.0e5', 0],
    ['0x1F', 31],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 'an integer beyond 2^53 loses digits'],
    ['-12345678901234567890', 'an integer beyond 2^53 loses digits'],
    ['0xFFFFFFFFFFFFFFFF', 'an integer beyond 2^53 loses digits'],
    ['1e400', 'this number is beyond the range of doubles (about 1.8e308)'],
    ['-1e-400', 'this number is smaller than every double, and would become 0'],
    ['.inf', 'Infinity is not a number that can be kept'],
    ['"\\ud800"', 'half of a surrogate pair is not a character and cannot be encoded in UTF-8'],
    ['{ 1e3: 1, 010: 2 }', { '1e3': 1, '010': 2 }],
  ])('%s is %j', (text, value) => expect(scalarOf(text)).toEqual(value));
});

describe('a scalar that readers of YAML 1.1 take for something else', () => {
  // Both readings were compared with PyYAML 6.0.4.
  test.each([
    ['yes', 'the text `yes`', 'true'],
    ['Off', 'the text `Off`', 'false'],
    ['y', 'the text `y`', 'true'],
    ['1_000', 'the text `1_000`', '1000'],
    ['-1_000.5', 'the text `-1_000.5`', '-1000.5'],
    ['010', '10', '8'],
    ['08', '8', 'the text `08`'],
    ['0b11', 'the text `0b11`', '3'],
    ['0o14', '12', 'the text `0o14`'],
    ['+0x10', 'the text `+0x10`', '16'],
    ['12:30:00', 'the text `12:30:00`', '45000'],
    ['1:30.5', 'the text `1:30.5`', '90.5'],
    ['1e5', '100000', 'the text `1e5`'],
    ['-.5', '-0.5', 'the text `-.5`'],
    ['2020-01-01', 'the text `2020-01-01`', 'a date'],
    ['=', 'the text `=`', 'a default value'],
  ])('is told with both readings: %s', (source, here, there) => {
    expect(parsed(`a: ${source}`).suspects.map(({ message }) => message)).toEqual([
      `\`${source}\` is ${here} here, and ${there} to readers of YAML 1.1${source === 'y' ? '' : " (Python's PyYAML)"}`,
    ]);
    expect(parsed(`a: "${source}"`).suspects).toEqual([]);
  });

  test.each([
    'yesterday',
    '1.5',
    '.5',
    '1.',
    '-3',
    '0',
    '007',
    '0x1F',
    '1.0e-3',
    '1.5e+3',
    'true',
    '~',
    'null',
    'a:b',
    '1-2',
    '00:30',
    'x',
  ])('and what all read alike is not: %s', (source) =>
    expect(parsed(`a: ${source}`).suspects).toEqual([]),
  );

  test('is told once for its place, of names as of values, and how to write it', () => {
    const { suspects } = parsed('on: &a off\nb: [*a, *a]\ny: 1\n');
    expect(suspects.map(({ place, hint }) => [place?.start, hint])).toEqual([
      [0, "put it in quotes: 'on'"],
      [7, "put it in quotes, 'off', or write false"],
    ]);
    expect(lookAlike('1e5', 1e5, false)?.hint).toBe('write 1.0e+5, which all read alike');
    expect(lookAlike('08', 8, false)?.hint).toBe('write 8, which all read alike');
  });
});

describe('the command line', () => {
  const PIPELINE = `params: { rates: { fc1.weight: 0.1 }, flag: yes }
stages:
  s:
    command: [sh, -c, 'echo "$1" > o.txt', x, '{params.rates."fc1.weight"} {params.w}']
    params: { rates: $rates, w: '$rates."fc1.weight"' }
    outputs: { o: o.txt }
    artifacts: { o: o.txt }
`;

  test('reaches names with dots in quotes, and shows how', async () => {
    const rig = makeRig({ 'pipeline.yaml': PIPELINE });
    await rig.run('make', '--set', 'rates."fc1.weight"=0.2');
    expect(rig.read('artifacts/s/o.txt')).toBe('0.2 0.2\n');
    const { code, stderr } = await rig.run('make', '--set', 'rates.fc1.weight=0.2');
    expect(code).toBe(2);
    expect(stderr).toContain(
      `hint: a name with dots stands in quotes: --set 'rates."fc1.weight"=0.2'`,
    );
  });

  test('tells look-alikes in events, and `check --strict` refuses them', async () => {
    const rig = makeRig({ 'pipeline.yaml': PIPELINE });
    const { events } = await rig.make();
    expect(events.slice(0, 2)).toEqual([
      expect.objectContaining({ event: 'planned' }),
      {
        event: 'warning',
        message: "`yes` is the text `yes` here, and true to readers of YAML 1.1 (Python's PyYAML)",
        file: 'pipeline.yaml',
        line: 1,
        column: 45,
        hint: "put it in quotes, 'yes', or write true",
      },
    ]);
    expect((await rig.run('check')).code).toBe(0);
    expect((await rig.run('check', '--strict')).code).toBe(2);
  });

  test('and pipeline.yaml are refused where they are not UTF-8, with the place', async () => {
    const rig = makeRig({ 'pipeline.yaml': PIPELINE });
    const cli = join(repository, 'dist/cli.cjs');
    const script = `${JSON.stringify(process.execPath)} ${JSON.stringify(cli)} make --set "flag=$(printf 'K\\366ln')"`;
    const ended = spawnSync('sh', ['-c', script], { cwd: rig.folder, encoding: 'utf8' });
    expect([ended.status, ended.stderr]).toEqual([
      2,
      expect.stringContaining('0xf6 at byte offset 6'),
    ]);
    writeFileSync(
      join(rig.folder, 'pipeline.yaml'),
      Buffer.from('params: { t: "K\xf6ln" }\n', 'latin1'),
    );
    const { code, stderr } = await rig.run('make');
    expect([code, stderr.split('\n')[0]]).toEqual([
      2,
      'pipeline.yaml:1:16: error: the text is not UTF-8: 0xf6 at byte offset 15 (line 1, column 16)',
    ]);
    writeFileSync(join(rig.folder, 'pipeline.yaml'), Buffer.from(PIPELINE, 'utf16le'));
    expect((await rig.run('check')).stderr).toContain(
      'UTF-16 (little-endian, without a byte order mark)',
    );
    writeFileSync(join(rig.folder, 'pipeline.yaml'), `\ufeff${PIPELINE}`);
    expect((await rig.run('check')).code).toBe(0);
  });
});

describe('a text that no YAML is', () => {
  const block = (depth: number): string =>
    Array.from({ length: depth }, (_, level) => `${' '.repeat(level)}a:`).join('\n');
  test.each([
    ['brackets beyond any depth', '['.repeat(20_000), /this is nested too deeply/],
    ['indentation beyond any depth', block(4000), /nested too deeply/],
    ['a tab', 'a:\n\tb: 1', /Tabs are not allowed.* — indent with spaces/],
    ['a version of YAML to come', '%YAML 3.0\n---\na: 1', /Unsupported.* — leave the line with %/],
    ['a tag', 'a: !!js/function x', /Unresolved tag.* — leave the tag out/],
    ['a name without end', `${'a'.repeat(2000)}: 1`, /1024 chars.* — use shorter names/],
    ['a bracket that is open', 'a: [1', /this is not YAML.* — quotes and brackets must close/],
  ])('%s: what to do is told', (_, text, told) => {
    const { result } = parsed(text);
    const [first] = result.ok ? [] : result.diagnostics;
    expect(`${first?.message} — ${first?.hint ?? ''}`).toMatch(told);
  });
});
