// Units of counted resources: handed out, leased across makes, told to programs, and in no key; processors as threads.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readPipeline } from '../src/engine/config/config.ts';
import type { Identity } from '../src/engine/model/process-identity.ts';
import { visibleDevices } from '../src/engine/process/devices.ts';
import { resourcesHere, shortages } from '../src/engine/scheduler/machine-resources.ts';
import { ResourcePool } from '../src/engine/scheduler/resource-pool.ts';
import { openUnitLeases } from '../src/engine/scheduler/unit-leases.ts';
import { openLeaseTable } from '../src/engine/store/lmdb/lease-table.ts';
import { makeRig, type Rig } from './rig.ts';

const pipelineOf = (text: string) => {
  const read = readPipeline({
    text,
    file: 'pipeline.yaml',
    presets: [],
    paramsFiles: [],
    sets: [],
  });
  return read.ok
    ? { pipeline: read.value, said: [] }
    : { pipeline: undefined, said: read.diagnostics.map(({ message }) => message) };
};
const commandOf = (more: string, top = ''): string => `${top}
stages:
  a: { command: ['true'], outputs: { x: x.json }, ${more} }
`;
const BIG = { cpus: 8, memory_bytes: 16 * 2 ** 30 };

describe('units', () => {
  const request = (resources: Record<string, number>) => ({ resources, urgency: () => 0 });

  test('of those that run at once are different, and parts share one unit', async () => {
    const amounts = fc.constantFrom(0.25, 0.5, 1, 2);
    await fc.assert(
      fc.asyncProperty(fc.array(amounts, { maxLength: 20 }), async (all) => {
        const units = new Map([['gpu', ['a', 'b', 'c']]]);
        const pool = new ResourcePool(6, new Map([['gpu', 3]]), { units });
        const used = new Map<string, number>();
        const add = (unit: string, part: number): void => {
          used.set(unit, (used.get(unit) ?? 0) + part);
        };
        await Promise.all(
          all.map((gpu, at) =>
            pool.withSlot(request({ gpu }), async (_, { gpu: held = [] }) => {
              expect(new Set(held).size).toBe(Math.ceil(gpu));
              for (const unit of held) add(unit, Math.min(gpu, 1));
              expect(Math.max(...used.values())).toBeLessThanOrEqual(1);
              for (let turn = 0; turn <= at % 3; turn++) {
                await new Promise((resolve) => setImmediate(resolve));
              }
              for (const unit of held) add(unit, -Math.min(gpu, 1));
            }),
          ),
        );
      }),
      { numRuns: 30 },
    );
  });

  test('of one make are not those of another, and come free when it gives them back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'units-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const { pid } = process;
    const identity: Identity = { host: hostname(), pid, exists: (one) => one === pid };
    const said: string[] = [];
    const poolFor = (owner: string) => {
      const table = openLeaseTable(
        folder,
        () => undefined,
        () => undefined,
      );
      const tableOf = () => table;
      const leases = openUnitLeases({ tableOf, owner, identity, clock: Date.now });
      onTestFinished(leases.close);
      const waits = (resource: string, by: string): void => void said.push(`${resource}: ${by}`);
      const units = new Map([['gpu', ['0', '1']]]);
      return new ResourcePool(4, new Map([['gpu', 2]]), { units, leases, waits });
    };
    const [one, two] = [poolFor('one'), poolFor('two')];
    const got: string[] = [];
    let both: Promise<void> | undefined;
    await one.withSlot(request({ gpu: 1 }), async (_, { gpu = [] }) => {
      got.push(`one ${gpu}`);
      await two.withSlot(request({ gpu: 1 }), async (__, { gpu: other = [] }) => {
        got.push(`two ${other}`);
      });
      both = two.withSlot(request({ gpu: 2 }), async (__, { gpu: all = [] }) => {
        got.push(`two ${all}`);
      });
      await expect.poll(() => said).toContain(`gpu: another make (process ${process.pid})`);
      expect(got).toEqual(['one 0', 'two 1']);
    });
    await both;
    expect(got.at(-1)).toBe('two 0,1');
  });

  test('are asked for by nothing that need not run any more', async () => {
    const units = new Map([['gpu', ['0']]]);
    const leases = { take: () => 'another make', release: () => undefined };
    const pool = new ResourcePool(1, new Map([['gpu', 1]]), { units, leases });
    let isEnding = false;
    const waiting = pool.withSlot(
      { ...request({ gpu: 1 }), isEnding: () => isEnding },
      async (_, held) => held,
    );
    isEnding = true;
    expect(await waiting).toEqual({});
  });
});

