// event-stream.ts — server-sent events: the newest overview to every page, once for all of them, and again after a gap
import type { ServerResponse } from 'node:http';

/** Pages that listen. */
export interface EventStream {
  /** @param lastId what the page has heard last, as it says when it comes back */
  add(response: ServerResponse, lastId: string | undefined): void;
  /** Sends a message to all, unless it is the one that was sent last. */
  send(data: string): void;
  readonly size: number;
  close(): void;
}

/** How often pages are told that the server is there: one that hears nothing for longer says that what it shows may be old. */
const BEAT_MS = 5000;
/** A page that does not read is left alone; it comes back by itself. */
const BACKLOG_BYTES = 4 * 2 ** 20;
const PAGES_MAX = 500;

/** @param name tells this server from one that ran before: its numbers begin anew */
export function openEventStream(name: string): EventStream {
  const pages = new Set<ServerResponse>();
  let number = 0;
  let last: string | undefined;
  const message = (): string => `id: ${name}-${number}\nevent: overview\ndata: ${last}\n\n`;
  const write = (page: ServerResponse, text: string): void => {
    if (page.writableLength > BACKLOG_BYTES) page.destroy();
    else page.write(text);
  };
  const timer = setInterval(() => {
    for (const page of pages) write(page, 'event: beat\ndata:\n\n');
  }, BEAT_MS);
  timer.unref();
  return {
    add(response, lastId) {
      if (pages.size >= PAGES_MAX) {
        response.writeHead(503).end('too many pages listen');
        return;
      }
      response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
      response.write('retry: 1000\n\n');
      if (last !== undefined && lastId !== `${name}-${number}`) response.write(message());
      pages.add(response);
      response.on('close', () => pages.delete(response));
    },
    send(data) {
      if (data === last) return;
      last = data;
      number += 1;
      const text = message();
      for (const page of pages) write(page, text);
    },
    get size() {
      return pages.size;
    },
    close() {
      clearInterval(timer);
      for (const page of pages) page.end();
    },
  };
}
