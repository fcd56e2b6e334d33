// Files from outside: where they are looked for, and what is never kept. Servers live on 127.0.0.1.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { fetchFiles } from '../src/engine/fetch/fetch.ts';
import { digestOf } from '../src/engine/model/key.ts';
import type { SourceFile } from '../src/engine/stage.ts';
import { DOOR, makeRig, tasksOf } from './rig.ts';
import { type Answer, fetched, folder, server, steady, store } from './serving.ts';

const CONTENT = Buffer.from('ten images of a sort'.repeat(50));

const whole: Answer = (response) => response.end(CONTENT);
const status =
  (code: number): Answer =>
  (response) =>
    response.writeHead(code).end('no');
/** Promises everything and hangs up half-way. */
const cut: Answer = (response) => {
  response.writeHead(200, { 'content-length': CONTENT.length });
  response.write(CONTENT.subarray(0, 100), () => response.destroy());
};
/** Sends a part, then nothing. */
const stall: Answer = (response) => {
  response.writeHead(200, { 'content-length': CONTENT.length });
  response.write(CONTENT.subarray(0, 100));
};
const wrong: Answer = (response) => response.end('something else');

const file = (overrides: Partial<SourceFile> = {}): SourceFile => ({
  name: 'images.bin',
  urls: [],
  sha256: digestOf(CONTENT),
  of: 'file',
  ...overrides,
});

describe('a server', () => {
  test('that fails with 500 is asked again', async () => {
    const { url, asked } = await server(status(500), status(503), whole);
    const { bytes, warnings } = await fetched(file({ urls: [`${url}/a`] }));
    expect(bytes).toEqual(CONTENT);
    expect(asked).toEqual(['/a', '/a', '/a']);
    expect(warnings).toEqual([]);
  });

  test('that hangs up half-way is asked again', async () => {
    const { url, asked } = await server(cut, whole);
    expect((await fetched(file({ urls: [url] }))).bytes).toEqual(CONTENT);
    expect(asked).toHaveLength(2);
  });

  test('that stalls is given up and asked again', async () => {
    const { url, asked } = await server(stall, whole);
    expect((await fetched(file({ urls: [url] }), { stall_ms: 500 })).bytes).toEqual(CONTENT);
    expect(asked).toHaveLength(2);
  });

  test('that says 404 is asked once, and the next place is tried with a warning', async () => {
    const [first, second] = [await server(status(404)), await server(whole)];
    const { bytes, warnings } = await fetched(file({ urls: [first.url, second.url] }));
    expect(bytes).toEqual(CONTENT);
    expect(first.asked).toHaveLength(1);
    expect(steady(warnings.join(), first.url, second.url)).toMatchInlineSnapshot(
      `"images.bin came from http://server-1; before it: http://server-0: HTTP 404 Not Found"`,
    );
  });

  test('that serves wrong content is refused with both digests, and nothing of it is kept', async () => {
    const [first, second] = [await server(wrong), await server(whole)];
    const into = store();
    const { bytes, warnings } = await fetched(file({ urls: [first.url, second.url] }), {
      blobs: into,
    });
    expect(bytes).toEqual(CONTENT);
    expect(first.asked).toHaveLength(1);
    expect(steady(warnings.join(), first.url, second.url)).toMatchInlineSnapshot(
      `"images.bin came from http://server-1; before it: http://server-0: wrong file: SHA-256 is f41f3fa625ff120ddca7ef456bf66371ecea23c129f4e4c32367101edb516cf8, expected 0be417d52498cba5abec15b7cb494122e8d85917a1a09227959d648d220daf1f"`,
    );
    expect(await into.missing([digestOf('something else')])).toHaveLength(1);
    const alone = await fetched(file({ urls: [first.url] }));
    expect(steady(alone.error?.message, first.url)).toMatchInlineSnapshot(`
      "images.bin cannot be had. Tried:
        http://server-0: wrong file: SHA-256 is f41f3fa625ff120ddca7ef456bf66371ecea23c129f4e4c32367101edb516cf8, expected 0be417d52498cba5abec15b7cb494122e8d85917a1a09227959d648d220daf1f
      Offline? Put the file at DIR/images.bin and say --mirror DIR (or set PIPELINE_MIRROR=DIR)."
    `);
  });

  test('that serves more than the bound is cut off', async () => {
    const { url, asked } = await server(whole);
    const { error } = await fetched(file({ urls: [url], bytes: 100 }));
    expect(steady(error?.message, url)).toContain('more than 100 bytes, which it must not have');
    expect(asked).toHaveLength(1);
  });

  test('that redirects is followed; one that is not there is tried again and named', async () => {
    const { url } = await server(
      (response) => response.writeHead(302, { location: '/there' }).end(),
      whole,
    );
    expect((await fetched(file({ urls: [url] }))).bytes).toEqual(CONTENT);
    const { error } = await fetched(file({ urls: ['http://127.0.0.1:1/x'] }));
    expect(error?.message).toMatch(/http:\/\/127\.0\.0\.1:1\/x: fetch failed \(.+\)/);
  });

  test('that is cut short by Ctrl-C is left at once', async () => {
    const stop = new AbortController();
    const { url } = await server((response) => {
      stall(response, undefined as never);
      stop.abort(new Error('stopped'));
    });
    const source = file({ urls: [url] });
    const into = store();
    const options = { blobs: into, signal: stop.signal };
    await expect(
      fetchFiles([source], {
        mirrors: [],
        progress: () => undefined,
        warn: () => undefined,
        retryAfter_ms: 1,
        stall_ms: 60_000,
        ...options,
      }),
    ).rejects.toThrow('stopped');
  });
});

