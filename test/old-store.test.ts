// A store that an earlier version made (test/fixtures/store-1, made by commit 97146ce): it is read, valid, and a hit.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRig, type Rig, repository } from './rig.ts';

const fixture = join(repository, 'test/fixtures/store-1');

/** The project of the fixture, with its store in the cache. */
function oldRig(): Rig {
  const names = readdirSync(fixture).filter((name) => name !== 'store.lmdb');
  const rig = makeRig(
    Object.fromEntries(names.map((name) => [name, readFileSync(join(fixture, name), 'utf8')])),
  );
  mkdirSync(join(rig.folder, 'cache'));
  copyFileSync(join(fixture, 'store.lmdb'), join(rig.folder, 'cache/store.lmdb'));
  return rig;
}

test('a make with the store of an earlier version has nothing to do, and all that it holds is read', async () => {
  expect(statSync(join(fixture, 'store.lmdb')).size).toBeLessThan(200_000);
  const rig = oldRig();
  const { code, stderr } = await rig.run('make');
  expect([code, stderr]).toEqual([0, expect.stringContaining('nothing to do: 3 tasks up to date')]);
  expect((await rig.run('fsck')).stderr).toBe('3 blobs read: nothing is wrong\n');
  expect(JSON.parse((await rig.run('show', 'sum:sum')).stdout)).toBe(3.2);
  const [run, ...others] = JSON.parse((await rig.run('runs', '--json')).stdout);
  expect([run.command, run.tally.built, others]).toEqual(['make', 3, []]);
  expect(JSON.parse((await rig.run('gc', '--json')).stdout)).toMatchObject({
    blobs: [],
    traces: [],
    runs: [],
  });
  const forced = await rig.make('--force', 'sum');
  expect(forced.events).toContainEqual(
    expect.objectContaining({ event: 'built', task: 'sum', unchanged: true }),
  );
});
