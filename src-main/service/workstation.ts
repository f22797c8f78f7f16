import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ServiceEvent } from '../protocol/events.ts';
import type { BatchPreview, EngineDevice, QueueEntry, SystemInfo } from '../protocol/data-types.ts';
import type { CallParams, Handlers } from '../protocol/service.ts';
import { readProfile } from '../runs/profile-file.ts';
import { answersFolder, archivesFolder, dataNotesFolder, engineFolders } from '../runs/places.ts';
import { checkpointsFolder, isRun, openRun } from '../runs/run-folder.ts';
import { imageNetWeights } from '../install/model-weights.ts';
import { AnswerCalls } from './answers/answer-calls.ts';
import { badStepReport } from './runs/bad-step-report.ts';
import { DataNotes, notesName } from '../jobs/data-notes.ts';
import { Datasets, absolute, type ImageFile } from './data/datasets.ts';
import { DistilCalls } from './distillations/distil-calls.ts';
import { EngineManager, type ChosenEngine } from './engine/engine-manager.ts';
import { Evaluations } from './evaluations/evaluations.ts';
import { measureThroughputs } from './evaluations/throughput.ts';
import { ExportCalls } from './exports/export-calls.ts';
import { WhenDone } from './exports/when-done.ts';
import { Jobs } from './jobs/jobs.ts';
import { lookAt } from './look-at.ts';
import { Photos } from './evaluations/photos.ts';
import { modelCards } from './recipe/recipe-check.ts';
import { RecipeCalls } from './recipe/recipe-calls.ts';
import { StudyCalls } from './studies/study-calls.ts';
import type { JobProcess } from '../jobs/job-process.ts';
import type { RankedJob } from '../jobs/job-protocol.ts';
import { SlurmCalls } from './slurm/slurm-calls.ts';
import { RunControl, type SpawnJob } from './runs/run-control.ts';
import { RunQueue } from './runs/run-queue.ts';
import { RunCalls } from './runs/run-calls.ts';
import { RunStarter, type BegunRun, type RunRequest } from './runs/run-starter.ts';
import { RunStore } from './runs/run-store.ts';
import { sampleCost } from './data/sample-cost.ts';
import { buildSample, hasSample } from './data/sample-data.ts';
import { SampleRun } from './data/sample-run.ts';
import { browse, systemInfo } from './system.ts';
import { changeTeacherCard, readTeacherCard } from '../weights/teacher-card.ts';
import { runJob } from './jobs/run-job.ts';
import { WeightCalls } from './weights/weight-calls.ts';
import { removeNow } from '../base/moves.ts';

export interface WorkstationOptions {
  shell: SystemInfo['shell'];
  /** Things that the person made: runs. */
  homeFolder: string;
  /** Things that can be fetched again: engine, weights, sample data, reports. */
  cacheFolder: string;
  spawnJob: SpawnJob;
  /** Sends an event to every window. */
  emit(event: ServiceEvent): void;
  /** How much trains or will by itself: runs, and a sample run on its way; called when it changes. */
  onActive?(runs: number): void;
}

/** The application core: answers every call, whatever shell it came through. */
export interface Workstation {
  handlers: Handlers;
  /** Returns the file of an image whose id a window has; null for any other id. */
  imageFile(id: string): ImageFile | null;
  /** Begins a run as the calls of a window do, with what only a command line can ask. Throws as {@link RunStarter.begin}. */
  begin(request: RunRequest): Promise<BegunRun>;
  /** Starts this machine's part in a run whose rank 0 is elsewhere. @throws StillhouseError `engine.*` */
  join(ranks: RankedJob, threads?: number): Promise<JobProcess<'rank'>>;
  /** Cancels jobs, has runs saved and stopped, and waits until no process is left. */
  close(): Promise<void>;
}

/** Makes the core. The caller closes it. */
export function createWorkstation(options: WorkstationOptions): Workstation {
  const core = new Core(options);
  return {
    handlers: {
      ...core.system(),
      ...core.data(),
      ...core.recipes(),
      ...core.runs(),
      ...core.evaluations.handlers(),
      ...core.exports.handlers(),
      ...core.photos.handlers(),
      ...core.weights.handlers(),
      ...core.answers.handlers(),
      ...core.distillations.handlers(),
      ...core.studies.handlers(),
      ...core.slurm.handlers(),
    },
    begin: (request) => core.starter.begin(request),
    join: (ranks, threads) => core.join(ranks, threads),
    imageFile: (id) => core.datasets.imageFile(id),
    close: () => core.close(),
  };
}

