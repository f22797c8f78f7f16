import { join } from 'node:path';
import { DATA_SETS, type DataSetName } from '../../protocol/data-sets.ts';
import { childPath, type Roots } from '../layout/branch.ts';
import { archiveBranch, diskBranch } from '../layout/disk-branch.ts';
import { COMPRESSED_TAR } from '../layout/plain-tar.ts';
import type { Sample } from '../layout/sample.ts';
import { missing, unpackFirst } from './published-set.ts';
import { plainTarOf } from './set-archive.ts';
import type { SetFolder } from './set-folder.ts';

/** Locates the images of a data set: in a folder, else in the tar archive that it came in. */
export interface ImagesPlace {
  folder: string;
  /** Names of the archive without its ending. */
  archive: RegExp;
  /** It is too large to take its compression away without being asked. */
  isHuge?: boolean;
}

/**
 * Finds the images of a data set by a key, which `keyOf` makes from the path inside their folder or archive.
 * @throws StillhouseError `data.set-missing`, `data.set-packed`, and as {@link plainTarOf}.
 */
export async function imagesOf(
  name: DataSetName,
  home: SetFolder,
  place: ImagesPlace,
  roots: Roots,
  keyOf: (inside: string) => string = nameOf,
): Promise<Map<string, string>> {
  const archives = [...home.files.keys()].filter((file) => place.archive.test(file.replace(ENDING, '')));
  const tar = archives.find((file) => !COMPRESSED_TAR.test(file)) ?? archives.at(0);
  const isFolder = home.folders.has(place.folder);
  if (!isFolder && tar === undefined) throw missing(name, join(roots.path, home.place), `${place.folder}/`);
  const file = childPath(home.place, isFolder ? place.folder : tar!);
  if (!isFolder && place.isHuge && COMPRESSED_TAR.test(file)) throw unpackFirst(name, [join(roots.path, file)]);
  const branch = isFolder
    ? diskBranch(roots, place.folder, file)
    : archiveBranch(roots, file, await plainTarOf(name, file, roots));
  const images = await branch.images();
  return new Map(images.map((image) => [keyOf(image.slice(file.length + 1)), image]));
}

const ENDING = /\.(tar|tar\.gz|tgz)$/i;

function nameOf(inside: string): string {
  return inside.slice(inside.lastIndexOf('/') + 1);
}

/** Those of the wanted images that are there; the others are counted. */
export class Present {
  private absent = 0;
  private first = '';

  constructor(
    private readonly name: DataSetName,
    private readonly images: ReadonlyMap<string, string>,
  ) {}

  samples(wanted: readonly { key: string; label: number }[]): Sample[] {
    return wanted.flatMap(({ key, label }) => {
      const file = this.images.get(key);
      if (file !== undefined) return [{ file, label }];
      if (this.absent++ === 0) this.first = key;
      return [];
    });
  }

  /** Warns of those that were not there. */
  tell({ warnings }: Roots): void {
    const { absent: count, first: file, name } = this;
    if (count > 0) warnings.add('data.set-absent', { count, set: DATA_SETS[name], file });
  }
}
