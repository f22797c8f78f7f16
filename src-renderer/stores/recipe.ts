import { defineStore } from 'pinia';
import { computed, ref, watch } from 'vue';
import type { ModelCard } from '../../src-main/protocol/data-types.ts';
import { fromPreset } from '../../src-main/protocol/preset-recipe.ts';
import type { Preset } from '../../src-main/protocol/preset-types.ts';
import { PRESETS } from '../../src-main/protocol/presets.ts';
import {
  FIELDS,
  checkField,
  defaultRecipe,
  fieldOf,
  type Recipe,
  type RecipeKey,
} from '../../src-main/protocol/recipe.ts';
import { isRecord, keep, readKept } from '../composables/kept.ts';
import { presetsOf } from '../composables/recipe-presets.ts';
import { commandOf, isChanged, parse } from '../composables/recipe-values.ts';
import { useDataset } from './dataset.ts';
import { recipeUndo } from './recipe-undo.ts';
import { useSystem } from './system.ts';

export type Task = Preset['task'];

/** The recipe being written: one draft for a student, one for a teacher, each kept between starts. */
export const useRecipe = defineStore('recipe', () => {
  const drafts = recipeDrafts();
  return { ...drafts, ...recipePresets(drafts), ...recipeFacts(drafts) };
});

/** Keeps the drafts of recipes and changes one setting at a time. */
function recipeDrafts() {
  const dataset = useDataset();
  const task = ref<Task>('student');
  const drafts = ref<Record<Task, Recipe>>({
    student: keptDraft('student', 'sample-student'),
    teacher: keptDraft('teacher', 'sample-teacher'),
  });
  const values = computed(() => drafts.value[task.value]);
  /** Text that was typed for a field and is no value of it. */
  const typed = ref<Partial<Record<RecipeKey, string>>>({});
  /** Ids of the presets that the drafts were begun from. */
  const chosen = ref(readKept('recipe-presets', {}, isRecord));
  const { replace, settle } = recipeUndo({ task, drafts, typed, chosen });

  /** Sets one field from a value or from what was typed; text that is no value is kept, shown and reported. */
  const set = (key: RecipeKey, value: string | number | boolean): void => {
    const field = fieldOf(key);
    if (!field) return;
    settle();
    const parsed = parse(field, value);
    if (parsed === undefined) {
      typed.value = { ...typed.value, [key]: String(value) };
      return;
    }
    const { [key]: _, ...others } = typed.value;
    typed.value = others;
    drafts.value = { ...drafts.value, [task.value]: { ...values.value, [key]: parsed } };
  };
  /** Puts a recipe in the place of the task's draft, begun from the preset of that id; '' for none. */
  const put = (recipe: Recipe, preset: string): void => {
    typed.value = {};
    chosen.value = { ...chosen.value, [task.value]: preset };
    keep('recipe-presets', chosen.value);
    drafts.value = { ...drafts.value, [task.value]: recipe };
  };
  watch(
    () => dataset.path,
    (path) => {
      const { student, teacher } = drafts.value;
      drafts.value = { student: { ...student, dataPath: path }, teacher: { ...teacher, dataPath: path } };
    },
    { immediate: true },
  );
  watch(drafts, (now) => keep('recipes', now));
  return { task, drafts, values, typed, chosen, replace, set, put };
}
type Drafts = ReturnType<typeof recipeDrafts>;

/** Ways to begin a recipe. */
function recipePresets({ task, drafts, set, put, replace }: Drafts) {
  const system = useSystem();
  const begin = (id: string): void => {
    const preset = PRESETS.find((known) => known.id === id);
    if (!preset) return;
    task.value = preset.task;
    put(fromPreset(preset, drafts.value[preset.task]), id);
  };
  /** Puts a preset in the place of its task's draft. */
  const usePreset = (id: string): void => replace(() => begin(id));
  /** Makes a trained teacher the one of the student's recipe, and shows that. */
  const distilFrom = ({ model, path }: { model: string; path: string }): void => {
    task.value = 'student';
    set('teacherModel', model);
    set('teacherPath', path);
    if (drafts.value.student.distillationType === 'none') set('distillationType', 'hard');
  };
  /**
   * Begins a recipe from weights, a student's by the settings that DeiT fine-tunes with; where their model is not known,
   * a person chooses it.
   */
  const fineTuneFrom = ({ model, path, inputSize }: { model?: string; path: string; inputSize?: number }): void =>
    replace(() => {
      if (system.models.find(({ name }) => name === model)?.role === 'teacher') task.value = 'teacher';
      else begin('fine-tune');
      if (model) set('model', model);
      if (inputSize) set('inputSize', inputSize);
      set('finetune', path);
    });
  /** Takes what a recipe file says in place of all but the data folder. */
  const takeGiven = ({ dataPath: _, ...given }: Partial<Recipe>): void =>
    replace(() => put({ ...defaultRecipe(), ...given, dataPath: drafts.value[task.value].dataPath }, ''));
  return { usePreset, distilFrom, fineTuneFrom, takeGiven };
}

/** Compares the draft with its beginning. */
function recipeFacts({ task, values, typed, chosen, set }: Drafts) {
  const system = useSystem();
  const card = computed<ModelCard | null>(
    () => system.models.find((model) => model.name === values.value.model) ?? null,
  );
  /** The preset that the draft was begun from; changes are shown against its values. */
  const basePreset = computed(() => {
    const id = chosen.value[task.value] ?? `sample-${task.value}`;
    return PRESETS.find((known) => known.id === id && known.task === task.value) ?? null;
  });
  const base = computed<Recipe>(() => ({ ...defaultRecipe(), ...basePreset.value?.values }));
  /** The preset whose values the draft has, or null once it was changed; of equal ones that which was chosen. */
  const preset = computed(() => {
    const same = presetsOf(values.value).filter((known) => known.task === task.value);
    return same.find(({ id }) => id === chosen.value[task.value]) ?? same.at(0) ?? null;
  });
  /** Keys whose value differs from the preset's; the data folder and what the task fixes do not count. */
  const changed = computed(() =>
    FIELDS.filter((field) => isChanged(field, values.value, base.value))
      .map((field) => field.key)
      .filter((key) => key !== 'model' || task.value === 'student'),
  );
  const command = computed(() => commandOf(values.value, basePreset.value));
  const reset = (key: RecipeKey): void => set(key, base.value[key]);
  const resetAll = (): void => [...changed.value, ...(Object.keys(typed.value) as RecipeKey[])].forEach(reset);
  return { card, basePreset, base, preset, changed, command, reset, resetAll };
}

function keptDraft(task: Task, preset: string): Recipe {
  const kept = readKept('recipes', {}, isRecord)[task];
  const start = fromPreset(
    PRESETS.find(({ id }) => id === preset)!,
    defaultRecipe(),
  );
  if (!isRecord(kept)) return start;
  const good = FIELDS.filter((field) => field.key in kept && !checkField(field, kept[field.key]));
  return { ...start, ...Object.fromEntries(good.map(({ key }) => [key, kept[key]])) };
}
