import { extname } from 'node:path';
import { unpacked } from '../../data/layout/unpacked.ts';
import type { ImageFile } from './datasets.ts';

/** Whether the bytes stored of an image are not yet its file: they are deflated, or raw pixels. */
export function isPacked({ inflated, planes }: ImageFile): boolean {
  return inflated !== undefined || planes !== undefined;
}

/** The file of an image from what is stored of it. @throws Error where these bytes are damaged. */
export function imageFromStored(stored: Uint8Array, image: ImageFile): Uint8Array {
  return unpacked(stored, image);
}

/** The ending that tells the type of an image's file, such as `.jpg`, in lower case. */
export function endingOf({ name, planes }: ImageFile): string {
  return planes === undefined ? extname(name).toLowerCase() : '.bmp';
}
