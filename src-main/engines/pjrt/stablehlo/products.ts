import { range, type Lowerings, type Site } from './lowering.ts';
import { elementOf, listText, typeText, type Value } from './text.ts';

/** a · b, of the axes that are contracted; the first `batch` axes of both go side by side. */
function dot(site: Site, a: Value, b: Value, [ofA, ofB]: readonly [number, number], batch = 0): Value {
  const { writer, outputs } = site;
  const batching = batch > 0 ? `, batching_dims = ${listText(range(batch))} x ${listText(range(batch))}` : '';
  const exact = a.dtype === 'float32' ? `, precision = [${writer.precision}, ${writer.precision}]` : '';
  const out = { shape: outputs[0].shape, dtype: elementOf(outputs[0].dtype) };
  return writer.op('stablehlo.dot_general', [a, b], out, `${batching}, contracting_dims = [${ofA}] x [${ofB}]${exact}`);
}

type Pair = readonly [number, number];

/** A convolution as StableHLO has it. Axes are letters: b batch, f feature, i and o those of the kernel. */
interface Convolution {
  input: string;
  kernel: string;
  output: string;
  stride?: Pair;
  pads: readonly [Pair, Pair];
  /** How far apart the numbers of the input are put. */
  spacing?: Pair;
  /** How far apart those of the kernel are put. */
  kernelSpacing?: Pair;
  groups?: number;
  batchGroups?: number;
}

function convolve({ writer }: Site, x: Value, kernel: Value, shape: readonly number[], how: Convolution): Value {
  const { stride = [1, 1], pads, spacing = [1, 1], kernelSpacing = [1, 1], groups = 1, batchGroups = 1 } = how;
  const one = `#stablehlo<precision ${writer.precision}>`;
  const exact = x.dtype === 'float32' ? `, precision_config = [${one}, ${one}]` : '';
  const out = writer.fresh({ shape, dtype: x.dtype });
  const dims = `[${how.input}]x[${how.kernel}]->[${how.output}]`;
  const window = [
    `stride = ${listText(stride)}`,
    `pad = ${listText(pads.map(listText))}`,
    `lhs_dilate = ${listText(spacing)}`,
    `rhs_dilate = ${listText(kernelSpacing)}`,
  ].join(', ');
  const counts = `batch_group_count = ${batchGroups} : i64, feature_group_count = ${groups} : i64`;
  writer.line(
    `${out.name} = stablehlo.convolution(${x.name}, ${kernel.name}) dim_numbers = ${dims}, window = {${window}} {${counts}${exact}} : (${typeText(x)}, ${typeText(kernel)}) -> ${typeText(out)}`,
  );
  return out;
}

/** The geometry of a convolution of [B, H, W, C] by a kernel [h, w, …], whichever way it is computed. */
interface Geometry {
  stride: Pair;
  pads: readonly [Pair, Pair];
}

function geometry(site: Site, from: readonly number[], kernel: readonly number[], to: readonly number[]): Geometry {
  const strides = site.attr('strides') as number[];
  const mode = site.attr('padding');
  const dilations = site.node.attrs.find(({ name }) => name === 'dilations')?.value as number[] | undefined;
  if (dilations?.some((one) => one !== 1)) throw new RangeError(`${site.node.op}: dilations are not lowered`);
  const given = mode === 'EXPLICIT' ? (site.attr('explicit_paddings') as number[]) : null;
  const pads = [1, 2].map((axis): Pair => {
    if (given) return [given[2 * axis], given[2 * axis + 1]];
    const all = mode === 'VALID' ? 0 : Math.max(0, (to[axis] - 1) * strides[axis] + kernel[axis - 1] - from[axis]);
    return [Math.floor(all / 2), Math.ceil(all / 2)];
  });
  return { stride: [strides[1], strides[2]], pads: [pads[0], pads[1]] };
}

/** The padding with which the gradient, put `stride` apart, gives as many numbers as there were. */
function backwardPads(
  { stride, pads }: Geometry,
  x: readonly number[],
  kernel: readonly number[],
  dy: readonly number[],
) {
  const side = (axis: 0 | 1): Pair => {
    const low = kernel[axis] - 1 - pads[axis][0];
    const spread = (dy[axis + 1] - 1) * stride[axis] + 1;
    return [low, x[axis + 1] - 1 + kernel[axis] - spread - low];
  };
  return [side(0), side(1)] as const;
}

/** The padding of the images with which the gradient, as a kernel, gives a kernel of this size. */
function filterPads(
  { stride, pads }: Geometry,
  x: readonly number[],
  kernel: readonly number[],
  dy: readonly number[],
) {
  const side = (axis: 0 | 1): Pair => {
    const low = pads[axis][0];
    return [low, kernel[axis] + (dy[axis + 1] - 1) * stride[axis] - x[axis + 1] - low];
  };
  return [side(0), side(1)] as const;
}

