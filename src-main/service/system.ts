import { readdir, stat } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, homedir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { machineName } from '../base/platform.ts';
import type { Folder, SystemInfo } from '../protocol/data-types.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { reasonIn } from '../protocol/reasons.ts';
import { VERSION } from '../protocol/version.ts';

export interface SystemPlaces {
  shell: SystemInfo['shell'];
  runsFolder: string;
  cacheFolder: string;
  /** The sample data set, when it is built. */
  sample: string | null;
}

/** Describes this machine and where things are kept on it. */
export function systemInfo({ shell, runsFolder, cacheFolder, sample }: SystemPlaces): SystemInfo {
  return {
    version: VERSION,
    platform: machineName(),
    node: process.version,
    shell,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
    memory: totalmem(),
    memoryFree: freemem(),
    runsFolder,
    cacheFolder,
    home: homedir(),
    sample,
  };
}

/** Names the processor and the memory of this machine in a line. */
export function hardwareName(): string {
  return `${cpus().length} × ${cpus()[0]?.model.trim() ?? '?'}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
}

/** Entries of a folder that are shown; a folder of a million images must not fill the line. */
const MOST_ENTRIES = 2000;

/**
 * Lists the content of a folder, so that one can be chosen in a browser: folders first, then files, without hidden
 * ones.
 * @throws StillhouseError `folder.unreadable`.
 */
export async function browse(path: string = homedir()): Promise<Folder> {
  const folder = resolve(path);
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new StillhouseError(
      'folder.unreadable',
      { path: folder, reason: reasonIn(error, NOT_A_FOLDER) },
      { cause: error },
    );
  });
  const shown = entries.filter(({ name }) => !name.startsWith('.')).slice(0, MOST_ENTRIES);
  const known = await Promise.all(shown.map(({ name }) => entryOf(folder, name)));
  const parent = dirname(folder);
  return {
    path: folder,
    parent: parent === folder ? null : parent,
    entries: known.filter((entry) => entry !== null).sort(byKindAndName),
  };
}

type Entry = Folder['entries'][number];

async function entryOf(folder: string, name: string): Promise<Entry | null> {
  const path = join(folder, name);
  // Follows links: a link to a folder is one.
  const found = await stat(path).catch(() => null);
  if (!found) return null;
  if (found.isDirectory()) return { name, path, kind: 'folder', bytes: 0 };
  return found.isFile() ? { name, path, kind: 'file', bytes: found.size } : null;
}

// What these mean of a folder that is to be listed.
const NOT_A_FOLDER = { ENOENT: 'os.missing', ENOTDIR: 'os.no-folder-but-file' } as const;

const collator = new Intl.Collator('en', { numeric: true });

function byKindAndName(one: Entry, other: Entry): number {
  if (one.kind !== other.kind) return one.kind === 'folder' ? -1 : 1;
  return collator.compare(one.name, other.name);
}