class Core {
  readonly datasets: Datasets;
  readonly evaluations: Evaluations;
  readonly exports: ExportCalls;
  readonly photos: Photos;
  readonly weights: WeightCalls;
  readonly answers: AnswerCalls;
  readonly distillations: DistilCalls;
  readonly studies: StudyCalls;
  readonly slurm: SlurmCalls;
  private readonly notes: DataNotes;
  private readonly jobs: Jobs;
  private readonly engine: EngineManager;
  private readonly control: RunControl;
  private readonly shelf: RunStore;
  private readonly runCalls: RunCalls;
  private readonly recipeCalls: RecipeCalls;
  private readonly queue: RunQueue;
  private readonly sample: SampleRun;
  readonly starter: RunStarter;
  private readonly whenDone: WhenDone;
  private readonly places: Record<'runs' | 'weights' | 'sample', string>;

  constructor(private readonly options: WorkstationOptions) {
    const { cacheFolder, homeFolder, spawnJob, emit } = options;
    this.places = {
      runs: join(homeFolder, 'runs'),
      weights: join(cacheFolder, 'weights'),
      sample: join(cacheFolder, 'sample'),
    };
    this.notes = new DataNotes(dataNotesFolder(homeFolder));
    this.datasets = new Datasets(this.notes, archivesFolder(cacheFolder));
    this.jobs = new Jobs((progress) => emit({ event: 'job', progress }));
    this.engine = new EngineManager(engineFolders(cacheFolder), spawnJob, () => emit({ event: 'engine' }));
    this.control = new RunControl({
      spawnJob,
      emit,
      onActive: () => {
        this.tellActive();
        this.queue.advance();
      },
    });
    this.queue = new RunQueue({
      homeFolder,
      begin: (entry) => this.beginWaiting(entry),
      ready: (entry) => this.distillations.ready(entry) && this.studies.ready(entry),
      training: () => this.control.running().length,
      onChange: () => emit({ event: 'queue' }),
    });
    this.shelf = new RunStore(this.places.runs);
    this.runCalls = new RunCalls({
      shelf: this.shelf,
      stateOf: (id) => this.control.stateOf(id),
      onChange: () => emit({ event: 'runs' }),
    });
    const { jobs, engine, datasets, notes, shelf, control } = this;
    const runsFolder = this.places.runs;
    const onChange = (): void => emit({ event: 'runs' });
    this.weights = new WeightCalls({ folder: this.places.weights, jobs, onChange: () => emit({ event: 'weights' }) });
    const here = this.weights.here.bind(this.weights);
    this.exports = new ExportCalls({ shelf, engine, jobs, spawnJob, here, onChange });
    const whenDone = new WhenDone({ jobs, exports: this.exports, emit });
    this.whenDone = whenDone;
    this.starter = new RunStarter({ runsFolder, shelf, datasets, notes, engine, control, whenDone, onChange });
    this.sample = new SampleRun({
      jobs,
      engine,
      shelf,
      control,
      install: () => this.startInstall('cpu'),
      build: () => this.startSample(),
      fetchWeights: (model) => this.startWeights(model),
      train: (recipe) => this.admitRun({ ...recipe }),
      enqueue: (recipe) => this.queue.add({ recipe: { ...recipe } }),
      onActive: () => this.tellActive(),
    });
    const local = this.weights.local.bind(this.weights);
    this.evaluations = new Evaluations({ shelf, datasets, engine, jobs, spawnJob, cacheFolder, local });
    this.distillations = this.distilCalls();
    this.studies = this.studyCalls();
    this.photos = new Photos({ shelf, engine, spawnJob, here });
    this.recipeCalls = new RecipeCalls({
      runsFolder,
      jobs,
      engine,
      datasets,
      notes,
      spawnJob,
      starter: this.starter,
    });
    const folder = answersFolder(cacheFolder);
    this.slurm = new SlurmCalls({
      ...{ homeFolder, cacheFolder, runsFolder },
      plan: (request) => this.starter.plan(request),
      shelve: (folder) => shelf.open(folder),
      onChange: () => emit({ event: 'slurm' }),
    });
    // A command ends soon; a service that windows open stays.
    if (options.shell !== 'cli') void whenDone.takeUp(shelf.owed());
    this.answers = new AnswerCalls({ folder, jobs, engine, notes, spawnJob, starter: this.starter });
  }

  private beginWaiting(entry: QueueEntry): Promise<unknown> {
    const { recipe, processes, resume, plan, study } = entry;
    if (plan !== undefined) return this.distillations.begin(entry, plan);
    if (study !== undefined) return this.studies.begin(study);
    return resume === null ? this.beginRun(recipe ?? {}, processes).then(() => null) : this.resume(resume);
  }

  async close(): Promise<void> {
    this.whenDone.close();
    this.queue.close();
    this.runCalls.close();
    this.slurm.close();
    await Promise.all([this.photos.close(), this.jobs.close(), this.engine.close(), this.control.close()]);
  }

