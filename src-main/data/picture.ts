import { decodePicture, readableSize, type Crop, type Decode, type Filter, type Pixels } from './decode.ts';
import { fastResize } from './fast-resize.ts';
import type { PictureSize } from './picture-size.ts';

/** A picture ready to be looked at more than once: small ones decoded, large ones as their file. */
export interface Picture extends PictureSize {
  /** All pixels of a small picture, else null. */
  pixels: Pixels | null;
  /** The file of a large picture, else null. */
  bytes: Uint8Array | null;
}

/**
 * Up to this many pixels a picture is decoded whole and then cut; above, only the part looked at is decoded. The rule
 * must depend on nothing else: at a cut through a JPEG the two differ by a few grey levels.
 */
const SMALL_PICTURE = 256 * 256;

/** Bytes of memory that a picture holds. */
export function weightOf({ pixels, bytes }: Picture): number {
  return (pixels?.data.byteLength ?? 0) + (bytes?.byteLength ?? 0);
}

/** Prepares the bytes of a file. Rejects with an Error saying why it cannot be used. */
export async function openPicture(bytes: Uint8Array, decode: Decode): Promise<Picture> {
  const info = readableSize(bytes);
  if (info.width * info.height > SMALL_PICTURE) return { ...info, pixels: null, bytes };
  return { ...info, pixels: await decodePicture(bytes, info, null, decode), bytes: null };
}

/** What to see of a picture: the part `crop` (null: all of it), resized to `size`, then perhaps mirrored. */
export interface View {
  crop: Crop | null;
  size: { width: number; height: number };
  filter: Filter;
  mirror: boolean;
}

/** A view of a picture. Rejects with an Error when it cannot be decoded. */
export async function lookAt(picture: Picture, view: View, decode: Decode): Promise<Pixels> {
  const { crop, size, filter, mirror } = view;
  if (picture.pixels) return fastResize(picture.pixels, crop, size, filter, mirror);
  const part = await decodePicture(picture.bytes!, picture, crop, decode);
  return fastResize(part, null, size, filter, mirror);
}
