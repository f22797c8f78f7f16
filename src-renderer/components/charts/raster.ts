import type { Cover } from './pixel-columns.ts';

/** Fills covers of lines into pixels: quicker than stroking, and the same on every machine. */

export type Color = readonly [red: number, green: number, blue: number];

export interface Stroke {
  color: Color;
  /** 0 to 1. */
  opacity: number;
  /** Height that a level line has, pixels. */
  width: number;
  /** Lengths of dash and gap along x, pixels; [] is solid. */
  dash: readonly number[];
}

/** Parses a colour from `#rrggbb`; black for anything else. */
export function parseColor(text: string): Color {
  const found = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(text.trim());
  return found ? [parseInt(found[1], 16), parseInt(found[2], 16), parseInt(found[3], 16)] : [0, 0, 0];
}

/** An image that lines are painted over each other into: column by column, so that what a line covers lies together. */
export class Raster {
  /** Of each column its pixels from the top, as the bytes red, green, blue, opacity. */
  private readonly pixels: Uint32Array;
  private readonly bytes: Uint8ClampedArray;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.pixels = new Uint32Array(width * height);
    this.bytes = new Uint8ClampedArray(this.pixels.buffer);
  }

  clear(): void {
    this.pixels.fill(0);
  }

  /** Paints a line over what there is; a cover's heights are from the bottom. */
  paint(cover: Cover, stroke: Stroke): void {
    const { width, height } = this;
    const dashed = dashMask(stroke.dash, width);
    for (let column = 0; column < width; column++) {
      if (Number.isNaN(cover.low[column]) || (dashed && !dashed[column])) continue;
      const top = Math.max(0, height - cover.high[column] - stroke.width / 2);
      const bottom = Math.min(height, height - cover.low[column] + stroke.width / 2);
      if (bottom > top) this.paintColumn(column * height, top, bottom, stroke);
    }
  }

  /** Copies the image into one of the same size, whose pixels lie row by row. */
  copyTo(image: ImageData): void {
    const { width, height, pixels } = this;
    const rows = new Uint32Array(image.data.buffer);
    for (let from = 0; from < width; from += STRIP) {
      const to = Math.min(width, from + STRIP);
      for (let row = 0; row < height; row++)
        for (let column = from; column < to; column++) rows[row * width + column] = pixels[column * height + row];
    }
  }

  /** Rows are covered as a whole between the first and the last, which may be in part. */
  private paintColumn(start: number, top: number, bottom: number, stroke: Stroke): void {
    const [first, last] = [Math.floor(top), Math.ceil(bottom) - 1];
    this.put(start + first, (Math.min(first + 1, bottom) - top) * stroke.opacity, stroke.color);
    if (last === first) return;
    if (stroke.opacity === 1) this.pixels.fill(packed(stroke.color, 1), start + first + 1, start + last);
    else for (let row = first + 1; row < last; row++) this.put(start + row, stroke.opacity, stroke.color);
    this.put(start + last, (bottom - last) * stroke.opacity, stroke.color);
  }

  private put(at: number, alpha: number, color: Color): void {
    if (this.pixels[at] === 0 || alpha > 0.996) this.pixels[at] = packed(color, alpha);
    else blend(this.bytes, 4 * at, color, alpha);
  }
}

/** Columns that are copied together: what they read stays in the processor's cache. */
const STRIP = 16;

const packed = ([red, green, blue]: Color, alpha: number): number =>
  ((Math.round(255 * alpha) << 24) | (blue << 16) | (green << 8) | red) >>> 0;

function blend(data: Uint8ClampedArray, at: number, color: Color, alpha: number): void {
  const under = (data[at + 3] / 255) * (1 - alpha);
  const whole = alpha + under;
  for (let part = 0; part < 3; part++) data[at + part] = (color[part] * alpha + data[at + part] * under) / whole;
  data[at + 3] = 255 * whole;
}

function dashMask(dash: readonly number[], width: number): Uint8Array | null {
  const period = dash.reduce((sum, part) => sum + part, 0);
  if (!(period > 0)) return null;
  return Uint8Array.from({ length: width }, (_, column) => {
    let rest = column % period;
    const part = dash.findIndex((length) => (rest -= length) < 0);
    return part % 2 === 0 ? 1 : 0;
  });
}