  system() {
    const { shell, cacheFolder } = this.options;
    const { runs: runsFolder, sample: sampleFolder } = this.places;
    return {
      'system.info': async () => {
        const sample = (await hasSample(sampleFolder)) ? sampleFolder : null;
        return systemInfo({ shell, runsFolder, cacheFolder, sample });
      },
      'system.browse': ({ path }) => browse(path),
      'system.exist': async ({ paths }) => paths.map((path) => existsSync(path)),
      'system.look': async ({ path }) => lookAt(absolute(path)),
      'sample.cost': async () => sampleCost(await this.engine.status(), this.places),
      'sample.start': async () => ({ job: this.sample.start() }),
      'engine.status': ({ device }) => this.engine.status(device),
      'engine.install': async ({ from, device = 'cpu' }) => ({ job: this.startInstall(device, from) }),
      'engine.verify': ({ device }) => this.engine.verify(device),
      'engine.check': ({ device }) => this.engine.check(device),
      'engine.wheels': async ({ device }) => this.engine.wheels(device),
      'job.cancel': async ({ job }) => (this.jobs.cancel(job), null),
      'job.list': async () => this.jobs.list(),
      'weights.fetch': async ({ model }) => ({ job: this.startWeights(model) }),
    } satisfies Partial<Handlers>;
  }

  data() {
    return {
      'dataset.inspect': ({ path, reading }) => {
        if (reading !== undefined) this.datasets.setReading(path, reading);
        return this.datasets.inspect(path);
      },
      'dataset.reading': async ({ path }) => this.notes.reading(absolute(path)),
      'dataset.check': async ({ path, anew }) => {
        return { job: this.startCheck(absolute(path), await this.engine.choose('cpu'), anew) };
      },
      'dataset.report': async ({ path }) => this.notes.shownReport(absolute(path)),
      'dataset.excluded': async ({ path }) => this.notes.excluded(absolute(path)),
      'dataset.exclude': async ({ path, kind, out }) => this.datasets.exclude(path, kind, out),
      'dataset.images': (query) => this.datasets.page(query),
      'dataset.preview': (query) => this.preview(query),
      'dataset.sample': async () => ({ job: this.startSample() }),
    } satisfies Partial<Handlers>;
  }

  recipes() {
    return {
      'teacher.card': ({ path, model }) => readTeacherCard(absolute(path), model),
      'teacher.describe': ({ path, model, fields, drop }) => changeTeacherCard(absolute(path), model, fields, drop),
      'models.list': async () => [...modelCards().values()],
      ...this.recipeCalls.handlers(),
    } satisfies Partial<Handlers>;
  }

  runs() {
    const stateOf = (id: string) => this.control.stateOf(id);
    return {
      ...this.queue.handlers(),
      'run.start': async ({ recipe, ...how }) => ({ run: await this.admitRun(recipe, how) }),
      'run.stop': async ({ run }) => {
        if (stateOf(run)) this.queue.stopped(run);
        this.control.stop(run);
        return null;
      },
      'run.pause': async ({ run }) => (this.control.pause(run), null),
      'run.continue': async ({ run }) => (this.control.continue(run), null),
      'run.resume': async ({ run, checkpoint, changes, anyway }) => {
        if (!stateOf(run)) this.admit(anyway);
        await this.resume(run, checkpoint, changes);
        return null;
      },
      'run.resume-from': async ({ path, anyway }) => {
        this.admit(anyway);
        const resume = absolute(path);
        return { run: (await this.starter.begin({ given: {}, resume, ...ranksBefore(resume) })).id };
      },
      ...this.runCalls.handlers(),
      'run.bad-step': ({ run }) => badStepReport(this.shelf.pathOf(run), this.datasets),
      'run.profile': async ({ run }) => readProfile(this.shelf.pathOf(run)),
    } satisfies Partial<Handlers>;
  }

  private distilCalls(): DistilCalls {
    const { jobs, datasets, shelf, control, queue, places } = this;
    const { homeFolder, emit } = this.options;
    return new DistilCalls({
      ...{ jobs, datasets, shelf, control, queue, homeFolder },
      ...{ weightsFolder: places.weights, sampleFolder: places.sample },
      check: (recipe) => this.starter.check({ ...recipe }),
      time: (recipe) => this.recipeCalls.time({ ...recipe }),
      measure: (recipe) => this.recipeCalls.measure(recipe),
      begin: async (recipe) => (await this.starter.begin({ given: { ...recipe } })).id,
      resume: (run) => this.resume(run),
      fetch: (model) => this.startWeights(model),
      onChange: () => emit({ event: 'distillations' }),
    });
  }

