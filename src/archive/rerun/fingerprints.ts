// fingerprints.ts — the words of fingerprint commands, from the pipeline.yaml of an archive
import { readPipeline } from '../../engine/config/config.ts';
import { parseJson } from '../form/bounded-json.ts';
import type { FingerprintWords } from './rerun.ts';

/**
 * Reads them from the pipeline as it was archived, with its presets and overrides: keys hold the words joined by blanks,
 * and traces of earlier versions nothing else. Nothing is found in a pipeline that this version cannot read.
 */
export function fingerprintsIn(text: string, invocation: string): FingerprintWords {
  const { presets, sets } = invocationIn(invocation);
  const pipeline = readPipeline({ text, file: 'pipeline.yaml', presets, sets });
  const found = new Map<string, readonly string[]>();
  if (!pipeline.ok) return found;
  for (const { command } of pipeline.value.stages.values()) {
    for (const words of command?.fingerprints ?? []) {
      const texts = words.map((word) => word.text);
      found.set(texts.join(' '), texts);
    }
  }
  return found;
}

/** What was asked for when a study was archived. */
function invocationIn(text: string): { presets: readonly string[]; sets: readonly string[] } {
  const read = parseJson(new TextEncoder().encode(text)) as { presets?: unknown; sets?: unknown };
  const texts = (value: unknown): readonly string[] =>
    Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  return { presets: texts(read?.presets), sets: texts(read?.sets) };
}
