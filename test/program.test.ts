// Commands of the form command/2: checkpoints of their own, reported progress and metrics, variables that enter no key.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { progressInLine, progressOf } from '../src/engine/process/lines.ts';
import { makeRig, type Rig, type SaidEvent } from './rig.ts';

const COUNT = `
epoch=0
[ -f $PIPELINE_CHECKPOINT/epoch ] && epoch=$(cat $PIPELINE_CHECKPOINT/epoch)
echo "begins at $epoch"
while [ $epoch -lt 6 ]; do
  epoch=$((epoch + 1))
  echo "{\\"step\\": $epoch, \\"metrics\\": {\\"loss\\": 0.$epoch}}" >> $PIPELINE_EVENTS
  echo $epoch > $PIPELINE_CHECKPOINT/new && mv $PIPELINE_CHECKPOINT/new $PIPELINE_CHECKPOINT/epoch
  [ "$epoch" = 3 ] && [ -f "$HOLD" ] && { echo held; while [ -f "$HOLD" ]; do sleep 0.02; done; }
done
echo "{\\"w\\": $epoch}" > out.json
`;

const training = (more = ''): Rig =>
  makeRig({
    'count.sh': COUNT,
    'pipeline.yaml': `stages:
  train:
    command: [sh, count.sh]
    inputs: { script: { file: count.sh } }
    outputs: { out: out.json, curve: { kind: metrics-log } }
    checkpoint: true
    events: true
    pass: [HOLD]
${more}`,
  });

const folders = (rig: Rig): readonly string[] => {
  const parent = join(rig.folder, 'cache/checkpoints');
  return existsSync(parent) ? readdirSync(parent) : [];
};
const lines = (events: readonly SaidEvent[]): readonly unknown[] =>
  events.flatMap(({ event, line }) => (event === 'log' ? [line] : []));
const curveOf = async (rig: Rig): Promise<unknown> =>
  JSON.parse((await rig.run('show', 'train:curve', '--json')).stdout);
const WHOLE = [1, 2, 3, 4, 5, 6].map((step) => ({ loss: Number(`0.${step}`), step }));

