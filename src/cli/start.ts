#!/usr/bin/env node
// start.ts — where the command begins: nothing is loaded to say that there is nothing to do
// It is built as one CommonJS file, which Node starts sooner than modules.
import nodeModule from 'node:module';
import make from 'pipeline:declaration/make';
import { inspections } from 'pipeline:inspections';
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
  (sayNothingToDo(words, make) || repeatInspection(words, inspections));
if (!isRepeated) {
  // From Node 22 on, compiled code is kept: every other command starts sooner.
  (nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();
  // Node opens its debugger to whoever sends this signal, and code that we run could: with a listener it does not.
  process.on('SIGUSR1', () => undefined);
  void import('./main.ts');
}
