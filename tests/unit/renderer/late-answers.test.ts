import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { StillhouseError, toPlainError } from '../../../src-main/protocol/errors.ts';
import type { EvaluationFacts } from '../../../src-main/protocol/evaluation.ts';
import type { JobProgress } from '../../../src-main/protocol/events.ts';
import type { ExportInfo } from '../../../src-main/protocol/export.ts';
import type { SlurmCluster, SlurmJobs } from '../../../src-main/protocol/slurm.ts';
import type { StudyReport } from '../../../src-main/protocol/study.ts';
import type { CallName } from '../../../src-main/protocol/service.ts';
import { latest } from '../../../src-renderer/composables/latest.ts';
import { useBadStep } from '../../../src-renderer/stores/bad-step.ts';
import { useCheckpoints } from '../../../src-renderer/stores/checkpoints.ts';
import { useComparison } from '../../../src-renderer/stores/comparison.ts';
import { useDataCheck } from '../../../src-renderer/stores/data-check.ts';
import { useDataset } from '../../../src-renderer/stores/dataset.ts';
import { useDesktop } from '../../../src-renderer/stores/desktop.ts';
import { useDistillation } from '../../../src-renderer/stores/distillation.ts';
import { useEngine } from '../../../src-renderer/stores/engine.ts';
import { useEvaluation } from '../../../src-renderer/stores/evaluation.ts';
import { useExportSizes } from '../../../src-renderer/stores/export-sizes.ts';
import { useExports, type ExportWish } from '../../../src-renderer/stores/exports.ts';
import { useJobs } from '../../../src-renderer/stores/jobs.ts';
import { useNotices } from '../../../src-renderer/stores/notices.ts';
import { usePhoto } from '../../../src-renderer/stores/photo.ts';
import { useProfile } from '../../../src-renderer/stores/profile.ts';
import { useQueue } from '../../../src-renderer/stores/queue.ts';
import { useRecipeCheck } from '../../../src-renderer/stores/recipe-check.ts';
import { useRecipeFile } from '../../../src-renderer/stores/recipe-file.ts';
import { useRecipeForesight } from '../../../src-renderer/stores/recipe-foresight.ts';
import { useRecipeStart } from '../../../src-renderer/stores/recipe-start.ts';
import { useRecipe } from '../../../src-renderer/stores/recipe.ts';
import { useRun } from '../../../src-renderer/stores/run.ts';
import { useRunTable } from '../../../src-renderer/stores/run-table.ts';
import { useSampleRun } from '../../../src-renderer/stores/sample-run.ts';
import { useSystem } from '../../../src-renderer/stores/system.ts';
import { useStartQuestion } from '../../../src-renderer/stores/start-question.ts';
import { useTeachers } from '../../../src-renderer/stores/teachers.ts';
import { useTrash } from '../../../src-renderer/stores/trash.ts';
import { useSlurm } from '../../../src-renderer/stores/slurm.ts';
import { useStudies } from '../../../src-renderer/stores/studies.ts';
import { useWeights } from '../../../src-renderer/stores/weights.ts';
import { SLURM_JOB, STUDY, ScriptedService } from '../../helpers/scripted-service.ts';
import { waitFor, windowClient, type WindowClient } from '../../helpers/window-client.ts';

/** Two requests, of which the first is answered after the second. */
interface Late {
  /** The store's file. */
  store: string;
  what: string;
  /** The call whose answers are held back. */
  call: CallName;
  /** Brings about what the requests need. */
  before?: () => Promise<void>;
  /** Makes the two requests: 0, then 1. */
  ask: (which: 0 | 1) => unknown;
  /** How an answer is told from the other; by default as the service gives it. */
  mark?: (answer: never, which: 0 | 1, params: never) => unknown;
  /** What the window shows of them, and what that is once the second was answered. */
  shown: () => unknown;
  newest: unknown;
  /** Where a failure would be shown beside the notices. */
  error?: () => unknown;
  /** It changes something: what it is refused for is told, however late. */
  acts?: true;
}

