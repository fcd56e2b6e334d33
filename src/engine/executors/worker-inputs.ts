// worker-inputs.ts — the inputs of an action, as a worker process takes them
import type { Coordinates, Named, TaskId } from '../model/key.ts';
import type { InputBlobs } from '../worker/protocol.ts';
import type { ActionInput, ProjectFileSpec } from './executor.ts';

/**
 * Blobs with the bytes that came with them, and files of the project as items of a list whose only coordinate is the name.
 * @param read gives the content of a file of the project
 */
export async function workerInputs(
  inputs: Named<ActionInput>,
  read: (file: ProjectFileSpec) => Promise<Uint8Array>,
): Promise<Named<InputBlobs>> {
  const blobs: Record<string, InputBlobs> = {};
  for (const [port, input] of Object.entries(inputs)) {
    const items: InputBlobs['items'][number][] = [];
    if ('projectFiles' in input) {
      for (const file of input.projectFiles) {
        const { name, digest } = file;
        const at: Coordinates = { file: name };
        items.push({ task: name as TaskId, at, digest, bytes: await read(file) });
      }
      blobs[port] = { arity: 'many', items };
      continue;
    }
    const missing: NonNullable<InputBlobs['missing']>[number][] = [];
    for (const item of input.items) {
      const { task, at } = item;
      if ('missing' in item) missing.push({ task, at, reason: item.missing });
      else {
        const { content, blob } = item;
        items.push({ task, at, digest: blob.digest, ...(content && { bytes: content }) });
      }
    }
    const { arity } = input;
    blobs[port] = { arity, items, ...(arity === 'partial' && { missing }) };
  }
  return blobs;
}
