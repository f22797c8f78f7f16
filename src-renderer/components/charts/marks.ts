import type { MarkKind } from '../../history/run-marks.ts';
import { toPixel, type PixelScale } from './pixel-columns.ts';

/** Something that happened at a place of the x axis. */
export interface Mark {
  x: number;
  kind: MarkKind;
  /** Token or `#rrggbb`. */
  color: string;
  /** The event, in words. */
  text: string;
}

/** Half the width of a glyph, pixels. */
const REACH = 4;

/** Outlines around 0 on the x axis, 8 pixels high; the letter y grows downwards. */
const GLYPHS: Record<MarkKind, string> = {
  checkpoint: 'M-4 0L0 -7L4 0Z',
  resume: 'M-3 -8L4 -4L-3 0Z',
  pause: 'M-3.5 -8H-1V0H-3.5ZM1 -8H3.5V0H1Z',
  note: 'M0 -8L4 -4L0 0L-4 -4Z',
  nonFinite: 'M-4 -7L-3 -8L0 -5L3 -8L4 -7L1 -4L4 -1L3 0L0 -3L-3 0L-4 -1L-1 -4Z',
  end: 'M-3.5 -7H3.5V0H-3.5Z',
};
/** These part a run: a line goes up from them. */
const PARTING: readonly MarkKind[] = ['resume', 'pause', 'nonFinite', 'end'];

export interface PlacedMark {
  mark: Mark;
  /** From the left end of the axis. */
  pixel: number;
  glyph: string;
  parts: boolean;
}

/**
 * Places the marks in sight, one of each kind where several would lie on each other. `zoom` is pixels of `xs` to a
 * glyph's.
 */
export function placeMarks(marks: readonly Mark[], xs: PixelScale, zoom = 1): PlacedMark[] {
  const taken = new Set<string>();
  return marks.flatMap((mark) => {
    const pixel = toPixel(xs, mark.x);
    const cell = `${mark.kind} ${mark.color} ${Math.round(pixel / (REACH * zoom))}`;
    if (!(pixel >= 0 && pixel <= xs.size) || taken.has(cell)) return [];
    taken.add(cell);
    return [{ mark, pixel, glyph: GLYPHS[mark.kind], parts: PARTING.includes(mark.kind) }];
  });
}

/** Finds the marks within reach of a pixel. */
export function marksNear(marks: readonly Mark[], xs: PixelScale, pixel: number): Mark[] {
  return marks.filter(({ x }) => Math.abs(toPixel(xs, x) - pixel) <= REACH + 2);
}
