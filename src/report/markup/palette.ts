// palette.ts — which colour means what, on light paper and on dark

/** One colour in two lights. Charts are drawn in `light`; the style sheet swaps it for `dark`. */
export interface Hue {
  readonly light: string;
  readonly dark: string;
}

/** The colours of axes, grids and words. Literal, so that an SVG taken out of the page keeps its looks. */
export const INK: Hue = { light: '#26251f', dark: '#e4e1d8' };
export const SOFT: Hue = { light: '#6d6a60', dark: '#a8a498' };
export const FAINT: Hue = { light: '#b9b5a9', dark: '#66635b' };
export const GRID: Hue = { light: '#e8e5dc', dark: '#34332f' };
export const PAPER: Hue = { light: '#fffefb', dark: '#191816' };

/**
 * After Okabe and Ito and Paul Tol, darkened where needed: each stands out from paper by 3 to 1 in its light, and they
 * differ in lightness for those who do not tell hues apart.
 */
export const PROFILE_HUES: readonly Hue[] = [
  { light: '#0072b2', dark: '#4da3d9' },
  { light: '#d55e00', dark: '#f0823c' },
  { light: '#00855f', dark: '#2ebf95' },
  { light: '#b5558a', dark: '#e29cc4' },
  { light: '#a67400', dark: '#f0b73a' },
  { light: '#7a1f4f', dark: '#c9639a' },
  { light: '#77771f', dark: '#c2c25e' },
  { light: '#5b3fd0', dark: '#9d7bff' },
];

/** Profiles that keep their hue in every study: those that claims compare have to be told apart at a glance. */
const FIXED: ReadonlyMap<string, number> = new Map([
  ['uniform', 0],
  ['equilibrium', 5],
]);

/** All of them, for the style sheet. */
export const HUES: readonly Hue[] = [INK, SOFT, FAINT, GRID, PAPER, ...PROFILE_HUES];

/** How a profile is drawn. */
export interface Paint {
  readonly color: string;
  /** Lengths of dash and gap, empty for a whole line: tells colours apart once they repeat. */
  readonly dash: readonly number[];
}

/** The paint of each profile. */
export type Palette = ReadonlyMap<string, Paint>;

const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 2], [8, 2, 2, 2]];

/** Gives profiles their paint by order of first appearance, so that one study has one colour for each everywhere. */
export function paletteOf(profiles: readonly string[]): Palette {
  const distinct = [...new Set(profiles)];
  const taken = new Set(distinct.flatMap((profile) => FIXED.get(profile) ?? []));
  const free = Array.from({ length: distinct.length + taken.size }, (_, i) => i).filter(
    (i) => !taken.has(i),
  );
  return new Map(
    distinct.map((profile) => {
      const i = FIXED.get(profile) ?? free.shift()!;
      const round = Math.floor(i / PROFILE_HUES.length);
      const hue = PROFILE_HUES[i % PROFILE_HUES.length]!;
      return [profile, { color: hue.light, dash: DASHES[round % DASHES.length]! }];
    }),
  );
}

/** The paint of a profile that may be a stranger to the palette. */
export function paintOf(palette: Palette, profile: string): Paint {
  return palette.get(profile) ?? { color: SOFT.light, dash: [] };
}
