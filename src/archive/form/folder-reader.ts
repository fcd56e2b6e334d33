// folder-reader.ts — an archive that somebody unpacked: a folder, whose links are not followed
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Say, Unreadable } from './finding.ts';
import { type Limits, nameFault, type Opened, type OpenedFile } from './opened.ts';

/** Lists the files of a folder. @throws Unreadable after saying what is wrong */
export async function openFolder(root: string, limits: Limits, say: Say): Promise<Opened> {
  const files = new Map<string, OpenedFile>();
  let faults = 0;
  let total = 0;
  const fault = (place: string, message: string): void => {
    faults += 1;
    say(place, message);
  };
  const walk = async (folder: string): Promise<void> => {
    for (const name of await readdir(join(root, folder))) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const wrong = nameFault(path);
      const found = await lstat(join(root, path));
      if (wrong !== undefined) fault(path, `is refused: ${wrong}`);
      else if (found.isDirectory()) await walk(path);
      else if (!found.isFile()) fault(path, 'is refused: a link or a special file');
      else if (found.size > limits.fileBytes) fault(path, `has ${found.size} bytes`);
      else {
        total += found.size;
        files.set(path, {
          bytes: found.size,
          stream: async () => createReadStream(join(root, path)),
        });
      }
      if (files.size > limits.files || total > limits.bytes) {
        fault(root, 'holds more than an archive may');
        throw new Unreadable(root);
      }
    }
  };
  await walk('');
  if (faults > 0) throw new Unreadable(root);
  return { files, close: () => undefined };
}
