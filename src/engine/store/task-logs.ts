// task-logs.ts — the output of tasks: the first and the last lines of each, within the bound of a log
const LINES_MAX = 1000;
const LINE_LENGTH_MAX = 2000;

/** Lines of a task. Those between `head` and `tail` were left out. */
export interface KeptLines {
  readonly head: readonly string[];
  readonly tail: readonly string[];
  readonly dropped: number;
}

const NOTHING: KeptLines = { head: [], tail: [], dropped: 0 };

interface Growing {
  readonly head: string[];
  readonly tail: string[];
  dropped: number;
}

/** The logs of the tasks of a run, by task. */
export class TaskLogs<Task extends string = string> {
  private readonly logs = new Map<Task, Growing>();

  /** Adds a line. A long one is cut off. Returns by how many characters the logs have grown. */
  add(task: Task, line: string): number {
    const log = this.growing(task);
    const short = line.length > LINE_LENGTH_MAX ? `${line.slice(0, LINE_LENGTH_MAX)}…` : line;
    if (log.head.length < LINES_MAX) {
      log.head.push(short);
      return short.length;
    }
    log.tail.push(short);
    // Cut by halves: shifting a line at a time would be quadratic.
    if (log.tail.length < 2 * LINES_MAX) return short.length;
    const cut = log.tail.splice(0, LINES_MAX);
    log.dropped += LINES_MAX;
    return short.length - cut.reduce((sum, one) => sum + one.length, 0);
  }

  /** Lines of a task that whoever noted them left out already. */
  leaveOut(task: Task, lines: number): void {
    this.growing(task).dropped += lines;
  }

  of(task: Task): KeptLines {
    return this.logs.get(task) ?? NOTHING;
  }

  lastLines(task: Task, count: number): readonly string[] {
    const { head, tail } = this.of(task);
    return [...head.slice(-count), ...tail.slice(-count)].slice(-count);
  }

  /** Lets go of a task's lines. Returns how many characters they were. */
  forget(task: Task): number {
    const { head, tail } = this.of(task);
    this.logs.delete(task);
    return [...head, ...tail].reduce((sum, line) => sum + line.length, 0);
  }

  tasks(): readonly Task[] {
    return [...this.logs.keys()];
  }

  clear(): void {
    this.logs.clear();
  }

  [Symbol.iterator](): IterableIterator<[Task, KeptLines]> {
    return this.logs.entries();
  }

  private growing(task: Task): Growing {
    const known = this.logs.get(task) ?? { head: [], tail: [], dropped: 0 };
    this.logs.set(task, known);
    return known;
  }
}
