import { StillhouseError, toPlainError } from '../../src-main/protocol/errors.ts';
import { reason } from '../../src-main/protocol/reasons.ts';
import type {
  CheckpointInfo,
  EngineDevice,
  EngineReport,
  EngineStatus,
  Gpu,
  PluginStatus,
  PreviewImage,
  RunProfile,
  QueueReport,
  RunSummary,
} from '../../src-main/protocol/data-types.ts';
import type {
  EpochRow,
  HistoryRow,
  JobKind,
  JobProgress,
  ServiceEvent,
  StepRow,
} from '../../src-main/protocol/events.ts';
import { isPlugin } from '../../src-main/protocol/device.ts';
import type { DistilPlan, DistilReport } from '../../src-main/protocol/distillation.ts';
import { EXPORT_FORMAT_NAMES, nameEnd } from '../../src-main/protocol/export-formats.ts';
import type { ExportInfo } from '../../src-main/protocol/export.ts';
import { FIELDS, checkField, defaultRecipe, scaledLr, type Recipe } from '../../src-main/protocol/recipe.ts';
import { STEP_FIELDS, STEP_FIELD_NAMES, numbersOf, type RunSeries } from '../../src-main/protocol/step-columns.ts';
import { CARD_FIELDS, type TeacherCard } from '../../src-main/protocol/teacher-card.ts';
import type { SlurmCluster, SlurmJob } from '../../src-main/protocol/slurm.ts';
import type { StudyReport } from '../../src-main/protocol/study.ts';
import type { Handlers } from '../../src-main/protocol/service.ts';

export const START = Date.UTC(2026, 10, 24, 9, 0, 0);
export const STEPS_PER_EPOCH = 120;

const DISTIL_COST = { download: 18.7e6, disk: 352e6, free: 81e9, teacherSeconds: 1260, studentSeconds: null };

/** A plan whose teacher is to be made. */
function distilPlan(dataPath: string): DistilPlan {
  const settings = { dataPath, inputSize: 224, batchSize: 64 };
  const [teacher, student] = ['tf_efficientnet_lite0', 'deit_tiny_distilled_patch16_224'];
  return {
    ...{ id: 'plan', created: START, asked: { dataPath }, dataPath, classes: 6 },
    teacher: {
      ...({ origin: 'made', start: 'published', model: teacher } as const),
      ...{ path: null, run: null, acc1: null, dataPath: null },
      recipe: { ...settings, model: teacher, epochs: 30 },
    },
    student: { recipe: { ...settings, model: student, epochs: 300, distillationType: 'hard' }, run: null },
  };
}

/** A study of two variants of which nothing has begun. */
export const STUDY: StudyReport = {
  ...{ id: 'study', path: '/home/ada/.local/share/stillhouse/studies/study/study.json', created: START },
  spec: {
    ...{
      name: 'Which distillation?',
      template: 'which-distillation',
      base: { epochs: 30 },
      then: [],
      measure: [],
      seeds: [0],
    },
    variants: [
      { name: 'none', changes: { distillationType: 'none' } },
      { name: 'hard', changes: { distillationType: 'hard' } },
    ],
  },
  ...{ state: 'new', error: null, job: null },
  cells: ['none', 'hard'].map((variant) => ({
    ...{ variant, stage: '', seed: 0, run: null, state: null, error: null, share: 0, acc1: null, evaluated: false },
  })),
};

const CLUSTER: SlurmCluster = {
  partitions: [{ name: 'debug', isDefault: true, up: true, nodes: 2, cpus: 8, gpus: 0, minutes: 60 }],
  missing: null,
};

/** A job that waits for a node. */
export const SLURM_JOB: SlurmJob = {
  ...{ name: '20261129-120000-deit-slurm', job: '17', state: 'PENDING', reason: 'Resources', nodes: '', elapsed: 0 },
  ...{ restarts: 0, submitted: START, model: 'deit_tiny_distilled_patch16_224', tasks: 1, run: null },
  ...{ script: '/home/ada/17.sbatch', log: '/home/ada/17.log', folder: '/home/ada/runs/17' },
};

/** It, while its weights are fetched. */
function distilReport(plan: DistilPlan): DistilReport {
  const now = { state: 'running', step: 'weights', share: 0, secondsLeft: null } as const;
  return { plan, ...now, error: null, training: null, job: null };
}

