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

/**
 * Profiles that have one paint in every study, and so in every comparison and on every page. The first eight differ in hue:
 * they are what the default study draws together. Those behind them repeat hues, dashed.
 */
const KNOWN = [
  ...['uniform', 'constant', 'lognormal-cv1', 'lognormal-cv1.5', 'power-cv1', 'equilibrium'],
  ...['lognormal-cv0.5', 'lognormal-cv2.5'],
  ...['pilot-mask', 'lognormal-cv0', 'lognormal-cv2', 'power-law-cv1', 'logarithmic-cv1'],
  ...['sigma-x2', 'half-gaussian-cv1', 'raised-cosine-cv1'],
  ...['pilot-hubs', 'lorentzian-cv1', 'exponential-cv1', 'logistic-cv1', 'tanh-exponential-cv1'],
] as const;
const FIXED: ReadonlyMap<string, number> = new Map(KNOWN.map((name, slot) => [name, slot]));

/** Whether a name is one that has its paint everywhere. */
export const isKnownProfile = (name: string): boolean => FIXED.has(name);

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

/**
 * Gives each profile its paint: known ones theirs, others one that their name asks for, or the next that is free. A profile
 * that is added or left out changes the paint of others only where two names ask for the same.
 */
export function paletteOf(profiles: readonly string[]): Palette {
  const distinct = [...new Set(profiles)];
  const taken = new Set(distinct.flatMap((profile) => FIXED.get(profile) ?? []));
  return new Map(
    distinct.map((profile) => {
      const slot = FIXED.get(profile) ?? freeSlot(profile, taken);
      taken.add(slot);
      const round = Math.floor(slot / PROFILE_HUES.length);
      const hue = PROFILE_HUES[slot % PROFILE_HUES.length]!;
      return [profile, { color: hue.light, dash: DASHES[round % DASHES.length]! }];
    }),
  );
}

/** Hues for names that no study of ours knows: all but those of the two profiles that nearly every comparison has. */
const OPEN_HUES = [...PROFILE_HUES.keys()].filter(
  (hue) => hue !== FIXED.get('uniform') && hue !== FIXED.get('equilibrium'),
);

/** The slot that a name asks for among the hues, or the next free one: whole lines before dashed ones. */
function freeSlot(name: string, taken: ReadonlySet<number>): number {
  let asked = 0;
  for (const character of name) asked = (asked * 31 + (character.codePointAt(0) ?? 0)) % 65_521;
  for (let round = 0; ; round++) {
    for (let step = 0; step < OPEN_HUES.length; step++) {
      const hue = OPEN_HUES[(asked + step) % OPEN_HUES.length] ?? 0;
      const slot = round * PROFILE_HUES.length + hue;
      if (!taken.has(slot)) return slot;
    }
  }
}

/** The paint of a profile that may be a stranger to the palette. */
export function paintOf(palette: Palette, profile: string): Paint {
  return palette.get(profile) ?? { color: SOFT.light, dash: [] };
}
