import { AUGMENTATION_FIELDS, ERASING, MIXING } from './augmentation-fields.ts';
import { reason, type Reason, type ReasonValue } from './reasons.ts';
import { StillhouseError } from './errors.ts';
import { holds, type FieldOf } from './field.ts';
import { MODEL_FIELDS } from './model-fields.ts';
import { OPTIMIZER_FIELDS, SCHEDULE_FIELDS } from './optimizer-fields.ts';
import { RUN_FIELDS } from './run-fields.ts';

/**
 * The recipe: every setting of a training run, as one described table. Its type, the form, the command line, validation
 * and the documentation follow from it. Names, defaults and meanings are those of DeiT's main.py where it has them.
 *
 * To add a setting: "A recipe setting" in docs/adding.md.
 */
const TABLE = [
  ...MODEL_FIELDS,
  ...SCHEDULE_FIELDS,
  ...OPTIMIZER_FIELDS,
  ...AUGMENTATION_FIELDS,
  ...RUN_FIELDS,
] as const satisfies readonly FieldOf<string>[];

type Described = (typeof TABLE)[number];
type ValueOf<Of extends FieldOf<string>> = Of extends { type: 'integer' | 'number' }
  ? number
  : Of extends { type: 'boolean' }
    ? boolean
    : Of extends { type: 'choice' }
      ? Of['choices'][number]
      : string;
/** The value of each setting by its key. */
export type Recipe = { [Of in Described as Of['key']]: ValueOf<Of> };
export type RecipeKey = keyof Recipe;

/** A setting of the recipe. */
export type Field = FieldOf<RecipeKey>;
export const FIELDS: readonly Field[] = TABLE;

const byKey = new Map<string, Field>(FIELDS.map((field) => [field.key, field]));

/** Finds the field of a key; undefined for an unknown key. */
export function fieldOf(key: string): Field | undefined {
  return byKey.get(key);
}

/** Returns DeiT's flag of a key without the leading dashes: `teacherModel` → `teacher-model`. */
export function flagOf(key: RecipeKey): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Makes a fresh recipe with every default. */
export function defaultRecipe(): Recipe {
  return Object.fromEntries(TABLE.map((field) => [field.key, field.default])) as Recipe;
}

/** One thing wrong with a recipe, for the form to show beside its field. */
export interface RecipeProblem {
  key: RecipeKey;
  expected: ReasonValue;
  got: string;
}

/** Finds the problem of one value, or undefined. */
export function checkField(field: Field, value: unknown): RecipeProblem | undefined {
  const problem = (expected: Reason): RecipeProblem => ({ key: field.key, expected, got: JSON.stringify(value) });
  switch (field.type) {
    case 'integer':
    case 'number': {
      const { min, max } = field;
      const range = reason(field.type === 'integer' ? 'value.between' : 'value.number-between', { min, max });
      const good =
        typeof value === 'number' && (field.type === 'number' ? Number.isFinite(value) : Number.isInteger(value));
      return good && value >= min && value <= max ? undefined : problem(range);
    }
    case 'boolean':
      return typeof value === 'boolean' ? undefined : problem(reason('value.true-false'));
    case 'choice':
      return typeof value === 'string' && field.choices.includes(value)
        ? undefined
        : problem(reason('value.one-of', { choices: field.choices.join(', ') }));
    case 'text':
    case 'path':
      if (typeof value !== 'string' || value.includes('\0')) return problem(reason('value.text'));
      if (field.pattern && !new RegExp(field.pattern).test(value))
        return problem(field.expected ?? reason('raw.text', { text: field.pattern }));
      return undefined;
  }
}

/**
 * Completes a recipe from partial plain data.
 * @throws StillhouseError `recipe.unknown-key` or `recipe.invalid`, naming the first key at fault.
 */
export function parseRecipe(given: Record<string, unknown>): Recipe {
  const recipe: Record<string, unknown> = defaultRecipe();
  for (const [key, value] of Object.entries(given)) {
    const field = byKey.get(key);
    if (!field) throw new StillhouseError('recipe.unknown-key', { key });
    const problem = checkField(field, value);
    if (problem) throw new StillhouseError('recipe.invalid', { ...problem });
    recipe[field.key] = value;
  }
  return recipe as Recipe;
}

/** Of augmentation, only random crop and flip: what images met before the other settings existed. */
export const WITHOUT_AUGMENTATION = {
  aa: '',
  colorJitter: 0,
  reprob: 0,
  mixup: 0,
  cutmix: 0,
  repeatedAug: false,
} as const satisfies Partial<Recipe>;

/**
 * Reads the recipe of a run or checkpoint. A setting that it does not name did not exist then: it is off, whatever the
 * default is today.
 * @throws as {@link parseRecipe}.
 */
export function parseSavedRecipe(saved: Record<string, unknown>): Recipe {
  return parseRecipe({ ...WITHOUT_AUGMENTATION, ...saved });
}

/** Tells whether a setting has an effect beside the others. */
export function isUsed({ usedWhen }: Field, recipe: Recipe): boolean {
  return usedWhen === undefined || holds(usedWhen, recipe);
}

/** Tells whether the images of a batch are mixed with one another. */
export function mixes(recipe: Recipe): boolean {
  return holds(MIXING, recipe);
}

/** Tells whether rectangles of images are erased. */
export function erases(recipe: Recipe): boolean {
  return holds(ERASING, recipe);
}

/** Counts the epochs of a training: as in timm, cool-down comes after the end of a cosine or tanh. */
export function totalEpochs({ sched, epochs, cooldownEpochs }: Recipe): number {
  return epochs + (sched === 'cosine' || sched === 'tanh' ? cooldownEpochs : 0);
}

/** Computes the learning rate that is used: lr × batch / 512 unless unscaled. */
export function scaledLr(recipe: Recipe): number {
  return recipe.unscaleLr ? recipe.lr : (recipe.lr * recipe.batchSize) / 512;
}
