import type { Decode } from '../data/decode.ts';
import { pictureSize } from '../data/picture-size.ts';
import type { Engine } from '../runtime/engine.ts';
import { cropResize, decodeImage } from '../runtime/images.ts';

/** The engine's own picture decoder, as the data pipeline takes it. */
export function engineDecode(engine: Engine): Decode {
  return async (bytes, { crop, size, filter }) => {
    if (!crop && !size) return decodeImage(engine, bytes);
    const window = crop ?? { left: 0, top: 0, ...(await sizeOf(engine, bytes)) };
    const out = size ?? { width: window.width, height: window.height };
    return { ...out, data: await cropResize(engine, bytes, window, out, filter) };
  };
}

async function sizeOf(engine: Engine, bytes: Uint8Array): Promise<{ width: number; height: number }> {
  const { width, height } = pictureSize(bytes) ?? (await decodeImage(engine, bytes));
  return { width, height };
}
