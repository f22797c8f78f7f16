interface Way {
  /** A half-sentence that the help of the recipe shows. */
  says: string;
  /** What the student is given of its teacher: all its numbers for an image, or the class that it decides for. */
  answers: 'logits' | 'decisions';
}

/**
 * Every way in which a student learns from its teacher. To add one: "A loss" in docs/adding.md. The choices of the
 * recipe, its help and which settings count follow from this table; `train/losses.ts` computes each.
 */
export const DISTILLATIONS = {
  soft: { says: "the teacher's probabilities are the target", answers: 'logits' },
  hard: { says: "the teacher's decision is the label", answers: 'decisions' },
} as const satisfies Record<string, Way>;

export type Distillation = keyof typeof DISTILLATIONS;
export const DISTILLATION_NAMES = Object.keys(DISTILLATIONS) as Distillation[];

/** The ways that learn from all of a teacher's numbers. */
export const LOGIT_NAMES = DISTILLATION_NAMES.filter((name) => DISTILLATIONS[name].answers === 'logits');

/** Says every way and `none`, for the help of the recipe. */
export function distillationHelp(): string {
  const ways = Object.entries(DISTILLATIONS).map(([name, { says }]) => `${name}: ${says}.`);
  return [...ways, 'none: no teacher.'].join(' ');
}
