import { axesOf, axisOf, range, type Lowering, type Lowerings, type Site } from './lowering.ts';
import { arrayText, elementOf, listText, typeText, type Value } from './text.ts';
import { LOWEST, type Writer } from './writer.ts';

const LEAST_INT = -(2 ** 31);

const reduction = (name: string, start: (x: Value) => number): Lowering => ({ writer, is, numbers }, x) => 
  writer.reduce(x, name, start(x), axesOf(numbers(1), x.shape.length), is('keep_dims')); // prettier-ignore

const lowest = (x: Value): number => (x.dtype.startsWith('int') ? LEAST_INT : LOWEST);

function softmax(writer: Writer, x: Value): Value {
  const last = [x.shape.length - 1];
  const powers = writer.each('exponential', [
    writer.binary('subtract', x, writer.reduce(x, 'maximum', LOWEST, last, true)),
  ]);
  return writer.binary('divide', powers, writer.sum(powers, last, true));
}

/** The first place of the greatest number. */
function argMax({ writer, outputs, numbers }: Site, x: Value): Value {
  const axis = axisOf(numbers(1)[0], x.shape.length);
  const places = writer.iota(x.shape, axis);
  const starts = [writer.number(LOWEST, x.dtype), writer.number(0, 'int32')];
  const shape = x.shape.filter((_, at) => at !== axis);
  const [most, at] = [writer.fresh({ shape, dtype: x.dtype }), writer.fresh({ shape, dtype: 'int32' })];
  const [v, i] = starts.map(typeText);
  const inputs = [x, places, ...starts];
  writer.line(
    `${most.name}, ${at.name} = "stablehlo.reduce"(${inputs.map(({ name }) => name).join(', ')}) <{dimensions = ${arrayText([axis])}}> ({`,
  );
  for (const line of [
    `^bb0(%a: ${v}, %i: ${i}, %b: ${v}, %j: ${i}):`,
    `  %gt = stablehlo.compare GT, %a, %b : (${v}, ${v}) -> tensor<i1>`,
    `  %eq = stablehlo.compare EQ, %a, %b : (${v}, ${v}) -> tensor<i1>`,
    `  %lt = stablehlo.compare LT, %i, %j : (${i}, ${i}) -> tensor<i1>`,
    '  %tie = stablehlo.and %eq, %lt : tensor<i1>',
    '  %left = stablehlo.or %gt, %tie : tensor<i1>',
    `  %m = stablehlo.select %left, %a, %b : (tensor<i1>, ${v}, ${v}) -> ${v}`,
    `  %n = stablehlo.select %left, %i, %j : (tensor<i1>, ${i}, ${i}) -> ${i}`,
    `  stablehlo.return %m, %n : ${v}, ${i}`,
    `}) : (${inputs.map(typeText).join(', ')}) -> (${typeText(most)}, ${typeText(at)})`,
  ]) {
    writer.line(line);
  }
  return writer.convert(at, elementOf(outputs[0].dtype));
}

interface Window {
  sizes: readonly number[];
  strides: readonly number[];
  /** Low and high, an axis each. */
  padding: readonly (readonly [number, number])[];
}

/** The window of a pooling of [B, H, W, C]. */
function windowOf({ attr }: Site, from: readonly number[], to: readonly number[]): Window {
  const [sizes, strides] = [attr('ksize') as number[], attr('strides') as number[]];
  const mode = attr('padding');
  if (mode !== 'VALID' && mode !== 'SAME') throw new RangeError(`MaxPool: padding ${String(mode)}`);
  const padding = from.map((side, axis): [number, number] => {
    const all = mode === 'VALID' ? 0 : Math.max(0, (to[axis] - 1) * strides[axis] + sizes[axis] - side);
    return [Math.floor(all / 2), Math.ceil(all / 2)];
  });
  return { sizes, strides, padding };
}

function windowText({ sizes, strides, padding }: Window): string {
  const pads = `dense<${listText(padding.map(listText))}> : tensor<${padding.length}x2xi64>`;
  return `<{window_dimensions = ${arrayText(sizes)}, window_strides = ${arrayText(strides)}, padding = ${pads}}>`;
}

/** The lines of a region that gives one op of two scalars. */
function regionText(op: string, type: string): string[] {
  return [`^bb0(%a: ${type}, %b: ${type}):`, `  %c = ${op} %a, %b : ${type}`, `  stablehlo.return %c : ${type}`];
}

/** The lines of a region that chooses the first of two scalars where it is not less. */
function chooseText(type: string): string[] {
  const compare = `  %c = stablehlo.compare GE, %a, %b : (${type}, ${type}) -> tensor<i1>`;
  return [`^bb0(%a: ${type}, %b: ${type}):`, compare, '  stablehlo.return %c : tensor<i1>'];
}

function maxPool(site: Site, x: Value): Value {
  const { writer, outputs } = site;
  const out = writer.fresh({ shape: outputs[0].shape, dtype: x.dtype });
  const start = writer.number(LOWEST, x.dtype);
  const type = typeText(start);
  writer.line(`${out.name} = "stablehlo.reduce_window"(${x.name}, ${start.name}) ${windowText(windowOf(site, x.shape, out.shape))} ({`); // prettier-ignore
  for (const line of regionText('stablehlo.maximum', type)) writer.line(line);
  writer.line(`}) : (${typeText(x)}, ${type}) -> ${typeText(out)}`);
  return out;
}

/** The gradient goes to the first greatest number of each window. */
function maxPoolGrad(site: Site, x: Value, y: Value, dy: Value): Value {
  const { writer } = site;
  const out = writer.fresh(x);
  const zero = writer.number(0, x.dtype);
  const type = typeText(zero);
  writer.line(`${out.name} = "stablehlo.select_and_scatter"(${x.name}, ${dy.name}, ${zero.name}) ${windowText(windowOf(site, x.shape, y.shape))} ({`); // prettier-ignore
  for (const line of chooseText(type)) writer.line(line); // prettier-ignore
  writer.line('}, {');
  for (const line of regionText('stablehlo.add', type)) writer.line(line);
  writer.line(`}) : (${typeText(x)}, ${typeText(dy)}, ${type}) -> ${typeText(out)}`);
  return out;
}

/** Lowers ops that make few numbers of many. */
export const REDUCTIONS: Lowerings = {
  Sum: reduction('add', () => 0),
  Max: reduction('maximum', lowest),
  Mean: ({ writer, is, numbers }, x) => writer.mean(x, axesOf(numbers(1), x.shape.length), is('keep_dims')),
  BiasAddGrad: ({ writer }, dy) => writer.sum(dy, range(dy.shape.length - 1)),
  Softmax: ({ writer }, x) => softmax(writer, x),
  ArgMax: argMax,
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGrad,
};
