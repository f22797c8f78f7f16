import type { Decode } from '../../src-main/data/decode.ts';
import { decodePng } from '../../src-main/data/png.ts';
import { cropPixels, resizePixels } from '../../src-main/data/resize.ts';

/** Decodes PNGs without an engine, for tests of what lies around the decoder. */
export const ownDecode: Decode = async (bytes, { crop, size, filter }) => {
  const { width, height, data } = decodePng(bytes);
  const rgb = new Uint8Array(width * height * 3);
  for (let at = 0; at < rgb.length; at++) rgb[at] = data[Math.floor(at / 3) * 4 + (at % 3)]!;
  const cut = cropPixels({ width, height, data: rgb }, crop);
  return size ? resizePixels(cut, size, filter) : cut;
};
