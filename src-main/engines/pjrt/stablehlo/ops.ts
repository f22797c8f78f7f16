import { ELEMENTWISE } from './elementwise.ts';
import type { Lowerings } from './lowering.ts';
import { MOVES } from './moves.ts';
import { NORMALISATION } from './normalisation.ts';
import { PRODUCTS } from './products.ts';
import { RANDOM } from './random.ts';
import { REDUCTIONS } from './reductions.ts';
import { RESIZE } from './resize.ts';
import { TRAINING } from './training.ts';

/**
 * Every op that has a lowering, beside those that `lower.ts` writes itself.
 *
 * To add one: "An operation of accelerators" in docs/adding.md.
 */
export const LOWERINGS: Lowerings = {
  ...ELEMENTWISE,
  ...MOVES,
  ...REDUCTIONS,
  ...PRODUCTS,
  ...NORMALISATION,
  ...RANDOM,
  ...RESIZE,
  ...TRAINING,
};

const OWN = new Set(['Input', 'Variable', 'Constant', 'Call']);

/** Tells whether a program with this op can be lowered. */
export function isLowered(op: string): boolean {
  return OWN.has(op) || op in LOWERINGS;
}
