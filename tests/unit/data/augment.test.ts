import { describe, expect, it } from 'vitest';
import { drawJitter, drawTrain, evalGeometry, roundHalfEven } from '../../../src-main/data/augment/augment.ts';
import { parsePolicy } from '../../../src-main/data/augment/auto-augment.ts';
import { drawErase } from '../../../src-main/data/augment/erase.ts';
import { drawMix, type MixDraw, type MixOptions } from '../../../src-main/data/augment/mix.ts';
import { Random } from '../../../src-main/data/random.ts';
import { cutWindow } from '../../../src-main/data/decode/resize.ts';
import { chiSquareDeviation, ksStatistic } from '../../helpers/statistics.ts';

const options = { inputSize: 224, scaleMin: 0.08, hflip: 0.5 };
const random = (index: number): Random => new Random(11, 'augment', 0, index);
const many = <Value>(count: number, draw: (random: Random) => Value): Value[] =>
  Array.from({ length: count }, (_, index) => draw(random(index)));
const counted = (values: Iterable<string | number>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
};

describe('drawTrain', () => {
  it('flips half of the images and spreads crops evenly over shares and ratios', () => {
    const drawn = many(20000, (draws) => drawTrain(draws, 4000, 4000, { ...options, scaleMin: 0.2 }));
    expect(drawn.filter(({ flip }) => flip).length / 20000).toBeCloseTo(0.5, 1);
    // Shares up to 3/4 fit a square at every ratio, so among those both are uniform.
    const crops = drawn.map(({ crop }) => crop!).filter(({ width, height }) => width * height < 0.75 * 4000 * 4000);
    const shares = crops.map(({ width, height }) => (width * height) / (4000 * 4000));
    const ratios = crops.map(({ width, height }) => Math.log(width / height) / Math.log(4 / 3));
    expect(ksStatistic(shares, (share) => Math.min(1, (share - 0.2) / 0.55))).toBeLessThan(1.95);
    expect(ksStatistic(ratios, (ratio) => Math.min(1, Math.max(0, (ratio + 1) / 2)))).toBeLessThan(1.95);
  });

  it('jitters colours only without a policy, in any order, by factors about 1', () => {
    const drawn = many(6000, (draws) => drawJitter(draws, 0.3));
    const orders = counted(drawn.map((operations) => operations.map(({ name }) => name).join()));
    expect(Object.keys(orders)).toHaveLength(6);
    expect(Math.abs(chiSquareDeviation(Object.values(orders), () => 1000))).toBeLessThan(4);
    const amounts = drawn.flatMap((operations) => operations.map(({ amount }) => amount));
    expect(ksStatistic(amounts, (amount) => (amount - 0.7) / 0.6)).toBeLessThan(1.95);
    expect(drawJitter(random(0), 0)).toEqual([]);
    expect(Math.min(...many(500, (draws) => drawJitter(draws, 2)[0].amount))).toBeGreaterThanOrEqual(0);
    const policy = parsePolicy('rand-m9-n1-p1');
    const both = drawTrain(random(1), 300, 300, { ...options, colorJitter: 0.3 }, policy);
    expect(both.operations).toHaveLength(1);
  });

  it('chooses one of three for 3-Augment, then jitters', () => {
    const drawn = many(3000, (draws) =>
      drawTrain(draws, 300, 200, { ...options, threeAugment: true, colorJitter: 0.3 }),
    );
    const names = counted(drawn.map(({ operations }) => operations[0].name));
    expect(Object.keys(names).sort()).toEqual(['blur', 'color', 'solarize']);
    expect(Math.abs(chiSquareDeviation(Object.values(names), () => 1000))).toBeLessThan(4);
    expect(drawn.every(({ operations }) => operations.length === 4)).toBe(true);
    const radii = drawn.flatMap(({ operations }) => (operations[0].name === 'blur' ? [operations[0].amount] : []));
    expect(ksStatistic(radii, (radius) => (radius - 0.1) / 1.9)).toBeLessThan(1.95);
  });

  it('cuts a window with mirrored edges for 3-Augment with src', () => {
    const drawn = many(2000, (draws) => drawTrain(draws, 300, 200, { ...options, threeAugment: true, src: true }));
    for (const { crop, window } of drawn) {
      expect(crop).toBeNull();
      expect(window).toMatchObject({ size: { width: 336, height: 224 }, side: 224, padding: 'mirror' });
    }
    const lefts = drawn.map(({ window }) => window!.left);
    expect([Math.min(...lefts), Math.max(...lefts)]).toEqual([-4, 116]);
    expect(counted(drawn.map(({ window }) => window!.top))).toHaveProperty('-4');
  });

  it('moves small images by up to four pixels instead of cropping', () => {
    const drawn = many(2000, (draws) => drawTrain(draws, 64, 48, { ...options, inputSize: 32 }));
    for (const { crop, window } of drawn) {
      expect(crop).toBeNull();
      expect(window).toMatchObject({ size: { width: 32, height: 32 }, side: 32, padding: 'black' });
    }
    const tops = counted(drawn.map(({ window }) => window!.top));
    expect(
      Object.keys(tops)
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual([-4, -3, -2, -1, 0, 1, 2, 3, 4]);
    expect(Math.abs(chiSquareDeviation(Object.values(tops), () => 2000 / 9))).toBeLessThan(4);
  });

  it('draws the filter when it is to be random', () => {
    const filters = counted(
      many(400, (draws) => drawTrain(draws, 9, 9, { ...options, trainInterpolation: 'random' }).filter),
    );
    expect(filters.bilinear).toBeGreaterThan(150);
    expect(filters.bicubic).toBeGreaterThan(150);
    expect(drawTrain(random(0), 9, 9, options).filter).toBe('bicubic');
  });
});

describe('cutWindow', () => {
  const pixels = { width: 3, height: 2, data: Uint8Array.from([1, 2, 3, 4, 5, 6].flatMap((v) => [v, v, v])) };
  const cut = (left: number, top: number, side: number, padding: 'black' | 'mirror'): number[] =>
    [...cutWindow(pixels, { left, top, side, padding }).data].filter((_, at) => at % 3 === 0);

  it('fills what lies outside', () => {
    expect(cut(1, 0, 2, 'black')).toEqual([2, 3, 5, 6]);
    expect(cut(-1, -1, 3, 'black')).toEqual([0, 0, 0, 0, 1, 2, 0, 4, 5]);
    expect(cut(-1, -1, 3, 'mirror')).toEqual([5, 4, 5, 2, 1, 2, 5, 4, 5]);
    expect(cut(1, 1, 3, 'mirror')).toEqual([5, 6, 5, 2, 3, 2, 2, 3, 2]);
  });
});

describe('evalGeometry', () => {
  it('keeps the middle of a long strip instead of resizing all of it', () => {
    const { source, size } = evalGeometry(100000, 10, 224, 0.875);
    expect(source).toEqual({ left: 49920, top: 0, width: 160, height: 10 });
    expect(size).toEqual({ width: 4096, height: 256 });
  });

  it('looks at small images whole', () => {
    expect(evalGeometry(64, 48, 32, 0.875)).toEqual({
      source: null,
      size: { width: 32, height: 32 },
      crop: { left: 0, top: 0, width: 32, height: 32 },
    });
  });
});

describe('parsePolicy', () => {
  it('draws operations alike and magnitudes about the one given', () => {
    const policy = parsePolicy('rand-m5-n1-p1-mstd1-inc1')!;
    const drawn = many(15000, (draws) => policy.draw(draws, 224, 224)[0]);
    const names = counted(drawn.map(({ name }) => name));
    expect(Object.keys(names)).toHaveLength(15);
    expect(Math.abs(chiSquareDeviation(Object.values(names), () => 1000))).toBeLessThan(4);
    const degrees = drawn.filter(({ name }) => name === 'rotate').map(({ amount }) => amount);
    const magnitudes = degrees.map((amount) => Math.abs(amount) / 3);
    const mean = magnitudes.reduce((sum, magnitude) => sum + magnitude, 0) / magnitudes.length;
    expect(mean).toBeCloseTo(5, 0);
    expect(degrees.filter((amount) => amount < 0).length / degrees.length).toBeCloseTo(0.5, 1);
  });

  it('applies each operation half of the time by default', () => {
    const policy = parsePolicy('rand-m9-mstd0.5-inc1')!;
    const counts = counted(many(4000, (draws) => policy.draw(draws, 224, 224).length));
    expect(Math.abs(chiSquareDeviation([counts[0], counts[1], counts[2]], (n) => [1000, 2000, 1000][n]))).toBeLessThan(
      4,
    );
  });

  it('draws weighted operations once each, in proportion', () => {
    const policy = parsePolicy('rand-m9-n2-p1-tweights')!;
    const drawn = many(4000, (draws) => policy.draw(draws, 224, 224).map(({ name }) => name));
    expect(drawn.every(([first, second]) => first !== second)).toBe(true);
    expect(counted(drawn.map(([first]) => first)).rotate / 4000).toBeCloseTo(0.3, 1);
  });

  it.each(['rand-m', 'rand-x9', 'rand-m9-tnone', 'none', 'original-m9', 'rand-m9-mstd', 'augmix-m3'])(
    'refuses %s, naming the setting',
    (text) => {
      expect(() => parsePolicy(text)).toThrowError(
        expect.objectContaining({ code: 'recipe.invalid', params: expect.objectContaining({ key: 'aa', got: text }) }),
      );
    },
  );

  it('is off for an empty text', () => {
    expect(parsePolicy('')).toBeNull();
  });
});

describe('drawErase', () => {
  it('erases a quarter of the images, inside them', () => {
    const drawn = many(8000, (draws) => drawErase(draws, 64, 48, { reprob: 0.25, recount: 3 }));
    expect(drawn.filter((boxes) => boxes.length > 0).length / 8000).toBeCloseTo(0.25, 1);
    for (const { left, top, width, height } of drawn.flat()) {
      expect(left >= 0 && top >= 0 && left + width <= 64 && top + height <= 48).toBe(true);
      expect(width < 64 && height < 48).toBe(true);
    }
  });
});

describe('drawMix', () => {
  const base: MixOptions = { mixup: 0.8, cutmix: 1, mixupProb: 1, mixupSwitchProb: 0.5, mixupMode: 'batch' };
  const drawn = (changes: Partial<MixOptions>, count = 8): MixDraw[][] =>
    many(3000, (draws) => drawMix(draws, count, 64, { ...base, ...changes }));
  const first = (changes: Partial<MixOptions>): MixDraw[] => drawn(changes).map((mixes) => mixes[0]);

  it('mixes a batch one way, half by CutMix, with a share that is the box', () => {
    const batches = drawn({});
    expect(batches.every((mixes) => new Set(mixes).size === 1 && mixes.length === 8)).toBe(true);
    const cut = batches.flatMap(([mix]) => (mix.box ? [mix] : []));
    expect(cut.length / 3000).toBeCloseTo(0.5, 1);
    for (const { lambda, box } of cut) {
      const { left, top, width, height } = box!;
      expect(lambda).toBeCloseTo(1 - (width * height) / 4096, 12);
      expect(left >= 0 && top >= 0 && left + width <= 64 && top + height <= 64).toBe(true);
    }
    const lambdas = batches.flatMap(([mix]) => (mix.box ? [] : [mix.lambda]));
    const variance = lambdas.reduce((sum, lambda) => sum + (lambda - 0.5) ** 2, 0) / lambdas.length;
    expect(variance).toBeCloseTo(1 / (4 * 2.6), 2);
  });

  it('draws for each pair or each image', () => {
    for (const mixes of drawn({ mixupMode: 'pair' })) {
      expect(new Set(mixes).size).toBe(4);
      for (let row = 0; row < 8; row++) expect(mixes[row]).toBe(mixes[7 - row]);
    }
    expect(new Set(drawn({ mixupMode: 'elem' })[0]).size).toBe(8);
  });

  it('obeys probabilities, single alphas and the least and most box', () => {
    expect(first({ mixupProb: 0.25 }).filter(({ lambda }) => lambda < 1).length / 3000).toBeCloseTo(0.25, 1);
    expect(first({ cutmix: 0 }).every(({ box }) => box === null)).toBe(true);
    expect(first({ mixup: 0 }).every(({ box, lambda }) => box !== null || lambda === 1)).toBe(true);
    expect(first({ mixup: 0, cutmix: 0 }).every(({ lambda }) => lambda === 1)).toBe(true);
    for (const { box } of first({ mixup: 0, cutmix: 0, cutmixMinmax: [0.25, 0.5] })) {
      expect(box!.width).toBeGreaterThanOrEqual(16);
      expect(box!.width).toBeLessThan(32);
    }
  });

  it('needs partners', () => {
    expect(() => drawMix(random(0), 7, 64, base)).toThrow('even number of images, got 7');
  });
});

describe('roundHalfEven', () => {
  it('rounds as Python does', () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4999, 2.5001, 7].map(roundHalfEven)).toEqual(
      [0, 2, 2, 0, -2, 2, 3, 7].map((v) => v + 0),
    );
  });
});
