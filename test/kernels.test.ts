// kernels.test.ts — every kernel against its naive twin, and gradients against finite differences
import { describe, expect, it } from 'vitest';
import { createMemory } from '../src/network/compile.ts';
import { CHAINS, createLayer } from '../src/network/layer.ts';
import type { Memory } from '../src/network/memory.ts';
import {
  backward,
  createNetwork,
  forward,
  type Network,
  paddedBatch,
  parameterGradients,
} from '../src/network/network.ts';
import type { LayerMask, Mask } from '../src/sparse/mask.ts';
import { type Stream, stream } from '../src/stats/stream.ts';
import * as naive from './naive.ts';

/**
 * Shapes at the edges: a single one, batches around a tile, widths that no block divides, and more
 * connections, in all or in one row, than the weight gradient takes at a time.
 */
const SHAPES = [
  { I: 1, O: 1, n: 1, density: 1 },
  { I: 5, O: 3, n: 31, density: 0.5 },
  { I: 17, O: 9, n: 32, density: 0.3 },
  { I: 33, O: 20, n: 33, density: 0.1 },
  { I: 40, O: 37, n: 64, density: 1 },
  { I: 64, O: 50, n: 100, density: 0.02 },
  { I: 9, O: 6, n: 130, density: 0 },
  { I: 130, O: 61, n: 15, density: 0.9 },
  { I: 4200, O: 2, n: 17, density: 0.99 },
];

/** Each connection exists with this probability, so that rows may be empty. */
function randomMask(random: Stream, inputs: number, outputs: number, density: number): LayerMask {
  const rows = new Int32Array(outputs + 1);
  const columns: number[] = [];
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) if (random.uniform() < density) columns.push(i);
    rows[o + 1] = columns.length;
  }
  return { inputs, outputs, rows, columns: Int32Array.from(columns) };
}

const normals = (random: Stream, length: number): Float32Array =>
  Float32Array.from({ length }, () => random.normal());

/** [T][features][16] of normal numbers, with zeros in the pad columns. */
function padded(random: Stream, features: number, n: number, B: number): Float32Array {
  const numbers = new Float32Array(features * B);
  for (let f = 0; f < features; f++) {
    for (let b = 0; b < n; b++) numbers[naive.tiled(features, f, b)] = random.normal();
  }
  return numbers;
}

const labelsBelow = (random: Stream, classes: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.below(classes));

/** Where an array lies in the kernels' memory. */
function put(memory: Memory, data: Float32Array | Int32Array | Uint8Array): number {
  const { at, view } =
    data instanceof Float32Array
      ? memory.floats(data.length)
      : data instanceof Int32Array
        ? memory.integers(data.length)
        : memory.bytes(data.length + 15);
  view().set(data);
  return at;
}

/** Equal to float32 accuracy, measured against the largest number expected. */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 2e-6) {
  expect(actual.length).toBe(expected.length);
  let scale = 1e-30;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / scale;
    // A NaN must not pass.
    if (!(error <= worst)) worst = error;
  }
  expect(worst).toBeLessThanOrEqual(tolerance);
}

