// An executor that a project brings: one module, and a variable that names it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRig, repository, type SaidEvent } from './rig.ts';

const project = (name: string): string =>
  readFileSync(join(repository, 'test/outside', name), 'utf8');

test('an executor from outside runs the actions that it accepts, and its causes are retried like any other', async () => {
  const rig = makeRig({
    'pipeline.yaml': project('pipeline.yaml'),
    'far-executor.mjs': project('far-executor.mjs'),
  });
  const environment = { PIPELINE_EXECUTORS: join(rig.folder, 'far-executor.mjs') };
  const make = async (words: readonly string[] = []): Promise<readonly SaidEvent[]> => {
    const { stdout } = await rig.runWith(['make', '-k', '--json', ...words], environment);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as SaidEvent);
  };
  const events = await make();
  const of = (kind: string): readonly SaidEvent[] => events.filter(({ event }) => event === kind);
  expect(of('built').map(({ task }) => task)).toEqual(['number', 'far']);
  expect(of('log')).toContainEqual(
    expect.objectContaining({ task: 'far', line: 'far away, for far' }),
  );
  expect((await rig.run('show', 'far:sum')).stdout).toContain('42');
  expect(of('retrying')).toMatchObject([{ task: 'fails', error: { cause: 'infrastructure' } }]);
  expect(of('failed')).toMatchObject([
    { task: 'fails', error: { cause: 'infrastructure', message: 'the line is dead' } },
  ]);
  // Where an action ran is no part of its key.
  const again = await rig.make('far');
  expect(again.events.filter(({ event }) => event === 'started')).toEqual([]);
});

test('a module that exports no executor is told, and nothing runs', async () => {
  const rig = makeRig({
    'pipeline.yaml': project('pipeline.yaml'),
    'none.mjs': 'export default { name: "none" };',
  });
  const { code, stderr } = await rig.runWith(['make'], {
    PIPELINE_EXECUTORS: join(rig.folder, 'none.mjs'),
  });
  expect(code).toBe(2);
  expect(stderr).toContain('none.mjs, which PIPELINE_EXECUTORS names, exports no executor');
  expect(stderr).toContain('hint: export default { name, accepts(action), open(machine) }');
});
