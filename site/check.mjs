// check.mjs — looks at the site that was built, in Chromium: axe-core finds nothing, nothing is wider than a phone, and the
// search works without a network. `node site/check.mjs [PAGE...]`; CHROMIUM names the browser
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const dist = fileURLToPath(new URL('dist', import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath)) {
  console.log(`no browser at ${executablePath} (CHROMIUM=PATH): the site is not looked at`);
  process.exit(0);
}

const pages = readdirSync(dist, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.html') && path !== '404.html')
  .filter((path) => process.argv.length < 3 || process.argv.slice(2).includes(path))
  .sort();
if (pages.length === 0) throw new Error('there are no such pages in site/dist: npm run build');

const server = createServer((request, response) => {
  const path = normalize(join(dist, decodeURI(new URL(request.url, 'http://x').pathname)));
  const file = path.endsWith(sep) ? join(path, 'index.html') : path;
  if (!file.startsWith(dist) || !existsSync(file)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
  response.end(readFileSync(file));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
const problems = [];
const settings = [
  { name: 'light, phone', colorScheme: 'light', viewport: { width: 390, height: 800 } },
  { name: 'dark, desktop', colorScheme: 'dark', viewport: { width: 1300, height: 900 } },
];
try {
  // Side by side: each has a process of its own in the browser.
  await Promise.all(settings.map(look));
} finally {
  await browser.close();
  server.close();
}

/** Looks at every page in one setting. */
async function look({ name, ...options }) {
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' });
  const tab = await context.newPage();
  tab.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:'))
      problems.push(`asks for ${request.url()}`);
  });
  for (const page of pages) {
    await tab.goto(`${origin}/${page}`);
    await tab.addScriptTag({ content: AXE });
    const { violations } = await tab.evaluate(() => globalThis.axe.run(document));
    for (const { id, nodes } of violations)
      problems.push(
        `${page} (${name}): ${id}, ${nodes.length} times: ${nodes[0].html.slice(0, 200)}`,
      );
    const over = await tab.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (over > 0) problems.push(`${page} (${name}): ${over} pixels too wide`);
  }
  if (name.includes('desktop')) await search(tab);
  await context.close();
}

/** Types into the search, and expects to find a page. */
async function search(tab) {
  await tab.goto(`${origin}/index.html`);
  await tab.locator('#local-search button').click();
  await tab.locator('.VPLocalSearchBox input').fill('checkpoint');
  const found = tab.locator('.VPLocalSearchBox .result');
  await found
    .first()
    .waitFor({ timeout: 10_000 })
    .catch(() => undefined);
  if ((await found.count()) === 0) problems.push('the search finds nothing for `checkpoint`');
}

for (const problem of problems) console.log(problem);
console.log(`${pages.length} pages, ${settings.length} settings: ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
