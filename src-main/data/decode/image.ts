import { drawTrain, evalGeometry, type AugmentOptions, type Window } from '../augment/augment.ts';
import { parsePolicy, type Policy } from '../augment/auto-augment.ts';
import { decodeImageNow, type DecodeNow } from './decode.ts';
import type { Crop, Filter, Pixels } from './pixels.ts';
import { resizeRaster, type ResizeOrder } from './fast-resize.ts';
import { bytesOf, emptyRaster, freshMemory, keepMemory, put, type Raster } from './kernels.ts';
import type { ImageSize } from './image-size.ts';
import { readableSize } from './reading.ts';
import { operateOn } from '../augment/pixel-ops.ts';
import type { Draws } from '../random.ts';
import { cropPixels, cutWindow, flipRows } from './resize.ts';

/**
 * One image as training or evaluation sees it, made on the thread that asks, from its file to the row of a batch,
 * inside the kernels' memory. S: side of the square input.
 */

/** The part of a recipe on which an image depends. */
export interface ViewOptions extends AugmentOptions {
  evalCropRatio: number;
  /** Filter of evaluation; default bicubic. */
  evalInterpolation?: Filter;
}

/** Says how an image is looked at: as one training draw shows it, or as evaluation does. */
export type Look = { draws: Draws } | 'eval';

export interface ImageMaker {
  /**
   * Makes a view [S, S, 3] of one image for each of `looks` into the array beside it. The image is decoded once.
   * `keep` asks for its decoded pixels in memory that threads share; without that, and with one look at a JPEG, only
   * the part looked at is decoded, which gives the same bytes.
   * @throws ReasonError why the bytes cannot be used.
   */
  fromFile(bytes: Uint8Array, looks: readonly [Look, Uint8Array][], keep: boolean): Pixels | null;
  /** The same from pixels that were kept. */
  fromPixels(pixels: Pixels, looks: readonly [Look, Uint8Array][]): void;
}

/** An image of more pixels than this is not kept: it would take the room of many others. */
const MOST_KEPT = 4_000_000;

/**
 * Makes images for a recipe.
 * @throws StillhouseError `recipe.invalid` when `aa` is not a policy.
 */
export function imageMaker(options: ViewOptions, decode: DecodeNow): ImageMaker {
  const policy = parsePolicy(options.aa ?? '');
  const viewed = (looks: readonly [Look, Uint8Array][], size: Size): [View, Uint8Array][] =>
    looks.map(([look, into]) => [
      look === 'eval' ? evalView(size, options) : trainView(look, size, options, policy),
      into,
    ]);
  const show = (view: View, { raster, crop }: Part, into: Uint8Array): void =>
    into.set(bytesOf(view.finish(resizeRaster(raster, { ...view, crop }))));
  return {
    fromFile: (bytes, looks, keep) => {
      const size = readableSize(bytes);
      const views = viewed(looks, size);
      const kept = keep && size.width * size.height <= MOST_KEPT;
      freshMemory();
      if (!kept && views.length === 1 && size.format === 'jpeg' && hasJpegEnd(bytes)) {
        const [view, into] = views[0];
        show(view, decodedPart(bytes, size, view.crop, decode), into);
        return null;
      }
      const whole = decodedInto(bytes, size, null, decode);
      const mark = keepMemory();
      for (const [view, into] of views) {
        freshMemory(mark);
        show(view, { raster: whole, crop: view.crop }, into);
      }
      return kept ? sharedCopy(whole) : null;
    },
    fromPixels: (pixels, looks) => {
      for (const [view, into] of viewed(looks, pixels)) {
        freshMemory();
        show(view, { raster: rasterOf(pixels, view.crop), crop: null }, into);
      }
    },
  };
}

type Size = Pick<Pixels, 'width' | 'height'>;

/** The pixels to look at: `crop` (null: all) of `raster`. */
interface Part {
  raster: Raster;
  crop: Crop | null;
}

