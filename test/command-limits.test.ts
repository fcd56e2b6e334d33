// Commands at the limits of the system: long command lines, and what they leave behind without the right to remove it.
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatTooLong } from '../src/engine/planning/command-line.ts';
import { canRunAsUser, giveToUser, runAsUser } from './as-user.ts';
import { DOOR, makeRig, type Rig } from './rig.ts';

const linux = existsSync('/proc/self/environ');

/** A command that counts its arguments; its words come after the script. */
function countRig(words: string): Rig {
  return makeRig({
    'pipeline.yaml': `stages:
  count:
    command: [sh, -c, "echo $# > count.txt", x, ${words}]
    inputs: { files: { file: "data/*.txt" } }
    outputs: { count: count.txt }
    artifacts: { count: count.txt }
`,
  });
}

/** Fills a rig's data folder with so many files of long names. */
function addFiles(rig: Rig, count: number): void {
  mkdirSync(join(rig.folder, 'data'), { recursive: true });
  for (let n = 0; n < count; n++) {
    writeFileSync(join(rig.folder, 'data', `${'a-long-name-'.repeat(19)}${n}.txt`), '');
  }
}

describe('a fingerprint', () => {
  test('that never ends is ended, and told where it stands', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  a: { command: [sh, -c, "echo 1 > x.txt"], fingerprint: [[yes]], outputs: { x: x.txt } }
`,
    });
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toContain('pipeline.yaml:2:60: error: `yes` prints more than 65536 characters');
    expect(stderr).toContain('such as [python3, --version]');
  });
});

describe('a command line', () => {
  test('may be as long as the system takes', async () => {
    const rig = countRig('"{inputs.files}"');
    addFiles(rig, 600);
    const { code, stderr } = await rig.run('make');
    expect([code, stderr]).toEqual([0, expect.stringContaining('1 built')]);
    expect(rig.read('artifacts/count/count.txt')).toBe('600\n');
  });

  test.runIf(linux)('that is longer is refused, with what made it so and what to do', async () => {
    const rig = makeRig({
      'pipeline.yaml': `params: { long: "" }
stages:
  all: { command: [echo, ${'"{params.v}", '.repeat(20)}], params: { v: $long }, outputs: { o: o } }
  param: { command: [echo, "--v={params.v}"], params: { v: $long }, outputs: { o: o } }
  text: { command: [echo, "${'y'.repeat(131_072)}"], outputs: { o: o } }
  env: { command: [echo], env: { BIG: "${'z'.repeat(131_072)}" }, outputs: { o: o } }
`,
    });
    const wide = `long=${'x'.repeat(120_000)}`;
    const { code, stderr } = await rig.run('make', '-k', '--set', wide);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /the command line has 21 arguments of 2,400,025 bytes, .*\(E2BIG\); \{params\.v\} became 20 of them, of 2,400,020 bytes: the program finds it in params\.json/,
    );
    const files = Array.from({ length: 9 }, () => ({ text: 'a file', from: '{inputs.files}' }));
    expect(formatTooLong([{ text: 'echo', from: undefined }, ...files], {})).toContain(
      '{inputs.files} became 9 of them, of 63 bytes: {inputs.files.list} is a file that lists them, one per line',
    );
    expect(stderr).toMatch(/y{40}… is an argument of 131,072 bytes, .* 131,071 \(E2BIG\)\n/);
    expect(stderr).toContain(
      'the variable BIG has 131,072 bytes, and the system takes none of more than 131,067 (E2BIG)',
    );
    expect(stderr).not.toContain('bug');
    rig.edit('pipeline.yaml', 'long: ""', `long: "${'x'.repeat(131_072)}"`);
    expect((await rig.run('make', 'param')).stderr).toContain(
      '{params.v} is an argument of 131,076 bytes, and the system takes none of more than 131,071 (E2BIG): the program finds it in params.json',
    );
  });

  test('may name a file with the paths of an input, which are those of the files of a list', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  draw: { run: draw.ts, matrix: { seed: [0, 1] } }
  cat:
    command: [sh, -c, 'cat "$@" > all.txt; while read -r path; do cat "$path"; done < "$1" >> all.txt', x, "{inputs.runs.list}", "{inputs.files.list}", "{inputs.one.list}"]
    inputs: { runs: draw.out, files: { file: "*.csv" }, one: { from: draw.out, where: { seed: 1 } } }
    outputs: { all: all.txt }
    artifacts: { all: all.txt }
`,
      'draw.ts': `${DOOR}
export default defineStage({
  params: z.object({ seed: z.int() }), inputs: {}, outputs: { out: json() },
  run: ({ params }) => ({ out: params.seed }),
});`,
      'a.csv': '',
      'b c.csv': '',
    });
    const { code, stderr } = await rig.run('make');
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('warning')]);
    expect(rig.read('artifacts/cat/all.txt')).toBe(
      'runs/0.json\nruns/1.json\na.csv\nb c.csv\none.json\n01',
    );
    expect((await rig.run('why', 'cat')).code).toBe(0);
    rig.write('c\nd.csv', '');
    const broken = await rig.run('make');
    expect(broken.code).toBe(2);
    expect(broken.stderr).toContain(
      '`c\\nd.csv` has a line break in its name, and cannot stand in the list of input `files`',
    );
  });

  test('is looked at for what is no list and no file before anything runs', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  a:
    command: [cat, "{inputs.x.lst}", "{inputs.x.list}", "{outputs.x.list}"]
    inputs: { x: { file: pipeline.yaml } }
    outputs: { x: x.list }
`,
    });
    const { code, stderr } = await rig.run('check');
    expect(code).toBe(2);
    expect(stderr).toContain('`{inputs.x.lst}` does not exist within the input');
    expect(stderr).toContain('{inputs.x}, or {inputs.x.list}: a file with one path a line');
    expect(stderr).toContain('`{outputs.x.list}` does not exist within the output');
    rig.edit('pipeline.yaml', '"{inputs.x.lst}", ', '');
    rig.edit('pipeline.yaml', ', "{outputs.x.list}"', '');
    expect((await rig.run('status')).stderr).toContain('would both be `x.list`');
  });
});

describe.runIf(canRunAsUser)('for a user who is not root, a command that succeeds', () => {
  test('may leave folders that nobody may write or list, and outputs that nobody may read', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  one:
    command: [sh, one.sh]
    inputs: { script: { file: one.sh } }
    outputs: { out: out/deep/out.txt }
    artifacts: { out: out.txt }
`,
      'one.sh': `mkdir -p $HOME/mod/x/y $TMPDIR/t cache/x
touch $HOME/mod/x/f cache/x/f
echo ok > out/deep/out.txt
chmod 0 out/deep/out.txt
chmod 555 $HOME/mod/x/y $HOME/mod/x
chmod 0 $HOME/mod $TMPDIR/t cache/x out/deep .
`,
    });
    giveToUser(rig);
    const made = await runAsUser(rig, 'make');
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining('1 built')]);
    expect(rig.read('artifacts/one/out.txt')).toBe('ok\n');
    expect(readdirSync(join(rig.folder, 'cache/scratch'))).toEqual([]);
    expect((await runAsUser(rig, 'make')).stderr).toContain('nothing to do');
  });

  test('is not failed by a folder that cannot be removed; a later make and gc try again', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  one: { command: [sh, -c, "echo 1 > out.txt; chmod 555 ../.."], outputs: { out: out.txt } }
  two: { command: [sh, -c, "chmod 755 ../..; echo 2 > out.txt"], outputs: { out: out.txt } }
`,
    });
    giveToUser(rig);
    const { code, stderr } = await runAsUser(rig, 'make', 'one');
    expect(code).toBe(0);
    expect(stderr).toMatch(/warning one: the scratch folder could not be removed, .*EACCES/);
    const scratch = join(rig.folder, 'cache/scratch');
    expect((await runAsUser(rig, 'gc')).stderr).toMatch(/warning not dropped: .*EACCES/);
    chmodSync(scratch, 0o755);
    expect((await runAsUser(rig, 'gc')).code).toBe(0);
    expect(readdirSync(scratch)).toEqual([]);
  });
});

test('a command that removes or replaces its folder is told so', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  gone: { command: [sh, -c, 'rm -rf "$PWD"'], outputs: { o: o.txt } }
  all: { command: [sh, -c, 'rm -rf "$(dirname "$PWD")"'], outputs: { o: o.txt } }
  link: { command: [sh, -c, 'rm -rf "$PWD"; ln -s /etc "$PWD"'], outputs: { o: hostname } }
`,
  });
  const { code, stderr } = await rig.run('make', '-k');
  expect(code).toBe(1);
  expect(stderr.match(/the command removed the folder that it ran in/g)).toHaveLength(3);
  expect(stderr).not.toMatch(/ENOENT|bug/);
});
