// Files that somebody else may have written: no more of them is read than they may have.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readAtMost } from '../src/engine/files/bounded-file.ts';
import { readParamsFiles } from '../src/engine/planning/params-files.ts';
import { folder } from './serving.ts';

test('a file is read to its end when it has no more bytes than it may', () => {
  const path = join(folder(), 'x');
  for (const size of [0, 1, 65_535, 65_536, 65_537, 300_000]) {
    const content = Buffer.alloc(size, 'content');
    writeFileSync(path, content);
    expect(readAtMost(path, 300_000).equals(content)).toBe(true);
    if (size > 0) expect(() => readAtMost(path, size - 1)).toThrow('it has more than');
  }
});

test('a device that never ends is no file of params', () => {
  expect(() => readAtMost('/dev/zero', 1_000_000)).toThrow(RangeError);
  const before = process.memoryUsage().rss;
  const read = readParamsFiles(['/dev/zero']);
  expect(read.ok ? [] : read.diagnostics).toEqual([
    { message: '/dev/zero has more bytes than a params file may have (67108864)' },
  ]);
  expect(process.memoryUsage().rss - before).toBeLessThan(300 * 2 ** 20);
});
