import type { Crop } from './decode.ts';
import type { Random } from './random.ts';

/**
 * The random choices of training and the geometry of evaluation, as plain data: nothing here touches a pixel.
 * Rules are timm's and torchvision's, with Python's rounding (half to even).
 */

/** What the choices depend on; a part of the recipe. */
export interface AugmentOptions {
  /** Side of the square result, pixels. */
  inputSize: number;
  /** Least share of the area that a random crop keeps; the most is 1. */
  scaleMin: number;
  /** Chance of a left-right flip. */
  hflip: number;
}

/** The choices for one picture: cut `crop` (null: all of it), resize to the input size, move by `shift`, flip. */
export interface TrainDraw {
  crop: Crop | null;
  /** Pixels to the right and down, black coming in from the other side; only at small input sizes. */
  shift: { x: number; y: number } | null;
  flip: boolean;
}

const TRIES = 10;
const [NARROWEST, WIDEST] = [3 / 4, 4 / 3];

/** Up to this input size, in pixels, DeiT moves the whole picture by up to PADDING instead of cutting a share of it. */
export const SMALL = 32;
const PADDING = 4;

/**
 * Draws the choices for a picture of `width` × `height` pixels. At small input sizes DeiT takes pictures to have that
 * size; others are resized to it here.
 */
export function drawTrain(random: Random, width: number, height: number, options: AugmentOptions): TrainDraw {
  const small = options.inputSize <= SMALL;
  const shift = small ? { y: drawShift(random), x: drawShift(random) } : null;
  const crop = small ? null : drawCrop(random, width, height, options.scaleMin);
  return { crop, shift, flip: random.uniform() < options.hflip };
}

function drawShift(random: Random): number {
  return random.integerBetween(-PADDING, PADDING);
}

/**
 * Random resized crop: up to ten tries at a rectangle of a share U(scaleMin, 1) of the area and aspect ratio
 * exp U(ln 3/4, ln 4/3); when none fits, the largest centred one within those ratios.
 */
export function drawCrop(random: Random, width: number, height: number, scaleMin: number): Crop {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = random.between(scaleMin, 1) * width * height;
    const ratio = Math.exp(random.between(Math.log(NARROWEST), Math.log(WIDEST)));
    const w = roundHalfEven(Math.sqrt(area * ratio));
    const h = roundHalfEven(Math.sqrt(area / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = random.integerBetween(0, height - h);
    return { left: random.integerBetween(0, width - w), top, width: w, height: h };
  }
  return centredCrop(width, height);
}

function centredCrop(width: number, height: number): Crop {
  const ratio = width / height;
  const w = ratio > WIDEST ? Math.max(1, roundHalfEven(height * WIDEST)) : width;
  const h = ratio < NARROWEST ? Math.max(1, roundHalfEven(width / NARROWEST)) : height;
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/** How evaluation looks at a picture: take `source` (null: all of it), resize to `size`, cut `crop` out of that. */
export interface EvalGeometry {
  source: Crop | null;
  size: { width: number; height: number };
  crop: Crop;
}

/**
 * The shorter edge becomes trunc(inputSize / cropRatio), then the centre is cut; margins as torchvision 0.8.1 rounds
 * them. At inputSize 32 and below the whole picture is used.
 */
export function evalGeometry(width: number, height: number, inputSize: number, cropRatio: number): EvalGeometry {
  if (inputSize <= SMALL) return whole(inputSize);
  const source = stripCentre(width, height);
  if (source) return { ...evalGeometry(source.width, source.height, inputSize, cropRatio), source };
  const shorter = Math.trunc(inputSize / cropRatio);
  const longer = Math.trunc((shorter * Math.max(width, height)) / Math.min(width, height));
  const size = width <= height ? { width: shorter, height: longer } : { width: longer, height: shorter };
  const left = Math.trunc((size.width - inputSize + 1) * 0.5);
  const top = Math.trunc((size.height - inputSize + 1) * 0.5);
  return { source: null, size, crop: { left, top, width: inputSize, height: inputSize } };
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

/** Python's round: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
