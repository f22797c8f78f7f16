import type { Init, ParamSpec } from '../model/model.ts';

/** `count` uniform numbers in [0, 1) of the stream called `name`; equal names give equal numbers. */
export type Uniforms = (name: string, count: number) => Float64Array;

/**
 * Draws the values that a fresh model starts from, by parameter name. Every parameter draws from a stream of its own
 * name, so a value depends only on the seed behind `uniforms`, the name and the shape.
 */
export function initialValues(specs: readonly ParamSpec[], uniforms: Uniforms): Record<string, Float32Array> {
  return Object.fromEntries(specs.map((spec) => [spec.name, initialValue(spec, uniforms)]));
}

/** Draws the initial value of one parameter, row-major. */
export function initialValue(spec: ParamSpec, uniforms: Uniforms): Float32Array {
  const size = spec.shape.reduce((product, side) => product * side, 1);
  const { init } = spec;
  switch (init.kind) {
    case 'zeros':
      return new Float32Array(size);
    case 'ones':
      return new Float32Array(size).fill(1);
    case 'constant':
      return new Float32Array(size).fill(init.value);
    default:
      return drawAll(init, uniforms(spec.name, size));
  }
}

type DrawnInit = Extract<Init, { kind: 'truncatedNormal' | 'normal' | 'uniform' }>;

// A plain loop: big models have hundreds of millions of these.
function drawAll(init: DrawnInit, draws: Float64Array): Float32Array {
  const values = new Float32Array(draws.length);
  for (let index = 0; index < draws.length; index++) values[index] = drawn(init, draws[index]);
  return values;
}

function drawn(init: DrawnInit, u: number): number {
  if (init.kind === 'uniform') return (2 * u - 1) * init.bound;
  const value = init.std * normalQuantile(inside(u));
  // Torch cuts at the absolute values ±2: at the usual 0.02 that is 100 deviations, in effect no cut at all.
  return init.kind === 'normal' ? value : Math.min(Math.max(value, -2), 2);
}

// A draw of exactly 0 would be an infinite deviation.
function inside(u: number): number {
  return Math.min(Math.max(u, 2 ** -33), 1 - 2 ** -33);
}

/** Finds the z below which a standard normal falls with probability `p` in (0, 1): Wichura's AS 241, to 1e-16. */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(CENTRE, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const z = r <= 5 ? ratio(TAIL, r - 1.6) : ratio(FAR_TAIL, r - 5);
  return q < 0 ? -z : z;
}

interface Rational {
  above: readonly number[];
  below: readonly number[];
}

function ratio({ above, below }: Rational, x: number): number {
  return polynomial(above, x) / polynomial(below, x);
}

// Coefficients from the constant term up.
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let index = coefficients.length - 1; index >= 0; index--) sum = sum * x + coefficients[index];
  return sum;
}

const CENTRE: Rational = {
  above: [
    3.387132872796366608, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
  ],
  below: [
    1, 4.2313330701600911252e1, 6.871870074920579083e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
    3.930789580009271061e4, 2.8729085735721942674e4, 5.226495278852545925e3,
  ],
};

const TAIL: Rational = {
  above: [
    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 2.4178072517745061177e-1, 2.27238449892691845833e-2, 7.7454501427834140764e-4,
  ],
  below: [
    1, 2.05319162663775882187, 1.6763848301838038494, 6.8976733498510000455e-1, 1.4810397642748007459e-1,
    1.51986665636164571966e-2, 5.475938084995344946e-4, 1.05075007164441684324e-9,
  ],
};

const FAR_TAIL: Rational = {
  above: [
    6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 2.9656057182850489123e-1,
    2.6532189526576123093e-2, 1.2426609473880784386e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
  ],
  below: [
    1, 5.9983220655588793769e-1, 1.3692988092273580531e-1, 1.48753612908506148525e-2, 7.868691311456132591e-4,
    1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
  ],
};