// A JPEG that is cut short fails as a whole, though the part looked at might be there: it must not matter who asks.
function hasJpegEnd(bytes: Uint8Array): boolean {
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(-END_WITHIN);
  return end.lastIndexOf(JPEG_END) >= 0;
}

const JPEG_END = Buffer.of(0xff, 0xd9);
const END_WITHIN = 65536;

// The columns at the edges of a decoded crop differ; chroma of four columns may be shared.
const MARGIN = 4;

function decodedPart(bytes: Uint8Array, size: ImageSize, crop: Crop | null, decode: DecodeNow): Part {
  const { width, height } = size;
  if (!crop) return { raster: decodedInto(bytes, size, null, decode), crop };
  const left = Math.max(0, crop.left - MARGIN);
  const window = { ...crop, left, width: Math.min(width, crop.left + crop.width + MARGIN) - left };
  const all = window.width === width && window.height === height;
  return {
    raster: decodedInto(bytes, size, all ? null : window, decode),
    crop: { ...crop, left: crop.left - left, top: all ? crop.top : 0 },
  };
}

function decodedInto(bytes: Uint8Array, size: ImageSize, crop: Crop | null, decode: DecodeNow): Raster {
  let raster: Raster | undefined;
  decodeImageNow(bytes, size, crop, {
    decode,
    room: (width, height) => bytesOf((raster = emptyRaster(width, height))),
  });
  return raster!;
}

function sharedCopy(raster: Raster): Pixels {
  const data = new Uint8Array(new SharedArrayBuffer(raster.width * raster.height * 3));
  data.set(bytesOf(raster));
  return { width: raster.width, height: raster.height, data };
}

/** A copy of the part `crop` of an image. */
function rasterOf({ width, height, data }: Pixels, crop: Crop | null): Raster {
  const part = crop ?? { left: 0, top: 0, width, height };
  const raster = emptyRaster(part.width, part.height);
  const [bytes, row] = [bytesOf(raster), part.width * 3];
  for (let y = 0; y < part.height; y++) {
    const start = ((part.top + y) * width + part.left) * 3;
    bytes.set(data.subarray(start, start + row), y * row);
  }
  return raster;
}

/** The order to make an image: resize a part of it, and then the rest. */
interface View extends ResizeOrder {
  finish(resized: Raster): Raster;
}

/** ImageNet's mean colour: what timm fills in from outside an image. */
const FILL = [124, 116, 104] as const;

function trainView(
  { draws }: { draws: Draws },
  { width, height }: Size,
  options: ViewOptions,
  policy: Policy | null,
): View {
  const { crop, filter, flip, window, operations } = drawTrain(draws, width, height, options, policy);
  const square = { width: options.inputSize, height: options.inputSize };
  return {
    crop,
    filter,
    size: window?.size ?? square,
    mirror: flip && !window,
    finish: (resized) => {
      const cut = window ? cutAndFlipped(resized, window, flip) : resized;
      return operateOn(cut, operations, { fill: FILL, resampling: filter });
    },
  };
}

function cutAndFlipped(raster: Raster, window: Window, flip: boolean): Raster {
  const cut = cutWindow({ ...raster, data: bytesOf(raster) }, window);
  return { at: put((flip ? flipRows(cut) : cut).data), width: window.side, height: window.side };
}

function evalView({ width, height }: Size, options: ViewOptions): View {
  const { inputSize, evalCropRatio, evalInterpolation = 'bicubic' } = options;
  const { source, size, crop } = evalGeometry(width, height, inputSize, evalCropRatio);
  const finish = (resized: Raster): Raster => {
    const { data } = cropPixels({ ...resized, data: bytesOf(resized) }, crop);
    return { at: put(data), width: crop.width, height: crop.height };
  };
  return { crop: source, size, filter: evalInterpolation, mirror: false, finish };
}
