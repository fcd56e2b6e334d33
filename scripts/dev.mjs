// dev.mjs — npm run dev: builds, and builds again whenever something changes that a build reads
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { watch } from 'chokidar';
import { INPUTS, whyStale } from './build-inputs.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const QUIET_MS = 100;
let timer;
let isBuilding = false;

function build() {
  if (isBuilding || whyStale('.') === undefined) return;
  isBuilding = true;
  console.log('building');
  const started = performance.now();
  const child = spawn(process.execPath, ['scripts/build.mjs'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  child.on('close', (code) => {
    isBuilding = false;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(code === 0 ? `built in ${seconds} s` : 'built nothing: mend what is wrong above');
    // What changed meanwhile is built now. A build that failed waits for the next change.
    if (code === 0) build();
  });
}

build();
console.log('watching for changes; Ctrl-C ends it');
watch([...INPUTS], { ignoreInitial: true }).on('all', () => {
  clearTimeout(timer);
  timer = setTimeout(build, QUIET_MS);
});
