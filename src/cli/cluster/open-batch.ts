// open-batch.ts — the batch system of an executor, and the program that its jobs run
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Batch } from '../../cluster/batch.ts';
import { localBatch } from '../../cluster/local-batch.ts';
import { slurmBatch } from '../../cluster/slurm/slurm-batch.ts';
import type { ExecutorConfig } from '../../engine/config/executors.ts';

/** This program: what jobs run is the same. */
export const jobProgram = fileURLToPath(new URL('./cli.cjs', import.meta.url));

/** @param logs the folder with what jobs print */
export function batchFor({ type }: Pick<ExecutorConfig, 'type'>, logs: string): Batch {
  if (type === 'processes') {
    const folder = join(logs, 'jobs');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const kill = (pid: number, signal: NodeJS.Signals): unknown => process.kill(pid, signal);
    return localBatch(folder, { environment: process.env, kill });
  }
  return slurmBatch({ environment: process.env, logs });
}