describe('a checkpoint folder', () => {
  test('survives kill -9 of everything, and the next make goes on to the same result', async () => {
    const rig = training();
    const hold = join(rig.folder, 'hold');
    writeFileSync(hold, '');
    const first = rig.start(['make', '--json'], { HOLD: hold });
    await first.line((line) => line.includes('held'));
    first.process.kill('SIGKILL');
    await first.ended;
    expect(folders(rig)).toHaveLength(1);
    expect((await rig.run('make', '--dry-run')).stdout).toContain('continues from its checkpoint');
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    expect(lines(events)).toEqual(['begins at 3']);
    expect(await curveOf(rig)).toEqual(WHOLE);
    expect(folders(rig)).toEqual([]);
    // Where it was passed on from is part of no key.
    expect((await rig.run('make')).stderr).toContain('nothing to do');
  });

  test('is promised to continue only where it holds something', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  idle: { command: [sh, -c, 'echo waits; sleep 60'], outputs: { x: x.json }, checkpoint: true }
`,
    });
    const run = rig.start(['make', '--json']);
    await run.line((line) => line.includes('waits'));
    run.process.kill('SIGINT');
    const { stdout, code } = await run.ended;
    expect(code).toBe(130);
    const stopped = stdout.split('\n').find((line) => line.includes('interrupted'));
    expect(JSON.parse(stopped ?? '')).toMatchObject({ checkpoint: false });
  });

  test('is saved to when the program is asked to stop by the declared signal', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  save:
    command: [sh, -c, 'trap "echo saved > $PIPELINE_CHECKPOINT/s; exit 0" USR1; if [ -f $PIPELINE_CHECKPOINT/s ]; then echo 1 > x.json; exit; fi; echo waits; while :; do sleep 0.02; done']
    outputs: { x: x.json }
    checkpoint: { grace: 20s, signal: USR1 }
`,
    });
    const run = rig.start(['make', '--json']);
    await run.line((line) => line.includes('waits'));
    run.process.kill('SIGINT');
    const { stdout } = await run.ended;
    expect(stdout).toContain('"checkpoint":true');
    expect((await rig.make()).code).toBe(0);
  });

  test('is left by a program that cannot use it, which exits with 75, and starts anew', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  train:
    command: [sh, -c, 'if [ -f $PIPELINE_CHECKPOINT/s ]; then echo "of another version"; exit 75; fi; echo old > $PIPELINE_CHECKPOINT/s; [ -f "$FAIL" ] && exit 1; echo 1 > x.json']
    outputs: { x: x.json }
    checkpoint: true
    pass: [FAIL]
`,
    });
    const fail = join(rig.folder, 'fail');
    writeFileSync(fail, '');
    expect((await rig.runWith(['make'], { FAIL: fail })).code).toBe(1);
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    expect(events.filter(({ event }) => event === 'warning')).toMatchObject([
      {
        message: 'the program cannot use its checkpoint and starts again: of another version',
      },
    ]);
    // Without a checkpoint, 75 is a failure like any other.
    rig.edit('pipeline.yaml', 'if [ -f $PIPELINE_CHECKPOINT/s ]', 'if true');
    expect((await rig.make()).code).toBe(1);
  });

  test('of a key that the pipeline does not have any more goes with gc', async () => {
    const rig = training();
    const stray = join(rig.folder, 'cache/checkpoints', 'a'.repeat(64), 'data');
    expect((await rig.make()).code).toBe(0);
    mkdirSync(stray, { recursive: true });
    writeFileSync(join(stray, 'big'), Buffer.alloc(1000));
    const { stdout } = await rig.run('gc', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ checkpoints: ['a'.repeat(64)], bytes: 1000 });
    expect(folders(rig)).toEqual([]);
  });
});

describe('events of a program', () => {
  const reporting = (script: string): Rig =>
    makeRig({
      'report.sh': script,
      'pipeline.yaml': `stages:
  train:
    command: [sh, report.sh]
    inputs: { script: { file: report.sh } }
    outputs: { curve: { kind: metrics-log } }
    events: true
`,
    });
  const say = (...said: readonly string[]): string =>
    said.map((line) => `echo '${line}' >> $PIPELINE_EVENTS\n`).join('');

  test('are progress, metrics and log lines, told as they come', async () => {
    const rig = reporting(
      say(
        '{"progress": [3, 10], "note": "epoch 3"}',
        '{"step": 3, "metrics": {"loss": 0.41}}',
        '{"log": "saved"}',
      ),
    );
    const { events } = await rig.make();
    expect(events).toContainEqual({
      ...{ event: 'progress', task: 'train', done: 3, of: 10, note: 'epoch 3' },
    });
    expect(events).toContainEqual({
      ...{ event: 'metrics', task: 'train', step: 3, values: { loss: 0.41 } },
    });
    expect(lines(events)).toEqual(['saved']);
  });

  test('of one step are one row, and an earlier step takes the place of what followed', async () => {
    const rig = reporting(
      say(
        '{"step": 1, "metrics": {"loss": 1}}',
        '{"step": 2, "metrics": {"loss": 0.5}}',
        '{"step": 2, "metrics": {"val": NaN, "ok": true}}',
        '{"step": 3, "metrics": {"loss": 0.4}}',
        '{"step": 2, "metrics": {"loss": 0.6}}',
      ),
    );
    expect((await rig.make()).code).toBe(0);
    expect(await curveOf(rig)).toEqual([
      { loss: 1, step: 1 },
      { loss: 0.6, step: 2 },
    ]);
    rig.edit('report.sh', say('{"step": 3, "metrics": {"loss": 0.4}}'), '');
    expect((await rig.make()).code).toBe(0);
    expect(await curveOf(rig)).toEqual([
      { loss: 1, step: 1 },
      { loss: 0.6, ok: 1, step: 2, val: null },
    ]);
  });

  test('that cannot be used are warnings, three by name, and nothing else', async () => {
    const bad = [
      'no JSON',
      '[1]',
      '{"x": 1}',
      '{"progress": 3}',
      '{"metrics": {"loss": 1}}',
      '{"step": 1, "metrics": {"__proto__": 1}}',
    ];
    const rig = reporting(say(...bad, '{"step": 1, "metrics": {"loss": 1}}'));
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    const warnings = events.filter(({ event }) => event === 'warning').map((one) => one.message);
    expect(warnings).toEqual([
      'a line of $PIPELINE_EVENTS is no JSON: no JSON',
      'a line of $PIPELINE_EVENTS is not a JSON object: [1]',
      'a line of $PIPELINE_EVENTS has none of progress, log and metrics: {"x": 1}',
      '3 more lines of $PIPELINE_EVENTS could not be used',
    ]);
    expect(await curveOf(rig)).toEqual([{ loss: 1, step: 1 }]);
  });
});

test('a stage that declares nothing new keeps its key and its environment', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  old: { command: [sh, -c, 'env > x.txt'], outputs: { x: x.txt } }
  new: { command: [sh, -c, 'env > x.txt'], outputs: { x: x.txt }, pass: [SHOWN] }
`,
  });
  const run = rig.start(['make', '--json'], { SHOWN: 'yes', HIDDEN: 'no' });
  expect((await run.ended).code).toBe(0);
  const namesOf = async (task: string): Promise<readonly string[]> => {
    const { stdout } = await rig.run('show', `${task}:x`);
    return stdout
      .split('\n')
      .flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? [])
      .filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name))
      .sort();
  };
  const old = 'HOME LANG LC_ALL PATH PYTHONHASHSEED SOURCE_DATE_EPOCH TMPDIR TZ'.split(' ');
  expect(await namesOf('old')).toEqual(old);
  expect(await namesOf('new')).toEqual(
    [...old, 'PYTHONDONTWRITEBYTECODE', 'PYTHONUNBUFFERED', 'SHOWN'].sort(),
  );
  const status = JSON.parse((await rig.run('status', '--json', 'old')).stdout);
  // The digest of its parts, as they have been since commands exist.
  expect(status[0].key).toMatch(/^[0-9a-f]{64}$/);
  const again = rig.start(['make'], { SHOWN: 'other' });
  expect((await again.ended).stderr).toContain('nothing to do');
});

