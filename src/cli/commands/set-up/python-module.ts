// python-module.ts — where the Python module lies in this package: its wheel, and the studies that use it
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../../session/usage-error.ts';

/** The folder `python` of this package: this bundle lies in `dist`, beside it. */
const pythonFolder = (): string => fileURLToPath(new URL('../python', import.meta.url));

/** The wheel of the module `pipeline_study`. @throws UsageError where it was not built */
export function wheelFile(): string {
  const folder = join(pythonFolder(), 'dist');
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const wheel = files.find((file) => file.endsWith('.whl'));
  if (wheel !== undefined) return join(folder, wheel);
  const message = `the wheel of the Python module is not in ${folder}`;
  throw new UsageError([
    { message, hint: 'in a clone: npm run build:python; otherwise install the package again' },
  ]);
}

/** Studies that `init --template` writes. */
export const TEMPLATES = ['pytorch', 'sklearn'];

/** The files of a study by path: those of its template, and the module that they need. @throws UsageError */
export function templateFiles(name: string): { readonly [path: string]: string | Uint8Array } {
  const folder = join(pythonFolder(), 'templates', name);
  const wheel = wheelFile();
  const place = `wheels/${basename(wheel)}`;
  const [, version] = basename(wheel).split('-');
  const required = `pipeline-study==${version}\n`;
  const files = readdirSync(folder).map((file): [string, string] => {
    const text = readFileSync(join(folder, file), 'utf8');
    // npm publishes no file of the other name.
    if (file === 'gitignore') return ['.gitignore', text];
    return [file, file === 'requirements.txt' ? `${text}${required}` : text];
  });
  return { ...Object.fromEntries(files), [place]: readFileSync(wheel) };
}
