// gated.ts — what ReLU lets through backwards

/**
 * Writes 16 samples d of a tile to dx, and 16 samples e to du, or 0 where x and u are not above 0. All is
 * read before anything is written: V8 joins neighbouring stores only if nothing is read between them.
 */
// @ts-ignore: decorator
@inline
export function storeGated(
  zero: v128, x: usize, dx: usize, d0: v128, d1: v128, d2: v128, d3: v128,
  u: usize, du: usize, e0: v128, e1: v128, e2: v128, e3: v128,
): void {
  const g0 = v128.and(d0, f32x4.gt(v128.load(x), zero));
  const g1 = v128.and(d1, f32x4.gt(v128.load(x, 16), zero));
  const g2 = v128.and(d2, f32x4.gt(v128.load(x, 32), zero));
  const g3 = v128.and(d3, f32x4.gt(v128.load(x, 48), zero));
  const h0 = v128.and(e0, f32x4.gt(v128.load(u), zero));
  const h1 = v128.and(e1, f32x4.gt(v128.load(u, 16), zero));
  const h2 = v128.and(e2, f32x4.gt(v128.load(u, 32), zero));
  const h3 = v128.and(e3, f32x4.gt(v128.load(u, 48), zero));
  v128.store(dx, g0);
  v128.store(dx, g1, 16);
  v128.store(dx, g2, 32);
  v128.store(dx, g3, 48);
  v128.store(du, h0);
  v128.store(du, h1, 16);
  v128.store(du, h2, 32);
  v128.store(du, h3, 48);
}
