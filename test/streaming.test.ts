// Large files from outside and in archives: they pass piece by piece, whatever their size. Servers live on 127.0.0.1.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openZip } from '../src/archive/form/zip-reader.ts';
import { createZip, SizeChanged } from '../src/archive/form/zip-writer.ts';
import { holdsIn, holdsInStream } from '../src/archive/packing/release-checks.ts';
import { digestOf } from '../src/engine/model/key.ts';
import { counted, LARGE_MIB, within } from './counted.ts';
import { DOOR, makeRig, repository } from './rig.ts';
import { type Answer, fetched, folder, server } from './serving.ts';

const MIB = 2 ** 20;
const canMeasure = existsSync('/proc/self/status');

async function* pieces(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

/** Sends pieces for ever, or so many. */
const sending =
  (piece: Uint8Array, { count = Infinity, headers = {} } = {}): Answer =>
  (response) => {
    response.writeHead(200, headers);
    let sent = 0;
    const more = (): void => {
      while (sent < count) {
        sent += 1;
        if (!response.write(piece)) return;
      }
      response.end();
    };
    response.on('drain', more).on('close', () => {
      sent = count;
    });
    more();
  };

describe('a declared file', () => {
  const size = process.env.FULL ? 1024 : LARGE_MIB;
  const module = (sha256: string, url: string, more: string): string => `${DOOR}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { size: json() },
  files: () => [{ name: 'data.bin', urls: ['${url}'], sha256: '${sha256}', of: 'content' as const${more} }],
  run: ({ files }) => ({ size: files['data.bin'].length }),
});`;
  const projectOf = (code: string): Record<string, string> => ({
    'pipeline.yaml': 'stages:\n  set: { run: set.ts }\n',
    'set.ts': code,
  });

  let least_mib: number | undefined;
  /** What a make takes whose file is small. */
  const leastOf = async (): Promise<number> => {
    if (least_mib !== undefined) return least_mib;
    const { url } = await server((response) => response.end('small'));
    const { mib } = await counted(makeRig(projectOf(module(digestOf('small'), url, ''))), 'make');
    least_mib = mib;
    return mib;
  };

  test.skipIf(!canMeasure)(
    `of ${size} MiB is downloaded into the store without such memory, gzipped or not`,
    async () => {
      const piece = Buffer.alloc(MIB, 'piece');
      const hash = createHash('sha256');
      for (let n = 0; n < size; n++) hash.update(piece);
      const sha256 = hash.digest('hex');
      const { url } = await server(
        sending(piece, { count: size, headers: { 'content-length': size * MIB } }),
      );
      const least = await leastOf();
      const rig = makeRig(projectOf(module(sha256, url, `, bytes: ${size * MIB}`)));
      const plain = await counted(rig, 'make');
      expect(plain.stderr).toContain('set');
      expect([
        plain.code,
        statSync(join(rig.folder, 'cache/blobs', sha256.slice(0, 2), sha256)).size,
      ]).toEqual([0, size * MIB]);
      expect(plain.mib - least).toBeLessThan(within(45));
      // Hashed once on its way.
      expect(plain.hashed / MIB).toBeLessThan(size + 4);
      // As many gzip members one after another are one gzip file.
      const gzipped = await server(sending(gzipSync(piece), { count: size }));
      const again = makeRig(projectOf(module(sha256, gzipped.url, `, bytes: ${size * MIB}`)));
      const unpacked = await counted(again, 'make');
      expect(unpacked.code).toBe(0);
      expect(unpacked.mib - least).toBeLessThan(within(45));
    },
    120_000,
  );

  test.skipIf(!canMeasure)('that never ends is cut, and nothing of it is kept', async () => {
    const { url } = await server(sending(Buffer.alloc(MIB, 'endless')));
    const rig = makeRig(projectOf(module(digestOf('small'), url, '')));
    const least = await leastOf();
    const { code, stderr, mib } = await counted(rig, 'make');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(
        'more than 268435456 bytes, and neither the server nor the stage says how many there are: declare `bytes`',
      ),
    ]);
    expect(mib - least).toBeLessThan(within(60));
    const blobs = join(rig.folder, 'cache/blobs');
    expect(
      existsSync(blobs)
        ? readdirSync(blobs, { recursive: true }).filter((name) => /[^/]{20}/.test(String(name)))
        : [],
    ).toEqual([]);
  });

  test('is cut at its declared size, in one piece or in many, gzipped or not', async () => {
    const before = process.memoryUsage().rss;
    const source = { name: 'x', sha256: digestOf('x'), of: 'content' as const, bytes: 100_000 };
    const bomb = gzipSync(Buffer.alloc(64 * MIB));
    const answers: readonly [Answer, string][] = [
      [sending(Buffer.alloc(MIB)), 'more than 100000 bytes'],
      [sending(Buffer.alloc(10)), 'more than 100000 bytes'],
      [
        sending(Buffer.alloc(10), { headers: { 'content-length': '99999999999' } }),
        'more than 100000 bytes',
      ],
      [(response) => response.end(bomb), 'its content has more than 100000 bytes'],
      [
        (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
        'more than 100000 bytes',
      ],
    ];
    for (const [answer, words] of answers) {
      const { url, asked } = await server(answer);
      const { error } = await fetched({ ...source, urls: [url] });
      expect(error?.message).toContain(words);
      expect(asked).toHaveLength(1);
    }
    const mirrors = [folder({ x: bomb })];
    const { error } = await fetched({ ...source, urls: [] }, { mirrors });
    expect(error?.message).toContain('its content has more than 100000 bytes');
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB);
  });

  test('that comes by drops is given up', async () => {
    const drops: Answer = (response) => {
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(timer));
    };
    const { url } = await server(drops);
    const source = { name: 'x', sha256: digestOf('x'), of: 'file' as const, urls: [url] };
    const { error } = await fetched(source, { stall_ms: 100 });
    expect(error?.message).toContain('the server stalled');
  });

  test('of a mirror is a file, and no pipe or device', async () => {
    const source = { name: 'zero', sha256: digestOf('x'), of: 'file' as const, urls: [] };
    const { error } = await fetched(source, { mirrors: ['/dev'] });
    expect(error?.message).toContain('/dev/zero: it is not a file');
  });
});

