// zip.test.ts — files that are published inside a zip archive. Servers live on 127.0.0.1.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { fetchFiles } from '../src/engine/fetch/fetch.ts';
import { digestOf } from '../src/engine/model/key.ts';
import type { SourceFile } from '../src/engine/stage.ts';
import { stream } from '../src/stats/stream.ts';
import { type Answer, fetched, folder, server, steady, store } from './serving.ts';

const LETTERS = strToU8('the letters, '.repeat(400));
const DIGITS = strToU8('the digits, '.repeat(300));
/** What nobody asks for: it does not compress, and lies between the members that are wanted. */
const random = stream(0, 'test-zip');
const FILLER = Uint8Array.from({ length: 3_000_000 }, () => random.below(256));
const ARCHIVE = Buffer.from(
  zipSync({
    'gzip/letters': LETTERS,
    'gzip/filler': [FILLER, { level: 0 }],
    'gzip/digits': DIGITS,
  }),
);

const source = (name: 'letters' | 'digits', more: Partial<SourceFile> = {}): SourceFile => ({
  name: `emnist/${name}`,
  urls: [],
  bytes: 10_000,
  sha256: digestOf(name === 'letters' ? LETTERS : DIGITS),
  of: 'file',
  member: { archive: 'emnist/gzip.zip', path: `gzip/${name}` },
  ...more,
});

/** Serves an archive in parts, as most servers do; notes how many bytes went out. */
const parts = (archive: Buffer, sent = { bytes: 0 }): Answer => {
  return (response, { headers }) => {
    const [, first, last] = /^bytes=(\d+)-(\d*)/.exec(headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    const end = last ? Math.min(Number(last) + 1, archive.length) : archive.length;
    sent.bytes += end - start;
    const range = { 'content-range': `bytes ${start}-${end - 1}/${archive.length}` };
    response.writeHead(first ? 206 : 200, { ...range, 'content-length': end - start });
    response.end(archive.subarray(start, end));
  };
};

/** A mirror's folder with these bytes as its archive. */
function mirrorOf(archive: Uint8Array): string {
  const path = folder();
  mkdirSync(join(path, 'emnist'));
  writeFileSync(join(path, 'emnist/gzip.zip'), archive);
  return path;
}

const archiveError = async (archive: Uint8Array, more: Partial<SourceFile> = {}) => {
  const { error } = await fetched(source('letters', more), { mirrors: [mirrorOf(archive)] });
  return steady(error?.message);
};

const downloadedArchives = (): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith('pipeline-archive-'));

describe('a member of an archive', () => {
  test('is fetched in parts, and the rest of the archive stays where it is', async () => {
    const sent = { bytes: 0 };
    const { url } = await server(parts(ARCHIVE, sent));
    const { bytes } = await fetched(source('letters', { urls: [`${url}/gzip.zip`] }));
    expect(Buffer.from(bytes ?? [])).toEqual(Buffer.from(LETTERS));
    expect(sent.bytes).toBeLessThan(300_000);
  });

  test('is taken from the whole archive, downloaded once, where parts are not served', async () => {
    const before = downloadedArchives();
    const { url, asked } = await server((response) => response.end(ARCHIVE));
    const into = store();
    const options = {
      blobs: into,
      mirrors: [],
      progress: () => undefined,
      warn: () => undefined,
      signal: new AbortController().signal,
      retryAfter_ms: 1,
      stall_ms: 2000,
    };
    const files = (['letters', 'digits'] as const).map((name) => source(name, { urls: [url] }));
    const digests = await fetchFiles(files, options);
    expect(digests).toEqual({
      'emnist/letters': digestOf(LETTERS),
      'emnist/digits': digestOf(DIGITS),
    });
    // One that is refused for being whole, one that is kept.
    expect(asked).toHaveLength(2);
    expect(downloadedArchives()).toEqual(before);
  });

  test('is taken from a mirror that holds it, or that holds the archive', async () => {
    const own = folder();
    mkdirSync(join(own, 'emnist'));
    writeFileSync(join(own, 'emnist/letters'), LETTERS);
    const { url } = await server(parts(ARCHIVE));
    const served: Answer = (response, request) =>
      request.url === '/data/emnist/gzip.zip'
        ? parts(ARCHIVE)(response, request)
        : response.writeHead(404).end();
    const mirror = await server(served);
    for (const place of [own, mirrorOf(ARCHIVE), `${mirror.url}/data`]) {
      const { bytes } = await fetched(source('letters', { urls: [url] }), { mirrors: [place] });
      expect(bytes?.length).toBe(LETTERS.length);
    }
  });

  test('that is not there: those that are, the nearest first', async () => {
    const member = { archive: 'emnist/gzip.zip', path: 'gzip/leters' };
    expect(await archiveError(ARCHIVE, { member })).toMatchInlineSnapshot(`
      "emnist/letters cannot be had. Tried:
        /tmp/folder/emnist/letters: no such file
        /tmp/folder/emnist/gzip.zip: the archive has no member gzip/leters; nearest: gzip/letters; it has: gzip/letters, gzip/filler, gzip/digits
      Offline? Put the file at DIR/emnist/letters and say --mirror DIR (or set PIPELINE_MIRROR=DIR).
      Its archive will do, too: DIR/emnist/gzip.zip."
    `);
    expect(await archiveError(Buffer.from(zipSync({})))).toContain(
      'the archive has no member gzip/letters: it is empty',
    );
  });

  test('of an archive that is cut short, or none at all, is not to be had', async () => {
    for (const archive of [ARCHIVE.subarray(0, 200_000), Buffer.from('<html>not found</html>')]) {
      expect(await archiveError(archive)).toContain('not a whole zip archive');
      const { url } = await server(parts(archive));
      const { error } = await fetched(source('letters', { urls: [url] }));
      expect(error?.message).toContain('not a whole zip archive');
    }
  });

  test('that unpacks to more than its bound is refused, whatever its header says', async () => {
    const bomb = Buffer.from(zipSync({ 'gzip/letters': new Uint8Array(5_000_000) }));
    expect(await archiveError(bomb)).toContain(
      'the member gzip/letters has more than 10000 bytes, which it must not have',
    );
    const lying = Buffer.from(bomb);
    const central = lying.lastIndexOf(Buffer.of(0x50, 0x4b, 1, 2));
    lying.writeUInt32LE(9000, central + 24);
    expect(await archiveError(lying)).toMatch(/too many bytes/);
  });

  test('that is damaged is told by its CRC; another content, by its digest', async () => {
    const stored = Buffer.from(zipSync({ 'gzip/letters': [LETTERS, { level: 0 }] }));
    stored[100]! ^= 1;
    expect(await archiveError(stored)).toContain(
      'the member gzip/letters is damaged: its CRC does not fit',
    );
    const other = Buffer.from(zipSync({ 'gzip/letters': DIGITS }));
    expect(await archiveError(other)).toContain('wrong file: SHA-256 is');
  });

  test('leaves no way out of a mirror, and an archive no way out of itself', async () => {
    const member = { archive: '../gzip.zip', path: 'gzip/letters' };
    expect(await archiveError(ARCHIVE, { member })).toContain('cannot be called ../gzip.zip');
    const evil = Buffer.from(zipSync({ '../letters': LETTERS }));
    expect(await archiveError(evil)).toContain('invalid relative path');
  });
});
