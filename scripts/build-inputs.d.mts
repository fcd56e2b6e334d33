export function inputsDigest(root: string): string;
export function recordBuild(root: string, inputs: string): void;
export function whyStale(root: string): string | undefined;
export const INPUTS: readonly string[];
