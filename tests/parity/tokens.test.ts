import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { transformer } from '../../src-main/model/deit.ts';
import { tokenCosines } from '../../src-main/model/token-cosine.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { testEngine } from '../helpers/engine.ts';
import { images, parameterValues } from '../helpers/generated.ts';

/** Made by make-token-fixture.py of timm's networks: cosines [places, images]. */
const fixture = JSON.parse(readFileSync(new URL('tokens.json', import.meta.url), 'utf8')) as {
  patch: number;
  size: number;
  batch: number;
  cases: { dim: number; depth: number; heads: number; cosines: number[][] }[];
};

beforeAll(testEngine);

describe('cosines of class and distillation token', () => {
  test.each(fixture.cases)('are those of timm: $depth blocks, width $dim', ({ cosines, ...shape }) => {
    const { patch, size: inputSize, batch } = fixture;
    const network = transformer({ ...shape, patch, distilled: true }, { classes: 2, inputSize });
    const got = tf.tidy(() => {
      const params = network.specs.map((spec) => [spec.name, tf.tensor(parameterValues(spec), spec.shape)] as const);
      const pixels = tf.tensor4d(images(batch, inputSize), [batch, inputSize, inputSize, 3]);
      const model = { ...network, distilled: true, name: 'small' };
      return tokenCosines(model, Object.fromEntries(params), pixels).arraySync();
    });
    expect(got.map((place) => place.length)).toEqual(cosines.map((place) => place.length));
    got.forEach((place, at) =>
      place.forEach((cosine, image) =>
        expect(cosine, `place ${at}, image ${image}`).toBeCloseTo(cosines[at][image], 5),
      ),
    );
  });

  test('are refused of a network with one token', () => {
    const model = createModel('deit_tiny_patch16_224', { classes: 2, inputSize: 32 });
    expect(() => tokenCosines(model, {}, tf.zeros([1, 32, 32, 3]))).toThrow(/two tokens/);
  });
});
