// command-executor.ts — runs commands on this machine, each in a scratch folder of its own
import { isBoundByRights } from '../files/own-folder.ts';
import { type ActionResult, failed } from '../model/action-result.ts';
import type { Digest, Named } from '../model/key.ts';
import { progressOf } from '../process/lines.ts';
import { LARGE_BLOB_BYTES } from '../store/blob-files.ts';
import { runInScratch } from './command-runner.ts';
import { type HeldInput, invocationOf } from './command-spec.ts';
import type { ActionSpec, Executor } from './executor.ts';
import { nothingKnown } from './input-files.ts';
import type { CommandMachine } from './machine.ts';

/** Of inputs up to this size, the bytes are held until they are written. */
const HELD_BYTES_MAX = 16_384;

/** An executor for commands. */
export function commandExecutor(machine: CommandMachine): Executor {
  // Whoever may write any file is not kept from writing to a blob by its rights.
  const mayLink = isBoundByRights();
  const known = nothingKnown();
  return {
    name: 'command',
    async execute(action, hooks, signal) {
      const held = await hold(action, machine);
      if ('lost' in held) return { status: 'lost-inputs', digests: held.lost };
      hooks.begun();
      if (signal.aborted) return { status: 'stopped' };
      const { timeout_ms } = action;
      const late = timeout_ms === null ? undefined : AbortSignal.timeout(timeout_ms);
      const result: ActionResult = await runInScratch({
        action,
        command: invocationOf(action.parts, action.inputs),
        inputs: held.inputs,
        ...{ machine, mayLink, known },
        signal: late ? AbortSignal.any([signal, late]) : signal,
        log: hooks.log,
        state(text) {
          const { done, of, note } = progressOf(text);
          hooks.progress(done, of, note);
        },
        warn: hooks.warn,
        hooks,
      });
      const isLate = result.status === 'stopped' && late?.aborted && !signal.aborted;
      return isLate && timeout_ms !== null ? failed({ cause: 'timeout', timeout_ms }) : result;
    },
    checkpointNow: () => undefined,
    async close() {},
  };
}

/** Reads the inputs of a command. A large one goes from the store to a file, piece by piece. */
async function hold(
  { inputs }: ActionSpec,
  { blobs }: CommandMachine,
): Promise<{ readonly inputs: Named<HeldInput> } | { readonly lost: readonly Digest[] }> {
  const held: Record<string, HeldInput> = {};
  const lost: Digest[] = [];
  for (const [port, input] of Object.entries(inputs)) {
    if ('projectFiles' in input) continue;
    const items: HeldInput[number][] = [];
    for (const item of input.items) {
      if ('missing' in item) {
        items.push(item);
        continue;
      }
      const { task, at, blob, content } = item;
      const { digest } = blob;
      const isLarge = blob.bytes >= LARGE_BLOB_BYTES;
      const bytes = content ?? (isLarge ? undefined : await blobs.get(digest));
      if (bytes === undefined && !isLarge) lost.push(digest);
      // What is not small is read again when it is written: many such inputs are not held together.
      const isHeld = bytes !== undefined && bytes.length <= HELD_BYTES_MAX;
      items.push({ task, at, digest, ...(isHeld && { bytes }) });
    }
    held[port] = items;
  }
  return lost.length > 0 ? { lost } : { inputs: held };
}
