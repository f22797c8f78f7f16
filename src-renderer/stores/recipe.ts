import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type {
  LrSchedule,
  MemoryForecast,
  ModelCard,
  RecipeCheck,
  RecipeReading,
  TimeForecast,
} from '../../src-main/protocol/data-types.ts';
import type { Preset } from '../../src-main/protocol/preset-types.ts';
import { PRESETS } from '../../src-main/protocol/presets.ts';
import {
  FIELDS,
  checkField,
  defaultRecipe,
  fieldOf,
  flagOf,
  type Field,
  type Recipe,
  type RecipeKey,
  type RecipeProblem,
} from '../../src-main/protocol/recipe.ts';
import { useDataset } from './dataset.ts';
import { useEngine } from './engine.ts';
import { useJobs } from './jobs.ts';
import { latest } from '../composables/latest.ts';
import { isRecord, keep, readKept } from '../composables/kept.ts';
import { useQueue } from './queue.ts';
import { fromPreset, presetsOf } from '../composables/recipe-presets.ts';
import { recipeUndo } from './recipe-undo.ts';
import { useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';
import { useSystem } from './system.ts';

export type Task = Preset['task'];
/** A key of the window's messages with what it names. */
export interface Reason {
  key: string;
  params: Record<string, string | number>;
}

const CHECK_PAUSE = 250;
/** Longer than a check's, since a forecast costs more: a process and seconds of it. */
const FORECAST_PAUSE = 1500;

/** The recipe being written: one draft for a student, one for a teacher, each kept between starts. */
export const useRecipe = defineStore('recipe', () => {
  const service = useService();
  const system = useSystem();
  const dataset = useDataset();
  const engine = useEngine();
  const jobs = useJobs();
  const runs = useRun();
  const queue = useQueue();

  const task = ref<Task>('student');
  const drafts = ref<Record<Task, Recipe>>({
    student: keptDraft('student', 'sample-student'),
    teacher: keptDraft('teacher', 'sample-teacher'),
  });
  const values = computed(() => drafts.value[task.value]);
  /** Text that was typed for a field and is no value of it. */
  const typed = ref<Partial<Record<RecipeKey, string>>>({});
  const check = shallowRef<RecipeCheck | null>(null);
  const checkError = shallowRef<PlainError | null>(null);
  /** What the recipe would hold in memory; null while that is not known. */
  const forecast = shallowRef<MemoryForecast | null>(null);
  const schedule = shallowRef<LrSchedule | null>(null);
  /** How long it would take; null where nothing tells. */
  const time = shallowRef<TimeForecast | null>(null);
  const timeError = shallowRef<PlainError | null>(null);
  const measureJob = computed(() => jobs.ofKind('measure'));
  /** What the last recipe file said, and how many settings were taken from it. */
  const reading = shallowRef<RecipeReading | null>(null);
  const taken = ref<number | null>(null);
  const startError = shallowRef<PlainError | null>(null);
  const weightsJob = computed(() => jobs.ofKind('weights'));
  const weightsError = shallowRef<PlainError | null>(null);

  const problems = computed(() => {
    const found = new Map<RecipeKey, RecipeProblem>();
    for (const problem of check.value?.problems ?? []) found.set(problem.key, problem);
    for (const field of FIELDS) {
      const problem = checkField(field, typed.value[field.key] ?? values.value[field.key]);
      if (problem) found.set(field.key, problem);
    }
    return found;
  });
  const card = computed<ModelCard | null>(
    () => system.models.find((model) => model.name === values.value.model) ?? null,
  );
  const chosen = ref(readKept('recipe-presets', {}, isRecord));
  const { replace, settle } = recipeUndo({ task, drafts, typed, chosen });
  /** The preset that the draft was begun from; its values are what changes are told against. */
  const basePreset = computed(() => {
    const id = chosen.value[task.value] ?? `sample-${task.value}`;
    return PRESETS.find((known) => known.id === id && known.task === task.value) ?? null;
  });
  const base = computed<Recipe>(() => ({ ...defaultRecipe(), ...basePreset.value?.values }));
  /** Keys whose value differs from the preset's; the data folder and what the task fixes do not count. */
  const changed = computed(() =>
    FIELDS.filter((field) => isChanged(field, values.value, base.value))
      .map((field) => field.key)
      .filter((key) => key !== 'model' || task.value === 'student'),
  );
  const command = computed(() => commandOf(values.value, basePreset.value));

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
  /** Makes a trained teacher the one of the student's recipe, and shows that. */
  const distilFrom = ({ model, path }: { model: string; path: string }): void => {
    task.value = 'student';
    set('teacherModel', model);
    set('teacherPath', path);
    if (values.value.distillationType === 'none') set('distillationType', 'hard');
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
  const reset = (key: RecipeKey): void => set(key, base.value[key]);
  const resetAll = (): void => [...changed.value, ...(Object.keys(typed.value) as RecipeKey[])].forEach(reset);
  const begin = (id: string): void => {
    const preset = PRESETS.find((known) => known.id === id);
    if (!preset) return;
    typed.value = {};
    chosen.value = { ...chosen.value, [preset.task]: id };
    keep('recipe-presets', chosen.value);
    task.value = preset.task;
    drafts.value = { ...drafts.value, [preset.task]: fromPreset(preset, drafts.value[preset.task]) };
  };
  /** Puts a preset in the place of its task's draft. */
  const usePreset = (id: string): void => replace(() => begin(id));
  /** The preset whose values the draft has, or null once it was changed; of equal ones that which was chosen. */
  const preset = computed(() => {
    const same = presetsOf(values.value).filter((known) => known.task === task.value);
    return same.find(({ id }) => id === chosen.value[task.value]) ?? same.at(0) ?? null;
  });

  const checks = latest();
  const ask = async (): Promise<void> => {
    const take = (answer: RecipeCheck | null, why: PlainError | null): void => {
      check.value = answer;
      checkError.value = why;
    };
    const isTaken = await checks.ask(
      () => service.call('recipe.check', { recipe: { ...values.value } }),
      (answer) => take(answer, null),
      (thrown) => take(null, toPlainError(thrown)),
    );
    if (isTaken) await foresee();
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const askSoon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), CHECK_PAUSE);
  };

  const foresights = latest();
  /** The rate and the hours of the recipe: both cost little. */
  const foresee = async (): Promise<void> => {
    const recipe = { ...values.value };
    const isNewest = foresights.begin();
    const [rate, hours] = await Promise.all([
      service.call('recipe.schedule', { recipe }).catch(() => null),
      service.call('recipe.time', { recipe }).catch(() => null),
    ]);
    if (!isNewest()) return;
    schedule.value = rate;
    time.value = hours;
  };
  /** Has a few steps timed, on the recipe's own images. */
  const measure = async (): Promise<void> => {
    timeError.value = null;
    try {
      const { job } = await service.call('recipe.measure', { recipe: { ...values.value } });
      await jobs.finished(job);
      await foresee();
    } catch (thrown) {
      const plain = toPlainError(thrown);
      timeError.value = plain.code === 'job.cancelled' ? null : plain;
    }
  };
  const readings = latest();
  /** Shows what a recipe file says; one without a fault is taken at once, in place of all but the data folder. */
  const read = (said: RecipeReading): void => {
    readings.drop();
    startError.value = null;
    reading.value = said;
    taken.value = null;
    if (said.problems.length === 0) takeReading();
  };
  const openText = async (text: string): Promise<void> => {
    startError.value = null;
    await readings.ask(
      () => service.call('recipe.read', { text }),
      read,
      (thrown) => (startError.value = toPlainError(thrown)),
    );
  };
  const takeReading = (): void => replace(takeRead);
  const takeRead = (): void => {
    const { dataPath: _, ...given } = reading.value?.values ?? {};
    const { dataPath } = values.value;
    typed.value = {};
    chosen.value = { ...chosen.value, [task.value]: '' };
    keep('recipe-presets', chosen.value);
    drafts.value = { ...drafts.value, [task.value]: { ...defaultRecipe(), ...given, dataPath } };
    taken.value = Object.keys(reading.value?.values ?? {}).length;
  };
  const textOf = (format: 'yaml' | 'json'): Promise<string> =>
    service.call('recipe.write', { recipe: { ...values.value }, format });

  let foretold = '';
  /** Asks for a forecast of a recipe that can be trained; one at a time, since each takes a process for seconds. */
  const foretell = async (): Promise<void> => {
    const recipe = { ...values.value };
    const now = JSON.stringify(recipe);
    if (foretelling || now === foretold || !ready.value) return;
    foretelling = true;
    forecast.value = null;
    try {
      const answer = await service.call('recipe.forecast', { recipe });
      foretold = now;
      if (JSON.stringify(values.value) === now) forecast.value = answer;
    } catch {
      // What is wrong with a recipe its check says, and what is wrong with the engine its page.
      foretold = now;
    } finally {
      foretelling = false;
    }
    if (JSON.stringify(values.value) !== now) foretellSoon();
  };
  let foretelling = false;
  let forecastTimer: ReturnType<typeof setTimeout> | undefined;
  const foretellSoon = (): void => {
    clearTimeout(forecastTimer);
    forecastTimer = setTimeout(() => void foretell(), FORECAST_PAUSE);
  };

  /** Weights are taken while the recipe is for the same model, and nothing else was chosen to start from. */
  const fetches = latest(() => `${values.value.model} ${values.value.finetune}`);
  /** Fetches the ImageNet weights of the model being trained and starts from them. */
  const fetchWeights = async (): Promise<void> => {
    weightsError.value = null;
    const { model } = values.value;
    await fetches.ask(
      async () => jobs.finished((await service.call('weights.fetch', { model })).job),
      ({ result }) => set('finetune', String(result)),
      (thrown) => {
        const plain = toPlainError(thrown);
        weightsError.value = plain.code === 'job.cancelled' ? null : plain;
      },
    );
  };

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
  /** What the service holds against the recipe. While no data set is open, that alone is said, and by a blocker. */
  const errors = computed(() =>
    (check.value?.errors ?? []).filter(({ code }) => dataset.summary !== null || !code.startsWith('data.')),
  );
  /** The same, by the setting that mends it. */
  const fieldErrors = computed(() => {
    const found = errors.value.map((error) => [fieldOfError(error, values.value), error] as const);
    return new Map(found.filter((entry): entry is [RecipeKey, PlainError] => entry[0] !== undefined));
  });
  const warnings = computed(() => check.value?.warnings ?? []);
  const ready = computed(() => blockers.value.length === 0 && errors.value.length === 0);
  /** Starts the run; true when it did, and not when it waits in the queue. */
  const start = async (): Promise<boolean> => {
    if (!ready.value || runs.starting) return false;
    startError.value = null;
    try {
      return (await runs.start(values.value)) !== null;
    } catch (thrown) {
      startError.value = toPlainError(thrown);
      return false;
    }
  };

  /** Has the recipe wait for its turn; true when it does. */
  const enqueue = async (): Promise<boolean> => ready.value && queue.add({ recipe: { ...values.value } });

  watch(
    () => dataset.path,
    (path) => {
      const { student, teacher } = drafts.value;
      drafts.value = { student: { ...student, dataPath: path }, teacher: { ...teacher, dataPath: path } };
    },
    { immediate: true },
  );
  watch(values, () => {
    startError.value = null;
    askSoon();
  });
  watch(drafts, (now) => keep('recipes', now));
  watch([values, ready], () => {
    forecast.value = null;
    foretellSoon();
  });
  watch(() => dataset.summary, askSoon);
  service.onOpen(askSoon);
  return {
    task,
    values,
    typed,
    check,
    checkError,
    checking: checks.busy,
    recheck: askSoon,
    forecast,
    schedule,
    time,
    timeError,
    measureJob,
    measure,
    reading,
    taken,
    read,
    openText,
    takeReading,
    textOf,
    base,
    basePreset,
    warnings,
    resetAll,
    startError,
    weightsJob,
    weightsError,
    problems,
    card,
    changed,
    command,
    preset,
    blockers,
    errors,
    fieldErrors,
    ready,
    set,
    distilFrom,
    fineTuneFrom,
    reset,
    usePreset,
    fetchWeights,
    start,
    enqueue,
    cancel: (job: string): Promise<void> => jobs.cancel(job),
  };
});

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