let service: ScriptedService;
let window: WindowClient;
let runs: string[];

beforeEach(() => {
  service = new ScriptedService();
  runs = [0, 1].map(() => service.addRun({ state: 'stopped', epochs: 1 }));
  service.handlers['run.bad-step'] = async ({ run }) => ({ ...BAD_STEP, path: run });
  service.handlers['evaluation.list'] = async () => [facts('one'), facts('two'), facts('three')];
  service.handlers['evaluation.report'] = async ({ id, head }) => ({ ...REPORT, facts: facts(id), head });
  service.handlers['photo.answer'] = async ({ run }) => ({ ...PHOTO, model: run ?? '' });
  window = windowClient(service);
});

const named =
  (key: string, names = ['first', 'second']) =>
  (answer: Record<string, unknown>, which: 0 | 1) => ({ ...answer, [key]: names[which] });

const HEAD = { acc1: 1, acc5: 1, nll: 1, confidence: 1, ece: 0, agreement: null, real: null };
const facts = (id: string): EvaluationFacts => ({
  ...{ id, time: 1, weights: '/w', run: null, checkpoint: null, average: false, model: 'deit', inputSize: 32 },
  ...{ cropRatio: 1, evalHeads: 'mean', data: '/data', images: 'val', count: 1, skipped: 0, teacher: null, loss: 1 },
  ...{ seconds: 1, heads: [{ head: 'test', ...HEAD }] },
});
const REPORT = { classes: [], confusion: [], bins: [] };
const BAD_STEP = {
  ...{ loss: 'NaN', lossClass: 'NaN', lossDistillation: null, gradients: false, step: 1, epoch: 0, batch: 0, lr: 1 },
  ...{ precision: 'float32', dataPath: '/data', checkpoint: null, spoilt: [], images: [] },
};
const PHOTO = { average: false, seen: '', inputSize: 32, heads: [], attention: null, milliseconds: 1 };
const PROFILE = { step: 4, batchSize: 1, milliseconds: 1, opMilliseconds: 1, ops: [] };
const EXPORT: Omit<ExportInfo, 'path'> = {
  ...{ format: 'pth', bytes: 1, time: 1, checkpoint: 'c', epoch: 1, average: false, wrapped: false, model: 'deit' },
  ...{ classes: 3, inputSize: 32, check: null, error: null },
};
const JOB: JobProgress = {
  ...{ job: 'job', kind: 'sample-run', state: 'running', stage: 'data', done: 0, total: 1, unit: 'files', rate: 0 },
  ...{ secondsLeft: null, error: null, result: null },
};

