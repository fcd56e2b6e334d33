// count-correct.ts — how many samples are classified rightly

/**
 * The number of samples b < n whose greatest logit, the first of equals, is that of labels[b].
 * Z: [T][C][16] logits, labels [B] in [0, C).
 */
export function countCorrect(Z: usize, labels: usize, C: i32, n: i32): i32 {
  let correct = 0;
  for (let b = 0; b < n; b++) {
    let z = Z + (<usize>((b >> 4) * C) << 6) + (<usize>(b & 15) << 2);
    let best = 0;
    let top = load<f32>(z);
    for (let c = 1; c < C; c++) {
      z += 64;
      const logit = load<f32>(z);
      if (logit > top) {
        top = logit;
        best = c;
      }
    }
    if (best == load<u8>(labels + <usize>b)) correct++;
  }
  return correct;
}
