// words.ts — numbers as reasons and rules print them

/**
 * A number to so many decimals. Sums that ought to be equal differ in their last bits, by the order of summation, and a
 * mean of three may stand at a half: without those bits it is printed alike everywhere.
 */
export const rounded = (value: number, places: number): string =>
  Number(value.toPrecision(12)).toFixed(places);

/** With so many decimals, and a true minus. */
export const decimals = (value: number, places = 2): string =>
  // Rounded first, so that nothing prints as -0.00.
  fixedOf(Number(rounded(value, places)), places).replace('-', '\u2212');

const fixedOf = (value: number, places: number): string =>
  (value === 0 ? 0 : value).toFixed(places);

/** With a sign: a difference. */
export const signed = (value: number, places = 2): string => {
  const text = decimals(value, places);
  return text.startsWith('\u2212') || Number(rounded(value, places)) === 0 ? text : `+${text}`;
};

/** `1 seed`, `3 seeds`. */
export const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** A p value: never 0. */
export const pWords = (p: number): string => (p < 0.001 ? 'p < 0.001' : `p = ${decimals(p, 3)}`);
