import { emptyRaster, kernels, type Raster } from '../decode/kernels.ts';

/**
 * Pillow's Gaussian blur: three box blurs whose edges have a fractional weight (Gwosdek et al., "Theoretical foundations
 * of Gaussian convolution by extended box filtering", 2011), in 24-bit fixed point, each rounded to 8 bits.
 */
const PASSES = 3;

/** Blurs `raster` with standard deviation `radius` (pixels, from 0). */
export function gaussianBlur(raster: Raster, radius: number): Raster {
  const box = boxRadius(radius);
  if (box === 0) return raster;
  const { width, height } = raster;
  const reach = Math.trunc(box);
  const inner = Math.trunc(Math.fround((1 << 24) / Math.fround(Math.fround(box * 2) + 1)));
  const edge = Math.trunc(((1 << 24) - (reach * 2 + 1) * inner) / 2);
  const spare = [emptyRaster(width, height), emptyRaster(width, height)];
  let from = raster;
  const row = width * 3;
  for (const [lines, lineStep, count, step] of [
    [height, row, width, 3],
    [width, 3, height, row],
  ])
    for (let pass = 0; pass < PASSES; pass++) {
      const to = spare[from === spare[0] ? 1 : 0];
      kernels().boxBlur(from.at, to.at, lines, lineStep, count, step, reach, inner, edge);
      from = to;
    }
  return from;
}

// In single precision, as Pillow computes it.
function boxRadius(radius: number): number {
  const f = Math.fround;
  const single = f(radius);
  const variance = f(f(single * single) / PASSES);
  const length = f(Math.sqrt(12 * variance + 1));
  const whole = f(Math.floor((length - 1) / 2));
  const above = f(f(2 * whole + 1) * f(f(whole * f(whole + 1)) - f(3 * variance)));
  const part = f(above / f(6 * f(variance - f(f(whole + 1) * f(whole + 1)))));
  return f(whole + part);
}