const IMAGES = 'b, 0, 1, f';

function conv2d(site: Site, x: Value, kernel: Value): Value {
  const [{ shape }] = site.outputs;
  const groups = x.shape[3] / kernel.shape[2];
  const how = { ...geometry(site, x.shape, kernel.shape, shape), groups };
  return convolve(site, x, kernel, shape, { input: IMAGES, kernel: '0, 1, i, o', output: IMAGES, ...how });
}

function conv2dToInput(site: Site, kernel: Value, dy: Value): Value {
  const [{ shape }] = site.outputs;
  const how = geometry(site, shape, kernel.shape, dy.shape);
  if (shape[3] !== kernel.shape[2]) throw new RangeError('Conv2DBackpropInput: groups are not lowered');
  const turned = site.writer.reverse(kernel, [0, 1]);
  const pads = backwardPads(how, shape, kernel.shape, dy.shape);
  const names = { input: IMAGES, kernel: '0, 1, o, i', output: IMAGES };
  return convolve(site, dy, turned, shape, { ...names, pads, spacing: how.stride });
}

function conv2dToFilter(site: Site, x: Value, dy: Value): Value {
  const [{ shape }] = site.outputs;
  const how = geometry(site, x.shape, shape, dy.shape);
  if (x.shape[3] !== shape[2]) throw new RangeError('Conv2DBackpropFilter: groups are not lowered');
  const pads = filterPads(how, x.shape, shape, dy.shape);
  const names = { input: 'f, 0, 1, b', kernel: 'i, 0, 1, o', output: '0, 1, b, f' };
  return convolve(site, x, dy, shape, { ...names, pads, kernelSpacing: how.stride });
}

function depthwise(site: Site, x: Value, kernel: Value): Value {
  const [{ shape }] = site.outputs;
  const [height, width, channels, each] = kernel.shape;
  const how = { ...geometry(site, x.shape, kernel.shape, shape), groups: channels };
  const flat = site.writer.reshape(kernel, [height, width, 1, channels * each]);
  return convolve(site, x, flat, shape, { input: IMAGES, kernel: '0, 1, i, o', output: IMAGES, ...how });
}

function depthwiseToInput(site: Site, kernel: Value, dy: Value): Value {
  const [{ shape }] = site.outputs;
  const how = geometry(site, shape, kernel.shape, dy.shape);
  const turned = site.writer.transpose(site.writer.reverse(kernel, [0, 1]), [0, 1, 3, 2]);
  const pads = backwardPads(how, shape, kernel.shape, dy.shape);
  const names = { input: IMAGES, kernel: '0, 1, i, o', output: IMAGES };
  return convolve(site, dy, turned, shape, { ...names, pads, spacing: how.stride, groups: kernel.shape[2] });
}

function depthwiseToFilter(site: Site, x: Value, dy: Value): Value {
  const [{ shape }] = site.outputs;
  const [height, width, channels, each] = shape;
  const how = geometry(site, x.shape, shape, dy.shape);
  const pads = filterPads(how, x.shape, shape, dy.shape);
  const names = { input: 'f, 0, 1, b', kernel: 'i, 0, 1, o', output: '0, 1, b, f' };
  const more = { pads, kernelSpacing: how.stride, batchGroups: channels };
  const flat = convolve(site, x, dy, [height, width, 1, channels * each], { ...names, ...more });
  return site.writer.reshape(flat, shape);
}

/** Products of matrices and convolutions. */
export const PRODUCTS: Lowerings = {
  MatMul: (site, a, b) => dot(site, a, b, [site.is('transpose_a') ? 0 : 1, site.is('transpose_b') ? 1 : 0]),
  BatchMatMulV2: (site, a, b) => {
    const batch = a.shape.length - 2;
    if (String(a.shape.slice(0, batch)) !== String(b.shape.slice(0, batch))) {
      throw new RangeError('BatchMatMulV2: the batches are not of one shape');
    }
    return dot(site, a, b, [batch + (site.is('adj_x') ? 0 : 1), batch + (site.is('adj_y') ? 1 : 0)], batch);
  },
  Conv2D: conv2d,
  Conv2DBackpropInput: (site, _sizes, kernel, dy) => conv2dToInput(site, kernel, dy),
  Conv2DBackpropFilter: (site, x, _sizes, dy) => conv2dToFilter(site, x, dy),
  DepthwiseConv2dNative: depthwise,
  DepthwiseConv2dNativeBackpropInput: (site, _sizes, kernel, dy) => depthwiseToInput(site, kernel, dy),
  DepthwiseConv2dNativeBackpropFilter: (site, x, _sizes, dy) => depthwiseToFilter(site, x, dy),
};
