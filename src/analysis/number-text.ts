// number-text.ts — numbers of one column as texts that are easy to compare
import type { Cell } from './frame.ts';

/** Significant digits of the largest number of a column. */
const DIGITS = 5;
/** Columns have no more digits than this after the point. */
const DECIMALS_MAX = 8;

/** How the numbers of a column are written: digits after the point, or so many significant digits with an exponent. */
export interface NumberStyle {
  readonly decimals: number;
  readonly isScientific: boolean;
}

const magnitude = (value: number): number => Math.floor(Math.log10(Math.abs(value)));

/** A style in which these numbers stand below each other. */
export function styleOf(cells: readonly Cell[]): NumberStyle {
  const numbers = cells.filter(
    (cell): cell is number => typeof cell === 'number' && Number.isFinite(cell),
  );
  const most = numbers.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  if (most === 0 || (numbers.every(Number.isInteger) && most < 1e15)) {
    return { decimals: 0, isScientific: false };
  }
  const size = magnitude(most);
  if (size < -4 || size > 9) return { decimals: DIGITS - 1, isScientific: true };
  const decimals = Math.min(DECIMALS_MAX, Math.max(0, DIGITS - 1 - size));
  return { decimals: neededDecimals(numbers, decimals), isScientific: false };
}

/** A style for means with these SDs: two significant digits of a usual SD. */
export function styleOfMeans(means: readonly Cell[], sds: readonly Cell[]): NumberStyle {
  const spreads = sds
    .filter((sd): sd is number => typeof sd === 'number' && Number.isFinite(sd) && sd > 0)
    .sort((a, b) => a - b);
  const plain = styleOf(means);
  if (spreads.length === 0 || plain.isScientific) return plain;
  const usual = spreads[Math.floor((spreads.length - 1) / 2)];
  const decimals = Math.min(DECIMALS_MAX, Math.max(0, 1 - magnitude(usual ?? 1)));
  return decimals >= DECIMALS_MAX ? plain : { decimals, isScientific: false };
}

/** Fewer digits where all numbers end in zeros. */
function neededDecimals(numbers: readonly number[], most: number): number {
  let needed = 0;
  for (const number of numbers) {
    const digits = number.toFixed(most).replace(/0+$/, '');
    const own = digits.length - digits.indexOf('.') - 1;
    if (own > needed) needed = own;
    if (needed === most) break;
  }
  return needed;
}

/** A number in a style; one that the style would show as zero keeps its first digits. */
export function numberText(value: number, { decimals, isScientific }: NumberStyle): string {
  if (!Number.isFinite(value)) return String(value);
  if (isScientific) return value === 0 ? '0' : value.toExponential(decimals);
  const text = value.toFixed(decimals);
  const isLost = value !== 0 && Number(text) === 0;
  const plain = isLost ? value.toExponential(1) : text;
  return plain.startsWith('-') && Number(plain) === 0 ? plain.slice(1) : plain;
}
