// Nothing unverified is ever used: each attack is mounted by a server that really does it, and ends as a miss with a word.

import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeFolder } from '../src/engine/model/folder-manifest.ts';
import {
  canonicalJson,
  type Digest,
  digestOf,
  type Key,
  keyOf,
  type TaskId,
} from '../src/engine/model/key.ts';
import type { ActionRecord } from '../src/engine/model/record.ts';
import { rawKeyOf, type Trust, textOf } from '../src/engine/signing/public-key.ts';
import {
  type Signature,
  type Signer,
  signerWith,
  statementOf,
} from '../src/engine/signing/signature.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import type { RemoteMode } from '../src/engine/store/shared-results.ts';
import type { Store } from '../src/engine/store/store.ts';
import { decodeEntry, encodeEntry, entryName } from '../src/remote/entry.ts';
import { openCache } from '../src/remote/open-cache.ts';
import { PublishQueue } from '../src/remote/publish-queue.ts';
import { blobsOf, Publishing } from '../src/remote/publishing.ts';
import { RemoteResults } from '../src/remote/remote-results.ts';
import type { RemoteTerms } from '../src/remote/remote-terms.ts';
import {
  bazelRemote,
  bazelRemoteServer,
  newFolder,
  nginx,
  nginxServer,
  s3Server,
  type TestServer,
  testServer,
  versitygw,
} from './remote-server.ts';

/** One who signs. */
function newSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return signerWith(privateKey, textOf(rawKeyOf(publicKey)), undefined);
}

const lab = newSigner();
const stranger = newSigner();
const TRUST: Trust = { lab: lab.key };

const CONTENT = Buffer.from('the result of a long training');
const digest = digestOf(CONTENT);

/** A record as a run writes it. */
function recordOf(n: number, over: Partial<ActionRecord> = {}): ActionRecord {
  const parts = {
    code: digestOf('some code'),
    params: { n },
    inputs: {},
    outputs: { out: 'bytes' },
    source: null,
  };
  return {
    key: keyOf(parts),
    task: `train[${n}]` as TaskId,
    parts,
    outputs: { out: { digest, bytes: CONTENT.length, kind: 'bytes' } },
    cost: { seconds: 60, work: null },
    made: { run: 'r', host: 'gpu-7', at: '2026-11-01T10:00:00.000Z', versions: { node: 'v20' } },
    ...over,
  };
}

/** A machine: a store, and what it says about the remote. */
interface Machine {
  readonly store: Store;
  readonly folder: string;
  readonly said: string[];
  terms(mode?: RemoteMode, signer?: Signer, trust?: Trust): RemoteTerms;
}

function machine(url: string, environment: NodeJS.ProcessEnv = {}): Machine {
  const folder = newFolder('machine');
  const store = openStore(folder, () => undefined);
  const said: string[] = [];
  return {
    store,
    folder,
    said,
    terms(mode = 'read', signer = lab, trust = TRUST) {
      const cache = openCache(url, environment, 'PIPELINE_REMOTE_URL');
      if (!cache.ok) throw new Error('bug');
      const say = (message: string) => void said.push(message);
      const listener = { warn: say, note: say };
      const clock = () => performance.now();
      return { remote: cache.value, space: '', mode, trust, signer, store, listener, clock };
    },
  };
}

const around = { home: '/home/nobody', root: '/nowhere', user: 'x', host: 'x' };
const publishingOf = (one: Machine, signer = lab): Publishing =>
  new Publishing(one.terms('read-write', signer), {
    signer,
    queue: new PublishQueue(one.folder),
    around,
  });

const keep = (store: Store, record: ActionRecord, content = CONTENT): Promise<void> => {
  const kept = { digest: digestOf(content), bytes: content.length, content };
  return store.actions.put([{ record, outputs: [kept] }]);
};

/** A server on which `lab` has published a result. */
async function published(
  rules: 'nginx' | 'bazel' = 'nginx',
  record = recordOf(1),
): Promise<TestServer> {
  const server = await testServer({ rules });
  const maker = machine(server.url);
  await keep(maker.store, record);
  expect(await publishingOf(maker).publish(record.key)).toBe('published');
  await maker.store.close();
  server.asked.length = 0;
  return server;
}

const acPath = (key: Key): string => `/ac/${entryName('', key)}`;