/**
 * A service by script, for the window alone: it answers every call from memory with plausible data and sends the
 * events a test or a look at the window asks for. It decides nothing that the real service would.
 */
export class ScriptedService {
  readonly runs: RunSummary[] = [];
  queue: QueueReport = { entries: [], atOnce: 1, paused: null };
  readonly history = new Map<string, HistoryRow[]>();
  readonly recipes = new Map<string, Recipe>();
  readonly jobs = new Map<string, JobProgress>();
  exports: ExportInfo[] = [];
  distillations: DistilReport[] = [];
  studies: StudyReport[] = [];
  cluster: SlurmCluster = CLUSTER;
  slurm: SlurmJob[] = [];
  readonly calls: string[] = [];
  engine: EngineStatus['state'] = 'verified';
  gpuEngine: EngineStatus['state'] = 'missing';
  plugins: EngineReport['plugins'] = [];
  gpus: Gpu[] = [];
  private readonly listeners = new Set<(event: ServiceEvent) => void>();
  private next = 1;

  readonly handlers: Handlers = record(this.calls, {
    'system.info': async () => ({
      version: '0.1.0',
      platform: 'linux x64',
      node: '20.19.2',
      shell: 'server',
      cpu: 'Intel Xeon Platinum 8488C',
      threads: 2,
      memory: 16.4e9,
      memoryFree: 11.2e9,
      runsFolder: '/home/ada/.local/share/stillhouse/runs',
      cacheFolder: '/home/ada/.cache/stillhouse',
      home: '/home/ada',
      sample: null,
    }),
    'system.browse': async ({ path = '/home/ada' }) => ({
      path,
      parent: path === '/' ? null : path.replace(/\/[^/]+$/, '') || '/',
      entries: ['data', 'images', 'projects'].map((name) => ({
        name,
        path: `${path}/${name}`,
        kind: 'folder' as const,
        bytes: 0,
      })),
    }),
    'engine.status': async () => this.engineStatus(),
    'engine.install': async ({ device }) =>
      device && isPlugin(device)
        ? this.job('plugin', 'download', 1944e6, 'bytes')
        : this.job('engine', 'download', 274e6, 'bytes'),
    'engine.verify': async () => ({ ...this.engineStatus(), state: 'verified' }),
    'engine.check': async () => this.engineStatus(),
    'engine.wheels': async ({ device }) => `tensorflow-${device}==2.21.0`,
    'job.cancel': async ({ job }) => {
      this.endJob(job, { state: 'cancelled' });
      return null;
    },
    'job.list': async () => [...this.jobs.values()],
    'dataset.inspect': async ({ path }) => this.inspect(path),
    'dataset.reading': async () => '',
    'dataset.check': async () => this.job('check', 'check', 4160, 'files'),
    'dataset.report': async () => null,
    'dataset.excluded': async () => NONE_EXCLUDED,
    'dataset.exclude': async () => NONE_EXCLUDED,
    'dataset.images': async ({ split, class: of, offset, limit }) => {
      const all = CLASSES.filter(({ name }) => !of || name === of).flatMap((one) =>
        Array.from({ length: one[split] }, (_, index) => `${one.name}/${one.name}-${index}`),
      );
      return {
        total: all.length,
        images: all.slice(offset, offset + limit).map((file) => ({
          id: encodeURIComponent(file),
          file: `${split}/${file}.png`,
          class: file.split('/')[0],
        })),
      };
    },
    'sample.start': async () => this.job('sample-run', 'engine', 5, 'files'),
    'sample.cost': async () => ({ engine: 274e6, data: 97e6, teacher: 18.7e6 }),
    'distil.offer': async (asked) => ({ plan: distilPlan(asked.dataPath), cost: DISTIL_COST, begun: false }),
    'distil.measure': async () => this.job('distil', '', 0, 'files'),
    'distil.start': async ({ dataPath }) => (this.distillations = [distilReport(distilPlan(dataPath))])[0],
    'distil.walk': async () => this.job('distil', '', 0, 'files'),
    'distil.continue': async () => this.distillations[0],
    'distil.stop': async () => null,
    'distil.forget': async () => ((this.distillations = []), null),
    'distil.list': async () => this.distillations,
    'slurm.cluster': async () => this.cluster,
    'slurm.script': async ({ form }) => ({ text: `#!/bin/bash\n#SBATCH --nodes=${form.nodes}\n`, notes: [] }),
    'slurm.submit': async () => (this.slurm = [SLURM_JOB])[0],
    'slurm.list': async () => ({ jobs: this.slurm, failure: null }),
    'slurm.log': async ({ job }) => ({ path: `/home/ada/${job}.log`, cut: false, text: 'epoch 1\n' }),
    'slurm.cancel': async () => ((this.slurm = [{ ...SLURM_JOB, state: 'CANCELLED', reason: '' }]), null),
    'slurm.forget': async () => ((this.slurm = []), null),
    'study.list': async () => this.studies,
    'study.make': async ({ template, asked }) => ({ ...STUDY.spec, name: template, template, base: asked.base }),
    'study.save': async ({ spec }) => (this.studies = [{ ...STUDY, spec }])[0],
    'study.text': async () => 'name: Which distillation?\n',
    'study.read': async () => (this.studies = [STUDY])[0],
    'study.cost': async () => ({
      trainings: 12,
      finished: 3,
      seconds: 4820,
      shared: 0,
      untimed: 0,
      disk: 2.1e9,
      free: 88e9,
    }),
    'study.measure': async () => this.job('study', '', 0, 'files'),
    'study.start': async () => this.studies[0],
    'study.walk': async () => this.job('study', '', 0, 'files'),
    'study.evaluate': async () => this.job('study', 'evaluation', 3, 'files'),
    'study.stop': async () => null,
    'study.remove': async () => ((this.studies = []), null),
    'study.tables': async () => ({ report: this.studies[0], rows: [], disagreement: null, images: null, machine: '' }),
    'run.report': async ({ run, format }) => ({
      path: `${this.find(run).path}/exports/report.${format}`,
      bytes: 12_345,
    }),
    'study.write': async ({ format }) => ({ path: `/home/ada/report.${format}`, bytes: 12_345 }),
    'system.exist': async ({ paths }) => paths.map(() => true),
    'system.look': async ({ path }) => ({ kind: 'data', path, reading: null }),
    'dataset.sample': async () => this.job('sample', 'download', 48e6, 'bytes'),
    'weights.fetch': async () => this.job('weights', 'download', 18.7e6, 'bytes'),
    'weights.list': async () => ({ folder: '/home/ada/.cache/stillhouse/weights', published: [], addressed: [] }),
    'weights.find': async () => ({ path: null, job: null }),
    'weights.get': async () => this.job('weights', 'download', 22.9e6, 'bytes'),
    'weights.remove': async () => ({ bytes: 22.9e6 }),
    'teacher.card': async ({ path, model }) => teacherCard(path, model),
    'teacher.describe': async ({ path, model, fields }) => ({ ...teacherCard(path, model), ...fields }),
    'models.list': async () => MODELS,
    'dataset.preview': async ({ recipe, epoch, batch, count }) => ({
      epoch,
      batch,
      batches: STEPS_PER_EPOCH,
      images: Array.from({ length: count }, (_, row) => previewImage(row, Boolean(recipe.aa))),
    }),
    'recipe.forecast': async () => ({
      parameters: 44e6,
      optimizer: 44e6,
      teacher: 19e6,
      activations: 600e6,
      process: 740e6,
      total: 1447e6,
    }),
    'recipe.check': async ({ recipe }) => {
      const whole = { ...defaultRecipe(), ...recipe };
      const problems = FIELDS.map((field) => checkField(field, whole[field.key])).filter((one) => one !== undefined);
      if (whole.inputSize % 16)
        problems.push({ key: 'inputSize', expected: 'a multiple of 16', got: `${whole.inputSize}` });
      return {
        problems,
        errors:
          whole.distillationType !== 'none' && !whole.teacherPath
            ? [toPlainError(new StillhouseError('teacher.missing'))]
            : [],
        warnings: [],
        scaledLr: scaledLr(whole),
        stepsPerEpoch: Math.floor(3780 / whole.batchSize),
        classes: CLASSES.length,
        parameters: 5_530_000,
        checkpointBytes: 66.4e6,
        disk: { checkpoint: 66.4e6, kept: 4, total: 332e6, held: 0, free: 90e9, path: '/home/you/.stillhouse/runs' },
      };
    },
    'recipe.schedule': async ({ recipe }) => ({
      epochs: [0, 5, 300],
      rates: [1e-6, scaledLr({ ...defaultRecipe(), ...recipe }), 1e-5],
      warmupEnd: 5,
      cooldownStart: null,
      end: 300,
      peak: scaledLr({ ...defaultRecipe(), ...recipe }),
      last: 1e-5,
      byStep: false,
    }),
    'recipe.time': async () => ({
      imagesPerSecond: 90,
      secondsPerEpoch: 46,
      evaluationSeconds: 4,
      seconds: 13_800,
      teacherSeconds: null,
      batchSize: 32,
      processes: 1,
      run: null,
      time: Date.now(),
    }),
    'recipe.measure': async () => this.job('measure', 'measure', 3, 'files'),
    'answers.make': async () => this.job('teach', 'teach', 3, 'files'),
    'answers.list': async () => [],
    'answers.remove': async ({ id }) => ({ id, bytes: 0 }),
    'recipe.read': async () => ({ values: { epochs: 7 }, problems: [], unused: [] }),
    'recipe.write': async ({ format }) => (format === 'json' ? '{"epochs": 7}\n' : 'epochs: 7\n'),
    'run.start': async ({ recipe, anyway }) => {
      const busy = this.runs.find(({ state }) => state === 'running');
      if (busy && !anyway) throw new StillhouseError('run.busy', { run: busy.id });
      const run = this.addRun({ recipe: { ...defaultRecipe(), ...recipe }, state: 'starting', epochs: 0 });
      this.emit({ event: 'runs' });
      return { run };
    },
    'run.stop': async ({ run }) => {
      this.append(run, [{ type: 'state', time: Date.now(), state: 'stopped', error: null }]);
      return null;
    },
    'run.pause': async ({ run }) => {
      this.append(run, [{ type: 'state', time: Date.now(), state: 'paused', error: null }]);
      return null;
    },
    'run.continue': async ({ run }) => {
      this.append(run, [{ type: 'state', time: Date.now(), state: 'running', error: null }]);
      return null;
    },
    'run.resume': async ({ run }) => {
      this.append(run, [{ type: 'state', time: Date.now(), state: 'running', error: null }]);
      return null;
    },
    'run.resume-from': async ({ path }) => {
      const run = path.split('/').at(-1)!;
      this.append(run, [{ type: 'state', time: Date.now(), state: 'running', error: null }]);
      return { run };
    },
    'queue.list': async () => this.queue,
    'queue.add': async () => this.queue,
    'queue.move': async () => this.queue,
    'queue.remove': async () => this.queue,
    'queue.restore': async () => this.queue,
    'queue.set': async () => this.queue,
    'run.list': async () => [...this.runs],
    'run.detail': async ({ run }) => {
      const summary = this.find(run);
      return {
        summary,
        recipe: this.recipes.get(run)!,
        classes: CLASSES.map(({ name }) => name),
        history: this.history.get(run)!,
      };
    },
    'run.series': async ({ run, from, count }) => seriesOf(this.history.get(run)!, from, count),
    'run.bad-step': async ({ run }) => {
      throw new StillhouseError('run.bad-step', { path: run, reason: reason('os.gone') });
    },
    'run.profile': async ({ run }) => (this.recipes.get(run)?.profile ? PROFILE : null),
    'run.delete': async ({ run }) => {
      this.runs.splice(this.runs.indexOf(this.find(run)), 1);
      this.emit({ event: 'runs' });
      return null;
    },
    'checkpoint.list': async ({ run }) => this.checkpoints(run),
    'run.restore': async () => null,
    'run.recipes': async ({ runs }) => runs.map((run) => ({ run, recipe: this.recipes.get(run)! })),
    'run.open': async () => ({ run: this.runs[0].id }),
    'run.forget': async () => null,
    'run.annotate': async ({ run, ...notes }) => {
      Object.assign(this.find(run), notes);
      this.emit({ event: 'runs' });
      return null;
    },
    'history.export': async ({ run, format }) => ({ path: `${this.find(run).path}/exports/${format}`, bytes: 12e3 }),
    'checkpoint.pin': async () => null,
    'checkpoint.restore': async ({ file }) => ({ file }),
    'trash.list': async () => ({ days: 30, items: [] }),
    'trash.empty': async ({ items }) => ({ count: items.length, bytes: 0 }),
    'checkpoint.delete': async () => null,
    'evaluation.start': async () => ({ job: 'evaluate-1' }),
    'evaluation.list': async () => [],
    'evaluation.report': async ({ id }) => {
      throw new StillhouseError('evaluation.missing', { id });
    },
    'evaluation.images': async () => ({ total: 0, images: [] }),
    'evaluation.delete': async () => null,
    'photo.add': async ({ offset, data }) => ({ bytes: offset + data.length }),
    'photo.answer': async () => {
      throw new StillhouseError('photo.gone');
    },
    'export.write': async ({ run = '', checkpoint = null, weights, items, folder }) => {
      const { model, path: own } = weights === undefined ? this.find(run) : { model: weights, path: '' };
      const written = items.map(({ format }) => {
        const path = `${folder ?? `${own}/exports`}/${model}${nameEnd(format)}`;
        this.exports.unshift({
          ...{ path, format, bytes: 22.3e6, time: START, checkpoint, epoch: 5, average: false, wrapped: false },
          ...{ model, classes: CLASSES.length, inputSize: 224, check: null, error: null },
        });
        return { format, path, bytes: 22.3e6, error: null };
      });
      const { job } = this.job('export', 'export', 22.3e6 * items.length, 'bytes');
      this.endJob(job, { result: { written, checks: [] } });
      return { job };
    },
    'export.sizes': async () =>
      EXPORT_FORMAT_NAMES.map((format) => ({ format, bytes: 22.3e6, isExact: true, refused: null })),
    'export.list': async () => [...this.exports],
    'export.check': async () => this.job('export', 'compare', 64, 'files'),
    'export.restore': async () => null,
    'export.delete': async ({ path }) => {
      this.exports = this.exports.filter((one) => one.path !== path);
      return null;
    },
  });

