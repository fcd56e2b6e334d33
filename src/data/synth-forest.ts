// synth-forest.ts — a table out of nothing: what grows on seeded hills
import ln from '@stdlib/math-base-special-ln';
import sincos from '@stdlib/math-base-special-sincos';
import { type Stream, stream } from '../stats/stream.ts';
import type { Dataset, DatasetShape, Split } from './dataset.ts';
import { tableDataset } from './table.ts';

/** What decides every number of the data set. */
export interface SynthForestParams {
  readonly seed: number;
  /** Number of samples in each split, 1 to 1,000,000. */
  readonly train: number;
  readonly validation: number;
  readonly test: number;
}

/** The table that a fresh clone trains on. */
export const synthForestDefaults: SynthForestParams = {
  seed: 0,
  train: 8_000,
  validation: 1_000,
  test: 4_000,
};

const QUANTITIES = 10;
const AREAS = 4;
const SOILS = 40;
const CLASSES = 7;

/** The shape of every synth-forest data set. */
export const synthForestShape: DatasetShape = {
  features: QUANTITIES + AREAS + SOILS,
  classes: CLASSES,
};

/**
 * Draws the whole data set. It imitates the UCI set Covertype in form and temper: 10 quantities
 * (elevation, aspect, slope, distances to water, roads and fires, hill shade at three hours), one of
 * 4 areas and one of 40 soils as 0 and 1, and 7 kinds of forest of which two cover most of the land.
 * A kind has two niches in elevation, moisture, warmth and fertility, which no column tells plainly:
 * so a line through the columns is not enough. Numbers are our own invention and no measurement. A
 * sample depends on the seed, its split and its index, and on nothing else.
 * @throws RangeError when a parameter is out of its range.
 */
export function synthForest({ seed, train, validation, test }: SynthForestParams): Dataset {
  for (const count of [train, validation, test]) {
    if (!Number.isSafeInteger(count) || count < 1 || count > SAMPLES_MAX) {
      throw new RangeError(`synth-forest: a split has 1 to ${SAMPLES_MAX} samples, not ${count}`);
    }
  }
  const soils = drawSoils(stream(seed, 'synth-forest', 'soils'));
  const splits = {
    train: drawSplit(seed, 'train', train, soils),
    validation: drawSplit(seed, 'validation', validation, soils),
    test: drawSplit(seed, 'test', test, soils),
  };
  return tableDataset(
    synthForestShape,
    splits,
    Int32Array.from({ length: QUANTITIES }, (_, i) => i),
  );
}

const SAMPLES_MAX = 1_000_000;

/** What lies under the trees: how much water it holds and how it feeds, both -0.45 to 0.45. */
interface Soil {
  readonly wet: number;
  readonly rich: number;
}

const drawSoils = (random: Stream): readonly Soil[] =>
  Array.from({ length: SOILS }, () => ({
    wet: between(random, -0.45, 0.45),
    rich: between(random, -0.45, 0.45),
  }));

const between = (random: Stream, low: number, high: number): number =>
  low + (high - low) * random.uniform();

function drawSplit(seed: number, split: string, count: number, soils: readonly Soil[]): Split {
  const { features } = synthForestShape;
  const samples = new Uint8Array(count * features);
  const labels = new Uint8Array(count);
  const numeric = new Int16Array(count * QUANTITIES);
  for (let index = 0; index < count; index++) {
    const random = stream(seed, 'synth-forest', split, index);
    const land = drawLand(soils, random);
    numeric.set(land.quantities, index * QUANTITIES);
    samples[index * features + QUANTITIES + land.area] = 1;
    samples[index * features + QUANTITIES + AREAS + land.soil] = 1;
    labels[index] = kindOf(land.niche, random);
  }
  return { samples, labels, numeric };
}

/** Of all land, the share that lies in areas 0 .. a. */
const AREAS_UP_TO = [0.45, 0.5, 0.93, 1];
/** Mean elevation of each area, in units of the spread within one. */
const AREA_HEIGHT = [0.1, 1.1, 0.2, -1.6];
/** Soils lie in families of so many; each area knows four families, and its own best. */
const SOIL_FAMILY = 4;

/** Where a kind of forest feels at home: elevation, moisture, warmth, fertility, each of spread about 1. */
type Niche = readonly [height: number, moisture: number, warmth: number, fertility: number];

interface Land {
  readonly area: number;
  readonly soil: number;
  /** [10] whole numbers in the units and order of Covertype. */
  readonly quantities: readonly number[];
  readonly niche: Niche;
}