describe('pipeline shell', () => {
  const studied = (): Rig =>
    makeRig({
      'say.sh': 'echo "$1 $(cat a.json)"; exit 7\n',
      'pipeline.yaml': `stages:
  a: { command: [sh, -c, 'echo 41 > a.json'], outputs: { a: a.json } }
  b:
    command: [sh, say.sh, "{params.word}"]
    inputs: { script: { file: say.sh }, a: a.a }
    params: { word: hello }
    outputs: { x: x.json }
    checkpoint: true
`,
    });

  test('runs the command as a make would, and gives its exit code', async () => {
    const rig = studied();
    const early = await rig.run('shell', 'b', '--run');
    expect(early).toMatchObject({ code: 2 });
    expect(early.stderr).toContain('hint: pipeline make a');
    await rig.run('make', 'a');
    expect(await rig.run('shell', 'b', '--run')).toMatchObject({ code: 7, stdout: 'hello 41\n' });
    // A program of the same name takes the place of the first word, any other stands before it.
    const traced = await rig.run('shell', 'b', '--with', 'sh -x');
    expect(traced.stderr).toContain('+ exit 7');
    expect((await rig.run('shell', 'b', '--with', 'echo')).stdout).toBe('sh say.sh hello\n');
  });

  test('opens a shell beside copies, and keeps the folder when one of them was edited', async () => {
    const rig = studied();
    await rig.run('make', 'a');
    const inShell = async (script: string) => {
      rig.write('sh', `#!/bin/sh\n${script}\n`);
      chmodSync(join(rig.folder, 'sh'), 0o755);
      return rig.start(['shell', 'b'], { SHELL: join(rig.folder, 'sh') }).ended;
    };
    const looked = await inShell('cat params.json a.json; echo; echo $PIPELINE_CHECKPOINT; pwd');
    const [params, a, checkpoint, folder = ''] = looked.stdout.split('\n');
    expect([params, a]).toEqual(['{"word":"hello"}', '41']);
    expect(checkpoint).not.toContain(rig.folder);
    expect(looked.stderr).toContain('the command is: sh say.sh hello');
    expect(existsSync(folder)).toBe(false);
    const edited = await inShell('echo true > say.sh; pwd');
    const kept = edited.stdout.trim();
    expect(edited.stderr).toContain('kept the folder: say.sh was changed there');
    expect(readFileSync(join(kept, 'say.sh'), 'utf8')).toBe('true\n');
    rmSync(dirname(dirname(kept)), { recursive: true });
  });
});

