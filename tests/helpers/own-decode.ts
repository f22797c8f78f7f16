import { soloWorkers, type DecodeWorkers } from '../../src-main/data/batches/workers.ts';
import type { Decode, DecodeNow } from '../../src-main/data/decode/decode.ts';
import { imageMaker, type ViewOptions } from '../../src-main/data/decode/image.ts';
import { decodePng } from '../../src-main/data/decode/png.ts';

/** Decodes PNGs without an engine, for tests of what lies around the decoder. */
export const ownDecodeNow: DecodeNow = (bytes, _crop, room) => {
  const { width, height, data } = decodePng(bytes);
  const rgb = room(width, height);
  for (let at = 0; at < rgb.length; at++) rgb[at] = data[Math.floor(at / 3) * 4 + (at % 3)]!;
};

/** The same as a check of a data set takes it. */
export const ownDecode: Decode = async (bytes) => {
  let pixels: Awaited<ReturnType<Decode>> | undefined;
  ownDecodeNow(bytes, null, (width, height) => {
    pixels = { width, height, data: new Uint8Array(width * height * 3) };
    return pixels.data;
  });
  return pixels!;
};

/** Makes images with {@link ownDecodeNow} on this thread. */
export function ownWorkers(recipe: ViewOptions & { seed: number }, decode = ownDecodeNow): DecodeWorkers {
  return soloWorkers(imageMaker(recipe, decode), recipe.seed);
}
