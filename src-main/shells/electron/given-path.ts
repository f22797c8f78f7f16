import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Longer ones the service takes for no path. */
const MOST_LETTERS = 4096;

/**
 * Finds the path with which the app was started, from the root; null without one. Desktops hand over paths or file
 * URLs.
 * @param argv whole, of this instance or another one.
 * @param folder where that was started.
 * @param packaged false where the first argument names the app itself.
 */
export function givenPath(argv: readonly string[], folder: string, packaged: boolean): string | null {
  const given = argv.slice(1).filter((part) => part !== '' && !part.startsWith('-'))[packaged ? 0 : 1];
  return given === undefined ? null : wholePath(given, folder);
}

/** Makes a path from the root; null for a text that can be none. */
export function wholePath(given: string, folder: string): string | null {
  try {
    const path = resolve(folder, given.startsWith('file://') ? fileURLToPath(given) : given);
    return path.length > MOST_LETTERS || path.includes('\0') ? null : path;
  } catch {
    return null;
  }
}
