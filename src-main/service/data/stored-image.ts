import { extname } from 'node:path';
import { unpacked } from '../../data/layout/unpacked.ts';
import type { ImageFile } from './datasets.ts';

/** Tells whether the stored bytes of an image still have to be made into its file: they are deflated, or raw pixels. */
export function isPacked({ inflated, planes }: ImageFile): boolean {
  return inflated !== undefined || planes !== undefined;
}

/** Makes the file of an image from its stored bytes. @throws Error where these bytes are damaged. */
export function imageFromStored(stored: Uint8Array, image: ImageFile): Uint8Array {
  return unpacked(stored, image);
}

/** Returns the ending that shows the type of an image's file, such as `.jpg`, in lower case. */
export function endingOf({ name, planes }: ImageFile): string {
  return planes === undefined ? extname(name).toLowerCase() : '.bmp';
}
