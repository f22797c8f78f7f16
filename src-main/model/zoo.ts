import type { ModelCard } from '../protocol/data-types.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { deitNames } from './deit-names.ts';
import { reason, type ReasonValue } from '../protocol/reasons.ts';
import { transformer, type TransformerShape } from './deit.ts';
import { efficientNet, type EfficientNetShape } from './efficientnet.ts';
import { countParameters, type Init, type Model, type ModelOptions, type Network } from './model.ts';
import { regNet } from './regnet.ts';
import { resNet, type ResNetShape } from './resnet.ts';

/** Every network by its timm name: what it is made of, how its images are prepared, what was published of it. */
interface Preset {
  family: ModelCard['family'];
  inputSize: number;
  cropRatio: number;
  /** timm's, where ours is that of DeiT. */
  timmCropRatio?: number;
  interpolation?: 'bilinear';
  /** Mean and deviation of the pixels. */
  pixels: Pixels;
  /** Published ImageNet top-1, or null. */
  top1: number | null;
  /** Side of a patch; the input size is a multiple of it. 1 for networks that take any size. */
  patch: number;
  build(options: ModelOptions): Network;
}

interface Pixels {
  mean: [number, number, number];
  std: [number, number, number];
}

const IMAGENET: Pixels = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const HALF: Pixels = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** timm's start of a ViT's class token; DeiT's is in deit.ts. */
const NEAR_ZERO: Init = { kind: 'normal', std: 1e-6 };

/** The published accuracies of DeiT are with the shorter edge at input size / 0.875; timm lists other ratios for the files. */
const DEIT_CROP = 0.875;
const TIMM_CROP: Readonly<Record<number, number>> = { 224: 0.9, 384: 1 };

/**
 * To add a network: "A network" in docs/adding.md.
 *
 * Rows: name, dim, heads, input size, top-1 (DeiT's README).
 */
const DEIT: [string, number, number, number, number][] = [
  ['deit_tiny_patch16_224', 192, 3, 224, 72.2],
  ['deit_small_patch16_224', 384, 6, 224, 79.9],
  ['deit_base_patch16_224', 768, 12, 224, 81.8],
  ['deit_base_patch16_384', 768, 12, 384, 82.9],
  ['deit_tiny_distilled_patch16_224', 192, 3, 224, 74.5],
  ['deit_small_distilled_patch16_224', 384, 6, 224, 81.2],
  ['deit_base_distilled_patch16_224', 768, 12, 224, 83.4],
  ['deit_base_distilled_patch16_384', 768, 12, 384, 85.2],
];

/** Name, patch, dim, depth, heads, input size, crop, top-1 (ImageNet-1k alone). */
const DEIT3: [string, number, number, number, number, number, number, number][] = [
  ['deit3_small_patch16_224', 16, 384, 12, 6, 224, 0.9, 81.4],
  ['deit3_small_patch16_384', 16, 384, 12, 6, 384, 1, 83.4],
  ['deit3_medium_patch16_224', 16, 512, 12, 8, 224, 0.9, 83.0],
  ['deit3_base_patch16_224', 16, 768, 12, 12, 224, 0.9, 83.8],
  ['deit3_base_patch16_384', 16, 768, 12, 12, 384, 1, 85.0],
  ['deit3_large_patch16_224', 16, 1024, 24, 16, 224, 0.9, 84.9],
  ['deit3_large_patch16_384', 16, 1024, 24, 16, 384, 1, 85.8],
  ['deit3_huge_patch14_224', 14, 1280, 32, 16, 224, 0.9, 85.2],
];

/** Name without the input size, dim, depth, heads. Each is there for 224 and 384. */
const VIT: [string, number, number, number][] = [
  ['vit_tiny_patch16', 192, 12, 3],
  ['vit_small_patch16', 384, 12, 6],
  ['vit_base_patch16', 768, 12, 12],
  ['vit_large_patch16', 1024, 24, 16],
];

/** Networks whose images timm resizes otherwise than by bicubic interpolation. */
const BILINEAR = new Set(['tf_efficientnet_lite3', 'tf_efficientnet_lite4']);