  onEvent(listener: (event: ServiceEvent) => void): void {
    this.listeners.add(listener);
  }

  emit(event: ServiceEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  /** Adds rows to a run, keeps its summary in step and tells of them. */
  append(run: string, rows: HistoryRow[]): void {
    this.history.get(run)!.push(...rows);
    const summary = this.find(run);
    for (const row of rows) {
      if (row.type === 'step') Object.assign(summary, { step: row.step, stepsPerEpoch: row.stepsPerEpoch });
      if (row.type === 'state') Object.assign(summary, { state: row.state, error: row.error });
      if (row.type !== 'epoch') continue;
      const acc1 = row.test.acc1;
      Object.assign(summary, { epoch: row.epoch + 1, lastAcc1: acc1, bestAcc1: Math.max(summary.bestAcc1 ?? 0, acc1) });
      Object.assign(summary, { lastAcc5: row.test.acc5, bestAcc5: row.test.acc5 });
      Object.assign(summary, { lastLoss: row.test.loss, bestLoss: row.test.loss });
    }
    this.emit({ event: 'run', run, rows });
  }

  /** A run with the history of its first `epochs` epochs. @returns its id. */
  addRun(of: {
    recipe?: Recipe;
    state: RunSummary['state'];
    epochs: number;
    error?: StillhouseError;
    rowsEach?: number;
  }): string {
    const recipe = of.recipe ?? {
      ...defaultRecipe(),
      dataPath: DATA,
      epochs: 12,
      distillationType: 'hard',
      teacherModel: 'tf_efficientnet_lite0',
    };
    const id = `2026-11-24-${String(900 + this.next).padStart(4, '0')}-${recipe.model.split('_').slice(0, 2).join('-')}`;
    const error = of.error ? toPlainError(of.error) : null;
    this.runs.push({
      id,
      path: `/home/ada/.local/share/stillhouse/runs/${id}`,
      created: START + this.next++ * 3_600_000,
      model: recipe.model,
      teacher: recipe.distillationType === 'none' ? '' : recipe.teacherModel,
      dataPath: recipe.dataPath,
      state: of.state,
      error,
      epoch: 0,
      epochs: recipe.epochs,
      ...{ bestAcc1: null, lastAcc1: null, emaAcc1: null, bestAcc5: null, lastAcc5: null, emaAcc5: null },
      ...{ bestLoss: null, lastLoss: null, emaLoss: null, seconds: of.epochs * 90, imagesPerSecond: 96.4 },
      ...{ step: null, stepsPerEpoch: null },
      bytes: 131e6,
      ...{ pinned: false, tags: [], note: '', outside: false, readOnly: false },
    });
    this.recipes.set(id, recipe);
    this.history.set(id, []);
    const distils = recipe.distillationType !== 'none';
    for (let epoch = 0; epoch < of.epochs; epoch++) this.append(id, epochRows(epoch, distils, of.rowsEach ?? 24));
    this.append(id, [{ type: 'state', time: START + of.epochs * 90_000, state: of.state, error }]);
    return id;
  }

  job(kind: JobKind, stage: string, total: number, unit: 'bytes' | 'files'): { job: string } {
    const job = `job-${this.next++}`;
    this.progress({
      job,
      kind,
      state: 'running',
      stage,
      done: 0,
      total,
      unit,
      rate: 0,
      secondsLeft: null,
      error: null,
      result: null,
    });
    return { job };
  }

  progress(progress: JobProgress): void {
    this.jobs.set(progress.job, progress);
    this.emit({ event: 'job', progress });
  }

  endJob(job: string, end: Partial<JobProgress>): void {
    this.progress({ ...this.jobs.get(job)!, state: 'done', ...end });
  }

  private find(run: string): RunSummary {
    const found = this.runs.find(({ id }) => id === run);
    if (!found) throw new StillhouseError('run.missing', { path: run });
    return found;
  }

  private checkpoints(run: string): CheckpointInfo[] {
    const rows = this.history.get(run)!.filter((row): row is EpochRow => row.type === 'epoch');
    const best = Math.max(...rows.map((row) => row.test.acc1));
    return rows.map((row, index) => ({
      file: `epoch-${String(row.epoch + 1).padStart(4, '0')}.safetensors`,
      epoch: row.epoch,
      step: row.step,
      time: row.time,
      bytes: 66.4e6,
      acc1: row.test.acc1,
      acc1Ema: row.testEma?.acc1 ?? null,
      best: row.test.acc1 === best,
      bestEma: false,
      last: index === rows.length - 1,
      pinned: false,
    }));
  }

  private inspect(path: string): Awaited<ReturnType<Handlers['dataset.inspect']>> {
    if (path.includes('nowhere')) throw new StillhouseError('data.no-folder', { path });
    return {
      path,
      layout: 'train-val',
      classes: CLASSES,
      train: CLASSES.reduce((sum, { train }) => sum + train, 0),
      val: CLASSES.reduce((sum, { val }) => sum + val, 0),
      splitMade: false,
      set: null,
      notes: [],
      excluded: 0,
      warnings: [toPlainError(new StillhouseError('data.empty-class', { path: `${path}/train/unknown` }))],
    };
  }

  private engineStatus(): EngineReport {
    const { gpus } = this;
    const ready = gpus.length > 0 && this.gpuEngine === 'verified';
    const why =
      gpus.length > 0
        ? new StillhouseError('gpu.no-engine', { plugin: 'pjrt-cuda12' })
        : new StillhouseError('gpu.none');
    return {
      ...engineOf('cpu', this.engine, 274e6, 853e6),
      gpu: {
        plugin: 'pjrt-cuda12',
        why: reason('cuda.driver', { driver: '550.54.14', needed: '580.65.06', plugin: 'pjrt-cuda13' }),
        bytesNeeded: 5203e6,
        bytesFree: 57e9,
        driver: gpus.length > 0 ? '550.54.14' : null,
        gpus,
        device: ready ? 'cuda:0' : 'cpu',
        reason: ready ? null : toPlainError(why),
      },
      plugins: [cudaPlugin(this.gpuEngine, gpus.length), ...this.plugins],
    };
  }
}

function cudaPlugin(state: EngineStatus['state'], gpus: number): PluginStatus {
  return {
    ...engineOf('pjrt-cuda12', state, 1944e6, 3259e6),
    device: 'pjrt-cuda12',
    version: '0.11.2',
    path: '/home/ada/.cache/stillhouse/engine/pjrt-cuda12-0.11.2',
    gpus: state === 'verified' ? gpus : null,
    ...{ fits: true, tried: false, experimental: false, needs: null, licences: ['Apache-2.0'] },
  };
}

function engineOf(device: EngineDevice, state: EngineStatus['state'], download: number, disk: number): EngineStatus {
  const whole = state === 'verified' || state === 'unpacked';
  return {
    state,
    version: '2.21.0',
    device,
    path: `/home/ada/.cache/stillhouse/engine/${device}-2.21.0`,
    bytesDownload: download,
    bytesOnDisk: disk,
    bytesArrived: whole ? download : state === 'partial' ? download * 0.4 : 0,
    error:
      state === 'broken'
        ? toPlainError(new StillhouseError('engine.load', { reason: 'undefined symbol: TF_Version' }))
        : null,
    gpus: null,
    gpuReason: null,
  };
}

const NONE_EXCLUDED = {
  list: '/home/ada/.local/share/stillhouse/data/sample/excluded.txt',
  count: 0,
  kinds: [],
  files: [],
};
export const DATA = '/home/ada/.cache/stillhouse/sample';
const NAMES = ['activity', 'animal', 'flag', 'food', 'object', 'people', 'place', 'plant', 'symbol', 'vehicle'];
const CLASSES = NAMES.map((name, index) => ({
  name,
  train: 220 + ((index * 137) % 430),
  val: 48 + ((index * 29) % 40),
}));
const model = (
  name: string,
  role: 'student' | 'teacher',
  parameters: number,
  gflops: number,
  publishedTop1: number | null,
) => ({
  name,
  family: role === 'student' ? ('deit' as const) : ('efficientnet' as const),
  role,
  parameters,
  gflops,
  inputSize: 224,
  distilled: name.includes('distilled'),
  publishedTop1,
  fetchable: role === 'teacher',
});
/** An ONNX file that says little of itself, or a network of the list. */
function teacherCard(path: string, model: string): TeacherCard {
  const onnx = path.endsWith('.onnx');
  const fields = Object.keys(CARD_FIELDS) as (keyof typeof CARD_FIELDS)[];
  return {
    ...{ kind: onnx ? 'onnx' : 'timm', path, name: onnx ? path.slice(path.lastIndexOf('/') + 1) : model },
    ...{ inputSize: 224, layout: 'NCHW', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], cropRatio: 0.875 },
    ...{ interpolation: 'bicubic', classes: null, outputs: CLASSES.length, output: 'logits', batch: null },
    ...{ inputName: 'images', outputName: 'logits', signature: '', entry: '', inputType: 'float32', notes: [] },
    from: Object.fromEntries(fields.map((key) => [key, 'default'])) as TeacherCard['from'],
  };
}

