// show.ts — pipeline show TASK[:output]: what a task made
import { writeFile } from 'node:fs/promises';
import prettyBytes from 'pretty-bytes';
import { forecast } from '../pipeline/action.ts';
import { didYouMean } from '../pipeline/located.ts';
import type { Output, Trace } from '../pipeline/store.ts';
import { decodeSafetensors, elementType, type Tensor } from '../tensor.ts';
import {
  type CommonOptions,
  stdoutColors as c,
  EXIT,
  oneTask,
  openSession,
  type Session,
  talk,
  tell,
  tellJson,
  UsageError,
} from './session.ts';
import { absenceWords, taskWord } from './words.ts';

interface ShowOptions extends CommonOptions {
  readonly output?: string;
}

/** Lists a task's outputs, or shows one of them. */
export async function show(target: string, options: ShowOptions): Promise<number> {
  const session = await openSession(options);
  try {
    const [word, name] = target.split(':', 2);
    const trace = traceOf(session, word);
    if (name === undefined) {
      tellOutputs(trace, options.json ?? false);
      return EXIT.made;
    }
    const output = Object.hasOwn(trace.outputs, name) ? trace.outputs[name] : undefined;
    if (output === undefined) {
      const hint = didYouMean(name, Object.keys(trace.outputs));
      throw new UsageError([{ message: `${trace.task} has no output \`${name}\``, hint }]);
    }
    const bytes = session.store.blob(output.digest);
    if (bytes === undefined) {
      const message = `the store has lost ${trace.task}:${name}`;
      throw new UsageError([{ message, hint: `pipeline make ${taskWord(trace.task)}` }]);
    }
    if (options.output !== undefined) {
      await writeFile(options.output, bytes);
      talk(`${prettyBytes(bytes.length)} written to ${options.output}`);
    } else tellOutput(output, bytes, options.json ?? false);
    return EXIT.made;
  } finally {
    await session.store.close();
  }
}

/** The trace of a task as it is now; of its last making when that is out of date, with a word saying so. */
function traceOf({ plan, store }: Session, word: string): Trace {
  const task = oneTask(plan, word);
  const fate = forecast(plan, store, new Set()).get(task);
  if (fate?.fate === 'reuse') return fate.trace;
  if (fate?.fate === 'infeasible') {
    const message = `${task} has no outputs: ${absenceWords(task, fate.absence)}`;
    throw new UsageError([{ message, hint: 'change its params, or leave it out of the matrix' }]);
  }
  const latest = store.latest(task);
  const trace = latest && store.trace(latest);
  if (trace === undefined || trace.infeasible !== undefined) {
    const hint = `pipeline make ${taskWord(task)}`;
    throw new UsageError([{ message: `${task} has not been made`, hint }]);
  }
  talk(`${c.yellow('out of date')}: this is what ${task} gave when it was last made`);
  return trace;
}

function tellOutputs({ task, outputs }: Trace, json: boolean): void {
  if (json) {
    tellJson({ task, outputs });
    return;
  }
  tell(c.bold(task));
  const width = Math.max(...Object.keys(outputs).map((name) => name.length));
  for (const [name, { kind, bytes, digest }] of Object.entries(outputs)) {
    const size = prettyBytes(bytes).padStart(9);
    tell(`  ${name.padEnd(width)}  ${kind.padEnd(7)} ${size}  ${c.dim(digest)}`);
  }
}

function tellOutput({ kind, digest, bytes: size }: Output, bytes: Uint8Array, json: boolean): void {
  if (kind === 'json') {
    const text = new TextDecoder().decode(bytes);
    tell(json ? text : JSON.stringify(JSON.parse(text), null, 2));
  } else if (kind === 'tensors') tellTensors(bytes, json);
  else if (json) tellJson({ kind, bytes: size, digest });
  else if (kind === 'text' || !process.stdout.isTTY) process.stdout.write(bytes);
  else tell(`${prettyBytes(size)} of ${kind}; write them with -o FILE`);
}

function tellTensors(bytes: Uint8Array, json: boolean): void {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const rows = Object.entries(tensors).map(([name, tensor]) => ({
    name,
    type: elementType(tensor.data),
    shape: tensor.shape,
    ...rangeOf(tensor),
  }));
  if (json) {
    tellJson({ tensors: rows, metadata });
    return;
  }
  const width = Math.max(4, ...rows.map(({ name }) => name.length));
  for (const { name, type, shape, min, mean, max } of rows) {
    const range = `min ${short(min)}  mean ${short(mean)}  max ${short(max)}`;
    tell(`${name.padEnd(width)}  ${type.padEnd(3)} [${shape.join(', ')}]  ${c.dim(range)}`);
  }
}

const short = (value: number | null): string =>
  value === null ? '–' : String(Number(value.toPrecision(5)));

function rangeOf({ data }: Tensor): {
  min: number | null;
  mean: number | null;
  max: number | null;
} {
  if (data.length === 0) return { min: null, mean: null, max: null };
  let [min, max, sum] = [data[0], data[0], 0];
  for (const value of data) {
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  return { min, mean: sum / data.length, max };
}
