// lock.ts — what lock files of Python environments say: uv.lock, and requirements with versions
import type { Named } from '../model/key.ts';
import { markerHolds } from './markers.ts';
import { normalName } from './versions.ts';

/** What may be installed, and what must be. Names are normal. */
export interface Lock {
  /** The versions that a package may have; null for any, where the lock names a place and no version. */
  readonly packages: ReadonlyMap<string, ReadonlySet<string | null>>;
  /** Packages that must be there on this machine. */
  readonly required: ReadonlySet<string>;
  /** Other files that it takes in, relative to its folder. */
  readonly includes: readonly string[];
  /** Lines that pin nothing. */
  readonly unpinned: readonly string[];
}

// ---- uv.lock ----

interface Dependency {
  readonly name: string;
  readonly marker: string | undefined;
  readonly extras: readonly string[];
}

interface UvPackage {
  readonly name: string;
  version: string | null;
  /** It lies in the project: what is needed begins here. */
  isRoot: boolean;
  /** By extra; those without one under ''. */
  readonly needs: Map<string, Dependency[]>;
}

/** Reads uv.lock, as uv writes it. Undefined for what is none. @param facts of the interpreter, for markers */
export function readUvLock(text: string, facts: Named<string>): Lock | undefined {
  const all = uvPackages(text);
  if (!/^version = 1$/m.test(text) || all.length === 0) return undefined;
  const packages = new Map<string, Set<string | null>>();
  const byName = new Map<string, UvPackage[]>();
  for (const one of all) {
    const name = normalName(one.name);
    // The version of what lies in the project may not stand in the lock, or be behind it.
    const versions = packages.get(name) ?? new Set();
    packages.set(name, versions.add(one.isRoot ? null : one.version));
    byName.set(name, [...(byName.get(name) ?? []), one]);
  }
  const required = new Set<string>();
  const seen = new Set<string>();
  const visit = (one: UvPackage, extra: string): void => {
    const place = `${one.name} ${one.version} ${extra}`;
    if (seen.has(place)) return;
    seen.add(place);
    for (const { name, marker, extras } of one.needs.get(extra) ?? []) {
      // One that cannot be read asks for nothing.
      if (marker !== undefined && markerHolds(marker, facts) !== true) continue;
      const normal = normalName(name);
      const found = byName.get(normal) ?? [];
      if (!found.every(({ isRoot }) => isRoot)) required.add(normal);
      for (const next of found) for (const which of ['', ...extras]) visit(next, which);
    }
  };
  for (const one of all) if (one.isRoot) visit(one, '');
  return { packages, required, includes: [], unpinned: [] };
}

function uvPackages(text: string): readonly UvPackage[] {
  const all: UvPackage[] = [];
  let table = '';
  let list: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const header = /^\[\[?([\w.-]+)\]?\]$/.exec(line)?.[1];
    if (header !== undefined) {
      table = header;
      list = undefined;
      if (line === '[[package]]') {
        all.push({ name: '', version: null, isRoot: false, needs: new Map() });
      }
      continue;
    }
    const one = all.at(-1);
    if (one === undefined || !table.startsWith('package')) continue;
    if (table === 'package') readField(one, line);
    const opened = /^([\w.-]+|"[^"]+") = \[/.exec(line)?.[1];
    if (opened !== undefined) list = listName(table, opened);
    if (list !== undefined) {
      for (const [entry] of line.matchAll(/\{[^{}]*\}/g)) {
        const needs = one.needs.get(list) ?? [];
        one.needs.set(list, [...needs, dependencyOf(entry)]);
      }
      if (/\]\s*$/.test(line)) list = undefined;
    }
  }
  return all.filter(({ name }) => name !== '');
}

/** Under which name a list of dependencies is kept; undefined for any other list. */
function listName(table: string, key: string): string | undefined {
  if (table === 'package') return key === 'dependencies' ? '' : undefined;
  return table === 'package.optional-dependencies' ? key.replaceAll('"', '') : undefined;
}

function readField(one: UvPackage, line: string): void {
  const [, key, value = ''] = /^(name|version|source) = (.*)$/.exec(line) ?? [];
  if (key === 'name') Object.assign(one, { name: value.replaceAll('"', '') });
  if (key === 'version') one.version = value.replaceAll('"', '');
  if (key === 'source') one.isRoot = /\b(?:virtual|editable|directory) = /.test(value);
}

function dependencyOf(entry: string): Dependency {
  const name = /\bname = "([^"]*)"/.exec(entry)?.[1] ?? '';
  const marker = /\bmarker = "((?:[^"\\]|\\.)*)"/.exec(entry)?.[1]?.replaceAll('\\"', '"');
  const extras = /\bextra = \[([^\]]*)\]/.exec(entry)?.[1] ?? '';
  return {
    name,
    marker,
    extras: [...extras.matchAll(/"([^"]+)"/g)].map(([, extra = '']) => extra),
  };
}

// ---- requirements ----

const REQUIREMENT =
  /^([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(?:@\s*(\S+)|([^;]*))\s*(?:;(.*))?$/;

/** Reads requirements, as `pip freeze`, pip-compile and `uv pip compile` write them. */
export function readRequirements(text: string, facts: Named<string>): Lock {
  const packages = new Map<string, Set<string | null>>();
  const required = new Set<string>();
  const includes: string[] = [];
  const unpinned: string[] = [];
  for (const line of requirementLines(text)) {
    const [, include] = /^(?:-r|--requirement|-c|--constraint)[ =]?\s*(\S+)$/.exec(line) ?? [];
    if (include !== undefined) includes.push(include);
    // Editable installs are looked at where they are installed; other options change no version.
    if (line.startsWith('-')) continue;
    const [, given = '', url, versions = '', marker] = REQUIREMENT.exec(line) ?? [];
    const version =
      url === undefined ? /^\(?===?\s*([^\s,*]+)\)?$/.exec(versions.trim())?.[1] : null;
    if (given === '' || version === undefined) {
      unpinned.push(line);
      continue;
    }
    const name = normalName(given);
    packages.set(name, (packages.get(name) ?? new Set()).add(version));
    if (marker === undefined || markerHolds(marker, facts) === true) required.add(name);
  }
  return { packages, required, includes, unpinned };
}

/** Lines without comments, hashes and ends that go on. */
const requirementLines = (text: string): readonly string[] =>
  text
    .replace(/^\uFEFF/, '')
    .replace(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .map((line) =>
      line
        .replace(/(^|\s)#.*$/, '')
        .replace(/\s--(?:hash|config-settings|global-option)[= ]\S+/g, '')
        .trim(),
    )
    .filter((line) => line !== '');
