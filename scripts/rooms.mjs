// rooms.mjs — checks the order of rooms (src/rooms.json) and derives the map in ARCHITECTURE.md from file headers
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));

/** A room of more files than this has become a hall. */
const MOST_FILES = 24;

/** Kernels are compiled by AssemblyScript, which has its own rules. */
const isKernel = (path) => path.startsWith('src/network/kernels/');

/** Every source file, with its text, what its header says, and the files of ours that it imports. */
export function sourceFiles(folder = repository) {
  const paths = ['src', 'stages'].flatMap((room) =>
    readdirSync(join(folder, room), { recursive: true, encoding: 'utf8' })
      .map((path) => `${room}/${path}`)
      .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts') && !isKernel(path)),
  );
  return paths.sort().map((path) => {
    const text = readFileSync(join(folder, path), 'utf8');
    const [, name, about] = /^(?:#!.*\n)?\/\/ ([\w-]+\.tsx?) — (.+)$/m.exec(text) ?? [];
    return { path, room: dirname(path), text, name, about, imports: importsOf(path, text) };
  });
}

/** The imports of a file: paths within the repository, or package names. */
function importsOf(path, text) {
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name]) => name);
  return found.map((name) => (name.startsWith('.') ? normalize(join(dirname(path), name)) : name));
}

export const readRooms = (folder = repository) =>
  JSON.parse(readFileSync(join(folder, 'src/rooms.json'), 'utf8'));

/** What is wrong with the order of rooms: unknown rooms, imports of a later room, cycles of files, halls, missing headers. */
export function problems(files, rooms) {
  const order = new Map(rooms.map(({ room }, index) => [room, index]));
  const byPath = new Map(files.map((file) => [file.path, file]));
  const found = [];
  const sizes = new Map();
  for (const { path, room, name, imports } of files) {
    sizes.set(room, (sizes.get(room) ?? 0) + 1);
    if (!order.has(room)) found.push(`${path}: src/rooms.json has no room ${room}`);
    if (name !== path.split('/').at(-1))
      found.push(`${path}: its first line is not "// ${path.split('/').at(-1)} — ..."`);
    for (const one of imports) {
      const target = byPath.get(one);
      if (!target || target.room === room) continue;
      if (order.get(target.room) > order.get(room)) {
        found.push(`${path} imports ${one}, of a later room`);
      }
    }
  }
  for (const { room } of rooms)
    if (!sizes.has(room)) found.push(`src/rooms.json: ${room} holds no file`);
  for (const [room, size] of sizes) {
    if (size > MOST_FILES) found.push(`${room} holds ${size} files, more than ${MOST_FILES}`);
  }
  for (const cycle of cyclesOf(byPath)) found.push(`files import each other: ${cycle.join(' → ')}`);
  return found;
}

function cyclesOf(byPath) {
  const cycles = [];
  const done = new Set();
  const visit = (path, trail) => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path]);
      return;
    }
    if (done.has(path)) return;
    done.add(path);
    for (const one of byPath.get(path).imports) if (byPath.has(one)) visit(one, [...trail, path]);
  };
  for (const path of byPath.keys()) visit(path, []);
  return cycles;
}

/** The map: rooms in their order, and in each room files after those that they import. */
export function mapOf(files, rooms) {
  return rooms
    .map(({ room, about }) => {
      const inside = inOrder(files.filter((file) => file.room === room));
      const list = inside.map(({ path, about: said }) => `- \`${path}\` ${said}`);
      return `**\`${room}/\`** ${about}\n\n${list.join('\n')}`;
    })
    .join('\n\n');
}

function inOrder(files) {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const ordered = new Set();
  const visit = (file) => {
    for (const one of file.imports)
      if (byPath.has(one) && !ordered.has(byPath.get(one))) visit(byPath.get(one));
    ordered.add(file);
  };
  for (const file of files) if (!ordered.has(file)) visit(file);
  return [...ordered];
}

const [BEGIN, END] = ['<!-- map: node scripts/rooms.mjs -->', '<!-- end of map -->'];

/** ARCHITECTURE.md with its map renewed. @throws when it has no place for one */
export function withMap(text, map) {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('ARCHITECTURE.md has no place for the map');
  return `${text.slice(0, begin)}${BEGIN}\n${map}\n${text.slice(end)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [files, rooms] = [sourceFiles(), readRooms()];
  const found = problems(files, rooms);
  for (const problem of found) console.error(problem);
  process.exitCode = found.length > 0 ? 1 : 0;
  const file = join(repository, 'ARCHITECTURE.md');
  const text = readFileSync(file, 'utf8');
  const renewed = withMap(text, mapOf(files, rooms));
  if (renewed !== text) writeFileSync(file, renewed);
}
