/** Links of Markdown pages that lead nowhere, each as `PAGE: LINK`. */
export function deadLinks(root: string, pages: readonly string[]): readonly string[];
/** The anchors of a page, as GitHub makes them. */
export function anchorsOf(text: string): readonly string[];
