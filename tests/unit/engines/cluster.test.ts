import { describe, expect, test } from 'vitest';
import { cluster } from '../../../src-main/engines/tensorflow/cluster.ts';
import { Hand, ops } from '../trace/programs.ts';

const SIDE = [4, 4];

describe('element-wise work', () => {
  test('between two products becomes one cluster, and the products stay outside', () => {
    const hand = new Hand();
    const [x, w] = [hand.input('x', SIDE), hand.input('w', SIDE)];
    const first = hand.product(x, w, SIDE);
    const bent = hand.add('Tanh', [hand.add('Square', [first], SIDE)], SIDE);
    const program = cluster(hand.program(hand.product(bent, w, SIDE)), 1);
    expect(ops(program)).toEqual(['MatMul', 'Cluster', 'MatMul']);
    const { body, inputs, outputs } = program.nodes.find(({ op }) => op === 'Cluster')!;
    expect([ops(body!), inputs.length, outputs]).toEqual([['Square', 'Tanh'], 1, [{ shape: SIDE, dtype: 'float32' }]]);
  });

  test('on both sides of a product is two clusters: one would have to wait for itself', () => {
    const hand = new Hand();
    const [x, w] = [hand.input('x', SIDE), hand.input('w', SIDE)];
    const before = hand.add('Tanh', [hand.add('Square', [x], SIDE)], SIDE);
    const product = hand.product(before, w, SIDE);
    const after = hand.add('Exp', [hand.add('Add', [product, before], SIDE)], SIDE);
    const program = cluster(hand.program(after), 1);
    expect(ops(program)).toEqual(['Cluster', 'MatMul', 'Cluster']);
    // Every node comes after its inputs.
    program.nodes.forEach(({ inputs }, index) => inputs.forEach(({ node }) => expect(node).toBeLessThan(index)));
  });

  test('that is small, alone, or only moves values stays as it is', () => {
    const chain = (...names: string[]) => {
      const hand = new Hand();
      return hand.program(names.reduce((value, op) => hand.add(op, [value], SIDE), hand.input('x', SIDE)));
    };
    expect(ops(cluster(chain('Square', 'Tanh'), 17))).toEqual(['Square', 'Tanh']);
    expect(ops(cluster(chain('Square', 'Tanh'), 16))).toEqual(['Cluster']);
    expect(ops(cluster(chain('Square'), 1))).toEqual(['Square']);
    expect(ops(cluster(chain('Reshape', 'Squeeze'), 1))).toEqual(['Reshape', 'Squeeze']);
  });

  // TensorFlow does these on all cores, a cluster runs on one.
  test('around one sum or transposition stays as it is, with more than that it is a cluster', () => {
    const chain = (...names: string[]): string[] => {
      const hand = new Hand();
      const x = hand.cast(hand.input('x', SIDE, 'bfloat16'), 'float32');
      return ops(cluster(hand.program(names.reduce((value, op) => hand.add(op, [value], SIDE), x)), 1));
    };
    expect(chain('Sum')).toEqual(['Cast', 'Sum']);
    expect(chain('Transpose')).toEqual(['Cast', 'Transpose']);
    expect(chain('Transpose', 'Tanh')).toEqual(['Cast', 'Transpose', 'Tanh']);
    expect(chain('Tanh')).toEqual(['Cluster']);
    expect(chain('Square', 'Sum')).toEqual(['Cluster']);
  });

  test('takes constants along, and is equal to a cluster of the same work elsewhere', () => {
    const hand = new Hand();
    const w = hand.input('w', SIDE);
    const half = hand.constant(Float32Array.of(0.5), [], 'float32');
    const block = (x: ReturnType<Hand['input']>) => hand.add('Tanh', [hand.add('Mul', [x, half], SIDE)], SIDE);
    const first = hand.product(block(hand.input('x', SIDE)), w, SIDE);
    const { nodes } = cluster(hand.program(block(first)), 1);
    const [one, other] = nodes.filter(({ op }) => op === 'Cluster').map(({ body }) => body);
    expect(one!.nodes.some(({ op }) => op === 'Constant')).toBe(true);
    expect(one).toEqual(other);
  });

  test('waits narrow: a widened value is widened where it is used', () => {
    const hand = new Hand();
    const narrow = hand.input('x', SIDE, 'bfloat16');
    const wide = hand.cast(narrow, 'float32');
    const used = hand.add('Tanh', [hand.add('Square', [wide], SIDE)], SIDE);
    const program = cluster(hand.program(used, hand.add('Exp', [hand.product(wide, used, SIDE)], SIDE)), 1);
    const { inputs, body } = program.nodes.find(({ op }) => op === 'Cluster')!;
    expect(program.nodes[inputs[0].node].outputs[0].dtype).toBe('bfloat16');
    expect(ops(body!)).toEqual(['Cast', 'Square', 'Tanh']);
  });

  test('gives a value once: another shape of it is a view', () => {
    const shapes = (others: boolean) => {
      const hand = new Hand();
      const [x, rows] = [hand.input('x', SIDE), hand.constant(Int32Array.of(2, 8))];
      const bent = hand.add('Tanh', [hand.add('Square', [x], SIDE)], SIDE);
      const flat = hand.product(hand.add('Reshape', [bent, rows], [2, 8]), hand.input('w', [8, 2]), [2, 2]);
      const program = cluster(hand.program(flat, ...(others ? [hand.product(bent, x, SIDE)] : [])), 1);
      return [ops(program), program.nodes.find(({ op }) => op === 'Cluster')!.outputs.map(({ shape }) => shape)];
    };
    expect(shapes(true)).toEqual([['Cluster', 'Reshape', 'MatMul', 'MatMul'], [SIDE]]);
    expect(shapes(false)).toEqual([['Cluster', 'MatMul'], [[2, 8]]]);
  });
});
