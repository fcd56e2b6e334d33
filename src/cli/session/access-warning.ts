// access-warning.ts — what is said, once a command, of a store that others can write, or that is theirs and keeps them out
import { readFileSync } from 'node:fs';
import { readPipelineParts } from '../../engine/config/config.ts';
import {
  type AccessFault,
  accessFault,
  type StoreAccess,
} from '../../engine/files/store-access.ts';
import { STORE_FILE } from '../../engine/store/store-state.ts';
import { decodeSource } from '../../engine/text/source-text.ts';

/** What is wrong with who may use a store, by its folder: looked at once a command. */
const faults = new Map<string, AccessFault | undefined>();
/** Those of which it was said. */
const told = new Set<string>();
/** What pipeline files say of who may use their stores, by the folders of these, as far as they were read. */
const declared = new Map<string, StoreAccess>();
/** Pipeline files, by the folders of their stores. */
const pipelineFiles = new Map<string, string>();

function faultOf(cache: string): AccessFault | undefined {
  if (faults.has(cache)) return faults.get(cache);
  const undeclared = accessFault(cache, STORE_FILE, 'private');
  // Most stores are their owner's alone: then nothing is read for this.
  const isSound = undeclared === undefined && !declared.has(cache);
  const fault = isSound ? undefined : accessFault(cache, STORE_FILE, declaredAccess(cache));
  faults.set(cache, fault);
  return fault;
}

/** What pipeline.yaml says of who may use a store; undefined where it cannot be read. */
export function declaredAccess(cache: string): StoreAccess | undefined {
  const known = declared.get(cache);
  if (known !== undefined) return known;
  const path = pipelineFiles.get(cache);
  if (path === undefined) return undefined;
  try {
    const text = decodeSource(readFileSync(path), path);
    const parts = text.ok
      ? readPipelineParts({ text: text.value, file: path, presets: [], sets: [] })
      : text;
    return parts.ok ? (parts.value.pipeline.storeAccess ?? 'private') : undefined;
  } catch {
    return undefined;
  }
}

/** Notes what a pipeline file says that was read. */
export function noteAccess(cache: string, access: StoreAccess = 'private'): void {
  declared.set(cache, access);
}

/** Notes which pipeline file tells of a store. */
export function notePipelineFile(cache: string, path: string): void {
  pipelineFiles.set(cache, path);
}

/** Whether others can write a store that is not declared theirs: each command looks at it anew, and says so. */
export const isLoose = (cache: string): boolean => faultOf(cache) !== undefined;

/** What is to be said of who may use a store; undefined when that is nothing, or was said. */
export function accessWarning(cache: string): string | undefined {
  const fault = told.has(cache) ? undefined : faultOf(cache);
  told.add(cache);
  return fault && `${fault.message}: ${fault.hint}`;
}
