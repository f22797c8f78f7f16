import type { Lowering, Lowerings } from './lowering.ts';
import { elementOf, typeText, type Value } from './text.ts';
import type { Writer } from './writer.ts';

const unary = (name: string): Lowering => ({ writer }, x) => writer.each(name, [x]); // prettier-ignore
const binary = (name: string): Lowering => ({ writer }, a, b) => writer.binary(name, a, b); // prettier-ignore
const comparison = (direction: string): Lowering => ({ writer }, a, b) => writer.compare(direction, a, b); // prettier-ignore

/** 0 where y is 0, even if x is no number. */
function multiplyNoNan(writer: Writer, x: Value, y: Value): Value {
  const none = writer.compare('EQ', y, writer.number(0, y.dtype));
  return writer.select(none, writer.number(0, x.dtype), writer.binary('multiply', x, y));
}

function erf(writer: Writer, x: Value): Value {
  const value = writer.fresh(x);
  writer.line(`${value.name} = chlo.erf ${x.name} : ${typeText(x)} -> ${typeText(x)}`);
  return value;
}

function atLeastZero(writer: Writer, x: Value): Value {
  return writer.binary('maximum', x, writer.number(0, x.dtype));
}

/** The gradient where `x` is above 0, and below `most` where that is given. */
function gated(writer: Writer, dy: Value, x: Value, most: number | null): Value {
  const above = writer.compare('GT', x, writer.number(0, x.dtype));
  const test =
    most === null ? above : writer.each('and', [above, writer.compare('LT', x, writer.number(most, x.dtype))]);
  return writer.select(test, dy, writer.number(0, dy.dtype));
}

/** Lowers ops that compute each number from those at its place. */
export const ELEMENTWISE: Lowerings = {
  Add: binary('add'),
  AddV2: binary('add'),
  Sub: binary('subtract'),
  Mul: binary('multiply'),
  RealDiv: binary('divide'),
  Div: binary('divide'),
  Maximum: binary('maximum'),
  Minimum: binary('minimum'),
  Pow: binary('power'),
  LogicalAnd: binary('and'),
  LogicalOr: binary('or'),
  LogicalNot: unary('not'),
  Greater: comparison('GT'),
  GreaterEqual: comparison('GE'),
  Less: comparison('LT'),
  LessEqual: comparison('LE'),
  Equal: comparison('EQ'),
  NotEqual: comparison('NE'),
  Neg: unary('negate'),
  Sqrt: unary('sqrt'),
  Rsqrt: unary('rsqrt'),
  Exp: unary('exponential'),
  Log: unary('log'),
  Log1p: unary('log_plus_one'),
  Floor: unary('floor'),
  Abs: unary('abs'),
  Sign: unary('sign'),
  Tanh: unary('tanh'),
  Sigmoid: unary('logistic'),
  MulNoNan: ({ writer }, x, y) => multiplyNoNan(writer, x, y),
  Square: ({ writer }, x) => writer.each('multiply', [x, x]),
  Relu: ({ writer }, x) => atLeastZero(writer, x),
  Relu6: ({ writer }, x) => writer.binary('minimum', atLeastZero(writer, x), writer.number(6, x.dtype)),
  ReluGrad: ({ writer }, dy, x) => gated(writer, dy, x, null),
  Relu6Grad: ({ writer }, dy, x) => gated(writer, dy, x, 6),
  Erf: ({ writer }, x) => erf(writer, x),
  IsFinite: ({ writer }, x) => writer.each('is_finite', [x], 'bool'),
  ZerosLike: ({ writer }, x) => writer.number(0, x.dtype, x.shape),
  OnesLike: ({ writer }, x) => writer.number(1, x.dtype, x.shape),
  AddN: ({ writer }, ...inputs) => inputs.reduce((sum, x) => writer.each('add', [sum, x])),
  Select: ({ writer }, test, a, b) => writer.select(test, a, b),
  SelectV2: ({ writer }, test, a, b) => writer.select(test, a, b),
  Cast: ({ writer, outputs }, x) => writer.convert(x, elementOf(outputs[0].dtype)),
  BiasAdd: ({ writer }, x, bias) => writer.binary('add', x, bias),
};
