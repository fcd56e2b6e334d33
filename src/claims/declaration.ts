// declaration.ts — claims as pipeline.yaml declares them: which runs, which test, which margin
import * as z from 'zod/mini';
import { didYouMean } from '../hint.ts';
import { labelFrom } from '../label.ts';
import { type Selector, STAGE_AXIS } from './selection.ts';

/** A value of an axis: its label, or a map that is labelled as on the axis itself. */
const Label = z.union([z.string(), z.number(), z.record(z.string(), z.unknown())]);

/** One label, or a list of them; a reference such as `$profiles` within a list is spread. */
const Labels = z.union([Label, z.array(z.union([Label, z.array(Label)]))]);

/** `{ stage: static, profile: [uniform, lognormal-cv1] }`: the runs that fit on every axis named. */
const Arm = z.record(z.string(), Labels);

const Text = z.string().check(z.minLength(1));
/** In the unit of the effect: points of accuracy, a ratio, a correlation, a distance. */
const Margin = z.number().check(z.gt(0));

/** What every claim has. */
const common = {
  id: z.string().check(z.regex(/^[A-Za-z][\w-]{0,31}$/)),
  title: Text,
  statement: Text,
  paper: z.strictObject({ value: Text, where: Text }),
  seeds: z._default(z.int().check(z.minimum(2), z.maximum(10_000)), 10),
};

/** A claim: what is said, and the test that decides it. docs/claims.md tells what each rule demands. */
export const Claim = z.discriminatedUnion('rule', [
  z.strictObject({
    ...common,
    rule: z.literal('non-inferiority'),
    a: Arm,
    b: Arm,
    /** Published: how far below `b` at most. */
    deficit: z.number().check(z.minimum(0)),
    margin: Margin,
  }),
  z.strictObject({ ...common, rule: z.literal('equivalence'), a: Arm, b: Arm, margin: Margin }),
  z.strictObject({
    ...common,
    rule: z.literal('no-advantage'),
    a: Arm,
    b: Arm,
    /** Of means over profiles or settings, at least one seed SD. */
    margin: Margin,
    /** Of a single cell, at least two seed SDs. */
    single: Margin,
  }),
  z.strictObject({
    ...common,
    rule: z.literal('superiority'),
    a: Arm,
    b: Arm,
    published: z._default(z.record(z.string(), z.number()), {}),
    /** The runs whose error orders data sets by difficulty. */
    difficulty: z.optional(Arm),
  }),
  z.strictObject({
    ...common,
    rule: z.literal('ratio-range'),
    a: Arm,
    range: z.tuple([z.number(), z.number()]),
    baseline: Arm,
    margin: Margin,
  }),
  z.strictObject({
    ...common,
    rule: z.literal('correlation'),
    a: Arm,
    published: z.number().check(z.minimum(-1), z.maximum(1)),
    margin: Margin,
  }),
  z.strictObject({
    ...common,
    rule: z.literal('convergence'),
    a: Arm,
    /** The start that others are compared with. */
    b: Arm,
    /** Starts at the fitted equilibrium, which have to stay there. */
    fixed: z.optional(Arm),
    margin: Margin,
  }),
  z.strictObject({
    ...common,
    rule: z.literal('placement'),
    a: Arm,
    b: Arm,
    variance: z.strictObject({ a: Arm, b: Arm }),
    /** What else is shown. */
    beside: z._default(z.array(z.strictObject({ label: Text, a: Arm, b: Arm })), []),
  }),
]);

/** A declared claim of any rule, or of some. */
export type ClaimDeclaration = z.infer<typeof Claim>;
export type ClaimOf<Rule extends ClaimDeclaration['rule']> = Extract<
  ClaimDeclaration,
  { readonly rule: Rule }
>;

/** What a claim may name: the labels of each axis, and the stages under `stage`. Lists may nest. */
export const Known = z.record(z.string(), z.array(z.union([Label, z.array(Label)])));

/** Something wrong with a claim, at a path below the list of claims. */
export interface ClaimFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string | undefined;
}

/** An arm as it is declared. */
export type DeclaredArm = z.infer<typeof Arm>;

/** An arm as a selector. */
export function selectorOf(arm: DeclaredArm): Selector {
  return new Map(Object.entries(arm).map(([axis, labels]) => [axis, labelsIn(labels)]));
}

