import { expect, test } from 'vitest';
import { newCover } from '../../../src-renderer/components/charts/pixel-columns.ts';
import { parseColor, Raster } from '../../../src-renderer/components/charts/raster.ts';

const [WIDTH, HEIGHT] = [37, 11];

/** The image of a raster as text: of each pixel its opacity in hexadecimal, `.` where there is none. */
function shown(raster: Raster): string[] {
  const image = { width: WIDTH, height: HEIGHT, data: new Uint8ClampedArray(4 * WIDTH * HEIGHT) } as ImageData;
  raster.copyTo(image);
  return Array.from({ length: HEIGHT }, (_, row) =>
    Array.from({ length: WIDTH }, (_, column) => image.data[4 * (row * WIDTH + column) + 3])
      .map((alpha) => (alpha === 0 ? '.' : Math.round(alpha / 17).toString(16)))
      .join(''),
  );
}

test('a cover is filled between its heights, its ends in part, with the gaps of a dash', () => {
  const raster = new Raster(WIDTH, HEIGHT);
  const cover = newCover(WIDTH);
  cover.low.fill(2.5);
  cover.high.fill(5);
  cover.low[1] = cover.high[1] = NaN;
  raster.paint(cover, { color: parseColor('#ff8000'), opacity: 1, width: 0, dash: [] });
  expect(shown(raster).map((row) => row.slice(0, 3))).toEqual([
    ...Array.from({ length: 6 }, () => '...'),
    ...['f.f', 'f.f', '8.8', '...', '...'],
  ]);
  raster.clear();
  raster.paint(cover, { color: parseColor('#ff8000'), opacity: 1, width: 0, dash: [2, 3] });
  expect(shown(raster)[6].slice(0, 12)).toBe('f....ff...ff');
});

test('what is faint lets through what lies under it', () => {
  const raster = new Raster(WIDTH, HEIGHT);
  const cover = newCover(WIDTH);
  cover.low.fill(0);
  cover.high.fill(HEIGHT);
  const paint = (color: string, opacity: number): void =>
    raster.paint(cover, { color: parseColor(color), opacity, width: 1, dash: [] });
  const image = { width: WIDTH, height: HEIGHT, data: new Uint8ClampedArray(4 * WIDTH * HEIGHT) } as ImageData;
  paint('#0000ff', 1);
  paint('#ff0000', 0.3);
  raster.copyTo(image);
  for (const pixel of [0, WIDTH * 5 + 36, WIDTH * HEIGHT - 1])
    expect([...image.data.subarray(4 * pixel, 4 * pixel + 4)]).toEqual([76, 0, 178, 255]);
});
