import { describe, expect, test } from 'vitest';
import { fuseBias, lower, sumsOverRows } from '../../../src-main/engines/tensorflow/lower.ts';
import { simplify } from '../../../src-main/trace/rewrite.ts';
import { attr } from '../../../src-main/trace/ops.ts';
import { print } from '../../../src-main/trace/print.ts';
import { Hand, ops } from '../trace/programs.ts';

describe('simplify', () => {
  test('computes equal things once and drops what nothing needs, but no input', () => {
    const hand = new Hand();
    const [x, unused] = [hand.input('x', [2]), hand.input('unused', [2])];
    const [one, other] = [hand.add('Square', [x], [2]), hand.add('Square', [x], [2])];
    hand.add('Exp', [unused], [2]);
    const simple = simplify(hand.program(hand.add('Add', [one, other], [2])));
    expect(print(simple)).toBe(
      ['%0:f32[2] = Input x', '%1:f32[2] = Input unused', '%2:f32[2] = Square(%0)', '%3:f32[2] = Add(%2, %2)', 'return out0 = %3'].join('\n'), // prettier-ignore
    );
  });

  test('keeps apart what differs in an attribute, a type or the values of a constant', () => {
    const hand = new Hand();
    const x = hand.input('x', [2]);
    const constants = [Int32Array.of(0), Int32Array.of(1)].map((values) => hand.constant(values));
    const sums = constants.map((axis) => hand.add('Sum', [x, axis], []));
    const casts = (['bfloat16', 'float16'] as const).map((dtype) => hand.cast(x, dtype));
    expect(ops(simplify(hand.program(...sums, ...casts)))).toEqual(['Sum', 'Sum', 'Cast', 'Cast']);
  });
});

test('a conversion to the type that a value has is that value, also where it is a second result', () => {
  const hand = new Hand();
  const two = [1, 2].map(() => ({ shape: [2], dtype: 'float32' as const }));
  const { node } = hand.add('Unpack', [hand.input('x', [2, 2])], [2], { outputs: two });
  const twice = hand.cast(hand.cast({ node, output: 1 }, 'float32'), 'float32');
  const simple = simplify(hand.program(hand.add('Square', [twice], [2]), hand.cast(twice, 'bfloat16')));
  expect(ops(simple)).toEqual(['Unpack', 'Square', 'Cast']);
  expect(simple.nodes.slice(-2).map(({ inputs }) => inputs)).toEqual([[{ node, output: 1 }], [{ node, output: 1 }]]);
});

describe('a sum over rows', () => {
  const sum = (shape: number[], axes: number[], more = {}) => {
    const hand = new Hand();
    const x = hand.input('x', shape);
    const axis = hand.constant(Int32Array.from(axes));
    const rest = shape.filter((_, at) => !axes.includes(at));
    return sumsOverRows(hand.program(hand.add('Sum', [x, axis], rest, more)));
  };

  test('becomes the gradient of a bias, over one row of all leading axes', () => {
    const program = sum([2, 3, 4], [1, 0]);
    expect(ops(program)).toEqual(['Reshape', 'BiasAddGrad']);
    const [reshape, gradient] = program.nodes.slice(-2);
    expect([reshape.outputs[0].shape, gradient.outputs[0].shape]).toEqual([[6, 4], [4]]);
  });

  test('stays as it is over other axes, or where the axes are kept', () => {
    expect(ops(sum([2, 3, 4], [0]))).toEqual(['Sum']);
    expect(ops(sum([2, 3, 4], [0, 2]))).toEqual(['Sum']);
    expect(ops(sum([4], [0]))).toEqual(['Sum']);
    const kept = { attrs: [{ name: 'keep_dims', type: 0, value: true }] };
    expect(ops(sum([2, 4], [0], kept))).toEqual(['Sum']);
  });
});

describe('a product with a bias', () => {
  const withBias = (others: number) => {
    const hand = new Hand();
    const [x, w, b] = [hand.input('x', [2, 3]), hand.input('w', [3, 4]), hand.input('b', [4])];
    const product = hand.product(x, w, [2, 4]);
    const sum = hand.add('BiasAdd', [product, b], [2, 4]);
    return fuseBias(hand.program(sum, ...Array.from({ length: others }, () => product)));
  };

  test('is one op where nothing else needs the product', () => {
    expect(ops(withBias(0))).toEqual(['_FusedMatMul']);
    expect(
      withBias(0)
        .nodes.at(-1)!
        .inputs.map(({ node }) => node),
    ).toEqual([0, 1, 2]);
  });

  test('is two where something does', () => expect(ops(withBias(1))).toEqual(['MatMul', 'BiasAdd']));
});

