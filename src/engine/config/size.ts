// size.ts — sizes as people write them: 500MB, 1.5GiB

/** How a size is written: a number of bytes, or 500MB, 20GB, 1.5GiB. */
export const SIZE_PATTERN = /^(\d+(?:\.\d+)?) ?(B|[kKMGT]i?B)$/;

/** The bytes that a size such as 500MB or 1.5GiB means. */
export function bytesIn(text: string): number | undefined {
  const match = SIZE_PATTERN.exec(text);
  if (match === null) return undefined;
  const [, amount, unit = ''] = match;
  const power = 'BKMGT'.indexOf(unit.charAt(0).toUpperCase());
  return Number(amount) * (unit.includes('i') ? 1024 : 1000) ** power;
}

/** The bytes that a value of pipeline.yaml means, a number or such a text; undefined for what is no size above 0. */
export function sizeIn(value: unknown): number | undefined {
  const bytes = typeof value === 'number' ? value : bytesIn(String(value));
  return bytes !== undefined && Number.isFinite(bytes) && bytes >= 1
    ? Math.floor(bytes)
    : undefined;
}
