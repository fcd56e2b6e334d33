// browser.ts — an installed browser, which turns a drawing into PNG or PDF
import { type ExecFileException, execFile } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Diagnostic } from '../../engine/model/event.ts';
import { browserSetting } from '../settings/settings.ts';
import { ownSettings } from './own-settings.ts';
import { UsageError } from './usage-error.ts';

/** Browsers that draw without a window, by the names of their programs. */
const BROWSERS = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
  'microsoft-edge',
  'msedge',
];
/** Where macOS has them. */
const APPLICATIONS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
/** A drawing that takes longer will not come. */
const LIMIT_MS = 60_000;

/** The browser that is set, or one that is installed. */
export function findBrowser(): string | undefined {
  const named = browserSetting(ownSettings())?.value;
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const places = named
    ? [named]
    : [...BROWSERS.flatMap((name) => folders.map((folder) => join(folder, name))), ...APPLICATIONS];
  return places.find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function noBrowser(format: string): Diagnostic {
  const set = browserSetting(ownSettings());
  const by = set && 'name' in set.origin ? set.origin.name : 'a settings file';
  const why = set ? `: ${set.value}, which ${by} names, is not a program` : '';
  const hint = `install Chromium or Chrome, or name one with PIPELINE_BROWSER; SVG and HTML need none`;
  return { message: `${format} needs a browser, and none was found${why}`, hint };
}

/** How a browser failed, in words: the error of Node has the whole command line. */
function formatFailure(error: unknown): string {
  const { code, signal, killed } = error as ExecFileException;
  if (killed) return `it took longer than ${LIMIT_MS / 1000} s`;
  if (signal) return `it was killed by ${signal}`;
  return typeof code === 'number' ? `it ended with exit code ${code}` : String(code ?? error);
}

/** Turns an SVG into PNG or PDF. @throws UsageError where there is no browser, or it fails */
export async function printSvg(svg: string, format: 'png' | 'pdf'): Promise<Uint8Array> {
  const browser = findBrowser();
  if (browser === undefined) throw new UsageError([noBrowser(format.toUpperCase())]);
  const [, width = '800', height = '600'] =
    /<svg[^>]*? width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
  const [w, h] = [Math.ceil(Number(width)), Math.ceil(Number(height))];
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-plot-'));
  try {
    const page = join(folder, 'plot.html');
    const file = join(folder, `plot.${format}`);
    const style = `@page { size: ${w}px ${h}px; margin: 0 } html, body { margin: 0; background: #fff } svg { display: block }`;
    writeFileSync(page, `<!doctype html><meta charset="utf-8"><style>${style}</style>${svg}`);
    const output = format === 'png' ? `--screenshot=${file}` : `--print-to-pdf=${file}`;
    const words = [
      '--headless',
      '--disable-gpu',
      '--hide-scrollbars',
      '--no-first-run',
      '--no-pdf-header-footer',
      '--force-device-scale-factor=2',
      `--user-data-dir=${join(folder, 'profile')}`,
      `--window-size=${w},${h}`,
      // Chrome refuses to run as root with its sandbox; the page is ours.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      output,
      pathToFileURL(page).href,
    ];
    await promisify(execFile)(browser, words, { timeout: LIMIT_MS });
    return readFileSync(file);
  } catch (error) {
    const hint = 'PIPELINE_BROWSER names another browser; SVG and HTML need none';
    throw new UsageError([
      { message: `${browser} could not draw the plot: ${formatFailure(error)}`, hint },
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
