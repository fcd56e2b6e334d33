// smooth-labels.ts — cross-entropy against labels that are not quite certain

/**
 * Turns what `softmaxCrossEntropy` left into the loss of smoothed labels, which give the share
 * 1 - smoothing to the right class and `smoothing` to all C classes alike: adds
 * smoothing·([c = labels[b]] - 1/C) / n to the gradient dZ of the n samples, and returns what the
 * summed loss grows by: smoothing·Σ (z[label] - mean z), in nats.
 * Z and dZ: [C][B], labels [B] in [0, C). B is a multiple of 4.
 * Source: Szegedy et al. 2016 (arXiv 1512.00567), section 7.
 */
export function smoothLabels(
  Z: usize, labels: usize, dZ: usize, C: i32, n: i32, B: i32, smoothing: f32,
): f64 {
  const stride = <usize>B << 2;
  const size = <usize>C * stride;
  const certain = smoothing / <f32>n;
  const share = certain / <f32>C;
  let above: f64 = 0;
  for (let b: usize = 0; b < <usize>n; b++) {
    const z = Z + (b << 2);
    const dz = dZ + (b << 2);
    let sum: f64 = 0;
    for (let c: usize = 0; c < size; c += stride) {
      sum += <f64>load<f32>(z + c);
      store<f32>(dz + c, load<f32>(dz + c) - share);
    }
    const at = <usize>load<u8>(labels + b) * stride;
    store<f32>(dz + at, load<f32>(dz + at) + certain);
    above += <f64>load<f32>(z + at) - sum / <f64>C;
  }
  return <f64>smoothing * above;
}
