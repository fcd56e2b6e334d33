// diagnostic-collector.ts — takes values out of a located tree and collects what is wrong with them

import { didYouMean } from '../../hint.ts';
import type { Diagnostic, Place, Result } from '../model/event.ts';
import type { Located } from './located.ts';

/** Collects what is wrong while values are taken out of a located tree. */
export class DiagnosticCollector {
  readonly problems: Diagnostic[] = [];
  /** What stops nothing, but should be known. */
  readonly warnings: Diagnostic[] = [];
  /** What was said of each text: place and message. */
  private readonly said = new Map<string | undefined, Set<string>>();

  /** Says what is wrong; the same thing of the same place (a param that two stages use) only once. */
  report(message: string, place: Place, hint?: string): void {
    this.add({ message, place, hint });
  }

  take<T>(result: Result<T>): T | undefined {
    if (result.ok) return result.value;
    for (const diagnostic of result.diagnostics) this.add(diagnostic);
    return undefined;
  }

  private add(diagnostic: Diagnostic): void {
    const { message, place } = diagnostic;
    const known = this.said.get(place?.text) ?? new Set();
    this.said.set(place?.text, known);
    const mark = `${place?.start} ${message}`;
    if (known.has(mark)) return;
    known.add(mark);
    this.problems.push(diagnostic);
  }

  /** The fields of a map. With `known`, any other name is a problem. */
  map(
    located: Located,
    what: string,
    known?: readonly string[],
  ): ReadonlyMap<string, Located> | undefined {
    if (located.fields === undefined) {
      this.report(`${what} must be a mapping, not ${kindOf(located)}`, located.place);
      return undefined;
    }
    for (const [name, field] of known ? located.fields : []) {
      if (known?.includes(name)) continue;
      const hint = didYouMean(name, known ?? []);
      this.report(`unknown key \`${name}\` in ${what}`, field.named ?? field.place, hint);
    }
    return located.fields;
  }

  text(located: Located, what: string): string | undefined {
    const { value, place } = located;
    if (typeof value === 'string' && !value.includes('\0')) return value;
    if (typeof value === 'string') this.report(`${what} cannot hold a zero byte`, place);
    else this.report(`${what} must be a string, not ${kindOf(located)}`, place);
    return undefined;
  }
}

/** What a value is, in words. */
export const kindOf = ({ value, items }: Located): string => {
  if (value === null) return 'nothing';
  if (items) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? 'a string' : `a ${typeof value}`;
};
