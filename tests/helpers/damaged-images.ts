import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { decodeImage, decodeImageNow, type Decode, type DecodeNow } from '../../src-main/data/decode/decode.ts';
import { readableSize } from '../../src-main/data/decode/reading.ts';
import { ReasonError } from '../../src-main/protocol/reasons.ts';

// Tests and benches both run in the project's root; a bench is bundled elsewhere.
const FOLDER = resolve('tests/fixtures/images');
/** Pixels beyond which a damaged header's image is not decoded here: it would take time and memory by right. */
const MOST_PIXELS = 4e6;

/** The small image files that are damaged. */
export function imageFiles(): Buffer[] {
  const names = readdirSync(FOLDER).filter((name) => /\.(webp|jpg|gif|bmp|png|p[bgp]m)$/.test(name));
  return names.map((name) => readFileSync(join(FOLDER, name))).filter((bytes) => bytes.length < 1 << 18);
}

export type Outcome = 'pixels' | 'refused' | 'large';

/**
 * What comes of a damaged file: `pixels`, `refused`, or `large` for one that is not tried.
 * @throws what is no reason, and an Error for pixels of another size than the header states.
 */
export async function decodeOutcome(bytes: Uint8Array, decode: Decode, now: DecodeNow): Promise<Outcome> {
  try {
    const size = readableSize(bytes);
    if (size.width * size.height > MOST_PIXELS) return 'large';
    const { width, height, data } = await decodeImage(bytes, size, null, decode);
    if (width !== size.width || height !== size.height || data.length !== width * height * 3)
      throw new Error(`${width} × ${height} from a header of ${size.width} × ${size.height}, ${data.length} bytes`);
    const crop = { left: width >> 2, top: height >> 2, width: (width + 1) >> 1, height: (height + 1) >> 1 };
    const room = (width: number, height: number): Uint8Array => new Uint8Array(width * height * 3);
    decodeImageNow(bytes, size, size.format === 'jpeg' ? crop : null, { decode: now, room });
    return 'pixels';
  } catch (error) {
    if (error instanceof ReasonError) return 'refused';
    throw error;
  }
}
