// Outputs in the forms that other tools read, pictures of tensors, and graphs as files.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import { jsonCsv, npyOf, tensorCsv } from '../src/cli/terminal/forms.ts';
import { graphSvg } from '../src/cli/terminal/layout.ts';
import { drawTensors } from '../src/cli/terminal/picture.ts';
import { decodeSafetensors, type Tensor } from '../src/tensor.ts';
import { DOOR, makeRig } from './rig.ts';

const FILES = {
  'pipeline.yaml': `stages:
  made: { run: made.ts }
`,
  'made.ts': `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: {},
  outputs: { model: tensors(), metrics: json() },
  run() {
    const weights = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6.5) };
    const bias = { shape: [2], data: Int32Array.of(-1, 1) };
    return {
      model: { tensors: { 'layers.0.weights': weights, 'layers.0.bias': bias }, metadata: {} },
      metrics: [{ epoch: 1, loss: 0.5 }, { epoch: 2, loss: 0.25 }],
    };
  },
});`,
};

describe('export', () => {
  test('writes JSON, CSV, NPY and safetensors by the ending of the file, and overwrites nothing unasked', async () => {
    const rig = makeRig(FILES);
    await rig.make();
    const path = (name: string): string => join(rig.folder, name);
    expect((await rig.run('export', 'made:metrics', 'm.csv')).code).toBe(0);
    expect(rig.read('m.csv')).toBe('epoch,loss\n1,0.5\n2,0.25\n');
    await rig.run('export', 'made:model/layers.0.weights', 'w.npy');
    expect(readFileSync(path('w.npy')).toString('latin1', 0, 128)).toContain(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
    );
    await rig.run('export', 'made:model/layers.0.bias', 'b.safetensors');
    expect(Object.keys(decodeSafetensors(readFileSync(path('b.safetensors'))).tensors)).toEqual([
      'layers.0.bias',
    ]);
    const { stdout } = await rig.run('export', 'made:model/layers.0.bias', '-', '--format', 'json');
    expect(JSON.parse(stdout).tensors['layers.0.bias']).toEqual({
      dtype: 'I32',
      shape: [2],
      data: [-1, 1],
    });
    writeFileSync(path('mine.json'), 'mine');
    const refused = await rig.run('export', 'made:metrics', 'mine.json');
    expect([refused.code, refused.stderr, rig.read('mine.json')]).toEqual([
      2,
      'error: mine.json exists\n  hint: --force overwrites it\n\n',
      'mine',
    ]);
    await rig.run('export', 'made:metrics', 'mine.json', '--force');
    expect(JSON.parse(rig.read('mine.json'))).toHaveLength(2);
    const several = await rig.run('export', 'made:model', 'all.npy');
    expect([several.code, several.stderr]).toEqual([
      2,
      expect.stringContaining('npy holds one tensor, and there are 2'),
    ]);
    expect(existsSync(path('all.npy'))).toBe(false);
  });

  test('show draws tensors to a PNG, and graph an SVG', async () => {
    const rig = makeRig(FILES);
    await rig.make();
    await rig.run('show', 'made:model', '-o', 'w.png');
    const png = PNG.sync.read(readFileSync(join(rig.folder, 'w.png')));
    expect([png.width, png.height]).toEqual([48, 32]);
    await rig.run('graph', '-o', 'g.svg');
    expect(rig.read('g.svg')).toMatch(/^<svg [\s\S]*>made \(1 task\)<\/text>/);
    await rig.run('graph', '-o', 'g.mmd');
    expect(rig.read('g.mmd')).toMatch(/^graph LR\n/);
  });
});

