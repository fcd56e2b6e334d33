// browser.ts — an installed browser, which turns a drawing into PNG or PDF
import { execFile } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
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

/** Turns an SVG into PNG or PDF. @throws UsageError where there is no browser, or it fails */
export async function printSvg(svg: string, format: 'png' | 'pdf'): Promise<Uint8Array> {
  const browser = findBrowser();
  if (browser === undefined) {
    const hint = `install Chromium or Chrome, or name one with PIPELINE_BROWSER; SVG and HTML need none`;
    throw new UsageError([
      { message: `${format.toUpperCase()} needs a browser, and none was found`, hint },
    ]);
  }
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
    const [said] = (error instanceof Error ? error.message : String(error)).split('\n');
    const hint = 'PIPELINE_BROWSER names another browser; SVG and HTML need none';
    throw new UsageError([{ message: `${browser} could not draw the plot: ${said}`, hint }]);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
