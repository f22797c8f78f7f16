import { emptyRaster, kernels, type Raster } from '../decode/kernels.ts';

/** Says how a value between pixels is found: by Pillow's point sampling, without antialiasing. */
export type Resampling = 'bilinear' | 'bicubic';

/** From result to source, at pixel centres: source = (a·x + b·y + c, d·x + e·y + f). */
export type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export interface AffineSettings {
  fill: readonly [number, number, number];
  resampling: Resampling;
}

/** Computes the matrix of Pillow's `rotate` about the centre, for an angle in degrees from 0 to below 360. */
export function rotationMatrix(degrees: number, { width, height }: { width: number; height: number }): Matrix {
  const angle = -(degrees * (Math.PI / 180));
  const [cosine, sine] = [round15(Math.cos(angle)), round15(Math.sin(angle))];
  const [x, y] = [width / 2, height / 2];
  const c = cosine * -x + sine * -y + x;
  const f = -sine * -x + cosine * -y + y;
  return [cosine, sine, c, -sine, cosine, f];
}

function round15(value: number): number {
  return Number(value.toFixed(15));
}

/** Maps `raster` through `matrix` at the same size, in double precision; a point from outside the image gets `fill`. */
export function affine(raster: Raster, matrix: Matrix, { fill, resampling }: AffineSettings): Raster {
  const { at, width, height } = raster;
  const [red, green, blue] = fill;
  const result = emptyRaster(width, height);
  const common = [at, result.at, width, height, red | (green << 8) | (blue << 16)] as const;
  const [a, b, c, d, e, f] = matrix;
  // Shear and translation along one axis meet the pixel centres of the other: four values do instead of sixteen.
  const isCubic = resampling === 'bicubic';
  if (isCubic && d === 0 && e === 1 && f === 0) kernels().affineAcross(...common, a, b, c);
  else if (isCubic && a === 1 && b === 0 && c === 0) kernels().affineDown(...common, d, e, f);
  else kernels().affine(...common, isCubic ? 1 : 0, ...matrix);
  return result;
}
