// stage-module.ts — the only place that loads a stage's bundle: in a worker process, never in that of the command line
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Load, StageDeclaration } from '../stage.ts';
import { guardImports } from './guard.ts';

/** What a bundle exports as its default. @throws whatever it throws when it is loaded */
export async function importStage(bundle: string): Promise<StageDeclaration> {
  guardImports(bundle);
  const module = (await import(pathToFileURL(bundle).href)) as {
    readonly default: StageDeclaration;
  };
  return module.default;
}

/** Packages come from the project: the bundle may lie anywhere. It is this program that loads them, not the stage. */
export function loadFrom(root: string): Load {
  const require = createRequire(join(root, 'package.json'));
  return (name) => require(name);
}
