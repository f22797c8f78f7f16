import { reason, ReasonError, type Reason } from '../../protocol/reasons.ts';
import { bmpHeader, bmpRefusal, decodeBmp } from './bmp.ts';
import { decodeGif } from './gif.ts';
import { imageSize, type ImageFormat, type ImageSize } from './image-size.ts';
import { jpegFile, jpegRefusal, jpegSort } from './jpeg.ts';
import { decodeNetpbm } from './netpbm.ts';
import type { Pixels } from './pixels.ts';
import { isPlainWebp, webpFrame } from './webp.ts';

/** How each sort of image is read: by the engine's decoder where it is right, else by our own (docs/images.md). */

/** The order to the engine's decoder: the bytes to read, and the size of the result. */
export interface EngineFile {
  file: Uint8Array;
  width: number;
  height: number;
  /** Where the pixels lie in the image, black around them; null where they are all of it. */
  within: { width: number; height: number; left: number; top: number } | null;
}

// Above this a decoded image could take all memory; Pillow calls twice its 89 million pixels a decompression bomb.
const MOST_PIXELS = 178_956_970;

/** Reads the size of an image and checks that the image can be read. @throws ReasonError why it cannot. */
export function readableSize(bytes: Uint8Array): ImageSize {
  if (bytes.length === 0) throw new ReasonError(reason('file.empty'));
  const sort = otherSort(bytes);
  if (sort) throw new ReasonError(reason('image.other-sort', { sort }));
  const size = imageSize(bytes);
  if (!size) throw new ReasonError(reason('image.none'));
  const refusal = refusalOf(bytes, size.format);
  if (refusal) throw new ReasonError(refusal);
  const { width, height } = size;
  if (width * height > MOST_PIXELS) throw new ReasonError(reason('image.too-large', { width, height }));
  return size;
}

function refusalOf(bytes: Uint8Array, format: ImageFormat): Reason | null {
  if (format === 'jpeg') {
    const sort = jpegSort(bytes);
    return sort ? jpegRefusal(sort) : reason('image.bad-header', { format: 'JPEG' });
  }
  return format === 'bmp' ? bmpRefusal(bmpHeader(bytes)!) : null;
}

/** Sorts of files that lie among images and are not read, by their first bytes. */
const OTHERS: readonly [sort: string, start: RegExp][] = [
  ['TIFF', /^(II[*+]\0|MM\0[*+])/],
  ['AVIF', /^....ftypavi[fs]/s],
  ['HEIC', /^....ftyp(hei|hev|mif1|msf1)/s],
  ['JPEG XL', /^(\xff\x0a|\0\0\0\x0cJXL )/],
  ['JPEG 2000', /^(\xff\x4f\xff\x51|\0\0\0\x0cjP {2})/],
  ['ICO', /^\0\0[\x01\x02]\0/],
  ['PSD', /^8BPS/],
  ['PDF', /^%PDF/],
  ['SVG', /^\s*(<\?xml[^>]*>\s*)?<svg/],
  ['HTML', /^\s*<(!doctype html|html)/i],
];

function otherSort(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 128));
  return OTHERS.find(([, pattern]) => pattern.test(start))?.[0];
}

/**
 * Reads the pixels of an image, or finds which bytes the engine has to decode for them. `size` is its {@link
 * readableSize}.
 * @throws ReasonError why it cannot be read.
 */
export function readingOf(bytes: Uint8Array, size: ImageSize): Pixels | EngineFile {
  const { format, width, height } = size;
  if (format === 'netpbm') return decodeNetpbm(bytes);
  if (format === 'bmp') return decodeBmp(bytes);
  if (format === 'gif') return decodeGif(bytes);
  if (format === 'webp' && !isPlainWebp(bytes)) return webpReading(bytes, size);
  const file = format === 'jpeg' ? jpegFile(bytes, jpegSort(bytes)!) : bytes;
  return { file, width, height, within: null };
}

function webpReading(bytes: Uint8Array, { width, height }: ImageSize): EngineFile {
  const { file, left, top, animated } = webpFrame(bytes);
  const frame = imageSize(file);
  if (!frame) throw new ReasonError(reason('image.bad-header', { format: 'WebP' }));
  const isWhole = frame.width === width && frame.height === height;
  if (isWhole && left === 0 && top === 0) return { file, width, height, within: null };
  const fits = animated && left + frame.width <= width && top + frame.height <= height;
  if (!fits) throw differs({ width, height }, frame);
  return { file, width: frame.width, height: frame.height, within: { width, height, left, top } };
}

type Size = Pick<Pixels, 'width' | 'height'>;

/** Makes the error of a file whose header and data state different sizes. */
export function differs({ width, height }: Size, data: Size): ReasonError {
  return new ReasonError(
    reason('image.size-differs', { width, height, dataWidth: data.width, dataHeight: data.height }),
  );
}

/** Puts pixels where they lie in the image. */
export function placed(pixels: Pixels, within: EngineFile['within']): Pixels {
  if (!within) return pixels;
  const { width, height, left, top } = within;
  const data = new Uint8Array(width * height * 3);
  const row = pixels.width * 3;
  for (let y = 0; y < pixels.height; y++)
    data.set(pixels.data.subarray(y * row, (y + 1) * row), ((top + y) * width + left) * 3);
  return { width, height, data };
}
