// bundle-project.ts — random small projects on disk, and random edits of them
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Numbers from a seed: the same project on every machine. */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = (seed * 2654435761 + 1) >>> 0;
  }

  /** From 0 up to, and without, `end`. */
  below(end: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % end;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

/** The project lies this deep below the folder that is its whole world. */
const PROJECT = 'above/more/project';
export const RUNS = ['stages/one.ts', 'stages/two.ts', 'stages/deep/three.mts'] as const;

const FOLDERS = ['', 'stages', 'stages/deep', 'lib', 'lib/inner', 'config', '..', '../..'];
const NAMES = ['alpha', 'beta', 'gamma'];
const EXTENSIONS = ['.ts', '.tsx', '.js', '.json', '.mts', '.mjs', '.cjs', '.jsx', ''];
const PACKAGES = ['kit', '@scope/tool', 'dep', 'self'];
/** Where packages may lie: real folders, and such as links lead to. */
const SHELVES = [
  'node_modules',
  'stages/node_modules',
  '../node_modules',
  'packages',
  'node_modules/.pnpm/x/node_modules',
];

/** A world in which a project lies, and everything that can happen to it. */
export class RandomProject {
  readonly root: string;
  private readonly dice: Dice;
  private count = 0;
  /** What happened, for whoever has to find out why. */
  readonly story: string[] = [];

  constructor(world: string, seed: number) {
    this.root = join(world, PROJECT);
    this.dice = new Dice(seed);
    mkdirSync(this.root, { recursive: true });
    for (const name of NAMES) this.write(`stages/${name}.ts`, `export const v = '${name}';\n`);
    for (const run of RUNS) this.write(run, this.source(true));
    for (let n = 0; n < 14; n++) this.grow();
  }

  /** Changes something. */
  edit(): void {
    const { dice } = this;
    const kinds: readonly (() => void)[] = [
      () => this.grow(),
      () => this.grow(),
      () => this.grow(),
      () => this.grow(),
      () => this.remove(this.someEntry()),
      () => this.remove(this.someEntry()),
      () => this.swap(this.someEntry()),
      () => this.rename(this.someEntry()),
      () => this.write(dice.pick(RUNS), this.source(true)),
      () => this.rewrite(this.someEntry()),
      () => this.relink(),
    ];
    dice.pick(kinds)();
  }

  private grow(): void {
    const { dice } = this;
    const file = (): void => {
      const name = dice.pick(NAMES) + dice.pick(EXTENSIONS);
      this.write(join(dice.pick(FOLDERS), name), this.content(name));
    };
    const pack = (): void => this.package(dice.pick(SHELVES), dice.pick(PACKAGES));
    const index = (): void => {
      const name = `index${dice.pick(EXTENSIONS)}`;
      this.write(join(dice.pick(FOLDERS), dice.pick(NAMES), name), this.content(name));
    };
    const kinds: readonly (() => void)[] = [
      file,
      file,
      index,
      () => this.write(this.configName(), this.tsconfig()),
      pack,
      pack,
      pack,
      () => this.write(join(dice.pick(FOLDERS), 'package.json'), this.packageJson()),
      () => this.link(),
    ];
    dice.pick(kinds)();
  }

  private configName(): string {
    const { dice } = this;
    if (dice.chance(25))
      return dice.pick(['config/base.json', 'config/other.json', 'node_modules/kit/tsconfig.json']);
    return join(dice.pick(FOLDERS), dice.pick(['tsconfig.json', 'tsconfig.json', 'jsconfig.json']));
  }

  private specifier(): string {
    const { dice } = this;
    const name = dice.pick(NAMES);
    const packageName = dice.pick(PACKAGES);
    return dice.pick([
      `./${name}`,
      `./${name}`,
      `./${name}.js`,
      `../${name}`,
      `./${name}/`,
      `../lib/${name}.ts`,
      `../lib/inner/${name}.json`,
      '.',
      '..',
      packageName,
      packageName,
      `${packageName}/${name}`,
      `${packageName}/${name}.js`,
      `@alias/${name}`,
      `#${name}`,
      '#self',
      name,
      `lib/${name}`,
      `./${name}?raw`,
      `./${name.toUpperCase()}`,
    ]);
  }

  /** A module. Entry points catch what is not there; others may import it, too. */
  private source(isEntry = false): string {
    const { dice } = this;
    this.count += 1;
    const lines = [`export const v${this.count} = 'v${this.count}';`];
    const imports = dice.below(isEntry ? 5 : 2) + (isEntry ? 2 : 0);
    for (let n = 0; n < imports; n++) lines.push(this.importLine(n));
    if (isEntry) lines.push('class Field { declared = 1; other; }', 'console.log(new Field());');
    lines.push(`export default v${this.count};`);
    return `${lines.join('\n')}\n`;
  }

  private importLine(n: number): string {
    const { dice } = this;
    const specifier = this.specifier();
    const kind = dice.below(14);
    // One that is not there and is not caught: the module cannot be bundled.
    if (kind === 0) return `import * as m${n} from '${specifier}'; console.log(m${n});`;
    if (kind === 1) return `import './${dice.pick(NAMES)}';`;
    if (kind === 2) return `import * as m${n} from './${dice.pick(NAMES)}'; console.log(m${n});`;
    if (kind === 3) return `import type { T${n} } from '${specifier}';`;
    if (kind === 4)
      return `console.log(await import(\`./\${globalThis.name}.json\`).catch(() => 0));`;
    if (kind <= 6) return `console.log(await import('${specifier}').catch(() => 0));`;
    // What is not there and only required where that is caught leaves a bundle that can be made.
    return `try { console.log(require('${specifier}')); } catch {}`;
  }

  private content(name: string): string {
    if (name.endsWith('.json')) return JSON.stringify({ n: this.count++ });
    if (!/[mt][jt]s|[jt]sx?$/.test(name)) return `exports.n = ${this.count++};\n`;
    if (name.endsWith('.cjs')) return `exports.n = ${this.count++};\n`;
    return this.dice.chance(70)
      ? `export const n = ${this.count++};\n`
      : this.source().replaceAll('await ', '');
  }

  private tsconfig(): string {
    const { dice } = this;
    const options: Record<string, unknown> = {};
    if (dice.chance(40)) options.baseUrl = dice.pick(['.', './lib', '..', '$' + '{configDir}/lib']);
    if (dice.chance(50)) {
      options.paths = {
        '@alias/*': [dice.pick(['./lib/*', './stages/*', './lib/inner/*', 'lib/*'])],
        ...(dice.chance(40) && {
          [dice.pick(NAMES)]: [`./lib/${dice.pick(NAMES)}`, './lib/alpha.d.ts'],
        }),
        ...(dice.chance(20) && { '*': [`./${dice.pick(['lib', 'stages'])}/*`] }),
      };
    }
    if (dice.chance(50)) options.useDefineForClassFields = dice.chance(50);
    if (dice.chance(30)) options.target = dice.pick(['es2020', 'esnext']);
    if (dice.chance(20)) options.verbatimModuleSyntax = dice.chance(50);
    const bases = [
      './config/base',
      '../config/base.json',
      './base.json',
      './other',
      'kit',
      '@scope/tool/tsconfig.json',
      '..',
      './gone',
    ];
    const base = dice.chance(60)
      ? { extends: dice.chance(30) ? [dice.pick(bases), dice.pick(bases)] : dice.pick(bases) }
      : {};
    return `// a comment\n${JSON.stringify({ ...base, compilerOptions: options }, null, 1).replace(/\n}$/, ',\n}')}\n`;
  }

  private packageJson(name = this.dice.pick(PACKAGES)): string {
    const { dice } = this;
    const file = (): string =>
      `./${dice.pick(NAMES)}${dice.pick(['.js', '.ts', '.mjs', '.json', '', '/index.js'])}`;
    const target = (): unknown =>
      dice.pick([
        file(),
        { import: file(), require: file() },
        { node: { require: file() }, default: file() },
        [file(), file()],
        null,
        { types: file(), module: file(), default: file() },
      ]);
    const text: Record<string, unknown> = { name };
    if (dice.chance(40)) text.main = dice.pick([file(), 'lib', './alpha']);
    if (dice.chance(30)) text.module = file();
    if (dice.chance(30)) text.type = dice.pick(['module', 'commonjs']);
    if (dice.chance(30)) text.sideEffects = dice.pick([false, true, ['./alpha.js'], ['*.json']]);
    if (dice.chance(35)) {
      text.exports = dice.pick([
        file(),
        { '.': target(), './*': './*', './alpha': target() },
        { '.': target(), './*.js': './lib/*.ts', './lib/': './' },
        { import: file(), default: file() },
      ]);
    }
    if (dice.chance(35)) {
      text.imports = {
        '#self': dice.pick([file(), 'dep', { node: file(), default: 'kit' }]),
        '#*': dice.pick(['./lib/*.ts', './*', './stages/*.js']),
      };
    }
    if (dice.chance(20)) text.tsconfig = './other.json';
    return JSON.stringify(text);
  }

  private package(shelf: string, name: string): void {
    const folder = join(shelf, name);
    if (this.dice.chance(70)) this.write(join(folder, 'package.json'), this.packageJson(name));
    for (let n = this.dice.below(3); n >= 0; n--) {
      const file =
        this.dice.pick([...NAMES, 'index', 'lib/alpha']) + this.dice.pick(EXTENSIONS.slice(0, 7));
      this.write(join(folder, file), this.content(file));
    }
  }

  private link(): void {
    const { dice } = this;
    const name = dice.pick(PACKAGES);
    const [place, target] = dice.pick([
      [join(dice.pick(SHELVES), name), join('packages', dice.pick(PACKAGES))],
      [
        join(dice.pick(SHELVES), name),
        join('node_modules/.pnpm/x/node_modules', dice.pick(PACKAGES)),
      ],
      [join('lib', dice.pick(NAMES)), dice.pick(['stages', 'lib/inner', 'gone'])],
      [join('stages', `${dice.pick(NAMES)}.ts`), join('lib', `${dice.pick(NAMES)}.ts`)],
      ['stages/deep', 'lib/inner'],
      ['tsconfig.json', 'config/base.json'],
      ['node_modules/.pnpm/x/node_modules', 'packages'],
    ] as const);
    this.linkTo(place, target);
  }

  private linkTo(place: string, target: string): void {
    const path = join(this.root, place);
    const way = relative(dirname(path), join(this.root, target));
    if (way === '' || path === join(this.root, target)) return;
    this.clear(path);
    symlinkSync(way, path);
    this.story.push(`link ${place} -> ${target}`);
  }

  private relink(): void {
    const links = this.entries().filter((path) => lstatSync(path).isSymbolicLink());
    if (links.length === 0) this.link();
    else
      this.linkTo(
        relative(this.root, this.dice.pick(links)),
        this.dice.pick(['lib', 'packages/kit', 'lib/inner', 'gone', 'packages/dep']),
      );
  }

  // ---- what there is ----

  private entries(): readonly string[] {
    const world = join(this.root, '../..');
    const found: string[] = [];
    const visit = (folder: string): void => {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (path !== this.root && !this.root.startsWith(`${path}/`)) found.push(path);
        if (entry.isDirectory()) visit(path);
      }
    };
    visit(world);
    return found.sort();
  }

  private someEntry(): string {
    return this.dice.pick(this.entries());
  }

  private remove(path: string): void {
    rmSync(path, { recursive: true, force: true });
    this.story.push(`remove ${relative(this.root, path)}`);
  }

  /** A file becomes a folder, and a folder a file. */
  private swap(path: string): void {
    const was = lstatSync(path);
    rmSync(path, { recursive: true, force: true });
    const place = relative(this.root, path);
    if (was.isDirectory()) this.write(place, this.content(path));
    else this.write(join(place, 'index.ts'), this.content('index.ts'));
  }

  private rename(path: string): void {
    const { dice } = this;
    const to = join(
      dirname(path),
      dice.pick([...NAMES, 'node_modules', 'other']) + dice.pick(EXTENSIONS),
    );
    if (existsSync(to) || to.startsWith(`${path}/`)) return;
    renameSync(path, to);
    this.story.push(`rename ${relative(this.root, path)} -> ${relative(this.root, to)}`);
  }

  private rewrite(path: string): void {
    const isFile = lstatSync(path).isFile();
    const place = relative(this.root, path);
    if (!isFile) this.grow();
    else if (path.endsWith('package.json')) this.write(place, this.packageJson());
    else if (path.endsWith('.json') && readFileSync(path, 'utf8').startsWith('//')) {
      this.write(place, this.tsconfig());
    } else if ((RUNS as readonly string[]).includes(place)) this.write(place, this.source(true));
    else this.write(place, this.content(path));
  }

  private write(place: string, text: string): void {
    const path = join(this.root, place);
    this.clear(path);
    writeFileSync(path, text);
    this.story.push(`write ${place}: ${text}`);
  }

  /** Makes room at a path, whatever stands there or on the way. */
  private clear(path: string): void {
    const world = join(this.root, '../..');
    if (path === world || path === this.root) return;
    // From above: below a file nothing can be looked at.
    const steps: string[] = [];
    for (let at = path; at.length > world.length && at !== this.root; at = dirname(at)) {
      steps.unshift(at);
    }
    for (const at of steps) {
      const there = lstatSync(at, { throwIfNoEntry: false });
      if (there && (at === path || !there.isDirectory()))
        rmSync(at, { recursive: true, force: true });
    }
    mkdirSync(dirname(path), { recursive: true });
  }
}
