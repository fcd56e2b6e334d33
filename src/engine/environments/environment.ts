// environment.ts — finds the Python environment of a command, and compares what is installed with its lock
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { EnvironmentConfig, EnvironmentKind } from '../config/program-environment.ts';
import type { Diagnostic } from '../model/event.ts';
import { byCodeUnit, canonicalJson, type Digest, digestOf, type Named } from '../model/key.ts';
import { askProgram } from '../process/ask-program.ts';
import { quotedWord } from '../process/shell.ts';
import { type CondaLock, condaPackages, condaPrefix, readCondaLock, unmetSpec } from './conda.ts';
import { type Distribution, distributionsOn, recordsOn } from './installed.ts';
import { type Lock, readRequirements, readUvLock } from './lock.ts';
import { isVersion, normalName } from './versions.ts';

/** What of an environment enters keys. */
export interface EnvironmentParts {
  readonly kind: EnvironmentKind;
  /** Of the lock file, with those that it takes in. */
  readonly lock: Digest;
  /** The interpreter and its version. */
  readonly python: string;
  /** Of all that is installed, where the lock does not pin it: environment.yml. */
  readonly installed?: Digest;
  /** The files of editable installs, by name. Absent, not empty, when there are none. */
  readonly editable?: Named<Digest>;
}

/** Where an environment is: part of no key. */
export interface EnvironmentPlace {
  readonly folder: string;
  /** Where its programs are. */
  readonly programs: string;
  /** What activating it would set, beside PATH. */
  readonly variables: Named<string>;
  /** Where its packages are, and what identifies them. */
  readonly path: readonly string[];
  readonly records: string;
}

/** An environment that is what its lock says. */
export interface FoundEnvironment {
  readonly parts: EnvironmentParts;
  readonly place: EnvironmentPlace;
  /** Absolute folders of editable installs. */
  readonly editable: readonly string[];
}

/** Where environments are looked for. */
export interface EnvironmentSearch {
  /** Folder of pipeline.yaml. */
  readonly root: string;
  /** The environment of this process. */
  readonly environment: NodeJS.ProcessEnv;
}

/** An obstacle, told where the environment is named. */
class Unfit extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** Finds an environment, or says what is wrong with it and which command mends that. */
export async function findEnvironment(
  config: EnvironmentConfig,
  search: EnvironmentSearch,
): Promise<FoundEnvironment | Diagnostic> {
  try {
    return await new EnvironmentLook(config, search).find();
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    return { message: error.message, place: config.place, hint: error.hint };
  }
}

/** Whether other packages are installed than when an environment was looked at. */
export const isChanged = ({ path, records }: EnvironmentPlace): boolean =>
  recordsOn(path) !== records;

/** What an interpreter says of itself, as one line of JSON. */
const ASK = `
import json, os, platform, sys, sysconfig
v, i = platform.python_version(), sys.implementation
paths = sysconfig.get_paths()
print(json.dumps({
  'python': i.name + ' ' + v,
  'path': [p for p in dict.fromkeys([paths['purelib'], paths['platlib']] + sys.path) if os.path.isdir(p)],
  'facts': {
    'os_name': os.name, 'sys_platform': sys.platform, 'platform_machine': platform.machine(),
    'platform_system': platform.system(), 'platform_release': platform.release(),
    'platform_version': platform.version(), 'python_version': '%d.%d' % sys.version_info[:2],
    'platform_python_implementation': platform.python_implementation(),
    'python_full_version': v, 'implementation_name': i.name, 'implementation_version': v,
  },
}))`;

interface Interpreter {
  readonly python: string;
  readonly path: readonly string[];
  readonly facts: Named<string>;
}

/** What an interpreter has said of itself; a package may print something as it starts. */
function interpreterIn(text: string): Interpreter | undefined {
  try {
    const told = JSON.parse(text.slice(text.lastIndexOf('\n{') + 1)) as Partial<Interpreter>;
    const { python, path, facts } = told;
    if (typeof python !== 'string' || !Array.isArray(path) || typeof facts !== 'object') return;
    return { python, path: path.map(String), facts };
  } catch {
    return undefined;
  }
}

