// python-module.ts — where the Python module lies in this package: its wheel, and the studies that use it
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../../session/session.ts';

/** The folder `python` of this package: this bundle lies in `dist`, beside it. */
export const pythonFolder = (): string => fileURLToPath(new URL('../python', import.meta.url));

/** The wheel of the module `pipeline_study`. @throws UsageError where it was not built */
export function wheelFile(): string {
  const folder = join(pythonFolder(), 'dist');
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const wheel = files.find((file) => file.endsWith('.whl'));
  if (wheel !== undefined) return join(folder, wheel);
  const message = `the wheel of the Python module is not in ${folder}`;
  throw new UsageError([
    { message, hint: 'in a clone: npm run build:python; otherwise install the package anew' },
  ]);
}
