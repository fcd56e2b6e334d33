// A bad server costs little: delays, errors and stalls made by the server.
import { generateKeyPairSync } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { digestOf, type Key } from '../src/engine/model/key.ts';
import { rawKeyOf, textOf } from '../src/engine/signing/public-key.ts';
import { signerWith } from '../src/engine/signing/signature.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { openCache } from '../src/remote/open-cache.ts';
import { PublishQueue } from '../src/remote/publish-queue.ts';
import { Publishing } from '../src/remote/publishing.ts';
import { RemoteResults } from '../src/remote/remote-results.ts';
import type { RemoteTerms } from '../src/remote/remote-terms.ts';
import { newFolder, type TestServer, testServer } from './remote-server.ts';

const keys = Array.from({ length: 200 }, (_, n) => digestOf(`key ${n}`) as string as Key);

/** A run waits for look-ups no longer than it may in all: a busy machine must not look like a slow server. */
const patient = (): number => performance.now() / 100;

/**
 * Looks up many keys at once, of which the server has none.
 * @param awaited what is said before the run ends: on a busy machine the look-ups may be over earlier
 */
async function look(
  server: TestServer,
  awaited?: string,
  clock = () => performance.now(),
): Promise<{ seconds: number; said: readonly string[] }> {
  const store = openStore(newFolder('store'), () => undefined);
  const cache = openCache(server.url, {}, 'PIPELINE_REMOTE_URL');
  if (!cache.ok) throw new Error('bug');
  const said: string[] = [];
  const results = new RemoteResults(
    {
      ...{ remote: cache.value, space: '', mode: 'read', trust: {}, signer: null, store },
      listener: { warn: (message) => said.push(message), note: () => undefined },
      clock,
    },
    undefined,
  );
  const start = performance.now();
  const found = await Promise.all(keys.map((key) => results.find(key)));
  const seconds = (performance.now() - start) / 1000;
  expect(found.every((record) => record === undefined)).toBe(true);
  if (awaited !== undefined) {
    await vi.waitFor(() => expect(said.join('\n')).toContain(awaited), { timeout: 30_000 });
  }
  await results.close(0);
  await store.close();
  return { seconds, said };
}

test('a latency of 50 ms: look-ups run beside each other', async () => {
  const server = await testServer();
  server.delay = 50;
  const { said } = await look(server, undefined, patient);
  expect(said).toEqual([]);
  expect(server.asked.length).toBeGreaterThan(100);
});

test('one answer in a hundred is an error: it is asked again, and the remote is not left alone', async () => {
  const server = await testServer();
  let n = 0;
  server.trick = (_, response) => {
    n += 1;
    if (n % 100 !== 0) return false;
    response.writeHead(500).end();
    return true;
  };
  const { said } = await look(server, undefined, patient);
  expect(said).toEqual([]);
  expect(server.asked.length).toBeGreaterThan(100);
});

test('a stall costs a second or two, and the server is left alone after that', async () => {
  const server = await testServer();
  server.trick = () => true;
  const { seconds, said } = await look(server, 'left alone');
  // Of hundreds of look-ups, each would wait as long.
  expect(seconds).toBeLessThan(15);
  expect(said.filter((line) => line.includes('left alone'))).toHaveLength(1);
  // A fifth of them at most, also on a machine where the first answers are late by more than a second.
  expect(server.asked.length).toBeLessThanOrEqual(40);
});

test('a run waits for look-ups and for publishing no longer than it may in all, and what is left stays in the queue', async () => {
  const server = await testServer();
  const store = openStore(newFolder('store'), () => undefined);
  const cache = openCache(server.url, {}, 'PIPELINE_REMOTE_URL');
  if (!cache.ok) throw new Error('bug');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const signer = signerWith(privateKey, textOf(rawKeyOf(publicKey)), undefined);
  const asked: number[] = [];
  const terms: RemoteTerms = {
    ...{ remote: cache.value, space: '', mode: 'read-write', trust: {}, signer, store },
    listener: { warn: () => undefined, note: () => undefined },
    clock: () => performance.now(),
  };
  const queue = new PublishQueue(newFolder('queue'));
  const around = { home: '/none', root: '/none', user: 'x', host: 'x' };
  const publishing = new Publishing(terms, { signer, queue, around });
  publishing.close = async (limit_ms) => {
    asked.push(limit_ms);
    return queue.all().length;
  };
  const results = new RemoteResults(terms, publishing);
  // 0.3 s for nothing.
  server.delay = 300;
  const start = performance.now();
  expect(await results.find(keys[0] as Key)).toBeUndefined();
  const waited_ms = performance.now() - start;
  expect(await results.close(1700)).toBe(0);
  expect(asked[0]).toBeGreaterThan(1600 - waited_ms);
  expect(asked[0]).toBeLessThan(1500);
  await store.close();
});

test('a server that is gone costs nothing', async () => {
  const server = { ...(await testServer()), url: 'http://127.0.0.1:1' };
  const { seconds, said } = await look(server);
  expect(seconds).toBeLessThan(10);
  expect(said).toHaveLength(1);
});

test('a blob that stops in the middle is given up in seconds', async () => {
  const server = await testServer();
  server.trick = (_, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('a part');
    return true;
  };
  const store = openStore(newFolder('store'), () => undefined);
  const cache = openCache(server.url, {}, 'PIPELINE_REMOTE_URL');
  if (!cache.ok) throw new Error('bug');
  const notes: string[] = [];
  const listener = { warn: () => undefined, note: (message: string) => void notes.push(message) };
  const results = new RemoteResults(
    {
      ...{ remote: cache.value, space: '', mode: 'read', trust: {}, signer: null, store },
      ...{ listener, clock: () => performance.now() },
    },
    undefined,
  );
  const start = performance.now();
  await results.fetch([{ digest: digestOf('a blob'), bytes: 100 }]);
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(notes.join()).toMatch(/stopped in the middle/);
  await results.close(0);
  await store.close();
});