/** What installs packages, and what no lock need name. */
const INSTALLERS: ReadonlySet<string> = new Set([
  'pip',
  'setuptools',
  'wheel',
  'distribute',
  'pkg-resources',
]);
/** So many differences are told. */
const SHOWN = 5;

class EnvironmentLook {
  private readonly config: EnvironmentConfig;
  private readonly search: EnvironmentSearch;

  constructor(config: EnvironmentConfig, search: EnvironmentSearch) {
    this.config = config;
    this.search = search;
  }

  async find(): Promise<FoundEnvironment> {
    const { kind, lock: file } = this.config;
    const text = this.read(file);
    const conda = kind === 'conda' ? this.condaLock(text) : undefined;
    const folder = await this.folder(conda);
    const { python, path, facts } = await this.ask(folder);
    const all = distributionsOn(path);
    const lock = this.lockOf(text, facts);
    const differences = conda
      ? condaDifferences(conda, folder, all, facts)
      : lockDifferences(lock, all);
    if (differences.length > 0) throw this.unlike(folder, differences);
    const parts: EnvironmentParts = {
      ...{ kind, lock: this.lockDigest(text, lock.includes), python },
      ...(conda && { installed: installedDigest(folder, all) }),
    };
    const place: EnvironmentPlace = {
      ...{ folder, programs: join(folder, 'bin'), path, records: recordsOn(path) },
      variables: {
        [kind === 'conda' ? 'CONDA_PREFIX' : 'VIRTUAL_ENV']: folder,
        PYTHONNOUSERSITE: '1',
      },
    };
    return { parts, place, editable: this.editable(all) };
  }

  private absolute(path: string): string {
    return resolve(this.search.root, path);
  }

  /** A path as a person would write it from the folder of pipeline.yaml. */
  private shown(path: string): string {
    const way = relative(this.search.root, path);
    return way === '' ? '.' : way.startsWith('..') ? path : way;
  }

  private read(file: string): string {
    const path = this.absolute(file);
    try {
      return readFileSync(path, 'utf8');
    } catch {
      const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
      const hint = { uv: 'uv lock', venv: 'pip freeze writes one', conda: 'conda env export' };
      throw new Unfit(
        isFolder ? `${file} is a folder, not a lock file` : `there is no lock file ${file}`,
        hint[this.config.kind],
      );
    }
  }

  private condaLock(text: string): CondaLock {
    const { lock } = this.config;
    const read = readCondaLock(text, lock);
    if (read === undefined)
      throw new Unfit(`${lock} is not an environment.yml: it has no dependencies`);
    return read;
  }

  private lockOf(text: string, facts: Named<string>): Lock {
    const { kind, lock } = this.config;
    if (kind === 'conda') return readRequirements('', facts);
    if (kind === 'uv') {
      const read = readUvLock(text, facts);
      if (read === undefined) throw new Unfit(`${lock} is not a lock file of uv`, 'uv lock');
      return read;
    }
    const read = this.withIncluded(readRequirements(text, facts), facts);
    const [line] = read.unpinned;
    if (line === undefined) return read;
    const hint = `a lock has NAME==VERSION in each line: ${this.program('python')} -m pip freeze > ${quotedWord(lock)}`;
    throw new Unfit(`${lock} pins no version of \`${line}\``, hint);
  }

