// smooth-labels.ts — cross-entropy against labels that are not quite certain

/**
 * Turns what `softmaxCrossEntropy` left into the loss of smoothed labels, which give the share
 * 1 - smoothing to the right class and `smoothing` to all C classes alike: adds
 * smoothing·([c = labels[b]] - 1/C) / n to the gradient dZ of the n samples, and returns what the
 * summed loss grows by: smoothing·Σ (z[label] - mean z), in nats.
 * Z and dZ: [T][C][16], labels [n] in [0, C).
 * Source: Szegedy et al. 2016 (arXiv 1512.00567), section 7.
 */
export function smoothLabels(
  Z: usize, labels: usize, dZ: usize, C: i32, n: i32, smoothing: f32,
): f64 {
  const size = <usize>C << 6;
  const certain = smoothing / <f32>n;
  const share = certain / <f32>C;
  let above: f64 = 0;
  for (let b = 0; b < n; b++) {
    const from = <usize>(b >> 4) * size + (<usize>(b & 15) << 2);
    const z = Z + from, dz = dZ + from;
    let sum: f64 = 0;
    for (let c: usize = 0; c < size; c += 64) {
      sum += <f64>load<f32>(z + c);
      store<f32>(dz + c, load<f32>(dz + c) - share);
    }
    const at = <usize>load<u8>(labels + <usize>b) << 6;
    store<f32>(dz + at, load<f32>(dz + at) + certain);
    above += <f64>load<f32>(z + at) - sum / <f64>C;
  }
  return <f64>smoothing * above;
}
