import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Digest, digestOf, type Key } from '../src/engine/model/key.ts';
import { downloadedWhole } from '../src/remote/blob-download.ts';
import { collectRemote } from '../src/remote/collect.ts';
import { entryName } from '../src/remote/entry.ts';
import { once } from '../src/remote/http-cache.ts';
import { httpClient } from '../src/remote/http-client.ts';
import { openCache } from '../src/remote/open-cache.ts';
import { type RemoteCache, RemoteError } from '../src/remote/remote-cache.ts';
import { s3Cache } from '../src/remote/s3-cache.ts';
import { signedHeaders } from '../src/remote/s3-signing.ts';
import {
  type AtEnd,
  bazelRemote,
  bazelRemoteServer,
  newFolder,
  nginx,
  nginxServer,
  s3Server,
  testServer,
  versitygw,
} from './remote-server.ts';

const { signal } = new AbortController();
const nameOf = (text: string) => entryName('space', digestOf(text) as string as Key);
const name = nameOf('a key');
const bytes = (text: string): Uint8Array => Buffer.from(text);
const sized = (content: Uint8Array) => ({ digest: digestOf(content), bytes: content.length });

/** Opens an address. @throws Error where it is none */
function opened(address: string, environment: NodeJS.ProcessEnv = {}): RemoteCache {
  const cache = openCache(address, environment, 'PIPELINE_REMOTE_URL');
  if (!cache.ok) throw new Error(cache.diagnostics[0]?.message);
  return cache.value;
}

const folderAt = (atEnd?: AtEnd): string => `file://${newFolder('shared', atEnd)}`;
const PLACES: readonly (readonly [string, boolean, (atEnd: AtEnd) => Promise<RemoteCache>])[] = [
  ['a folder', true, async (atEnd) => opened(folderAt(atEnd))],
  [
    'a server that keeps what is put',
    true,
    async (atEnd) => opened((await testServer({ atEnd })).url),
  ],
  [
    'a server with the rules of bazel-remote',
    true,
    async (atEnd) => opened((await testServer({ rules: 'bazel', atEnd })).url),
  ],
  [
    'bazel-remote',
    bazelRemote !== undefined,
    async (atEnd) => opened((await bazelRemoteServer(atEnd)).url),
  ],
  [
    'nginx with WebDAV',
    nginx !== undefined,
    async (atEnd) => opened((await nginxServer(atEnd)).url),
  ],
  [
    'versitygw (S3)',
    versitygw !== undefined,
    async (atEnd) => opened('s3://shared/a/b', await s3Server(atEnd)),
  ],
];