  /** Requirements with those of the files that they name. */
  private withIncluded(lock: Lock, facts: Named<string>): Lock {
    const packages = new Map(lock.packages);
    const required = new Set(lock.required);
    const unpinned = [...lock.unpinned];
    const includes = new Set<string>();
    const waiting = lock.includes.map((file) => join(dirname(this.config.lock), file));
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (includes.has(file)) continue;
      includes.add(file);
      const more = readRequirements(this.read(file), facts);
      for (const [name, versions] of more.packages) {
        packages.set(name, new Set([...(packages.get(name) ?? []), ...versions]));
      }
      for (const name of more.required) required.add(name);
      unpinned.push(...more.unpinned);
      for (const one of more.includes) waiting.push(join(dirname(file), one));
    }
    return { packages, required, unpinned, includes: [...includes].sort(byCodeUnit) };
  }

  private lockDigest(text: string, includes: readonly string[]): Digest {
    if (includes.length === 0) return digestOf(text);
    const all = includes.map((file) => digestOf(this.read(file)));
    return digestOf(canonicalJson([digestOf(text), ...all]));
  }

  /** The folder of the environment. */
  private async folder(conda: CondaLock | undefined): Promise<string> {
    const { kind, lock, folder } = this.config;
    const { environment, root } = this.search;
    if (conda && folder === null) return this.condaFolder(conda);
    const beside = join(dirname(lock), environment.UV_PROJECT_ENVIRONMENT || '.venv');
    const own = environment.UV_PROJECT_ENVIRONMENT ?? '';
    const path = folder ?? (kind === 'uv' && isAbsolute(own) ? own : beside);
    const found = resolve(root, path);
    if (!existsSync(join(found, 'bin'))) throw this.missing(`environment ${this.shown(found)}`);
    return found;
  }

  private async condaFolder({ name }: CondaLock): Promise<string> {
    const { lock } = this.config;
    const { environment, root } = this.search;
    if (name === undefined) {
      const hint = `environment: { conda: ${lock}, prefix: FOLDER }`;
      throw new Unfit(`${lock} has no \`name\`, by which conda would know the environment`, hint);
    }
    const { PATH = '/usr/local/bin:/usr/bin:/bin', HOME = root } = environment;
    const found = await condaPrefix(name, { path: PATH, home: HOME, folder: root });
    if (found.obstacle !== undefined) {
      throw new Unfit(
        found.obstacle,
        `install it, or say where the environment is: prefix: FOLDER`,
      );
    }
    if (found.prefix === undefined) throw this.missing(`environment \`${name}\` of conda`);
    return found.prefix;
  }

  /** A program of the environment, as a person would start it. */
  private program(name: string): string {
    return quotedWord(join(this.config.folder ?? '.venv', 'bin', name));
  }

  private missing(what: string): Unfit {
    return new Unfit(`there is no ${what}`, this.making());
  }

  /** The command that makes the environment. */
  private making(): string {
    const { kind, lock, folder } = this.config;
    const file = quotedWord(lock);
    if (kind === 'uv') return this.syncing();
    if (kind === 'conda') {
      const where = folder === null ? '' : ` -p ${quotedWord(folder)}`;
      return `conda env create -f ${file}${where}`;
    }
    const venv = quotedWord(folder ?? '.venv');
    return `python3 -m venv ${venv} && ${this.program('python')} -m pip install -r ${file}`;
  }

  private syncing(): string {
    const { lock, folder } = this.config;
    const beside = dirname(lock);
    const where = folder === null ? '' : `UV_PROJECT_ENVIRONMENT=${quotedWord(folder)} `;
    return `${where}uv sync --locked${beside === '.' ? '' : ` --directory ${quotedWord(beside)}`}`;
  }

  /** The command that makes the environment what its lock says. */
  private mending(): string {
    const { kind, lock, folder } = this.config;
    const file = quotedWord(lock);
    if (kind === 'uv') return this.syncing();
    if (kind === 'venv') {
      const python = this.program('python');
      return `${python} -m pip install -r ${file}; or ${python} -m pip freeze > ${file}`;
    }
    const where = folder === null ? '' : ` -p ${quotedWord(folder)}`;
    return `conda env update -f ${file}${where} --prune`;
  }

  private unlike(folder: string, differences: readonly string[]): Unfit {
    const shown = differences.slice(0, SHOWN).join('; ');
    const more = differences.length > SHOWN ? `; and ${differences.length - SHOWN} more` : '';
    const what = `the environment ${this.shown(folder)} is not what ${this.config.lock} says`;
    return new Unfit(`${what}: ${shown}${more}`, this.mending());
  }

  private async ask(folder: string): Promise<Interpreter> {
    const python = join(folder, 'bin', 'python');
    if (!existsSync(python)) {
      throw this.missing(`interpreter ${this.shown(python)}`);
    }
    const { text, end } = await askProgram({
      argv: [python, '-I', '-B', '-c', ASK],
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
      folder: this.search.root,
    });
    const told = end.code === 0 ? interpreterIn(text) : undefined;
    if (told) return told;
    const last = end.last.at(-1) ?? `it ended with ${end.signal ?? `exit code ${end.code}`}`;
    const message = `${this.shown(python)} does not run, or is not Python: ${last}`;
    throw new Unfit(message, this.making());
  }

  /** The folders of editable installs, all within the project. */
  private editable(all: ReadonlyMap<string, Distribution>): readonly string[] {
    const roots: string[] = [];
    const { root: project } = this.search;
    const real = realpathSync(project);
    for (const { name, editable = [] } of all.values()) {
      for (const root of editable) {
        // Installers know the folder by its real name.
        const below = relative(real, root);
        const way = below.startsWith('..') ? relative(project, root) : below;
        if (isAbsolute(way) || way === '..' || way.startsWith(`..${sep}`)) {
          const hint = 'install it as a wheel with a version, or move it into the project';
          const message = `${name} is installed editable from ${root}, outside the project: its code would not be part of any key`;
          throw new Unfit(message, hint);
        }
        roots.push(join(project, way));
      }
    }
    return roots;
  }
}

