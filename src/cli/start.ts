#!/usr/bin/env node
// start.ts — where the command begins: nothing is loaded to say that there is nothing to do
// It is built as one CommonJS file, which Node starts sooner than modules.
import nodeModule from 'node:module';
import { mayBeAltered } from './arguments.ts';
import { sayNothingToDo } from './noop.ts';

// A pipe that closes early (`| head`) is no error. Without results to tell we are done; without talk we go on.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const words = process.argv.slice(2);
if (mayBeAltered(words) || !sayNothingToDo(words)) {
  // From Node 22 on, compiled code is kept: every other command starts sooner.
  (nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();
  void import('./main.ts');
}