describe('a download that breaks off', () => {
  /** Serves ranges of the content as long as `if-range` names this version. */
  const ranged =
    (etag: string, content = CONTENT): Answer =>
    (response, { headers }) => {
      const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
      if (start === 0 || (headers['if-range'] ?? etag) !== etag) {
        response.writeHead(200, { etag, 'content-length': content.length }).end(content);
        return;
      }
      const range = `bytes ${start}-${content.length - 1}/${content.length}`;
      const length = content.length - start;
      response.writeHead(206, { etag, 'content-range': range, 'content-length': length });
      response.end(content.subarray(start));
    };
  const cutAt =
    (etag: string | undefined, content = CONTENT): Answer =>
    (response) => {
      const tag = etag === undefined ? {} : { etag };
      response.writeHead(200, { ...tag, 'content-length': content.length });
      response.write(content.subarray(0, 300), () => response.destroy());
    };
  /** The ranges that were asked for. */
  const asking = (...answers: readonly Answer[]) => {
    const ranges: (string | undefined)[] = [];
    const noting = answers.map(
      (answer): Answer =>
        (response, request) => {
          ranges.push(request.headers.range);
          answer(response, request);
        },
    );
    return { ranges, serving: server(...noting) };
  };

  test('goes on where it stopped', async () => {
    const { ranges, serving } = asking(cutAt('"1"'), ranged('"1"'));
    const { bytes } = await fetched(file({ urls: [(await serving).url] }));
    expect(bytes).toEqual(CONTENT);
    expect(ranges).toEqual([undefined, 'bytes=300-']);
  });

  test('begins anew when the file has changed meanwhile', async () => {
    const { ranges, serving } = asking(cutAt('"1"', Buffer.alloc(1000)), ranged('"2"'));
    expect((await fetched(file({ urls: [(await serving).url] }))).bytes).toEqual(CONTENT);
    expect(ranges).toEqual([undefined, 'bytes=300-']);
  });

  test('begins anew when only the digest tells that the file has changed', async () => {
    const { ranges, serving } = asking(cutAt(undefined, Buffer.alloc(1000)), ranged('"2"'));
    expect((await fetched(file({ urls: [(await serving).url] }))).bytes).toEqual(CONTENT);
    expect(ranges).toEqual([undefined, 'bytes=300-', undefined]);
  });

  test('begins anew when the server knows nothing of ranges, or of this one', async () => {
    const deaf = asking(cutAt(undefined), whole);
    expect((await fetched(file({ urls: [(await deaf.serving).url] }))).bytes).toEqual(CONTENT);
    expect(deaf.ranges).toEqual([undefined, 'bytes=300-']);
    const strict = asking(cutAt(undefined), status(416), whole);
    expect((await fetched(file({ urls: [(await strict.serving).url] }))).bytes).toEqual(CONTENT);
    expect(strict.ranges).toEqual([undefined, 'bytes=300-', undefined]);
  });

  test('is tried as often as it brings a good deal more', async () => {
    const large = Buffer.alloc(8_500_000, 'large');
    const piecemeal: Answer = (response, { headers }) => {
      const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
      const range = `bytes ${start}-${large.length - 1}/${large.length}`;
      const length = large.length - start;
      const head = start === 0 ? {} : { 'content-range': range };
      response.writeHead(start === 0 ? 200 : 206, { ...head, 'content-length': length });
      response.write(large.subarray(start, start + 1_500_000), () => response.destroy());
    };
    const { url, asked } = await server(piecemeal);
    const { bytes } = await fetched(file({ urls: [url], sha256: digestOf(large) }));
    expect(bytes?.length).toBe(large.length);
    expect(asked.length).toBeGreaterThan(4);
  });
});

