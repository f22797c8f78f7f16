import { shapeSize } from '../../../base/shape-size.ts';
import type { Lowerings, Site } from './lowering.ts';
import type { Value } from './text.ts';

/** Of [B, H, W, C]: all axes but the last. */
const OVER = [0, 1, 2];

/**
 * Normalises a batch by its own statistics.
 * @returns the values, mean and unbiased variance of the batch, and what the gradient needs: mean and variance
 */
function batchNorm({ writer, attr, is }: Site, x: Value, scale: Value, offset: Value): Value[] {
  if (!is('is_training')) throw new RangeError('FusedBatchNormV2: only that of training is lowered');
  const count = shapeSize(x.shape.slice(0, 3));
  const mean = writer.mean(x, OVER);
  const centred = writer.binary('subtract', x, mean);
  const variance = writer.mean(writer.each('multiply', [centred, centred]), OVER);
  const root = writer.each('rsqrt', [writer.binary('add', variance, writer.number(Number(attr('epsilon'))))]);
  const scaled = writer.binary('multiply', centred, writer.each('multiply', [root, scale]));
  const unbiased = writer.binary('multiply', variance, writer.number(count / Math.max(1, count - 1)));
  return [writer.binary('add', scaled, offset), mean, unbiased, mean, variance];
}

/** @returns the gradients of values, scale and offset, and two that nothing uses */
function batchNormGrad(
  { writer, attr }: Site,
  dy: Value,
  x: Value,
  scale: Value,
  mean: Value,
  variance: Value,
): Value[] {
  const root = writer.each('rsqrt', [writer.binary('add', variance, writer.number(Number(attr('epsilon'))))]);
  const normal = writer.binary('multiply', writer.binary('subtract', x, mean), root);
  const dOffset = writer.sum(dy, OVER);
  const dScale = writer.sum(writer.each('multiply', [dy, normal]), OVER);
  const share = writer.number(1 / shapeSize(x.shape.slice(0, 3)));
  const along = writer.binary('multiply', normal, writer.binary('multiply', dScale, share));
  const level = writer.binary('multiply', dOffset, share);
  const rest = writer.binary('subtract', writer.binary('subtract', dy, level), along);
  const dx = writer.binary('multiply', rest, writer.each('multiply', [root, scale]));
  const none = writer.number(0, 'float32', [0]);
  return [dx, dScale, dOffset, none, none];
}

export const NORMALISATION: Lowerings = {
  FusedBatchNormV2: (site, x, scale, offset) => batchNorm(site, x, scale, offset),
  FusedBatchNormGradV2: (site, dy, x, scale, mean, variance) => batchNormGrad(site, dy, x, scale, mean, variance),
};
