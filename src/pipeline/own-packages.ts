// own-packages.ts — what every stage may import, wherever its folder is: our door, and the schemas that it speaks of
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';

const DOOR = '@profiled-sparse/pipeline/stage';

/**
 * A study in a folder without packages of its own takes them from beside this program. Those that it has installed
 * come first: the bundle holds either, so a change of either is seen.
 */
export const ownPackages: Plugin = {
  name: 'own-packages',
  setup(build) {
    const seen = {};
    const here = dirname(fileURLToPath(import.meta.url));
    build.onResolve(
      { filter: /^(@profiled-sparse\/pipeline\/stage|zod(\/.*)?)$/ },
      async (wanted) => {
        const { path, kind, importer, resolveDir, pluginData } = wanted;
        if (pluginData === seen) return undefined;
        const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: seen });
        if (found.errors.length === 0) return found;
        const own = path === DOOR ? './stage.js' : path;
        const ours = await build.resolve(own, { kind, resolveDir: here, pluginData: seen });
        return ours.errors.length === 0 ? ours : found;
      },
    );
  },
};
