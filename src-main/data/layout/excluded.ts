/**
 * The list of images that are left out, as a text that a person can read and edit: a path in each line, relative to
 * the data folder, and after a tab and `#` the reason. A line that begins with `#` is a comment; one that begins with
 * `!` keeps an image that a check would put on the list. A path that would be misread stands in quotes, as in JSON.
 */
export interface Exclusions {
  /** Reasons by file, in the order of the list. */
  out: Map<string, string>;
  /** Files that no check may add. */
  kept: Set<string>;
}

export function parseExclusions(text: string): Exclusions {
  const exclusions: Exclusions = { out: new Map(), kept: new Set() };
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const isKept = line.startsWith('!');
    const [, written, reason = ''] = /^(.*?)(?:\t\s*#\s*(.*))?$/s.exec(isKept ? line.slice(1) : line)!;
    const file = unquote(written.trim());
    if (file === '') continue;
    if (isKept) exclusions.kept.add(file);
    else exclusions.out.set(file, reason);
  }
  for (const file of exclusions.kept) exclusions.out.delete(file);
  return exclusions;
}

/** Writes the text of a list of files to leave out. @param path the data folder, for whoever opens the list. */
export function formatExclusions({ out, kept }: Exclusions, path: string): string {
  const lines = [...out].map(([file, reason]) => quote(file) + (reason ? `\t# ${reason.replace(/\s+/g, ' ')}` : ''));
  return `# Images of ${path.replace(/\s+/g, ' ')} that Stillhouse leaves out of training and validation.
# One path a line, relative to that folder. Lines may be added and removed; what follows a tab and # is the reason.
# A line that begins with ! keeps an image that a check would put on this list.
${[...lines, ...[...kept].map((file) => `!${quote(file)}`)].map((line) => `${line}\n`).join('')}`;
}

const ODD = /^[\s#!"]|\s$|[\u0000-\u001f\u2028\u2029]/;

function quote(file: string): string {
  return ODD.test(file) ? JSON.stringify(file) : file;
}

function unquote(written: string): string {
  if (!written.startsWith('"')) return written;
  try {
    return String(JSON.parse(written));
  } catch {
    return written;
  }
}