const MODELS = [
  model('deit_tiny_distilled_patch16_224', 'student', 5_910_800, 1.261, 74.5),
  model('deit_small_distilled_patch16_224', 'student', 22_436_432, 4.63, 81.2),
  model('deit_base_distilled_patch16_224', 'student', 87_338_192, 17.68, 83.4),
  model('deit_tiny_patch16_224', 'student', 5_717_416, 1.258, 72.2),
  model('tf_efficientnet_lite0', 'teacher', 4_652_008, 0.385, 74.8),
];

const PROFILE: RunProfile = {
  ...{ step: 4, batchSize: 64, milliseconds: 391.2, opMilliseconds: 702.4 },
  ops: [
    ['_MklNativeFusedMatMul', 'bfloat16[1280,192];bfloat16[192,768];bfloat16[768]', 12, 84.2],
    ['_MklBatchMatMulV2', 'bfloat16[64,3,20,20];bfloat16[64,3,20,64]', 44, 61.9],
    ['multiply_select_fusion', '', 36, 40.1],
    ['ResourceApplyAdam', 'float[768,192]', 12, 22.7],
  ].map(([op, shapes, count, milliseconds]) => ({ op, shapes, count, milliseconds }) as RunProfile['ops'][number]),
};

/** Step rows and the epoch row of one epoch, the same at each call. */
export function epochRows(epoch: number, distils: boolean, rowsEach: number): HistoryRow[] {
  const rows: HistoryRow[] = Array.from({ length: rowsEach }, (_, index) => stepRow(epoch, index, distils, rowsEach));
  const gone = 1 - Math.exp(-(epoch + 1) / 4);
  const score = (shift: number) => ({
    loss: 2.3 - 1.5 * gone - shift / 50,
    acc1: 10 + 58 * gone + shift,
    acc5: 50 + 46 * gone + shift / 4,
  });
  rows.push({
    type: 'epoch',
    time: START + (epoch + 1) * 90_000,
    epoch,
    step: (epoch + 1) * STEPS_PER_EPOCH,
    trainLoss: 2.4 - 1.6 * gone,
    trainLr: 5e-4 * (1 - epoch / 12),
    test: score(1.4),
    classHead: score(0),
    distillationHead: distils ? score(0.9) : null,
    agreement: distils ? 14 + 68 * gone : null,
    parameters: 5_530_000,
    seconds: 88,
    evaluationSeconds: 4,
  });
  return rows;
}

