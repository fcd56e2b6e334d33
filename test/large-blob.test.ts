// Blobs that workers read from the store themselves, because they are too large to be sent along.
import { join } from 'node:path';
import { open } from 'lmdb';
import { expect, test } from 'vitest';
import { DOOR, digestsOf, makeRig, type Rig, tasksOf } from './rig.ts';

const stage = (inputs: string, outputs: string, run: string): string =>
  `${DOOR}export default defineStage({ params: z.object({}), inputs: ${inputs}, outputs: ${outputs}, ${run} });\n`;

const largeRig = (): Rig =>
  makeRig({
    'pipeline.yaml': `stages:
  source: { run: source.ts }
  scribbler: { run: scribbler.ts, inputs: { data: source.data } }
  reader: { run: reader.ts, inputs: { data: source.data } }
`,
    'source.ts': stage(
      '{}',
      '{ data: bytes() }',
      'run: () => ({ data: Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * i) >> 3) })',
    ),
    'scribbler.ts': stage(
      '{ data: bytes() }',
      '{ n: json<number>() }',
      'run: ({ inputs }) => { inputs.data[0] = 9; return { n: 1 }; }',
    ),
    'reader.ts': stage(
      '{ data: bytes() }',
      '{ sum: json<number>(), all: bytes() }',
      'run: ({ inputs: { data } }) => ({ sum: data.reduce((a, b) => a + b, 0), all: data })',
    ),
  });

test('a stage that writes into one fails, and the next task of its worker reads it as it was', async () => {
  const rig = largeRig();
  const { code, events } = await rig.make('-j', '1', '-k');
  expect([code, tasksOf(events, 'failed')]).toEqual([1, ['scribbler']]);
  expect(JSON.stringify(events)).toContain('the stage wrote into its input data');
  const digests = digestsOf(events);
  expect(digests['reader:all']).toBe(digests['source:data']);
});

test('one that is damaged is found by the worker, told, and made again', async () => {
  const rig = largeRig();
  const digests = digestsOf((await rig.make('source')).events);
  const root = open({ path: join(rig.folder, 'cache/store.lmdb'), noSubdir: true, maxDbs: 16 });
  const blobs = root.openDB<Buffer, string>({ name: 'blobs', encoding: 'binary' });
  const bytes = Buffer.from(blobs.get(digests['source:data']!) as Buffer);
  bytes[2_999_999]! ^= 1;
  blobs.putSync(digests['source:data']!, bytes);
  await root.close();
  const { code, stderr } = await rig.run('make', 'reader');
  expect([code, stderr]).toEqual([0, expect.stringContaining('was damaged')]);
  expect(stderr).toContain('built   source');
  expect(stderr).toContain('built   reader');
});
