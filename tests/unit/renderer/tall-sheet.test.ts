import { describe, expect, it } from 'vitest';
import {
  seatAfter,
  seatAt,
  sheetHeight,
  TALLEST,
  type Heights,
} from '../../../src-renderer/components/parts/tall-sheet.ts';

const SMALL: Heights = { whole: 100_000, seen: 400 };
const LARGE: Heights = { whole: 40_000_000, seen: 400 };
const end = (heights: Heights): number => heights.whole - heights.seen;
const placeOf = ({ scroll, offset }: { scroll: number; offset: number }): number => scroll + offset;

describe('a sheet that is too tall', () => {
  it('leaves what a browser can lay out as it is', () => {
    expect(sheetHeight(SMALL)).toBe(SMALL.whole);
    expect(seatAt(1234.5, SMALL)).toEqual({ scroll: 1234.5, offset: 0 });
    expect(seatAfter({ scroll: 0, offset: 0 }, 99_000, SMALL)).toEqual({ scroll: 99_000, offset: 0 });
  });

  it('is never laid out higher than it may be, and each place has its seat in it', () => {
    expect(sheetHeight(LARGE)).toBe(TALLEST);
    for (let place = 0; place <= end(LARGE); place += 99_991) {
      const seat = seatAt(place, LARGE);
      expect(placeOf(seat)).toBe(place);
      expect(seat.scroll).toBeGreaterThanOrEqual(0);
      expect(seat.scroll).toBeLessThanOrEqual(TALLEST - LARGE.seen);
      // Scrolled there by the bar, one is where the seat says, within what one pixel of the sheet hides.
      const pulled = seatAfter(seatAt(place < end(LARGE) / 2 ? end(LARGE) : 0, LARGE), seat.scroll, LARGE);
      expect(Math.abs(placeOf(pulled) - place)).toBeLessThanOrEqual(LARGE.whole / TALLEST + 1);
    }
  });

  it('reaches both ends by the scrollbar', () => {
    const most = TALLEST - LARGE.seen;
    expect(placeOf(seatAfter(seatAt(0, LARGE), most, LARGE))).toBe(end(LARGE));
    expect(placeOf(seatAfter(seatAt(end(LARGE), LARGE), 0, LARGE))).toBe(0);
  });

  it('goes pixel by pixel for short ways, and never gets stuck at an edge of the sheet', () => {
    let seat = seatAt(20_000_000, LARGE);
    for (let turn = 0; turn < 30_000; turn++) {
      const [before, way] = [placeOf(seat), Math.min(1000, seat.scroll)];
      seat = seatAfter(seat, seat.scroll - way, LARGE);
      expect(before - placeOf(seat)).toBe(way);
    }
    expect(placeOf(seat)).toBe(0);
    for (let turn = 0; placeOf(seat) < end(LARGE) && turn < 60_000; turn++)
      seat = seatAfter(seat, Math.min(TALLEST - LARGE.seen, seat.scroll + 1000), LARGE);
    expect(seat).toEqual(seatAt(end(LARGE), LARGE));
  });
});
