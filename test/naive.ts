// naive.ts — what each kernel computes, as plain loops in float64: the kernels are tested against
// these
//
// Same names, arguments and layouts as the kernels, arrays in place of pointers. Results are
// written in float64.

type Numbers = ArrayLike<number>;
type Writable = Float64Array;

/** X[i][b] = S[b][i]·scale + shift, and 0 in the pad columns. */
export function normalise(
  S: Numbers,
  X: Writable,
  I: number,
  n: number,
  B: number,
  scale: number,
  shift: number,
): void {
  for (let i = 0; i < I; i++) {
    for (let b = 0; b < B; b++) X[i * B + b] = b < n ? S[b * I + i] * scale + shift : 0;
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
  O: number,
  B: number,
  relu: number,
): void {
  for (let o = 0; o < O; o++) {
    for (let b = 0; b < B; b++) {
      let sum = bias[o];
      for (let k = rows[o]; k < rows[o + 1]; k++) sum += values[k] * X[columns[k] * B + b];
      Y[o * B + b] = relu === 0 || sum > 0 ? sum : 0;
    }
  }
}

/** Samples whose greatest logit, the first of equals, is the label's. */
export function countCorrect(Z: Numbers, labels: Numbers, C: number, n: number, B: number): number {
  let correct = 0;
  for (let b = 0; b < n; b++) {
    let best = 0;
    for (let c = 1; c < C; c++) if (Z[c * B + b] > Z[best * B + b]) best = c;
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
    for (let c = 0; c < C; c++) top = Math.max(top, Z[c * B + b]);
    let sum = 0;
    for (let c = 0; c < C; c++) sum += Math.exp(Z[c * B + b] - top);
    for (let c = 0; c < C; c++) {
      const p = Math.exp(Z[c * B + b] - top) / sum;
      dZ[c * B + b] = b < n ? (p - (labels[b] === c ? 1 : 0)) / n : 0;
    }
    if (b < n) loss += Math.log(sum) + top - Z[labels[b] * B + b];
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
  B: number,
  smoothing: number,
): number {
  let growth = 0;
  for (let b = 0; b < n; b++) {
    for (let c = 0; c < C; c++) {
      const shift = (labels[b] === c ? 1 : 0) - 1 / C;
      dZ[c * B + b] += (smoothing * shift) / n;
      growth += smoothing * shift * Z[c * B + b];
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
  neurons: Numbers,
  order: Numbers,
  values: Numbers,
  room: Writable,
  I: number,
  B: number,
): void {
  for (let j = 0; j < starts[I]; j++) room[j] = values[order[j]];
  for (let i = 0; i < I; i++) {
    for (let b = 0; b < B; b++) {
      let sum = 0;
      for (let j = starts[i]; j < starts[i + 1]; j++) {
        sum += room[j] * dY[neurons[j] * B + b];
      }
      dX[i * B + b] = X[i * B + b] > 0 ? sum : 0;
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
  O: number,
  B: number,
): void {
  for (let o = 0; o < O; o++) {
    for (let k = rows[o]; k < rows[o + 1]; k++) dW[k] = dot(dY, o, X, columns[k], B);
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
  for (let o = 0; o < O; o++) for (let i = 0; i < I; i++) dW[o * I + i] = dot(dY, o, X, i, B);
}

function dot(a: Numbers, row: number, b: Numbers, other: number, B: number): number {
  let sum = 0;
  for (let s = 0; s < B; s++) sum += a[row * B + s] * b[other * B + s];
  return sum;
}

/** db[o] = the sum of dY[o], or 0 without connections. */
export function biasGradient(dY: Numbers, rows: Numbers, db: Writable, O: number, B: number): void {
  for (let o = 0; o < O; o++) {
    db[o] = 0;
    for (let b = 0; b < B; b++) if (rows[o + 1] > rows[o]) db[o] += dY[o * B + b];
  }
}

/** l1[o] = Σ |dW[k]| and l2[o] = sqrt(Σ dW[k]²) over row o. */
export function rowNorms(dW: Numbers, rows: Numbers, l1: Writable, l2: Writable, O: number): void {
  for (let o = 0; o < O; o++) {
    l1[o] = 0;
    let squares = 0;
    for (let k = rows[o]; k < rows[o + 1]; k++) {
      l1[o] += Math.abs(dW[k]);
      squares += dW[k] * dW[k];
    }
    l2[o] = Math.sqrt(squares);
  }
}

/** Σ x². */
export function sumSquares(x: Numbers, K: number): number {
  let sum = 0;
  for (let k = 0; k < K; k++) sum += x[k] * x[k];
  return sum;
}

/** x = factor·x. */
export function scale(x: Writable, K: number, factor: number): void {
  for (let k = 0; k < K; k++) x[k] = flush(factor * x[k]);
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
    const g = dw[k] + decay * w[k];
    m[k] = flush(beta1 * m[k] + (1 - beta1) * g);
    v[k] = flush(beta2 * v[k] + (1 - beta2) * g * g);
    w[k] = flush(w[k] - (rate * m[k]) / (Math.sqrt(v[k] * unbias) + epsilon));
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
    u[k] = flush(momentum * u[k] + dw[k] + decay * w[k]);
    w[k] = flush(w[k] - rate * u[k]);
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
    const g = dw[k] + decay * w[k];
    u[k] = flush(momentum * u[k] + g);
    w[k] = flush(w[k] - rate * (g + momentum * u[k]));
  }
}

const flush = (x: number): number => (Math.abs(x) < 1e-35 ? 0 : x);
