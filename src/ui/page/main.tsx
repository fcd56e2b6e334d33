/// <reference lib="dom" />
// main.tsx — starts the page: live, or as a copy of files
import { render } from 'preact';
import { App } from './app.tsx';
import { copySource, type Source, serverSource } from './source.ts';

/** The token has done its work: the cookie is set, and the address is safe to be shown. */
function forgetToken(): void {
  const url = new URL(location.href);
  if (!url.searchParams.has('token')) return;
  url.searchParams.delete('token');
  history.replaceState(null, '', url);
}

function start(source: Source): void {
  const root = document.getElementById('app');
  if (root === null) return;
  root.textContent = '';
  render(<App source={source} />, root);
}

try {
  document.documentElement.dataset.theme = localStorage.getItem('theme') ?? '';
} catch {
  // Files have no storage in some browsers.
}
// A copy names its index before this script; it comes after.
if (document.querySelector('script[src="data/index.js"]')) {
  globalThis.pipelineIndex = (index) => start(copySource(index));
} else {
  forgetToken();
  start(serverSource());
}
