// reader.ts — takes values out of a located tree and collects what is wrong with them
import type { Diagnostic, Place, Result } from './event.ts';
import { didYouMean, type Located } from './located.ts';

/** Collects what is wrong while values are taken out of a located tree. */
export class Reader {
  readonly problems: Diagnostic[] = [];

  say(message: string, place: Place, hint?: string): void {
    this.problems.push({ message, place, hint });
  }

  take<T>(result: Result<T>): T | undefined {
    if (result.ok) return result.value;
    this.problems.push(...result.diagnostics);
    return undefined;
  }

  /** The fields of a map. With `known`, any other name is a problem. */
  map(
    located: Located,
    what: string,
    known?: readonly string[],
  ): ReadonlyMap<string, Located> | undefined {
    if (located.fields === undefined) {
      this.say(`${what} must be a map, not ${kindOf(located)}`, located.place);
      return undefined;
    }
    for (const [name, field] of known ? located.fields : []) {
      if (known?.includes(name)) continue;
      const hint = didYouMean(name, known ?? []);
      this.say(`unknown key \`${name}\` in ${what}`, field.named ?? field.place, hint);
    }
    return located.fields;
  }

  text(located: Located): string | undefined {
    if (typeof located.value === 'string') return located.value;
    this.say(`this must be text, not ${kindOf(located)}`, located.place);
    return undefined;
  }
}

/** What a value is, in words. */
export const kindOf = ({ value, items }: Located): string => {
  if (value === null) return 'nothing';
  if (items) return 'a list';
  return typeof value === 'object' ? 'a map' : `a ${typeof value}`;
};