/** One patch of 30 m by 30 m. */
function drawLand(soils: readonly Soil[], random: Stream): Land {
  const where = random.uniform();
  const area = AREAS_UP_TO.findIndex((upTo) => where < upTo);
  const height = AREA_HEIGHT[area]! + random.normal();
  const soil = drawSoil(area, height, random);
  const aspect = between(random, 0, TURN);
  const [east, north] = sincos(aspect);
  const slope = 0.06 + 0.2 * random.uniform() * (1 + random.uniform());
  const [toWater, aboveWater] = waterFrom(random);
  const toRoads = 2300 + 700 * height + 1100 * random.normal();
  const toFires = 1900 + 350 * height + 1000 * random.normal();
  const shade = (sunEast: number, sunHigh: number): number =>
    254 * Math.min(1, Math.max(0, sunHigh + slope * (1.6 * sunEast * east! - 1.1 * north!)));
  return {
    area,
    soil,
    quantities: [
      2950 + 270 * height,
      DEGREES * aspect,
      DEGREES * slope,
      toWater,
      aboveWater,
      Math.max(0, toRoads),
      shade(1, 0.83),
      shade(0, 0.88),
      shade(-1, 0.56),
      Math.max(0, toFires),
    ].map(Math.round),
    niche: [
      height,
      soils[soil]!.wet - (toWater - 270) / 260 - 0.008 * aboveWater + 0.5 * north!,
      -1.3 * height * slope * 4 - 7 * (slope - 0.2) * north!,
      soils[soil]!.rich + 0.35 * (height - AREA_HEIGHT[area]!) * soils[soil]!.wet,
    ],
  };
}

/** A full turn. */
const TURN = 6.2832;
/** In a radian. */
const DEGREES = 57.2957;

/** Each area has families of soils of its own; higher land has the later soils of a family. */
function drawSoil(area: number, height: number, random: Stream): number {
  const families = SOILS / SOIL_FAMILY;
  // The lesser of two draws: the first families of an area are the commonest.
  const rank = Math.min(random.below(5), random.below(5));
  const family = (area * 3 + rank) % families;
  const within = Math.floor(
    SOIL_FAMILY * 0.5 + 0.8 * (height - AREA_HEIGHT[area]!) + random.normal(),
  );
  return family * SOIL_FAMILY + Math.min(SOIL_FAMILY - 1, Math.max(0, within));
}

/** Metres to the nearest water, along the ground and above it: exponential, and in proportion. */
function waterFrom(random: Stream): readonly [along: number, above: number] {
  const along = Math.min(1400, -270 * ln(1 - random.uniform()));
  return [along, along * 0.17 * (1 + 0.8 * random.normal())];
}

/** For each kind of forest its niches and how readily it spreads; kinds differ in share by a factor of thirty. */
const KINDS: readonly { readonly niches: readonly Niche[]; readonly spread: number }[] = [
  {
    niches: [
      [0.9, 0.4, -0.4, 0.3],
      [0.6, -0.5, 0.0, 0.6],
    ],
    spread: 5.2,
  },
  {
    niches: [
      [0.1, -0.3, 0.3, -0.3],
      [0.4, 0.45, -0.15, -0.65],
    ],
    spread: 5.8,
  },
  {
    niches: [
      [-1.7, -0.4, 0.8, 0.2],
      [-1.45, 0.25, 0.7, 0.6],
    ],
    spread: 2.2,
  },
  {
    niches: [
      [-2.2, 1.2, 0.9, -0.6],
      [-2.05, 1.4, 0.55, 0.1],
    ],
    spread: 0.2,
  },
  {
    niches: [
      [-0.4, 0.9, 0.9, 1.1],
      [-0.25, -0.4, 0.8, 0.0],
    ],
    spread: 0.2,
  },
  {
    niches: [
      [-1.6, -1.0, -0.3, -1.0],
      [-1.3, -0.25, -0.4, -1.1],
    ],
    spread: 2.6,
  },
  {
    niches: [
      [1.9, -0.4, -1.2, -0.2],
      [1.7, 0.45, -1.05, 0.4],
    ],
    spread: 1.6,
  },
];

/** How sharply niches are bounded, and how much chance has to say. */
const SHARPNESS = 2.4;
const CHANCE = 1;

/** Who grows there: the kind whose niche fits best, give or take. */
function kindOf(niche: Niche, random: Stream): number {
  let [best, kind] = [-Infinity, 0];
  for (const [candidate, { niches, spread }] of KINDS.entries()) {
    const fits = niches.map((home) => -SHARPNESS * squaredDistance(niche, home));
    // Gumbel noise: of two kinds that fit alike, each has its chance.
    const chance = -CHANCE * ln(-ln(TINY + (1 - 2 * TINY) * random.uniform()));
    const score = Math.max(...fits) + spread + chance;
    if (score > best) [best, kind] = [score, candidate];
  }
  return kind;
}

/** Keeps a logarithm off 1 and 0. */
const TINY = 1e-12;

const squaredDistance = (a: Niche, b: Niche): number =>
  a.reduce((sum, value, axis) => sum + (value - b[axis]!) * (value - b[axis]!), 0);
