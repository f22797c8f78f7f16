import type { Packing } from './unpacked.ts';

/** Locates an image inside a file on disk that holds many. */
export interface ImagePlace extends Packing {
  /** The archive, relative to the data folder; '' where it is the data set itself. Absolute where it lies in the cache. */
  archive: string;
  offset: number;
  size: number;
}

/** Places of images by file, such as `train.tar/n01440764.tar/n01440764_18.JPEG`: about 160 bytes of memory each. */
export class ArchiveIndex {
  private readonly archives: string[] = [];
  private readonly archiveNumbers = new Map<string, number>();
  private readonly numbers = new Map<string, number>();
  private readonly owners: number[] = [];
  private readonly offsets: number[] = [];
  private readonly sizes: number[] = [];
  /** -1 for what is stored as it is. */
  private readonly inflated: number[] = [];
  /** By archive, where its images are raw pixels. */
  private readonly planes: (number | undefined)[] = [];

  get size(): number {
    return this.numbers.size;
  }

  get(file: string): ImagePlace | undefined {
    const number = this.numbers.get(file);
    if (number === undefined) return undefined;
    const { archives, owners, offsets, sizes } = this;
    const owner = owners[number];
    const place = { archive: archives[owner], offset: offsets[number], size: sizes[number] };
    const planes = this.planes[owner];
    if (planes !== undefined) return { ...place, planes };
    return this.inflated[number] < 0 ? place : { ...place, inflated: this.inflated[number] };
  }

  set(file: string, { archive, offset, size, inflated = -1, planes }: ImagePlace): void {
    const owner = this.archiveNumbers.get(archive) ?? this.archives.push(archive) - 1;
    this.archiveNumbers.set(archive, owner);
    this.planes[owner] = planes;
    const known = this.numbers.get(file);
    const number = known ?? this.owners.length;
    // A name that comes twice means the last, as when it is unpacked.
    if (known === undefined) this.numbers.set(file, number);
    this.owners[number] = owner;
    this.offsets[number] = offset;
    this.sizes[number] = size;
    this.inflated[number] = inflated;
  }
}
