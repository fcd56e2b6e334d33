export const VERSIONED: readonly string[];
type Files = Readonly<Record<string, string>>;
/** Whether a version comes after another. */
export function isLater(version: string, before: string): boolean;
/** The texts of all files after the release. @throws with everything that stands in the way */
export function releasedFiles(
  files: Files,
  release: { readonly version: string; readonly date: string },
): Files;
/** The text of a version's section in a changelog. */
export function sectionOf(changelog: string, version: string): string | undefined;