  private studyCalls(): StudyCalls {
    const { jobs, shelf, control, queue } = this;
    const { homeFolder, emit } = this.options;
    return new StudyCalls({
      ...{ jobs, shelf, control, queue, homeFolder },
      check: (recipe) => this.starter.check({ ...recipe }),
      time: (recipe) => this.recipeCalls.time({ ...recipe }),
      measure: (recipe) => this.recipeCalls.measure(recipe),
      evaluate: (run, checkpoint) => this.evaluations.start({ run, checkpoint, tokens: true }),
      throughput: (folders, context) => measureThroughputs(folders, { engine: this.engine, spawnJob: this.options.spawnJob }, context), // prettier-ignore
      begin: async (recipe) => (await this.starter.begin({ given: { ...recipe } })).id,
      resume: (run) => this.resume(run),
      onChange: () => emit({ event: 'studies' }),
    });
  }

  async join(ranks: RankedJob, threads?: number): Promise<JobProcess<'rank'>> {
    const { engine } = await this.engine.choose('cpu');
    return this.options.spawnJob({ kind: 'rank', engine, threads, gpu: null, ranks });
  }

  private startInstall(device: EngineDevice, from?: string): string {
    const kind = device === 'cpu' ? 'engine' : 'plugin';
    return this.jobs.start(kind, kind === 'plugin' ? `plugin:${device}` : kind, 'bytes', (context) =>
      this.engine.install(context, from, device),
    );
  }

  private startSample(): string {
    const folder = this.places.sample;
    return this.jobs.start('sample', 'sample', 'bytes', ({ signal, report }) =>
      buildSample({ folder, cache: `${folder}.download`, signal, onProgress: report }),
    );
  }

  private startWeights(model: string): string {
    return this.jobs.start('weights', `weights:${model}`, 'bytes', ({ signal, report }) =>
      imageNetWeights(model, { folder: this.places.weights, signal, onProgress: report }),
    );
  }

  // Between its two runs a sample run trains nothing, and the app must not end.
  private tellActive(): void {
    this.options.onActive?.(this.control.running().length + (this.sample.active ? 1 : 0));
  }

  private startCheck(path: string, { engine }: ChosenEngine, anew = false): string {
    const results = join(this.options.cacheFolder, 'checks', `${notesName(path)}.jsonl`);
    return this.jobs.start('check', `check:${path}`, 'files', async ({ signal, report }) => {
      if (anew) removeNow(results);
      const job = { kind: 'check', engine, dataPath: path, results } as const;
      return this.notes.keepReport(await runJob(this.options.spawnJob, job, { signal, report }));
    });
  }

  /** @throws StillhouseError what keeps the recipe from being trained, or `data.*`. */
  private async preview({ recipe: given, ...what }: CallParams<'dataset.preview'>): Promise<BatchPreview> {
    const { recipe } = await this.starter.trainable(given);
    const { engine } = await this.engine.choose('cpu');
    const excluded = [...this.notes.excludedFiles(recipe.dataPath)];
    return runJob(this.options.spawnJob, { kind: 'preview', engine, recipe, excluded, ...what });
  }

  /** @throws StillhouseError `run.busy` */
  private admit(anyway?: boolean): void {
    this.queue.admit(anyway, this.control.running()[0]);
  }

  /** @throws StillhouseError `run.busy`, or whatever keeps the recipe from being trained. */
  private async admitRun(
    recipe: Record<string, unknown>,
    { processes, anyway }: { processes?: number; anyway?: boolean } = {},
  ): Promise<string> {
    this.admit(anyway);
    return this.beginRun(recipe, processes);
  }

  /** @throws StillhouseError whatever keeps the recipe from being trained. */
  private async beginRun(given: Record<string, unknown>, processes = 1): Promise<string> {
    const ranks = processes > 1 ? { nproc: processes } : undefined;
    return (await this.starter.begin({ given, ranks })).id;
  }

  /** @throws StillhouseError `run.missing`, or whatever keeps it from going on. */
  private async resume(id: string, checkpoint?: string, changes: Record<string, unknown> = {}): Promise<void> {
    const path = this.shelf.pathOf(id);
    const resume = checkpoint ? join(checkpointsFolder(path), checkpoint) : path;
    await this.starter.begin({ given: changes, resume, ...ranksBefore(path) });
  }
}

/** As many processes as have trained a run last, where this machine has a processor for each. */
function ranksBefore(path: string): Pick<RunRequest, 'ranks'> {
  const { ranks: nproc = 1 } = isRun(path) ? openRun(path) : {};
  return nproc > 1 && nproc <= availableParallelism() ? { ranks: { nproc } } : {};
}
