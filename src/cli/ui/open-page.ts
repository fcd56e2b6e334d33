// open-page.ts — opens a link in the browser of a person, where there is one
import { spawn } from 'node:child_process';
import { hostname, userInfo } from 'node:os';

/** Whether this process runs at the other end of ssh. */
export const isOverSsh = (environment: NodeJS.ProcessEnv): boolean =>
  (environment.SSH_CONNECTION ?? environment.SSH_TTY ?? '') !== '';

/** Whether there is a screen on which a browser could open. */
export function hasScreen(environment: NodeJS.ProcessEnv, platform = process.platform): boolean {
  if (isOverSsh(environment)) return false;
  if (platform === 'darwin' || platform === 'win32') return true;
  return (environment.DISPLAY ?? environment.WAYLAND_DISPLAY ?? '') !== '';
}

/** What is typed on the machine with the browser, so that the port is there, too. */
export function sshLine(port: number, environment: NodeJS.ProcessEnv): string {
  const [, , server] = (environment.SSH_CONNECTION ?? '').split(' ');
  const name = hostname() || server;
  return `ssh -L ${port}:127.0.0.1:${port} ${userName()}@${name}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'USER';
  }
}

/** Opens it. A browser that cannot be started is no error: the link was printed. */
export function openPage(link: string, platform = process.platform): void {
  const [program, words] =
    platform === 'darwin'
      ? ['open', [link]]
      : platform === 'win32'
        ? ['rundll32', ['url.dll,FileProtocolHandler', link]]
        : ['xdg-open', [link]];
  const child = spawn(program as string, words as string[], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