test('`task-file` tells a command where its inputs and outputs are, and is part of its key', async () => {
  const rig = makeRig({
    'notes.txt': 'a',
    'pipeline.yaml': `params: { rates: [1, 2] }
stages:
  data: { command: [sh, -c, 'echo 1 > d.json'], outputs: { d: d.json }, matrix: { rate: $rates } }
  told:
    command: [sh, -c, 'cat "$PIPELINE_TASK_FILE" > told.json; echo 1 > deep/m']
    inputs: { all: data.d, one: { from: data.d, where: { rate: 1 }, file: in/one.json }, notes: { file: '*.txt' } }
    outputs: { told: told.json, model: deep/m, curve: { kind: metrics-log } }
    events: true
    task-file: true
`,
  });
  expect((await rig.make()).code).toBe(0);
  expect(JSON.parse((await rig.run('show', 'told:told', '--json')).stdout)).toEqual({
    inputs: { all: 'all/', notes: ['notes.txt'], one: 'in/one.json' },
    outputs: { model: 'deep/m', told: 'told.json' },
  });
  rig.edit('pipeline.yaml', 'task-file: true', 'task-file: false');
  const why = JSON.parse((await rig.run('why', 'told', '--json')).stdout);
  expect(why.reason.changes).toMatchObject([{ path: 'command.taskFile', before: true }]);
});

test('mistakes in what a command declares are told where they stand', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  a:
    command: ['true']
    env: { A: 1 }
    outputs: { x: x.json, c: { kind: metrics-log } }
    checkpoint: { grace: soon, signal: KILL, other: 1 }
    pass: [A, HOME, 1x]
    task-file: here
  b: { command: ['true'], outputs: { c: { kind: metrics-log, file: c } }, events: true, checkpoint: 3 }
`,
  });
  const { stderr, code } = await rig.run('check');
  expect(code).toBe(2);
  for (const words of [
    'output `c` is a metrics-log, and the stage reports no events',
    '`grace` of `checkpoint` of stage `a` must be a time',
    '`signal` of `checkpoint` of stage `a` cannot be KILL',
    'unknown key `other`',
    'variable `A` is in `env` and in `pass`',
    'variable `HOME` cannot be passed on',
    '`1x` cannot name a variable',
    '`task-file` of stage `a` must be true or false',
    'a metrics-log has no `file`',
    '`checkpoint` of stage `b` must be true or a mapping',
  ]) {
    expect(stderr).toContain(words);
  }
});

describe('progress without a library', () => {
  test.each([
    ['Epoch 3/10', 3, 10],
    ['[3/10] loss 0.5', 3, 10],
    ['step 40 of 200: fine', 40, 200],
    ['3/10 ━━━━━ 1s 20ms/step', 3, 10],
  ])('%s', (line, done, of) => {
    expect(progressInLine(line)).toMatchObject({ done, of });
  });
  test.each(['2024/11/28 begins', 'a/b', '11/10', 'src/1/2', 'version 1/2.5', 'loss 3/4 of x'])(
    'is not in %s',
    (line) => {
      expect(progressInLine(line)).toBeUndefined();
    },
  );
  test('comes from bars by percentage, else by count', () => {
    expect(progressOf(' 45%|####5     | 9/20 [00:01<00:02]')).toMatchObject({ done: 45, of: 100 });
    expect(progressOf('batch 9/20')).toMatchObject({ done: 9, of: 20 });
    expect(progressOf('spinning')).toMatchObject({ of: 0 });
  });
});

test('docs/pipeline-yaml.md shows a program that resumes', () => {
  const text = readFileSync(new URL('../docs/pipeline-yaml.md', import.meta.url), 'utf8');
  expect(text).toContain("os.environ['PIPELINE_CHECKPOINT']");
});
