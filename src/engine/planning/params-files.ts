// params-files.ts — reads the files of `--params`
import { resolve } from 'node:path';
import type { ParamsFile } from '../config/params-file.ts';
import { readAtMost } from '../files/bounded-file.ts';
import { type Stamp, stampOf } from '../files/stamp.ts';
import { formatSystem, isSystemError, systemHint } from '../files/system-error.ts';
import { type Diagnostic, failure, type Result, success } from '../model/event.ts';
import { decodeSource } from '../text/source-text.ts';

/** Files of params, and what they looked like before they were read, by absolute path. */
export interface ReadParamsFiles {
  readonly files: readonly ParamsFile[];
  readonly stamps: ReadonlyMap<string, Stamp | null>;
}

/** A file of params beyond this size was not written by a person. */
const BYTES_MAX = 64 * 2 ** 20;

/** Reads files that `--params` names, relative to the working directory, or says of each what is wrong with it. */
export function readParamsFiles(names: readonly string[]): Result<ReadParamsFiles> {
  const stamps = new Map<string, Stamp | null>();
  const files: ParamsFile[] = [];
  const problems: Diagnostic[] = [];
  for (const name of names) {
    const path = resolve(name);
    const stamp = stampOf(path);
    stamps.set(path, stamp);
    const read = stamp !== null && stamp.size > BYTES_MAX ? tooLarge(name, stamp) : textOf(name);
    if (read.ok) files.push({ file: name, text: read.value });
    else problems.push(...read.diagnostics);
  }
  return problems.length > 0 ? failure(...problems) : success({ files, stamps });
}

const tooLarge = (name: string, { size }: Stamp): Result<never> =>
  failure({ message: `${name} has ${size} bytes: a params file may have ${BYTES_MAX}` });

function textOf(name: string): Result<string> {
  try {
    return decodeSource(readAtMost(resolve(name), BYTES_MAX), name);
  } catch (error) {
    if (error instanceof RangeError) {
      const message = `${name} has more bytes than a params file may have (${BYTES_MAX})`;
      return failure({ message });
    }
    if (!isSystemError(error)) throw error;
    const hint = systemHint(error) ?? '--params names a YAML or JSON file';
    if (error.code === 'ENOENT') {
      return failure({ message: `--params: there is no file ${name}`, hint: 'check the spelling' });
    }
    return failure({ message: `--params: ${name} cannot be read: ${formatSystem(error)}`, hint });
  }
}
