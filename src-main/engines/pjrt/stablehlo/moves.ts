import { shapeSize } from '../../../base/shape-size.ts';
import { axesOf, axisOf, range, type Lowering, type Lowerings, type Site } from './lowering.ts';
import type { Value } from './text.ts';

const reshaped: Lowering = ({ writer, outputs }, x) => writer.reshape(x, outputs[0].shape);

/** Parts of `x` along an axis, one after the other, as the results' shapes say. */
function parts({ writer, outputs }: Site, x: Value, axis: number, sizes: readonly number[]): Value[] {
  let from = 0;
  return outputs.map(({ shape }, index) => {
    const begin = x.shape.map((_, at) => (at === axis ? from : 0));
    const sides = x.shape.map((side, at) => (at === axis ? sizes[index] : side));
    from += sizes[index];
    return writer.reshape(writer.slice(x, begin, sides), shape);
  });
}

function pack({ writer, outputs, attr }: Site, ...inputs: Value[]): Value {
  const [{ shape }] = outputs;
  const axis = axisOf(Number(attr('axis')), shape.length);
  const thin = shape.map((side, at) => (at === axis ? 1 : side));
  return writer.concat(inputs.map((x) => writer.reshape(x, thin)), axis); // prettier-ignore
}

/** Rows of a constant choice: neighbours are one slice. */
function gather({ writer, numbers }: Site, x: Value): Value {
  const [places, [axis]] = [numbers(1), numbers(2)];
  const runs: { from: number; count: number; step: 1 | -1 }[] = [];
  for (const place of places) {
    const last = runs.at(-1);
    const step = last && (place === last.from + last.count * last.step ? last.step : place === last.from - 1 && last.count === 1 ? -1 : null); // prettier-ignore
    if (last && step) Object.assign(last, { count: last.count + 1, step });
    else runs.push({ from: place, count: 1, step: 1 });
  }
  const sliced = runs.map(({ from, count, step }) => {
    const first = step === 1 ? from : from - count + 1;
    const begin = x.shape.map((_, at) => (at === axis ? first : 0));
    const rows = writer.slice(x, begin, x.shape.map((side, at) => (at === axis ? count : side))); // prettier-ignore
    return step === 1 ? rows : writer.reverse(rows, [axis]);
  });
  return writer.concat(sliced, axis);
}

function tile({ writer, outputs, numbers }: Site, x: Value): Value {
  const times = numbers(1);
  const pairs = x.shape.flatMap((side, axis) => [times[axis], side]);
  const wide = writer.spread(x, pairs, x.shape.map((_, axis) => 2 * axis + 1)); // prettier-ignore
  return writer.reshape(wide, outputs[0].shape);
}

function padded({ writer, outputs, numbers }: Site, x: Value, value: Value): Value {
  const widths = numbers(1);
  const [low, high] = [0, 1].map((side) => x.shape.map((_, axis) => widths[2 * axis + side]).join(', '));
  const inner = x.shape.map(() => 0).join(', ');
  const spec = { shape: outputs[0].shape, dtype: x.dtype };
  return writer.op('stablehlo.pad', [x, value], spec, `, low = [${low}], high = [${high}], interior = [${inner}]`);
}

function oneHot({ writer, outputs, attr }: Site, x: Value, _depth: Value, on: Value, off: Value): Value {
  const [{ shape }] = outputs;
  if (Number(attr('axis')) !== -1) throw new RangeError('OneHot: the axis must be the last');
  const places = writer.iota(shape, shape.length - 1);
  const labels = writer.spread(writer.convert(x, 'int32'), shape, range(x.shape.length));
  return writer.select(writer.compare('EQ', labels, places), on, off);
}

/** Lowers ops that move numbers and leave them as they are. */
export const MOVES: Lowerings = {
  Identity: (_, x) => x,
  /** Its results are used where nothing before them may be computed again too early: see `model/recompute.ts`. */
  IdentityN: ({ writer }, ...inputs) => writer.barrier(inputs),
  Reshape: reshaped,
  ExpandDims: reshaped,
  Squeeze: reshaped,
  BroadcastTo: ({ writer, outputs }, x) => writer.broadcast(x, outputs[0].shape),
  Fill: ({ writer, outputs }, _shape, value) => writer.broadcast(value, outputs[0].shape),
  Transpose: ({ writer, numbers }, x) => writer.transpose(x, numbers(1)),
  ReverseV2: ({ writer, numbers }, x) => writer.reverse(x, axesOf(numbers(1), x.shape.length)),
  Slice: ({ writer, outputs, numbers }, x) => writer.slice(x, numbers(1), outputs[0].shape),
  Pack: pack,
  Unpack: (site, x) => {
    const axis = axisOf(Number(site.attr('axis')), x.shape.length);
    return parts(site, x, axis, site.outputs.map(() => 1)); // prettier-ignore
  },
  SplitV: (site, x) => {
    const axis = axisOf(site.numbers(2)[0], x.shape.length);
    return parts(site, x, axis, site.outputs.map(({ shape }) => shape[axis])); // prettier-ignore
  },
  Split: (site, _axis, x) => {
    const axis = axisOf(site.numbers(0)[0], x.shape.length);
    return parts(site, x, axis, site.outputs.map(({ shape }) => shape[axis])); // prettier-ignore
  },
  ConcatV2: ({ writer, numbers }, ...inputs) => {
    const rank = inputs[0].shape.length;
    const axis = axisOf(numbers(inputs.length - 1)[0], rank);
    return writer.concat(inputs.slice(0, -1).filter(({ shape }) => shapeSize(shape) > 0), axis); // prettier-ignore
  },
  Tile: tile,
  Pad: (site, x) => padded(site, x, site.writer.number(0, x.dtype)),
  PadV2: (site, x, _widths, value) => padded(site, x, value),
  GatherV2: gather,
  OneHot: oneHot,
};
