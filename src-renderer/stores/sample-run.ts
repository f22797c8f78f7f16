import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import type { SampleCost } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { useDataset } from './dataset.ts';
import { useEngine } from './engine.ts';
import { useRecipe } from './recipe.ts';
import { useRun } from './run.ts';
import { useService } from './service.ts';
import { useTeachers } from './teachers.ts';

export const SAMPLE_STEPS = ['engine', 'data', 'weights', 'teacher', 'student'] as const;
export type SampleStep = (typeof SAMPLE_STEPS)[number];

/**
 * The way from nothing to a distilling run on the sample data, in one go. Each step leaves something behind: begun
 * again after a failure or a closed window, it goes on with the first that is missing.
 */
export const useSampleRun = defineStore('sample-run', () => {
  const service = useService();
  const engine = useEngine();
  const dataset = useDataset();
  const recipe = useRecipe();
  const runs = useRun();
  const teachers = useTeachers();
  const step = ref<SampleStep | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const cost = shallowRef<SampleCost | null>(null);
  const bytes = computed(() => (cost.value ? cost.value.engine + cost.value.data + cost.value.teacher : null));

  const refresh = async (): Promise<void> => {
    cost.value = await service.call('sample.cost', {}).catch(() => null);
  };
  /** Ends when `done` says so. */
  const until = (done: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const stop = watch(done, (now) => now && (resolve(), setTimeout(() => stop())), { immediate: true });
    });
  const failed = (thrown: PlainError | null): boolean => {
    if (thrown) error.value = thrown;
    return thrown !== null;
  };

  /** Runs what is missing; true when the student trains. */
  const begin = async (): Promise<boolean> => {
    if (step.value) return false;
    error.value = null;
    try {
      return await walk();
    } catch (thrown) {
      const plain = toPlainError(thrown);
      error.value = plain.code === 'job.cancelled' ? null : plain;
      return false;
    } finally {
      step.value = null;
      void refresh();
    }
  };
  const walk = async (): Promise<boolean> => {
    step.value = 'engine';
    if (!engine.ready) await engine.install();
    if (failed(engine.error) || !engine.ready) return false;
    step.value = 'data';
    await dataset.useSample();
    if (failed(dataset.error) || !dataset.summary) return false;
    if (teachers.options.length === 0) await teachers.refresh();
    if (teachers.options.length === 0 && !(await trainTeacher())) return false;
    step.value = 'student';
    const [teacher] = teachers.options;
    if (!teacher) return false;
    recipe.usePreset('sample-student');
    recipe.distilFrom(teacher);
    // Not by the page's own start: its check is still that of the recipe before.
    await runs.start(recipe.values);
    return true;
  };
  const trainTeacher = async (): Promise<boolean> => {
    step.value = 'weights';
    recipe.usePreset('sample-teacher');
    await recipe.fetchWeights();
    if (failed(recipe.weightsError)) return false;
    step.value = 'teacher';
    const id = await runs.start(recipe.values);
    await until(() =>
      runs.list.some((run) => run.id === id && ['finished', 'stopped', 'failed', 'crashed'].includes(run.state)),
    );
    await teachers.refresh();
    return runs.list.find((run) => run.id === id)?.state === 'finished';
  };
  service.onOpen(() => void refresh());
  return { step, error, cost, bytes, begin };
});
