import { expect, it } from 'vitest';
import { nearest } from '../../../src-main/base/nearest-word.ts';

const WORDS = ['epochs', 'warmup-epochs', 'lr', 'batch-size', 'mixup'];

it.each([
  ['epcohs', 'epochs'],
  ['epoch', 'epochs'],
  ['batchsize', 'batch-size'],
  ['warmup', 'warmup-epochs'],
  ['rl', 'lr'],
  ['mixture', null],
  ['', null],
])('%s is taken to mean %s', (typed, meant) => expect(nearest(typed, WORDS)).toBe(meant));
