// schema-parts.ts — JSON Schema of what several keys of pipeline.yaml take: amounts, sizes, durations
import { DURATION_PATTERN } from '../config/duration.ts';
import { SIZE_PATTERN } from '../files/size.ts';
import type { Json, Named } from '../model/key.ts';

export const AMOUNT = { type: 'number', exclusiveMinimum: 0 };
export const SIZE_TEXT = { type: 'string', pattern: SIZE_PATTERN.source };
export const SIZE = { anyOf: [AMOUNT, SIZE_TEXT] };

export const DURATION = {
  anyOf: [
    { type: 'number', exclusiveMinimum: 0 },
    { type: 'string', pattern: DURATION_PATTERN.source },
  ],
};

/** A map with these keys and no others. */
export function closed(keys: readonly string[], described: Named<Json>): Named<Json> {
  const properties = keys.map((key) => [key, Object.hasOwn(described, key) ? described[key] : {}]);
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  };
}