describe('a zip file', () => {
  const zipped = async (wide: number | undefined, files: Readonly<Record<string, Uint8Array>>) => {
    const path = join(folder(), 'x.zip');
    const zip = await createZip(path, wide);
    for (const [name, bytes] of Object.entries(files)) {
      const content = () => pieces(bytes.subarray(0, 10), bytes.subarray(10));
      await zip.addStream({ name: `x/${name}`, size: bytes.length, content });
    }
    await zip.add('x/whole', Buffer.alloc(5000, 'whole'));
    await zip.end();
    await zip.close();
    return path;
  };
  const files = {
    a: Buffer.alloc(50, 'a'),
    b: Buffer.alloc(3000, 'b'),
    c: Buffer.from(Array.from({ length: 3000 }, (_, n) => (n * n * 31) % 251)),
  };
  const limits = { files: 10, bytes: MIB, fileBytes: MIB };

  test('is read as it was written, with ZIP64 fields or without', async () => {
    for (const wide of [undefined, 1000, 40]) {
      const opened = await openZip(await zipped(wide, files), limits, (place, message) => {
        throw new Error(`${place}: ${message}`);
      });
      for (const [name, bytes] of Object.entries({
        ...files,
        whole: Buffer.alloc(5000, 'whole'),
      })) {
        const chunks: Buffer[] = [];
        for await (const chunk of await opened.files.get(name)!.stream())
          chunks.push(chunk as Buffer);
        expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      }
      opened.close();
    }
  });

  test('has ZIP64 fields only where its numbers need them', async () => {
    const plain = readFileSync(await zipped(undefined, files));
    const wide = readFileSync(await zipped(2000, files));
    const extra = Buffer.from([1, 0, 16, 0]);
    expect(plain.includes(extra)).toBe(false);
    // The local headers of b, c and whole.
    expect(
      wide.toString('latin1').split(extra.toString('latin1')).length - 1,
    ).toBeGreaterThanOrEqual(3);
  });

  test('stores what packing makes too large for its header', async () => {
    // Its beginning promises much, and the rest does not pack at all.
    const noise = Buffer.from(createHash('shake256', { outputLength: 3900 }).update('x').digest());
    const mixed = Buffer.concat([Buffer.alloc(40), noise]);
    const path = await zipped(3940 + 1, { mixed });
    const opened = await openZip(path, limits, (place, message) => {
      throw new Error(`${place}: ${message}`);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of await opened.files.get('mixed')!.stream())
      chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(mixed)).toBe(true);
    opened.close();
  });

  test('takes no file that changes its size while it is written', async () => {
    const zip = await createZip(join(folder(), 'x.zip'));
    for (const size of [9, 11]) {
      const content = () => pieces(Buffer.alloc(10));
      await expect(zip.addStream({ name: 'x', size, content })).rejects.toBeInstanceOf(SizeChanged);
    }
    await zip.close();
  });
});

