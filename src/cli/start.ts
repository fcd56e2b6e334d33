#!/usr/bin/env node
// start.ts — where the command begins: nothing is loaded to say that there is nothing to do
// It is built as one CommonJS file, which Node starts sooner than modules.
import nodeModule, { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import make from 'pipeline:declaration/make';
import { loadProgram, readCompiled } from './compiled-code.ts';
import { repeatInspection } from './session/inspection-shortcut.ts';
import { sayNothingToDo } from './session/up-to-date-shortcut.ts';
import { mayBeAltered } from './terminal/arguments.ts';
import { guardStreams } from './terminal/streams.ts';

guardStreams();

const words = process.argv.slice(2);
// Whoever debugs wants to see the engine decide.
const isRepeated =
  process.env.PIPELINE_LOG !== 'debug' &&
  !mayBeAltered(words) &&
  (sayNothingToDo(words, make) || repeatInspection(words));
if (!isRepeated) {
  // Node opens its debugger to whoever sends this signal, and code that we run could: with a listener it does not.
  process.on('SIGUSR1', () => undefined);
  void (load('./main.cjs') as typeof import('./main.ts')).begin(process.argv);
}

/** Loads a file of the program. */
function load(path: string): unknown {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  const compiled = readCompiled(folder);
  if (compiled) return loadProgram(folder, compiled).require(path);
  // From Node 22 on, compiled code is kept: every other command starts sooner.
  (nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();
  return createRequire(import.meta.url)(path);
}
