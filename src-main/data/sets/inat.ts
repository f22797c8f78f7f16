import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { readJsonLists } from '../../formats/json-lists.ts';
import { DATA_SETS, INAT_CATEGORIES, type InatCategory } from '../../protocol/data-sets.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import { childPath, type Roots } from '../layout/branch.ts';
import { fileError, fileOf, readingFile, type PublishedSet, type SetListing } from './published-set.ts';
import { readWhole, type SetFile, type SetFolder } from './set-folder.ts';
import { imagesOf, Present } from './set-images.ts';

/**
 * iNaturalist 2018 and 2019 as published: `train2018.json`, `val2018.json`, `categories.json` and the images in
 * `train_val2018/`. Classes and numbers are those of DeiT's INatDataset: the values of one field of the categories, in
 * the order in which the annotations of the training images come to them; an image's category is the folder it is in.
 * Source: https://github.com/visipedia/inat_comp
 */
export const INAT: readonly PublishedSet[] = ([2018, 2019] as const).map((year) => {
  const name = year === 2018 ? 'INAT18' : 'INAT19';
  const short = year - 2000;
  return {
    name,
    homes: [`inat${year}`, `inat${short}`, `inaturalist${year}`, `inaturalist-${year}`, `inaturalist_${year}`],
    wanted: `train${year}.json`,
    packed: new RegExp(`^((train(_val)?|val)${year}(\\.json)?|categories\\.json)\\.(tar\\.gz|tgz)$`, 'i'),
    isHuge: true,
    find: (folder) => {
      if (!folder.files.has(`train${year}.json`) && !folder.files.has(`val${year}.json`)) return null;
      const edition: Edition = { name, year, folder };
      const read: Found['read'] = (roots, reading) => readInat(edition, reading.category ?? INAT_CATEGORIES[0], roots);
      return { name, place: folder.place, read };
    },
  };
});

type Found = NonNullable<ReturnType<PublishedSet['find']>>;

interface Edition {
  name: 'INAT18' | 'INAT19';
  year: 2018 | 2019;
  folder: SetFolder;
}

const CATEGORIES = 'categories.json';
const LARGEST = 64 * 2 ** 20;
const BLOCK = 1 << 20;

async function readInat(edition: Edition, field: InatCategory, roots: Roots): Promise<SetListing> {
  const { name, year, folder } = edition;
  const from = [`train${year}.json`, `val${year}.json`] as const;
  const categories = categoriesOf(edition, field, roots);
  const numbers = new Map<string, number>();
  const labels = new Labels(categories, numbers);
  const train = await recordsOf(edition, from[0], roots, (category) => labels.number(category));
  const trained = await working(edition, from[0], () => labels.of(train.images));
  const val = await recordsOf(edition, from[1], roots, () => undefined);
  const validated = await working(edition, from[1], () => labels.of(val.images));
  const images = `train_val${year}`;
  const place = { folder: images, archive: new RegExp(`^${images}$`, 'i'), isHuge: true };
  const present = new Present(name, await imagesOf(name, folder, place, roots, keyOf));
  const samples = [present.samples(trained), present.samples(validated)] as const;
  present.tell(roots);
  warnOfOthers(edition, [...train.images, ...val.images], new Map([...train.annotated, ...val.annotated]), roots);
  roots.notes.add('data.set-classes', { count: numbers.size, field, file: from[0] });
  return { classes: [...numbers.keys()], train: samples[0], val: samples[1], from };
}

/** The last two parts of an image's path, category and file: the archive has a folder above these, DeiT has none. */
function keyOf(path: string): string {
  return path.split('/').slice(-2).join('/');
}