test('a text that comes piece by piece is looked through like one in memory', async () => {
  const around = {
    home: '/home/somebody',
    root: '/srv/project-x',
    user: 'somebody',
    host: 'machine-7',
  };
  const line = 'nothing to see here, ever\n'.repeat(30_000);
  const text = `${line}password: "correct-horse"\n${line}${'x'.repeat(3_000_000)} /home/somebody/x ${'y'.repeat(3_000_000)}\n${line}AKIAABCDEFGHIJKLMNOP`;
  const bytes = Buffer.from(text);
  const parts = Array.from({ length: Math.ceil(bytes.length / 100_000) }, (_, n) =>
    bytes.subarray(n * 100_000, (n + 1) * 100_000),
  );
  const found = await holdsInStream('x', pieces(...parts), around);
  const items = (holds: readonly { item: string }[]) => holds.map(({ item }) => item).sort();
  expect(items(found)).toEqual(items(holdsIn('x', text, around)));
  expect(found.length).toBeGreaterThanOrEqual(3);
});

describe.skipIf(!process.env.FULL)('an output of 5 GiB', () => {
  test('is archived, verified by both verifiers, and imported, in bounded memory', async () => {
    const rig = makeRig({
      LICENSE: 'MIT',
      'pipeline.yaml': `stages:
  big:
    command: [node, write.mjs, "{outputs.data}"]
    inputs: { script: { file: write.mjs } }
    outputs: { data: data.bin }
`,
      'write.mjs': `import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
const file = openSync(process.argv[2], 'w');
ftruncateSync(file, 5 * 2 ** 30);
for (let at = 0; at < 5 * 2 ** 30; at += 2 ** 28) writeSync(file, 'piece', at);
closeSync(file);
`,
    });
    for (const words of [
      ['make'],
      ['archive', 'study.zip', '--max-file', '8G'],
      ['verify', 'study.zip'],
      ['import', 'study.zip', '--cache', 'other'],
    ]) {
      const { code, mib } = await counted(rig, ...words);
      expect([words[0], code]).toEqual([words[0], 0]);
      expect(mib).toBeLessThan(200);
    }
    expect((await rig.run('make', '--cache', 'other')).stderr).toContain('nothing to do');
    writeFileSync(
      join(rig.folder, 'verify.mjs'),
      readFileSync(join(repository, 'dist/verify.mjs')),
    );
    const { execFileSync } = await import('node:child_process');
    const said = execFileSync(process.execPath, ['verify.mjs', 'study.zip'], { cwd: rig.folder });
    expect(said.toString()).toContain('integrity     holds');
  }, 1_800_000);
});