test.each([
  [undefined, undefined],
  ['', []],
  ['-1', []],
  ['3,5', ['3', '5']],
  ['0, GPU-1a-2b ,MIG-GPU-x/1/0', ['0', 'GPU-1a-2b', 'MIG-GPU-x/1/0']],
  ['1,-1,2', ['1']],
  ['1,1', ['1']],
  ['NoDevFiles', []],
])('CUDA_VISIBLE_DEVICES=%s leaves %j', (value, expected) => {
  expect(visibleDevices({ CUDA_VISIBLE_DEVICES: value })).toEqual(expected);
});

describe('what there is', () => {
  test('comes from the machine, from pipeline.yaml, and from inherited devices', () => {
    const { pipeline } = pipelineOf(
      commandOf(
        'resources: { gpu: 1, cpus: 2, memory: 4GiB, port: 1 }, env: { P: "{resources.port}" }',
        'resources: { gpu: 4, port: [a, b] }',
      ),
    );
    if (!pipeline) throw new Error('unread');
    const { totals, units } = resourcesHere(pipeline, { CUDA_VISIBLE_DEVICES: '7,5' }, BIG);
    expect(Object.fromEntries(totals)).toEqual({
      ...{ gpu: 2, port: 2, cpus: 8, memory: BIG.memory_bytes },
    });
    expect(Object.fromEntries(units)).toEqual({ gpu: ['7', '5'], port: ['a', 'b'] });
    expect(Object.fromEntries(resourcesHere(pipeline, {}, BIG).units)).toMatchObject({
      gpu: ['0', '1', '2', '3'],
    });
    const small = { cpus: 1, memory_bytes: 2 ** 31 };
    const environment = { CUDA_VISIBLE_DEVICES: '' };
    const here = resourcesHere(pipeline, environment, small);
    expect(shortages(pipeline, here, environment).map(({ message }) => message)).toEqual([
      'stage `a` asks for 1 of resource `gpu`, and CUDA_VISIBLE_DEVICES= leaves 0',
      'stage `a` asks for 2 of `cpus`, and this machine has 1',
      'stage `a` asks for 4 GiB of `memory`, and this machine has 2 GiB',
    ]);
  });

  test.each([
    ['resources: { memory: 2 }', '', 'there is no resource `memory`'],
    [
      'resources: { memory: 2GiB }',
      'resources: { memory: 4 }',
      '`memory` is a size in one place (2 GiB) and a number in another (4)',
    ],
    [
      'resources: { memory: 8GiB }',
      'resources: { memory: 4GiB }',
      'stage `a` asks for 8 GiB of resource `memory`, of which there is 4 GiB',
    ],
    [
      'resources: { memory: much }',
      '',
      '`resources` of stage `a`: `memory` must be a size or a number above 0',
    ],
    ['resources: { gpu: 1.5 }', 'resources: { gpu: 2 }', '`gpu` comes in units'],
    [
      'resources: { gpu: 2GiB }',
      'resources: { gpu: 2 }',
      '`resources` of stage `a`: `gpu` must be a number above 0',
    ],
    [
      'env: { X: "{resources.gpu}" }',
      'resources: { gpu: 2 }',
      'variable `X` names units of `gpu`, which the stage does not take',
    ],
    ['infeasible: fail', 'resources: { port: [a, a, "b c", []] }', 'unit `a` is listed twice'],
    ['infeasible: fail', 'resources: { port: [] }', '`resources`: `port` has no unit'],
  ])('%s beside %s is refused', (stage, top, message) => {
    expect(pipelineOf(commandOf(stage, top)).said).toContain(message);
  });
});

