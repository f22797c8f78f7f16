import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { divideNoise, dropout, dropPath, noiseOf } from '../../../src-main/model/noise.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { relativeError, testEngine } from '../../helpers/engine.ts';
import { parameterValues, pictures, sizeOf, uniform } from '../../helpers/generated.ts';

beforeAll(testEngine);

/** Runs `check` and expects it to leave no tensor behind. */
function tidy(check: () => void): void {
  const before = tf.memory().numTensors;
  tf.tidy(check);
  expect(tf.memory().numTensors).toBe(before);
}

describe('stochastic depth', () => {
  test('drops a branch by picture and scales the rest', () => {
    tidy(() => {
      const branch = tf.ones([4, 2, 1]);
      const dropped = dropPath(branch, 0.25, tf.tensor1d([0, 0.2, 0.25, 0.99]));
      expect(relativeError(dropped.dataSync(), [0, 0, 0, 0, 4 / 3, 4 / 3, 4 / 3, 4 / 3])).toBeLessThan(1e-6);
      expect(dropPath(branch, 0, tf.zeros([4]))).toBe(branch);
      expect(dropPath(branch, 0.25, null)).toBe(branch);
    });
  });
});

describe('dropout', () => {
  const ones = () => tf.ones<tf.Rank.R3>([4, 50, 100]);
  const drop = (seed: number[], place = 0, rate = 0.3) => [
    ...dropout(ones(), rate, tf.tensor1d(seed, 'int32'), place).dataSync(),
  ];

  test('makes the share that it says 0 and scales the rest', () => {
    tidy(() => {
      const values = drop([3, 5]);
      const zeros = values.filter((value) => value === 0).length;
      // Four deviations of a share of 0.3 among 20,000.
      expect(Math.abs(zeros / values.length - 0.3)).toBeLessThan(0.013);
      expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
    });
  });

  test('repeats itself for a seed, and differs by either number of it and by the place', () => {
    tidy(() => {
      expect(drop([3, 5])).toEqual(drop([3, 5]));
      const others = [drop([3, 5]), drop([4, 5]), drop([3, 6]), drop([3, 5], 1), drop([3, 5], 126)];
      expect(new Set(others.map(String)).size).toBe(others.length);
    });
  });

  test('lets gradients through where it lets values through', () => {
    tidy(() => {
      const seed = tf.tensor1d([3, 5], 'int32');
      const gradient = tf.grad((x) => tf.sum(dropout(x, 0.3, seed, 2)))(ones());
      expect([...gradient.dataSync()]).toEqual([...dropout(ones(), 0.3, seed, 2).dataSync()]);
    });
  });

  test('does nothing at rate 0 and without a seed', () => {
    tidy(() => {
      const x = ones();
      expect(dropout(x, 0, tf.tensor1d([1, 2], 'int32'), 0)).toBe(x);
      expect(dropout(x, 0.5, null, 0)).toBe(x);
    });
  });
});

describe('the noise of a step', () => {
  test.each([
    [{}, null],
    [{ dropPath: 0.1 }, [6, 5]],
    [{ drop: 0.1 }, [2, 5]],
    [{ dropPath: 0.1, drop: 0.1 }, [8, 5]],
  ])('%o asks for rows %o', (rates, shape) => {
    expect(noiseOf(6, rates)?.shape(5) ?? null).toEqual(shape);
  });

  test('is taken apart: rows of branches, and the seed from the first picture', () => {
    tidy(() => {
      const noise = tf.tensor2d([0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 1 - 2 ** -24, 0.9], [4, 2]);
      const { branches, seed } = divideNoise(noise, 2, { dropPath: 0.1, drop: 0.1 });
      expect(branches!.map((row) => [...row.dataSync()])).toEqual([
        [0.1, 0.2].map(Math.fround),
        [0.3, 0.4].map(Math.fround),
      ]);
      expect([...seed!.dataSync()]).toEqual([2 ** 23, 2 ** 24 - 1]);
      expect(divideNoise(null, 2, { dropPath: 0.1, drop: 0.1 })).toEqual({ branches: null, seed: null });
    });
  });
});

/** Head logits of two pictures while training. */
function trained(
  name: string,
  options: { drop?: number; dropPath?: number; deit3Style?: 'timm' | 'authors' },
): number[] {
  return tf.tidy(() => {
    const model = createModel(name, { classes: 3, inputSize: 32, ...options });
    const params = Object.fromEntries(model.specs.map((s) => [s.name, tf.tensor(parameterValues(s), s.shape)]));
    const shape = model.noise?.shape(2);
    const noise = shape ? tf.tensor(uniform('noise', sizeOf(shape)), shape) : null;
    const { heads } = model.train(params, tf.tensor4d(pictures(2, 32), [2, 32, 32, 3]), noise);
    return [...heads.head.dataSync()];
  });
}

describe('DeiT III by its authors', () => {
  const name = 'deit3_small_patch16_224';

  test('drops before the head alone, and branches at the same rate in every block', () => {
    const plain = trained(name, {});
    const [timm, authors] = [trained(name, { drop: 0.5 }), trained(name, { drop: 0.5, deit3Style: 'authors' })];
    expect(timm).not.toEqual(plain);
    expect(authors).not.toEqual(plain);
    expect(authors).not.toEqual(timm);
    expect(trained(name, { dropPath: 0.4, deit3Style: 'authors' })).not.toEqual(trained(name, { dropPath: 0.4 }));
  });

  test('starts LayerScale at 1e-4 and the class token as the positions', () => {
    const start = (deit3Style: 'timm' | 'authors') => {
      const { specs } = createModel(name, { classes: 3, inputSize: 32, deit3Style });
      return ['blocks.0.ls1.gamma', 'cls_token', 'pos_embed'].map((key) => specs.find((s) => s.name === key)?.init);
    };
    const narrow = { kind: 'truncatedNormal', std: 0.02 };
    expect(start('timm')).toEqual([{ kind: 'constant', value: 1e-6 }, { kind: 'normal', std: 1e-6 }, narrow]);
    expect(start('authors')).toEqual([{ kind: 'constant', value: 1e-4 }, narrow, narrow]);
  });

  test('is none of DeiT: there the style changes nothing', () => {
    const deit = 'deit_tiny_patch16_224';
    expect(trained(deit, { drop: 0.5, dropPath: 0.4, deit3Style: 'authors' })).toEqual(
      trained(deit, { drop: 0.5, dropPath: 0.4 }),
    );
  });
});
