// patience.ts — how long a run waits for look-ups: a second without any answer, and a small share of its time in all
/** A remote that has said nothing for so long is not waited for. */
const SILENCE_MS = 1000;
/** In all, waits that found nothing may take so long, or this share of the run, whichever is more. */
const TOTAL_MS = 1500;
const TOTAL_SHARE = 0.04;
/** What was found pays for more: this share of the time that it saved. */
const SAVED_SHARE = 0.25;
const LOOK_MS = 50;

/**
 * Time in which this process had time to look: where it was busy, or the machine was, that is not the remote's doing. Ticks
 * from the first wait on.
 */
class AttentiveClock {
  private time = 0;
  private ticked = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly clock: () => number;

  constructor(clock: () => number) {
    this.clock = clock;
  }

  begin(): void {
    if (this.timer) return;
    this.ticked = this.clock();
    this.timer = setInterval(() => {
      const now = this.clock();
      this.time += Math.min(now - this.ticked, LOOK_MS);
      this.ticked = now;
    }, LOOK_MS / 2);
    this.timer.unref();
  }

  now(): number {
    return this.time;
  }

  end(): void {
    clearInterval(this.timer);
  }
}

/** Counts the time in which something waited for a remote in vain. Waits beside each other count once. */
export class WaitBudget {
  private readonly clock: AttentiveClock;
  private spent = 0;
  private saved = 0;
  private countedUntil = 0;
  /** When the remote answered last, whatever it was. */
  private answered = 0;

  constructor(clock: () => number) {
    this.clock = new AttentiveClock(clock);
  }

  /** By its own clock. */
  now(): number {
    return this.clock.now();
  }

  end(): void {
    this.clock.end();
  }

  /** Waits for a look-up for as long as the remote answers, and there is time for it. Undefined when it takes longer. */
  async wait<T>(looking: Promise<T>): Promise<T | undefined> {
    this.clock.begin();
    const since = this.now();
    for (;;) {
      const silent = this.now() - Math.max(since, this.answered);
      if (silent >= SILENCE_MS || this.isSpent(since)) return undefined;
      const answer = await within(looking, LOOK_MS);
      if (answer) return answer.value;
    }
  }

  /** The remote has answered, by which so many milliseconds were saved. */
  gained(saved_ms: number): void {
    this.answered = this.now();
    this.saved += saved_ms;
  }

  /** How long was waited in vain so far, in milliseconds. */
  get wasted_ms(): number {
    return this.spent;
  }

  /** Notes a wait that found nothing. @param since when it began, by the clock */
  wasted(since: number): void {
    const now = this.now();
    this.spent += this.uncounted(since);
    this.countedUntil = Math.max(this.countedUntil, now);
  }

  private uncounted(since: number): number {
    return Math.max(0, this.now() - Math.max(since, this.countedUntil));
  }

  private isSpent(since: number): boolean {
    const share = TOTAL_SHARE * this.now() + SAVED_SHARE * this.saved;
    return this.spent + this.uncounted(since) > Math.max(TOTAL_MS, share);
  }
}

/** What a promise gives within some time; undefined when it takes longer. */
async function within<T>(
  promise: Promise<T>,
  limit_ms: number,
): Promise<{ readonly value: T } | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    // A process that had no time to look may find that the answer has come.
    timer = setTimeout(() => setImmediate(resolve, undefined), limit_ms);
  });
  try {
    return await Promise.race([promise.then((value) => ({ value })), late]);
  } finally {
    clearTimeout(timer);
  }
}