describe('a program', () => {
  const showing = (): Rig =>
    makeRig({
      'show.sh': `
# Two tasks run at once: each waits until the other has begun.
if [ -n "$MARKS" ]; then
  : > $MARKS/$1; until [ -f $MARKS/1 ] && [ -f $MARKS/2 ]; do sleep 0.01; done
fi
echo "\\"$CUDA_VISIBLE_DEVICES|$DEVICE|$PORT|$OMP_NUM_THREADS|$MKL_NUM_THREADS|$CUDA_DEVICE_ORDER\\"" > x.json
[ -z "$HOLD" ] || { echo held; while [ -f $HOLD ]; do sleep 0.01; done; }
`,
      'pipeline.yaml': `resources: { gpu: 2, port: [8001, 8002] }
stages:
  t:
    command: [sh, show.sh, "{params.n}"]
    inputs: { script: { file: show.sh } }
    matrix: { n: [1, 2] }
    params: { n: $n }
    outputs: { x: x.json }
    resources: { gpu: 1, cpus: 1, port: 1 }
    env: { DEVICE: "cuda:{resources.gpu}", PORT: "{resources.port}", MKL_NUM_THREADS: 3 }
    pass: [MARKS, HOLD]
`,
    });
  const shown = async (rig: Rig): Promise<readonly string[]> => {
    const outputs = [1, 2].map(async (n) =>
      JSON.parse((await rig.run('show', `t/${n}:x`, '--json')).stdout),
    );
    return (await Promise.all(outputs)).sort();
  };

  test('is told which units it has, by variables that enter the key as they are written', async () => {
    const rig = showing();
    const PIPELINE_LEASE_FOLDER = join(rig.folder, 'leases');
    const around = { PIPELINE_LEASE_FOLDER, MARKS: rig.folder };
    const first = await rig.runWith(['make', '-j', '2'], around);
    expect(first).toMatchObject({ code: 0 });
    expect(await shown(rig)).toEqual(['0|cuda:0|8001|1|3|', '1|cuda:1|8002|1|3|']);
    const inherited = {
      ...around,
      CUDA_VISIBLE_DEVICES: '5,GPU-8',
      CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    };
    const again = await rig.runWith(['make', '-j', '2'], inherited);
    expect(again.stderr).toContain('nothing to do');
    await rig.runWith(['make', '-j', '2', '--force'], inherited);
    expect(await shown(rig)).toEqual([
      '5|cuda:5|8001|1|3|PCI_BUS_ID',
      'GPU-8|cuda:GPU-8|8002|1|3|PCI_BUS_ID',
    ]);
    // How many processors it has decides bits, and so enters the key.
    rig.edit('pipeline.yaml', 'gpu: 1, cpus: 1', 'gpu: 2, cpus: 2');
    const { reason } = JSON.parse((await rig.run('status', '--json', 't/1')).stdout)[0];
    const paths = reason.changes.map(({ path }: { path: string }) => path);
    expect(paths).toEqual(['command.shows.gpu', 'command.threads']);
  });

  test('of another make waits for its unit, which a kill gives back', async () => {
    const [one, two] = [showing(), showing()];
    for (const rig of [one, two]) rig.edit('pipeline.yaml', 'gpu: 1', 'gpu: 2');
    const hold = join(one.folder, 'hold');
    writeFileSync(hold, '');
    const around = { PIPELINE_LEASE_FOLDER: join(one.folder, 'leases') };
    const first = one.start(['make', '--json', 't/1'], { ...around, HOLD: hold });
    await first.line((line) => line.includes('held'));
    const second = two.start(['make', '--json', 't/1'], around);
    const waits = await second.line((line) => line.includes('tasks wait for gpu'));
    expect(waits).toContain(`another make (process ${first.process.pid})`);
    first.process.kill('SIGKILL');
    expect((await second.ended).code).toBe(0);
  });
});
