// module-executor.ts — runs modules in worker processes on this machine
import { failed } from '../model/action-result.ts';
import type { Named } from '../model/key.ts';
import { readProjectFile } from '../planning/project-files.ts';
import { StageError } from '../stage.ts';
import type { GivenBlob, InputBlobs } from '../worker/protocol.ts';
import { createWorkers } from '../worker/worker-pool.ts';
import type { ActionSpec, Executor } from './executor.ts';
import type { LocalMachine } from './machine.ts';
import { workerInputs } from './worker-inputs.ts';

/** An executor for modules: as many processes as actions run at once, used again and again. */
export function moduleExecutor(machine: LocalMachine): Executor {
  const { worker, root, cache, bundle } = machine;
  const workers = createWorkers(worker, machine.blobs);
  return {
    name: 'module',
    async execute(action, hooks, signal) {
      const { parts, isolate, timeout_ms } = action;
      let inputs: Named<InputBlobs>;
      try {
        inputs = await workerInputs(action.inputs, (file) =>
          readProjectFile({ ...file, path: machine.projectFile(file) }),
        );
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
      const outputs = Object.keys(parts.outputs);
      return workers.run(request, callbacks, { isolate, outputs, timeout_ms, signal });
    },
    checkpointNow: () => workers.checkpointNow(),
    close: () => workers.close(),
  };
}

const filesOf = (files: ActionSpec['files']): Named<GivenBlob> =>
  Object.fromEntries(Object.entries(files).map(([name, digest]) => [name, { digest }]));