/** What is installed otherwise than a lock says. */
function lockDifferences(
  { packages, required }: Lock,
  all: ReadonlyMap<string, Distribution>,
): readonly string[] {
  const differences: string[] = [];
  for (const [normal, { name, version, editable }] of all) {
    const locked = packages.get(normal);
    // One in the project is an input: its version stands in its own files.
    if (editable || (locked === undefined && INSTALLERS.has(normal))) continue;
    if (locked === undefined) {
      differences.push(`${name} ${version} is installed and not locked`);
    } else if (![...locked].some((one) => one === null || isVersion(one, version))) {
      differences.push(
        `${name} ${version} is installed, and ${[...locked].join(' or ')} is locked`,
      );
    }
  }
  for (const name of required) {
    if (!all.has(name)) {
      const version = [...(packages.get(name) ?? [])].find((one) => one !== null);
      differences.push(`${name}${version ? ` ${version}` : ''} is not installed`);
    }
  }
  return differences.sort(byCodeUnit);
}

function condaDifferences(
  { specs, pip }: CondaLock,
  prefix: string,
  all: ReadonlyMap<string, Distribution>,
  facts: Named<string>,
): readonly string[] {
  const packages = condaPackages(prefix);
  const asked = readRequirements(pip.join('\n'), facts);
  const unmet = specs.flatMap((spec) => unmetSpec(spec, packages) ?? []);
  const pinned = new Map([...all].filter(([name]) => asked.packages.has(name)));
  const loose = asked.unpinned.flatMap((line) => {
    const name = /^[\w.-]+/.exec(line)?.[0] ?? '';
    return name === '' || all.has(normalName(name)) ? [] : [`${name} is not installed`];
  });
  return [...unmet, ...lockDifferences(asked, pinned), ...loose];
}

function installedDigest(prefix: string, all: ReadonlyMap<string, Distribution>): Digest {
  const conda = condaPackages(prefix).map(({ name, version, build }) => [name, version, build]);
  const python = [...all].map(([name, { version }]) => [name, version]);
  const byText = (a: unknown, b: unknown): number => byCodeUnit(canonicalJson(a), canonicalJson(b));
  return digestOf(canonicalJson([conda.sort(byText), python.sort(byText)]));
}