for (const [what, isThere, open] of PLACES) {
  describe.skipIf(!isThere)(`${what}${isThere ? '' : ' is not installed: skipped'}`, () => {
    const ends: (() => void | Promise<void>)[] = [];
    let cache: RemoteCache;
    beforeAll(async () => {
      cache = await open((end) => void ends.unshift(end));
    });
    afterAll(async () => {
      cache?.close();
      for (const end of ends) await end();
    });

    test('keeps entries and blobs, and knows what it has not', async () => {
      const name = nameOf('kept');
      const blob = bytes('the content of a blob');
      const absent = digestOf('nobody wrote this');
      expect(await cache.readEntry(name, signal)).toBeUndefined();
      expect(await cache.sizeOf(absent, signal)).toBeUndefined();
      expect(await cache.readBlob({ digest: absent, bytes: 3 }, 0, signal)).toBeUndefined();
      await cache.writeBlob(sized(blob), () => once(blob), signal);
      const files = [
        { path: 'a', digest: { hash: digestOf(blob), sizeBytes: String(blob.length) } },
      ];
      const entry = bytes(JSON.stringify({ outputFiles: files, exitCode: 0 }));
      expect(await cache.writeEntry(name, entry, 'create', signal)).toBe('written');
      const read = JSON.parse(String(Buffer.from((await cache.readEntry(name, signal)) ?? [])));
      expect(read.outputFiles).toEqual(files);
      expect(await cache.sizeOf(digestOf(blob), signal)).toBe(blob.length);
      expect(await downloadedWhole(cache, sized(blob), signal)).toEqual(Buffer.from(blob));
      const part = await cache.readBlob(sized(blob), 4, signal);
      let rest = '';
      for await (const piece of part?.content ?? []) rest += Buffer.from(piece).toString();
      expect('the content of a blob'.slice(part?.from)).toBe(rest);
    });

    test('keeps an empty blob, and one of several megabytes', async () => {
      const large = Buffer.alloc(3 * 2 ** 20, 'x');
      for (const content of [new Uint8Array(0), large]) {
        await cache.writeBlob(sized(content), () => once(content), signal);
        expect(await cache.sizeOf(digestOf(content), signal)).toBe(content.length);
        const read = await downloadedWhole(cache, sized(content), signal);
        expect(digestOf(read)).toBe(digestOf(content));
      }
    });

    test('replaces an entry when it is told to', async () => {
      const name = nameOf('replaced');
      const entry = (exitCode: number) => bytes(JSON.stringify({ outputFiles: [], exitCode }));
      await cache.writeEntry(name, entry(1), 'create', signal);
      expect(await cache.writeEntry(name, entry(2), 'replace', signal)).toBe('written');
      expect(
        JSON.parse(String(Buffer.from((await cache.readEntry(name, signal)) ?? []))).exitCode,
      ).toBe(2);
    });

    test('lists and deletes, where it can', async () => {
      const name = nameOf('listed');
      const [kept, loose] = [bytes('named by an entry'), bytes('named by none')];
      for (const blob of [kept, loose])
        await cache.writeBlob(sized(blob), () => once(blob), signal);
      const entry = bytes(
        JSON.stringify({
          outputFiles: [{ path: 'a', digest: { hash: digestOf(kept), sizeBytes: '17' } }],
        }),
      );
      await cache.writeEntry(name, entry, 'create', signal);
      if (cache.listing) {
        const day = 86_400_000;
        const soon = { now: Date.now() + 2 * day, days: 30, dryRun: false, signal };
        expect((await collectRemote(cache, soon)).entries).toBe(0);
        expect(await cache.sizeOf(digestOf(loose), signal)).toBeUndefined();
        expect(await cache.sizeOf(digestOf(kept), signal)).toBe(kept.length);
        const late = { ...soon, now: Date.now() + 40 * day };
        await collectRemote(cache, late);
        expect(await cache.sizeOf(digestOf(kept), signal)).toBeUndefined();
        expect(await cache.readEntry(name, signal)).toBeUndefined();
      }
    });
  });
}

describe('of two that write an entry at once, the first stays', () => {
  const twice = async (cache: RemoteCache) => {
    await cache.writeEntry(name, bytes('{"exitCode":1}'), 'create', signal);
    const second = await cache.writeEntry(name, bytes('{"exitCode":2}'), 'create', signal);
    return [second, String(Buffer.from((await cache.readEntry(name, signal)) ?? []))];
  };
  test('in a folder', async () => {
    expect(await twice(opened(folderAt()))).toEqual(['exists', '{"exitCode":1}']);
  });
  test.skipIf(versitygw === undefined)('on S3 (versitygw)', async () => {
    const cache = opened('s3://shared', await s3Server());
    expect(await twice(cache)).toEqual(['exists', '{"exitCode":1}']);
  });
});

describe('a download', () => {
  const content = Buffer.from(Array.from({ length: 100_000 }, (_, n) => n % 251));
  const blob = sized(content);

  test('that breaks off is resumed where it was', async () => {
    const server = await testServer();
    server.files.set(`/cas/${blob.digest}`, content);
    let breaks = 2;
    server.trick = ({ headers }, response) => {
      if (breaks-- <= 0) return false;
      const from = Number(/\d+/.exec(headers.range ?? '')?.[0] ?? 0);
      const range = { 'content-range': `bytes ${from}-99999/100000` };
      response.writeHead(from > 0 ? 206 : 200, {
        'content-length': content.length - from,
        ...range,
      });
      response.write(content.subarray(from, from + 30_000), () => response.destroy());
      return true;
    };
    const read = await downloadedWhole(opened(server.url), blob, signal);
    expect(digestOf(read)).toBe(blob.digest);
    expect(server.asked).toHaveLength(3);
  });

  test('begins anew where the server knows no ranges', async () => {
    const server = await testServer({ rules: 'bazel' });
    server.files.set(`/cas/${blob.digest}`, content);
    let isFirst = true;
    server.trick = (_, response) => {
      if (!isFirst) return false;
      isFirst = false;
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 40_000), () => response.destroy());
      return true;
    };
    expect(digestOf(await downloadedWhole(opened(server.url), blob, signal))).toBe(blob.digest);
  });

  test('without end is cut off at the length that it must have', async () => {
    const server = await testServer();
    let sent = 0;
    server.trick = (_, response) => {
      response.writeHead(200);
      const more = (): void => {
        sent += 65_536;
        if (!response.destroyed) response.write(Buffer.alloc(65_536), more);
      };
      more();
      return true;
    };
    await expect(downloadedWhole(opened(server.url), blob, signal)).rejects.toThrow('longer than');
    expect(sent).toBeLessThan(20 * 2 ** 20);
  });
});