describe.each(SHAPES)('with $I inputs, $O outputs, $n samples, density $density', (shape) => {
  const { I, O, n, density } = shape;
  const B = paddedBatch(n);
  const setup = () => {
    const random = stream(7, 'kernels', I, O);
    const memory = createMemory();
    const mask = randomMask(random, I, O, density);
    const layer = createLayer(memory, mask, B, 2);
    const K = mask.columns.length;
    const values = normals(random, K);
    layer.weights.values.view().set(values);
    return { random, memory, kernels: memory.kernels, mask, layer, K, values };
  };

  it('assemble turns bytes of chosen samples into padded, feature-major activations', () => {
    const { random, memory, kernels } = setup();
    const N = n + 5;
    const S = labelsBelow(random, 256, N * I);
    const chosen = Int32Array.from({ length: n }, () => random.below(N));
    const X = memory.floats(I * B);
    X.view().fill(NaN);
    const expected = new Float64Array(I * B);
    const [s, c, room] = [put(memory, S), put(memory, chosen), memory.bytes(16 * (I + 16)).at];
    kernels.assemble(s, c, X.at, room, I, n, B, 0.0125, -0.42);
    naive.assemble(S, chosen, expected, I, n, B, 0.0125, -0.42);
    expectClose(X.view(), expected);
  });

  it.each([0, 1] as const)('forward, relu %i', (relu) => {
    const { random, memory, kernels, mask, layer, values } = setup();
    const X = normals(random, I * B);
    const bias = normals(random, O);
    const Y = memory.floats(O * B);
    const expected = new Float64Array(O * B);
    const { rows, sources, weights } = layer;
    const [x, b] = [put(memory, X), put(memory, bias)];
    kernels.forward(x, Y.at, rows.at, sources.at, weights.values.at, b, I, O, B, relu);
    naive.forward(X, expected, mask.rows, mask.columns, values, bias, I, O, B, relu);
    expectClose(Y.view(), expected);
  });

  it('inputGradient', () => {
    const { random, memory, kernels, layer, K, values } = setup();
    const X = normals(random, I * B);
    const dY = padded(random, O, n, B);
    const dX = memory.floats(I * B);
    const expected = new Float64Array(I * B);
    const { starts, targets, order, weights, transposed } = layer;
    const csc = [starts, targets, order] as const;
    const [s, o, r] = csc.map(({ at }) => at);
    const [dy, x, w] = [put(memory, dY), put(memory, X), weights.values.at];
    kernels.inputGradient(dy, x, dX.at, s!, o!, r!, w, transposed.at, I, O, B);
    const [S, N, R] = csc.map(({ view }) => view());
    naive.inputGradient(dY, X, expected, S!, N!, R!, values, new Float64Array(K), I, O, B);
    expectClose(dX.view(), expected);
  });

  it('dense kernels, to the bits of the sparse ones over a mask with everything', () => {
    const { random, memory, kernels } = setup();
    const everything = randomMask(random, I, O, 1);
    const { rows, sources, starts, targets, order, weights, bias, transposed } = createLayer(
      memory,
      everything,
      B,
      1,
    );
    const [X, dY] = [padded(random, I, n, B), padded(random, O, n, B)];
    weights.values.view().set(normals(random, I * O));
    bias.values.view().set(normals(random, O));
    const [x, dy, W, b] = [put(memory, X), put(memory, dY), weights.values.at, bias.values.at];
    const results = (length: number) => [memory.floats(length), memory.floats(length)];

    const [Y, sparseY] = results(O * B);
    kernels.denseForward(x, Y!.at, W, b, I, O, B, 1);
    kernels.forward(x, sparseY!.at, rows.at, sources.at, W, b, I, O, B, 1);
    expect(Y!.view()).toEqual(sparseY!.view());
    const expectedY = new Float64Array(O * B);
    naive.denseForward(X, expectedY, weights.values.view(), bias.values.view(), I, O, B, 1);
    expectClose(Y!.view(), expectedY);

    const [dX, sparseDX] = results(I * B);
    const [s, o, r] = [starts.at, targets.at, order.at];
    kernels.denseInputGradient(dy, x, dX!.at, W, transposed.at, I, O, B);
    kernels.inputGradient(dy, x, sparseDX!.at, s, o, r, W, transposed.at, I, O, B);
    expect(dX!.view()).toEqual(sparseDX!.view());
    const expectedDX = new Float64Array(I * B);
    naive.denseInputGradient(dY, X, expectedDX, weights.values.view(), I, O, B);
    expectClose(dX!.view(), expectedDX);
  });

  it('weightGradient, and denseWeightGradient to the same bits where connections exist', () => {
    const { random, memory, kernels, mask, layer, K } = setup();
    const X = normals(random, I * B);
    const dY = padded(random, O, n, B);
    const [x, dy] = [put(memory, X), put(memory, dY)];
    const { rows, sources, weights } = layer;
    const room = memory.floats(8 * Math.max(CHAINS, I)).at;
    kernels.weightGradient(x, dy, rows.at, sources.at, weights.gradient.at, room, I, O, B);
    const sparse = new Float64Array(K);
    naive.weightGradient(X, dY, mask.rows, mask.columns, sparse, I, O, B);
    expectClose(weights.gradient.view(), sparse);

    const everywhere = memory.floats(O * I);
    kernels.denseWeightGradient(x, dy, everywhere.at, I, O, B);
    const dense = new Float64Array(O * I);
    naive.denseWeightGradient(X, dY, dense, I, O, B);
    expectClose(everywhere.view(), dense);
    const picked = Float32Array.from(mask.columns, (i, k) => {
      const o = mask.rows.findLastIndex((start) => start <= k);
      return everywhere.view()[o * I + i]!;
    });
    expect(picked).toEqual(weights.gradient.view());
  });

  it('biasGradient, 0 for a neuron without connections', () => {
    const { random, memory, kernels, mask, layer } = setup();
    const dY = padded(random, O, n, B);
    kernels.biasGradient(put(memory, dY), layer.rows.at, layer.bias.gradient.at, O, B);
    const expected = new Float64Array(O);
    naive.biasGradient(dY, mask.rows, expected, O, B);
    expectClose(layer.bias.gradient.view(), expected);
  });

  it('softmaxCrossEntropy, with logits far apart and a gradient of 0 in the pad columns', () => {
    const { random, memory, kernels } = setup();
    const Z = normals(random, O * B).map((z) => z * 20);
    const labels = labelsBelow(random, O, B);
    const dZ = memory.floats(O * B);
    dZ.view().fill(NaN);
    const expected = new Float64Array(O * B);
    const [z, l] = [put(memory, Z), put(memory, labels)];
    const loss = kernels.softmaxCrossEntropy(z, l, dZ.at, O, n, B);
    expectClose([loss], [naive.softmaxCrossEntropy(Z, labels, expected, O, n, B)]);
    expectClose(dZ.view(), expected);
  });

  it('smoothLabels, which leaves the pad columns alone', () => {
    const { random, memory, kernels } = setup();
    const Z = normals(random, O * B).map((z) => z * 20);
    const labels = labelsBelow(random, O, B);
    const dZ = memory.floats(O * B);
    const [z, l] = [put(memory, Z), put(memory, labels)];
    kernels.softmaxCrossEntropy(z, l, dZ.at, O, n, B);
    const expected = Float64Array.from(dZ.view());
    const growth = kernels.smoothLabels(z, l, dZ.at, O, n, 0.1);
    expectClose([growth], [naive.smoothLabels(Z, labels, expected, O, n, 0.1)]);
    expectClose(dZ.view(), expected);
  });

  it('rowNorms, 0 for a neuron without connections', () => {
    const { random, memory, kernels, mask, layer, K } = setup();
    const dW = normals(random, K);
    layer.weights.gradient.view().set(dW);
    const norms = [memory.floats(O), memory.floats(O)];
    const expected = norms.map(() => new Float64Array(O));
    const [l1, l2] = norms.map(({ at }) => at);
    kernels.rowNorms(layer.weights.gradient.at, layer.rows.at, l1!, l2!, O);
    naive.rowNorms(dW, mask.rows, expected[0]!, expected[1]!, O);
    norms.forEach(({ view }, i) => {
      expectClose(view(), expected[i]!);
    });
  });

  it('countCorrect, the first of equal logits', () => {
    const { random, memory, kernels } = setup();
    const Z = normals(random, O * B).map((z) => Math.round(z));
    const labels = labelsBelow(random, O, B);
    const correct = kernels.countCorrect(put(memory, Z), put(memory, labels), O, n);
    expect(correct).toBe(naive.countCorrect(Z, labels, O, n));
  });
});

