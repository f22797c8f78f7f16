import { expect, test } from 'vitest';
import { footprint, frozenBytes } from '../../../src-main/engines/tensorflow/footprint.ts';
import { attr } from '../../../src-main/trace/ops.ts';
import type { DType } from '../../../src-main/runtime/dtypes.ts';
import { needed } from '../../../src-main/trace/rewrite.ts';
import { Hand } from '../trace/programs.ts';

const FLOAT = 4;

test('a value takes memory from its computation to its last use; inputs and views take none', () => {
  const hand = new Hand();
  const x = hand.input('x', [1000]);
  const a = hand.add('Exp', [x], [100]);
  const b = hand.add('Exp', [a], [10]); // a and b
  const view = hand.add('Reshape', [b], [10]);
  const c = hand.add('Exp', [x], [50]); // b, which the view holds, and c
  const d = hand.add('Add', [view, c], [50]); // b, c and d
  expect(footprint(hand.program(d), 1)).toBe((10 + 50 + 50) * FLOAT);
  const longer = new Hand();
  const y = longer.input('y', [1]);
  const [first, second] = [longer.add('Exp', [y], [100]), longer.add('Exp', [y], [10])];
  // What is handed out is held to the end.
  expect(footprint(longer.program(first, second, longer.add('Exp', [second], [5])), 1)).toBe(115 * FLOAT);
});

test('a call needs what its body does, once for each lane; an output in bfloat16 half of float32', () => {
  const inner = new Hand();
  const x = inner.input('0', [10]);
  const body = inner.program(inner.add('Exp', [inner.add('Exp', [x], [100])], [10]));
  const outer = new Hand();
  const program = outer.program(outer.add('Call', [outer.input('x', [10])], [10], { body }));
  expect(footprint(program, 1)).toBe((10 + 110) * FLOAT);
  expect(footprint(program, 3)).toBe((10 + 3 * 110) * FLOAT);
  const narrow = new Hand();
  expect(footprint(narrow.program(narrow.cast(narrow.input('x', [10]), 'bfloat16')), 1)).toBe(10 * 2);
});

test('what is needed is what outputs and assignments lead back to', () => {
  const hand = new Hand();
  const x = hand.input('x', [1]);
  const [kept, dropped, written] = ['Exp', 'Log', 'Neg'].map((op) => hand.add(op, [x], [1]));
  const program = { ...hand.program(kept), assigns: [{ variable: 'v', value: written }] };
  expect(dropped.node).toBe(2);
  expect(needed(program)).toEqual([true, true, false, true]);
});

test('frozen variables count as a program reads them, and constant kernels twice: oneDNN keeps them in its order too', () => {
  const variable = (hand: Hand, name: string, dtype: DType) => hand.add('Variable', [], [3, 3, 4, 4], { name, dtype });
  const kernel = 3 * 3 * 4 * 4;
  const inner = new Hand();
  const constant = { attrs: [attr.bool('is_filter_const', true)] };
  const [x, w] = [inner.input('0', [1, 8, 8, 4]), inner.input('1', [3, 3, 4, 4], 'bfloat16')];
  const body = inner.program(inner.add('FusedConv', [x, w], [1, 8, 8, 4], constant));
  const hand = new Hand();
  const images = hand.input('images', [1, 8, 8, 4]);
  const [prepared, plain] = [variable(hand, 'prepared', 'bfloat16'), variable(hand, 'teacher.plain', 'float32')];
  variable(hand, 'model.moves', 'float32');
  const calls = [0, 1].map(() => hand.add('Call', [images, prepared], [1, 8, 8, 4], { body }));
  const program = hand.program(...calls, plain);
  const prepare = { nodes: [], outputs: [], assigns: [{ variable: 'prepared', value: images }] };
  const isFrozen = (name: string) => name.startsWith('teacher.');
  expect(frozenBytes({ program, prepare }, isFrozen)).toBe(kernel * (2 + 2 + FLOAT));
});