function stepRow(epoch: number, index: number, distils: boolean, rowsEach: number): StepRow {
  const step = epoch * STEPS_PER_EPOCH + Math.round(((index + 1) * STEPS_PER_EPOCH) / rowsEach);
  const noise = Math.sin(step * 12.9898) * 0.12 + Math.sin(step * 78.233) * 0.09;
  const loss = 0.75 + 1.65 * Math.exp(-step / 520) + noise;
  const warm = Math.min(1, step / STEPS_PER_EPOCH);
  return {
    type: 'step',
    time: START + epoch * 90_000 + ((index + 1) * 84_000) / rowsEach,
    epoch,
    step,
    stepsPerEpoch: STEPS_PER_EPOCH,
    loss,
    lossClass: loss + 0.14 + noise / 2,
    lossDistillation: distils ? loss - 0.14 - noise / 2 : null,
    lr: warm * 2.5e-4 * (1 + Math.cos((Math.PI * step) / (12 * STEPS_PER_EPOCH))),
    imagesPerSecond: 96 + 9 * noise + 3 * Math.sin(step / 90),
    secondsLeft: Math.max(0, (12 * STEPS_PER_EPOCH - step) * 0.7),
    memory: 1.84e9 + step * 2e4,
    anatomy: {
      dataWait: 4 + 10 * Math.abs(noise),
      feed: 2 + noise,
      step: 318 + 60 * noise,
      ...(distils && { teacher: 61 }),
    },
  };
}

