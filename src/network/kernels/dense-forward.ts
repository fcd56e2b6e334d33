// dense-forward.ts — what a layer computes in which every connection exists

/**
 * Y = W·X + b, then ReLU if `relu` is not 0.
 * X: [T][I][16], Y: [T][O][16], W: [O][I], bias: [O].
 * The order of each sum is that of `forward`, so the bits are the same.
 *
 * Two neurons at a time share the loads of X. Their eight sums and the six loads of a turn fit the
 * registers of x64.
 */
export function denseForward(
  X: usize, Y: usize, W: usize, bias: usize, I: i32, O: i32, B: i32, relu: i32,
): void {
  const T = B >> 4;
  const floor = relu ? f32x4.splat(0) : f32x4.splat(-Infinity);
  const width = <usize>I << 2;
  let x = X, y = Y;
  for (let t = 0; t < T; t++) {
    let w = W;
    for (let o = 0; o < O; o += 2) {
      // The last of an odd number of neurons is computed beside itself.
      const paired: usize = o + 1 < O ? 1 : 0;
      const other = paired * width;
      let y0 = v128.load32_splat(bias + (<usize>o << 2)), y1 = y0, y2 = y0, y3 = y0;
      let z0 = v128.load32_splat(bias + ((<usize>o + paired) << 2)), z1 = z0, z2 = z0, z3 = z0;
      let at = x;
      for (const end = w + width; w < end; w += 4, at += 64) {
        const v = v128.load32_splat(w), u = v128.load32_splat(w + other);
        const x0 = v128.load(at), x1 = v128.load(at, 16);
        const x2 = v128.load(at, 32), x3 = v128.load(at, 48);
        y0 = f32x4.add(y0, f32x4.mul(v, x0));
        y1 = f32x4.add(y1, f32x4.mul(v, x1));
        y2 = f32x4.add(y2, f32x4.mul(v, x2));
        y3 = f32x4.add(y3, f32x4.mul(v, x3));
        z0 = f32x4.add(z0, f32x4.mul(u, x0));
        z1 = f32x4.add(z1, f32x4.mul(u, x1));
        z2 = f32x4.add(z2, f32x4.mul(u, x2));
        z3 = f32x4.add(z3, f32x4.mul(u, x3));
      }
      v128.store(y, f32x4.pmax(y0, floor));
      v128.store(y, f32x4.pmax(y1, floor), 16);
      v128.store(y, f32x4.pmax(y2, floor), 32);
      v128.store(y, f32x4.pmax(y3, floor), 48);
      y += paired << 6;
      v128.store(y, f32x4.pmax(z0, floor));
      v128.store(y, f32x4.pmax(z1, floor), 16);
      v128.store(y, f32x4.pmax(z2, floor), 32);
      v128.store(y, f32x4.pmax(z3, floor), 48);
      y += 64;
      w += other;
    }
    x += <usize>I << 6;
  }
}
