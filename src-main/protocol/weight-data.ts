import * as v from 'valibot';
import { reason, type ReasonValue } from './reasons.ts';
import { flag, FIRST, number, oneOf, text, whatIsWrong } from './shapes.ts';

/** Facts about weights that others publish, and how far each is on this machine. Sizes are bytes. */

const percent = v.nullable(v.pipe(v.number(), v.minValue(0), v.maxValue(100)));
const three = v.tuple([v.number(), v.number(), v.number()]);

/** ImageNet weights of a network, with the facts beside them. */
const publishedWeights = v.object({
  /** `<network>.<training>`, timm's name. */
  name: text,
  /** Whether the network's name alone means this file. */
  first: flag,
  /** The authors' address; null where only the hub has it. */
  url: v.nullable(text),
  /** The SHA-256, or its first digits, as the file name carries it. */
  hash: v.nullable(text),
  /** `owner/name` on the hub. */
  hub: v.nullable(text),
  /** SPDX name; null where timm does not say. */
  licence: v.nullable(text),
  inputSize: v.pipe(v.number(), v.integer(), v.minValue(1)),
  cropRatio: v.pipe(v.number(), v.gtValue(0), v.maxValue(1)),
  interpolation: oneOf(['bicubic', 'bilinear']),
  mean: three,
  std: three,
  /** ImageNet accuracy in percent as the authors state it for this file; null where nothing certain was stated. */
  top1: percent,
  top5: percent,
  /** The same as timm measured it, with the preparation of images above. */
  timmTop1: percent,
  timmTop5: percent,
});
export type PublishedWeights = v.InferOutput<typeof publishedWeights>;

const publishedTable = v.record(text, v.pipe(v.array(publishedWeights), v.minLength(1)));
export type PublishedTable = Readonly<Record<string, readonly PublishedWeights[]>>;

/** Reads a table of published weights. @returns it, or the first thing that is wrong with it. */
export function parsePublishedTable(
  given: unknown,
): { table: PublishedTable } | { expected: ReasonValue; got: string } {
  const read = v.safeParse(publishedTable, given, FIRST);
  if (read.success) return { table: read.output };
  const { name, expected, got } = whatIsWrong(read.issues[0], 'table');
  return { expected: reason('value.of', { name, expected }), got };
}

/** How far weights are: `elsewhere` is being fetched by another process. */
const weightState = oneOf(['here', 'partial', 'fetching', 'elsewhere', 'absent']);
export type WeightState = v.InferOutput<typeof weightState>;

/** Who keeps a file on this machine: our store, torch's cache, the hub's, or a person who put it there. */
const weightOwner = oneOf(['store', 'torch', 'hub', 'person']);
export type WeightOwner = v.InferOutput<typeof weightOwner>;

const place = {
  state: weightState,
  owner: v.nullable(weightOwner),
  /** The file, or the folder of a repository; null while it is not whole. */
  path: v.nullable(text),
  /** The entry of the store that can be removed; null where nothing is in it. */
  id: v.nullable(text),
  /** On this machine, whole or in part. */
  bytes: number,
  /** Whether a hash known beforehand was met; null while it is not whole, and of a file that others keep. */
  checked: v.nullable(flag),
  /** The job that fetches it; null without one in this service. */
  job: v.nullable(text),
};

const publishedRow = v.object({
  ...publishedWeights.entries,
  ...place,
  /** The network. */
  model: text,
  family: text,
  /** Of a whole file, reckoned from the network's arrays: nobody states it. */
  size: number,
  parameters: number,
  /** In 10⁹ multiply-adds at the network's own input size. */
  gflops: number,
});
export type PublishedRow = v.InferOutput<typeof publishedRow>;

/** Weights that were asked for by address. */
const addressedRow = v.object({ ...place, address: text });
export type AddressedRow = v.InferOutput<typeof addressedRow>;

export const weightList = v.object({
  /** The store. */
  folder: text,
  published: v.array(publishedRow),
  addressed: v.array(addressedRow),
});
export type WeightList = v.InferOutput<typeof weightList>;

/** Locates the weights that a name or an address means. */
export const foundWeights = v.object({
  path: v.nullable(text),
  /** The job that fetches them; null without one in this service. */
  job: v.nullable(text),
});

/** Tells whether a text is an address and no path. */
export function isAddress(given: string): boolean {
  return /^(https?:\/\/|hf[_-]hub:)/i.test(given);
}