/** What a second machine gets of a result. */
async function got(
  server: Pick<Place, 'url' | 'environment'>,
  record = recordOf(1),
): Promise<{ found: boolean; content: string | undefined; said: string }> {
  const here = machine(server.url, server.environment);
  const results = new RemoteResults(here.terms(), undefined);
  const found = await results.find(record.key);
  if (found) await results.fetch(Object.values(found.outputs));
  const content = await here.store.blobs.get(digest);
  await results.close(0);
  await here.store.close();
  const said = here.said.join('; ').replaceAll(record.key.slice(0, 12), 'KEY');
  return { found: found !== undefined, content: content && String(Buffer.from(content)), said };
}

/** An entry that `signer` signed, whatever it holds. */
function forged(record: unknown, signer: Signer): Buffer {
  const signature = signer.sign(statementOf('record/1', canonicalJson(record)));
  return encoded(record, signature);
}

const encoded = (record: unknown, signature: Signature): Buffer =>
  Buffer.from(encodeEntry({ record: record as ActionRecord, signature }, []).content);

for (const rules of ['nginx', 'bazel'] as const) {
  test(`what somebody who is trusted made is used (${rules})`, async () => {
    const server = await published(rules);
    expect(await got(server)).toEqual({ found: true, content: String(CONTENT), said: '' });
  });
}

test('the record tells by whom it was made, and is the one that was signed', async () => {
  const server = await published();
  const here = machine(server.url);
  const found = await new RemoteResults(here.terms(), undefined).find(recordOf(1).key);
  expect(found).toEqual({ ...recordOf(1), origin: { by: 'lab', signer: lab.key } });
  expect(await here.store.actions.get(recordOf(1).key)).toEqual(found);
  await here.store.close();
});

const statement = statementOf('record/1', canonicalJson(recordOf(1)));
const out = { digest: digestOf('evil'), bytes: 4, kind: 'bytes' };

/** What lies where the record of `recordOf(1)` should be, and the word that tells it. */
const ATTACKS: readonly (readonly [
  attack: string,
  entry: (published: Buffer) => Buffer,
  word: RegExp,
])[] = [
  [
    'a stranger signs a record',
    () => forged(recordOf(1), stranger),
    /nobody whom pipeline.yaml trusts/,
  ],
  [
    'a stranger signs, and says that he is lab',
    () => encoded(recordOf(1), { ...stranger.sign(statement), key: lab.key }),
    /signature does not hold/,
  ],
  [
    'a signed record lies under another key',
    () => forged(recordOf(2), lab),
    /record of another key/,
  ],
  [
    'a signed record has the key of another, and its own parts',
    () => forged({ ...recordOf(2), key: recordOf(1).key }, lab),
    /parts do not give its key/,
  ],
  [
    'a record is altered',
    (published) => {
      const result = JSON.parse(String(published));
      const envelope = String(Buffer.from(result.stdoutRaw, 'base64'));
      const altered = envelope.replace('"seconds":60', '"seconds":61');
      expect(altered).not.toBe(envelope);
      const stdoutRaw = Buffer.from(altered).toString('base64');
      return Buffer.from(JSON.stringify({ ...result, stdoutRaw }));
    },
    /signature does not hold/,
  ],
  [
    'an output of a record is exchanged',
    () => encoded(recordOf(1, { outputs: { out } }), lab.sign(statement)),
    /signature does not hold/,
  ],
  [
    'a signature that was made for something else',
    () => encoded(recordOf(1), lab.sign(statementOf('archive/1', canonicalJson(recordOf(1))))),
    /signature does not hold/,
  ],
  [
    'a record without a signature',
    () => {
      const envelope = JSON.stringify({ form: 'signed-record/1', record: recordOf(1) });
      const stdoutRaw = Buffer.from(envelope).toString('base64');
      return Buffer.from(JSON.stringify({ stdoutRaw }));
    },
    /not signed/,
  ],
  [
    'an entry of Bazel itself',
    () => Buffer.from(JSON.stringify({ outputFiles: [], exitCode: 0 })),
    /no record of ours/,
  ],
  ['an entry that is no JSON', () => Buffer.from('\0\0\0'), /no JSON/],
  ['JSON nested without end', () => Buffer.from(`{"stdoutRaw":${'['.repeat(400_000)}`), /no JSON/],
  [
    'a record that names a blob as its envelope, which is another one',
    () => {
      const stdoutDigest = { hash: digest, sizeBytes: String(CONTENT.length) };
      return Buffer.from(JSON.stringify({ stdoutDigest }));
    },
    /no record of ours/,
  ],
];

