// live-page.mjs — pictures of `pipeline ui`: its views of a real study, light, dark, and on a phone
import { spawn } from 'node:child_process';

const LIGHT = { viewport: { width: 1200, height: 750 } };
const DARK = { ...LIGHT, colorScheme: 'dark' };
const PHONE = { viewport: { width: 390, height: 750 }, deviceScaleFactor: 2 };
/** Qualities that are tried until a picture is small. */
const QUALITIES = [0.8, 0.6, 0.4, 0.2];
const SMALL = 60 * 1024;

/** What is shown: [name, address, what the page looks like, what to unfold]. */
const PICTURES = [
  ['ui-overview', '#/overview', LIGHT],
  ['ui-overview-dark', '#/overview', DARK],
  ['ui-table', '#/table?stage=rigl&group=dataset;profile&sort=-metrics.accuracy:mean', LIGHT],
  ['ui-curves', '#/plots?kind=curves&stage=rigl', LIGHT],
  ['ui-parallel', '#/plots?kind=parallel&stage=rigl', DARK],
  ['ui-task', '#/task?task=TASK', LIGHT, '.output > summary:has-text("tensors")'],
  ['ui-runs', '#/runs?run=RUN', LIGHT],
  ['ui-task-phone', '#/task?task=TASK', PHONE],
];

/** Starts the page of a study. */
function serve(words, cwd) {
  const child = spawn(process.execPath, words, {
    cwd,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Promise((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
      if (said.includes('\n')) resolve({ child, link: said.split('\n')[0] });
    });
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`pipeline ui ended with ${code}: ${said}`)));
  });
}

/**
 * Takes the pictures of the study in a folder. @param browser Chromium, which also writes WebP
 * @param wanted whether a picture is asked for, by its name
 */
export async function photographPage({ browser, cli, cwd, cache, wanted, keep }) {
  const { child, link } = await serve([cli, 'ui', '--no-open', '--cache', cache], cwd);
  try {
    for (const [name, hash, look, unfold] of PICTURES) {
      if (!wanted(name)) continue;
      const page = await browser.newPage(look);
      await page.goto(link);
      await page.waitForSelector('.big');
      await page.getByText(/\d+ of \d+ tasks/).waitFor({ timeout: 120_000 });
      const { run, task } = await page.evaluate(async () => {
        const ask = async (path) => (await fetch(path)).json();
        const [{ id }] = await ask('/api/runs');
        const { tasks } = await ask('/api/tasks?stage=rigl&limit=1');
        return { run: id, task: tasks[0].task };
      });
      const to = hash.replace('RUN', run).replace('TASK', encodeURIComponent(task));
      await page.evaluate((address) => {
        location.hash = address;
      }, to);
      await page.waitForLoadState('networkidle').catch(() => undefined);
      await page.waitForFunction(() => !document.body.innerText.includes('Reading …'));
      if (unfold !== undefined) {
        await page.locator(unfold).first().click();
        await page.locator('.content').first().waitFor();
        await page.locator('img.picture').first().waitFor();
        await page
          .locator(unfold)
          .first()
          .evaluate((one) => {
            scrollTo(0, one.getBoundingClientRect().top + scrollY - 80);
          });
      }
      await page.waitForTimeout(500);
      keep(`${name}.webp`, await asWebp(browser, await page.screenshot({ type: 'png' })));
      await page.close();
    }
  } finally {
    child.kill('SIGTERM');
  }
}

/** A picture as WebP: a fourth of the size. The page's own policy does not let it draw, a blank page does. */
async function asWebp(browser, png) {
  const blank = await browser.newPage();
  try {
    const draw = async ({ source, quality }) => {
      const image = new Image();
      image.src = source;
      await image.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [image.width, image.height];
      canvas.getContext('2d').drawImage(image, 0, 0);
      return canvas.toDataURL('image/webp', quality);
    };
    const source = `data:image/png;base64,${png.toString('base64')}`;
    let bytes;
    for (const quality of QUALITIES) {
      const text = await blank.evaluate(draw, { source, quality });
      bytes = Buffer.from(text.slice(text.indexOf(',') + 1), 'base64');
      if (bytes.length < SMALL) break;
    }
    return bytes;
  } finally {
    await blank.close();
  }
}
