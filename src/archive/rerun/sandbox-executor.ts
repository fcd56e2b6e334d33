// sandbox-executor.ts — an executor whose actions run in processes that end with them, and whose answers are only compared
import type {
  ActionSpec,
  Executor,
  Hooks,
  ProjectFileSpec,
} from '../../engine/executors/executor.ts';
import { workerInputs } from '../../engine/executors/worker-inputs.ts';
import { failed } from '../../engine/model/action-result.ts';
import type { Digest, Named } from '../../engine/model/key.ts';
import type { KeptOutput } from '../../engine/model/record.ts';
import { keptOutput } from '../../engine/store/store.ts';
import type { GivenBundle } from '../../engine/worker/protocol.ts';
import { type Launcher, runSandboxed } from './sandboxed-run.ts';

/** What a sandbox draws on: everything that an `ActionSpec` does not name. */
export interface SandboxPlace {
  readonly launcher: Launcher;
  /** Folder whose packages stages may load. */
  readonly root: string;
  /** Folder in which it runs. */
  readonly cwd: string;
  /** The bundle of a module. Whoever runs it verifies it. */
  bundle(code: Digest): Promise<Required<GivenBundle>>;
  /** The content of a declared file. @throws when it cannot be had */
  file(digest: Digest, name: string): Promise<Uint8Array>;
  projectFile(file: ProjectFileSpec): Promise<Uint8Array>;
  /** An action that gives more bytes is ended. */
  outputBytesMax(action: ActionSpec): number;
}

/** An executor for modules. Inputs must come with their bytes: a sandbox reads no store. */
export function sandboxExecutor(place: SandboxPlace): Executor {
  const { launcher, root, cwd } = place;
  return {
    name: 'sandbox',
    async execute(action, hooks, signal) {
      const { parts } = action;
      const bundle = await place.bundle(parts.code);
      const tools = parts.tools ?? null;
      const files: Record<string, { digest: Digest; bytes: Uint8Array }> = {};
      for (const [name, digest] of Object.entries(action.files)) {
        files[name] = { digest, bytes: await place.file(digest, name) };
      }
      const inputs = await workerInputs(action.inputs, place.projectFile);
      hooks.begun();
      const result = await runSandboxed(launcher, {
        request: { bundle, root, params: parts.params, tools, inputs, files },
        readable: tools ? [bundle.file, `${root}/*`] : [bundle.file],
        addons: tools !== null,
        cwd,
        outputBytesMax: place.outputBytesMax(action),
        signal,
      });
      if (result.end === 'stopped') return { status: 'stopped' };
      if (result.end === 'done') return { status: 'done', outputs: keptOutputs(result.outputs) };
      const { message, infeasible } = result;
      return failed({ cause: 'stage', message, infeasible });
    },
    checkpointNow: () => undefined,
    async close() {},
  };
}

const keptOutputs = (outputs: ReadonlyMap<string, Uint8Array>): Named<KeptOutput> =>
  Object.fromEntries([...outputs].map(([name, bytes]) => [name, keptOutput(bytes)]));

/** Outputs with their bytes. */
export const contentsOf = (outputs: Named<KeptOutput>): ReadonlyMap<string, Uint8Array> =>
  new Map(
    Object.entries(outputs).flatMap(([name, { content }]) => (content ? [[name, content]] : [])),
  );

/** Nobody hears what an action says that is run again. */
export const SILENT: Hooks = {
  begun: () => undefined,
  progress: () => undefined,
  log: () => undefined,
  warn: () => undefined,
  loadCheckpoint: async () => undefined,
  saveCheckpoint: async () => undefined,
  checkpointFolder: async () => undefined,
  dropCheckpoint: async () => undefined,
  metrics: () => undefined,
};
