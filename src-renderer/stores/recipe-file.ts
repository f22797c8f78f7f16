import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import type { RecipeReading } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useRecipe } from './recipe.ts';

/** A recipe from a file and to one. */
export const useRecipeFile = defineStore('recipe-file', () => {
  const service = useService();
  const recipe = useRecipe();
  /** The content of the last recipe file, and how many settings were taken from it. */
  const reading = shallowRef<RecipeReading | null>(null);
  const taken = ref<number | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const readings = latest();

  const takeReading = (): void => {
    const given = reading.value?.values ?? {};
    recipe.takeGiven(given);
    taken.value = Object.keys(given).length;
  };
  /** Shows what a recipe file says; one without a fault is taken at once, in place of all but the data folder. */
  const read = (said: RecipeReading): void => {
    readings.drop();
    error.value = null;
    reading.value = said;
    taken.value = null;
    if (said.problems.length === 0) takeReading();
  };
  const openText = async (text: string): Promise<void> => {
    error.value = null;
    await readings.ask(
      () => service.call('recipe.read', { text }),
      read,
      (thrown) => (error.value = toPlainError(thrown)),
    );
  };
  const textOf = (format: 'yaml' | 'json'): Promise<string> =>
    service.call('recipe.write', { recipe: { ...recipe.values }, format });

  watch(
    () => recipe.values,
    () => (error.value = null),
  );
  return { reading, taken, error, read, openText, takeReading, textOf };
});
