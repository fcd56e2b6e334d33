// end-warning.ts — tells a head in time that its job is about to reach its time limit
/** So long before the end of its job a head is told, if that is no more than the share of its time below. */
const WARNING_MS_MAX = 90_000;
const WARNING_SHARE = 1 / 4;

/** No timer can wait for longer than about 24 days. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What is known of the time of a job. */
export interface JobTime {
  /** Its limit, from when the batch system started it. */
  readonly limit_ms: number;
  /** When this process began, in milliseconds since 1970. */
  readonly began: number;
  /** Slurm's `SLURM_JOB_END_TIME`, in seconds since 1970, where it is set. */
  readonly end_s: string | undefined;
}

/** When a head is told, in milliseconds since 1970. A long prologue counts where Slurm says when the job ends. */
export function warningTime({ limit_ms, began, end_s }: JobTime): number {
  const told = Number(end_s ?? Number.NaN) * 1000;
  const end = told > began ? Math.min(told, began + limit_ms) : began + limit_ms;
  return end - Math.min(WARNING_MS_MAX, (end - began) * WARNING_SHARE);
}

/** Calls `warn` at a time, which does not keep the process alive. */
export function warnAt(at: number, warn: () => void): void {
  const left = at - Date.now();
  const isThen = left <= TIMER_MS_MAX;
  const next = (): void => (isThen ? warn() : warnAt(at, warn));
  setTimeout(next, isThen ? Math.max(0, left) : TIMER_MS_MAX).unref();
}
