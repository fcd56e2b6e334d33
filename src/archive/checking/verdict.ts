// verdict.ts — what a verification comes to, per task and per claim
import { canonicalJson, type Json } from '../../engine/model/key.ts';
import { parseJson } from '../form/bounded-json.ts';
import type { Finding } from '../form/finding.ts';
import type { StudyTask } from '../form/study.ts';
import { withAncestors } from './choice.ts';
import { type CitedClaims, citedTasks } from './cited.ts';

/** How an output came out this time. */
export interface OutputVerdict {
  readonly output: string;
  readonly verdict: 'identical' | 'within tolerance' | 'different';
  /** Which tensor or number, and how far. */
  readonly words?: string;
  readonly tolerance?: number | undefined;
}

/** What became of a task. */
export interface TaskVerdict {
  readonly task: string;
  readonly verdict: 'identical' | 'within tolerance' | 'different' | 'not tested';
  readonly why?: string;
  /** Outputs that are not identical. */
  readonly outputs?: readonly OutputVerdict[];
  /** How long it took when it was made. */
  readonly recorded_s?: number;
  /** How long it took now. */
  readonly seconds?: number;
}

/** What became of a claim. */
export interface ClaimVerdict {
  readonly id: string;
  /** What the study says of it. */
  readonly says: string;
  readonly verdict: 'identical' | 'different' | 'not tested';
  readonly why: string;
  /** Tasks behind it, itself not counted, and how many of those were run again. */
  readonly behind?: { readonly tasks: number; readonly tested: number };
}

/** Everything that a verification found. */
export interface Verification {
  readonly form: 'verification/1';
  readonly archive: string;
  /** Of the study; null when the archive cannot be read. */
  readonly digest: string | null;
  /** Version of pipeline that verified. */
  readonly version: string;
  /** Its verify.mjs, beside the one of this version. */
  readonly checker: {
    readonly archive: string | null;
    readonly own: string | null;
    /** Whose it is, as far as it is known; absent where this is a verify.mjs itself. */
    readonly words?: string;
  };
  /** Who signed it; null when nobody did, or the signature does not hold. Absent in what older versions wrote. */
  readonly signed?: { readonly key: string; readonly by: string | null } | null;
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  readonly tasks: number;
  /** How many of them produced no output in the study, as they failed or needed one that did. */
  readonly absent: { readonly failed: number; readonly skipped: number };
  readonly blobs: { readonly here: number; readonly leftOut: number };
  readonly rerun: {
    readonly seed: number;
    readonly budget_s: number;
    readonly chosen: number;
    readonly drawn: number;
    readonly node: string;
    /** What surrounded the code: a kind of `walls.ts`. */
    readonly walls?: 'bubblewrap' | 'unshare' | 'none';
  } | null;
  readonly taskVerdicts: readonly TaskVerdict[];
  readonly claims: readonly ClaimVerdict[];
  readonly notes: readonly string[];
  /** Nothing is wrong, and nothing that was run again came out differently. */
  readonly holds: boolean;
}

/** The verdict on every claim. @param again what the claims' task gave this time */
export function claimVerdicts(
  claims: CitedClaims,
  before: Uint8Array,
  again: Uint8Array | undefined,
  tasks: ReadonlyMap<string, StudyTask>,
  verdictOf: (task: string) => TaskVerdict['verdict'],
): readonly ClaimVerdict[] {
  const was = claimsById(before);
  const is = again && claimsById(again);
  return claims.map((claim): ClaimVerdict => {
    const cited = citedTasks(claim);
    const behind = [...withAncestors(cited, tasks)];
    const different = behind.filter((task) => verdictOf(task) === 'different');
    const tested = behind.filter((task) => verdictOf(task) !== 'not tested').length;
    const common = {
      id: claim.id,
      says: claim.verdict,
      behind: { tasks: behind.length, tested },
    };
    const share = `${tested} of the ${behind.length} tasks behind it were run again`;
    if (different.length > 0) {
      const why = `${different.length} tasks behind it came out differently, such as ${different[0]}`;
      return { ...common, verdict: 'different', why };
    }
    if (is === undefined)
      return { ...common, verdict: 'not tested', why: 'the claims were not judged again' };
    if (was.get(claim.id) !== is.get(claim.id)) {
      return { ...common, verdict: 'different', why: 'judged again, it says something else' };
    }
    return { ...common, verdict: 'identical', why: `judged again from the measurements; ${share}` };
  });
}

/** Each claim's canonical text. */
function claimsById(bytes: Uint8Array): ReadonlyMap<string, string> {
  try {
    const read = parseJson(bytes) as { readonly claims?: readonly { readonly id: string }[] };
    return new Map((read.claims ?? []).map((claim) => [claim.id, canonicalJson(claim as Json)]));
  } catch {
    return new Map();
  }
}
