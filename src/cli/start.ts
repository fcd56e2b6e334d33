#!/usr/bin/env node
// start.ts — where the command begins: nothing is loaded to say that there is nothing to do
// It is built as one CommonJS file, which Node starts sooner than modules.
import nodeModule from 'node:module';
import { sayNothingToDo } from './noop.ts';

// A pipe that closes early (`| head`) is no error. Without results to tell we are done; without talk we go on.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A terminal that was closed: a make saves and stops, and there is nobody to tell.
  if (error.code === 'EIO') return;
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
});

if (!sayNothingToDo(process.argv.slice(2))) {
  // From Node 22 on, compiled code is kept: every other command starts sooner.
  (nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();
  void import('./main.ts');
}
