// tensorflow.ts — TensorFlow.js in the training bench: the engine that ours is held to, on what is installed
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { trainWithTensorflow } from '../src/network/tensorflow.ts';
import { openTensorflow } from '../src/network/tensorflow-backend.ts';
import { type Arm, timeSteps } from './net.ts';

type Request =
  | { readonly ask: 'version' }
  | { readonly ask: 'steps'; readonly arm: Arm; readonly steps: number };

// The packages are looked for from here, where the bench was started.
const { tf, versions, note } = await openTensorflow(createRequire(`${process.cwd()}/`));

function answer(request: Request): object {
  if (request.ask === 'version') return { versions, note: note ?? null };
  return timeSteps((job, hooks) => trainWithTensorflow(tf, job, hooks), request.arm, request.steps);
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
