import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { drawCrop, evalGeometry } from '../../src-main/data/augment/augment.ts';
import { parsePolicy } from '../../src-main/data/augment/auto-augment.ts';
import type { Filter, Pixels } from '../../src-main/data/decode/pixels.ts';
import { drawErase } from '../../src-main/data/augment/erase.ts';
import { applyOperation, type OperationName } from '../../src-main/data/augment/pixel-ops.ts';
import { decodePng } from '../../src-main/data/decode/png.ts';
import type { Draws } from '../../src-main/data/random.ts';
import { cropPixels, resizePixels } from '../../src-main/data/decode/resize.ts';
import fixtures from './augment.json';

/** Against Pillow and timm (make-augment-fixtures.py), bit for bit, from the same draws. */

/** The stream of draws that the fixtures were made with (Park and Miller). */
function script(seed: number): Draws {
  let state = seed * 7919 + 1;
  const uniform = (): number => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
  const integer = (count: number): number => Math.floor(uniform() * count);
  return {
    uniform,
    integer,
    between: (low, high) => low + (high - low) * uniform(),
    integerBetween: (low, high) => low + integer(high - low + 1),
    normal: () => (uniform() - 0.5) * 4,
    beta: () => uniform(),
  };
}

function noise(width: number, height: number, seed: number): Pixels {
  const draws = script(seed);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => draws.integer(256)) };
}

function scene(): Pixels {
  const { width, height, data } = decodePng(readFileSync(new URL('../fixtures/images/rgb.png', import.meta.url)));
  return { width, height, data: data.filter((_, at) => at % 4 !== 3) };
}

const IMAGES: Record<string, Pixels> = {
  scene: scene(),
  noise: noise(33, 21, 5),
  plain: { width: 12, height: 9, data: Uint8Array.from({ length: 324 }, (_, at) => [10, 200, 77][at % 3]) },
  dot: noise(1, 1, 2),
};
const digest = ({ data }: Pixels): string => createHash('sha256').update(data).digest('hex').slice(0, 16);
const FILL = [124, 116, 104] as const;

/** Cases that went otherwise, to be compared with none. */
function wrong<Case extends { digest: string }>(cases: Case[], ours: (one: Case) => Pixels): Case[] {
  expect(cases.length).toBeGreaterThan(20);
  return cases.filter((one) => digest(ours(one)) !== one.digest);
}

describe('pixels', () => {
  it("resizes to Pillow's bytes", () => {
    const resized = wrong(fixtures.resizes, ({ image, filter, size }) =>
      resizePixels(IMAGES[image], { width: size[0], height: size[1] }, filter as Filter),
    );
    expect(resized).toEqual([]);
  });

  it.each([...new Set(fixtures.operations.map(({ name }) => name))])("carries out %s to Pillow's bytes", (name) => {
    const cases = fixtures.operations.filter((one) => one.name === name);
    const failed = cases.filter(({ image, amount, filter, digest: expected }) => {
      const operation = { name: name as OperationName, amount };
      return (
        digest(applyOperation(IMAGES[image], operation, { fill: FILL, resampling: filter as Filter })) !== expected
      );
    });
    expect(cases.length).toBeGreaterThan(3);
    expect(failed).toEqual([]);
  });

  it("sees evaluation images as DeiT's transform does", () => {
    const seen = wrong(fixtures.evaluations, ({ image, inputSize, cropRatio }) => {
      const [width, height] = image as [number, number];
      const { source, size, crop } = evalGeometry(width, height, inputSize, cropRatio);
      expect(source).toBeNull();
      return cropPixels(resizePixels(noise(width, height, width), size, 'bicubic'), crop);
    });
    expect(seen).toEqual([]);
  });
});

describe('draws', () => {
  it("crops where timm's random resized crop does", () => {
    const ours = fixtures.crops.map(({ image, seed, scaleMin }) => {
      const { left, top, width, height } = drawCrop(script(seed), image[0], image[1], scaleMin);
      return [left, top, width, height];
    });
    expect(ours).toEqual(fixtures.crops.map(({ crop }) => crop));
  });

  it('crops at least a pixel, where timm would crop none', () => {
    for (let seed = 0; seed < 50; seed++)
      expect(drawCrop(script(seed), 1, 1, 0.08)).toEqual({ left: 0, top: 0, width: 1, height: 1 });
  });

  it.each([...new Set(fixtures.policies.map(({ text }) => text))])('draws and carries out %s as timm does', (text) => {
    const cases = fixtures.policies.filter((one) => one.text === text);
    const policy = parsePolicy(text)!;
    const failed = cases.filter(({ seed, digest: expected }) => {
      const image = IMAGES.scene;
      const drawn = policy.draw(script(seed), image.width, image.height);
      const settings = { fill: FILL, resampling: 'bicubic' } as const;
      return digest(drawn.reduce((pixels, one) => applyOperation(pixels, one, settings), image)) !== expected;
    });
    expect(cases).toHaveLength(25);
    expect(failed).toEqual([]);
  });

  it("erases where timm's random erasing does", () => {
    const ours = fixtures.erasures.map(({ seed, recount }) =>
      drawErase(script(seed), 96, 64, { reprob: 0.6, recount }).map(({ left, top, width, height }) => [
        left,
        top,
        width,
        height,
      ]),
    );
    expect(ours).toEqual(fixtures.erasures.map(({ boxes }) => boxes));
    expect(ours.flat().length).toBeGreaterThan(30);
  });
});
