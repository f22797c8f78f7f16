import { createHmac, randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { listDataset, samplePlace, summarise, type Dataset } from '../../data/layout/folder.ts';
import type { BytesPlace } from '../../data/layout/read-now.ts';
import type { Sample } from '../../data/layout/sample.ts';
import type { DatasetSummary, ExcludedList, FindingKind, ImagePage } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { parseReading } from '../../protocol/data-reading.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { reason } from '../../protocol/reasons.ts';
import type { DataNotes } from '../../jobs/data-notes.ts';

export type Split = 'train' | 'val';

export interface ImageQuery {
  path: string;
  split: Split;
  /** Class name; all classes when left out. */
  class?: string;
  offset: number;
  limit: number;
}

/** Listings that are kept, so that a page of images does not list the folder anew. */
const KEPT_LISTINGS = 4;
/** Images whose ids are known at the same time; the oldest are forgotten. */
const KEPT_IMAGES = 100_000;

/** Locates the bytes of an image; `path` may be an archive. */
export interface ImageFile extends BytesPlace {
  /** The image's own name, which tells its type. */
  name: string;
}

interface Listing {
  dataset: Dataset;
  byClass: Record<Split, Sample[][]>;
}

/** The data folders that windows look at: what they hold, which images are used, their images by opaque id. */
export class Datasets {
  private readonly listings = new Map<string, { edited: string; listing: Promise<Listing> }>();
  private readonly images = new Map<string, ImageFile>();
  private readonly secret = randomBytes(32);

  /**
   * @param notes knows which images are left out.
   * @param archiveCache keeps what was found in archives.
   */
  constructor(
    private readonly notes: DataNotes,
    private readonly archiveCache: string,
  ) {}

  /** Lists a folder anew. @throws StillhouseError `data.no-folder`, `data.no-classes`, `folder.unreadable`. */
  async inspect(path: string): Promise<DatasetSummary> {
    const folder = absolute(path);
    this.listings.delete(folder);
    return { ...summarise((await this.listing(folder)).dataset), reading: this.notes.reading(folder) };
  }

  /** The listing of a folder, from the last {@link inspect} where there was one. Throws as it does. */
  async dataset(path: string): Promise<Dataset> {
    return (await this.listing(absolute(path))).dataset;
  }

  /**
   * The folder of a recipe, read as the recipe says, or where it says nothing as {@link dataset}. Throws as it does.
   * @param anew lists it even if it is known.
   */
  async ofRecipe({ dataPath, dataReading }: Pick<Recipe, 'dataPath' | 'dataReading'>, anew = false): Promise<Dataset> {
    const folder = absolute(dataPath);
    if (anew) this.listings.delete(folder);
    if (dataReading === '' || dataReading === this.notes.reading(folder)) return this.dataset(folder);
    return this.list(folder, dataReading);
  }

  /** Keeps how a folder is to be read; '' leaves it to its contents. @throws StillhouseError `recipe.invalid`. */
  setReading(path: string, reading: string): void {
    parseReading(reading);
    this.notes.setReading(absolute(path), reading.trim());
  }

  /** A recipe with the whole path of its data, and how they are read. */
  settled(recipe: Recipe): Recipe {
    const dataPath = absolute(recipe.dataPath);
    return { ...recipe, dataPath, dataReading: recipe.dataReading || this.notes.reading(dataPath) };
  }

  /**
   * A page of a split's images, in the order of their files.
   * @throws StillhouseError `argument.invalid` for an unknown class, and those of {@link inspect}.
   */
  async page({ path, split, class: name, offset, limit }: ImageQuery): Promise<ImagePage> {
    const { dataset, byClass } = await this.listing(absolute(path));
    const label = name === undefined ? undefined : dataset.classes.indexOf(name);
    if (label === -1)
      throw new StillhouseError('argument.invalid', {
        name: 'class',
        expected: reason('value.class'),
        got: name ?? '',
      });
    const samples = label === undefined ? dataset[split] : (byClass[split][label] ?? []);
    const images = samples.slice(offset, offset + limit).map((sample) => ({
      id: this.name({ name: sample.file, ...samplePlace(dataset, sample.file) }),
      file: sample.file,
      class: dataset.classes[sample.label] ?? '',
    }));
    return { total: samples.length, images };
  }

  /** Ids by which windows see images of a folder; '' for what cannot be one of its images. */
  async named(path: string, files: readonly string[]): Promise<string[]> {
    const listing = await this.listing(absolute(path)).catch(() => null);
    const inside = (file: string): boolean => !/(^|[/\\])\.\.([/\\]|$)|^[/\\]|\0/.test(file);
    return files.map((file) =>
      listing && inside(file) ? this.name({ name: file, ...samplePlace(listing.dataset, file) }) : '',
    );
  }

  /** Leaves images of one kind of finding out, or uses them again. Throws `disk.full`, `disk.denied`. */
  exclude(path: string, kind: FindingKind, out: boolean): ExcludedList {
    const folder = absolute(path);
    if (out) this.notes.exclude(folder, kind);
    else this.notes.include(folder, kind);
    return this.notes.excluded(folder);
  }

  /** File of an image that a page named; null for any other id. */
  imageFile(id: string): ImageFile | null {
    return this.images.get(id) ?? null;
  }

  private list(folder: string, reading: string): Promise<Dataset> {
    const { notes, archiveCache } = this;
    return listDataset(folder, { excluded: notes.excludedFiles(folder), archiveCache, reading });
  }

  private listing(folder: string): Promise<Listing> {
    const known = this.listings.get(folder);
    const edited = this.notes.edited(folder);
    if (known?.edited === edited) return known.listing;
    const listing = this.list(folder, this.notes.reading(folder)).then(group);
    this.listings.set(folder, { edited, listing });
    listing.catch(() => this.listings.delete(folder));
    for (const oldest of this.listings.keys()) {
      if (this.listings.size <= KEPT_LISTINGS) break;
      this.listings.delete(oldest);
    }
    return listing;
  }

  // The same image keeps its id while the service lives, so that a window may keep what it has loaded.
  private name(file: ImageFile): string {
    const { path, name } = file;
    const id = createHmac('sha256', this.secret).update(`${path}\0${name}`).digest('base64url').slice(0, 22);
    this.images.delete(id);
    this.images.set(id, file);
    if (this.images.size > KEPT_IMAGES) this.images.delete(this.images.keys().next().value!);
    return id;
  }
}

/** Makes a path absolute that a person typed: `~` is their home. */
export function absolute(path: string): string {
  const typed = path.trim();
  if (typed === '') throw new StillhouseError('data.no-folder', { path: typed });
  return resolve(typed.replace(/^~(?=$|[/\\])/, homedir()));
}

function group(dataset: Dataset): Listing {
  const split = (samples: Sample[]): Sample[][] => {
    const groups: Sample[][] = dataset.classes.map(() => []);
    for (const sample of samples) groups[sample.label]?.push(sample);
    return groups;
  };
  return { dataset, byClass: { train: split(dataset.train), val: split(dataset.val) } };
}
