/**
 * Scrolling over more than a browser lays out: elements end at 33 million pixels (17 in Firefox), and places beyond 16
 * million are not exact. So the sheet that is scrolled is at most {@link TALLEST} high, and what is shown in it is moved
 * by an offset: near both ends and for short ways the image moves as the sheet does; a pull at the scrollbar goes by
 * its share of the whole.
 */
export const TALLEST = 8_000_000;
/** So far from both ends sheet and whole are scrolled alike. */
const ENDS = 200_000;

/** Heights of a scrolled sheet, in pixels. */
export interface Heights {
  /** Of everything, were it laid out. */
  whole: number;
  /** Of the window onto it. */
  seen: number;
}

/** The scroll position of the sheet, and what is added to it for the place in the whole. */
export interface Seat {
  scroll: number;
  offset: number;
}

/** Computes the height that is laid out. */
export function sheetHeight({ whole }: Heights): number {
  return Math.min(whole, TALLEST);
}

/** Computes how the sheet is scrolled to show the place `top` of the whole, with equal room on either side. */
export function seatAt(top: number, heights: Heights): Seat {
  const { most, hidden } = ways(heights);
  const place = Math.max(0, Math.min(top, most + hidden));
  if (place <= ENDS || hidden === 0) return { scroll: place, offset: 0 };
  if (place >= most + hidden - ENDS) return { scroll: place - hidden, offset: hidden };
  const share = (place - ENDS) / (most + hidden - 2 * ENDS);
  const scroll = Math.round(ENDS + share * (most - 2 * ENDS));
  return { scroll, offset: place - scroll };
}

/** Computes the place after the sheet was scrolled from a seat to `scroll`. */
export function seatAfter(from: Seat, scroll: number, heights: Heights): Seat {
  const { most, hidden } = ways(heights);
  if (hidden === 0) return { scroll, offset: 0 };
  // Less than a pull of half a pixel at the scrollbar: wheel, keys, touch.
  const near = Math.abs(scroll - from.scroll) < TALLEST / heights.seen / 2;
  if (near) return scroll > 0 && scroll < most ? { ...from, scroll } : seatAt(scroll + from.offset, heights);
  if (scroll <= ENDS) return { scroll, offset: 0 };
  if (scroll >= most - ENDS) return { scroll, offset: hidden };
  const share = (scroll - ENDS) / (most - 2 * ENDS);
  return { scroll, offset: Math.round(ENDS + share * (most + hidden - 2 * ENDS) - scroll) };
}

/** The way that the sheet can be scrolled, and what of the whole has no place in it. */
function ways(heights: Heights): { most: number; hidden: number } {
  const sheet = sheetHeight(heights);
  return { most: Math.max(0, sheet - heights.seen), hidden: heights.whole - sheet };
}
