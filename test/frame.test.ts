// What comes out of a worker: messages and payloads, whole and of bounded size, whatever a stage writes into the pipe.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { frameOf, frameReader, type Payload } from '../src/engine/process/frame.ts';
import { shortLine } from '../src/engine/process/lines.ts';
import { counted } from './counted.ts';
import { DOOR, makeRig } from './rig.ts';

type Message = { readonly n: number; readonly bytes?: number };

/** Reads bytes cut into chunks; gives what was heard, and what came as payloads. */
function read(bytes: Buffer, size: number, bytesMax?: number) {
  const heard: (number | string)[] = [];
  const payloadOf = (count: number): Payload => {
    const hash = createHash('sha256');
    return {
      bytes: count,
      take: (chunk) => void hash.update(chunk),
      end: () => void heard.push(hash.digest('hex').slice(0, 8)),
    };
  };
  const reader = frameReader<Message>({
    hear({ n, bytes: count }) {
      heard.push(n);
      return count === undefined ? undefined : payloadOf(count);
    },
    broken: () => heard.push('broken'),
    ...(bytesMax !== undefined && { bytesMax }),
  });
  for (let at = 0; at < bytes.length; at += size) reader(bytes.subarray(at, at + size));
  return heard;
}

const digest = (bytes: Buffer): string =>
  createHash('sha256').update(bytes).digest('hex').slice(0, 8);

describe('frames', () => {
  test('and payloads are the same however the bytes are cut', () => {
    // A payload may look like frames.
    const payload = Buffer.concat([frameOf({ n: 9 }), Buffer.alloc(500, 'payload')]);
    const bytes = Buffer.concat([
      frameOf({ n: 1 }),
      frameOf({ n: 2, bytes: payload.length }),
      payload,
      frameOf({ n: 3 }),
      Buffer.from('junk'),
      frameOf({ n: 4, bytes: 0 }),
      frameOf({ n: 5, bytes: 3 }),
      Buffer.from('abc'),
    ]);
    const whole = [1, 2, digest(payload), 3, 4, digest(Buffer.of()), 5, digest(Buffer.from('abc'))];
    for (const size of [1, 2, 7, 100, 512, 5000]) expect(read(bytes, size)).toEqual(whole);
  });

  test('that are larger than they may be end the reading, before they have come', () => {
    const large = frameOf({ n: 2, more: 'x'.repeat(2000) });
    const bytes = Buffer.concat([frameOf({ n: 1 }), large, frameOf({ n: 3 })]);
    for (const size of [1, 100, 5000]) expect(read(bytes, size, 1000)).toEqual([1, 'broken']);
    expect(read(bytes, 100, 3000)).toEqual([1, 2, 3]);
  });
});

test('a line that came as text is cut as one that came as bytes is', () => {
  const long = `${'x'.repeat(3999)}\u{1f600}${'y'.repeat(1000)}`;
  expect(shortLine(long)).toBe(`${'x'.repeat(3999)}… (1004 more bytes)`);
});

describe('a stage module', () => {
  const stages = {
    log: "const s = 'x'.repeat(2e8); console.log(s); log(s); return { o: 1 };",
    note: "progress(1, 2, 'x'.repeat(2e8)); return { o: 1 };",
    error: "throw new Error('x'.repeat(2e8));",
    forge: `const write = (bytes) => { for (let at = 0; at < bytes.length; ) at += writeSync(4, bytes, at); };
      write(Buffer.from('f150495045' + '4c4efe' + 'ffffffff', 'hex'));
      const piece = Buffer.alloc(2 ** 20);
      for (let n = 0; n < 2000; n++) write(piece);
      return { o: 1 };`,
    deep: 'let v = 1; for (let n = 0; n < 1e6; n++) v = [v]; return { o: v };',
  };

  test.skipIf(!process.env.FULL || !existsSync('/proc/self/status'))(
    'may say more than fits anywhere: it is cut, and the engine stays small',
    async () => {
      const rig = makeRig({
        'pipeline.yaml': `stages:\n${Object.keys(stages)
          .map((name) => `  ${name}: { run: ${name}.ts }\n`)
          .join('')}`,
        ...Object.fromEntries(
          Object.entries(stages).map(([name, code]) => [
            `${name}.ts`,
            `${DOOR}import { writeSync } from 'node:fs';
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { o: json() },
  run({ log, progress }) { ${code} },
});`,
          ]),
        ),
      });
      const { code, stderr, mib } = await counted(rig, 'make', '-k', '-j', '2');
      expect(code).toBe(1);
      expect(mib).toBeLessThan(250);
      expect(stderr).toContain('5 tasks: 2 built, 0 reused, 3 failed');
      expect(stderr).toContain('it is nested too deeply: flatten it');
      expect(stderr).toContain('what the worker says cannot be read');
      expect(stderr).toContain('more characters)');
      expect(stderr.length).toBeLessThan(1_000_000);
    },
  );
});