describe('optimisers', () => {
  const K = 13;
  const setup = (moments: number) => {
    const random = stream(3, 'optimisers');
    const memory = createMemory();
    const arrays = Array.from({ length: 2 + moments }, (_, a) => {
      const block = memory.floats(K);
      // The second moment of Adam is never negative.
      block.view().set(normals(random, K).map((x) => (a === 3 ? x * x : x)));
      return block;
    });
    // A parameter whose weight, gradient and moments are all but nothing: it must become 0.
    for (const { view } of arrays) view()[5] = 1e-38;
    return {
      memory,
      kernels: memory.kernels,
      arrays,
      twins: arrays.map(({ view }) => Float64Array.from(view())),
    };
  };

  it('adam', () => {
    const { kernels, arrays, twins } = setup(2);
    const [w, dw, m, v] = arrays.map(({ at }) => at);
    kernels.adam(w!, dw!, m!, v!, K, 0.01, 0.9, 0.999, 12.5, 1e-8, 0.1);
    const [W, dW, M, V] = twins;
    naive.adam(W!, dW!, M!, V!, K, 0.01, 0.9, 0.999, 12.5, 1e-8, 0.1);
    for (const [a, { view }] of arrays.entries()) expectClose(view(), twins[a]!);
    expect([w, m, v].map((at) => arrays.find((array) => array.at === at)?.view()[5])).toEqual([
      0, 0, 0,
    ]);
  });

  it('sgd', () => {
    const { kernels, arrays, twins } = setup(1);
    const [w, dw, u] = arrays.map(({ at }) => at);
    kernels.sgd(w!, dw!, u!, K, 0.01, 0.9, 0.1);
    const [W, dW, U] = twins;
    naive.sgd(W!, dW!, U!, K, 0.01, 0.9, 0.1);
    for (const [a, { view }] of arrays.entries()) expectClose(view(), twins[a]!);
  });

  it('nesterov', () => {
    const { kernels, arrays, twins } = setup(1);
    const [w, dw, u] = arrays.map(({ at }) => at);
    kernels.nesterov(w!, dw!, u!, K, 0.01, 0.9, 0.1);
    const [W, dW, U] = twins;
    naive.nesterov(W!, dW!, U!, K, 0.01, 0.9, 0.1);
    for (const [a, { view }] of arrays.entries()) expectClose(view(), twins[a]!);
  });

  it('scale, and sumSquares beyond the range of float32', () => {
    const { kernels, arrays, twins } = setup(0);
    const [x, y] = arrays;
    kernels.scale(x!.at, K, 0.3);
    naive.scale(twins[0]!, K, Math.fround(0.3));
    expectClose(x!.view(), twins[0]!);
    expect(x!.view()[5]).toBe(0);
    for (const size of [1, 1e30, 1e-30]) {
      y!.view().forEach((value, k) => {
        y!.view()[k] = value * size;
      });
      const expected = naive.sumSquares(y!.view(), K);
      expect(kernels.sumSquares(y!.at, K) / expected).toBeCloseTo(1, 12);
    }
  });

  it('reaching, of either sign, and a NaN before all others', () => {
    const { memory, kernels, arrays } = setup(0);
    const { at, view } = arrays[0]!;
    view().set([0, -0, 1, -2, NaN, -Infinity, 0.5]);
    const indices = memory.integers(K + 1);
    const bits = new Int32Array(view().buffer, at, K);
    for (const least of [0, 1, bits[2], bits[2]! + 1, 0x7f800000, 0x7f800001, 0x7fffffff]) {
      const count = kernels.reaching(at, K, least!, indices.at);
      const expected = naive.reaching(view(), K, least!);
      expect([...indices.view().subarray(0, count)]).toEqual(expected);
    }
  });

  it('add', () => {
    const { kernels, arrays, twins } = setup(0);
    kernels.add(arrays[0]!.at, arrays[1]!.at, K);
    naive.add(twins[0]!, twins[1]!, K);
    expectClose(arrays[0]!.view(), twins[0]!);
  });

  it('leave the padding at 0 and a NaN a NaN', () => {
    const { kernels, arrays } = setup(2);
    const [w, dw, m, v] = arrays;
    w!.view()[3] = NaN;
    kernels.adam(w!.at, dw!.at, m!.at, v!.at, K, 0.01, 0.9, 0.999, 12.5, 1e-8, 0.1);
    expect(w!.view()[3]).toBeNaN();
    for (const { view, at } of [w!, m!, v!]) {
      expect(new Float32Array(view().buffer, at, 16).subarray(K)).toEqual(new Float32Array(3));
    }
  });
});

