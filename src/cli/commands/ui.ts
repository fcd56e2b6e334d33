// ui.ts — pipeline ui: a live page of the study, on this machine
import { once } from 'node:events';
import { placesOf } from '../session/places.ts';
import { stderrColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT } from '../session/session.ts';
import { identity } from '../session/this-process.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { briefStore } from '../ui/brief-store.ts';
import { exportPage } from '../ui/export.ts';
import { keepAnswers } from '../ui/kept-answers.ts';
import { hasScreen, isOverSsh, openPage, sshLine } from '../ui/open-page.ts';
import { watchPlan } from '../ui/plan-watch.ts';
import { watchRuns } from '../ui/run-watch.ts';
import { startServer } from '../ui/server.ts';
import type { StudySources } from '../ui/study-answers.ts';

export const command: CommandDeclaration = {
  name: 'ui',
  group: 'Look',
  about: 'open a live page of the study: what runs, why, and the results',
  options: [
    { flags: '--port <n>', about: 'the port (default: a free one)', value: 'not-negative' },
    { flags: '--no-open', about: 'do not open a browser' },
    {
      flags: '--host <address>',
      about: 'listen on this address; if it is not loopback, others can reach the page',
      default: '127.0.0.1',
    },
    { flags: '--export <dir>', about: 'write the page of a finished run as static files' },
    { flags: '--run <run>', about: 'with --export: this run (default: the last)' },
    ...COMMON,
  ],
  examples: ['ui', 'ui --port 8080 --no-open', 'ui --export study-page --run last'],
};
export { ui as run };

interface UiOptions extends CommonOptions {
  readonly port?: number;
  readonly open?: boolean;
  readonly host: string;
  readonly export?: string;
  readonly run?: string;
}

const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];
const PORT_MAX = 65_535;
const PLAN_AFTER_MS = 3000;

/** Serves the page until Ctrl-C, or writes it. */
async function ui(options: UiOptions): Promise<number> {
  const { port = 0, host } = options;
  if (port > PORT_MAX)
    throw new UsageError([{ message: `--port ${port}: ports end at ${PORT_MAX}` }]);
  if (options.run !== undefined && options.export === undefined) {
    const hint = 'the page shows all runs; --run belongs to --export DIR';
    throw new UsageError([{ message: '--run without --export', hint }]);
  }
  const places = placesOf(options);
  const store = briefStore(places.cache);
  let touch = (): void => undefined;
  const plan = watchPlan(options, () => touch());
  const watch = watchRuns(places.cache, identity, () => touch());
  const kept = keepAnswers(() => performance.now());
  const sources: StudySources = { places, store, plan, watch, options, kept };
  try {
    if (options.export !== undefined) {
      await plan.refresh();
      const { files } = await exportPage(sources, options.export, options.run ?? 'last');
      if (options.json) writeJson({ folder: options.export, files });
      else writeStdout(`${options.export}: ${files} files; open index.html`);
      return EXIT.success;
    }
    const server = await startServer({ sources, port, host });
    touch = server.touch;
    tell(server.link, server.port, options);
    // The first page that is opened is served before that.
    setTimeout(() => void plan.refresh(), PLAN_AFTER_MS).unref();
    await stopped();
    await server.close();
    return EXIT.success;
  } finally {
    watch.close();
    await store.close();
  }
}

function tell(link: string, port: number, { host, json, open = true }: UiOptions): void {
  if (json) writeJson({ url: link, port });
  else writeStdout(link);
  if (!LOOPBACK.includes(host)) {
    const words =
      'whoever can reach this address and has the link sees the whole study, unencrypted';
    writeStderr(`${c.yellow('warning')}: ${words}`);
  }
  if (json) return;
  if (isOverSsh(process.env)) {
    writeStderr(c.dim('on the machine with the browser, then open the link there:'));
    writeStderr(`  ${sshLine(port, process.env)}`);
  } else if (open && hasScreen(process.env)) openPage(link);
  writeStderr(c.dim('Ctrl-C stops the page, and nothing else'));
}

/** Until somebody ends this process. */
async function stopped(): Promise<void> {
  const end = new AbortController();
  const { signal } = end;
  await Promise.race(
    ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => once(process, name, { signal })),
  );
  end.abort();
}