// Those that misbehave as they are told are below: here are servers that people run, and what lies in them is changed.
const PLACES: readonly (readonly [what: string, isThere: boolean, start: () => Promise<Place>])[] =
  [
    ['a folder', true, async () => inFolder(newFolder('shared'))],
    ['a server that keeps what is put', true, async () => byHttp((await testServer()).url)],
    ['nginx', nginx !== undefined, async () => nginxPlace(await nginxServer())],
    ['bazel-remote', bazelRemote !== undefined, async () => bazelPlace(await bazelRemoteServer())],
    ['versitygw (S3)', versitygw !== undefined, async () => s3Place(await s3Server())],
  ];

/** A remote, and how somebody with power over it changes what lies there. */
interface Place {
  readonly url: string;
  readonly environment?: NodeJS.ProcessEnv;
  read(name: string): Promise<Buffer>;
  /** False where the server refuses it. */
  write(name: string, content: Buffer): Promise<boolean>;
  poison(blob: Digest, content: Buffer | undefined): Promise<void>;
}

const sharded = (name: string): string => `${name.slice(0, 2)}/${name}`;

function inFolder(folder: string, url = `file://${folder}`, environment = {}): Place {
  const pathOf = (kind: string, name: string): string => join(folder, kind, sharded(name));
  return {
    ...{ url, environment },
    read: async (name) => readFileSync(pathOf('ac', name)),
    write: async (name, content) => {
      rmSync(pathOf('ac', name));
      writeFileSync(pathOf('ac', name), content);
      return true;
    },
    poison: async (blob, content) => {
      rmSync(pathOf('cas', blob));
      if (content) writeFileSync(pathOf('cas', blob), content);
    },
  };
}

const s3Place = ({ FOLDER, ...environment }: { readonly FOLDER: string }): Place =>
  inFolder(FOLDER, 's3://shared', environment);

/** A client that may write, as strangers often may. */
function byHttp(url: string): Place {
  const headers = { 'content-type': 'application/json' };
  const put = async (path: string, body: Buffer): Promise<boolean> =>
    (await fetch(`${url}/${path}`, { method: 'PUT', body: new Uint8Array(body), headers })).ok;
  return {
    url,
    read: async (name) =>
      Buffer.from(await (await fetch(`${url}/ac/${name}`, AS_JSON)).arrayBuffer()),
    write: (name, content) => put(`ac/${name}`, content),
    poison: async (blob, content) => void (await put(`cas/${blob}`, content ?? Buffer.alloc(0))),
  };
}
const AS_JSON = { headers: { accept: 'application/json' } };

function nginxPlace({ url, folder }: { readonly url: string; readonly folder: string }): Place {
  return {
    ...byHttp(url),
    poison: async (blob, content) => {
      if (content) await byHttp(url).poison(blob, content);
      else rmSync(join(folder, 'cas', blob));
    },
  };
}

/** It refuses other bytes, so its disk is changed. */
function bazelPlace({ url, folder }: { readonly url: string; readonly folder: string }): Place {
  return {
    ...byHttp(url),
    poison: async (blob, content) => {
      const shard = join(folder, 'cas.v2', blob.slice(0, 2));
      const file = readdirSync(shard).find((name) => name.startsWith(blob)) as string;
      if (content) writeFileSync(join(shard, file), content);
      else rmSync(join(shard, file));
    },
  };
}

for (const [what, isThere, start] of PLACES) {
  test.skipIf(!isThere)(
    `each attack is a miss with a word, mounted on ${what}${isThere ? '' : ' (not installed)'}`,
    async () => {
      const place = await start();
      const here = machine(place.url, place.environment);
      await keep(here.store, recordOf(1));
      expect(await publishingOf(here).publish(recordOf(1).key)).toBe('published');
      const name = entryName('', recordOf(1).key);
      const good = await place.read(name);
      const ask = async (): Promise<string> => {
        const { found, content, said } = await got(place, recordOf(1));
        return `${found ? 'found' : 'missed'}, ${content === undefined ? 'no' : 'its'} blob: ${said}`;
      };
      const table: Record<string, string> = {};
      for (const [attack, entry, word] of ATTACKS) {
        expect(await place.write(name, good)).toBe(true);
        const isTaken = await place.write(name, entry(good));
        const said = await ask();
        table[attack] = isTaken ? said : `refused by the server; ${said}`;
        if (isTaken) expect(said, attack).toMatch(word);
        expect(said, attack).toMatch(isTaken ? /^missed, no blob: / : /^found, its blob: $/);
      }
      expect(await place.write(name, good)).toBe(true);
      expect(await ask()).toBe('found, its blob: ');
      const evil = Buffer.from(CONTENT);
      evil[0] = 0;
      for (const [attack, content] of [
        ['a blob is poisoned', evil],
        ['a blob is cut short', CONTENT.subarray(1)],
        ['a blob is gone', undefined],
      ] as const) {
        await place.poison(digest, content);
        table[attack] = await ask();
        // bazel-remote keeps an entry and its blobs together: then nothing is found.
        expect(table[attack], attack).toMatch(/^(found|missed), no blob: /);
      }
      await here.store.close();
      if (process.env.ATTACK_TABLE) console.log(JSON.stringify({ [what]: table }, null, 1));
    },
  );
}

