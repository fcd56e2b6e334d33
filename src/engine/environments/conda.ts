// conda.ts — environments of conda: where they are, what they hold, what environment.yml asks of them
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseYaml } from '../config/yaml.ts';
import { byCodeUnit } from '../model/key.ts';
import { askProgram } from '../process/ask-program.ts';
import { fits, normalName } from './versions.ts';

/** What environment.yml says. */
export interface CondaLock {
  readonly name: string | undefined;
  /** Conditions on packages of conda, as it writes them. */
  readonly specs: readonly string[];
  /** Requirements that pip installs. */
  readonly pip: readonly string[];
}

/** A package of conda. */
export interface CondaPackage {
  readonly name: string;
  readonly version: string;
  readonly build: string;
}

/** Reads environment.yml. Undefined for what is none. */
export function readCondaLock(text: string, file: string): CondaLock | undefined {
  const read = parseYaml(text, file);
  const fields = read.ok ? read.value.fields : undefined;
  const dependencies = fields?.get('dependencies')?.items;
  if (!dependencies) return undefined;
  const named = fields?.get('name')?.value;
  const specs = dependencies.flatMap(({ value }) => (typeof value === 'string' ? [value] : []));
  const pip = dependencies.flatMap((item) =>
    (item.fields?.get('pip')?.items ?? []).map(({ value }) => String(value)),
  );
  return { name: typeof named === 'string' ? named : undefined, specs, pip };
}

/** The packages of conda in an environment. */
export function condaPackages(prefix: string): readonly CondaPackage[] {
  const folder = join(prefix, 'conda-meta');
  return listed(folder)
    .filter((name) => name.endsWith('.json'))
    .sort(byCodeUnit)
    .flatMap((name) => {
      try {
        const told = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Partial<CondaPackage>;
        const { name: is, version, build = '' } = told;
        return is && version ? [{ name: is, version, build: String(build) }] : [];
      } catch {
        return []; // Half written: then conda itself does not know of it.
      }
    });
}

const SPEC = /^(?:[^:\s]+::)?([\w.-]+)\s*(?:\[.*\])?\s*([=<>!~].*|\d.*)?$/;

/** What a condition lacks in an environment, in words; undefined when it is met, or not understood. */
export function unmetSpec(spec: string, packages: readonly CondaPackage[]): string | undefined {
  const [, name = '', rest = ''] = SPEC.exec(spec.trim()) ?? [];
  if (name === '') return undefined;
  const found = packages.find((one) => normalName(one.name) === normalName(name));
  if (found === undefined) return `${name} is not installed`;
  const [, version = '', build] = /^=?(=[^=,<>|]+|[^=,<>|\s]+)[=\s]([\w.*]+)$/.exec(
    rest.trim(),
  ) ?? [undefined, rest];
  const isMet = version
    .split('|')
    .some((any) => any.split(',').every((one) => one.trim() === '' || fits(found.version, one)));
  const isBuilt = build === undefined || build.includes('*') || build === found.build;
  if (isMet && isBuilt) return undefined;
  const is = isMet ? `${found.version} (${found.build})` : found.version;
  return `${name} ${is} is installed, and ${spec.trim()} is asked for`;
}

/** The programs that know environments by their names. */
const PROGRAMS = ['conda', 'mamba', 'micromamba'];

/** The folder of an environment; undefined where there is none of that name, a text where nobody can be asked. */
export async function condaPrefix(
  name: string,
  around: { readonly path: string; readonly home: string; readonly folder: string },
): Promise<{ readonly prefix?: string; readonly obstacle?: string }> {
  const { path, home, folder } = around;
  const env = { PATH: path, HOME: home };
  for (const program of PROGRAMS) {
    const { text, end } = await askProgram({
      argv: [program, 'env', 'list', '--json'],
      ...{ env, folder },
    });
    if (end.code === 127) continue;
    const all = environmentsIn(text);
    if (all === undefined) return { obstacle: `\`${program} env list --json\` lists none` };
    const isNamed = (prefix: string): boolean =>
      basename(prefix) === name && basename(dirname(prefix)) === 'envs';
    const found = name === 'base' ? all[0] : all.find(isNamed);
    return found === undefined ? {} : { prefix: found };
  }
  return { obstacle: `there is no program \`conda\` on PATH` };
}

function environmentsIn(text: string): readonly string[] | undefined {
  try {
    const { envs } = JSON.parse(text.slice(text.indexOf('{'))) as { envs?: unknown };
    return Array.isArray(envs) ? envs.map(String) : undefined;
  } catch {
    return undefined;
  }
}

function listed(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
