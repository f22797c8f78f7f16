import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import type { RunSummary } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { CardField, CardValues, TeacherCard } from '../../src-main/protocol/teacher-card.ts';
import { latest } from '../composables/latest.ts';
import { useCheckpoints } from './checkpoints.ts';
import { useDataset } from './dataset.ts';
import { useNotices } from './notices.ts';
import { useRecipeCheck } from './recipe-check.ts';
import { useRecipe } from './recipe.ts';
import { isActive, useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';
import { useSystem } from './system.ts';

/** A teacher trained on the chosen data set: the best checkpoint of its run. */
export interface TeacherOption {
  run: string;
  created: number;
  model: string;
  /** Of the checkpoint file. */
  path: string;
  acc1: number | null;
}

/** The teachers that this data set has. */
export const useTeachers = defineStore('teachers', () => {
  const system = useSystem();
  const runs = useRun();
  const dataset = useDataset();
  const checkpoints = useCheckpoints();
  const notices = useNotices();
  const service = useService();
  const recipe = useRecipe();
  const recipeCheck = useRecipeCheck();
  const options = shallowRef<TeacherOption[]>([]);

  const names = computed(() => system.models.filter(({ role }) => role === 'teacher').map(({ name }) => name));
  const fitting = computed(() =>
    runs.list.filter(
      (run) =>
        names.value.includes(run.model) && run.dataPath === dataset.path && run.epoch > 0 && !isActive(run.state),
    ),
  );

  const readings = latest();
  const refresh = async (): Promise<void> => {
    await readings.ask(
      () => Promise.all(fitting.value.map(optionOf)),
      (found) => (options.value = found.filter((option): option is TeacherOption => option !== null)),
      notices.fail,
    );
  };
  const optionOf = async (run: RunSummary): Promise<TeacherOption | null> => {
    const [best] = await checkpoints.of(run.id);
    if (!best) return null;
    const separator = run.path.includes('\\') ? '\\' : '/';
    const path = [run.path, 'checkpoints', best.file].join(separator);
    return { run: run.id, created: run.created, model: run.model, path, acc1: best.acc1 };
  };

  /** The card of the recipe's teacher; null without one, and while it cannot be read: the recipe's check says why. */
  const card = shallowRef<TeacherCard | null>(null);
  const asked = (): string => `${recipe.values.teacherModel} ${recipe.values.teacherPath}`;
  const cards = latest(asked);
  const readCard = async (path: string, model: string): Promise<void> => {
    const read = async () => (path ? service.call('teacher.card', { path, model }) : null);
    await cards.ask(
      read,
      (found) => (card.value = found),
      () => (card.value = null),
    );
  };
  const descriptions = latest(asked);
  const cardError = shallowRef<PlainError | null>(null);
  /** Writes fields to its card file and takes others out. @returns whether it is written; `cardError` says why not. */
  const describe = async (fields: CardValues, drop: CardField[]): Promise<boolean> => {
    const { teacherPath: path, teacherModel: model } = recipe.values;
    const [isNewest, isShown] = [cards.begin(), descriptions.begin()];
    cardError.value = null;
    try {
      const written = await service.call('teacher.describe', { path, model, fields, drop });
      if (isNewest()) card.value = written;
      recipeCheck.recheck();
      return true;
    } catch (thrown) {
      if (isShown()) cardError.value = toPlainError(thrown);
      else notices.fail(thrown);
      return false;
    }
  };
  /** The form is closed: what is still on its way is no answer to the next one. */
  const leave = (): void => {
    descriptions.drop();
    cardError.value = null;
  };
  /** Whether its network is one of the list, and not a file of its own. */
  const named = computed(() => !card.value || card.value.kind === 'timm');

  watch(fitting, refresh, { immediate: true });
  watch(
    () => [recipe.values.teacherPath, recipe.values.teacherModel] as const,
    ([path, model]) => void readCard(path, model),
    { immediate: true },
  );
  return { options, fitting, card, cardError, named, refresh, describe, leave };
});
