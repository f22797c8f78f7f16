import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { listDataset, samplePath, summarise, type Dataset, type Sample } from '../data/folder.ts';
import type { DatasetReport, DatasetSummary, PicturePage } from '../protocol/data-types.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';

export type Split = 'train' | 'val';

export interface PictureQuery {
  path: string;
  split: Split;
  /** Class name; all classes when left out. */
  class?: string;
  offset: number;
  limit: number;
}

/** Listings that are kept, so that a page of pictures does not list the folder anew. */
const KEPT_LISTINGS = 4;
/** Pictures whose ids are known at the same time; the oldest are forgotten. */
const KEPT_PICTURES = 100_000;

interface Listing {
  dataset: Dataset;
  byClass: Record<Split, Sample[][]>;
}

/** The data folders that windows look at: what they hold, what their check found, their pictures by opaque id. */
export class Datasets {
  private readonly listings = new Map<string, Promise<Listing>>();
  private readonly pictures = new Map<string, string>();
  private readonly secret = randomBytes(32);

  /** @param reportsFolder keeps what checks found, one file a data folder. */
  constructor(private readonly reportsFolder: string) {}

  /** Lists a folder anew. @throws StillhouseError `data.no-folder`, `data.no-classes`, `folder.unreadable`. */
  async inspect(path: string): Promise<DatasetSummary> {
    const folder = absolute(path);
    this.listings.delete(folder);
    return summarise((await this.listing(folder)).dataset);
  }

  /** The listing of a folder, from the last {@link inspect} where there was one. Throws as it does. */
  async dataset(path: string): Promise<Dataset> {
    return (await this.listing(absolute(path))).dataset;
  }

  /**
   * A page of a split's pictures, in the order of their files.
   * @throws StillhouseError `argument.invalid` for an unknown class, and those of {@link inspect}.
   */
  async page({ path, split, class: name, offset, limit }: PictureQuery): Promise<PicturePage> {
    const { dataset, byClass } = await this.listing(absolute(path));
    const label = name === undefined ? undefined : dataset.classes.indexOf(name);
    if (label === -1)
      throw new StillhouseError('argument.invalid', {
        name: 'class',
        expected: 'a class of the data',
        got: name ?? '',
      });
    const samples = label === undefined ? dataset[split] : (byClass[split][label] ?? []);
    const pictures = samples.slice(offset, offset + limit).map((sample) => ({
      id: this.name(samplePath(dataset, sample)),
      file: sample.file,
      class: dataset.classes[sample.label] ?? '',
    }));
    return { total: samples.length, pictures };
  }

  /** File of a picture that a page named; null for any other id. */
  pictureFile(id: string): string | null {
    return this.pictures.get(id) ?? null;
  }

  /** What the last check of a folder found, or null. */
  report(path: string): DatasetReport | null {
    try {
      return JSON.parse(readFileSync(this.reportFile(absolute(path)), 'utf8')) as DatasetReport;
    } catch {
      return null;
    }
  }

  /** Keeps what a check found. @throws StillhouseError `disk.full`, `disk.denied`. */
  async keepReport(report: DatasetReport): Promise<void> {
    await mkdir(this.reportsFolder, { recursive: true });
    writeFileAtomic(this.reportFile(absolute(report.path)), `${JSON.stringify(report)}\n`);
  }

  private listing(folder: string): Promise<Listing> {
    const known = this.listings.get(folder);
    if (known) return known;
    const listing = listDataset(folder).then(group);
    this.listings.set(folder, listing);
    listing.catch(() => this.listings.delete(folder));
    for (const oldest of this.listings.keys()) {
      if (this.listings.size <= KEPT_LISTINGS) break;
      this.listings.delete(oldest);
    }
    return listing;
  }

  // The same picture keeps its id while the service lives, so that a window may keep what it has loaded.
  private name(path: string): string {
    const id = createHmac('sha256', this.secret).update(path).digest('base64url').slice(0, 22);
    this.pictures.delete(id);
    this.pictures.set(id, path);
    if (this.pictures.size > KEPT_PICTURES) this.pictures.delete(this.pictures.keys().next().value!);
    return id;
  }

  private reportFile(folder: string): string {
    return join(this.reportsFolder, `${createHash('sha256').update(folder).digest('hex').slice(0, 24)}.json`);
  }
}

/** A path that a person typed: `~` is their home. */
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
