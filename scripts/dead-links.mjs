// dead-links.mjs — links of Markdown pages that lead nowhere: files that are not there, anchors without a heading
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Text without code, in which nothing is a link. */
const proseOf = (text) =>
  text
    .replace(/^(```|~~~)[\s\S]*?^\1/gm, '')
    .replace(/(`+)[^`]*?\1/g, (code) => code.replace(/[[\]()]/g, ' '));

/** The anchor of a heading, as GitHub makes it. */
const slugOf = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .replace(/\s/g, '-');

/** The anchors of a page. */
export function anchorsOf(text) {
  const seen = new Map();
  return [...text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').matchAll(/^#{1,6} (.*)$/gm)].map(
    ([, heading]) => {
      const slug = slugOf(heading);
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    },
  );
}

/**
 * Links that lead nowhere, each as `PAGE: LINK`. Addresses of other sites are not looked at.
 * @param root the folder of all @param pages paths within it
 */
export function deadLinks(root, pages) {
  const anchors = new Map();
  const anchorsIn = (path) => {
    if (!anchors.has(path)) anchors.set(path, new Set(anchorsOf(readFileSync(path, 'utf8'))));
    return anchors.get(path);
  };
  return pages.flatMap((page) => {
    const links = [...proseOf(readFileSync(join(root, page), 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)];
    return links
      .map(([, link]) => link)
      .filter((link) => !/^[a-z]+:/i.test(link))
      .filter((link) => {
        const [path, anchor] = link.split('#');
        const target = path === '' ? join(root, page) : normalize(join(root, dirname(page), path));
        if (!existsSync(target)) return true;
        return anchor !== undefined && target.endsWith('.md') && !anchorsIn(target).has(anchor);
      })
      .map((link) => `${page}: ${link}`);
  });
}
