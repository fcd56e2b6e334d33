/// <reference lib="dom" />
// live-worker.ts — a shared worker: one stream of overviews for all pages of a browser
import { type LiveStream, openStream } from './source.ts';

const ports = new Set<MessagePort>();
let stream: LiveStream | undefined;
const last: { [kind: string]: unknown } = {};

function enter(port: MessagePort): void {
  ports.add(port);
  for (const [kind, value] of Object.entries(last)) port.postMessage({ [kind]: value });
  if (stream && !stream.isEnded) return;
  stream?.close();
  stream = openStream((told) => {
    Object.assign(last, told);
    for (const one of ports) one.postMessage(told);
  });
}

function leave(port: MessagePort): void {
  ports.delete(port);
  if (ports.size > 0) return;
  stream?.close();
  stream = undefined;
}

addEventListener('connect', (event) => {
  const [port] = (event as MessageEvent).ports;
  if (port === undefined) return;
  port.onmessage = ({ data }) => (data === 'leave' ? leave(port) : enter(port));
  enter(port);
});
