// naive.ts — what each kernel computes, as plain loops in float64: the kernels are tested against
// these
//
// Same names, arguments and layouts as the kernels, arrays in place of pointers. Results are
// written in float64.

type Numbers = ArrayLike<number>;
type Writable = Float64Array;

/** Where sample b of a feature lies in an array over so many features: [T][features][16]. */
export const tiled = (features: number, feature: number, b: number): number =>
  ((b >> 4) * features + feature) * 16 + (b & 15);

/** Bytes of a feature's 16 samples: kernels are told where these lie. */
const LINE = 64;

/** X[i][b] = S[chosen[b]][i]·scale + shift, and 0 in the pad columns. */
export function assemble(
  S: Numbers,
  chosen: Numbers,
  X: Writable,
  I: number,
  n: number,
  B: number,
  scale: number,
  shift: number,
): void {
  for (let i = 0; i < I; i++) {
    for (let b = 0; b < B; b++) {
      X[tiled(I, i, b)] = b < n ? S[chosen[b]! * I + i]! * scale + shift : 0;
    }
  }
}

/** Y = W·X + b, then ReLU if `relu`. */
export function forward(
  X: Numbers,
  Y: Writable,
  rows: Numbers,
  columns: Numbers,
  values: Numbers,
  bias: Numbers,
  I: number,
  O: number,
  B: number,
  relu: number,
): void {
  for (let o = 0; o < O; o++) {
    for (let b = 0; b < B; b++) {
      let sum = bias[o]!;
      for (let k = rows[o]!; k < rows[o + 1]!; k++) {
        sum += values[k]! * X[tiled(I, columns[k]!, b)]!;
      }
      Y[tiled(O, o, b)] = relu === 0 || sum > 0 ? sum : 0;
    }
  }
}

/** Y = W·X + b, then ReLU if `relu`, for W [O][I]. */
export function denseForward(
  X: Numbers,
  Y: Writable,
  W: Numbers,
  bias: Numbers,
  I: number,
  O: number,
  B: number,
  relu: number,
): void {
  for (let o = 0; o < O; o++) {
    for (let b = 0; b < B; b++) {
      let sum = bias[o]!;
      for (let i = 0; i < I; i++) sum += W[o * I + i]! * X[tiled(I, i, b)]!;
      Y[tiled(O, o, b)] = relu === 0 || sum > 0 ? sum : 0;
    }
  }
}

/** Samples whose greatest logit, the first of equals, is the label's. */
export function countCorrect(Z: Numbers, labels: Numbers, C: number, n: number): number {
  let correct = 0;
  for (let b = 0; b < n; b++) {
    let best = 0;
    for (let c = 1; c < C; c++) if (Z[tiled(C, c, b)]! > Z[tiled(C, best, b)]!) best = c;
    if (best === labels[b]) correct++;
  }
  return correct;
}

/** The summed loss; dZ is the gradient of the mean. */
export function softmaxCrossEntropy(
  Z: Numbers,
  labels: Numbers,
  dZ: Writable,
  C: number,
  n: number,
  B: number,
): number {
  let loss = 0;
  for (let b = 0; b < B; b++) {
    let top = -Infinity;
    for (let c = 0; c < C; c++) top = Math.max(top, Z[tiled(C, c, b)]!);
    let sum = 0;
    for (let c = 0; c < C; c++) sum += Math.exp(Z[tiled(C, c, b)]! - top);
    for (let c = 0; c < C; c++) {
      const p = Math.exp(Z[tiled(C, c, b)]! - top) / sum;
      dZ[tiled(C, c, b)] = b < n ? (p - (labels[b] === c ? 1 : 0)) / n : 0;
    }
    if (b < n) loss += Math.log(sum) + top - Z[tiled(C, labels[b]!, b)]!;
  }
  return loss;
}

/** What the summed loss grows by; the gradient of the mean grows in dZ. */
export function smoothLabels(
  Z: Numbers,
  labels: Numbers,
  dZ: Writable,
  C: number,
  n: number,
  smoothing: number,
): number {
  let growth = 0;
  for (let b = 0; b < n; b++) {
    for (let c = 0; c < C; c++) {
      const shift = (labels[b] === c ? 1 : 0) - 1 / C;
      dZ[tiled(C, c, b)]! += (smoothing * shift) / n;
      growth += smoothing * shift * Z[tiled(C, c, b)]!;
    }
  }
  return growth;
}

/** dX = Wᵀ·dY where X > 0, else 0. */
export function inputGradient(
  dY: Numbers,
  X: Numbers,
  dX: Writable,
  starts: Numbers,
  targets: Numbers,
  order: Numbers,
  values: Numbers,
  room: Writable,
  I: number,
  O: number,
  B: number,
): void {
  for (let j = 0; j < starts[I]!; j++) room[j] = values[order[j]!]!;
  for (let i = 0; i < I; i++) {
    for (let b = 0; b < B; b++) {
      let sum = 0;
      for (let j = starts[i]!; j < starts[i + 1]!; j++) {
        sum += room[j]! * dY[tiled(O, targets[j]! / LINE, b)]!;
      }
      dX[tiled(I, i, b)] = X[tiled(I, i, b)]! > 0 ? sum : 0;
    }
  }
}

