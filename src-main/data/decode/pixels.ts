/** RGB bytes, row by row: data[(y · width + x) · 3 + channel]. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

/** A rectangle in pixels of the stored image. */
export interface Crop {
  left: number;
  top: number;
  width: number;
  height: number;
}

export type Filter = 'bilinear' | 'bicubic';
