import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import type { LrSchedule, MemoryForecast, TimeForecast } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useJobs } from './jobs.ts';
import { useRecipeCheck } from './recipe-check.ts';
import { useRecipe } from './recipe.ts';
import { useSlurm } from './slurm.ts';

/** Longer than a check's, since a forecast costs more: a process and seconds of it. */
const FORECAST_PAUSE = 1500;

/** Estimates the recipe that is being written: its learning rate, its hours, its memory. */
export const useRecipeForesight = defineStore('recipe-foresight', () => ({
  ...rateAndHours(),
  ...memory(),
  ...teaching(),
}));

/** The rate and the hours of the recipe, which cost little, and a few steps of it that are timed. */
function rateAndHours() {
  const service = useService();
  const jobs = useJobs();
  const recipe = useRecipe();
  const check = useRecipeCheck();
  const slurm = useSlurm();
  const schedule = shallowRef<LrSchedule | null>(null);
  /** How long it would take; null where nothing tells. */
  const time = shallowRef<TimeForecast | null>(null);
  const timeError = shallowRef<PlainError | null>(null);
  const measureJob = computed(() => jobs.ofKind('measure'));

  const foresights = latest();
  const foresee = async (): Promise<void> => {
    const values = { ...recipe.values };
    const isNewest = foresights.begin();
    const [rate, hours] = await Promise.all([
      service.call('recipe.schedule', { recipe: values }).catch(() => null),
      service.call('recipe.time', { recipe: values, processes: slurm.together }).catch(() => null),
    ]);
    if (!isNewest()) return;
    schedule.value = rate;
    time.value = hours;
  };
  /** Has a few steps timed, on the recipe's own images. */
  const measure = async (): Promise<void> => {
    timeError.value = null;
    try {
      const { job } = await service.call('recipe.measure', { recipe: { ...recipe.values } });
      await jobs.finished(job);
      await foresee();
    } catch (thrown) {
      const plain = toPlainError(thrown);
      timeError.value = plain.code === 'job.cancelled' ? null : plain;
    }
  };
  watch([() => check.check, () => slurm.together], ([now]) => now && void foresee(), { immediate: true });
  return { schedule, time, timeError, measureJob, measure };
}

/** Has the teacher's answers to the recipe made ahead. */
function teaching() {
  const service = useService();
  const jobs = useJobs();
  const recipe = useRecipe();
  const teachError = shallowRef<PlainError | null>(null);
  const teachJob = computed(() => jobs.ofKind('teach'));
  const teach = async (): Promise<void> => {
    teachError.value = null;
    try {
      await service.call('answers.make', { recipe: { ...recipe.values } });
    } catch (thrown) {
      teachError.value = toPlainError(thrown);
    }
  };
  return { teachJob, teachError, teach };
}

/** Estimates the memory of the recipe. */
function memory() {
  const service = useService();
  const recipe = useRecipe();
  const check = useRecipeCheck();
  const slurm = useSlurm();
  /** null while that is not known. */
  const forecast = shallowRef<MemoryForecast | null>(null);
  let foretold = '';
  let foretelling = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Asks for a forecast of a recipe that can be trained; one at a time, since each takes a process for seconds. */
  const foretell = async (): Promise<void> => {
    const values = { ...recipe.values };
    const processes = slurm.together;
    const now = JSON.stringify([values, processes]);
    const isNow = (): boolean => JSON.stringify([recipe.values, slurm.together]) === now;
    if (foretelling || now === foretold || !check.ready) return;
    foretelling = true;
    forecast.value = null;
    try {
      const answer = await service.call('recipe.forecast', { recipe: values, processes });
      if (isNow()) forecast.value = answer;
    } catch {
      // What is wrong with a recipe its check says, and what is wrong with the engine its page.
    }
    foretold = now;
    foretelling = false;
    if (!isNow()) foretellSoon();
  };
  const foretellSoon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void foretell(), FORECAST_PAUSE);
  };
  watch(
    [() => recipe.values, () => check.ready, () => slurm.together],
    () => {
      forecast.value = null;
      foretellSoon();
    },
    { immediate: true },
  );
  return { forecast };
}