/** One line for each thing that a store asks for. A new store has its line here. */
const LATE: readonly Late[] = [
  {
    ...{ store: 'bad-step', what: 'the batch of a run', call: 'run.bad-step' },
    ask: (which) => useBadStep().open(runs[which]),
    shown: () => useBadStep().shown?.path === runs[1],
    newest: true,
  },
  {
    ...{ store: 'checkpoints', what: 'the list of one run', call: 'checkpoint.list' },
    ask: () => useCheckpoints().refresh(),
    mark: (list: object[], which) => list.map((one) => ({ ...one, file: `${which}` })),
    shown: () => useCheckpoints().list[0]?.file,
    newest: '1',
    error: () => useCheckpoints().error,
  },
  {
    ...{ store: 'checkpoints', what: 'where a history was written', call: 'history.export' },
    ask: () => useCheckpoints().writeHistory('csv'),
    mark: named('path'),
    shown: () => useCheckpoints().written,
    newest: 'second',
    acts: true,
  },
  {
    ...{ store: 'dataset', what: 'a folder', call: 'dataset.inspect' },
    ask: (which) => useDataset().open(`/data/${which}`),
    shown: () => [useDataset().summary?.path, useDataset().reading, useDataset().recent.includes('/data/0')],
    newest: ['/data/1', false, false],
    error: () => useDataset().error,
  },
  {
    ...{ store: 'data-check', what: 'what is left out', call: 'dataset.exclude' },
    ask: async (which) => {
      if (!useDataset().summary) await useDataset().open('/data/0');
      await useDataCheck().exclude('leak', which === 0);
    },
    mark: (list: object, which) => ({ ...list, count: which + 5 }),
    shown: () => useDataCheck().excluded?.count,
    newest: 6,
    acts: true,
  },
  {
    ...{ store: 'desktop', what: 'a path to open', call: 'system.look' },
    ask: (which) => useDesktop().open({ kind: 'path', path: `/data/${which}` }),
    shown: () => useDataset().path,
    newest: '/data/1',
    acts: true,
  },
  {
    ...{ store: 'distillation', what: 'what it would come to', call: 'distil.offer' },
    before: openToDistil,
    ask: (which) => (useDistillation().studentEpochs = which + 20),
    mark: (offer: { plan: object }, which) => ({ ...offer, plan: { ...offer.plan, classes: which + 20 } }),
    shown: () => useDistillation().offer?.plan.classes,
    newest: 21,
    error: () => useDistillation().error,
  },
  {
    ...{ store: 'distillation', what: 'how far all are', call: 'distil.list' },
    before: async () => {
      await openToDistil();
      await useDistillation().begin();
    },
    ask: () => service.emit({ event: 'distillations' }),
    mark: (list: object[], which) => list.map((one) => ({ ...one, share: which / 2 })),
    shown: () => useDistillation().report?.share,
    newest: 0.5,
    error: () => useDistillation().error,
  },
  {
    ...{ store: 'engine', what: 'the state', call: 'engine.status' },
    ask: () => useEngine().refresh(),
    mark: named('version'),
    shown: () => useEngine().status?.version,
    newest: 'second',
    error: () => useEngine().error,
  },
  {
    ...{ store: 'evaluation', what: 'one of several', call: 'evaluation.report' },
    ask: (which) => (useEvaluation().id = ['two', 'three'][which]),
    shown: () => useEvaluation().report?.facts.id,
    newest: 'three',
    error: () => useEvaluation().error,
  },
  {
    ...{ store: 'evaluation', what: 'a head of one', call: 'evaluation.report' },
    ask: (which) => (useEvaluation().head = (['class', 'distillation'] as const)[which]),
    shown: () => useEvaluation().report?.head,
    newest: 'distillation',
    error: () => useEvaluation().error,
  },
  {
    ...{ store: 'exports', what: 'the list of one run', call: 'export.list' },
    ask: () => service.emit({ event: 'runs' }),
    mark: (_: object, which) => [{ ...EXPORT, path: `/export/${which}` }],
    shown: () => useExports().list[0]?.path,
    newest: '/export/1',
  },
  {
    ...{ store: 'photo', what: 'an image', call: 'photo.answer' },
    ask: (which) => usePhoto().ask(new Blob(['image']), runs[which]),
    shown: () => usePhoto().answer?.model === runs[1],
    newest: true,
    error: () => usePhoto().error,
  },
  {
    ...{ store: 'profile', what: 'that of one run', call: 'run.profile' },
    ask: () => useProfile().open(runs[0]),
    mark: (_: object, which) => (which === 0 ? null : PROFILE),
    shown: () => useProfile().profile?.step,
    newest: PROFILE.step,
  },
  {
    ...{ store: 'queue', what: 'the queue', call: 'queue.move' },
    ask: (which) => useQueue().move('a', which),
    mark: (report: object, which) => ({ ...report, atOnce: which + 5 }),
    shown: () => useQueue().report.atOnce,
    newest: 6,
    acts: true,
  },
  {
    ...{ store: 'recipe-check', what: 'the check', call: 'recipe.check' },
    ask: (which) => useRecipe().set('epochs', which + 20),
    mark: (check: object, which) => ({ ...check, classes: which + 5 }),
    shown: () => useRecipeCheck().check?.classes,
    newest: 6,
    error: () => useRecipeCheck().checkError,
  },
  {
    ...{ store: 'recipe-foresight', what: 'the hours', call: 'recipe.time' },
    ask: (which) => useRecipe().set('epochs', which + 20),
    mark: (time: object, which) => ({ ...time, batchSize: which + 5 }),
    shown: () => useRecipeForesight().time?.batchSize,
    newest: 6,
  },
  {
    ...{ store: 'recipe-file', what: 'a file', call: 'recipe.read' },
    ask: (which) => useRecipeFile().openText(`epochs: ${which}`),
    mark: (reading: object, which) => ({ ...reading, values: { epochs: which + 5 } }),
    shown: () => useRecipe().values.epochs,
    newest: 6,
    error: () => useRecipeFile().error,
  },
  {
    ...{ store: 'run', what: 'one of several', call: 'run.detail' },
    ask: (which) => useRun().open(runs[which]),
    shown: () => useRun().detail?.summary.id === runs[1],
    newest: true,
    error: () => useRun().error,
  },
  {
    ...{ store: 'run', what: 'the same one twice', call: 'run.detail' },
    ask: () => useRun().open(runs[1]),
    mark: (detail: object, which) => ({ ...detail, classes: [`${which}`] }),
    shown: () => useRun().detail?.classes,
    newest: ['1'],
    error: () => useRun().error,
  },
  {
    ...{ store: 'run-table', what: 'recipes side by side', call: 'run.recipes' },
    ask: (which) => {
      useRunTable().select(runs, false);
      useRunTable().select([runs[which]], true);
      return useRunTable().compare();
    },
    shown: () => useRunTable().compared?.map(({ summary }) => summary.id === runs[1]),
    newest: [true],
  },
  {
    ...{ store: 'run-table', what: 'a folder', call: 'run.open' },
    ask: (which) => useRunTable().openFolder(`/runs/${which}`),
    mark: (_: object, which) => ({ run: runs[which] }),
    shown: () => useRun().currentId === runs[1],
    newest: true,
    acts: true,
  },
  {
    ...{ store: 'trash', what: 'the list', call: 'trash.list' },
    ask: () => service.emit({ event: 'runs' }),
    mark: (trash: object, which) => ({ ...trash, days: which + 5 }),
    shown: () => useTrash().trash.days,
    newest: 6,
  },
  {
    ...{ store: 'sample-run', what: 'what it costs', call: 'sample.cost' },
    ask: async (which) => {
      useSampleRun();
      service.progress({ ...JOB, job: 'sample', stage: 'data' });
      await waitFor(() => expect(useSampleRun().step).toBe('data'));
      service.endJob('sample', { state: 'cancelled' });
      await waitFor(() => expect(useSampleRun().step).toBeNull());
      return which;
    },
    mark: (cost: object, which) => ({ ...cost, data: which + 5 }),
    shown: () => useSampleRun().cost?.data,
    newest: 6,
  },
  {
    ...{ store: 'system', what: 'the machine', call: 'system.info' },
    ask: () => useSystem().refresh(),
    mark: named('cpu'),
    shown: () => useSystem().info?.cpu,
    newest: 'second',
  },
  {
    ...{ store: 'teachers', what: 'a card', call: 'teacher.card' },
    ask: (which) => (useTeachers(), useRecipe().set('teacherPath', `/teacher/${which}.onnx`)),
    shown: () => useTeachers().card?.path,
    newest: '/teacher/1.onnx',
  },
  {
    ...{ store: 'weights', what: 'the list', call: 'weights.list' },
    ask: () => (useWeights(), service.emit({ event: 'weights' })),
    mark: (list: object, which) => ({ ...list, folder: `/weights/${which}` }),
    shown: () => useWeights().list?.folder,
    newest: '/weights/1',
    error: () => useWeights().error,
  },
  {
    ...{ store: 'export-sizes', what: 'the sizes', call: 'export.sizes' },
    ask: (which) => useExportSizes().ask({ checkpoint: `checkpoint-${which}`, average: false }),
    mark: (sizes: object[], which) => sizes.map((size) => ({ ...size, bytes: which })),
    shown: () => useExportSizes().list[0]?.bytes,
    newest: 1,
  },
  {
    ...{ store: 'studies', what: 'the list', call: 'study.list' },
    // It is read a moment after an event, however many there are.
    ask: () => (service.studies.length || (service.studies = [STUDY]), useStudies().refresh()),
    mark: (list: StudyReport[], which) => list.map((study) => ({ ...study, path: `/studies/${which}` })),
    shown: () => useStudies().list[0]?.path,
    newest: '/studies/1',
  },
  {
    ...{ store: 'slurm', what: 'the jobs', call: 'slurm.list' },
    ask: () => ((service.slurm = [SLURM_JOB]), useSlurm().refresh()),
    mark: (found: SlurmJobs, which) => ({ ...found, jobs: found.jobs.map((job) => ({ ...job, job: `${which}` })) }),
    shown: () => useSlurm().list[0]?.job,
    newest: '1',
  },
  {
    ...{ store: 'slurm', what: 'a log', call: 'slurm.log' },
    ask: (which) => useSlurm().showLog({ ...SLURM_JOB, name: `job-${which}` }),
    shown: () => useSlurm().log?.path,
    newest: '/home/ada/job-1.log',
  },
  {
    ...{ store: 'slurm', what: 'the script', call: 'slurm.script' },
    ask: () => useSlurm().write(),
    mark: (script: object, which) => ({ ...script, text: `script ${which}` }),
    shown: () => useSlurm().script?.text,
    newest: 'script 1',
    error: () => useSlurm().error,
  },
  {
    ...{ store: 'slurm', what: 'the cluster', call: 'slurm.cluster' },
    ask: () => useSlurm().look(),
    mark: (cluster: SlurmCluster, which) => ({
      ...cluster,
      partitions: cluster.partitions.map((one) => ({ ...one, nodes: which })),
    }),
    shown: () => useSlurm().cluster?.partitions[0]?.nodes,
    newest: 1,
    error: () => useSlurm().error,
  },
  {
    ...{ store: 'studies', what: 'the cost', call: 'study.cost' },
    before: async () => {
      service.studies = [STUDY];
      await useStudies().refresh();
    },
    ask: () => useStudies().askCost(),
    mark: (cost: object, which) => ({ ...cost, trainings: which }),
    shown: () => useStudies().cost?.trainings,
    newest: 1,
    error: () => useStudies().error,
  },
];