/** Name, width, depth, input size, crop, pixels, top-1. The prefix `tf_` and the word `lite` choose the variant. */
const EFFICIENTNET: [string, number, number, number, number, Pixels, number | null][] = [
  ['efficientnet_lite0', 1, 1, 224, 0.875, IMAGENET, 75.5],
  ['efficientnet_lite1', 1, 1.1, 240, 0.882, IMAGENET, null],
  ['efficientnet_lite2', 1.1, 1.2, 260, 0.89, IMAGENET, null],
  ['efficientnet_lite3', 1.2, 1.4, 300, 0.904, IMAGENET, null],
  ['efficientnet_lite4', 1.4, 1.8, 380, 0.922, IMAGENET, null],
  ['tf_efficientnet_lite0', 1, 1, 224, 0.875, HALF, 75.1],
  ['tf_efficientnet_lite1', 1, 1.1, 240, 0.882, HALF, 76.7],
  ['tf_efficientnet_lite2', 1.1, 1.2, 260, 0.89, HALF, 77.6],
  ['tf_efficientnet_lite3', 1.2, 1.4, 300, 0.904, HALF, 79.8],
  ['tf_efficientnet_lite4', 1.4, 1.8, 380, 0.92, HALF, 81.5],
  ['efficientnet_b0', 1, 1, 224, 0.875, IMAGENET, 77.7],
  ['efficientnet_b1', 1, 1.1, 240, 0.9, HALF, null],
  ['efficientnet_b2', 1.1, 1.2, 256, 0.875, IMAGENET, null],
  ['efficientnet_b3', 1.2, 1.4, 288, 0.875, IMAGENET, null],
  ['efficientnet_b4', 1.4, 1.8, 320, 0.875, IMAGENET, null],
  ['tf_efficientnet_b0', 1, 1, 224, 0.875, IMAGENET, 77.1],
  ['tf_efficientnet_b1', 1, 1.1, 240, 0.882, IMAGENET, 79.1],
  ['tf_efficientnet_b2', 1.1, 1.2, 260, 0.89, IMAGENET, 80.1],
  ['tf_efficientnet_b3', 1.2, 1.4, 300, 0.904, IMAGENET, 81.6],
  ['tf_efficientnet_b4', 1.4, 1.8, 380, 0.922, IMAGENET, 82.9],
];

/** Name, depth, initial width, slope, multiplier, group, crop, top-1. `y` in the name adds squeeze-and-excitation. */
const REGNET: [string, number, number, number, number, number, number, number | null][] = [
  ['regnetx_002', 13, 24, 36.44, 2.49, 8, 0.875, null],
  ['regnetx_004', 22, 24, 24.48, 2.54, 16, 0.875, null],
  ['regnetx_006', 16, 48, 36.97, 2.24, 24, 0.875, null],
  ['regnetx_008', 16, 56, 35.73, 2.28, 16, 0.965, null],
  ['regnetx_016', 18, 80, 34.01, 2.25, 24, 0.965, null],
  ['regnetx_032', 25, 88, 26.31, 2.25, 48, 0.965, null],
  ['regnetx_040', 23, 96, 38.65, 2.43, 40, 0.875, null],
  ['regnetx_064', 17, 184, 60.83, 2.07, 56, 0.875, null],
  ['regnetx_080', 23, 80, 49.56, 2.88, 120, 0.965, null],
  ['regnetx_120', 19, 168, 73.36, 2.37, 112, 0.875, null],
  ['regnetx_160', 22, 216, 55.59, 2.1, 128, 0.965, null],
  ['regnetx_320', 23, 320, 69.86, 2.0, 168, 0.965, null],
  ['regnety_002', 13, 24, 36.44, 2.49, 8, 0.875, null],
  ['regnety_004', 16, 48, 27.89, 2.09, 8, 0.965, null],
  ['regnety_006', 15, 48, 32.54, 2.32, 16, 0.875, null],
  ['regnety_008', 14, 56, 38.84, 2.4, 16, 0.875, null],
  ['regnety_016', 27, 48, 20.71, 2.65, 24, 0.965, null],
  ['regnety_032', 21, 80, 42.63, 2.66, 24, 0.95, null],
  ['regnety_040', 22, 96, 31.41, 2.24, 64, 0.95, 80.0],
  ['regnety_064', 25, 112, 33.22, 2.27, 72, 0.95, null],
  ['regnety_080', 17, 192, 76.82, 2.19, 56, 0.95, 81.7],
  ['regnety_120', 19, 168, 73.36, 2.37, 112, 0.95, 82.4],
  ['regnety_160', 18, 200, 106.23, 2.48, 112, 0.95, 82.9],
  ['regnety_320', 20, 232, 115.89, 2.53, 232, 0.965, null],
];

const RESNET: [string, ResNetShape, number | null][] = [
  ['resnet18', { stages: [2, 2, 2, 2] }, 69.8],
  ['resnet34', { stages: [3, 4, 6, 3] }, null],
  ['resnet50', { stages: [3, 4, 6, 3], bottleneck: true }, 76.2],
  ['resnet101', { stages: [3, 4, 23, 3], bottleneck: true }, 77.4],
  ['resnet152', { stages: [3, 8, 36, 3], bottleneck: true }, 78.3],
];

/**
 * Narrow networks: of two blocks for tests, which record and compile in a moment, and of four for studies on a small data
 * set (docs/results.md). No list offers them; they are timm's DeiT in every other respect. Names as timm marks its own
 * test networks.
 *
 * Rows: name, dim, depth, heads, input size.
 */
