// kept-answers.ts — answers that cost something, kept while nothing has changed, and a while longer beside a running make

/** Answers by question. */
export interface KeptAnswers {
  /** @param version tells one state of everything that the answer rests on from every other */
  get<T>(question: string, version: string, make: () => Promise<T>): Promise<T>;
}

/** An answer that took a second is not made again for so many: a running make is left its processors. */
const REST = 40;
const KEPT = 24;

interface Kept {
  readonly version: string;
  readonly value: Promise<unknown>;
  /** When it may be made again, though its version is another; unknown while it is made. */
  again: number;
}

export function keepAnswers(clock: () => number): KeptAnswers {
  const kept = new Map<string, Kept>();
  return {
    get<T>(question: string, version: string, make: () => Promise<T>): Promise<T> {
      const known = kept.get(question);
      if (known && (known.version === version || clock() < known.again)) {
        return known.value as Promise<T>;
      }
      const began = clock();
      const value = make();
      const one: Kept = { version, value, again: Number.POSITIVE_INFINITY };
      kept.delete(question);
      kept.set(question, one);
      for (const oldest of kept.keys()) {
        if (kept.size <= KEPT) break;
        kept.delete(oldest);
      }
      value.then(
        () => {
          one.again = clock() + REST * (clock() - began);
        },
        // What went wrong is tried again.
        () => kept.get(question) === one && kept.delete(question),
      );
      return value;
    },
  };
}
