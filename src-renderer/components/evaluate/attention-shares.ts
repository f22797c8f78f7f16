import type { TokenAttention } from '../../../src-main/protocol/evaluation.ts';

/**
 * Returns how much a token looks at each patch, row by row; what counts is how these compare.
 * @param block from 1 on; 0: all blocks, by rollout
 * @param head from 1 on; 0: the mean of all heads of the block
 */
export function sharesOf(
  attention: TokenAttention,
  token: 'class' | 'distillation',
  block: number,
  head: number,
): readonly number[] {
  const own = attention[token];
  if (!own) return [];
  if (block === 0) return own.rolled;
  const { heads, side } = attention;
  const patches = side * side;
  const bytes = Uint8Array.from(atob(own.raw), (sign) => sign.charCodeAt(0));
  const numbers = new DataView(bytes.buffer);
  const weight = (of: number, patch: number): number =>
    numbers.getUint16(2 * (((block - 1) * heads + of) * patches + patch), true);
  const asked = head > 0 ? [head - 1] : Array.from({ length: heads }, (_, at) => at);
  return Array.from({ length: patches }, (_, patch) => asked.reduce((sum, of) => sum + weight(of, patch), 0));
}
