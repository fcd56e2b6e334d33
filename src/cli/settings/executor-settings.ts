// executor-settings.ts — the clusters that are known: pipeline.yaml > user file > site file, each name as a whole
import type { ExecutorConfig } from '../../engine/config/executors.ts';
import type { Origin, SettingsSources, Sourced } from './settings.ts';

/** The clusters that are known, and who says so. @param declared those of pipeline.yaml */
export function executorSettings(
  declared: ReadonlyMap<string, ExecutorConfig>,
  { files }: SettingsSources,
): ReadonlyMap<string, Sourced<ExecutorConfig>> {
  const known = new Map<string, Sourced<ExecutorConfig>>();
  const layers: readonly (readonly [kind: 'pipeline' | 'user' | 'site', typeof declared])[] = [
    ['pipeline', declared],
    ...files.map(({ kind, settings }) => [kind, settings?.clusters ?? new Map()] as const),
  ];
  for (const [kind, layer] of layers) {
    for (const [name, value] of layer) {
      if (!known.has(name)) known.set(name, { value, origin: originOf(kind, value) });
    }
  }
  return known;
}

function originOf(kind: 'pipeline' | 'user' | 'site', { place }: ExecutorConfig): Origin {
  const line = place.text.slice(0, place.start).split('\n').length;
  return { kind, file: place.file, line };
}
