import type { Lowerings } from './lowering.ts';
import type { Value } from './text.ts';
import type { Writer } from './writer.ts';

/** One update, as `trace/composites.ts` says. Inputs and results are in that order. */
function adamw(writer: Writer, inputs: readonly Value[]): Value[] {
  const [param, mean, square, gradient, lr, power1, power2, beta1, beta2, epsilon, decay] = inputs;
  const binary = (name: string, a: Value, b: Value): Value => writer.binary(name, a, b);
  const rest = (x: Value): Value => binary('subtract', writer.number(1), x);
  const toward = (old: Value, target: Value, beta: Value): Value =>
    binary('add', old, binary('multiply', binary('subtract', target, old), rest(beta)));
  const newMean = toward(mean, gradient, beta1);
  const newSquare = toward(square, binary('multiply', gradient, gradient), beta2);
  const rate = binary('divide', binary('multiply', lr, writer.each('sqrt', [rest(power2)])), rest(power1));
  const change = binary('divide', binary('multiply', newMean, rate), binary('add', writer.each('sqrt', [newSquare]), epsilon)); // prettier-ignore
  return [binary('subtract', binary('multiply', param, decay), change), newMean, newSquare];
}

export const TRAINING: Lowerings = {
  AdamW: ({ writer }, ...inputs) => adamw(writer, inputs),
  Saved: (_, x) => x,
};