describe('lower', () => {
  const body = () => {
    const hand = new Hand();
    const [x, w] = [hand.input('0', [2, 3]), hand.input('1', [3, 4])];
    return hand.program(hand.product(x, w, [2, 4]));
  };
  const twice = () => {
    const [hand, shared] = [new Hand(), body()];
    const [x, w] = [hand.input('x', [2, 3]), hand.input('w', [3, 4])];
    const calls = [1, 2].map(() => hand.add('Call', [x, w], [2, 4], { body: shared }));
    return hand.program(...calls);
  };

  test('keeps float32 as it is: no type is changed', () => {
    const program = lower(twice(), { precision: 'float32', fuse: false });
    const types = [program, program.nodes.at(-1)!.body!].flatMap(({ nodes }) =>
      nodes.flatMap(({ outputs }) => outputs),
    );
    expect(new Set(types.map(({ dtype }) => dtype))).toEqual(new Set(['float32']));
  });

  test('in bfloat16 multiplies narrow numbers, converts a shared weight once, and gives back what was asked for', () => {
    const program = lower(twice(), { precision: 'bfloat16', fuse: false });
    const calls = program.nodes.filter(({ op }) => op === 'Call');
    expect(calls).toHaveLength(2);
    // A body that two calls share stays one.
    expect(calls[0].body).toBe(calls[1].body);
    const product = calls[0].body!.nodes.find(({ op }) => op === 'MatMul')!;
    expect(product.outputs[0].dtype).toBe('bfloat16');
    expect(calls[0].body!.nodes.filter(({ op }) => op === 'Input').map(({ outputs }) => outputs[0].dtype)).toEqual(['bfloat16', 'bfloat16']); // prettier-ignore
    expect(calls[0].inputs).toEqual(calls[1].inputs);
    for (const { value } of program.outputs)
      expect(program.nodes[value.node].outputs[value.output].dtype).toBe('float32');
  });

  test.each([
    ['a factor for each image', [2, 1, 1, 1], 'bfloat16'],
    ['a factor for each channel', [2, 1, 1, 3], 'bfloat16'],
    ['a number', [], 'float32'],
  ])(
    'in bfloat16 %s between convolutions, of shape [%s] is multiplied in float32, and the sum after it is %s',
    (_, factors, dtype) => {
      const hand = new Hand();
      const [image, kernel] = [hand.input('x', [2, 4, 4, 3]), hand.input('w', [3, 3, 3, 3])];
      const convolve = (x: ReturnType<Hand['input']>) =>
        hand.add('Conv2D', [x, kernel], [2, 4, 4, 3], { attrs: [attr.type('T', 'float32')] });
      const first = convolve(image);
      const product = hand.add('Mul', [first, hand.input('factors', factors)], [2, 4, 4, 3]);
      const last = convolve(hand.add('Add', [product, first], [2, 4, 4, 3]));
      const program = lower(hand.program(last), { precision: 'bfloat16', fuse: false, oneDnn: true });
      const typeOf = (op: string) => program.nodes.find((node) => node.op === op)!.outputs[0].dtype;
      expect([typeOf('Mul'), typeOf('Add')]).toEqual(['float32', dtype]);
    },
  );

  test('in bfloat16 a parameter is converted once, and then moved: half the bytes', () => {
    const hand = new Hand();
    const [x, weight] = [hand.input('x', [4, 4]), hand.input('weight', [4, 4])];
    const attrs = [attr.type('T', 'float32'), attr.type('Tperm', 'int32')];
    const turned = hand.add('Transpose', [weight, hand.constant(Int32Array.of(1, 0))], [4, 4], { attrs });
    const first = hand.product(x, turned, [4, 4]);
    const program = lower(hand.program(hand.product(first, weight, [4, 4])), { precision: 'bfloat16', fuse: false });
    expect(ops(program)).toEqual(['Cast', 'Cast', 'Transpose', 'MatMul', 'MatMul', 'Cast']);
    expect(program.nodes.find(({ op }) => op === 'Transpose')!.outputs[0].dtype).toBe('bfloat16');
  });

  test('in bfloat16 the gradients of depthwise convolutions are computed in float32, and that of an image is rounded', () => {
    const hand = new Hand();
    const [side, kernel] = [[2, 4, 4, 3], hand.input('w', [3, 3, 3, 3])];
    const attrs = [attr.type('T', 'float32')];
    const image = hand.add('Conv2D', [hand.input('x', side), kernel], side, { attrs });
    const [sizes, factors] = [hand.constant(Int32Array.of(...side)), hand.input('d', [3, 3, 3, 1])];
    const toImage = hand.add('DepthwiseConv2dNativeBackpropInput', [sizes, factors, image], side, { attrs });
    const toKernel = hand.add('DepthwiseConv2dNativeBackpropFilter', [image, sizes, image], [3, 3, 3, 1], { attrs });
    const bent = hand.add('ReluGrad', [toImage, image], side, { attrs });
    const program = lower(hand.program(bent, toKernel), { precision: 'bfloat16', fuse: false, oneDnn: true });
    const typesOf = (op: string) => {
      const { inputs, outputs } = program.nodes.find((node) => node.op === op)!;
      return [...inputs.map((ref) => program.nodes[ref.node].outputs[ref.output]), ...outputs].map(
        ({ dtype }) => dtype,
      );
    };
    expect(typesOf('DepthwiseConv2dNativeBackpropInput')).toEqual(['int32', 'float32', 'float32', 'float32']);
    expect(typesOf('DepthwiseConv2dNativeBackpropFilter')).toEqual(['float32', 'int32', 'float32', 'float32']);
    expect(typesOf('ReluGrad')).toEqual(['bfloat16', 'bfloat16', 'bfloat16']);
  });
});
