/**
 * Every way in which a student learns from its teacher, with a half-sentence that the help of the recipe shows. To add
 * one: "A loss" in docs/adding.md. The choices of the recipe, its help and which settings count follow from this
 * table; `train/losses.ts` computes each.
 */
export const DISTILLATIONS = {
  soft: "the teacher's probabilities are the target",
  hard: "the teacher's decision is the label",
} as const satisfies Record<string, string>;

export type Distillation = keyof typeof DISTILLATIONS;
export const DISTILLATION_NAMES = Object.keys(DISTILLATIONS) as Distillation[];

/** Says every way and `none`, for the help of the recipe. */
export function distillationHelp(): string {
  const ways = Object.entries(DISTILLATIONS).map(([name, says]) => `${name}: ${says}.`);
  return [...ways, 'none: no teacher.'].join(' ');
}