const BLOBS: readonly (readonly [string, (server: TestServer) => void, RegExp])[] = [
  [
    'is poisoned',
    (server) => {
      const evil = Buffer.from(CONTENT);
      evil[0] = 0;
      server.files.set(`/cas/${digest}`, evil);
    },
    /SHA-256 is .*, expected/,
  ],
  ['is gone', (server) => void server.files.delete(`/cas/${digest}`), /it is gone/],
  [
    'is too short',
    (server) => void server.files.set(`/cas/${digest}`, CONTENT.subarray(1)),
    /another length/,
  ],
  [
    'is shorter than its length says',
    (server) => {
      server.trick = ({ url }, response) => {
        if (!url?.startsWith('/cas/')) return false;
        response.writeHead(200, { 'content-length': CONTENT.length });
        response.write(CONTENT.subarray(3), () => response.destroy());
        return true;
      };
    },
    /broke the connection off|connection failed|ended too early/,
  ],
  [
    'is a web page',
    (server) => {
      server.trick = ({ url }, response) => {
        if (!url?.startsWith('/cas/')) return false;
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
        return true;
      };
    },
    /web page/,
  ],
];

for (const [attack, mount, word] of BLOBS) {
  test(`a blob ${attack}: it is not used, and that is told`, async () => {
    const server = await published();
    mount(server);
    const { content, said } = await got(server);
    expect(content).toBeUndefined();
    expect(said).toMatch(word);
  });
}

test('an envelope that lies elsewhere has to be what its digest says', async () => {
  const server = await published();
  const stdoutDigest = { hash: digestOf('x'), sizeBytes: '4' };
  server.files.set(acPath(recordOf(1).key), Buffer.from(JSON.stringify({ stdoutDigest })));
  server.files.set(`/cas/${digestOf('x')}`, Buffer.from('evil'));
  const { found, said } = await got(server);
  expect({ found, said }).toMatchObject({
    found: false,
    said: expect.stringContaining('another digest than it says'),
  });
});

test('a record of a hundred thousand inputs is a blob of its own, and is found', async () => {
  const inputs = Array.from({ length: 2000 }, (_, n) => {
    return [`load[${n}]` as TaskId, { n: String(n) }, digestOf(String(n))] as const;
  });
  const parts = { ...recordOf(1).parts, inputs: { all: inputs } };
  const record = recordOf(1, { parts, key: keyOf(parts) });
  const server = await published('bazel', record);
  const decoded = decodeEntry(server.files.get(acPath(record.key)) as Buffer, record.key);
  expect(decoded.kind).toBe('elsewhere');
  expect(await got(server, record)).toMatchObject({ found: true, said: '' });
});

test('a server that is down, stalls or logs everybody in is asked three times, and then left alone', async () => {
  const server = await published();
  server.trick = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>');
    return true;
  };
  const here = machine(server.url);
  const results = new RemoteResults(here.terms(), undefined);
  for (let n = 0; n < 20; n++) expect(await results.find(recordOf(n).key)).toBeUndefined();
  expect(server.asked).toHaveLength(3);
  expect(here.said.filter((line) => line.includes('left alone'))).toHaveLength(1);
  await here.store.close();
});

test('a wrong password is told once, and nothing more is asked', async () => {
  const server = await testServer({ password: 'sesame' });
  const here = machine(server.url);
  const results = new RemoteResults(here.terms(), undefined);
  for (let n = 0; n < 5; n++) expect(await results.find(recordOf(n).key)).toBeUndefined();
  expect(server.asked).toHaveLength(1);
  expect(here.said.join()).toContain('wrong password');
  await here.store.close();
});

