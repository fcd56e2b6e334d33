// count-correct.ts — how many samples are classified rightly

/**
 * The number of samples b < n whose greatest logit, the first of equals, is that of labels[b].
 * Z: [C][B] logits, labels [B] in [0, C).
 */
export function countCorrect(Z: usize, labels: usize, C: i32, n: i32, B: i32): i32 {
  const stride = <usize>B << 2;
  let correct = 0;
  for (let b: usize = 0; b < <usize>n; b++) {
    let z = Z + (b << 2);
    let best = 0;
    let top = load<f32>(z);
    for (let c = 1; c < C; c++) {
      z += stride;
      const logit = load<f32>(z);
      if (logit > top) {
        top = logit;
        best = c;
      }
    }
    if (best == load<u8>(labels + b)) correct++;
  }
  return correct;
}
