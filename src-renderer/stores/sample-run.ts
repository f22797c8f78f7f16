import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import type { SampleCost } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { SAMPLE_STEPS, type SampleStep } from '../../src-main/protocol/events.ts';
import { useDataset } from './dataset.ts';
import { useJobs } from './jobs.ts';
import { useRecipe } from './recipe.ts';
import { useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';
import { useSystem } from './system.ts';

/** The way from nothing to a distilling run on the sample data. The service walks it; here it is begun and shown. */
export const useSampleRun = defineStore('sample-run', () => {
  const service = useService();
  const jobs = useJobs();
  const system = useSystem();
  const dataset = useDataset();
  const recipe = useRecipe();
  const runs = useRun();
  const refused = shallowRef<PlainError | null>(null);
  const cost = shallowRef<SampleCost | null>(null);
  const bytes = computed(() => (cost.value ? cost.value.engine + cost.value.data + cost.value.teacher : null));

  const job = computed(() => jobs.ofKind('sample-run'));
  const step = computed<SampleStep | null>(() => {
    if (job.value?.state !== 'running') return null;
    const { stage } = job.value;
    return SAMPLE_STEPS.find((one) => one === stage) ?? SAMPLE_STEPS[0];
  });
  const error = computed(() => {
    const why = refused.value ?? job.value?.error ?? null;
    return why?.code === 'job.cancelled' ? null : why;
  });

  const refresh = async (): Promise<void> => {
    cost.value = await service.call('sample.cost', {}).catch(() => null);
  };
  /** Has the service begin; true when the student trains. */
  const begin = async (): Promise<boolean> => {
    refused.value = null;
    const started = await service.call('sample.start', {}).catch((thrown: unknown) => {
      refused.value = toPlainError(thrown);
      return null;
    });
    // Why it fails the job itself tells, in every window.
    const ended = started && (await jobs.finished(started.job).catch(() => null));
    if (typeof ended?.result !== 'string') return false;
    await showStudent(ended.result);
    return true;
  };
  const showStudent = async (run: string): Promise<void> => {
    await runs.open(run);
    const own = runs.detail?.recipe;
    if (!own) return;
    recipe.usePreset('sample-student');
    recipe.distilFrom({ model: own.teacherModel, path: own.teacherPath });
  };
  const cancel = (): void => {
    if (job.value) void jobs.cancel(job.value.job);
  };

  const openData = async (): Promise<void> => {
    await system.refresh();
    if (system.info?.sample) await dataset.open(system.info.sample);
  };
  watch(step, (now) => {
    if (now === null) void refresh();
    // What a person has opened themselves stays open.
    else if (SAMPLE_STEPS.indexOf(now) > SAMPLE_STEPS.indexOf('data') && !dataset.summary && !dataset.reading)
      void openData();
  });
  watch(
    () => (step.value === 'teacher' ? runs.active?.id : undefined),
    (teacher) => teacher !== undefined && teacher !== runs.currentId && void runs.open(teacher),
  );
  service.onOpen(() => void refresh());
  return { step, error, cost, bytes, begin, cancel };
});