/** dX = Wᵀ·dY where X > 0, else 0, for W [O][I]. */
export function denseInputGradient(
  dY: Numbers,
  X: Numbers,
  dX: Writable,
  W: Numbers,
  I: number,
  O: number,
  B: number,
): void {
  for (let i = 0; i < I; i++) {
    for (let b = 0; b < B; b++) {
      let sum = 0;
      for (let o = 0; o < O; o++) sum += W[o * I + i]! * dY[tiled(O, o, b)]!;
      dX[tiled(I, i, b)] = X[tiled(I, i, b)]! > 0 ? sum : 0;
    }
  }
}

/** dW[k] = dY[o]·X[columns[k]]. */
export function weightGradient(
  X: Numbers,
  dY: Numbers,
  rows: Numbers,
  columns: Numbers,
  dW: Writable,
  I: number,
  O: number,
  B: number,
): void {
  for (let o = 0; o < O; o++) {
    for (let k = rows[o]!; k < rows[o + 1]!; k++) dW[k] = dot(X, dY, columns[k]!, o, I, O, B);
  }
}

/** dW[o][i] = dY[o]·X[i] at all positions. */
export function denseWeightGradient(
  X: Numbers,
  dY: Numbers,
  dW: Writable,
  I: number,
  O: number,
  B: number,
): void {
  for (let o = 0; o < O; o++) {
    for (let i = 0; i < I; i++) dW[o * I + i] = dot(X, dY, i, o, I, O, B);
  }
}

/** X[i]·dY[o] */
function dot(
  X: Numbers,
  dY: Numbers,
  i: number,
  o: number,
  I: number,
  O: number,
  B: number,
): number {
  let sum = 0;
  for (let b = 0; b < B; b++) sum += X[tiled(I, i, b)]! * dY[tiled(O, o, b)]!;
  return sum;
}

/** sum = sum + x. */
export function add(sum: Writable, x: Numbers, K: number): void {
  for (let k = 0; k < K; k++) sum[k]! += x[k]!;
}

/** The indices of those of K numbers whose bits but the sign are at least `least`. */
export function reaching(x: Float32Array, K: number, least: number): number[] {
  const bits = new Int32Array(x.buffer, x.byteOffset, K);
  return Array.from(bits.keys()).filter((k) => (bits[k]! & 0x7fffffff) >= least);
}

/** db[o] = the sum of dY[o], or 0 without connections. */
export function biasGradient(dY: Numbers, rows: Numbers, db: Writable, O: number, B: number): void {
  for (let o = 0; o < O; o++) {
    db[o] = 0;
    for (let b = 0; b < B; b++) if (rows[o + 1]! > rows[o]!) db[o]! += dY[tiled(O, o, b)]!;
  }
}

/** l1[o] = Σ |dW[k]| and l2[o] = sqrt(Σ dW[k]²) over row o. */
export function rowNorms(dW: Numbers, rows: Numbers, l1: Writable, l2: Writable, O: number): void {
  for (let o = 0; o < O; o++) {
    l1[o] = 0;
    let squares = 0;
    for (let k = rows[o]!; k < rows[o + 1]!; k++) {
      l1[o]! += Math.abs(dW[k]!);
      squares += dW[k]! * dW[k]!;
    }
    l2[o] = Math.sqrt(squares);
  }
}

/** Σ x². */
export function sumSquares(x: Numbers, K: number): number {
  let sum = 0;
  for (let k = 0; k < K; k++) sum += x[k]! * x[k]!;
  return sum;
}

/** x = factor·x. */
export function scale(x: Writable, K: number, factor: number): void {
  for (let k = 0; k < K; k++) x[k] = flush(factor * x[k]!);
}

/** One step of Adam. */
export function adam(
  w: Float64Array,
  dw: Numbers,
  m: Float64Array,
  v: Float64Array,
  K: number,
  rate: number,
  beta1: number,
  beta2: number,
  unbias: number,
  epsilon: number,
  decay: number,
): void {
  for (let k = 0; k < K; k++) {
    const g = dw[k]! + decay * w[k]!;
    m[k] = flush(beta1 * m[k]! + (1 - beta1) * g);
    v[k] = flush(beta2 * v[k]! + (1 - beta2) * g * g);
    w[k] = flush(w[k]! - (rate * m[k]!) / (Math.sqrt(v[k]! * unbias) + epsilon));
  }
}

/** One step of SGD with momentum. */
export function sgd(
  w: Float64Array,
  dw: Numbers,
  u: Float64Array,
  K: number,
  rate: number,
  momentum: number,
  decay: number,
): void {
  for (let k = 0; k < K; k++) {
    u[k] = flush(momentum * u[k]! + dw[k]! + decay * w[k]!);
    w[k] = flush(w[k]! - rate * u[k]!);
  }
}

/** One step of SGD with Nesterov's momentum. */
export function nesterov(
  w: Float64Array,
  dw: Numbers,
  u: Float64Array,
  K: number,
  rate: number,
  momentum: number,
  decay: number,
): void {
  for (let k = 0; k < K; k++) {
    const g = dw[k]! + decay * w[k]!;
    u[k] = flush(momentum * u[k]! + g);
    w[k] = flush(w[k]! - rate * (g + momentum * u[k]!));
  }
}

const flush = (x: number): number => (Math.abs(x) < 1e-35 ? 0 : x);