describe('forms', () => {
  test('NPY has its data at a multiple of 64 bytes', () => {
    for (const shape of [[], [3], [1, 3], [3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]) {
      const data = new Float64Array(shape.reduce((product, size) => product * size, 1)).fill(7);
      const bytes = npyOf({ shape, data }) ?? new Uint8Array();
      const start = 10 + bytes[8]! + 256 * bytes[9]!;
      expect([start % 64, bytes[start - 1], bytes.length - start]).toEqual([
        0,
        10,
        data.byteLength,
      ]);
      const text = new TextDecoder().decode(bytes.subarray(10, start));
      expect(text).toContain(
        shape.length === 1 ? "'shape': (3,)," : `'shape': (${shape.join(', ')}),`,
      );
    }
  });

  test('CSV quotes what needs it, and has the shape of its JSON', () => {
    expect(jsonCsv([{ a: 'x,y' }, { a: 'say "hi"', b: [1] }])).toBe(
      'a,b\n"x,y",\n"say ""hi""",[1]\n',
    );
    expect(jsonCsv({ epoch: [1, 2], loss: [0.5, null] })).toBe('epoch,loss\n1,0.5\n2,\n');
    expect(jsonCsv({ a: { b: 1 }, c: [true] })).toBe('path,value\na.b,1\nc.0,true\n');
    expect(jsonCsv([[1, 2], [3]])).toBe('1,2\n3\n');
    expect(jsonCsv(3)).toBe('value\n3\n');
    expect(tensorCsv({ shape: [2, 2], data: Uint8Array.of(1, 2, 3, 4) })).toBe('1,2\n3,4\n');
    expect(tensorCsv({ shape: [1, 1, 1], data: Uint8Array.of(1) })).toBeUndefined();
  });
});

describe('pictures', () => {
  const draw = (tensors: Record<string, Tensor>): PNG | undefined => {
    const bytes = drawTensors({ tensors, metadata: {} });
    return bytes && PNG.sync.read(Buffer.from(bytes));
  };
  const pixel = (png: PNG | undefined, x: number, y: number): number[] => [
    ...(png?.data.subarray(4 * (y * png.width + x), 4 * (y * png.width + x) + 3) ?? []),
  ];

  test('of CSR have ink where there is a connection', () => {
    const png = draw({
      'layers.0.crow_indices': { shape: [3], data: Int32Array.of(0, 1, 3) },
      'layers.0.col_indices': { shape: [3], data: Int32Array.of(1, 0, 2) },
      'layers.0.size': { shape: [2], data: Int32Array.of(2, 3) },
    });
    expect([png?.width, png?.height]).toEqual([48, 32]);
    const ink = [0, 1].map((row) =>
      [0, 1, 2].map((at) => pixel(png, at * 16 + 8, row * 16 + 8)[0]),
    );
    expect(ink).toEqual([
      [255, 20, 255],
      [20, 255, 20],
    ]);
  });

  test('of bytes are sheets of images; of signed matrices, red below zero and blue above', () => {
    const sheet = draw({ samples: { shape: [3, 16], data: new Uint8Array(48).fill(200) } });
    expect([sheet?.width, sheet?.height]).toEqual([3 * 12 + 4, 12 + 4]);
    expect([pixel(sheet, 0, 0), pixel(sheet, 6, 6)]).toEqual([
      [150, 150, 150],
      [200, 200, 200],
    ]);
    const heat = draw({ m: { shape: [1, 3], data: Float32Array.of(-2, 0, 2) } });
    expect([8, 24, 40].map((x) => pixel(heat, x, 8))).toEqual([
      [178, 24, 43],
      [255, 255, 255],
      [33, 102, 172],
    ]);
    expect(draw({ none: { shape: [0], data: new Uint8Array(0) } })).toBeUndefined();
  });
});

test('a graph as SVG keeps boxes apart, and lines out of boxes that they do not belong to', () => {
  const nodes = new Map(['a', 'b', 'c', 'd<&'].map((id) => [id, id]));
  const edges = [
    ['a', 'b', 'x'],
    ['b', 'c', 'y'],
    ['a', 'c', 'z'],
    ['a', 'd<&', 'w'],
  ] as const;
  const svg = graphSvg({ nodes, edges });
  const boxes = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)].map(
    ([, x, y]) => [Number(x), Number(y)],
  );
  expect(boxes).toHaveLength(4);
  // b and d share a layer, and so does the waypoint of a → c.
  const middle = boxes.filter(([x]) => x === boxes[1]![0]).map(([, y]) => y! + 13);
  const waypoint = Number(/<path d="M[\d.]+ ([\d.]+)H/.exec(svg)?.[1]);
  for (const y of middle) expect(Math.abs(y - waypoint)).toBeGreaterThan(13);
  expect(Math.abs(middle[0]! - middle[1]!)).toBeGreaterThanOrEqual(26);
  expect(svg).toContain('>d&lt;&amp;</text>');
  expect(svg).toContain('<title>a → c (z)</title>');
});
