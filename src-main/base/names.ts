import { win32 } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';

/** Names that Windows does not allow, or takes for something else than a file. */

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
