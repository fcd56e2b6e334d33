// trace-file.ts — what ran when and in which slot, as a file that Perfetto and chrome://tracing open
import { closeSync, writeSync } from 'node:fs';
import type { Event, Listener } from '../../engine/model/event.ts';
import type { TaskId } from '../../engine/model/key.ts';
import { openOutput } from '../session/output-files.ts';

/** Writes while the run goes on. */
export interface TraceFile {
  readonly listener: Listener;
  /** Ends the file. Without it (`kill -9`) only the closing bracket is missing, which readers of this format allow. */
  close(): void;
}

/** One slice: a task in a slot. Times are in microseconds since the run began. */
interface Slice {
  readonly task: TaskId;
  readonly start: number;
  readonly slot: number;
  readonly args: Record<string, unknown>;
}

/** The one process of a trace. */
const PROCESS = 1;

/**
 * Opens a trace in Chrome's format: a track for each slot, a slice for each time a task ran, with its reason, end and
 * outputs. Other events of a task are marks on its track.
 * @param now milliseconds, from a clock that never goes back
 * @param onError hears, once, that nothing more can be written: the run goes on
 */
export function openTrace(
  file: string,
  now: () => number,
  onError: (error: Error) => void,
): TraceFile {
  const descriptor = openOutput(file);
  const start = now();
  const running = new Map<TaskId, Slice>();
  const tracks = new Set<number>();
  let open = true;
  let first = true;
  const writeText = (text: string): void => {
    try {
      writeSync(descriptor, text);
    } catch (error) {
      open = false;
      closeSync(descriptor);
      onError(error as Error);
    }
  };
  const write = (entry: Record<string, unknown>): void => {
    if (!open) return;
    writeText(`${first ? '[\n' : ',\n'}${JSON.stringify({ pid: PROCESS, ...entry })}`);
    first = false;
  };
  const time = (): number => Math.round((now() - start) * 1000);
  const track = (slot: number): void => {
    if (tracks.has(slot)) return;
    tracks.add(slot);
    write({ ph: 'M', name: 'thread_name', tid: slot + 1, args: { name: `slot ${slot + 1}` } });
  };
  const end = (slice: Slice, how: string, more: object, duration?: number): void => {
    running.delete(slice.task);
    const { task, slot, args } = slice;
    const dur = duration ?? time() - slice.start;
    const span = { ts: slice.start, dur: Math.max(1, dur), tid: slot + 1 };
    const colour = how === 'failed' ? { cname: 'terrible' } : {};
    write({
      ph: 'X',
      cat: how,
      name: task,
      ...span,
      ...colour,
      args: { ...args, end: how, ...more },
    });
  };
  const hear = (event: Event): void => {
    if (event.event === 'started') {
      const { task, slot, key, reason } = event;
      track(slot);
      running.set(task, { task, slot, start: time(), args: { key, reason } });
      return;
    }
    const slice = 'task' in event && event.task ? running.get(event.task) : undefined;
    if (slice === undefined) return;
    if (event.event === 'built') {
      // Its slot was free before it was kept: the slice ends where the task did.
      end(slice, 'built', { outputs: event.outputs }, Math.round(event.seconds * 1e6));
    } else if (event.event === 'failed') end(slice, 'failed', { error: event.error.message });
    else if (event.event === 'retrying') end(slice, 'failed', { error: event.error.message });
    else if (event.event === 'waiting') end(slice, 'waiting', { for: event.by?.task });
    else if (event.event === 'infeasible') end(slice, 'infeasible', { message: event.message });
    else if (event.event === 'interrupted') end(slice, 'interrupted', {});
    else if (event.event === 'log' || event.event === 'warning') {
      const text = event.event === 'log' ? event.line : event.message;
      write({ ph: 'i', s: 't', cat: event.event, name: text, ts: time(), tid: slice.slot + 1 });
    }
  };
  write({ ph: 'M', name: 'process_name', args: { name: 'pipeline make' } });
  return {
    listener: hear,
    close() {
      for (const slice of [...running.values()]) end(slice, 'cut off', {});
      if (!open) return;
      writeText('\n]\n');
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}
