import type { Policy } from './auto-augment.ts';
import type { Crop, Filter } from '../decode/pixels.ts';
import type { DrawnOperation } from './pixel-ops.ts';
import type { Draws } from '../random.ts';

/**
 * The random choices of training and the geometry of evaluation, as plain data: nothing here touches a pixel.
 * Rules are timm's and torchvision's, with Python's rounding (half to even).
 */

/** Settings on which the choices depend; a part of the recipe. What is missing is off. */
export interface AugmentOptions {
  /** Side of the square result, pixels. */
  inputSize: number;
  /** Least share of the area that a random crop keeps; the most is 1. */
  scaleMin: number;
  /** Chance of a left-right flip. */
  hflip: number;
  /** RandAugment or AutoAugment as a text, see {@link parsePolicy}. */
  aa?: string;
  /** Strength of brightness, contrast and saturation jitter; without threeAugment only used when `aa` is empty. */
  colorJitter?: number;
  /** DeiT III's 3-Augment: one of grey, solarize, blur, then colour jitter; `aa` is ignored. */
  threeAugment?: boolean;
  /** With threeAugment: resize and crop a window instead of a random share. */
  src?: boolean;
  /** Filter of resizing; `random` draws one an image. */
  trainInterpolation?: Filter | 'random';
}

/** A square cut out of an image that was resized to `size`; it may reach over the edge. */
export interface Window {
  size: { width: number; height: number };
  left: number;
  top: number;
  side: number;
  /** Pixels beyond the edge. */
  padding: 'black' | 'mirror';
}

/**
 * The choices for one image: cut `crop` (null: all of it); resize it to the input size or, with `window`, as that
 * says; flip; carry out `operations`.
 */
export interface TrainDraw {
  crop: Crop | null;
  window: Window | null;
  filter: Filter;
  flip: boolean;
  operations: DrawnOperation[];
}

const TRIES = 10;
const [NARROWEST, WIDEST] = [3 / 4, 4 / 3];

/** Up to this input size, in pixels, DeiT moves the whole image by up to PADDING instead of cutting a share of it. */
export const SMALL = 32;
const PADDING = 4;

/**
 * Draws the choices for an image of `width` × `height` pixels. `policy` is the result of {@link parsePolicy} for `aa`.
 */
export function drawTrain(
  draws: Draws,
  width: number,
  height: number,
  options: AugmentOptions,
  policy: Policy | null = null,
): TrainDraw {
  const { inputSize, hflip, trainInterpolation = 'bicubic' } = options;
  const filter = trainInterpolation === 'random' ? drawFilter(draws) : trainInterpolation;
  const frame = drawFrame(draws, width, height, options);
  const flip = draws.uniform() < hflip;
  const operations = options.threeAugment
    ? [drawThree(draws), ...drawJitter(draws, options.colorJitter ?? 0)]
    : policy
      ? policy.draw(draws, inputSize, inputSize)
      : drawJitter(draws, options.colorJitter ?? 0);
  return { ...frame, filter, flip, operations };
}

function drawFilter(draws: Draws): Filter {
  return draws.integer(2) === 0 ? 'bilinear' : 'bicubic';
}

type Frame = Pick<TrainDraw, 'crop' | 'window'>;

function drawFrame(draws: Draws, width: number, height: number, options: AugmentOptions): Frame {
  const { inputSize: side, scaleMin, threeAugment, src } = options;
  // DeiT takes small images to have the input size; others are resized to it here.
  if (threeAugment && src) return drawWindow(draws, width, height, side, 'mirror');
  if (side <= SMALL) return drawWindow(draws, 1, 1, side, 'black');
  return { crop: drawCrop(draws, width, height, scaleMin), window: null };
}

// The shorter edge becomes `side`; the square may reach PADDING pixels over each edge. Top is drawn first.
function drawWindow(draws: Draws, width: number, height: number, side: number, padding: Window['padding']): Frame {
  const crop = stripCentre(width, height);
  const size = fitted(crop ?? { width, height }, side);
  const top = draws.integerBetween(-PADDING, size.height - side + PADDING);
  return {
    crop,
    window: { size, top, left: draws.integerBetween(-PADDING, size.width - side + PADDING), side, padding },
  };
}

