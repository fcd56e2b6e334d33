// program-events.ts — what a program reports while it runs: JSON lines that it appends to $PIPELINE_EVENTS
import { type FileHandle, open } from 'node:fs/promises';
import type { Json, Named } from '../model/key.ts';
import { lineReader } from '../process/lines.ts';

/** Who hears what a program reports. */
export interface ProgramListener {
  progress(done: number, of: number, note: string): void;
  /** The newest numbers, now and then. */
  metrics(step: number, values: Named<number>): void;
  log(line: string): void;
  warn(message: string): void;
}

/** One step of a metrics log: its number, and what was measured. A number that JSON cannot hold is null. */
export type MetricsRow = { readonly step: number } & Named<number | null>;

/** The file of an attempt, followed while the program runs. */
export interface ProgramEvents {
  /** Reads what is left when the program has ended, and stops. */
  finish(): Promise<void>;
  /** What was measured, in order of steps. @throws RangeError when there is more than a log may hold */
  rows(): readonly MetricsRow[];
}

/** The file is looked at this often. */
const POLL_MS = 200;
/** Numbers are told no more often than this. */
const TELL_EVERY_MS = 100;
/** A line may have so many bytes, … */
const LINE_BYTES_MAX = 64 * 1024;
/** … and all lines together so many: an epoch of a million batches fits. */
const BYTES_MAX = 256 * 2 ** 20;
/** Lines that cannot be used are named so often; the rest are counted. */
const WARNINGS_MAX = 3;
const CHUNK_BYTES = 64 * 1024;

/** Follows the file of a program's events. Lines that are in it already count as reported, and are not told again. */
export async function followEvents(
  path: string,
  known: number,
  listener: ProgramListener,
): Promise<ProgramEvents> {
  const file = await open(path, 'r');
  const log = new MetricsLog(listener);
  const reader = lineReader({ line: (text) => log.hear(text) }, LINE_BYTES_MAX);
  const tail = new Tail(file, (chunk) => reader.push(chunk));
  await tail.read(known);
  log.begin();
  let reading: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    reading = reading.then(() => tail.read()).catch(() => undefined);
  }, POLL_MS);
  timer.unref();
  return {
    async finish() {
      clearInterval(timer);
      await reading;
      await tail.read().catch(() => undefined);
      reader.flush();
      log.end();
      await file.close();
    },
    rows() {
      if (tail.isCut) throw new RangeError(`it holds more than ${BYTES_MAX / 2 ** 20} MiB`);
      return log.rows;
    },
  };
}

/** Reads what was appended to a file. */
class Tail {
  private at = 0;
  private readonly file: FileHandle;
  private readonly push: (chunk: Uint8Array) => void;

  constructor(file: FileHandle, push: (chunk: Uint8Array) => void) {
    this.file = file;
    this.push = push;
  }

  /** Whether the file has more than is read of it. */
  get isCut(): boolean {
    return this.at >= BYTES_MAX;
  }

  /** Reads on. @param end where to stop; the end of the file where it is left out */
  async read(end = BYTES_MAX): Promise<void> {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    while (this.at < end) {
      const length = Math.min(CHUNK_BYTES, end - this.at);
      const { bytesRead } = await this.file.read(buffer, 0, length, this.at);
      if (bytesRead === 0) return;
      this.at += bytesRead;
      this.push(buffer.subarray(0, bytesRead));
    }
  }
}

/** The numbers of a program, step by step. */
class MetricsLog {
  readonly rows: MetricsRow[] = [];
  private isTelling = false;
  private unfit = 0;
  private next_ms = 0;
  private readonly listener: ProgramListener;

  constructor(listener: ProgramListener) {
    this.listener = listener;
  }

  /** From here on, what is heard is told. */
  begin(): void {
    this.isTelling = true;
  }

  end(): void {
    const more = this.unfit - WARNINGS_MAX;
    if (more > 0) this.listener.warn(`${more} more lines of $PIPELINE_EVENTS could not be used`);
  }

  hear(text: string): void {
    if (text.trim() === '') return;
    const event = eventIn(text);
    if (typeof event === 'string') {
      this.refuse(text, event);
      return;
    }
    if (event.metrics !== undefined) this.add(event.step, event.metrics);
    if (!this.isTelling) return;
    if (event.progress) this.listener.progress(...event.progress, event.note);
    if (event.log !== undefined) this.listener.log(event.log);
  }

