import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Reads a file by its path from the root of the project. */
export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
}

/** Every file of the project that a guide may name, by its path from the root. */
export const files = [
  ...['src-main', 'src-renderer', 'tests', 'docs', 'resources'].flatMap(filesIn),
  ...readdirSync(root),
];

/** Sources of the program. */
export const sources = files.filter((name) => /^src-(main|renderer)\/.*\.(ts|vue)$/.test(name));