describe('what servers answer that should not is told in a sentence with what to do', () => {
  type Answer = readonly [status: number, headers: Record<string, string>, body: string];
  const said = async (answer: Answer, environment: NodeJS.ProcessEnv = {}): Promise<string> => {
    const server = await testServer();
    server.trick = (_, response) => {
      response.writeHead(answer[0], answer[1]).end(answer[2]);
      return true;
    };
    return told(opened(server.url, environment));
  };
  const told = (cache: RemoteCache): Promise<string> =>
    cache.readEntry(name, signal).then(
      (content) => `read ${content?.length}`,
      (error: RemoteError) => {
        expect(error).toBeInstanceOf(RemoteError);
        return `${error.message.replace(/127\.0\.0\.1:\d+/, 'HOST')} (${error.hint})`;
      },
    );

  test('by HTTP', async () => {
    const location = { location: 'file:///etc/passwd' };
    const page = { 'content-type': 'text/html; charset=utf-8' };
    expect([
      await said([302, location, '']),
      await said([200, page, '<html>Please log in</html>']),
      await said([401, {}, '']),
      await said([403, {}, '']),
      await said([507, {}, '']),
      await said([503, {}, '']),
      await said([418, {}, '']),
      await said([200, {}, 'x'.repeat(2_000_000)]),
      await told(opened('http://127.0.0.1:1')),
    ]).toMatchInlineSnapshot(`
      [
        "HOST redirects to file:///etc/passwd (redirects are not followed: set the address that it leads to, if you trust that)",
        "the server answers with a web page (a login?) (check the address, and whether the network wants you to log in first)",
        "wrong password, or none (401) (set PIPELINE_REMOTE_USER and PIPELINE_REMOTE_PASSWORD, or PIPELINE_REMOTE_TOKEN)",
        "the server does not allow it (403) (may this user do that? many servers let all read, and few write)",
        "its disk is full (507) (make room on the server, or raise its limit)",
        "the server has a problem (503) (the log of the server tells more)",
        "the server answers 418 (check the address)",
        "an answer of more than 1048576 bytes (check the address: is it that of a remote cache?)",
        "HOST cannot be reached: nothing listens there (check the address, and whether the server runs)",
      ]
    `);
  });

  test('a password is in no message, and the name of a remote has none', async () => {
    const cache = opened('http://lab:sesame@127.0.0.1:1/x');
    expect(cache.name).toBe('http://127.0.0.1:1/x/');
    expect(await told(cache)).not.toContain('sesame');
  });

  test('addresses that are none', () => {
    const message = (address: string, environment = {}): string => {
      const cache = openCache(address, environment, 'PIPELINE_REMOTE_URL');
      return cache.ok
        ? 'opened'
        : `${cache.diagnostics[0]?.message} (${cache.diagnostics[0]?.hint})`;
    };
    expect([
      message('nonsense'),
      message('ftp://host/x'),
      message('https://lab:sesame@host/x?y'),
      message('file://other-host/x'),
      message('s3://'),
      message('s3://key:secret@bucket'),
      message('s3://bucket', { AWS_ENDPOINT_URL: 'localhost' }),
      message('http://host', { PIPELINE_REMOTE_TOKEN: 'a\nb' }),
    ]).toMatchInlineSnapshot(`
      [
        "PIPELINE_REMOTE_URL is no address: \`nonsense\` (https://HOST/PATH, s3://BUCKET/PREFIX or file:///FOLDER)",
        "PIPELINE_REMOTE_URL names no protocol of a remote: \`ftp://host/x\` (https://HOST/PATH, s3://BUCKET/PREFIX or file:///FOLDER)",
        "the address in PIPELINE_REMOTE_URL cannot have a query or a fragment (https://HOST/PATH, s3://BUCKET/PREFIX or file:///FOLDER)",
        "PIPELINE_REMOTE_URL names no folder of this machine (file:///FOLDER)",
        "PIPELINE_REMOTE_URL names no bucket (s3://BUCKET/PREFIX)",
        "PIPELINE_REMOTE_URL cannot hold a key of S3 (set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)",
        "AWS_ENDPOINT_URL is no address of a server (AWS_ENDPOINT_URL=https://HOST)",
        "a password or token of the remote holds a line break (undefined)",
      ]
    `);
  });

  test('a folder that is not there, and one that may not be used', async () => {
    const folder = newFolder('gone');
    expect(await told(opened(`file://${folder}/none`))).toMatch(
      /there is no folder .*none \(is the disk/,
    );
    mkdirSync(join(folder, 'ac', name.slice(0, 2), name), { recursive: true });
    expect(await told(opened(`file://${folder}`))).toContain('is no file');
    const pipe = join(folder, 'ac', name.slice(0, 2), `${name.slice(0, 63)}x`);
    spawnSync('mkfifo', [pipe]);
    const piped = `${name.slice(0, 63)}x` as typeof name;
    await expect(opened(`file://${folder}`).readEntry(piped, signal)).rejects.toThrow('is no file');
  });
});

describe('S3', () => {
  test('requests are signed as AWS shows it', () => {
    // From "Signature Calculations for the Authorization Header", GET Object.
    const headers = signedHeaders(
      {
        method: 'GET',
        url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
        headers: { range: 'bytes=0-9' },
        payload: createHash('sha256').digest('hex'),
      },
      {
        accessKey: 'AKIAIOSFODNN7EXAMPLE',
        secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
        region: 'us-east-1',
      },
      new Date('2013-05-24T00:00:00Z'),
    );
    expect(headers.authorization).toContain(
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    );
  });

  test.skipIf(versitygw === undefined)('large blobs go up in parts', async () => {
    const environment = await s3Server();
    const endpoint = new URL(environment.AWS_ENDPOINT_URL ?? '');
    const credentials = { accessKey: 'lab', secretKey: 'labsecret', region: 'us-east-1' };
    const options = { credentials, clock: Date.now, partBytes: 5 * 2 ** 20 };
    const cache = s3Cache({ endpoint, bucket: 'shared', prefix: '' }, httpClient(), options);
    const content = Buffer.alloc(11 * 2 ** 20, 'a part of it ');
    await cache.writeBlob(sized(content), () => once(content), signal);
    expect(digestOf(await downloadedWhole(cache, sized(content), signal))).toBe(digestOf(content));
    cache.close();
  });

  test.skipIf(versitygw === undefined)(
    'wrong keys, clocks, buckets and bytes are told',
    async () => {
      const environment = await s3Server();
      const endpoint = new URL(environment.AWS_ENDPOINT_URL ?? '');
      const known = { accessKey: 'lab', secretKey: 'labsecret', region: 'us-east-1' };
      const said = async (credentials: typeof known, clock = Date.now, bucket = 'shared') => {
        const cache = s3Cache({ endpoint, bucket, prefix: '' }, httpClient(), {
          credentials,
          clock,
        });
        const read = await cache
          .readEntry(name, signal)
          .catch((error: RemoteError) => error.message);
        cache.close();
        return read;
      };
      expect(await said(known)).toBeUndefined();
      expect(await said({ ...known, secretKey: 'wrong' })).toBe(
        'S3 refuses this key (SignatureDoesNotMatch)',
      );
      expect(await said({ ...known, accessKey: 'who' })).toMatch(
        /^S3 refuses this key \((XAdminUserNotFound|InvalidAccessKeyId)\)$/,
      );
      expect(await said(known, () => Date.now() + 3_600_000)).toMatch(/clock .* 60 min fast/);
      expect(await said(known, Date.now, 'other')).toBe('there is no such bucket');
      const cache = opened('s3://shared', environment);
      const lie = { digest: digestOf('other bytes') as Digest, bytes: 4 };
      await expect(cache.writeBlob(lie, () => once(bytes('four')), signal)).rejects.toThrow(
        'did not arrive',
      );
    },
  );
});