/** Stores that ask for something and have a test of their own, or none. */
const OTHERS: Readonly<Record<string, string>> = {
  comparison: 'reads one run after the other; below',
  jobs: 'reads its list at a new connection; below',
  'recipe-start': 'fetches one file at a time; below',
  preview: 'makes one batch at a time, and says whose it is',
};

interface Held {
  answer: () => void;
  refuse: () => void;
}

/** Holds the answers of a call back, in the order of asking. */
function hold({ call, mark }: Late): Held[] {
  const held: Held[] = [];
  const handler = service.handlers[call] as (params: unknown) => Promise<unknown>;
  const handlers = service.handlers as Record<string, (params: unknown) => Promise<unknown>>;
  handlers[call] = async (params) => {
    const which = Math.min(1, held.length) as 0 | 1;
    await new Promise<void>((resolve, reject) =>
      held.push({ answer: resolve, refuse: () => reject(new StillhouseError('disk.full', { path: '/', needed: 1 })) }),
    );
    const answer = await handler(params);
    return mark ? mark(answer as never, which, params as never) : answer;
  };
  return held;
}

/** Opens a folder and waits for the offer to distil from it. */
async function openToDistil(): Promise<void> {
  useDistillation();
  await useDataset().open('/data/0');
  await waitFor(() => expect(useDistillation().offer).not.toBeNull());
}

