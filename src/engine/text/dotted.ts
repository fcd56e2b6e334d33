// dotted.ts — dotted paths, as people write them: `training.epochs`, `rates."fc1.weight"`

/** One step of a path: a bare name, or any text in double quotes. For use within regular expressions. */
export const STEP = String.raw`(?:[\w-]+|"(?:[^"\\{}]|\\.)*")`;

const STEPS = new RegExp(`${STEP}(?:\\.|$)`, 'gy');

/** The steps of a path of which every step is bare or in double quotes. */
export function splitDotted(path: string): readonly string[] {
  return [...path.matchAll(STEPS)].map(([step]) =>
    unquoted(step.endsWith('.') ? step.slice(0, -1) : step),
  );
}

function unquoted(step: string): string {
  if (!step.startsWith('"')) return step;
  try {
    return JSON.parse(step) as string;
  } catch {
    return step.slice(1, -1);
  }
}

/** A path as one writes it: a step that is not a bare name stands in quotes. */
export const joinDotted = (path: readonly (string | number | symbol)[]): string =>
  path.map((step) => dottedStep(String(step))).join('.');

/** One step as one writes it. */
export const dottedStep = (step: string): string =>
  /^[^\s."'=]+$/.test(step) ? step : JSON.stringify(step);

/** The first step of what `--set` is given, which may stand in quotes of either kind, and where the rest begins. */
export interface QuotedStep {
  readonly step: string;
  readonly rest: string;
}

/** A first step in quotes. Undefined when the path begins without one; null when the quotes do not close. */
export function quotedStep(path: string): QuotedStep | null | undefined {
  if (!/^["']/.test(path)) return undefined;
  const match = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)')(?:\.|$)/.exec(path);
  if (match === null) return null;
  const [whole, double, single] = match;
  return { step: single ?? unquoted(`"${double}"`), rest: path.slice(whole.length) };
}

/** Where the value of `path=value` begins: at the first `=` outside quotes. -1 when there is none. */
export function equalsIn(set: string): number {
  const match = /^(?:[^"'=]|(?<![^.])"(?:[^"\\]|\\.)*"|(?<![^.])'[^']*'|["'])*?=/.exec(set);
  return match === null ? -1 : match[0].length - 1;
}
