// row-norms.ts — how large the gradient of each neuron's incoming weights is
import { sumLanes } from './sum';

/**
 * For each neuron o, the L1 and the L2 norm of its row of dW: l1[o] = Σ |dW[k]|,
 * l2[o] = sqrt(Σ dW[k]²); both are 0 for a neuron without connections.
 * rows [O + 1], dW [K] in the order of the CSR; l1 and l2: [O].
 * Sums run four lanes along the row, then across them; what is left of a row follows one by one.
 */
export function rowNorms(dW: usize, rows: usize, l1: usize, l2: usize, O: i32): void {
  let k = <usize>load<i32>(rows) << 2;
  for (let o: usize = 0; o < <usize>O; o++) {
    const end = <usize>load<i32>(rows + ((o + 1) << 2)) << 2;
    let absolutes = f32x4.splat(0), squares = absolutes;
    for (; k + 16 <= end; k += 16) {
      const g = v128.load(dW + k);
      absolutes = f32x4.add(absolutes, f32x4.abs(g));
      squares = f32x4.add(squares, f32x4.mul(g, g));
    }
    let absolute = sumLanes(absolutes);
    let square = sumLanes(squares);
    for (; k < end; k += 4) {
      const g = load<f32>(dW + k);
      absolute += abs(g);
      square += g * g;
    }
    store<f32>(l1 + (o << 2), absolute);
    store<f32>(l2 + (o << 2), sqrt(square));
  }
}