/** Opens the stores and has what they begin with answered; what a recipe begins with only where `all` is. */
async function settled(all = false): Promise<void> {
  const [run, evaluation] = [useRun(), useEvaluation()];
  const [check, foresight] = [useRecipeCheck(), useRecipeForesight()];
  void [useCheckpoints(), useExports(), useRunTable(), useJobs(), useQueue(), useTeachers(), useSystem(), useTrash()];
  void [useWeights(), useStudies(), useSlurm()];
  await waitFor(() => expect(run.detail).not.toBeNull());
  await waitFor(() => expect([evaluation.report, useSampleRun().cost]).not.toContain(null));
  if (all) await waitFor(() => expect([check.check, foresight.time]).not.toContain(null));
  await answered();
}

/** Waits until everything that was sent has come, and what follows from it. */
async function answered(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await window.client.call('system.exist', { paths: [] });
}

describe('latest', () => {
  const failures = (thrown: unknown): never => {
    throw thrown;
  };
  const later = <Value>(): { promise: Promise<Value>; resolve: (value: Value) => void; reject: (e: Error) => void } => {
    let resolve!: (value: Value) => void;
    let reject!: (error: Error) => void;
    const promise = new Promise<Value>((done, failed) => ([resolve, reject] = [done, failed]));
    return { promise, resolve, reject };
  };

  test('takes the newest answer alone, and drops what fails late', async () => {
    const taken: number[] = [];
    const requests = latest();
    const [one, two, three] = [later<number>(), later<number>(), later<number>()];
    const asked = [one, two, three].map(({ promise }) =>
      requests.ask(
        () => promise,
        (answer) => taken.push(answer),
        failures,
      ),
    );
    expect(requests.busy.value).toBe(true);
    one.reject(new Error('late'));
    three.resolve(3);
    expect(await asked[2]).toBe(true);
    expect(requests.busy.value).toBe(false);
    two.resolve(2);
    expect([await asked[0], await asked[1], taken]).toEqual([false, false, [3]]);
  });

  test('takes no answer for another subject, nor one that was dropped', async () => {
    let subject = 'a';
    const taken: number[] = [];
    const requests = latest(() => subject);
    const one = later<number>();
    const asked = requests.ask(
      () => one.promise,
      (answer) => taken.push(answer),
      failures,
    );
    subject = 'b';
    one.resolve(1);
    expect([await asked, requests.busy.value]).toEqual([false, false]);
    const two = later<number>();
    const dropped = requests.ask(
      () => two.promise,
      (answer) => taken.push(answer),
      failures,
    );
    requests.drop();
    expect(requests.busy.value).toBe(false);
    two.reject(new Error('nobody waits'));
    expect([await dropped, taken]).toEqual([false, []]);
  });
});

