import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import type { RecipeCheck } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { FIELDS, checkField, type Recipe, type RecipeKey, type RecipeProblem } from '../../src-main/protocol/recipe.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useDataset } from './dataset.ts';
import { useEngine } from './engine.ts';
import { useRecipe } from './recipe.ts';
import { useSystem } from './system.ts';

/** A key of the window's messages with what it names. */
export interface Reason {
  key: string;
  params: Record<string, string | number>;
}

const CHECK_PAUSE = 250;

/** Keeps the problems of the recipe that is being written, and whether it can start. */
export const useRecipeCheck = defineStore('recipe-check', () => {
  const service = useService();
  const system = useSystem();
  const dataset = useDataset();
  const engine = useEngine();
  const recipe = useRecipe();
  const check = shallowRef<RecipeCheck | null>(null);
  const checkError = shallowRef<PlainError | null>(null);

  const problems = computed(() => {
    const found = new Map<RecipeKey, RecipeProblem>();
    for (const problem of check.value?.problems ?? []) found.set(problem.key, problem);
    for (const field of FIELDS) {
      const problem = checkField(field, recipe.typed[field.key] ?? recipe.values[field.key]);
      if (problem) found.set(field.key, problem);
    }
    return found;
  });
  /** Why a run cannot start now, in the order to mend it. */
  const blockers = computed<Reason[]>(() => {
    const reasons: Reason[] = [];
    const because = (key: string, params: Reason['params'] = {}): number => reasons.push({ key, params });
    if (system.connection !== 'open') because('recipe.blocked.connection');
    if (!engine.ready) because('recipe.blocked.engine');
    if (!dataset.summary) because('recipe.blocked.data');
    if (problems.value.size) because('recipe.blocked.problems', { count: problems.value.size });
    return reasons;
  });
  /** Errors that the service finds in the recipe. While no data set is open, that alone is said, and by a blocker. */
  const errors = computed(() =>
    (check.value?.errors ?? []).filter(({ code }) => dataset.summary !== null || !code.startsWith('data.')),
  );
  /** The same, by the setting that mends it. */
  const fieldErrors = computed(() => {
    const found = errors.value.map((error) => [fieldOfError(error, recipe.values), error] as const);
    return new Map(found.filter((entry): entry is [RecipeKey, PlainError] => entry[0] !== undefined));
  });
  const warnings = computed(() => check.value?.warnings ?? []);
  const ready = computed(() => blockers.value.length === 0 && errors.value.length === 0);

  const checks = latest();
  const take = (answer: RecipeCheck | null, why: PlainError | null): void => {
    check.value = answer;
    checkError.value = why;
  };
  const ask = (): Promise<boolean> =>
    checks.ask(
      () => service.call('recipe.check', { recipe: { ...recipe.values } }),
      (answer) => take(answer, null),
      (thrown) => take(null, toPlainError(thrown)),
    );
  let timer: ReturnType<typeof setTimeout> | undefined;
  const recheck = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), CHECK_PAUSE);
  };
  watch([() => recipe.values, () => dataset.summary], recheck);
  service.onOpen(recheck);
  return { check, checkError, problems, blockers, errors, fieldErrors, warnings, ready, recheck };
});

/** The setting that an error of a recipe speaks of, undefined when it is none alone. */
function fieldOfError({ code, params }: PlainError, recipe: Recipe): RecipeKey | undefined {
  if (code.startsWith('teacher.')) return 'teacherPath';
  if (code === 'data.too-few' || code === 'recipe.odd-batch') return 'batchSize';
  if (code.startsWith('data.')) return 'dataPath';
  const path = params['path'];
  return (['teacherPath', 'finetune', 'outputDir', 'dataPath'] as const).find((key) => path && recipe[key] === path);
}
