// sum.ts — sums across lanes, always in the same order

/** The eight numbers at `at` as four: n plus n + 4. */
// @ts-ignore: decorator
@inline
export function folded(at: usize): v128 {
  return f32x4.add(v128.load(at), v128.load(at, 16));
}

/** (a0 + a1) + (a2 + a3) for each of four vectors: lane n of the result is the n-th one's sum. */
// @ts-ignore: decorator
@inline
export function sumLanes4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab0 = v128.shuffle<f32>(a, b, 0, 2, 4, 6); // a0 a2 b0 b2
  const ab1 = v128.shuffle<f32>(a, b, 1, 3, 5, 7); // a1 a3 b1 b3
  const cd0 = v128.shuffle<f32>(c, d, 0, 2, 4, 6);
  const cd1 = v128.shuffle<f32>(c, d, 1, 3, 5, 7);
  const ab = f32x4.add(ab0, ab1); // a0+a1 a2+a3 b0+b1 b2+b3
  const cd = f32x4.add(cd0, cd1);
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 2, 4, 6), v128.shuffle<f32>(ab, cd, 1, 3, 5, 7));
}

/** (a0 + a1) + (a2 + a3), the same order as in `sumLanes4`. */
// @ts-ignore: decorator
@inline
export function sumLanes(a: v128): f32 {
  const low = f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1);
  return low + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3));
}
