// command-executor.ts — runs commands on this machine, each in a scratch folder of its own
import { type ActionResult, failed } from '../model/action-result.ts';
import type { Digest, Named } from '../model/key.ts';
import { progressOf } from '../process/lines.ts';
import { runInScratch } from './command-runner.ts';
import { type HeldInput, invocationOf } from './command-spec.ts';
import type { ActionSpec, Executor } from './executor.ts';
import type { CommandMachine } from './machine.ts';

/** An executor for commands. */
export function commandExecutor(machine: CommandMachine): Executor {
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
        machine,
        signal: late ? AbortSignal.any([signal, late]) : signal,
        log: hooks.log,
        state(text) {
          const { done, of, note } = progressOf(text);
          hooks.progress(done, of, note);
        },
        warn: hooks.warn,
      });
      const isLate = result.status === 'stopped' && late?.aborted && !signal.aborted;
      return isLate && timeout_ms !== null ? failed({ cause: 'timeout', timeout_ms }) : result;
    },
    checkpointNow: () => undefined,
    async close() {},
  };
}

/** A command reads files: its inputs are read whole. */
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
      const { blob, content, ...whose } = item;
      const bytes = content ?? (await blobs.get(blob.digest));
      if (bytes === undefined) lost.push(blob.digest);
      items.push({ ...whose, bytes: bytes ?? new Uint8Array() });
    }
    held[port] = items;
  }
  return lost.length > 0 ? { lost } : { inputs: held };
}
