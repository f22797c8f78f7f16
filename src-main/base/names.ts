import { realpathSync } from 'node:fs';
import { win32 } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { composed } from './name-order.ts';

/**
 * Names that Windows does not allow, or takes for something else than a file, and names that Windows and macOS take for
 * one another.
 */

// Devices, with any ending; the raised digits count as 1 to 3.
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])$/i;
const RESERVED = /[<>:"|?*]/;

/** Characters of the longest path that every program on Windows can open. */
const LONGEST = 259;

/**
 * Makes sure that a file or folder may be called so on this system.
 * @param path an absolute path.
 * @throws StillhouseError `disk.denied`
 */
export function requireName(path: string, platform: string = process.platform): void {
  const why = platform === 'win32' ? whyNotOnWindows(path) : null;
  if (why) throw new StillhouseError('disk.denied', { path, reason: why });
}

function whyNotOnWindows(path: string): Reason | null {
  const { root } = win32.parse(path);
  const name = path
    .slice(root.length)
    .split(/[\\/]/)
    .find((part) => part !== '.' && part !== '..' && isBad(part));
  if (name !== undefined) return reason('os.windows-name', { name });
  return path.length > LONGEST ? reason('os.windows-path', { count: path.length, most: LONGEST }) : null;
}

function isBad(name: string): boolean {
  if ([...name].some((letter) => letter < ' ')) return true;
  return RESERVED.test(name) || /[. ]$/.test(name) || DEVICE.test(name.split('.')[0].trimEnd());
}

/** Systems whose disks, as a rule, find a file by its name in letters of either case. */
const EITHER_CASE = ['win32', 'darwin'];

/** Returns a name as such a system compares it; macOS also takes é for e with an accent. */
function folded(name: string): string {
  return composed(name).toLowerCase();
}

/** Groups the names that are one name on Windows or macOS; the others are left out. */
export function caseTwins(names: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const group = groups.get(folded(name));
    if (group) group.push(name);
    else groups.set(folded(name), [name]);
  }
  return [...groups.values()].filter(({ length }) => length > 1);
}

/**
 * Returns a path in the letters that its folder has on the disk, so that what is kept for a folder is found however a
 * person typed it. A path whose letters count, that is not there or that leads over a link stays as it is.
 * @param path an absolute path.
 */
export function asOnDisk(
  path: string,
  platform: string = process.platform,
  real: (path: string) => string = realpathSync.native,
): string {
  if (!EITHER_CASE.includes(platform)) return path;
  try {
    const found = real(path);
    return folded(found) === folded(path) ? found : path;
  } catch {
    return path;
  }
}
