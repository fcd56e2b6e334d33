#!/usr/bin/env node
// start.ts — where the command begins: nothing is loaded to say that there is nothing to do
// It is built as one CommonJS file, which Node starts sooner than modules.
import nodeModule, { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import make from 'pipeline:declaration/make';
import { inspections } from 'pipeline:inspections';
import { madeOwnFolder } from '../engine/files/own-folder.ts';
import { isSystemError, systemSentence } from '../engine/files/system-error.ts';
import { loadProgram, optimizeLater, readCompiled } from './compiled-code.ts';
import { repeatInspection } from './session/inspection-shortcut.ts';
import { sayNothingToDo } from './session/up-to-date-shortcut.ts';
import { mayBeAltered } from './terminal/arguments.ts';
import { guardStreams } from './terminal/streams.ts';

guardStreams();

/**
 * From Node 22 on, compiled code is kept: every other command starts sooner. Not where Node would put it, in a folder for
 * temporary files that others may have made first: V8 runs what it finds there.
 */
function keepCompiledCode(): void {
  const { enableCompileCache } = nodeModule as {
    enableCompileCache?: (folder?: string) => unknown;
  };
  if (enableCompileCache === undefined) return;
  const own = process.env.NODE_COMPILE_CACHE ? undefined : madeOwnFolder('cache');
  if (own !== undefined) enableCompileCache(join(own, 'compiled'));
}

/** Loads a file of the program, with the code that the build has compiled if it was for this version of Node. */
function load(path: string): unknown {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  const compiled = readCompiled(folder);
  if (compiled) return loadProgram(folder, compiled).require(path);
  optimizeLater();
  keepCompiledCode();
  return createRequire(import.meta.url)(path);
}

/** Whether the folder is still there in which this runs. */
function hasFolder(): boolean {
  try {
    process.cwd();
    return true;
  } catch {
    process.stderr.write(
      'error: the folder in which this runs has been removed\n  hint: cd to one that is there\n',
    );
    process.exitCode = 2;
    return false;
  }
}

/** Runs a command. Where not even the program can be read, there is a sentence all the same. */
function begin(): void {
  try {
    void (load('./main.cjs') as typeof import('./main.ts')).begin(process.argv);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    process.stderr.write(`error: ${systemSentence(error)}\n`);
    process.exitCode = 2;
  }
}

const words = process.argv.slice(2);
// Whoever debugs wants to see the engine decide.
const isRepeated = (): boolean =>
  process.env.PIPELINE_LOG !== 'debug' &&
  !mayBeAltered(words) &&
  (sayNothingToDo(words, make) || repeatInspection(words, inspections));
if (hasFolder() && !isRepeated()) {
  // Node opens its debugger to whoever sends this signal, and code that we run could: with a listener it does not.
  process.on('SIGUSR1', () => undefined);
  begin();
}
