// import-module.ts — imports a module by its path, also from code that was compiled ahead

/** Given to the program's files by who loads them: within code that V8 compiled ahead `import()` finds nobody to ask. */
declare const __import: ((specifier: string) => Promise<unknown>) | undefined;

/** `import()` of a path or URL. */
export const importModule = (specifier: string): Promise<unknown> =>
  typeof __import === 'function' ? __import(specifier) : import(specifier);
