// add.ts — gradients summed over batches

/** sum = sum + x for K numbers; both arrays are padded with zeros to a multiple of four. */
export function add(sum: usize, x: usize, K: i32): void {
  const size = <usize>K << 2;
  for (let k: usize = 0; k < size; k += 16) {
    v128.store(sum + k, f32x4.add(v128.load(sum + k), v128.load(x + k)));
  }
}
