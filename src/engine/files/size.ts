// size.ts — sizes as people write them: 500MB, 20GB, 1.5GiB

/** How a size is written: a number and a unit. */
export const SIZE_PATTERN = /^(\d+(?:\.\d+)?) ?(B|[kKMGT]i?B)$/;

/** The bytes that a size such as 500MB or 1.5GiB means; undefined for any other text. */
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

/** Bytes as a person would write them, in the largest unit that leaves at least one. */
export function formatSize(bytes: number): string {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const amount = bytes / 1024 ** power;
  const digits = power === 0 || Number.isInteger(amount) || amount >= 100 ? 0 : 1;
  return `${amount.toFixed(digits)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}
