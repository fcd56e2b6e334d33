// cited.ts — whether claims (forms `claims/1` and `claims/2`) say what the measurements say that they cite
import * as z from 'zod/mini';
import { mean, sampleSd } from '../../stats/summary.ts';
import { type JsonError, parseJson } from '../form/bounded-json.ts';
import type { Say } from '../form/finding.ts';
import type { StudyTask } from '../form/study.ts';

const Arm = z.object({
  n: z.number(),
  mean: z.nullable(z.number()),
  sd: z.nullable(z.number()),
  tasks: z.array(z.object({ task: z.string(), digest: z.string() })),
});

const Contrast = z.object({
  synthetic: z.boolean(),
  a: Arm,
  b: z.nullable(Arm),
  effect: z.nullable(z.number()),
  unit: z.string(),
  seeds: z.number(),
  /** Of claims/1. */
  finding: z.optional(z.nullable(z.string())),
  /** Of claims/2. */
  decides: z.optional(z.boolean()),
  verdict: z.string(),
});

const Claims = z.object({
  form: z.enum(['claims/1', 'claims/2']),
  claims: z.array(
    z.object({
      id: z.string(),
      seeds: z.number(),
      verdict: z.string(),
      contrasts: z.array(Contrast),
    }),
  ),
});

type ArmOf = z.infer<typeof Arm>;
type ContrastOf = z.infer<typeof Contrast>;
/** Claims as far as they are checked. */
export type CitedClaims = z.infer<typeof Claims>['claims'];

/** Means of percentages in doubles agree to far more digits than this. */
const SLACK = 1e-9;

/** Reads claims; undefined when they are of another form. @throws JsonError */
export function readClaims(bytes: Uint8Array): CitedClaims | undefined {
  return read(bytes)?.claims;
}

function read(bytes: Uint8Array): z.infer<typeof Claims> | undefined {
  const parsed = z.safeParse(Claims, parseJson(bytes));
  return parsed.success ? parsed.data : undefined;
}

/** The tasks whose measurements a claim cites. */
export const citedTasks = (claim: CitedClaims[number]): ReadonlySet<string> =>
  new Set(
    claim.contrasts.flatMap(({ a, b }) =>
      [...a.tasks, ...(b?.tasks ?? [])].map(({ task }) => task),
    ),
  );

/** What the check draws on. */
export interface Cited {
  text(digest: string): Promise<Uint8Array | undefined>;
}

/** Checks every number that can be told from what it cites, and every verdict against its contrasts. */
export async function checkCitations(
  bytes: Uint8Array,
  file: string,
  contents: Cited,
  known: ReadonlyMap<string, StudyTask>,
  say: Say,
): Promise<void> {
  let stored: z.infer<typeof Claims> | undefined;
  try {
    stored = read(bytes);
  } catch (error) {
    return say(file, (error as JsonError).message);
  }
  if (stored === undefined) return say(file, 'is not of the form claims/1 or claims/2');
  const { form, claims } = stored;
  const { verdictOf, checkVerdict } = RULES[form];
  const accuracies = new Map<string, number | undefined>();
  const learnAccuracies = async ({ tasks }: ArmOf): Promise<void> => {
    for (const { digest } of tasks) {
      if (!accuracies.has(digest)) accuracies.set(digest, await accuracyIn(digest, contents));
    }
  };
  for (const claim of claims) {
    for (const [index, contrast] of claim.contrasts.entries()) {
      const place = `${file}: ${claim.id}, contrast ${index + 1}`;
      for (const arm of [contrast.a, contrast.b]) {
        if (arm === null) continue;
        checkSources(arm, place, known, say);
        if (contrast.unit !== 'points') continue;
        await learnAccuracies(arm);
        checkNumbers(arm, place, accuracies, say);
      }
      checkContrast(contrast, place, say);
      checkVerdict(contrast, place, claim.seeds, say);
    }
    const verdict = verdictOf(claim.contrasts);
    if (claim.verdict !== verdict) {
      say(
        `${file}: ${claim.id}`,
        `says "${claim.verdict}", and its contrasts make it "${verdict}"`,
      );
    }
  }
}

function checkSources(
  { tasks }: ArmOf,
  place: string,
  known: ReadonlyMap<string, StudyTask>,
  say: Say,
): void {
  for (const { task, digest } of tasks) {
    const outputs = known.get(task)?.outputs;
    if (outputs === undefined) say(place, `cites ${task}, which is not a task of the study`);
    else if (!Object.values(outputs).some((output) => output.digest === digest)) {
      say(place, `cites ${digest.slice(0, 12)} as an output of ${task}, which it is not`);
    }
  }
}