/** Step rows as columns, as the service would send them. */
function seriesOf(rows: HistoryRow[], from: number, count: number): RunSeries {
  let others = 0;
  const steps = rows.flatMap((row) => {
    if (row.type === 'step') return [numbersOf(row, others)];
    others++;
    return [];
  });
  const sent = steps.slice(from, from + count);
  const columns = STEP_FIELD_NAMES.map((name) => {
    const values = sent.map((row) => row[name]);
    const array = STEP_FIELDS[name] === 8 ? Float64Array.from(values) : Float32Array.from(values);
    return [name, Buffer.from(array.buffer).toString('base64')];
  });
  const text = Object.fromEntries(columns) as RunSeries['columns'];
  return { total: steps.length, from, count: sent.length, revision: 0, columns: text };
}

function record(calls: string[], handlers: Handlers): Handlers {
  const wrapped = Object.entries(handlers).map(([name, handler]) => [
    name,
    (params: never) => {
      calls.push(name);
      return (handler as (params: never) => Promise<unknown>)(params);
    },
  ]);
  return Object.fromEntries(wrapped) as Handlers;
}

/** A grey square with what an image of a batch may have been through. */
function previewImage(row: number, augmented: boolean): PreviewImage {
  const mix = (['none', 'mixup', 'cutmix'] as const)[row % 3];
  const shade = `hsl(${row * 37} 40% ${40 + (row % 4) * 8}%)`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="${shade}"/></svg>`;
  const own = { name: 'tabby', share: mix === 'none' ? 1 : 0.63 };
  return {
    file: `train/tabby/${row}.jpg`,
    image: `data:image/svg+xml,${encodeURIComponent(svg)}`,
    classes: mix === 'none' ? [own] : [own, { name: 'tiger cat with a long name', share: 0.37 }],
    mix,
    partner: mix === 'none' ? null : `train/tiger/${row}.jpg`,
    area: 0.08 + (row % 10) / 11,
    flipped: row % 2 === 1,
    operations: augmented
      ? [
          { name: 'rotate', amount: -26.4 + row },
          { name: 'invert', amount: 0 },
        ]
      : [],
    erased: row % 4 === 0 ? 1 : 0,
  };
}