describe('numerical failure shows in the loss', () => {
  it.each([NaN, Infinity, -Infinity])('when a logit is %d', (broken) => {
    const memory = createMemory();
    const Z = new Float32Array(3 * 32);
    Z[naive.tiled(3, 1, 1)] = broken;
    const labels = new Uint8Array(32).fill(1);
    const dZ = memory.floats(3 * 32).at;
    const loss = memory.kernels.softmaxCrossEntropy(
      put(memory, Z),
      put(memory, labels),
      dZ,
      3,
      2,
      32,
    );
    expect(Number.isFinite(loss)).toBe(false);
  });

  it('when an input is NaN, through ReLU', () => {
    const memory = createMemory();
    const mask = randomMask(stream(1, 'nan'), 4, 3, 1);
    const layer = createLayer(memory, mask, 32, 1);
    const X = put(memory, new Float32Array(4 * 32).fill(NaN));
    const { activations, rows, sources, weights, bias } = layer;
    const [w, b] = [weights.values.at, bias.values.at];
    memory.kernels.forward(X, activations.at, rows.at, sources.at, w, b, 4, 3, 32, 1);
    expect(activations.view()[0]).toBeNaN();
    activations.view().fill(0);
    memory.kernels.denseForward(X, activations.at, w, b, 4, 3, 32, 1);
    expect(activations.view()[0]).toBeNaN();
  });
});

