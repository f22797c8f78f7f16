import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import type { SampleCost } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { SAMPLE_STEPS, type SampleStep } from '../../src-main/protocol/events.ts';
import { latest } from '../composables/latest.ts';
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

  /** The run that is open as long as a person opens no other. */
  let expected = '';

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

  const readings = latest();
  const refresh = async (): Promise<void> => {
    const take = (read: SampleCost | null): void => void (cost.value = read);
    await readings.ask(
      () => service.call('sample.cost', {}),
      take,
      () => take(null),
    );
  };
  /** Has the service begin; true when the student trains and is shown, since nobody has opened another run. */
  const begin = async (): Promise<boolean> => {
    refused.value = null;
    expected = runs.currentId;
    const started = await service.call('sample.start', {}).catch((thrown: unknown) => {
      refused.value = toPlainError(thrown);
      return null;
    });
    // Why it fails the job itself tells, in every window.
    const ended = started && (await jobs.finished(started.job).catch(() => null));
    if (typeof ended?.result !== 'string' || runs.currentId !== expected) return false;
    await showStudent(ended.result);
    return true;
  };
  const showStudent = async (run: string): Promise<void> => {
    await runs.open(run);
    const own = runs.detail?.recipe;
    if (!own || runs.currentId !== run) return;
    recipe.usePreset('sample-student');
    recipe.distilFrom({ model: own.teacherModel, path: own.teacherPath });
  };
  const cancel = (): void => {
    if (job.value) void jobs.cancel(job.value.job);
  };

  const openData = async (): Promise<void> => {
    await system.refresh();
    if (system.info?.sample && !dataset.summary && !dataset.reading) await dataset.open(system.info.sample);
  };
  watch(step, (now) => {
    if (now === null) void refresh();
    // What a person has opened themselves stays open.
    else if (SAMPLE_STEPS.indexOf(now) > SAMPLE_STEPS.indexOf('data') && !dataset.summary && !dataset.reading)
      void openData();
  });
  watch(
    () => (step.value === 'teacher' ? runs.active?.id : undefined),
    (teacher) => {
      if (teacher === undefined) return;
      expected = teacher;
      if (teacher !== runs.currentId) void runs.open(teacher);
    },
  );
  service.onOpen(() => void refresh());
  return { step, error, cost, bytes, begin, cancel };
});