/** 3-Augment's choice: grey, inverted from 128 on, or blurred by U(0.1, 2), each as likely. */
function drawThree(draws: Draws): DrawnOperation {
  const choice = draws.integer(3);
  if (choice === 0) return { name: 'color', amount: 0 };
  if (choice === 1) return { name: 'solarize', amount: 128 };
  return { name: 'blur', amount: draws.between(0.1, 2) };
}

const JITTERED = ['brightness', 'contrast', 'color'] as const;

/** Draws brightness, contrast and saturation in random order, each a factor U(max(0, 1 − strength), 1 + strength). */
export function drawJitter(draws: Draws, strength: number): DrawnOperation[] {
  if (strength <= 0) return [];
  const names = [...JITTERED];
  const ordered = [3, 2, 1].map((left) => names.splice(draws.integer(left), 1)[0]);
  return ordered.map((name) => ({ name, amount: draws.between(Math.max(0, 1 - strength), 1 + strength) }));
}

/**
 * Draws a random resized crop: up to ten tries at a rectangle of a share U(scaleMin, 1) of the area and aspect ratio
 * exp U(ln 3/4, ln 4/3); when none fits, the largest centred one within those ratios.
 */
export function drawCrop(draws: Draws, width: number, height: number, scaleMin: number): Crop {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = draws.between(scaleMin, 1) * width * height;
    const ratio = Math.exp(draws.between(Math.log(NARROWEST), Math.log(WIDEST)));
    const w = roundHalfEven(Math.sqrt(area * ratio));
    const h = roundHalfEven(Math.sqrt(area / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = draws.integerBetween(0, height - h);
    return { left: draws.integerBetween(0, width - w), top, width: w, height: h };
  }
  return centredCrop(width, height);
}

function centredCrop(width: number, height: number): Crop {
  const ratio = width / height;
  const w = ratio > WIDEST ? Math.max(1, roundHalfEven(height * WIDEST)) : width;
  const h = ratio < NARROWEST ? Math.max(1, roundHalfEven(width / NARROWEST)) : height;
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/** Says how evaluation looks at an image: take `source` (null: all of it), resize to `size`, cut `crop` out of that. */
export interface EvalGeometry {
  source: Crop | null;
  size: { width: number; height: number };
  crop: Crop;
}

/**
 * Computes the crop for evaluation: the shorter edge becomes trunc(inputSize / cropRatio), then the centre is cut, with
 * margins as torchvision 0.8.1 rounds them. At inputSize 32 and below the whole image is used.
 */
export function evalGeometry(width: number, height: number, inputSize: number, cropRatio: number): EvalGeometry {
  if (inputSize <= SMALL) return whole(inputSize);
  const source = stripCentre(width, height);
  if (source) return { ...evalGeometry(source.width, source.height, inputSize, cropRatio), source };
  const size = fitted({ width, height }, Math.trunc(inputSize / cropRatio));
  const left = Math.trunc((size.width - inputSize + 1) * 0.5);
  const top = Math.trunc((size.height - inputSize + 1) * 0.5);
  return { source: null, size, crop: { left, top, width: inputSize, height: inputSize } };
}

// The shorter edge becomes `shorter`, the longer follows, truncated.
function fitted({ width, height }: { width: number; height: number }, shorter: number): Window['size'] {
  const longer = Math.trunc((shorter * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: shorter, height: longer } : { width: longer, height: shorter };
}

// A strip of 100,000 × 10 pixels would be resized to gigabytes, of which the centre alone is looked at.
const LONGEST = 16;

function stripCentre(width: number, height: number): Crop | null {
  const most = LONGEST * Math.min(width, height);
  if (Math.max(width, height) <= most) return null;
  const [w, h] = [Math.min(width, most), Math.min(height, most)];
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

function whole(side: number): EvalGeometry {
  return { source: null, size: { width: side, height: side }, crop: { left: 0, top: 0, width: side, height: side } };
}

/** Rounds as Python's round does: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
