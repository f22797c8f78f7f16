import { roundHalfEven } from './augment.ts';
import type { Draws } from '../random.ts';

/** A rectangle in pixels of the input square. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Random erasing, in DeiT's words: reprob and recount. */
export interface EraseOptions {
  /** Chance that an image is erased at all. */
  reprob: number;
  /** Most rectangles in an image; their areas share the same range. */
  recount: number;
}

const TRIES = 10;
const [LEAST_AREA, MOST_AREA] = [0.02, 1 / 3];
const [NARROWEST, WIDEST] = [0.3, 1 / 0.3];

/**
 * Draws the rectangles to erase from an image of `width` × `height` pixels, as timm does: shares U(0.02, 1/3) of the
 * area over their number, aspect ratios exp U(ln 0.3, ln 1/0.3), each smaller than the image both ways. The step fills
 * them, because noise is drawn in normalised values.
 */
export function drawErase(draws: Draws, width: number, height: number, { reprob, recount }: EraseOptions): Box[] {
  if (draws.uniform() > reprob) return [];
  const count = recount > 1 ? draws.integerBetween(1, recount) : 1;
  const boxes = Array.from({ length: count }, () => drawBox(draws, width, height, count));
  return boxes.filter((box) => box !== null);
}

function drawBox(draws: Draws, width: number, height: number, count: number): Box | null {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = (draws.between(LEAST_AREA, MOST_AREA) * width * height) / count;
    const ratio = Math.exp(draws.between(Math.log(NARROWEST), Math.log(WIDEST)));
    const h = roundHalfEven(Math.sqrt(area * ratio));
    const w = roundHalfEven(Math.sqrt(area / ratio));
    if (w >= width || h >= height) continue;
    const top = draws.integerBetween(0, height - h);
    return { left: draws.integerBetween(0, width - w), top, width: w, height: h };
  }
  return null;
}
