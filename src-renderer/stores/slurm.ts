import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import {
  SLURM_DEFAULTS,
  type SlurmCluster,
  type SlurmForm,
  type SlurmJob,
  type SlurmLog,
  type SlurmScript,
} from '../../src-main/protocol/slurm.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useNotices } from './notices.ts';
import { useRecipe } from './recipe.ts';

/** Milliseconds without a change after which a script is written anew. */
const TYPING = 400;

/** Slurm: where the recipe trains, the job's form and script, and the jobs that were submitted. */
export const useSlurm = defineStore('slurm', () => {
  const jobs = slurmJobs();
  return { ...jobs, ...slurmForm(jobs.refresh) };
});

function slurmJobs() {
  const service = useService();
  const notices = useNotices();
  const list = shallowRef<SlurmJob[]>([]);
  /** Why Slurm could not be asked about them. */
  const failure = shallowRef<PlainError | null>(null);
  const log = shallowRef<SlurmLog | null>(null);

  const listings = latest();
  const refresh = async (): Promise<void> => {
    await listings.ask(
      () => service.call('slurm.list', {}),
      (now) => {
        list.value = now.jobs;
        failure.value = now.failure;
      },
      notices.fail,
    );
  };
  const logs = latest();
  const showLog = async ({ name }: SlurmJob): Promise<void> => {
    await logs.ask(
      () => service.call('slurm.log', { job: name }),
      (now) => (log.value = now),
      notices.fail,
    );
  };
  const closeLog = (): void => {
    logs.drop();
    log.value = null;
  };
  const quietly = async (work: Promise<unknown>): Promise<void> => {
    await work.catch(notices.fail);
    await refresh();
  };
  const cancel = ({ name }: SlurmJob): Promise<void> => quietly(service.call('slurm.cancel', { job: name }));
  const forget = ({ name }: SlurmJob): Promise<void> => quietly(service.call('slurm.forget', { job: name }));

  service.onEvent(({ event }) => {
    if (event === 'slurm') void refresh();
  });
  service.onOpen(() => void refresh());
  return { list, failure, log, refresh, showLog, closeLog, cancel, forget };
}

function slurmForm(refresh: () => Promise<void>) {
  const service = useService();
  const recipe = useRecipe();
  const where = ref<'here' | 'processes' | 'slurm'>('here');
  const processes = ref(2);
  /** How many processes of this machine train the recipe together; undefined: one does, or Slurm. */
  const together = computed(() => (where.value === 'processes' ? processes.value : undefined));
  const form = ref<SlurmForm>({ ...SLURM_DEFAULTS });
  const cluster = shallowRef<SlurmCluster | null>(null);
  const script = shallowRef<SlurmScript | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const submitting = ref(false);
  const asked = () => ({ recipe: { ...recipe.values }, form: { ...form.value } });

  const clusters = latest();
  const look = async (): Promise<void> => {
    await clusters.ask(
      () => service.call('slurm.cluster', {}),
      (now) => (cluster.value = now),
      (thrown) => (error.value = toPlainError(thrown)),
    );
  };
  const scripts = latest(() => JSON.stringify(asked()));
  const write = async (): Promise<void> => {
    await scripts.ask(
      () => service.call('slurm.script', asked()),
      (now) => {
        script.value = now;
        error.value = null;
      },
      (thrown) => {
        script.value = null;
        error.value = toPlainError(thrown);
      },
    );
  };
  /** Submits the recipe. @returns the job; null when it was refused, which `error` says. */
  const submit = async (): Promise<SlurmJob | null> => {
    if (submitting.value) return null;
    submitting.value = true;
    error.value = null;
    try {
      return await service.call('slurm.submit', asked());
    } catch (thrown) {
      error.value = toPlainError(thrown);
      return null;
    } finally {
      submitting.value = false;
      await refresh();
    }
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  watch(
    () => [where.value, JSON.stringify(asked())],
    ([place], before) => {
      if (place !== 'slurm') return;
      if (before[0] !== 'slurm') void look();
      clearTimeout(timer);
      timer = setTimeout(() => void write(), before[0] === 'slurm' ? TYPING : 0);
    },
  );
  return { where, processes, together, form, cluster, script, error, submitting, look, write, submit };
}
