import { decodeNetpbm } from './netpbm.ts';
import { imageSize, type ImageSize } from './image-size.ts';
import type { Crop, Pixels } from './pixels.ts';
import { cropPixels } from './resize.ts';

/**
 * Decodes all of a JPEG, PNG, GIF (first frame), BMP or WebP to RGB. Handed in by whoever owns the decoder. Rejects when
 * the bytes cannot be decoded.
 */
export type Decode = (bytes: Uint8Array) => Promise<Pixels>;

/**
 * The same on this thread, into the memory that `room` gives for that size; of a JPEG only `crop`, where it is not null.
 * A crop has the bytes that it has in the whole image, but for its leftmost and rightmost column.
 * Throws when the bytes cannot be decoded.
 */
export type DecodeNow = (
  bytes: Uint8Array,
  crop: Crop | null,
  room: (width: number, height: number) => Uint8Array,
) => void;

// Above this a decoded image could take all memory; Pillow calls twice its 89 million pixels a decompression bomb.
const MOST_PIXELS = 178_956_970;

/**
 * Size of an image that `decode` or our own decoder can read.
 * @throws Error whose message says, for a person, why it cannot be used.
 */
export function readableSize(bytes: Uint8Array): ImageSize {
  if (bytes.length === 0) throw new Error('the file is empty');
  const size = imageSize(bytes);
  if (!size) throw new Error('it is not an image, or its header is damaged');
  if (size.format === 'tiff') throw new Error('TIFF is not supported; convert it to PNG');
  if (size.width * size.height > MOST_PIXELS)
    throw new Error(`${size.width} × ${size.height} pixels are too many; scale it down`);
  return size;
}

/** The part `crop` of an image (null: all of it), by `decode`, or for PGM and PPM ourselves. Rejects saying why not. */
export async function decodeImage(
  bytes: Uint8Array,
  { format }: ImageSize,
  crop: Crop | null,
  decode: Decode,
): Promise<Pixels> {
  return cropPixels(format === 'netpbm' ? decodeNetpbm(bytes) : await decode(bytes), crop);
}