test('progress is told about a hundred times, however many chunks a download has', async () => {
  const large = Buffer.alloc(20_000_000);
  const { url } = await server((response) => response.end(large));
  const told: number[] = [];
  const source = file({ urls: [url], sha256: digestOf(large), bytes: large.length });
  await fetched(source, { progress: (done) => told.push(done) });
  expect(told.length).toBeLessThanOrEqual(102);
  expect(told.at(-1)).toBe(large.length);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
});

describe('places', () => {
  test('the store is asked first, then mirrors in order, then where it is published', async () => {
    const mirror = await server(whole);
    const published = await server(whole);
    const into = store();
    const places = { blobs: into, mirrors: [folder(), `${mirror.url}/data/`] };
    const source = file({ name: 'set/images.bin', urls: [published.url] });
    const { bytes, warnings } = await fetched(source, places);
    expect(bytes).toEqual(CONTENT);
    expect([mirror.asked, published.asked]).toEqual([['/data/set/images.bin'], []]);
    expect(warnings).toEqual([expect.stringContaining('no such file')]);
    expect((await fetched(source, places)).bytes).toEqual(CONTENT);
    expect(mirror.asked).toHaveLength(1);
  });

  test('gzipped and plain files give the same content, whichever a place holds', async () => {
    const gzipped = gzipSync(CONTENT);
    const content = file({ name: 'images.gz', of: 'content' });
    for (const files of [{ 'images.gz': gzipped }, { 'images.gz': CONTENT }, { images: CONTENT }]) {
      expect((await fetched(content, { mirrors: [folder(files)] })).bytes).toEqual(CONTENT);
    }
    const { url } = await server((response) => response.end(gzipped));
    expect((await fetched({ ...content, urls: [url] })).bytes).toEqual(CONTENT);
    const asFile = file({ name: 'images.gz', sha256: digestOf(gzipped) });
    expect((await fetched(asFile, { mirrors: [folder({ 'images.gz': gzipped })] })).bytes).toEqual(
      gzipped,
    );
  });

  test('a gzip file that is damaged or cut short is refused, in words', async () => {
    const gzipped = gzipSync(CONTENT);
    const damaged = Buffer.from(gzipped);
    damaged[20]! ^= 0xff;
    for (const bytes of [gzipped.subarray(0, 30), damaged]) {
      const mirrors = [folder({ 'images.gz': bytes })];
      const { error } = await fetched(file({ name: 'images.gz', of: 'content' }), { mirrors });
      expect(error?.message).toContain('the gzip file is damaged or cut short');
    }
  });

  test('out of reach: everything that was tried, and what to do offline', async () => {
    const { url } = await server(status(404));
    const source = file({ urls: [`${url}/x`], instead: 'The set `synth` needs no download.' });
    const { error } = await fetched(source, { mirrors: [folder()] });
    expect(steady(error?.message, url)).toMatchInlineSnapshot(`
      "images.bin cannot be had. Tried:
        /tmp/folder/images.bin: no such file
        http://server-0/x: HTTP 404 Not Found
      Offline? Put the file at DIR/images.bin and say --mirror DIR (or set PIPELINE_MIRROR=DIR).
      The set \`synth\` needs no download."
    `);
    expect((await fetched(file())).error?.message).toMatchInlineSnapshot(`
      "images.bin cannot be had. Tried:
        nothing: it has no mirror and no address
      Offline? Put the file at DIR/images.bin and say --mirror DIR (or set PIPELINE_MIRROR=DIR)."
    `);
  });

  test('a name that leaves its mirror is refused', async () => {
    for (const name of ['../secret', 'a/../../b', '/etc/passwd', 'a\\..\\b']) {
      const { error } = await fetched(file({ name }), { mirrors: [folder()] });
      expect(error?.message).toContain('cannot be called');
    }
  });

  test('a checksum that could never match is refused before anything is fetched', async () => {
    for (const sha256 of ['A'.repeat(64), 'abc']) {
      const { error } = await fetched(file({ sha256 }), { mirrors: [folder()] });
      expect(error?.message).toContain('is not 64 lower-case hex digits');
    }
  });
});

