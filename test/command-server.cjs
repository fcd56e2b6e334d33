// command-server.cjs — runs commands in one process, each as if in a new one: it undoes what a command leaves behind
const childProcess = require('node:child_process');
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname } = require('node:path');
const timers = require('node:timers');
const vm = require('node:vm');
const threads = require('node:worker_threads');

const [, , binary, ...preloaded] = process.argv;

/** What would end with the process of a command, though nothing waits for it. */
const left = { timers: new Set(), threads: new Set(), children: new Set() };

for (const name of ['setTimeout', 'setInterval']) {
  const original = timers[name];
  const recording = (...words) => {
    const timer = original(...words);
    left.timers.add(timer);
    return timer;
  };
  // `util.promisify` finds its own form there.
  Object.defineProperties(recording, Object.getOwnPropertyDescriptors(original));
  timers[name] = recording;
  globalThis[name] = recording;
}

threads.Worker = class extends threads.Worker {
  constructor(...words) {
    super(...words);
    left.threads.add(this);
  }
};

const { spawn } = childProcess.ChildProcess.prototype;
childProcess.ChildProcess.prototype.spawn = function (options) {
  const result = spawn.call(this, options);
  // esbuild answers the next command, too.
  if (!String(options.file).endsWith('esbuild')) left.children.add(this);
  return result;
};

/** What was compiled, by its place: every command runs it anew, from its first line. */
const compiled = new Map();
vm.Script = new Proxy(vm.Script, {
  construct(Script, [text, options]) {
    const known = compiled.get(options.filename);
    if (known?.text === text) return known.script;
    const script = new Script(text, options);
    compiled.set(options.filename, { text, script });
    return script;
  },
});

/** Runs the program as Node does a file that it is started with. */
function runProgram() {
  const text = readFileSync(binary, 'utf8').replace(/^#!/, '//');
  const script = new vm.Script(
    `(function (exports, require, module, __filename, __dirname) {${text}\n})`,
    {
      filename: binary,
      importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    },
  );
  const module = { exports: {} };
  const own = createRequire(binary);
  script
    .runInThisContext()
    .call(module.exports, module.exports, own, module, binary, dirname(binary));
}

// Native packages are loaded once.
for (const path of preloaded) require(path);

const emitters = [process, process.stdout, process.stderr];
const REPLACED = ['write', '_write', 'emit', 'exit'];

/** Who listens to the process and its streams, and which of their functions are replaced. */
const snapshot = () =>
  emitters.map((emitter) => ({
    emitter,
    listeners: new Map(emitter.eventNames().map((event) => [event, emitter.rawListeners(event)])),
    own: REPLACED.map((name) => [name, Object.getOwnPropertyDescriptor(emitter, name)]),
  }));

function restore({ emitter, listeners, own }) {
  for (const event of emitter.eventNames()) {
    const kept = listeners.get(event) ?? [];
    for (const listener of emitter.rawListeners(event)) {
      if (!kept.includes(listener)) emitter.removeListener(event, listener.listener ?? listener);
    }
  }
  for (const [name, descriptor] of own) {
    if (descriptor) Object.defineProperty(emitter, name, descriptor);
    else delete emitter[name];
  }
}

/** A child sees that whoever started it is no more. */
function letGo(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (child.connected) child.disconnect();
  for (const stream of child.stdio ?? []) stream?.destroy();
  child.unref();
}

/** The command that runs: how it is told apart, and what was there before it. */
let running;

/** What the end of a process does. @returns the exit code */
function endCommand() {
  const kept = running.before[0].listeners.get('exit') ?? [];
  for (const listener of process.rawListeners('exit')) {
    if (!kept.includes(listener)) listener.call(process, process.exitCode ?? 0);
  }
  const code = process.exitCode ?? 0;
  for (const timer of left.timers) clearTimeout(timer);
  for (const thread of left.threads) void thread.terminate();
  for (const child of left.children) letGo(child);
  for (const kind of Object.values(left)) kind.clear();
  running.before.forEach(restore);
  process.chdir('/');
  process.exitCode = undefined;
  return code;
}

// Nothing is left to do, so a process would end here.
process.on('beforeExit', () => {
  if (running === undefined) return;
  const { mark } = running;
  const code = endCommand();
  running = undefined;
  process.channel.ref();
  process.stderr.write(mark);
  process.stdout.write(`${mark}${code}${mark}`);
});

process.on('message', ({ words, cwd, env, umask, mark }) => {
  process.channel.unref();
  running = { mark, before: snapshot() };
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  Object.assign(process.env, env);
  process.umask(umask);
  process.chdir(cwd);
  process.argv = [process.execPath, binary, ...words];
  runProgram();
});

process.on('disconnect', () => process.exit());
