import type { ParamSpec } from '../model/model.ts';

/** Layer-wise learning rates: which layer a parameter belongs to, as timm's models say by their group matchers. */

const STEM = /^(cls_token|dist_token|pos_embed|patch_embed|stem|conv_stem|conv1|bn1)(\.|$)/;
const HEAD = /^(head|head_dist|fc|classifier)\./;
const BLOCK = /^(?:blocks\.(\d+)(?:\.(\d+)\.)?|s(\d+)\.b(\d+)\.|layer(\d+)\.(\d+)\.)/;

/**
 * Counts how far each parameter lies below the head, which is at 0: a block counts one, the norm after the last block
 * belongs to it, and the stem is deepest.
 */
export function layerDepths(specs: readonly ParamSpec[]): Map<string, number> {
  const trained = specs.filter(({ buffer }) => !buffer);
  const keys = trained.map(({ name }) => [name, layerKey(name)] as const);
  const blocks = [...new Set(keys.map(([, key]) => key))].filter((key) => key >= 0 && key < Infinity);
  const order = new Map(blocks.sort((a, b) => a - b).map((key, index) => [key, index]));
  const depth = (key: number) =>
    key === Infinity ? 0 : key === LAST ? 1 : key === -1 ? blocks.length + 1 : blocks.length - order.get(key)!;
  return new Map(keys.map(([name, key]) => [name, depth(key)]));
}

const LAST = -2;

/** A number that sorts blocks; −1 for the stem, {@link LAST} for what belongs to the last block, ∞ for the head. */
function layerKey(name: string): number {
  if (STEM.test(name)) return -1;
  if (HEAD.test(name)) return Infinity;
  const [stage, block = 0] = (BLOCK.exec(name)?.slice(1) ?? []).filter((part) => part !== undefined).map(Number);
  return stage === undefined ? LAST : stage * 1000 + block;
}
