// What head and workers tell each other: frames in files, sealed messages over TCP, and what strangers can do about them.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BoxReader, BoxWriter } from '../src/cluster/box.ts';
import { encodeFrame, FrameReader } from '../src/cluster/frames.ts';
import { openLayout } from '../src/cluster/layout.ts';
import { readWorkerSays } from '../src/cluster/messages.ts';
import { decodeOrder } from '../src/cluster/order.ts';
import { connectToHead, listenForWorkers } from '../src/cluster/tcp-line.ts';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cluster-line-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('frames come out as they went in, however they are cut, and nothing behind a damaged one is read', () => {
  const bytes = Buffer.concat([encodeFrame({ a: 1 }, Buffer.from('body')), encodeFrame({ b: 2 })]);
  for (let cut = 0; cut < bytes.length; cut += 1) {
    const reader = new FrameReader();
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
    const frames = parts.flatMap((part) => [...reader.push(part)]);
    expect(frames.map(({ header }) => header)).toEqual([{ a: 1 }, { b: 2 }]);
    expect(frames[0]?.body.toString()).toBe('body');
  }
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 0x41;
    const headers = [...new FrameReader().push(damaged)].map(({ header }) => header);
    expect(headers.length, `byte ${at}`).toBeLessThan(2);
    for (const header of headers) expect(header).toEqual({ a: 1 });
  }
});

test('what a writer appends is read once, whether its file or its messages bring it first', async () => {
  const path = join(newFolder(), 'box');
  writeFileSync(path, '');
  const sent: (readonly [number, Buffer])[] = [];
  const writer = new BoxWriter(path, {
    ...{ offset: 0, isDurable: true, trouble: (error: Error) => expect.fail(error.message) },
    sent: (offset, bytes) => sent.push([offset, bytes]),
  });
  onTestFinished(() => writer.close());
  const heard: unknown[] = [];
  const reader = new BoxReader(path, ({ header }) => heard.push(header));
  for (let n = 0; n < 20; n += 1) {
    await writer.write({ n });
    if (n % 3 === 0) await reader.look();
    const [offset, bytes] = sent.at(-1) ?? [0, Buffer.alloc(0)];
    if (n % 3 !== 1) reader.take(offset, bytes);
    // What was heard of before changes nothing.
    reader.take(0, sent[0]?.[1] ?? Buffer.alloc(0));
  }
  await reader.look();
  expect(heard).toEqual(Array.from({ length: 20 }, (_, n) => ({ n })));
});

test('a frame that is not whole yet is read when it is', async () => {
  const path = join(newFolder(), 'box');
  const frame = encodeFrame({ whole: true });
  writeFileSync(path, frame.subarray(0, 20));
  const heard: unknown[] = [];
  const reader = new BoxReader(path, ({ header }) => heard.push(header));
  await reader.look();
  expect(heard).toEqual([]);
  appendFileSync(path, frame.subarray(20));
  await reader.look();
  expect(heard).toEqual([{ whole: true }]);
});

test('whoever does not know the secret of a head is not heard, nor believed', async () => {
  const ends: unknown[] = [];
  const heard: string[] = [];
  const server = await listenForWorkers(
    { host: '127.0.0.1', port: 0, secret: 'right' },
    {
      connected(end, line) {
        ends.push(end);
        line.send(7, Buffer.from('order'));
        return { heard: ({ bytes }) => heard.push(bytes.toString()), closed: () => undefined };
      },
    },
  );
  const address = { host: '127.0.0.1', port: server.port };
  const end = { set: 'abc', element: 1 };
  const talk = async (secret: string): Promise<string> => {
    let told: (text: string) => void = () => undefined;
    const answer = new Promise<string>((resolve) => {
      told = resolve;
    });
    const line = await connectToHead({ ...address, secret }, end, {
      heard: ({ offset, bytes }) => told(`${offset} ${bytes}`),
      closed: () => told('closed'),
      within_ms: 5000,
    });
    line?.send(0, Buffer.from('result'));
    return answer;
  };
  expect(await talk('wrong')).toBe('closed');
  expect(ends).toEqual([]);
  expect(await talk('right')).toBe('7 order');
  expect(ends).toEqual([end]);
  // Neither noise nor silence harms the head.
  const noise = connect(address);
  noise.on('error', () => undefined).resume();
  noise.write(Buffer.alloc(200, 1));
  await new Promise((resolve) => noise.on('close', resolve));
  expect(await talk('right')).toBe('7 order');
  expect(heard.every((text) => text === 'result')).toBe(true);
  await server.close();
});

test('what a worker says is read as far as it has the form, and no name reaches a prototype', () => {
  expect(readWorkerSays(null)).toBeUndefined();
  expect(readWorkerSays({ say: 'ended', key: '../..', end: { status: 'done' } })).toBeUndefined();
  const key = 'a'.repeat(64);
  const text = `{"say":"ended","key":"${key}","order":"1","seconds":-1,"end":{"status":"done","outputs":{"__proto__":{"digest":"${key}","bytes":1},"x":{"digest":"../x","bytes":1}}}}`;
  const said = readWorkerSays(JSON.parse(text));
  expect(said).toMatchObject({ seconds: 0, end: { status: 'done', inline: [] } });
  expect(({} as { digest?: string }).digest).toBeUndefined();
  const failed = { status: 'failed', failure: { cause: 'nonsense', message: 'x' } };
  expect(readWorkerSays({ say: 'ended', key, end: failed })).toBeUndefined();
});

test('an order whose key is not that of its parts is refused', () => {
  const parts = { code: 'a', params: {}, inputs: {}, outputs: {}, source: null };
  const order = { form: 'order/1', action: { key: 'b'.repeat(64), parts, inputs: {} } };
  expect(() => decodeOrder(JSON.stringify(order))).toThrow('its key is not that of its parts');
  expect(() => decodeOrder('{"form":"order/2"}')).toThrow('an unknown form');
});

test('a depot that others may write into is refused', async () => {
  const folder = join(newFolder(), 'depot');
  openLayout(folder, 'project1');
  const { chmodSync, statSync } = await import('node:fs');
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  chmodSync(folder, 0o777);
  expect(() => openLayout(folder, 'project1')).toThrow('others may write into the depot');
  expect(() => openLayout('/proc/depot', 'project1')).toThrow('cannot be used');
});