/** Names that nobody has: axes, stages and labels of contrasts, data sets of published values, ids that repeat. */
export function claimFaults(
  claims: readonly ClaimDeclaration[],
  known: z.infer<typeof Known>,
): readonly ClaimFault[] {
  const names = new Map(Object.entries(known).map(([axis, labels]) => [axis, labelsIn(labels)]));
  const ids = new Set<string>();
  return claims.flatMap((claim, i) => {
    const repeated = ids.has(claim.id);
    ids.add(claim.id);
    const within = armsOf(claim).flatMap(({ path, arm }) => armFaults(arm, names, path));
    const published = claim.rule === 'superiority' ? datasetFaults(claim.published, names) : [];
    return [
      ...(repeated ? [{ path: ['id'], message: `two claims are called \`${claim.id}\`` }] : []),
      ...within,
      ...published,
    ].map((fault) => ({ ...fault, path: [i, ...fault.path] }));
  });
}

interface PlacedArm {
  readonly path: readonly (string | number)[];
  readonly arm: DeclaredArm;
}

function armsOf(claim: ClaimDeclaration): readonly PlacedArm[] {
  const a = { path: ['a'], arm: claim.a };
  const named = (path: readonly string[], arm: DeclaredArm | undefined): readonly PlacedArm[] =>
    arm === undefined ? [] : [{ path, arm }];
  switch (claim.rule) {
    case 'superiority':
      return [a, ...named(['b'], claim.b), ...named(['difficulty'], claim.difficulty)];
    case 'placement':
      return [
        a,
        ...named(['b'], claim.b),
        ...named(['variance', 'a'], claim.variance.a),
        ...named(['variance', 'b'], claim.variance.b),
        ...claim.beside.flatMap((one, i) => [
          { path: ['beside', i, 'a'], arm: one.a },
          { path: ['beside', i, 'b'], arm: one.b },
        ]),
      ];
    case 'ratio-range':
      return [a, ...named(['baseline'], claim.baseline)];
    case 'convergence':
      return [a, ...named(['b'], claim.b), ...named(['fixed'], claim.fixed)];
    case 'correlation':
      return [a];
    default:
      return [a, ...named(['b'], claim.b)];
  }
}

function armFaults(
  arm: DeclaredArm,
  known: Selector,
  path: readonly (string | number)[],
): readonly ClaimFault[] {
  const unstaged = Object.hasOwn(arm, STAGE_AXIS)
    ? []
    : [{ path, message: 'a contrast names its stage', hint: '`{ stage: static, … }`' }];
  const unknown = Object.entries(arm).flatMap(([axis, declared]): readonly ClaimFault[] => {
    const labels = known.get(axis);
    if (labels === undefined) {
      const message = `no contrast can name an axis \`${axis}\``;
      return [{ path: [...path, axis], message, hint: didYouMean(axis, [...known.keys()]) }];
    }
    return placesIn(declared).flatMap(({ at, label }) => {
      if (labels.includes(label)) return [];
      const message = `the contrast names ${axisWords(axis)} \`${label}\`, which nobody has`;
      return [{ path: [...path, axis, ...at], message, hint: didYouMean(label, labels) }];
    });
  });
  return [...unstaged, ...unknown];
}

function datasetFaults(
  published: Readonly<Record<string, number>>,
  known: Selector,
): readonly ClaimFault[] {
  const datasets = known.get('dataset') ?? [];
  return Object.keys(published)
    .filter((name) => !datasets.includes(name))
    .map((name) => ({
      path: ['published', name],
      message: `the published value is of a data set \`${name}\`, which nobody has`,
      hint: didYouMean(name, datasets),
    }));
}

const axisWords = (axis: string): string => (/^[aeiou]/.test(axis) ? `an ${axis}` : `a ${axis}`);

type DeclaredLabels = z.infer<typeof Labels>;

const labelsIn = (labels: DeclaredLabels): readonly string[] =>
  placesIn(labels).map(({ label }) => label);

interface PlacedLabel {
  readonly at: readonly number[];
  readonly label: string;
}

/** Labels with their paths; lists within the list are spread. */
function placesIn(labels: DeclaredLabels): readonly PlacedLabel[] {
  if (!Array.isArray(labels)) return [{ at: [], label: labelOf(labels) }];
  return labels.flatMap((item, i): readonly PlacedLabel[] =>
    Array.isArray(item)
      ? item.map((inner, j) => ({ at: [i, j], label: labelOf(inner) }))
      : [{ at: [i], label: labelOf(item) }],
  );
}

/** As the matrix labels a value: its text, a map's `name`, or its fields: `lognormal-cv1`. */
function labelOf(value: z.infer<typeof Label>): string {
  if (typeof value !== 'object') return String(value);
  if (typeof value.name === 'string') return value.name;
  return labelFrom(Object.entries(value)) ?? '';
}
