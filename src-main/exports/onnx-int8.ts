import { bytesOf, known } from './arrays.ts';
import type { GraphNode, Weight } from './graph.ts';
import { ONNX_TYPES, type OnnxBuilder } from './onnx-builder.ts';

/**
 * Products of whole numbers in ONNX's standard ops. Weights are unsigned with a scale and a zero for each output: the
 * processors that add products of signed ones in 16 bits (AVX2) would overflow. Activations are quantised while it
 * runs, over the whole batch.
 */

/** Keeps what has been quantised already, by the name of the value. */
export type Quantizer = Map<string, string>;

type Linear = Extract<GraphNode, { op: 'Linear' }>;

/** Writes x · weightᵀ + bias. */
export function quantizedLinear(build: OnnxBuilder, quantizer: Quantizer, { weight, bias }: Linear, x: string): string {
  const quantized = quantizer.get(x) ?? build.op('DynamicQuantizeLinear', [x], {}, `${x}/quantized`, 3);
  quantizer.set(x, quantized);
  const { codes, scale, zero } = quantizedWeight(build, weight);
  const sums = build.op('MatMulInteger', [quantized, codes, `${quantized}:2`, zero], {}, `/${weight.name}`);
  const product = build.op('Cast', [sums], { to: { int: ONNX_TYPES.float32 } });
  const scaled = build.op('Mul', [product, build.op('Mul', [`${quantized}:1`, scale])]);
  return build.op('Add', [scaled, build.weight(bias)]);
}

function quantizedWeight(build: OnnxBuilder, weight: Weight) {
  const [out, inputs] = weight.shape;
  const name = `${weight.name}.T`;
  const { codes, scales, zeros } = quantize(weight.values(), out, inputs);
  const bytes = (suffix: string, shape: number[], values: Uint8Array): string =>
    build.initializer({ name: `${name}.${suffix}`, shape, type: ONNX_TYPES.uint8, bytes: known(values) });
  return {
    codes: bytes('quantized', [inputs, out], codes),
    zero: bytes('zero_point', [out], zeros),
    scale: build.initializer({
      ...{ name: `${name}.scale`, shape: [out], type: ONNX_TYPES.float32 },
      bytes: known(bytesOf(scales)),
    }),
  };
}

/**
 * Rounds each row of a matrix [out, in] to 256 steps between its least and its greatest number, which enclose 0.
 * @returns codes [in, out], with value = (code − zero) · scale
 */
export function quantize(values: Float32Array, out: number, inputs: number) {
  const codes = new Uint8Array(out * inputs);
  const scales = new Float32Array(out);
  const zeros = new Uint8Array(out);
  for (let row = 0; row < out; row++) {
    const own = values.subarray(row * inputs, (row + 1) * inputs);
    const least = own.reduce((a, b) => Math.min(a, b), 0);
    const greatest = own.reduce((a, b) => Math.max(a, b), 0);
    const scale = Math.fround((greatest - least) / 255) || 1;
    const zero = Math.round(-least / scale);
    [scales[row], zeros[row]] = [scale, zero];
    for (let at = 0; at < inputs; at++)
      codes[at * out + row] = Math.min(255, Math.max(0, Math.round(own[at] / scale) + zero));
  }
  return { codes, scales, zeros };
}
