import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { RunSummary } from '../../src-main/protocol/data-types.ts';
import type { Recipe } from '../../src-main/protocol/recipe.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { useNotices } from './notices.ts';
import { latest } from '../composables/latest.ts';
import { runMatches, sortRuns, type RunColumn } from '../composables/run-filter.ts';
import { useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';

/** A run beside others. */
export interface ComparedRun {
  summary: RunSummary;
  recipe: Recipe;
}

/** The list of all runs: filtered, sorted, compared, noted. */
export const useRunTable = defineStore('run-table', () => {
  const service = useService();
  const notices = useNotices();
  const run = useRun();
  const filter = ref('');
  const column = ref<RunColumn>('created');
  const down = ref(true);
  const selected = ref<ReadonlySet<string>>(new Set());
  const compared = shallowRef<ComparedRun[] | null>(null);

  const rows = computed(() =>
    sortRuns(
      run.list.filter((one) => runMatches(one, filter.value)),
      column.value,
      down.value,
    ),
  );
  const chosen = computed(() => rows.value.filter(({ id }) => selected.value.has(id)));

  const sortBy = (by: RunColumn): void => {
    down.value = column.value === by ? !down.value : true;
    column.value = by;
  };
  const select = (ids: readonly string[], on: boolean): void => {
    const next = new Set(selected.value);
    ids.forEach((id) => (on ? next.add(id) : next.delete(id)));
    selected.value = next;
  };
  const annotate = (notes: CallParams<'run.annotate'>): Promise<boolean> =>
    notices.quietly(() => service.call('run.annotate', notes));
  const comparisons = latest();
  const compare = async (): Promise<void> => {
    const asked = chosen.value;
    await comparisons.ask(
      () => service.call('run.recipes', { runs: asked.map(({ id }) => id) }),
      (recipes) => (compared.value = withRecipes(asked, recipes)),
      notices.fail,
    );
  };
  const openings = latest(() => run.currentId);
  /** Opens a run's folder. @returns whether it is open now, and no other that a person has opened meanwhile. */
  const openFolder = async (path: string): Promise<boolean> => {
    const isNewest = openings.begin();
    let isOpen = false;
    await notices.quietly(async () => {
      const opened = await service.call('run.open', { path });
      await run.refresh();
      if (!isNewest()) return;
      await run.open(opened.run);
      isOpen = true;
    });
    return isOpen;
  };
  const forget = (id: string): Promise<boolean> => notices.quietly(() => service.call('run.forget', { run: id }));
  return {
    filter,
    column,
    down,
    selected,
    compared,
    rows,
    chosen,
    sortBy,
    select,
    annotate,
    compare,
    openFolder,
    forget,
  };
});

function withRecipes(runs: readonly RunSummary[], recipes: readonly { run: string; recipe: Recipe }[]): ComparedRun[] {
  return runs.flatMap((summary) => {
    const found = recipes.find((one) => one.run === summary.id);
    return found ? [{ summary, recipe: found.recipe }] : [];
  });
}
