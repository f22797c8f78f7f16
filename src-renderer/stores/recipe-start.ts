import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';
import { useQueue } from './queue.ts';
import { useRecipeCheck } from './recipe-check.ts';
import { useRecipe } from './recipe.ts';
import { useRun } from './run.ts';
import { useSlurm } from './slurm.ts';

/** Starts the recipe being written, and fetches what it starts from. */
export const useRecipeStart = defineStore('recipe-start', () => {
  const service = useService();
  const jobs = useJobs();
  const queue = useQueue();
  const slurm = useSlurm();
  const notices = useNotices();
  const runs = useRun();
  const recipe = useRecipe();
  const check = useRecipeCheck();
  const startError = shallowRef<PlainError | null>(null);
  const weightsJob = computed(() => jobs.ofKind('weights'));
  const weightsError = shallowRef<PlainError | null>(null);

  /** A teacher is to start from random weights, though it could start from ImageNet weights. */
  const fromScratch = ref(false);
  /** Whether ImageNet weights are fetched at the start: a teacher's, unless a person says otherwise. */
  const pretrains = computed(
    () =>
      recipe.task === 'teacher' &&
      recipe.values.finetune === '' &&
      recipe.card?.fetchable === true &&
      !fromScratch.value,
  );
  /** Gets what the recipe starts from; false where that cannot be had, which `startError` says. */
  const hasStart = async (): Promise<boolean> => {
    if (!pretrains.value) return true;
    await fetchWeights();
    startError.value = weightsError.value;
    return !pretrains.value;
  };
  /** Starts the run; true when it did, and not when it waits in the queue. */
  const start = async (): Promise<boolean> => {
    if (!check.ready || runs.starting) return false;
    startError.value = null;
    if (!(await hasStart())) return false;
    try {
      return (await runs.start(recipe.values, slurm.together)) !== null;
    } catch (thrown) {
      startError.value = toPlainError(thrown);
      return false;
    }
  };
  /** Has the recipe wait for its turn; true when it does. */
  const enqueue = async (): Promise<boolean> =>
    check.ready &&
    (await hasStart()) &&
    queue.add({ recipe: { ...recipe.values }, ...(slurm.together !== undefined && { processes: slurm.together }) });

  /** Hands the recipe to Slurm, or writes its script; true when that was done. */
  const submit = async (): Promise<boolean> => {
    if (!check.ready || !(await hasStart())) return false;
    const job = await slurm.submit();
    if (!job) return false;
    if (job.job === null) notices.tell('slurm.written', { path: job.script });
    else notices.tell('slurm.submitted', { job: job.job });
    return true;
  };
  /** Starts the recipe where it is to train. @returns the view that shows it; null where it was refused or waits. */
  const begin = async (): Promise<'train' | 'checkpoints' | null> => {
    if (slurm.where === 'slurm') return (await submit()) ? 'checkpoints' : null;
    return (await start()) ? 'train' : null;
  };

  /** Weights are taken while the recipe is for the same model, and nothing else was chosen to start from. */
  const fetches = latest(() => `${recipe.values.model} ${recipe.values.finetune}`);
  /** Fetches the ImageNet weights of the model being trained and starts from them. */
  const fetchWeights = async (): Promise<void> => {
    weightsError.value = null;
    const { model } = recipe.values;
    await fetches.ask(
      async () => jobs.finished((await service.call('weights.fetch', { model })).job),
      ({ result }) => recipe.set('finetune', String(result)),
      (thrown) => {
        const plain = toPlainError(thrown);
        weightsError.value = plain.code === 'job.cancelled' ? null : plain;
      },
    );
  };
  watch(
    () => recipe.values,
    () => (startError.value = null),
  );
  return { startError, weightsJob, weightsError, fromScratch, pretrains, start, begin, enqueue, fetchWeights };
});