/** The setting that an error of a recipe speaks of, undefined when it is none alone. */
function fieldOfError({ code, params }: PlainError, recipe: Recipe): RecipeKey | undefined {
  if (code.startsWith('teacher.')) return 'teacherPath';
  if (code === 'data.too-few' || code === 'recipe.odd-batch') return 'batchSize';
  if (code.startsWith('data.')) return 'dataPath';
  const path = params['path'];
  return (['teacherPath', 'finetune', 'outputDir', 'dataPath'] as const).find((key) => path && recipe[key] === path);
}

function isChanged(field: Field, recipe: Recipe, base: Recipe): boolean {
  return field.key !== 'dataPath' && recipe[field.key] !== base[field.key];
}

/** The value that `given` means for the field, or undefined when it means none. */
function parse(field: Field, given: string | number | boolean): string | number | boolean | undefined {
  if (field.type !== 'integer' && field.type !== 'number') return given;
  const number = typeof given === 'string' ? Number(given.trim().replace(/[\s_]/g, '') || NaN) : Number(given);
  return Number.isFinite(number) ? number : undefined;
}

/** The command that starts the same run without a window. */
function commandOf(recipe: Recipe, preset: Preset | null): string {
  // `train` knows the presets of students only.
  const named = preset?.task === 'student' && Object.keys(preset.values).length > 0 ? preset : null;
  const base = { ...defaultRecipe(), ...named?.values };
  const always: readonly RecipeKey[] = named ? ['dataPath'] : ['dataPath', 'model'];
  const keys = FIELDS.filter(({ key }) => always.includes(key)).concat(
    FIELDS.filter((field) => !always.includes(field.key) && isChanged(field, recipe, base)),
  );
  const flags = keys.map(({ key }) => {
    const value = recipe[key];
    if (typeof value === 'boolean') return value ? `--${flagOf(key)}` : `--no-${flagOf(key)}`;
    return `--${flagOf(key)} ${quote(String(value))}`;
  });
  return ['stillhouse train', ...(named ? [`--preset ${named.id}`] : []), ...flags].join(' ');
}

function quote(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}
