import { reasonOf } from '../../protocol/errors.ts';
import { reason, ReasonError } from '../../protocol/reasons.ts';
import type { ImageFormat, ImageSize } from './image-size.ts';
import type { Crop, Pixels } from './pixels.ts';
import { differs, placed, readingOf } from './reading.ts';
import { cropPixels } from './resize.ts';

/**
 * Decodes all of a JPEG, PNG, or WebP (one frame without alpha) to RGB. Handed in by whoever owns the decoder. Rejects when
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

/**
 * Decodes the part `crop` of an image (null: all of it), by `decode` where that gives Pillow's pixels, else by our own
 * decoders. Rejects with a ReasonError that says why it cannot be used.
 */
export async function decodeImage(
  bytes: Uint8Array,
  size: ImageSize,
  crop: Crop | null,
  decode: Decode,
): Promise<Pixels> {
  const reading = readingOf(bytes, size);
  if ('data' in reading) return cropPixels(reading, crop);
  const pixels = await decode(reading.file).catch((error: unknown) => {
    throw refused(error, size.format);
  });
  if (pixels.width !== reading.width || pixels.height !== reading.height) throw differs(reading, pixels);
  return cropPixels(placed(pixels, reading.within), crop);
}

/**
 * Decodes an image on this thread into the memory that `room` gives: the whole image, or of a JPEG the part `crop`.
 * @throws ReasonError saying why it cannot be used.
 */
export function decodeImageNow(
  bytes: Uint8Array,
  size: ImageSize,
  crop: Crop | null,
  { decode, room }: { decode: DecodeNow; room(width: number, height: number): Uint8Array },
): void {
  const reading = readingOf(bytes, size);
  if ('data' in reading) return room(reading.width, reading.height).set(reading.data);
  const expected = crop ?? reading;
  let part: Pixels | undefined;
  try {
    decode(reading.file, crop, (width, height) => {
      if (width !== expected.width || height !== expected.height) throw differs(expected, { width, height });
      if (!reading.within) return room(width, height);
      part = { width, height, data: new Uint8Array(width * height * 3) };
      return part.data;
    });
  } catch (error) {
    throw refused(error, size.format);
  }
  if (part) room(size.width, size.height).set(placed(part, reading.within).data);
}

function refused(error: unknown, format: ImageFormat): ReasonError {
  if (error instanceof ReasonError) return error;
  const words = reasonOf(error);
  return new ReasonError(reason('image.decoder', { format: format.toUpperCase(), words }), { cause: error });
}
