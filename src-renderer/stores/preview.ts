import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import type { BatchPreview } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { useRecipe } from './recipe.ts';
import { useService } from '../composables/use-service.ts';

const IMAGES = 16;

/** A batch of the recipe as its student will see it. */
export const usePreview = defineStore('preview', () => {
  const service = useService();
  const recipe = useRecipe();
  const shown = shallowRef<BatchPreview | null>(null);
  /** The recipe that `shown` was made for. */
  const madeFor = ref('');
  const busy = ref(false);
  const error = shallowRef<PlainError | null>(null);

  /** Makes a batch, which takes a process and seconds; one at a time. */
  const show = async (epoch: number, batch: number): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    error.value = null;
    const values = { ...recipe.values };
    try {
      shown.value = await service.call('dataset.preview', { recipe: values, epoch, batch, count: IMAGES });
      madeFor.value = JSON.stringify(values);
    } catch (thrown) {
      error.value = toPlainError(thrown);
    } finally {
      busy.value = false;
    }
  };
  return { shown, madeFor, busy, error, show };
});