describe('a source stage', () => {
  const stage = (sha256: string): string => `${DOOR}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { size: json() },
  files: () => [{ name: 'images.bin', urls: [], sha256: '${sha256}', of: 'content' as const, instead: 'Or draw your own.' }],
  run: ({ files }) => ({ size: files['images.bin'].length }),
});`;

  test('takes its files from --mirror, PIPELINE_MIRROR or mirrors in pipeline.yaml, and keeps them', async () => {
    const yaml = 'stages:\n  set: { run: set.ts }\n';
    const rig = makeRig({ 'pipeline.yaml': yaml, 'set.ts': stage(digestOf(CONTENT)) });
    const mirror = folder({ 'images.bin': CONTENT });
    const missing = await rig.run('make');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('images.bin cannot be had. Tried:');
    expect(missing.stderr).toContain('Or draw your own.');
    expect(missing.stderr).not.toMatch(/\n +at /);
    const ways: readonly (() => Promise<{ code: number | null }>)[] = [
      () => rig.run('make', '--mirror', mirror, '--cache', 'one'),
      () => rig.runWith(['make', '--cache', 'two'], { PIPELINE_MIRROR: mirror }),
      () => {
        rig.write('data/images.bin', gzipSync(CONTENT).toString('latin1'));
        writeFileSync(join(rig.folder, 'data/images.bin'), gzipSync(CONTENT));
        rig.write('pipeline.yaml', `mirrors: [data]\n${yaml}`);
        return rig.run('make', '-C', rig.folder, '--cache', 'three');
      },
    ];
    for (const make of ways) expect((await make()).code).toBe(0);
    rmSync(mirror, { recursive: true });
    rig.write('pipeline.yaml', yaml);
    const { events } = await rig.make('--force', 'set', '--cache', 'one');
    expect(tasksOf(events, 'built')).toEqual(['set']);
  });

  test('is keyed by the declared checksums, and never runs on a damaged copy', async () => {
    const rig = makeRig({
      'pipeline.yaml': 'mirrors: [data]\nstages:\n  set: { run: set.ts }\n',
      'set.ts': stage(digestOf(CONTENT)),
      'data/images.bin': CONTENT.toString(),
    });
    expect((await rig.make()).code).toBe(0);
    const { open } = await import('lmdb');
    const root = open({ path: join(rig.folder, 'cache/store.lmdb'), noSubdir: true, maxDbs: 16 });
    const blobs = root.openDB<Buffer, string>({ name: 'blobs', encoding: 'binary' });
    blobs.putSync(digestOf(CONTENT), Buffer.from('damaged'));
    await root.close();
    const { code, stderr } = await rig.run('make', '--force', 'set');
    expect([code, stderr]).toEqual([0, expect.stringContaining('was damaged')]);
    expect((await rig.run('show', 'set:size', '--json')).stdout).toBe(`${CONTENT.length}\n`);
    const other = 'other content';
    rig.write('data/images.bin', other);
    rig.write('set.ts', stage(digestOf(other)));
    const { events } = await rig.make();
    expect(events.find(({ event }) => event === 'started')?.reason).toMatchObject({
      changes: [{ path: 'code' }, { path: 'source.images.bin' }],
    });
  });
});
