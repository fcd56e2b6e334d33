// Nothing unverified is ever used: each attack is mounted by a server that really does it, and ends as a miss with a word.

import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { encodeFolder } from '../src/engine/model/folder-manifest.ts';
import { canonicalJson, digestOf, type Key, keyOf, type TaskId } from '../src/engine/model/key.ts';
import type { ActionRecord } from '../src/engine/model/record.ts';
import { rawKeyOf, type Trust, textOf } from '../src/engine/signing/public-key.ts';
import { type Signer, signerWith, statementOf } from '../src/engine/signing/signature.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import type { RemoteMode } from '../src/engine/store/shared-results.ts';
import type { Store } from '../src/engine/store/store.ts';
import { decodeEntry, encodeEntry, entryName } from '../src/remote/entry.ts';
import { openCache } from '../src/remote/open-cache.ts';
import { PublishQueue } from '../src/remote/publish-queue.ts';
import { blobsOf, Publishing } from '../src/remote/publishing.ts';
import { RemoteResults } from '../src/remote/remote-results.ts';
import type { RemoteTerms } from '../src/remote/remote-terms.ts';
import { newFolder, type TestServer, testServer } from './remote-server.ts';

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

function machine(url: string): Machine {
  const folder = newFolder('machine');
  const store = openStore(folder, () => undefined);
  const said: string[] = [];
  return {
    store,
    folder,
    said,
    terms(mode = 'read', signer = lab, trust = TRUST) {
      const cache = openCache(url, {}, 'PIPELINE_REMOTE_URL');
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
  const server = await testServer(rules);
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
  server: TestServer,
  record = recordOf(1),
): Promise<{ found: boolean; content: string | undefined; said: string }> {
  const here = machine(server.url);
  const results = new RemoteResults(here.terms(), undefined);
  const found = await results.find(record.key);
  if (found) await results.fetch(Object.values(found.outputs));
  const content = await here.store.blobs.get(digest);
  await results.close(0);
  await here.store.close();
  const said = here.said.join('; ').replaceAll(record.key.slice(0, 12), 'KEY');
  return { found: found !== undefined, content: content && String(Buffer.from(content)), said };
}

/** Puts an entry there that `signer` signed, whatever it holds. */
function forge(server: TestServer, at: Key, record: unknown, signer: Signer): void {
  const signature = signer.sign(statementOf('record/1', canonicalJson(record)));
  const entry = { record: record as ActionRecord, signature };
  server.files.set(acPath(at), Buffer.from(encodeEntry(entry, []).content));
}

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

const ATTACKS: readonly (readonly [
  attack: string,
  mount: (server: TestServer) => void,
  word: RegExp,
])[] = [
  [
    'a stranger signs a record',
    (server) => forge(server, recordOf(1).key, recordOf(1), stranger),
    /nobody whom pipeline.yaml trusts/,
  ],
  [
    'a stranger signs, and says that he is lab',
    (server) => {
      const signature = { ...stranger.sign(statementOf('record/1', canonicalJson(recordOf(1)))) };
      const entry = { record: recordOf(1), signature: { ...signature, key: lab.key } };
      server.files.set(acPath(recordOf(1).key), Buffer.from(encodeEntry(entry, []).content));
    },
    /signature does not hold/,
  ],
  [
    'a signed record lies under another key',
    (server) => forge(server, recordOf(1).key, recordOf(2), lab),
    /record of another key/,
  ],
  [
    'a signed record has the key of another, and its own parts',
    (server) => forge(server, recordOf(1).key, { ...recordOf(2), key: recordOf(1).key }, lab),
    /parts do not give its key/,
  ],
  [
    'a record is altered',
    (server) => {
      const path = acPath(recordOf(1).key);
      const result = JSON.parse(String(server.files.get(path)));
      const envelope = String(Buffer.from(result.stdoutRaw, 'base64'));
      const altered = envelope.replace('"seconds":60', '"seconds":61');
      expect(altered).not.toBe(envelope);
      const stdoutRaw = Buffer.from(altered).toString('base64');
      server.files.set(path, Buffer.from(JSON.stringify({ ...result, stdoutRaw })));
    },
    /signature does not hold/,
  ],
  [
    'an output of a record is exchanged',
    (server) => {
      const out = { digest: digestOf('evil'), bytes: 4, kind: 'bytes' };
      const signed = lab.sign(statementOf('record/1', canonicalJson(recordOf(1))));
      const entry = { record: recordOf(1, { outputs: { out } }), signature: signed };
      server.files.set(acPath(recordOf(1).key), Buffer.from(encodeEntry(entry, []).content));
    },
    /signature does not hold/,
  ],
  [
    'a signature that was made for something else',
    (server) => {
      const signature = lab.sign(statementOf('archive/1', canonicalJson(recordOf(1))));
      const entry = encodeEntry({ record: recordOf(1), signature }, []);
      server.files.set(acPath(recordOf(1).key), Buffer.from(entry.content));
    },
    /signature does not hold/,
  ],
  [
    'a record without a signature',
    (server) => {
      const envelope = JSON.stringify({ form: 'signed-record/1', record: recordOf(1) });
      const stdoutRaw = Buffer.from(envelope).toString('base64');
      server.files.set(acPath(recordOf(1).key), Buffer.from(JSON.stringify({ stdoutRaw })));
    },
    /not signed/,
  ],
  [
    'an entry of Bazel itself',
    (server) => {
      const result = { outputFiles: [], exitCode: 0 };
      server.files.set(acPath(recordOf(1).key), Buffer.from(JSON.stringify(result)));
    },
    /no record of ours/,
  ],
  [
    'an entry that is no JSON',
    (server) => void server.files.set(acPath(recordOf(1).key), Buffer.from('\0\0\0')),
    /no JSON/,
  ],
  [
    'JSON nested without end',
    (server) => {
      const nested = `{"stdoutRaw":${'['.repeat(400_000)}`;
      server.files.set(acPath(recordOf(1).key), Buffer.from(nested));
    },
    /no JSON/,
  ],
  [
    'a record that names a blob as its envelope, which is another one',
    (server) => {
      const stdoutDigest = { hash: digestOf('x'), sizeBytes: '4' };
      server.files.set(acPath(recordOf(1).key), Buffer.from(JSON.stringify({ stdoutDigest })));
      server.files.set(`/cas/${digestOf('x')}`, Buffer.from('evil'));
    },
    /another digest than it says/,
  ],
];

for (const [attack, mount, word] of ATTACKS) {
  test(`${attack}: a miss with a word`, async () => {
    const server = await published();
    mount(server);
    const { found, content, said } = await got(server);
    expect({ found, content }).toEqual({ found: false, content: undefined });
    expect(said).toMatch(word);
  });
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
  const server = await testServer('nginx', 'sesame');
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
