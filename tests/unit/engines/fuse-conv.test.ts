import { expect, test } from 'vitest';
import { fuseConvolutions } from '../../../src-main/engines/tensorflow/fuse-conv.ts';
import { fusedOps } from '../../../src-main/trace/composites.ts';
import { attr } from '../../../src-main/trace/ops.ts';
import { simplify } from '../../../src-main/trace/rewrite.ts';
import type { Program, ValueRef } from '../../../src-main/trace/program.ts';
import { Hand, ops } from '../trace/programs.ts';

const SHAPE = [1, 4, 4, 2];

/** A convolution of `x` and its bias. */
function biased(hand: Hand, x: ValueRef, op = 'Conv2D', padding = 'SAME'): ValueRef {
  const kernel = hand.input(`kernel${hand.nodes.length}`, [3, 3, 2, 2]);
  const bias = hand.input(`bias${hand.nodes.length}`, [2]);
  const attrs = [attr.type('T', 'float32'), attr.int('strides', [1, 1, 1, 1]), attr.text('padding', padding)];
  return hand.add('AddV2', [hand.add(op, [x, kernel], SHAPE, { attrs }), bias], SHAPE);
}

const fuse = (program: Program) => simplify(fuseConvolutions(program, () => false));
const fused = (program: Program) => program.nodes.filter(({ op }) => op === 'FusedConv').map(fusedOps);

test('a bias, a shortcut and a ReLU become part of a convolution', () => {
  const hand = new Hand();
  const x = hand.input('x', SHAPE);
  const sum = hand.add('AddV2', [biased(hand, x), x], SHAPE);
  const program = fuse(hand.program(hand.add('Relu', [sum], SHAPE)));
  expect(ops(program)).toEqual(['FusedConv']);
  expect(fused(program)).toEqual([['BiasAdd', 'Add', 'Relu']]);
});

test('of two convolutions that are summed the later one takes the other', () => {
  const hand = new Hand();
  const x = hand.input('x', SHAPE);
  const [one, other] = [biased(hand, x), biased(hand, x)];
  const program = fuse(hand.program(hand.add('AddV2', [one, other], SHAPE)));
  expect(fused(program)).toEqual([['BiasAdd'], ['BiasAdd', 'Add']]);
});

test('what something else needs too stays as it is', () => {
  const hand = new Hand();
  const sum = biased(hand, hand.input('x', SHAPE));
  const program = fuse(hand.program(hand.add('Relu', [sum], SHAPE), sum));
  expect(ops(program)).toEqual(['FusedConv', 'Relu']);
});

test('a convolution with a kernel for each channel takes no shortcut and no padding', () => {
  const hand = new Hand();
  const x = hand.input('x', [1, 2, 2, 2]);
  const zero = hand.constant(Float32Array.of(0), [], 'float32');
  const sides = hand.constant(Int32Array.of(0, 0, 1, 1, 1, 1, 0, 0), [4, 2]);
  const padded = hand.add('PadV2', [x, sides, zero], SHAPE);
  const sum = hand.add('AddV2', [biased(hand, padded, 'DepthwiseConv2dNative', 'VALID'), padded], SHAPE);
  expect(ops(fuse(hand.program(sum)))).toEqual(['Pad', 'FusedConv', 'AddV2']);
});

test('zeros around the images become padding, other numbers do not', () => {
  const padding = (value: number) => {
    const hand = new Hand();
    const x = hand.input('x', [1, 2, 2, 2]);
    const border = hand.constant(Float32Array.of(value), [], 'float32');
    const sides = hand.constant(Int32Array.of(0, 0, 1, 1, 1, 1, 0, 0), [4, 2]);
    const padded = hand.add('PadV2', [x, sides, border], SHAPE);
    const { nodes } = fuse(hand.program(biased(hand, padded, 'Conv2D', 'VALID')));
    return nodes.find(({ op }) => op === 'FusedConv')!.attrs.filter(({ name }) => name.includes('padding'));
  };
  expect(padding(0)).toEqual([
    attr.text('padding', 'EXPLICIT'),
    attr.int('explicit_paddings', [0, 0, 1, 1, 1, 1, 0, 0]),
  ]);
  expect(padding(1)).toEqual([attr.text('padding', 'VALID')]);
});
