import type { Warnings } from '../check/warnings.ts';
import { IMAGE } from './image-name.ts';

const LEFT_BY_PROGRAMS =
  /^(__macosx|__pycache__|\.ipynb_checkpoints|@eadir|@recycle|#recycle|#snapshot|\$recycle\.bin|system volume information|lost\+found|thumbs\.db|ehthumbs\.db|desktop\.ini|\.ds_store)$/i;
/** Images of sorts that are not read. */
const OTHER_IMAGE =
  /\.(hei[cf]s?|avif|jxl|jp[2xf]|j2k|tiff?|tga|psd|dng|cr[23]|nef|arw|orf|raf|rw2|svg|ico|exr|hdr|dcm|nii)$/i;

/**
 * Returns the name under which an entry is passed over because another program (macOS, Jupyter, a NAS, Windows) left it
 * there, or null. Folders whose name begins with a dot count as such.
 */
export function leftByPrograms(name: string, isFolder: boolean): string | null {
  if (name.startsWith('._')) return '._*';
  return LEFT_BY_PROGRAMS.test(name) || (isFolder && name.startsWith('.')) ? name : null;
}

/** Counts by name, as JSON has them. */
export interface Counts {
  junk: Record<string, number>;
  images: Record<string, number>;
  files: Record<string, number>;
}

/** Counts entries that a listing met and did not use, by name or by the end of the name. */
export class PassedOver {
  readonly counts: Counts = { junk: {}, images: {}, files: {} };
  private readonly seen = new Set<string>();

  /** Counts an entry that another program left, once for each place. */
  junk(name: string, path: string): void {
    if (this.isNew(path)) tally(this.counts.junk, name, 1);
  }

  /** Counts a file where it is not used. @returns whether it is an image that can be. */
  isImage(path: string): boolean {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const left = leftByPrograms(name, false);
    if (left) this.junk(left, path);
    else if (IMAGE.test(name)) return true;
    else if (OTHER_IMAGE.test(name)) this.otherImage(name, path);
    else tally(this.counts.files, endOf(name), 1);
    return false;
  }

  /** Counts an entry of a folder whose files are not looked at one by one. */
  entry(name: string, path: string, isFolder: boolean): void {
    const left = leftByPrograms(name, isFolder);
    if (left) this.junk(left, path);
    else if (!isFolder && OTHER_IMAGE.test(name)) this.otherImage(name, path);
  }

  private otherImage(name: string, path: string): void {
    if (this.isNew(path)) tally(this.counts.images, endOf(name), 1);
  }

  private isNew(path: string): boolean {
    const before = this.seen.size;
    return this.seen.add(path).size > before;
  }

  add({ junk, images, files }: Counts): void {
    for (const [name, count] of Object.entries(junk)) tally(this.counts.junk, name, count);
    for (const [name, count] of Object.entries(images)) tally(this.counts.images, name, count);
    for (const [name, count] of Object.entries(files)) tally(this.counts.files, name, count);
  }

  /** Says what was passed over. */
  tell(notes: Warnings): void {
    const { junk, images, files } = this.counts;
    if (sum(images) > 0) notes.add('data.passed-images', { count: sum(images), kinds: inWords(images) });
    if (sum(junk) > 0) notes.add('data.passed-junk', { count: sum(junk), names: inWords(junk) });
    if (sum(files) > 0) notes.add('data.passed-files', { count: sum(files), kinds: inWords(files) });
  }
}

function endOf(name: string): string {
  return /\.[^.]{1,12}$/.exec(name)?.[0].toLowerCase() ?? name;
}

function tally(counts: Record<string, number>, name: string, count: number): void {
  counts[name] = (Object.hasOwn(counts, name) ? counts[name] : 0) + count;
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

/** Kinds that are named; the others are only counted. */
const SHOWN = 8;

/** Lists endings by how often they occur, as in `12 × .heic, 3 × .avif`. */
export function inWords(counts: Record<string, number>): string {
  const sorted = Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const shown = sorted.slice(0, SHOWN).map(([name, count]) => `${count} × ${name}`);
  return shown.join(', ') + (sorted.length > SHOWN ? ', …' : '');
}
