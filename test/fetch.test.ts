// Files from outside: where they are looked for, and what is never kept. Servers live on 127.0.0.1.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FetchError, type FetchOptions, fetchFiles } from '../src/pipeline/fetch.ts';
import { digestOf } from '../src/pipeline/key.ts';
import type { SourceFile } from '../src/pipeline/stage.ts';
import { openStore, type Store } from '../src/pipeline/store.ts';
import { DOOR, makeRig, tasksOf } from './rig.ts';

const CONTENT = Buffer.from('ten images of a sort'.repeat(50));

/** A folder that goes when the test is over. */
function folder(files: Readonly<Record<string, Uint8Array | string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'pipeline-fetch-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
}

function store(): Store {
  const opened = openStore(folder(), () => undefined);
  onTestFinished(() => opened.close());
  return opened;
}

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** A server that gives its answers one after another, the last one for ever; and what it was asked. */
async function server(...answers: readonly Answer[]): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const listening = createServer((request, response) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    asked.push(request.url ?? '');
    answer(response, request);
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    listening.closeAllConnections();
    listening.close();
  });
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, asked };
}

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

/** Fetches one file; gives its bytes as kept, the warnings, and the error if any. */
async function fetched(
  source: SourceFile,
  options: Partial<FetchOptions> = {},
): Promise<{ bytes?: Uint8Array | undefined; warnings: string[]; error?: Error }> {
  const warnings: string[] = [];
  const into = options.store ?? store();
  const all: FetchOptions = {
    store: into,
    mirrors: [],
    progress: () => undefined,
    warn: (message) => warnings.push(message),
    signal: new AbortController().signal,
    retryAfter_ms: 1,
    stall_ms: 2000,
    ...options,
  };
  try {
    const digests = await fetchFiles([source], all);
    return { bytes: into.blob(digests[source.name]), warnings };
  } catch (error) {
    expect(error).toBeInstanceOf(FetchError);
    return { warnings, error: error as Error };
  }
}

/** A message without what differs from run to run. */
const steady = (text: string | undefined, ...urls: string[]): string =>
  urls.reduce(
    (sum, url, index) => sum.replaceAll(url, `http://server-${index}`),
    (text ?? '').replaceAll(tmpdir(), '/tmp').replace(/pipeline-fetch-\w+/g, 'folder'),
  );

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
    expect((await fetched(file({ urls: [url] }), { stall_ms: 100 })).bytes).toEqual(CONTENT);
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
      store: into,
    });
    expect(bytes).toEqual(CONTENT);
    expect(first.asked).toHaveLength(1);
    expect(steady(warnings.join(), first.url, second.url)).toMatchInlineSnapshot(
      `"images.bin came from http://server-1; before it: http://server-0: wrong file: SHA-256 is f41f3fa625ff120ddca7ef456bf66371ecea23c129f4e4c32367101edb516cf8, expected 0be417d52498cba5abec15b7cb494122e8d85917a1a09227959d648d220daf1f"`,
    );
    expect(into.hasBlob(digestOf('something else'))).toBe(false);
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
    const options = { store: into, signal: stop.signal };
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

describe('places', () => {
  test('the store is asked first, then mirrors in order, then where it is published', async () => {
    const mirror = await server(whole);
    const published = await server(whole);
    const into = store();
    const places = { store: into, mirrors: [folder(), `${mirror.url}/data/`] };
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
    damaged[20] ^= 0xff;
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
      () => rig.start(['make', '--cache', 'two'], { PIPELINE_MIRROR: mirror }).ended,
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
