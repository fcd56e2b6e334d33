// built-in-packages.ts — what every stage may import, wherever its folder is: our door, and the schemas that it speaks of
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';
import { REPORT_MODULE } from '../pipeline/report.ts';

const OWN = /^(@profiled-sparse\/pipeline\/(?:stage|report)|zod(\/.*)?)$/;
/** The files beside this program that are imported by a name of its package. */
const FILES: ReadonlyMap<string, string> = new Map([
  ['@profiled-sparse/pipeline/stage', './stage.js'],
  [REPORT_MODULE, './report-stage.js'],
]);

/** Whether a stage's module is a part of this program: then it is no file of the project. */
export const isOwnModule = (run: string): boolean => run === REPORT_MODULE;

/** An import that is looked for beside this program, too. */
export interface OwnImport {
  readonly folder: string;
  readonly specifier: string;
}

/** Where this program lies. */
const HERE = dirname(fileURLToPath(import.meta.url));

/** Whether a file is a part of this program. */
export const isOwnFile = (path: string): boolean => dirname(path) === HERE;

/** Where an import is looked for that the project does not resolve; undefined for what is no package of ours. */
export function ownImport(specifier: string): OwnImport | undefined {
  if (!OWN.test(specifier)) return undefined;
  return { folder: HERE, specifier: FILES.get(specifier) ?? specifier };
}

/**
 * A study in a folder without packages of its own takes them from beside this program. Those that it has installed
 * come first: the bundle holds either, so a change of either is seen.
 */
export const ownPackages: Plugin = {
  name: 'own-packages',
  setup(build) {
    const seen = {};
    build.onResolve({ filter: OWN }, async (wanted) => {
      const { path, kind, importer, resolveDir, pluginData } = wanted;
      const own = ownImport(path);
      if (pluginData === seen || own === undefined) return undefined;
      const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: seen });
      if (found.errors.length === 0) return found;
      const { folder, specifier } = own;
      const ours = await build.resolve(specifier, { kind, resolveDir: folder, pluginData: seen });
      return ours.errors.length === 0 ? ours : found;
    });
  },
};
