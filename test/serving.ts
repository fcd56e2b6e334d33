// serving.ts — servers on 127.0.0.1 and folders to fetch from, and fetching one file from them
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { FetchError, type FetchOptions, fetchFiles } from '../src/engine/fetch/fetch.ts';
import type { SourceFile } from '../src/engine/stage.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import type { BlobStore } from '../src/engine/store/store.ts';

/** A folder that goes when the test is over. */
export function folder(files: Readonly<Record<string, Uint8Array | string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'pipeline-fetch-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
}

/** The blobs of a store that is closed when the test is over. */
export function store(): BlobStore {
  const opened = openStore(folder(), () => undefined);
  onTestFinished(() => opened.close());
  return opened.blobs;
}

/** How a server answers one request. */
export type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** A server that gives its answers one after another, the last one for ever; and what it was asked. */
export async function server(
  ...answers: readonly Answer[]
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const listening = createServer((request, response) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)]!;
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

/** Fetches one file; gives its bytes as kept, the warnings, and the error if any. */
export async function fetched(
  source: SourceFile,
  {
    blobs: into = store(),
    ...options
  }: Partial<FetchOptions> & { readonly blobs?: BlobStore } = {},
): Promise<{ bytes?: Uint8Array | undefined; warnings: string[]; error?: Error }> {
  const warnings: string[] = [];
  const all: FetchOptions = {
    blobs: into,
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
    return { bytes: await into.get(digests[source.name]!), warnings };
  } catch (error) {
    expect(error).toBeInstanceOf(FetchError);
    return { warnings, error: error as Error };
  }
}

/** A message without what differs from run to run. */
export const steady = (text: string | undefined, ...urls: string[]): string =>
  urls.reduce(
    (sum, url, index) => sum.replaceAll(url, `http://server-${index}`),
    (text ?? '').replaceAll(tmpdir(), '/tmp').replace(/pipeline-fetch-\w+/g, 'folder'),
  );
