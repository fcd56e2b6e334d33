/// <reference lib="dom" />
// source.ts — where answers come from: the server, or scripts that lie beside a copy of the page
import type { Overview, TaskList } from '../forms.ts';
import { questionName } from '../question.ts';

export type Words = { readonly [name: string]: string };

/** How the server is: `ended` means that this page cannot go on with it. */
export type Connection = 'open' | 'lost' | 'ended';

/** What the page asks. */
export interface Source {
  readonly isCopy: boolean;
  /** @throws Error with words for people */
  ask<T>(path: string, words?: Words): Promise<T>;
  /** The address of content; undefined where there is none. */
  address(path: string, words: Words): string | undefined;
  follow(hear: (overview: Overview) => void, tell: (connection: Connection) => void): void;
}

const given = (words: Words): Words =>
  Object.fromEntries(Object.entries(words).filter(([, word]) => word !== ''));

/** The server that this page came from. */
export function serverSource(): Source {
  return {
    isCopy: false,
    async ask<T>(path: string, words: Words = {}): Promise<T> {
      const query = new URLSearchParams(given(words)).toString();
      const response = await fetch(query === '' ? path : `${path}?${query}`);
      const body = (await response.json().catch(() => undefined)) as
        | (T & { readonly message?: string })
        | undefined;
      if (response.ok && body !== undefined) return body;
      throw new Error(body?.message ?? `the server answered ${response.status}`);
    },
    address: (path, words) => `${path}?${new URLSearchParams(given(words))}`,
    follow: followServer,
  };
}

interface Told {
  readonly overview?: Overview;
  readonly connection?: Connection;
}

/** One stream serves all pages of a browser: it opens no more than six connections to a server. */
function followServer(
  hear: (overview: Overview) => void,
  tell: (connection: Connection) => void,
): void {
  let isHeard = false;
  const take = ({ overview, connection }: Told): void => {
    isHeard ||= overview !== undefined;
    if (overview) hear(overview);
    if (connection) tell(connection);
  };
  // The first overview is asked for at once: a worker and a stream take longer to begin.
  fetch('/api/overview')
    .then((response) => (response.ok ? (response.json() as Promise<Overview>) : undefined))
    .then((overview) => {
      if (overview && !isHeard) take({ overview });
    })
    .catch(() => undefined); // The stream says what is wrong.
  if (typeof SharedWorker === 'function') {
    const { port } = new SharedWorker('/live.js', 'pipeline');
    port.onmessage = ({ data }) => take(data as Told);
    const leave = (): void => port.postMessage('leave');
    addEventListener('pagehide', leave);
    addEventListener('pageshow', () => port.postMessage('enter'));
    port.start();
    return;
  }
  let stream: LiveStream | undefined;
  const open = (): void => {
    stream ??= openStream(take);
  };
  const close = (): void => {
    stream?.close();
    stream = undefined;
  };
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  open();
}

/** A stream of overviews. */
export interface LiveStream {
  /** Whether it has ended for good: the server is another one now. */
  readonly isEnded: boolean;
  close(): void;
}

/** The server sends a beat every 5 seconds. After this silence the data shown may be old. */
const SILENCE_MS = 16_000;
/** After this silence the page opens a new connection: the machine slept, or the network was cut. */
const DEAD_MS = 45_000;

/** Opens the stream. A browser opens it again by itself, and says what it has heard last. */
export function openStream(take: (told: Told) => void): LiveStream {
  let heard = Date.now();
  let said: Connection | undefined;
  const say = (connection: Connection): void => {
    if (said !== connection) take({ connection });
    said = connection;
  };
  const hear = (): void => {
    heard = Date.now();
    say('open');
  };
  const opened = (): EventSource => {
    const stream = new EventSource('/events');
    stream.addEventListener('overview', (message) => {
      hear();
      take({ overview: JSON.parse((message as MessageEvent<string>).data) as Overview });
    });
    stream.addEventListener('beat', hear);
    stream.onopen = hear;
    stream.onerror = () => say(stream.readyState === EventSource.CLOSED ? 'ended' : 'lost');
    return stream;
  };
  let stream = opened();
  const isEnded = (): boolean => stream.readyState === EventSource.CLOSED;
  const timer = setInterval(() => {
    if (isEnded()) return;
    const silence = Date.now() - heard;
    if (silence > SILENCE_MS) say('lost');
    if (silence < DEAD_MS) return;
    heard = Date.now();
    stream.close();
    stream = opened();
  }, 2000);
  return {
    get isEnded() {
      return isEnded();
    },
    close() {
      clearInterval(timer);
      stream.close();
    },
  };
}

interface CopyIndex {
  readonly answers: { readonly [question: string]: number };
  readonly contents: { readonly [question: string]: string };
}

declare global {
  var pipelineIndex: (index: CopyIndex) => void;
  var pipelineData: (chunk: number, answers: { readonly [question: string]: unknown }) => void;
}

/** A page beside which its answers lie. A page that is opened as a file may load scripts, and nothing else. */
export function copySource(index: CopyIndex): Source {
  const chunks = new Map<number, Promise<{ readonly [question: string]: unknown }>>();
  const arrived = new Map<number, { readonly [question: string]: unknown }>();
  globalThis.pipelineData = (chunk, answers) => void arrived.set(chunk, answers);
  const chunkOf = (number: number) => {
    const known =
      chunks.get(number) ?? loaded(`data/${number}.js`).then(() => arrived.get(number) ?? {});
    chunks.set(number, known);
    return known;
  };
  const ask = async <T>(path: string, words: Words = {}): Promise<T> => {
    if (path === '/api/tasks') return (await tasksIn(ask, words)) as T;
    const question = questionName(path, given(words));
    const at = Object.hasOwn(index.answers, question) ? index.answers[question] : undefined;
    if (at === undefined) throw new Error('this is not in the copy');
    return (await chunkOf(at))[question] as T;
  };
  return {
    isCopy: true,
    ask,
    address: (path, words) => {
      const question = questionName(path, given(words));
      return Object.hasOwn(index.contents, question) ? index.contents[question] : undefined;
    },
    follow: (hear) => void ask<Overview>('/api/overview').then(hear),
  };
}

/** A copy holds whole lists. */
async function tasksIn(
  ask: <T>(path: string, words: Words) => Promise<T>,
  { status = '', text = '', stage = '', run = '', from = '0', limit = '500' }: Words,
): Promise<TaskList> {
  const chunk = { stage, run, limit: '5000', whole: '' };
  const list = await ask<TaskList>('/api/tasks/whole', chunk);
  const lower = text.toLowerCase();
  const fitting = list.tasks.filter(
    (one) => (status === '' || one.status === status) && one.task.toLowerCase().includes(lower),
  );
  const tasks = fitting.slice(Number(from), Number(from) + Number(limit));
  return { tasks, more: list.more, total: fitting.length };
}

const loaded = (path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = path;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`${path} is missing beside this page`));
    document.head.append(script);
  });
