// disarm.ts — takes from code of strangers what Node's permission model leaves it: signals, sockets, debuggers
import childProcess from 'node:child_process';
import cluster from 'node:cluster';
import dgram from 'node:dgram';
import dns from 'node:dns';
import inspector from 'node:inspector';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import workerThreads from 'node:worker_threads';

/** Parts of `process` with which one process reaches another, or the inside of its own. */
const REACHES = [
  ...['kill', '_kill', '_debugProcess', '_debugEnd', '_startProfilerIdleNotifier'],
  ...['_stopProfilerIdleNotifier', 'abort', 'binding', '_linkedBinding', 'dlopen'],
  ...['setuid', 'seteuid', 'setgid', 'setegid', 'setgroups', 'initgroups', 'chdir', 'umask'],
  ...['loadEnvFile', 'setSourceMapsEnabled'],
];

type Owner = Record<string, unknown>;

/** Replaces a function for good: what comes later can neither delete it nor bring the first one back. */
function deny(owner: object, name: string, what: string): void {
  if (typeof (owner as Owner)[name] !== 'function') return;
  const value = (): never => {
    throw Object.assign(new Error(`a stage may not use ${what}`), { code: 'ERR_ACCESS_DENIED' });
  };
  Object.defineProperty(owner, name, { value, writable: false, configurable: false });
}

/**
 * Disarms this process, before a bundle is loaded into it. A second wall behind the permission model and in front of the
 * system's own (`walls.ts`): what it denies is denied by prototypes, so it does not matter how code came by a module.
 */
export function disarm(host: NodeJS.Process): void {
  for (const name of REACHES) deny(host, name, `process.${name}`);
  deny(net.Socket.prototype, 'connect', 'the network');
  deny(net.Server.prototype, 'listen', 'the network');
  for (const name of ['bind', 'send', 'connect', 'addMembership']) {
    deny(dgram.Socket.prototype, name, 'the network');
  }
  deny(globalThis, 'fetch', 'the network');
  deny(globalThis, 'WebSocket', 'the network');
  deny(globalThis, 'EventSource', 'the network');
  for (const resolver of [
    dns,
    dns.promises,
    dns.Resolver.prototype,
    dns.promises.Resolver.prototype,
  ]) {
    for (const name of Object.getOwnPropertyNames(resolver)) {
      if (/^(lookup|resolve|reverse)/.test(name)) deny(resolver, name, 'the network');
    }
  }
  for (const name of ['open', 'Session', 'waitForDebugger']) deny(inspector, name, 'a debugger');
  deny(childProcess.ChildProcess.prototype, 'spawn', 'other programs');
  for (const name of Object.keys(childProcess)) deny(childProcess, name, 'other programs');
  deny(workerThreads, 'Worker', 'threads');
  deny(cluster, 'fork', 'other programs');
  syncBuiltinESMExports();
}
