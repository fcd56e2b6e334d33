// module-executor.ts — runs modules in worker processes on this machine
import { failed } from '../model/action-result.ts';
import type { Named } from '../model/key.ts';
import { readProjectFiles } from '../planning/project-files.ts';
import { StageError } from '../stage.ts';
import type { GivenBlob, InputBlobs } from '../worker/protocol.ts';
import { createWorkers } from '../worker/worker-pool.ts';
import type { ActionInput, ActionSpec, Executor } from './executor.ts';
import type { LocalMachine } from './machine.ts';

/** An executor for modules: as many processes as actions run at once, used again and again. */
export function moduleExecutor(machine: LocalMachine): Executor {
  const { worker, root, cache, bundle } = machine;
  const workers = createWorkers(worker);
  return {
    name: 'module',
    async execute(action, hooks, signal) {
      const { parts, isolate, timeout_ms } = action;
      let inputs: Named<InputBlobs>;
      try {
        inputs = await inputBlobs(action.inputs, machine);
      } catch (error) {
        // A file of the project is no longer what the key says.
        if (!(error instanceof StageError)) throw error;
        return failed({ cause: 'inputs', message: error.message });
      }
      hooks.begun();
      const checkpoint = (await hooks.loadCheckpoint()) ?? null;
      const request = {
        bundle: bundle(parts.code),
        root,
        cache,
        params: parts.params,
        tools: parts.tools ?? null,
        inputs,
        files: filesOf(action.files),
        checkpoint,
      };
      const callbacks = {
        progress: hooks.progress,
        log: hooks.log,
        checkpoint: (bytes: Uint8Array) => void hooks.saveCheckpoint(bytes),
      };
      return workers.run(request, callbacks, { isolate, timeout_ms, signal });
    },
    checkpointNow: () => workers.checkpointNow(),
    close: () => workers.close(),
  };
}

const filesOf = (files: ActionSpec['files']): Named<GivenBlob> =>
  Object.fromEntries(Object.entries(files).map(([name, digest]) => [name, { digest }]));

/** Inputs as a worker takes them: small blobs with their bytes, and files of the project from their folder. */
async function inputBlobs(
  inputs: Named<ActionInput>,
  { projectFile }: Pick<LocalMachine, 'projectFile'>,
): Promise<Named<InputBlobs>> {
  const blobs: Record<string, InputBlobs> = {};
  for (const [port, input] of Object.entries(inputs)) {
    if ('projectFiles' in input) {
      const files = input.projectFiles.map((file) => ({ ...file, path: projectFile(file) }));
      blobs[port] = { arity: 'many', items: await readProjectFiles(files) };
      continue;
    }
    const { arity, items } = input;
    const missing: NonNullable<InputBlobs['missing']>[number][] = [];
    const given: InputBlobs['items'][number][] = [];
    for (const { task, at, ...item } of items) {
      if ('missing' in item) missing.push({ task, at, reason: item.missing });
      else {
        const { content } = item;
        given.push({ task, at, digest: item.blob.digest, ...(content && { bytes: content }) });
      }
    }
    blobs[port] = { arity, items: given, ...(arity === 'partial' && { missing }) };
  }
  return blobs;
}