const TEST: [string, number, number, number, number][] = [
  ['test_deit_patch16_32', 32, 2, 2, 32],
  ['test_deit_distilled_patch16_32', 32, 2, 2, 32],
  ['test_deit_narrow_patch16_48', 64, 4, 2, 48],
  ['test_deit_narrow_distilled_patch16_48', 64, 4, 2, 48],
];

const PRESETS: ReadonlyMap<string, Preset> = new Map([
  ...DEIT.map(([name, dim, heads, inputSize, top1]) => {
    const shape: TransformerShape = { patch: 16, dim, depth: 12, heads, distilled: name.includes('distilled') };
    const crops = { cropRatio: DEIT_CROP, timmCropRatio: TIMM_CROP[inputSize] };
    return imageTransformer(name, 'deit', shape, { inputSize, ...crops, pixels: IMAGENET, top1 });
  }),
  ...DEIT3.map(([name, patch, dim, depth, heads, inputSize, cropRatio, top1]) => {
    const shape: TransformerShape = { patch, dim, depth, heads, layerScale: 1e-6, classToken: NEAR_ZERO };
    return imageTransformer(name, 'deit', shape, { inputSize, cropRatio, pixels: IMAGENET, top1 });
  }),
  ...VIT.flatMap(([name, dim, depth, heads]) =>
    [224, 384].map((inputSize) => {
      const shape: TransformerShape = { patch: 16, dim, depth, heads, classToken: NEAR_ZERO };
      const facts = { inputSize, cropRatio: inputSize === 224 ? 0.9 : 1, pixels: HALF, top1: null };
      return imageTransformer(`${name}_${inputSize}`, 'vit', shape, facts);
    }),
  ),
  ...EFFICIENTNET.map(([name, width, depth, inputSize, cropRatio, pixels, top1]): [string, Preset] => {
    const [lite, tensorflow] = [name.includes('lite'), name.startsWith('tf_')];
    const shape: EfficientNetShape = { width, depth, lite, tensorflow };
    const build = (options: ModelOptions) => efficientNet(shape, options);
    const filter = BILINEAR.has(name) && { interpolation: 'bilinear' as const };
    return [name, { family: 'efficientnet', inputSize, cropRatio, ...filter, pixels, top1, patch: 1, build }];
  }),
  ...REGNET.map(([name, depth, initial, slope, multiplier, group, cropRatio, top1]): [string, Preset] => {
    const shape = { depth, initial, slope, multiplier, group, squeeze: name.startsWith('regnety') };
    const build = (options: ModelOptions) => regNet(shape, options);
    return [name, { family: 'regnet', inputSize: 224, cropRatio, pixels: IMAGENET, top1, patch: 1, build }];
  }),
  ...RESNET.map(([name, shape, top1]): [string, Preset] => {
    const build = (options: ModelOptions) => resNet(shape, options);
    return [name, { family: 'resnet', inputSize: 224, cropRatio: 0.95, pixels: IMAGENET, top1, patch: 1, build }];
  }),
  ...TEST.map(([name, dim, depth, heads, inputSize]) => {
    const shape: TransformerShape = { patch: 16, dim, depth, heads, distilled: name.includes('distilled') };
    return imageTransformer(name, 'deit', shape, { inputSize, cropRatio: DEIT_CROP, pixels: IMAGENET, top1: null });
  }),
]);

function imageTransformer(
  name: string,
  family: 'deit' | 'vit',
  shape: TransformerShape,
  facts: Pick<Preset, 'inputSize' | 'cropRatio' | 'timmCropRatio' | 'pixels' | 'top1'>,
): [string, Preset] {
  return [name, { ...facts, family, patch: shape.patch, build: (options) => transformer(shape, options) }];
}

/**
 * Makes a network by its timm name.
 * @throws StillhouseError `argument.invalid` for an unknown name, with the nearest ones, and for options it cannot
 * take.
 */
export function createModel(name: string, options: ModelOptions): Model {
  const preset = presetOf(name);
  checkOptions(name, preset, options);
  const { distilled = false, ...network } = preset.build(options);
  return {
    ...network,
    name,
    distilled,
    family: preset.family,
    classes: options.classes,
    inputSize: options.inputSize,
    ...(options.inputWidth === undefined ? {} : { inputWidth: options.inputWidth }),
    cropRatio: preset.cropRatio,
    mean: [...preset.pixels.mean],
    std: [...preset.pixels.std],
  };
}

/** Describes a network without its weights. */
export type NetworkCard = Omit<ModelCard, 'fetchable'>;

/** Lists every network at 1000 classes and its own input size, in the order of the tables, without those for tests. */
export function listModels(): NetworkCard[] {
  return offered().map(modelCard);
}

/** Tells whether there is a network of this name, in the list or for tests. */
export function isModel(name: string): boolean {
  return PRESETS.has(name);
}