/** Test accuracy in percent, where a blob is the metrics of a training run and is there. */
async function accuracyIn(digest: string, contents: Cited): Promise<number | undefined> {
  const bytes = await contents.text(digest);
  if (bytes === undefined) return undefined;
  try {
    const value = parseJson(bytes);
    const found = z.safeParse(z.object({ accuracy: z.number() }), value);
    return found.success ? 100 * found.data.accuracy : undefined;
  } catch {
    return undefined;
  }
}

/** Mean and SD of an arm whose observations are runs. Those of arms that average runs are left to a re-run. */
function checkNumbers(
  { n, mean: told, sd, tasks }: ArmOf,
  place: string,
  accuracies: ReadonlyMap<string, number | undefined>,
  say: Say,
): void {
  const values = tasks.flatMap(({ digest }) => accuracies.get(digest) ?? []);
  if (tasks.length === 0 || values.length < tasks.length || n !== tasks.length) return;
  const actual = mean(values);
  if (!near(told, actual)) say(place, `says a mean of ${told}, and its metrics have ${actual}`);
  const spread = sampleSd(values);
  if (!near(sd, spread)) say(place, `says an SD of ${sd}, and its metrics have ${spread}`);
}

const near = (told: number | null, actual: number | null): boolean =>
  told === actual ||
  (told !== null &&
    actual !== null &&
    Math.abs(told - actual) <= SLACK * Math.max(1, Math.abs(actual)));

/** What a contrast says of itself must hold together. */
function checkContrast({ a, b, effect, unit, verdict }: ContrastOf, place: string, say: Say): void {
  if (unit === 'points' && effect !== null && a.mean !== null && b !== null && b.mean !== null) {
    if (!near(effect, a.mean - b.mean)) {
      say(place, `says an effect of ${effect}, and its means differ by ${a.mean - b.mean}`);
    }
  }
  if (effect === null && verdict !== 'not tested')
    say(place, `has no effect, and says "${verdict}"`);
}

/** What the two forms understand by a verdict. */
const RULES = {
  'claims/1': { verdictOf: firstOf, checkVerdict: checkFound },
  'claims/2': { verdictOf: concluded, checkVerdict: checkAssessed },
} as const;

/** claims/1: a verdict that counts is what was found. */
function checkFound(contrast: ContrastOf, place: string, seeds: number, say: Say): void {
  const { effect, verdict, finding, synthetic } = contrast;
  if (effect === null || verdict === 'illustrated') return;
  if (verdict !== finding) say(place, `says "${verdict}", and found "${finding}"`);
  if (synthetic || contrast.seeds < seeds) {
    say(place, `says "${verdict}" of ${synthetic ? 'synthetic data' : 'too few seeds'}`);
  }
}

/** claims/2: synthetic data and too few seeds have no verdict. */
function checkAssessed(contrast: ContrastOf, place: string, seeds: number, say: Say): void {
  const { verdict, synthetic } = contrast;
  if (!VERDICTS.includes(verdict)) say(place, `has a verdict "${verdict}"`);
  if (verdict === 'not assessed' || verdict === 'not tested') return;
  if (synthetic || contrast.seeds < seeds) {
    say(place, `says "${verdict}" of ${synthetic ? 'synthetic data' : 'too few seeds'}`);
  }
}

/** As a claim of claims/2 is concluded from the contrasts that decide: the first that one of them has. */
const VERDICTS: readonly string[] = [
  'refuted',
  'inconclusive',
  'reproduced',
  'not assessed',
  'not tested',
];

function concluded(contrasts: readonly ContrastOf[]): string {
  const deciding = contrasts.filter(({ decides }) => decides !== false);
  const has = (verdict: string): boolean => deciding.some((one) => one.verdict === verdict);
  return VERDICTS.find(has) ?? 'not tested';
}

/** claims/1: a claim is as good as the worst of its contrasts that count. */
function firstOf(contrasts: readonly ContrastOf[]): string {
  const has = (verdict: string): boolean => contrasts.some((one) => one.verdict === verdict);
  const order = ['not reproduced', 'within margin', 'reproduced', 'illustrated'];
  return order.find(has) ?? 'not tested';
}
