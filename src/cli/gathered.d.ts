// gathered.d.ts — what the build gathers from src/cli/commands: see scripts/gather-commands.mjs

declare module 'pipeline:declarations' {
  export const declarations: readonly import('./terminal/declaration.ts').CommandDeclaration[];
}

/** Those of commands that only inspect, or may. */
declare module 'pipeline:inspections' {
  export const inspections: readonly import('./terminal/declaration.ts').CommandDeclaration[];
}

declare module 'pipeline:declaration/*' {
  const declaration: import('./terminal/declaration.ts').CommandDeclaration;
  export default declaration;
}

declare module 'pipeline:commands' {
  /** What a file of src/cli/commands exports. */
  interface CommandModule {
    /** Takes the arguments, the options and commander's command; gives the exit code. */
    readonly run: (...given: never[]) => number | Promise<number>;
  }

  /** Loads the file of a command, by its name. */
  export const load: { readonly [name: string]: () => Promise<CommandModule> };
}
