import { shapeSize } from '../../../src-main/base/shape-size.ts';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { divideNoise, dropout, dropPath, noiseOf } from '../../../src-main/model/noise.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { relativeError, testEngine } from '../../helpers/engine.ts';
import { parameterValues, images, uniform } from '../../helpers/generated.ts';

beforeAll(testEngine);

/** Runs `check` and expects it to leave no tensor behind. */
function tidy(check: () => void): void {
  const before = tf.memory().numTensors;
  tf.tidy(check);
  expect(tf.memory().numTensors).toBe(before);
}

describe('stochastic depth', () => {
  test('drops a branch by image and scales the rest', () => {
    tidy(() => {
      const branch = tf.ones([4, 2, 1]);
      const dropped = dropPath(branch, 0.25, tf.tensor1d([0, 0.2, 0.25, 0.99]));
      expect(relativeError(dropped.dataSync(), [0, 0, 0, 0, 4 / 3, 4 / 3, 4 / 3, 4 / 3])).toBeLessThan(1e-6);
      expect(dropPath(branch, 0, tf.zeros([4]))).toBe(branch);
      expect(dropPath(branch, 0.25, null)).toBe(branch);
    });
  });
});

const keysOf = (columns: number[][]) => columns.map((column) => tf.tensor1d(column, 'int32'));

describe('dropout', () => {
  const ones = (batch: number) => tf.ones<tf.Rank.R3>([batch, 50, 100]);
  const KEYS = [[3, 5, 7, 99], [33554431, 11, 1, 9], [12345, 678901, 2222221, 31]]; // prettier-ignore
  const drop = (keys: number[][], place = 0, rate = 0.3) => {
    return [...dropout(ones(keys[0].length), rate, keysOf(keys), place).dataSync()];
  };
  const zeros = (values: number[]) => values.filter((value) => value === 0).length / values.length;

  test('makes the share that it says 0 and scales the rest', () => {
    tidy(() => {
      const values = drop(KEYS);
      // Four deviations of a share of 0.3 among 20,000.
      expect(Math.abs(zeros(values) - 0.3)).toBeLessThan(0.013);
      expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
    });
  });

  test('drops neighbours, images and places independently of one another', () => {
    tidy(() => {
      const [here, there] = [drop(KEYS), drop(KEYS, 1)];
      const both = (a: number[], b: number[]) => zeros(a.map((value, i) => value + b[i]));
      const images = [0, 1, 2, 3].map((index) => here.slice(5000 * index, 5000 * (index + 1)));
      // Four deviations of a share of 0.09 among 5,000.
      for (const [a, b] of [
        [0, 1],
        [0, 2],
        [1, 3],
        [2, 3],
      ])
        // prettier-ignore
        expect(Math.abs(both(images[a], images[b]) - 0.09)).toBeLessThan(0.017);
      expect(Math.abs(both(here, there) - 0.09)).toBeLessThan(0.0085);
      for (const shift of [1, 2, 3, 4, 100])
        expect(Math.abs(both(here.slice(shift), here.slice(0, -shift)) - 0.09)).toBeLessThan(0.0085);
    });
  });

  test('repeats itself for the keys of an image, whatever else is in the batch', () => {
    tidy(() => {
      const whole = drop(KEYS);
      expect(drop(KEYS)).toEqual(whole);
      const part = drop(KEYS.map((column) => column.slice(1, 3)));
      expect(part).toEqual(whole.slice(5000, 15000));
      expect(new Set([whole.slice(0, 5000), part.slice(0, 5000), part.slice(5000)].map(String)).size).toBe(3);
    });
  });

  test('lets gradients through where it lets values through', () => {
    tidy(() => {
      const keys = keysOf(KEYS);
      const gradient = tf.grad((x) => tf.sum(dropout(x, 0.3, keys, 2)))(ones(4));
      expect([...gradient.dataSync()]).toEqual([...dropout(ones(4), 0.3, keys, 2).dataSync()]);
    });
  });

  test('does nothing at rate 0 and without keys', () => {
    tidy(() => {
      const x = ones(4);
      expect(dropout(x, 0, keysOf(KEYS), 0)).toBe(x);
      expect(dropout(x, 0.5, null, 0)).toBe(x);
    });
  });
});

describe('the noise of a step', () => {
  test.each([
    [{}, null],
    [{ dropPath: 0.1 }, [6, 5]],
    [{ drop: 0.1 }, [3, 5]],
    [{ dropPath: 0.1, drop: 0.1 }, [9, 5]],
  ])('%o asks for rows %o', (rates, shape) => {
    expect(noiseOf(6, rates)?.shape(5) ?? null).toEqual(shape);
  });

  test('is taken apart: rows of branches, and odd keys of each image', () => {
    tidy(() => {
      const noise = tf.tensor2d([0.1, 0.2, 0.3, 0.4, 0, 0.5, 2 ** -24, 1 - 2 ** -24, 0.25, 1], [5, 2]);
      const { branches, keys } = divideNoise(noise, 2, { dropPath: 0.1, drop: 0.1 });
      const values = (tensors: tf.Tensor[] | null) => tensors!.map((row) => [...row.dataSync()]);
      expect(values(branches)).toEqual([[0.1, 0.2].map(Math.fround), [0.3, 0.4].map(Math.fround)]);
      expect(values(keys)).toEqual([
        [1, 2 ** 24 + 1],
        [3, 2 ** 25 - 1],
        [2 ** 23 + 1, 2 ** 25 + 1],
      ]);
      expect(divideNoise(null, 2, { dropPath: 0.1, drop: 0.1 })).toEqual({ branches: null, keys: null });
    });
  });
});

/** Head logits of two images while training. */
function trained(
  name: string,
  options: { drop?: number; dropPath?: number; deit3Style?: 'timm' | 'authors' },
): number[] {
  return tf.tidy(() => {
    const model = createModel(name, { classes: 3, inputSize: 32, ...options });
    const params = Object.fromEntries(model.specs.map((s) => [s.name, tf.tensor(parameterValues(s), s.shape)]));
    const shape = model.noise?.shape(2);
    const noise = shape ? tf.tensor(uniform('noise', shapeSize(shape)), shape) : null;
    const { heads } = model.train(params, tf.tensor4d(images(2, 32), [2, 32, 32, 3]), noise);
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
