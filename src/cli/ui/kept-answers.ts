// kept-answers.ts — answers that cost something, kept while nothing has changed, and a while longer beside a running make

/** Answers by question. */
export interface KeptAnswers {
  /** Whoever asks the same at the same time waits for the same answer. */
  get<T>(asked: Asked, make: () => Promise<T>): Promise<T>;
}

export interface Asked {
  readonly question: string;
  /** Tells one state of everything that the answer rests on from every other; undefined where that cannot be told. */
  readonly version: string | undefined;
  /** Whether a make goes on, which is left its processors. */
  readonly isBusy: boolean;
}

/** An answer that took a second is not made again for so many, while a make goes on. */
const REST = 40;
const KEPT = 48;

interface Kept {
  readonly version: string | undefined;
  readonly value: Promise<unknown>;
  /** When it may be made again, though its version is another; unknown while it is made. */
  again: number;
}

export function keepAnswers(clock: () => number): KeptAnswers {
  const kept = new Map<string, Kept>();
  return {
    get<T>({ question, version, isBusy }: Asked, make: () => Promise<T>): Promise<T> {
      const known = kept.get(question);
      const isMade = known !== undefined && Number.isFinite(known.again);
      if (known && (known.version === version || !isMade || (isBusy && clock() < known.again))) {
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
          if (version === undefined && kept.get(question) === one) kept.delete(question);
        },
        // What went wrong is tried again.
        () => kept.get(question) === one && kept.delete(question),
      );
      return value;
    },
  };
}
