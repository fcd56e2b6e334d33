// installed.ts — which packages a Python environment holds, as their own records tell
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { byCodeUnit } from '../model/key.ts';
import { normalName } from './versions.ts';

/** A package that is installed. */
export interface Distribution {
  /** As it calls itself. */
  readonly name: string;
  readonly version: string;
  /** Where its code lies, for one that is installed editable: folders that stand in for it. */
  readonly editable?: readonly string[];
}

/** The packages on a path, by normal name: the first of a name counts, as it does when it is imported. */
export function distributionsOn(path: readonly string[]): ReadonlyMap<string, Distribution> {
  const found = new Map<string, Distribution>();
  for (const folder of path) {
    for (const name of [...listed(folder)].sort(byCodeUnit)) {
      const read = distributionIn(folder, name);
      if (read && !found.has(normalName(read.name))) found.set(normalName(read.name), read);
    }
  }
  return found;
}

/** Identifies the packages on a path, so that a change to them is noticed. */
export const recordsOn = (path: readonly string[]): string =>
  path
    .flatMap((folder) => listed(folder).filter((name) => RECORD.test(name)))
    .sort(byCodeUnit)
    .join('\n');

const RECORD = /\.(?:dist-info|egg-info|egg-link)$/;

function distributionIn(folder: string, name: string): Distribution | undefined {
  const record = join(folder, name);
  if (name.endsWith('.dist-info')) {
    const told = headersOf(join(record, 'METADATA'));
    if (told === undefined) return undefined;
    const url = directUrl(join(record, 'direct_url.json'));
    return url === undefined ? told : { ...told, editable: rootsOf(record, url) };
  }
  if (name.endsWith('.egg-info')) return headersOf(join(record, 'PKG-INFO')) ?? headersOf(record);
  if (!name.endsWith('.egg-link')) return undefined;
  const source = textOf(record)?.split('\n', 1)[0]?.trim();
  if (!source) return undefined;
  const own = listed(source).find((one) => one.endsWith('.egg-info'));
  const told = own === undefined ? undefined : headersOf(join(source, own, 'PKG-INFO'));
  const { name: called, version } = told ?? { name: name.slice(0, -9), version: '0' };
  return { name: called, version, editable: [source] };
}

/** The name and the version that stand at the head of a record. */
function headersOf(file: string): Distribution | undefined {
  const head = textOf(file)?.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const name = /^Name:\s*(\S+)/im.exec(head)?.[1];
  const version = /^Version:\s*(\S+)/im.exec(head)?.[1];
  return name && version ? { name, version } : undefined;
}

/** The folder that an editable install was made from; undefined for any other. */
function directUrl(file: string): string | undefined {
  const text = textOf(file);
  if (text === undefined) return undefined;
  try {
    const told = JSON.parse(text) as { url?: unknown; dir_info?: { editable?: unknown } };
    const isEditable = told.dir_info?.editable === true && typeof told.url === 'string';
    return isEditable ? fileURLToPath(String(told.url)) : undefined;
  } catch {
    return undefined; // No JSON, or no address of a file.
  }
}

/** The folders that an editable install puts on the path, or maps packages to; where none is told, all of its source. */
function rootsOf(record: string, source: string): readonly string[] {
  const folder = dirname(record);
  const installed = (textOf(join(record, 'RECORD')) ?? '').split(/\r?\n/);
  const own = installed
    .map((line) => line.replace(/,[^,]*,[^,]*$/, ''))
    .filter((file) => /^[^/\\]+\.(?:pth|py)$/.test(file));
  const roots = own.flatMap((file) => pathsIn(textOf(join(folder, file)) ?? '', file));
  return roots.length > 0 ? [...new Set(roots)] : [source];
}

/** Absolute paths: lines of a .pth, texts of a finder. */
const pathsIn = (text: string, file: string): readonly string[] =>
  (file.endsWith('.pth')
    ? text.split(/\r?\n/)
    : [...text.matchAll(/'([^'\n]+)'|"([^"\n]+)"/g)].map(([, a, b]) => a ?? b ?? '')
  )
    .map((path) => path.trim())
    .filter((path) => isAbsolute(path) && dirname(path) !== path);

function listed(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