describe('of two requests the newer one stands, though the older one', () => {
  const endings = ['answer', 'refuse'] as const;
  const cases = LATE.flatMap((late) => endings.map((ending) => [ending, late.store, late.what, late] as const));
  test.each(cases)('%ss later: %s, %s', async (ending, _, __, late) => {
    await settled(/^recipe-(check|foresight)/.test(late.store));
    await late.before?.();
    await answered();
    const held = hold(late);
    const asked: unknown[] = [];
    for (const which of [0, 1] as const) {
      asked.push(late.ask(which));
      await waitFor(() => expect(held.length).toBeGreaterThan(which));
    }
    held[1].answer();
    await waitFor(() => expect(late.shown()).toEqual(late.newest));
    held[0][ending]();
    await Promise.allSettled(asked);
    await answered();
    expect(late.shown()).toEqual(late.newest);
    if (!late.acts) expect([late.error?.() ?? null, useNotices().list]).toEqual([null, []]);
  });

  test('every store that asks the service has its line', () => {
    const folder = fileURLToPath(new URL('../../../src-renderer/stores/', import.meta.url));
    const asking = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && readFileSync(folder + file, 'utf8').includes('service.call('))
      .map((file) => file.replace(/\.ts$/, ''));
    expect(asking.length).toBeGreaterThan(15);
    expect(asking.filter((store) => !LATE.some((late) => late.store === store) && !(store in OTHERS))).toEqual([]);
  });
});

