// holm.ts — p values of a family of tests, adjusted for their number

/**
 * Holm's step-down adjustment (1979): an adjusted p below alpha rejects at a family-wise error of at
 * most alpha. In the order given; tests that do not exist are null and do not count.
 * @throws RangeError on what is no p value.
 */
export function holm(ps: readonly (number | null)[]): readonly (number | null)[] {
  for (const p of ps) {
    if (p !== null && !(p >= 0 && p <= 1)) throw new RangeError(`a p value is in [0, 1], not ${p}`);
  }
  const order = ps
    .flatMap((p, i) => (p === null ? [] : [{ p, i }]))
    .sort((a, b) => a.p - b.p || a.i - b.i);
  const adjusted: (number | null)[] = ps.map(() => null);
  let greatest = 0;
  order.forEach(({ p, i }, rank) => {
    greatest = Math.max(greatest, Math.min(1, (order.length - rank) * p));
    adjusted[i] = greatest;
  });
  return adjusted;
}
