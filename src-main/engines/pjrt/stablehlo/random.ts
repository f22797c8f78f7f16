import { shapeSize } from '../../../base/shape-size.ts';
import type { Lowerings } from './lowering.ts';
import { typeText, type Value } from './text.ts';
import type { Writer } from './writer.ts';

/**
 * TensorFlow's stateless random numbers, bit for bit: Philox, whose key and counter are the seed scrambled by one
 * round with a fixed key (`GenerateKey` in TensorFlow's stateless_random_ops.cc). XLA deals the words of a round in
 * the same order.
 */
const SCRAMBLE = (0x02461e29n << 32n) | 0x3ec8f720n;

/** `count` words of Philox. @param state key, and the counter's low and high half: each one uint64 [1] */
function philox(writer: Writer, state: readonly Value[], count: number): Value {
  const start = writer.concat(state, 0);
  const [next, words] = [writer.fresh(start), writer.fresh({ shape: [count], dtype: 'uint32' })];
  const types = `(${typeText(start)}) -> (${typeText(start)}, ${typeText(words)})`;
  writer.line(`${next.name}, ${words.name} = stablehlo.rng_bit_generator ${start.name}, algorithm = PHILOX : ${types}`);
  return words;
}

/** Two words, the low one first, as one uint64 [1]. */
function pair(writer: Writer, words: Value, from: number): Value {
  const two = writer.reshape(writer.slice(words, [from], [2]), [1, 2]);
  return writer.op('stablehlo.bitcast_convert', [two], { shape: [1], dtype: 'uint64' });
}

/** @param seed two int32 */
function words(writer: Writer, seed: Value, count: number): Value {
  const wide = writer.convert(seed, 'int64');
  const halves = writer.op('stablehlo.bitcast_convert', [wide], { shape: [2], dtype: 'uint64' });
  const [low, high] = [0, 1].map((place) => writer.slice(halves, [place], [1]));
  const key = writer.fresh({ shape: [1], dtype: 'uint64' });
  writer.line(`${key.name} = stablehlo.constant dense<${SCRAMBLE}> : ${typeText(key)}`);
  const mixed = philox(writer, [key, low, high], 4);
  const zero = writer.number(0, 'uint64', [1]);
  return philox(writer, [pair(writer, mixed, 0), zero, pair(writer, mixed, 2)], count);
}

/** In [0, 1): the low 23 bits of a word. */
function uniform(writer: Writer, word: Value): Value {
  const low = writer.binary('and', word, writer.number(0x7fffff, 'uint32'));
  const bits = writer.binary('or', low, writer.number(0x3f800000, 'uint32'));
  const float = writer.op('stablehlo.bitcast_convert', [bits], { shape: word.shape, dtype: 'float32' });
  return writer.binary('subtract', float, writer.number(1));
}

/** Box and Muller, as TensorFlow has it: two words make a sine and a cosine. */
function normal(writer: Writer, seed: Value, shape: readonly number[]): Value {
  const count = shapeSize(shape);
  const pairs = Math.ceil(count / 2);
  const all = writer.reshape(words(writer, seed, 2 * pairs), [pairs, 2]);
  const [first, second] = [0, 1].map((place) => uniform(writer, writer.slice(all, [0, place], [pairs, 1])));
  const inside = writer.each('log', [writer.binary('maximum', first, writer.number(1e-7))]);
  const radius = writer.each('sqrt', [writer.binary('multiply', inside, writer.number(-2))]);
  const angle = writer.binary('multiply', second, writer.number(2 * Math.PI));
  const both = ['sine', 'cosine'].map((name) => writer.each('multiply', [writer.each(name, [angle]), radius]));
  const flat = writer.reshape(writer.concat(both, 1), [2 * pairs]);
  return writer.reshape(writer.slice(flat, [0], [count]), shape);
}

export const RANDOM: Lowerings = {
  StatelessRandomUniformFullInt: ({ writer, outputs: [{ shape }] }, _shape, seed) => {
    const bits = words(writer, seed, shapeSize(shape));
    const numbers = writer.op('stablehlo.bitcast_convert', [bits], { shape: bits.shape, dtype: 'int32' });
    return writer.reshape(numbers, shape);
  },
  StatelessRandomNormal: ({ writer, outputs: [{ shape }] }, _shape, seed) => normal(writer, seed, shape),
};