describe('what a person does meanwhile stands', () => {
  const late = (call: CallName): Held[] => hold({ call } as Late);

  test('a folder that is opened while the sample is built', async () => {
    await settled();
    const dataset = useDataset();
    const building = dataset.useSample();
    await waitFor(() => expect(dataset.sampleJob?.state).toBe('running'));
    await dataset.open('/data/mine');
    service.endJob(dataset.sampleJob!.job, { result: '/data/sample' });
    await building;
    expect(dataset.path).toBe('/data/mine');
  });

  test('another folder, to which the check of the one before says nothing', async () => {
    await settled();
    const dataset = useDataset();
    await dataset.open('/data/checked');
    const check = useDataCheck();
    const checking = check.check();
    await waitFor(() => expect(check.job?.state).toBe('running'));
    await dataset.open('/data/mine');
    service.endJob(check.job!.job, {
      state: 'failed',
      error: toPlainError(new StillhouseError('engine.missing')),
    });
    await checking;
    expect(check.error).toBeNull();
    expect(useNotices().list).toHaveLength(1);
  });

  test('another folder, to which a distillation of the one before says nothing', async () => {
    await settled();
    await openToDistil();
    const distillation = useDistillation();
    service.handlers['distil.measure'] = async () => service.job('distil', 'measure', 1, 'files');
    const measuring = distillation.measure();
    await waitFor(() => expect(useJobs().ofKind('distil')?.state).toBe('running'));
    await useDataset().open('/data/mine');
    const { job } = useJobs().ofKind('distil')!;
    service.endJob(job, { state: 'failed', error: toPlainError(new StillhouseError('engine.missing')) });
    await measuring;
    expect(distillation.error).toBeNull();
    expect(useNotices().list).toHaveLength(1);
  });

  test('an error of one folder, which goes when another is opened', async () => {
    await settled();
    await openToDistil();
    const distillation = useDistillation();
    service.handlers['distil.start'] = service.handlers['distil.offer'] = async () => {
      throw new StillhouseError('engine.missing');
    };
    expect(await distillation.begin()).toBe(false);
    expect(distillation.error?.code).toBe('engine.missing');
    const held = late('distil.offer');
    await useDataset().open('/data/mine');
    await waitFor(() => expect(held).toHaveLength(1));
    expect(distillation.error).toBeNull();
  });

  test('another evaluation, chosen while a new one is made', async () => {
    await settled();
    const evaluation = useEvaluation();
    service.handlers['evaluation.start'] = async () => service.job('evaluate', 'evaluate', 1, 'files');
    const making = evaluation.start({ average: false, folder: '', realLabels: '' });
    await waitFor(() => expect(evaluation.job?.state).toBe('running'));
    evaluation.id = 'two';
    service.endJob(evaluation.job!.job, { result: 'three' });
    await making;
    expect(evaluation.id).toBe('two');
  });

  test('an evaluation is never shown under another one’s name', async () => {
    await settled();
    const evaluation = useEvaluation();
    const held = late('evaluation.report');
    evaluation.id = 'two';
    await waitFor(() => expect(held).toHaveLength(1));
    expect(evaluation.report).toBeNull();
    held[0].answer();
    await waitFor(() => expect(evaluation.report?.facts.id).toBe('two'));
  });

  test('another run, while a file of the one before is exported and checked', async () => {
    await settled();
    const [run, exports] = [useRun(), useExports()];
    await run.open(runs[0]);
    service.handlers['export.write'] = async () => service.job('export', 'compare', 1, 'files');
    const held = late('export.write');
    const wish: ExportWish = { checkpoint: 'epoch-0001.safetensors', items: [{ format: 'pth' }], images: 16 };
    const writing = exports.write(wish);
    await waitFor(() => expect(held).toHaveLength(1));
    await run.open(runs[1]);
    held[0].answer();
    await waitFor(() => expect(exports.job?.state).toBe('running'));
    service.endJob(exports.job!.job, { state: 'failed', error: toPlainError(new StillhouseError('engine.missing')) });
    await writing;
    expect(exports.error).toBeNull();
    expect(useNotices().list).toHaveLength(1);
  });

  test('another run, opened while a folder is opened as one', async () => {
    await settled();
    const [run, table] = [useRun(), useRunTable()];
    await run.open(runs[1]);
    service.handlers['run.open'] = async () => ({ run: runs[1] });
    const held = late('run.open');
    const opening = table.openFolder('/runs/0');
    await waitFor(() => expect(held).toHaveLength(1));
    await run.open(runs[0]);
    held[0].answer();
    expect([await opening, run.currentId]).toEqual([false, runs[0]]);
  });

  test('weights typed while others are fetched', async () => {
    await settled();
    const [recipe, starting] = [useRecipe(), useRecipeStart()];
    const fetching = starting.fetchWeights();
    await waitFor(() => expect(starting.weightsJob?.state).toBe('running'));
    recipe.set('finetune', '/my/weights.pth');
    service.endJob(starting.weightsJob!.job, { result: '/fetched.safetensors' });
    await fetching;
    expect(recipe.values.finetune).toBe('/my/weights.pth');
  });

  test('a batch that is closed before it comes stays closed', async () => {
    await settled();
    const bad = useBadStep();
    const held = late('run.bad-step');
    const opening = bad.open(runs[0]);
    await waitFor(() => expect(held).toHaveLength(1));
    bad.close();
    held[0].answer();
    await opening;
    expect(bad.shown).toBeNull();
  });

  test('what one run says of an image goes when another is opened; the image stays', async () => {
    await settled();
    const [photo, run] = [usePhoto(), useRun()];
    await photo.ask(new Blob(['image']), runs[1]);
    expect(photo.answer?.model).toBe(runs[1]);
    await run.open(runs[0]);
    expect([photo.answer, photo.held === null]).toEqual([null, false]);
  });

  test('a run that is taken out and put in again is read again', async () => {
    await settled();
    const compared = useComparison();
    const held = late('run.detail');
    compared.overlay([runs[0]]);
    await waitFor(() => expect(held).toHaveLength(1));
    compared.overlay([]);
    compared.overlay([runs[0]]);
    held[0].refuse();
    await waitFor(() => expect(held).toHaveLength(2));
    held[1].answer();
    await waitFor(() => expect(compared.list[0].history).not.toBeNull());
    expect(compared.list[0].error).toBeNull();
  });

  test('a second question leaves the first, whose start ends', async () => {
    await settled();
    const question = useStartQuestion();
    const busy = async (anyway: boolean): Promise<string> => {
      if (anyway) return 'begun';
      throw new StillhouseError('run.busy', { run: 'r' });
    };
    const first = question.startOr(busy, null);
    await waitFor(() => expect(question.asking).not.toBeNull());
    const asking = question.asking;
    const second = question.startOr(busy, null);
    await waitFor(() => expect(question.asking).not.toBe(asking));
    expect(await first).toBeNull();
    question.asking!.answer('anyway');
    expect([await second, question.asking]).toEqual(['begun', null]);
  });

  test('a job that ends while the list of jobs is on its way has ended', async () => {
    await settled();
    const jobs = useJobs();
    const { job } = service.job('check', 'check', 1, 'files');
    const list = service.handlers['job.list'];
    let asked = false;
    let release!: () => void;
    service.handlers['job.list'] = async (params) => {
      const listed = await list(params);
      asked = true;
      await new Promise<void>((resolve) => (release = resolve));
      return listed;
    };
    window.cut();
    await waitFor(() => expect(asked).toBe(true));
    service.endJob(job, {});
    await answered();
    release();
    await answered();
    expect(jobs.all.get(job)?.state).toBe('done');
  });

  test('one port is open however often a person tries again', async () => {
    await settled();
    window.cut();
    useSystem().retry();
    useSystem().retry();
    await waitFor(() => expect(useSystem().connection).toBe('open'));
    await answered();
    expect(window.opened).toBe(2);
  });
});
