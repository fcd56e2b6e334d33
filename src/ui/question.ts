// question.ts — the name of a question and its words: by it, a page of static files finds the answer

/** Words in an order of their own, so that equal questions have equal names. A name of a file as well. */
export function questionName(path: string, words: { readonly [name: string]: string }): string {
  const asked = Object.entries(words)
    .filter(([, word]) => word !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, word]) => `${name}=${word}`);
  return [path.replace(/^\/(?:api\/)?/, ''), ...asked].join(' ').replace(/[^\w =.[\],-]/g, escaped);
}

const escaped = (character: string): string => `~${character.charCodeAt(0).toString(16)}`;
