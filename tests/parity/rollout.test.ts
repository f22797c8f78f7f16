import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { transformer } from '../../src-main/model/deit.ts';
import { rollout, rolloutShape } from '../../src-main/model/rollout.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { relativeError, testEngine } from '../helpers/engine.ts';
import { images, parameterValues } from '../helpers/generated.ts';

/** Made by make-rollout-fixture.py of timm's networks. */
interface Fixture {
  heads: Record<string, number>;
  patch: number;
  size: number;
  cases: {
    dim: number;
    depth: number;
    heads: number;
    distilled: boolean;
    third: boolean;
    looks: number[];
    raw: number[];
  }[];
}

const fixture = JSON.parse(readFileSync(new URL('rollout.json', import.meta.url), 'utf8')) as Fixture;

beforeAll(testEngine);

describe('attention rollout', () => {
  test('knows how many heads each network has', () => {
    const ours = Object.keys(fixture.heads).map((name) => {
      const { attentionHeads } = createModel(name, { classes: 2, inputSize: name.includes('384') ? 384 : 224 });
      return [name, attentionHeads];
    });
    expect(Object.fromEntries(ours)).toEqual(fixture.heads);
    expect(rolloutShape(createModel('resnet18', { classes: 2, inputSize: 32 }))).toBeNull();
  });

  test.each(fixture.cases)('looks where timm does: $heads heads, width $dim', ({ looks, raw, third, ...rest }) => {
    const { patch, size: inputSize } = fixture;
    const shape = { ...rest, patch, ...(third ? { layerScale: 1e-6 } : {}) };
    const network = transformer(shape, { classes: 2, inputSize });
    const got = tf.tidy(() => {
      const params = network.specs.map((spec) => [spec.name, tf.tensor(parameterValues(spec), spec.shape)] as const);
      const pixels = tf.tensor4d(images(1, inputSize), [1, inputSize, inputSize, 3]);
      const found = rollout(rolloutShape(network)!, Object.fromEntries(params), pixels);
      return { looks: [...found.rolled.dataSync()], raw: [...found.raw.dataSync()] };
    });
    expect(relativeError(got.looks, looks)).toBeLessThan(1e-5);
    expect(relativeError(got.raw, raw)).toBeLessThan(1e-5);
  });
});