  private refuse(text: string, why: string): void {
    this.unfit += 1;
    if (!this.isTelling || this.unfit > WARNINGS_MAX) return;
    const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
    this.listener.warn(`a line of $PIPELINE_EVENTS ${why}: ${shown}`);
  }

  /**
   * Adds the numbers of a step. A step that is reported again, after the program went on from a checkpoint, takes the place
   * of what it had and of all that came after it.
   */
  private add(step: number, values: Named<number | null>): void {
    const last = this.rows.at(-1);
    if (last !== undefined && step < last.step) {
      while ((this.rows.at(-1)?.step ?? -1) >= step) this.rows.pop();
    }
    if (this.rows.at(-1)?.step === step) {
      this.rows[this.rows.length - 1] = { ...this.rows.at(-1), ...values, step };
    } else this.rows.push({ ...values, step });
    const now = performance.now();
    if (!this.isTelling || now < this.next_ms) return;
    this.next_ms = now + TELL_EVERY_MS;
    const numbers = Object.entries(values).flatMap(([name, value]) =>
      value === null ? [] : [[name, value] as const],
    );
    this.listener.metrics(step, Object.fromEntries(numbers));
  }
}

/** What a line reports. */
interface ReportedEvent {
  readonly progress?: readonly [done: number, of: number];
  readonly note: string;
  readonly log?: string;
  readonly step: number;
  readonly metrics?: Named<number | null>;
}

/** What a line says, or why it cannot be used. */
function eventIn(text: string): ReportedEvent | string {
  const line = parsed(text);
  if (line === undefined) return 'is no JSON';
  if (typeof line !== 'object' || line === null || Array.isArray(line))
    return 'is not a JSON object';
  const { progress, note, log, step, metrics } = line as Named<Json>;
  if (progress === undefined && log === undefined && metrics === undefined) {
    return 'has none of progress, log and metrics';
  }
  if (progress !== undefined && !isProgress(progress))
    return 'has a progress that is not [done, of]';
  if (metrics === undefined) {
    return {
      ...(progress !== undefined && { progress: progress as unknown as [number, number] }),
      ...(log !== undefined && { log: String(log) }),
      note: note === undefined ? '' : String(note),
      step: 0,
    };
  }
  if (typeof step !== 'number' || !Number.isSafeInteger(step) || step < 0) {
    return 'has metrics without a step, an integer from 0 on';
  }
  const values = numbersIn(metrics);
  if (values === undefined) return 'has metrics that are not numbers by name';
  return {
    ...(progress !== undefined && { progress: progress as unknown as [number, number] }),
    ...(log !== undefined && { log: String(log) }),
    note: note === undefined ? '' : String(note),
    step,
    metrics: values,
  };
}

const isProgress = (value: Json): boolean =>
  Array.isArray(value) &&
  value.length === 2 &&
  value.every((part) => typeof part === 'number' && Number.isFinite(part) && part >= 0);

/** Numbers by name; what is no number in Python's JSON (NaN, Infinity) is null. Undefined for anything else. */
function numbersIn(metrics: Json): Named<number | null> | undefined {
  if (typeof metrics !== 'object' || metrics === null || Array.isArray(metrics)) return undefined;
  const numbers: [string, number | null][] = [];
  for (const [name, value] of Object.entries(metrics)) {
    if (name === '__proto__' || name === 'step') return undefined;
    if (value !== null && typeof value !== 'number' && typeof value !== 'boolean') return undefined;
    numbers.push([name, value === null ? null : Number(value)]);
  }
  return Object.fromEntries(numbers);
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return withoutNaN(text);
  }
}

/** Python's `json` writes NaN and Infinity as words, which are no JSON. */
function withoutNaN(text: string): Json | undefined {
  const plain = text.replace(/(?<=[:,[]\s*)-?(?:NaN|Infinity)(?=\s*[,}\]])/g, 'null');
  if (plain === text) return undefined;
  try {
    return JSON.parse(plain) as Json;
  } catch {
    return undefined;
  }
}
