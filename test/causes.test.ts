// Why tasks fail, as data: what `--json` tells, what is kept, and what `retries.on` asks for.
import { describe, expect, test } from 'vitest';
import { DOOR, makeRig, type Rig, type SaidEvent } from './rig.ts';

const command = (script: string, more = ''): string =>
  `{ command: [sh, -c, ${JSON.stringify(script)}], outputs: { x: x.json }${more} }`;

interface ToldError {
  readonly cause?: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

const errorsOf = (events: readonly SaidEvent[]): Record<string, ToldError> =>
  Object.fromEntries(
    events.flatMap(({ event, task, error }) =>
      event === 'failed' ? [[task as string, error as ToldError]] : [],
    ),
  );

const STAGE = `${DOOR}
export default defineStage({
  params: z.object({ how: z.string() }), inputs: {}, outputs: { out: json() },
  run({ params: { how } }) {
    if (how === 'throw') throw new Error('no');
    if (how === 'exit') process.exit(3);
    if (how === 'kill') process.kill(process.pid, 'SIGKILL');
    if (how === 'late') for (;;);
    if (how === 'none') return {};
    if (how === 'buffer') throw new RangeError('Array buffer allocation failed');
    return { out: 1 };
  },
});
`;

const broken = (): Rig =>
  makeRig({
    'stage.ts': STAGE,
    'pipeline.yaml': `stages:
  module: { run: stage.ts, matrix: { how: [throw, exit, kill, none, buffer] } }
  late: { run: stage.ts, params: { how: late }, timeout: 0.5s }
  exit: ${command('exit 3')}
  signal: ${command('kill -SEGV $$')}
  python: ${command("echo 'MemoryError' >&2; exit 1")}
  node: ${command('echo "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory" >&2; kill -ABRT $$')}
  slow: ${command('sleep 60', ', timeout: 0.5s')}
  none: ${command('true')}
  kind: ${command('echo nonsense > x.json')}
`,
  });

describe('a failure', () => {
  test('tells its cause to programs, with what is known of it', async () => {
    const rig = broken();
    const { code, events } = await rig.make('--keep-going');
    expect(code).toBe(1);
    const errors = errorsOf(events);
    expect(errors).toMatchObject({
      'module[throw]': { cause: 'stage', message: 'no' },
      'module[exit]': { cause: 'exit', exit: 3 },
      'module[kill]': { cause: 'signal', signal: 'SIGKILL' },
      'module[none]': { cause: 'outputs' },
      'module[buffer]': { cause: 'memory' },
      late: { cause: 'timeout', timeout: 0.5 },
      exit: { cause: 'exit', exit: 3 },
      signal: { cause: 'signal', signal: 'SIGSEGV' },
      python: { cause: 'memory', exit: 1 },
      node: { cause: 'memory', signal: 'SIGABRT' },
      slow: { cause: 'timeout', timeout: 0.5 },
      none: { cause: 'outputs' },
      kind: { cause: 'outputs' },
    });
    expect(errors.late?.message).toBe('it took longer than its timeout of 0.5 s, and was stopped');
    // The record of a failed task keeps it.
    const { stdout } = await rig.run('log', 'python', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ error: { cause: 'memory', exit: 1 } });
  });
});

describe('retries.on', () => {
  test('names the causes after which a task is tried again', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  memory: ${command('echo MemoryError; exit 1', ', retries: { times: 2, delay: 1ms, on: [memory, infrastructure] }')}
  exit: ${command('exit 1', ', retries: { times: 2, delay: 1ms, on: [memory, infrastructure] }')}
  one: ${command('exit 2', ', retries: { times: 1, delay: 1ms, on: exit }')}
`,
    });
    const { code, events } = await rig.make('--keep-going');
    expect(code).toBe(1);
    const retries = events.filter(({ event }) => event === 'retrying').map(({ task }) => task);
    expect(retries.sort()).toEqual(['memory', 'memory', 'one']);
    // `on` is a key here, and true to readers of YAML 1.1: nobody is warned of our own word.
    expect(events.filter(({ event }) => event === 'warning')).toEqual([]);
  });

  test('refuses a cause that there is not, where it is written', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  a: ${command('true', ', retries: { times: 2, on: [memry, 3] }')}
  b: ${command('true', ', retries: { times: 2, on: [] }')}
`,
    });
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toContain('`on` of `retries` of stage `a`: `memry` is not a cause of failure');
    expect(stderr).toContain('did you mean `memory`?');
    expect(stderr).toContain('`on` of `retries` of stage `a`: 3 is not a cause of failure');
    expect(stderr).toContain(
      'hint: causes are stage, exit, signal, memory, timeout, outputs, inputs, infrastructure',
    );
    expect(stderr).toContain('`on` of `retries` of stage `b` must name at least one cause');
  });
});