test('a remote that is required and does not answer is an error', async () => {
  const here = machine('http://127.0.0.1:1');
  const results = new RemoteResults(here.terms('require'), undefined);
  const asking = async () => {
    for (let n = 0; n < 3; n++) await results.find(recordOf(n).key);
  };
  await expect(asking()).rejects.toThrow('is required and cannot be used');
  await here.store.close();
});

test('other outputs of the same key are a finding, and neither overwritten nor taken', async () => {
  const server = await published();
  const before = new Map(server.files);
  const here = machine(server.url);
  const other = Buffer.from('something else');
  const out = { digest: digestOf(other), bytes: other.length, kind: 'bytes' };
  const ours = recordOf(1, { outputs: { out }, made: { ...recordOf(1).made, host: 'laptop' } });
  await keep(here.store, ours, other);
  expect(await publishingOf(here).publish(ours.key)).toBe('conflict');
  expect(here.said.join()).toMatch(/made on laptop at .* differs from what lab made on gpu-7 at/);
  expect(server.files).toEqual(before);
  expect(await here.store.actions.get(ours.key)).toEqual(ours);
  await here.store.close();
});

test('nothing is sent that the server has, and what it lost is sent again', async () => {
  const server = await published();
  const maker = machine(server.url);
  await keep(maker.store, recordOf(1));
  expect(await publishingOf(maker).publish(recordOf(1).key)).toBe('known');
  expect(server.asked.filter((line) => line.startsWith('PUT'))).toEqual([]);
  server.files.delete(`/cas/${digest}`);
  expect(await publishingOf(maker).publish(recordOf(1).key)).toBe('known');
  expect(server.asked.filter((line) => line.startsWith('PUT'))).toEqual([`PUT /cas/${digest}`]);
  await maker.store.close();
});

test('what holds a secret or a path of this machine is not published', async () => {
  const server = await testServer();
  const maker = machine(server.url);
  for (const [text, word] of [
    ['password = "correct-horse"', 'a secret'],
    ['/home/nobody/data.csv', 'a path of this machine'],
  ] as const) {
    const parts = { ...recordOf(1).parts, params: { text } };
    const record = recordOf(1, { parts, key: keyOf(parts) });
    await keep(maker.store, record);
    expect(await publishingOf(maker).publish(record.key)).toBe('held');
    expect(maker.said.join()).toContain(word);
  }
  expect(server.asked).toEqual([]);
  await maker.store.close();
});

test('a full server ends publishing, and what is left is published by the next run', async () => {
  const server = await testServer();
  server.trick = ({ method }, response) => {
    if (method !== 'PUT') return false;
    response.writeHead(507).end();
    return true;
  };
  const maker = machine(server.url);
  const first = publishingOf(maker);
  for (const n of [1, 2, 3]) {
    await keep(maker.store, recordOf(n));
    first.add(recordOf(n).key);
  }
  expect(await first.close(5000)).toBe(3);
  expect(maker.said.join()).toContain('disk is full');
  server.trick = undefined;
  const second = publishingOf(maker);
  second.goOn();
  expect(await second.close(5000)).toBe(0);
  expect([...server.files.keys()].filter((path) => path.startsWith('/ac/'))).toHaveLength(3);
  await maker.store.close();
});

test('what came from others is not published as our own', async () => {
  const server = await published();
  const here = machine(server.url);
  const results = new RemoteResults(here.terms(), undefined);
  await results.find(recordOf(1).key);
  expect(await publishingOf(here).publish(recordOf(1).key)).toBe('not ours');
  await here.store.close();
});

test('all blobs of a record are named in its entry, each once, and those of folders', async () => {
  const out = recordOf(1).outputs.out as ActionRecord['outputs'][string];
  const file = { path: 'a/b', isExecutable: false, bytes: 1, digest: digestOf('x') };
  const list = encodeFolder([file]);
  const blobs = { get: async () => list };
  expect(await blobsOf(recordOf(1, { outputs: { a: out, b: out } }), blobs)).toHaveLength(1);
  const folder = { digest: digestOf(list), bytes: list.length, kind: 'folder' };
  expect(await blobsOf(recordOf(1, { outputs: { m: folder } }), blobs)).toMatchObject([
    { path: 'm/a/b', digest: file.digest },
    { path: 'm', digest: folder.digest },
  ]);
});
