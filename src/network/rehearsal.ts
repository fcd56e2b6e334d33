// rehearsal.ts — every kernel once, over numbers that are all different
import type { LayerMask } from '../sparse/mask.ts';
import { CHAINS, createLayer } from './layer.ts';
import type { Memory } from './memory.ts';

/** Sizes that no block of a kernel divides, and more than two tiles. */
const [I, O, B, SAMPLES] = [37, 19, 64, 61];

/** Scores that `reaching` compares with: the bits of 0.5. */
const HALF = 0x3f000000;

/**
 * What the kernels leave in a fresh memory, with what they return at the end. Two rehearsals that are
 * equal say that the kernels compute the same: each result is of its own inputs, and stays.
 */
export function rehearse(memory: Memory): Buffer {
  const { kernels } = memory;
  const random = fractions();
  const floats = (length: number): number => {
    const { at, view } = memory.floats(length);
    fill(view(), random);
    return at;
  };
  const layer = createLayer(memory, someMask(), B, 2);
  const { connections: K, rows, sources, starts, targets, order } = layer;
  const { weights, bias, transposed } = layer;
  fill(weights.values.view(), random);
  const samples = memory.bytes(I * SAMPLES + 16);
  for (let s = 0; s < samples.length; s++) samples.view()[s] = 256 * Math.abs(random());
  const chosen = memory.integers(SAMPLES);
  for (let s = 0; s < SAMPLES; s++) chosen.view()[s] = (7 * s) % SAMPLES;
  const labels = memory.bytes(B);
  for (let s = 0; s < B; s++) labels.view()[s] = s % O;
  const returned = memory.floats(8);

  const X = memory.floats(I * B).at;
  const byteRoom = memory.bytes(16 * (I + 16)).at;
  kernels.assemble(samples.at, chosen.at, X, byteRoom, I, SAMPLES, B, 1 / 77, -0.4);
  const [R, C, W, b] = [rows.at, sources.at, weights.values.at, bias.values.at];
  const D = floats(I * O);
  const outputs = () => memory.floats(O * B).at;
  const [Y, logits, dense, dY] = [outputs(), outputs(), outputs(), outputs()];
  kernels.forward(X, Y, R, C, W, b, I, O, B, 1);
  kernels.forward(X, logits, R, C, W, b, I, O, B, 0);
  kernels.denseForward(X, dense, D, b, I, O, B, 1);
  const loss = kernels.softmaxCrossEntropy(logits, labels.at, dY, O, SAMPLES, B);
  const growth = kernels.smoothLabels(logits, labels.at, dY, O, SAMPLES, 0.1);
  const correct = kernels.countCorrect(logits, labels.at, O, SAMPLES);

  const inputs = () => memory.floats(I * B).at;
  const [S, N, P] = [starts.at, targets.at, order.at];
  kernels.inputGradient(dY, X, inputs(), S, N, P, W, transposed.at, I, O, B);
  kernels.denseInputGradient(dY, X, inputs(), D, memory.floats(16 * O).at, I, O, B);
  const chains = memory.floats(8 * Math.max(CHAINS, I)).at;
  kernels.weightGradient(X, dY, R, C, weights.gradient.at, chains, I, O, B);
  const everywhere = memory.floats(I * O).at;
  kernels.denseWeightGradient(X, dY, everywhere, I, O, B);
  kernels.biasGradient(dY, R, bias.gradient.at, O, B);
  kernels.rowNorms(weights.gradient.at, R, memory.floats(O).at, memory.floats(O).at, O);
  const squares = kernels.sumSquares(D, I * O);
  const reached = kernels.reaching(D, I * O, HALF, memory.integers(I * O + 1).at);

  const [m, v] = weights.moments;
  fill(m!.view(), random);
  fill(v!.view(), () => Math.abs(random()));
  const dW = weights.gradient.at;
  kernels.adam(W, dW, m!.at, v!.at, K, 0.01, 0.9, 0.999, 1.7, 0.1, 0.1);
  kernels.sgd(floats(K), dW, floats(K), K, 0.01, 0.9, 0.1);
  kernels.nesterov(floats(K), dW, floats(K), K, 0.01, 0.9, 0.1);
  kernels.scale(floats(K), K, 0.3);
  kernels.add(floats(K), dW, K);
  returned.view().set([loss, growth, correct, squares, reached]);
  return Buffer.from(returned.view().buffer.slice(0));
}

function fill(numbers: Float32Array, random: () => number): void {
  for (let i = 0; i < numbers.length; i++) numbers[i] = random();
}

/** Numbers in [-1, 1), by a linear congruential generator (Numerical Recipes, chapter 7.1). */
function fractions(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 0x80000000;
  };
}

/** Rows of none, one, two ... connections, up to all. */
function someMask(): LayerMask {
  const columns: number[] = [];
  const rows = new Int32Array(O + 1);
  for (let o = 0; o < O; o++) {
    const fanIn = Math.min(I, 2 * o + (o % 3) - 1);
    for (let i = 0; i < fanIn; i++) columns.push(Math.floor((i * I) / fanIn));
    rows[o + 1] = columns.length;
  }
  return { inputs: I, outputs: O, rows, columns: Int32Array.from(columns) };
}