function offered(): string[] {
  return [...PRESETS.keys()].filter((name) => TEST.every(([hidden]) => hidden !== name));
}

/** Lists name and own input size of every network, in the order of the tables. */
export function inputSizes(): Map<string, number> {
  return new Map([...PRESETS].map(([name, { inputSize }]) => [name, inputSize]));
}

/**
 * Describes one network at 1000 classes and its own input size.
 * @throws StillhouseError `argument.invalid` for an unknown name, with the nearest ones.
 */
export function modelCard(name: string): NetworkCard {
  const { family, inputSize, top1, build } = presetOf(name);
  const { specs, macs, distilled = false } = build({ classes: 1000, inputSize });
  return {
    name,
    family,
    role: family === 'deit' || family === 'vit' ? 'student' : 'teacher',
    parameters: countParameters(specs),
    gflops: macs / 1e9,
    inputSize,
    distilled,
    publishedTop1: top1,
  };
}

/** Says how images are prepared for a network, where its weights do not say. */
export interface Preparation {
  inputSize: number;
  cropRatio: number;
  /** timm's ratio where ours is another; null where they are the same. */
  timmCropRatio: number | null;
  interpolation: 'bicubic' | 'bilinear';
  mean: [number, number, number];
  std: [number, number, number];
}

/**
 * Returns how images are prepared for a network: size, crop, interpolation, mean and std.
 * @throws StillhouseError `argument.invalid`, `model.absent` for an unknown name.
 */
export function preparationOf(name: string): Preparation {
  const { inputSize, cropRatio, timmCropRatio, interpolation = 'bicubic', pixels } = presetOf(name);
  const { mean, std } = pixels;
  return { inputSize, cropRatio, timmCropRatio: timmCropRatio ?? null, interpolation, mean: [...mean], std: [...std] };
}

/** Tells whether two networks of the same arrays answer alike on the same images. */
export function answerAlike(one: string, other: string): boolean {
  const facts = (name: string) => {
    const { mean, std } = preparationOf(name);
    return [name.startsWith('tf_'), mean, std].join();
  };
  return facts(one) === facts(other);
}

/**
 * Finds a network by timm's name, with or without the tag of its weights, or by a name of DeiT's code.
 * @param inputSize chooses among networks that differ in it.
 * @returns our name, null where there is none.
 */
export function modelNamed(name: string, inputSize?: number): string | null {
  const [bare] = name.split('.');
  if (PRESETS.has(bare)) return bare;
  const names = deitNames(bare) ?? [];
  return names.find((one) => PRESETS.get(one)?.inputSize === inputSize) ?? names[0] ?? null;
}

/** Suggests names for an unknown network: the one that DeiT calls so, or the nearest names. */
export function suggestedModels(name: string): string[] {
  const found = modelNamed(name);
  if (!found) return nearestNames(name);
  return deitNames(name.split('.')[0])?.filter((one) => PRESETS.has(one)) ?? [found];
}

function presetOf(name: string): Preset {
  const preset = PRESETS.get(name);
  if (preset) return preset;
  const suggested = suggestedModels(name).join(', ');
  if (deitNames(name)?.length === 0) throw new StillhouseError('model.absent', { name, suggested });
  const expected = reason('value.model-such', { names: suggested });
  throw new StillhouseError('argument.invalid', { name: 'model', expected, got: JSON.stringify(name) });
}

function checkOptions(model: string, { patch }: Preset, options: ModelOptions): void {
  const { classes, inputSize, inputWidth = inputSize, dropPath = 0, drop = 0 } = options;
  const whole = (value: number) => Number.isInteger(value) && value > 0;
  const check = (good: boolean, name: string, expected: ReasonValue, got: number) => {
    if (!good) throw new StillhouseError('argument.invalid', { name, expected, got });
  };
  check(whole(classes), 'classes', reason('value.above-0'), classes);
  const sizes = patch === 1 ? reason('value.above-0') : reason('value.multiple', { patch, model });
  check(whole(inputSize) && inputSize % patch === 0, 'inputSize', sizes, inputSize);
  check(whole(inputWidth) && inputWidth % patch === 0, 'inputWidth', sizes, inputWidth);
  check(drop >= 0 && drop < 1, 'drop', reason('value.below-1'), drop);
  check(dropPath >= 0 && dropPath < 1, 'dropPath', reason('value.below-1'), dropPath);
}

/** The three names that take the fewest edits to reach. */
function nearestNames(name: string): string[] {
  const ranked = offered().map((known) => ({ known, edits: editDistance(name.slice(0, 64), known) }));
  ranked.sort((a, b) => a.edits - b.edits);
  return ranked.slice(0, 3).map(({ known }) => known);
}

/** Levenshtein's distance: single letters put in, taken out or exchanged. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const exchange = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(exchange, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}