describe('gradients of a whole network', () => {
  const widths = [11, 14, 9, 4];
  const n = 37;
  const B = paddedBatch(n);
  const random = stream(5, 'gradients');
  const mask: Mask = [0.5, 0.3, 1].map((density, l) =>
    randomMask(random, widths[l]!, widths[l + 1]!, density),
  );
  const X = padded(random, widths[0]!, n, B);
  const labels = labelsBelow(random, 4, B);
  const parameters = mask.map(({ columns, outputs }) => ({
    weights: Float64Array.from(normals(random, columns.length)),
    bias: Float64Array.from(normals(random, outputs)),
  }));

  it('the naive ones agree with central differences in float64 to 1e-6', () => {
    const { gradients } = naiveGradients();
    const h = 1e-5;
    parameters.forEach((layer, l) => {
      for (const part of ['weights', 'bias'] as const) {
        const numeric = layer[part].map((x, k) => {
          layer[part][k] = x + h;
          const above = naiveForward().loss / n;
          layer[part][k] = x - h;
          const below = naiveForward().loss / n;
          layer[part][k] = x;
          return (above - below) / (2 * h);
        });
        // The bias of a neuron without connections is frozen, so its gradient is 0 by definition.
        const { rows } = mask[l]!;
        const isFrozen = (o: number) => part === 'bias' && rows[o] === rows[o + 1];
        const expected = numeric.map((slope, at) => (isFrozen(at) ? 0 : slope));
        expectClose(gradients[l]![part], expected, 1e-6);
      }
    });
  });

  it('the kernels agree with the naive ones', () => {
    const network = load(createNetwork(createMemory(), mask, B, 1));
    forward(network, B);
    const { memory, output } = network;
    const loss = memory.kernels.softmaxCrossEntropy(
      output.activations.at,
      put(memory, labels),
      output.gradient.at,
      4,
      n,
      B,
    );
    backward(network, B);
    parameterGradients(network, B);
    const expected = naiveGradients();
    expectClose([loss], [expected.loss], 1e-5);
    network.layers.forEach(({ weights, bias }, l) => {
      expectClose(weights.gradient.view(), expected.gradients[l]!.weights, 1e-5);
      expectClose(bias.gradient.view(), expected.gradients[l]!.bias, 1e-5);
    });
  });

  function load(network: Network): Network {
    network.input.view().set(X);
    network.layers.forEach(({ weights, bias }, l) => {
      weights.values.view().set(parameters[l]!.weights);
      bias.values.view().set(parameters[l]!.bias);
    });
    return network;
  }

  function naiveForward() {
    const activations: Float64Array[] = [Float64Array.from(X)];
    mask.forEach(({ rows, columns, inputs, outputs }, l) => {
      const Y = new Float64Array(outputs * B);
      const { weights, bias } = parameters[l]!;
      const relu = l < mask.length - 1 ? 1 : 0;
      naive.forward(activations[l]!, Y, rows, columns, weights, bias, inputs, outputs, B, relu);
      activations.push(Y);
    });
    const logits = activations[mask.length]!;
    const gradient = new Float64Array(logits.length);
    const loss = naive.softmaxCrossEntropy(logits, labels, gradient, 4, n, B);
    return { activations, gradient, loss };
  }

  function naiveGradients() {
    const { activations, gradient, loss } = naiveForward();
    const memory = createMemory();
    let dY = gradient;
    const gradients = parameters.map(({ weights, bias }) => ({
      weights: new Float64Array(weights.length),
      bias: new Float64Array(bias.length),
    }));
    for (let l = mask.length - 1; l >= 0; l--) {
      const { rows, columns, inputs, outputs } = mask[l]!;
      const { starts, targets, order } = createLayer(memory, mask[l]!, B, 1);
      const dW = gradients[l]!.weights;
      naive.weightGradient(activations[l]!, dY, rows, columns, dW, inputs, outputs, B);
      naive.biasGradient(dY, rows, gradients[l]!.bias, outputs, B);
      const dX = new Float64Array(inputs * B);
      const { weights } = parameters[l]!;
      const csc = [starts.view(), targets.view(), order.view()] as const;
      const room = new Float64Array(weights.length);
      naive.inputGradient(dY, activations[l]!, dX, ...csc, weights, room, inputs, outputs, B);
      dY = dX;
    }
    return { gradients, loss };
  }
});