/** The value of a field for each category, by number. */
function categoriesOf({ name, folder }: Edition, field: InatCategory, { path }: Roots): string[] {
  const file = fileOf(name, folder, CATEGORIES, join(path, folder.place));
  return readingFile(name, childPath(folder.place, CATEGORIES), () => {
    const list = parsed(readWhole(file, LARGEST));
    if (!Array.isArray(list)) throw new ReasonError(reason('set.no-list'));
    return list.map((entry: unknown, at) => {
      const { id, [field]: value } = (entry ?? {}) as Record<string, unknown>;
      // DeiT takes the place for the number.
      if (id !== undefined && id !== at)
        throw new ReasonError(reason('set.category-id', { at, id: JSON.stringify(id) }));
      if (typeof value !== 'string' || value === '') throw new ReasonError(reason('set.no-field', { at, field }));
      return value;
    });
  });
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new ReasonError(reason('file.not-json'), { cause });
  }
}

/** One image of a list: its number in it, its key among the files, the category that its folder names. */
interface ImageRecord {
  id: unknown;
  key: string;
  category: number;
}

interface Records {
  images: ImageRecord[];
  /** The category that the annotations name, by the number of the image. */
  annotated: Map<unknown, number>;
}

async function recordsOf(
  edition: Edition,
  file: string,
  { path }: Roots,
  onCategory: (category: number) => unknown,
): Promise<Records> {
  const { name, folder } = edition;
  const found: SetFile = fileOf(name, folder, file, join(path, folder.place));
  const records: Records = { images: [], annotated: new Map() };
  return working(edition, file, async () => {
    const chunks = createReadStream(found.path, { highWaterMark: BLOCK });
    for await (const { list, value } of readJsonLists(chunks, LISTS)) {
      if (list === 'images') records.images.push(imageRecord(value, records.images.length));
      else {
        const category = Number(value.category_id);
        onCategory(category);
        records.annotated.set(value.image_id, category);
      }
    }
    if (records.images.length === 0) throw new ReasonError(reason('set.key', { key: 'images' }));
    return records;
  });
}

const LISTS = new Set(['images', 'annotations']);

function imageRecord({ id, file_name: file }: Record<string, unknown>, row: number): ImageRecord {
  const parts = typeof file === 'string' ? file.split('/') : [];
  const category = /^\d+$/.test(parts[2] ?? '') ? Number(parts[2]) : NaN;
  if (parts.length !== 4 || Number.isNaN(category))
    throw new ReasonError(reason('set.file-name', { row, file: typeof file === 'string' ? file : '' }));
  return { id, key: `${parts[2]}/${parts[3]}`, category };
}

async function working<Result>({ name, folder }: Edition, file: string, work: () => Result): Promise<Awaited<Result>> {
  try {
    return await work();
  } catch (error) {
    throw fileError(name, childPath(folder.place, file), error);
  }
}

/** Numbers the values of a field in the order in which they come. */
class Labels {
  constructor(
    private readonly categories: readonly string[],
    private readonly numbers: Map<string, number>,
  ) {}

  number(category: number): void {
    const value = this.value(category);
    if (!this.numbers.has(value)) this.numbers.set(value, this.numbers.size);
  }

  of(images: readonly ImageRecord[]): { key: string; label: number }[] {
    return images.map(({ key, category }) => {
      const value = this.value(category);
      const label = this.numbers.get(value);
      if (label === undefined) throw new ReasonError(reason('set.unseen', { key, value }));
      return { key, label };
    });
  }

  private value(category: number): string {
    const value = this.categories[category];
    if (value === undefined)
      throw new ReasonError(reason('set.no-category', { category, last: this.categories.length - 1 }));
    return value;
  }
}

/** Warns of images whose annotation names another category than their folder. */
function warnOfOthers(
  { name }: Edition,
  images: readonly ImageRecord[],
  annotated: ReadonlyMap<unknown, number>,
  { warnings }: Roots,
): void {
  const others = images.filter(({ id, category }) => (annotated.get(id) ?? category) !== category);
  const [first] = others;
  if (first) warnings.add('data.set-labels', { count: others.length, set: DATA_SETS[name], file: first.key });
}
