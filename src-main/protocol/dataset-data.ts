import * as v from 'valibot';
import { DATA_SETS, type DataSetName } from './data-sets.ts';
import { flag, number, oneOf, plainError, text, title, reasonOrText } from './shapes.ts';

/** Shapes of a data set and its images in the answers of calls. */

const classCount = v.object({
  name: text,
  /** The names of an ImageNet-1k synset, in both languages; missing for other classes. */
  title,
  train: number,
  val: number,
});
export type ClassCount = v.InferOutput<typeof classCount>;

const datasetLayout = oneOf(['train-val', 'classes']);
export type DatasetLayout = v.InferOutput<typeof datasetLayout>;

export const datasetSummary = v.object({
  path: text,
  layout: datasetLayout,
  classes: v.array(classCount),
  train: number,
  val: number,
  /** True when val was made by the stratified split that Stillhouse offers for one-folder-per-class data. */
  splitMade: flag,
  /** Images that the list of excluded ones leaves out; they are in no count. */
  excluded: number,
  /** The published data set that the folder was read as; null for folders of classes. */
  set: v.nullable(oneOf(Object.keys(DATA_SETS) as DataSetName[])),
  warnings: v.array(plainError),
  /** How a person said the folder is to be read; '' where nobody did. */
  reading: v.optional(text),
  /** How the folder was read, and what was passed over. */
  notes: v.array(plainError),
});
export type DatasetSummary = v.InferOutput<typeof datasetSummary>;

/**
 * Everything that a check can find. First what keeps an image from being used, which the list of excluded ones then
 * holds; then files that are the same as another: of another class, for training and in val too, twice in a split; then
 * what is only odd: CMYK, 16 bits, palette, transparency, more frames than one, a turn asked for by Exif, above 100
 * million pixels, another format than the name says.
 */
export const FINDING_KINDS = [
  ...(['unreadable', 'truncated', 'empty'] as const),
  ...(['conflict', 'leak', 'duplicate'] as const),
  ...(['cmyk', 'deep', 'palette', 'alpha', 'animated', 'rotated', 'huge', 'misnamed'] as const),
] as const;
const findingKind = oneOf(FINDING_KINDS);
export type FindingKind = v.InferOutput<typeof findingKind>;

/** Kinds of findings that an image cannot be used with. */
export const UNUSABLE_KINDS: readonly FindingKind[] = ['unreadable', 'truncated', 'empty'];

const findings = v.array(v.object({ file: text, reason: reasonOrText }));

const finding = v.object({
  kind: findingKind,
  count: number,
  /** In the order of the data set; a window gets the first thousand. */
  files: findings,
});
export type Finding = v.InferOutput<typeof finding>;

/** The findings after every image was decoded. */
export const datasetReport = v.object({
  path: text,
  time: number,
  /** Images of the data set; more than were checked when the check was stopped. */
  total: number,
  checked: number,
  /** How many of them had not changed since an earlier check, and were not read again. */
  reused: number,
  /** Only kinds that were found, in the order of FINDING_KINDS. */
  findings: v.array(finding),
  /** Where the whole report lies, with every file. */
  file: v.optional(text),
});
export type DatasetReport = v.InferOutput<typeof datasetReport>;

/** The list of images that are left out of training and validation. */
export const excludedList = v.object({
  /** Where the list lies; a person may edit it. */
  list: text,
  count: number,
  /** Kinds of the last check that are on it whole. */
  kinds: v.array(findingKind),
  /** The first thousand. */
  files: findings,
});
export type ExcludedList = v.InferOutput<typeof excludedList>;

const image = v.object({
  /** Opaque; the window shows it by `imageUrl(id)`. */
  id: text,
  /** Relative to the data folder. */
  file: text,
  class: text,
});
export type Image = v.InferOutput<typeof image>;

export const imagePage = v.object({ total: number, images: v.array(image) });
export type ImagePage = v.InferOutput<typeof imagePage>;

const previewImage = v.object({
  /** Relative to the data folder. */
  file: text,
  /** A JPEG as a data URL: after everything, erasing and mixing too, before normalising. */
  image: text,
  /** The classes that its label holds, by their shares, before smoothing; the image's own first. */
  classes: v.array(v.object({ name: text, share: number })),
  mix: oneOf(['none', 'mixup', 'cutmix']),
  /** The image that it is mixed with; null when it is not. */
  partner: v.nullable(text),
  /** Share of the stored image's area that the crop took. */
  area: number,
  flipped: flag,
  /** In order, with the number that was drawn: degrees, bits, threshold, factor, slope, pixels or radius. */
  operations: v.array(v.object({ name: text, amount: number })),
  /** Rectangles that were erased. */
  erased: number,
});
export type PreviewImage = v.InferOutput<typeof previewImage>;

/** Some images of a training batch, as the student will see them. */
export const batchPreview = v.object({
  epoch: number,
  batch: number,
  /** Batches of an epoch. */
  batches: number,
  images: v.array(previewImage),
});
export type BatchPreview = v.InferOutput<typeof batchPreview>;
