// follow-head.ts — shows the output of a head that runs as a job, until it ends
import { open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Batch, JobId } from '../../cluster/batch.ts';
import type { DepotLayout } from '../../cluster/layout.ts';
import {
  headJobName,
  headLog,
  isOpen,
  type SubmissionState,
  submissionCause,
  submissionStates,
} from '../../cluster/records/submission.ts';
import { writeStderr, writeStdout } from '../session/printing.ts';
import { EXIT } from '../session/session.ts';
import { formatHeadEnd } from './head-end.ts';

/** A head that is followed. */
export interface Followed {
  readonly layout: DepotLayout;
  readonly project: string;
  readonly batch: Batch;
  readonly id: string;
  /** Of the batch system; absent where that is not known yet. */
  readonly job?: JobId | undefined;
  /** Name of the executor. */
  readonly executor: string;
  readonly json: boolean;
}

const LOOK_MS = 500;
const PIECE_BYTES = 2 ** 16;

/** Shows it until it ends, and gives its exit code. Whoever ends this process does not end the job. */
export async function followHead(followed: Followed): Promise<number> {
  const { layout, project, batch, id, json } = followed;
  const tail = new LogTail(headLog(layout, project, headJobName(project, id)), (line) =>
    // What Slurm itself prints is none of the events.
    json && line.startsWith('{"event":') ? writeStdout(line) : writeStderr(line),
  );
  const { least_ms, most_ms } = batch.pace;
  let wait = least_ms;
  let next = performance.now();
  let told = '';
  let { job } = followed;
  for (;;) {
    const isNew = await tail.look();
    if (performance.now() >= next) {
      const state = (await submissionStates(layout, project, [id], batch)).get(id);
      if (state && !isOpen(state)) return ended(state, tail, { ...followed, job });
      if (state && 'sight' in state) job = state.sight.id;
      const reason = state?.state === 'waiting' ? (state.sight.reason ?? '') : '';
      if (!json && reason !== '' && reason !== told) writeStderr(`it waits: ${reason}`);
      told = reason;
      // Its end is seen in the depot without a question to anybody.
      wait = isNew ? least_ms : Math.min(2 * wait, most_ms);
      next = performance.now() + wait;
    } else if (await hasSaidEnd(layout, project, id)) next = 0;
    await pause(LOOK_MS);
  }
}

const hasSaidEnd = async (layout: DepotLayout, project: string, id: string): Promise<boolean> => {
  const states = await submissionStates(layout, project, [id], { look: async () => 'unknown' });
  return states.get(id)?.state === 'ended';
};

async function ended(
  state: SubmissionState,
  tail: LogTail,
  { batch, project, id, job, executor }: Followed,
): Promise<number> {
  await pause(LOOK_MS);
  await tail.look();
  tail.end();
  if (state.state === 'ended') return state.end.code;
  const name = headJobName(project, id);
  const cause = job && (await submissionCause(batch, { id: job, name, element: 0 }));
  writeStderr(`the head did not finish: ${formatHeadEnd(cause, executor)}`);
  return EXIT.failed;
}

/** The lines of a file that grows. */
class LogTail {
  private offset = 0;
  private rest = '';
  private readonly decoder = new TextDecoder();
  private readonly path: string;
  private readonly line: (line: string) => void;

  constructor(path: string, line: (line: string) => void) {
    this.path = path;
    this.line = line;
  }

  /** Whether there was something new. Opened anew each time: a network file system tells the length of a file then. */
  async look(): Promise<boolean> {
    const file = await open(this.path, 'r').catch(() => undefined);
    if (file === undefined) return false;
    const before = this.offset;
    try {
      const buffer = Buffer.alloc(PIECE_BYTES);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, this.offset);
        if (bytesRead === 0) return this.offset > before;
        this.offset += bytesRead;
        const lines =
          `${this.rest}${this.decoder.decode(buffer.subarray(0, bytesRead), { stream: true })}`.split(
            '\n',
          );
        this.rest = lines.pop() ?? '';
        for (const line of lines) this.line(line);
      }
    } finally {
      await file.close();
    }
  }

  end(): void {
    if (this.rest !== '') this.line(this.rest);
    this.rest = '';
  }
}
