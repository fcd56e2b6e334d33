// patience.ts — how long a run waits for look-ups: a second each, and a twentieth of its time in all
/** No task waits longer for one look-up. */
const LOOKUP_MS = 1000;
/** In all, waits that found nothing may take so long, or this share of the run, whichever is more. */
const TOTAL_MS = 1500;
const TOTAL_SHARE = 0.04;

/** Counts the time in which something waited for a remote in vain. Waits beside each other count once. */
export class WaitBudget {
  private readonly begun: number;
  private readonly clock: () => number;
  private spent = 0;
  private countedUntil: number;

  constructor(clock: () => number) {
    this.clock = clock;
    this.begun = clock();
    this.countedUntil = this.begun;
  }

  /** How long a look-up may be waited for from now on, in milliseconds. */
  get left(): number {
    const allowed = Math.max(TOTAL_MS, TOTAL_SHARE * (this.clock() - this.begun));
    return Math.max(0, Math.min(LOOKUP_MS, allowed - this.spent));
  }

  /** Notes a wait that found nothing. @param since when it began, by the clock */
  wasted(since: number): void {
    const now = this.clock();
    this.spent += Math.max(0, now - Math.max(since, this.countedUntil));
    this.countedUntil = Math.max(this.countedUntil, now);
  }
}

/** What a promise gives within some time; undefined when it takes longer. */
export async function within<T>(
  promise: Promise<T>,
  limit_ms: number,
): Promise<{ readonly value: T } | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, limit_ms, undefined);
  });
  try {
    return await Promise.race([promise.then((value) => ({ value })), late]);
  } finally {
    clearTimeout(timer);
  }
}
