import { appendFileSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { listDataset, type Dataset } from '../data/folder.ts';
import type { Crew } from '../data/crew.ts';
import { createLoader, type Loader, type LoaderRecipe } from '../data/loader.ts';
import { countParameters, type Model } from '../model/model.ts';
import { createModel } from '../model/zoo.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import type { HistoryRow, RunState } from '../protocol/events.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { VERSION } from '../protocol/version.ts';
import { amendCheckpoint, loadCheckpoint, rewindRun, saveCheckpoint, type StateTensor } from '../runs/checkpoint.ts';
import { openCheckpoint, type Checkpoint } from '../runs/checkpoint-file.ts';
import { openHistory, truncateHistory } from '../runs/history.ts';
import { lockRun } from '../runs/lock.ts';
import { archivesFolder, engineName } from '../runs/places.ts';
import { changeRecipe, createRun, openRun } from '../runs/run-folder.ts';
import { chooseStart } from '../runs/start.ts';
import { multipliesBfloat16 } from '../runtime/devices.ts';
import { loadEngine, type Engine } from '../runtime/engine.ts';
import type { Precision } from '../trace/lower.ts';
import { State } from '../trace/state.ts';
import { nextEpoch, runLoop, type BadStep, type LoopParts, type Position } from '../train/loop.ts';
import { threadingOf } from '../train/parts.ts';
import { PREFIX, trainable } from '../train/variables.ts';
import { pictureCacheBytes, pictureCrew } from './picture-crew.ts';
import { LIST_NAME, readExclusions } from './data-notes.ts';
import { createEvaluator } from './evaluator.ts';
import type { JobContext } from './job-context.ts';
import { trainingRecipe } from './loader-recipe.ts';
import { measuredStep } from './measured-step.ts';
import { keepBadStep } from './non-finite.ts';
import { openProfiler, type Profiler } from './profile.ts';
import { taughtSteps } from './taught-steps.ts';
import { openTeacher, planTeacher, stepTeacher, teacherLoader, type OpenTeacher, type Teacher } from './teacher.ts';
import { startFresh, startPretrained, startResumed } from './train-state.ts';
import type { TrainerResults, TrainJob } from './trainer-protocol.ts';

/**
 * One training from a run folder to a run folder. Wires data, engine, models, step, loop and files together; what
 * happens is written to the run's history and told, in this order.
 * @throws StillhouseError whatever keeps the run from starting or going on; it is in the history too.
 */
export async function runTrainJob(job: TrainJob, context: JobContext): Promise<TrainerResults['train']> {
  context.tell({ tell: 'progress', stage: 'data', done: 0, total: 0 });
  const excluded = readExclusions(join(job.run, LIST_NAME)).out;
  const dataset = await listDataset(job.recipe.dataPath, {
    excluded: new Set(excluded.keys()),
    splitSeed: job.recipe.splitSeed,
    archiveCache: archivesFolder(),
  });
  requireRun(job, dataset);
  const lock = lockRun(job.run);
  try {
    const begin = await chooseBegin(job);
    // Resumed with other settings (more epochs, say), the run goes by these.
    if (JSON.stringify(openRun(job.run).recipe) !== JSON.stringify(job.recipe)) changeRecipe(job.run, job.recipe);
    try {
      return await withLog(job.run, context, (log) => train(job, context, dataset, begin, log));
    } finally {
      begin.checkpoint?.close();
    }
  } finally {
    lock.release();
  }
}

/** Makes the run folder, or checks that it was made for these classes. */
function requireRun({ run, recipe, gpu }: TrainJob, { classes }: Dataset): void {
  if (!existsSync(join(run, 'run.json'))) {
    const engine = engineName(gpu);
    createRun(run, { id: basename(run), version: VERSION, engine, dataPath: recipe.dataPath, recipe, classes });
  } else if (openRun(run).classes.join('\0') !== classes.join('\0')) {
    throw new StillhouseError('run.classes-changed', { path: recipe.dataPath });
  }
}

/** Where a training begins. */
interface Begin {
  position: Position;
  /** Open; null for a run that begins at step 0. */
  checkpoint: Checkpoint | null;
  pretrained: string | null;
  notes: PlainError[];
}

const ZERO: Position = { epoch: 0, batch: 0, step: 0, lossSum: 0 };

async function chooseBegin({ run, recipe, resume }: TrainJob): Promise<Begin> {
  const start = chooseStart(run, { resume: resume === 'new' ? '' : resume, finetune: recipe.finetune });
  // A run that died before its first checkpoint tells its story anew.
  if (start.kind !== 'own') truncateHistory(run, { step: 0, epoch: 0 });
  switch (start.kind) {
    case 'own': {
      const { checkpoint, notes } = await loadCheckpoint(run, start.file);
      const evaluated = checkpoint.info.acc1 !== null;
      const position = evaluated ? nextEpoch(checkpoint.position, checkpoint.info.acc1) : checkpoint.position;
      rewindRun(run, checkpoint.info.file, position.epoch);
      return { position, checkpoint, pretrained: null, notes };
    }
    case 'named': {
      const checkpoint = openCheckpoint(start.path);
      return { position: checkpoint.position, checkpoint, pretrained: null, notes: [] };
    }
    case 'pretrained':
      return { position: ZERO, checkpoint: null, pretrained: start.path, notes: [] };
    case 'fresh':
      return { position: ZERO, checkpoint: null, pretrained: null, notes: [] };
  }
}

/** What is written down of a run, and told. */
interface RunLog {
  row(row: HistoryRow): void;
  note(note: PlainError): void;
  state(state: RunState, error?: PlainError): void;
}

type End = 'finished' | 'stopped';

async function withLog(run: string, { tell }: JobContext, body: (log: RunLog) => Promise<End>) {
  const history = openHistory(run);
  const row = (row: HistoryRow): void => {
    history.append([row]);
    tell({ tell: 'rows', rows: [row] });
  };
  const log: RunLog = {
    row,
    note: (note) => row({ type: 'note', time: Date.now(), note }),
    state: (state, error) => row({ type: 'state', time: Date.now(), state, error: error ?? null }),
  };
  try {
    log.state('starting');
    const state = await body(log);
    log.state(state);
    return { state };
  } catch (error) {
    tryTo(() => log.state('failed', toPlainError(error)));
    if (!(error instanceof StillhouseError)) tryTo(() => logDefect(run, error));
    throw error;
  } finally {
    history.close();
  }
}

/** Keeps the stack of what should not have happened, for the report that the person is asked for. */
function logDefect(run: string, error: unknown): void {
  const stack = error instanceof Error ? error.stack : String(error);
  appendFileSync(join(run, 'trainer.log'), `${new Date().toISOString()} ${stack}\n`);
}

// What ended the run matters more than that it could not be written down.
function tryTo(body: () => void): void {
  try {
    body();
  } catch {
    return;
  }
}

async function train(job: TrainJob, context: JobContext, dataset: Dataset, begin: Begin, log: RunLog): Promise<End> {
  for (const note of [...(job.note ? [job.note] : []), ...begin.notes, ...dataset.warnings]) log.note(note);
  if (dataset.excluded > 0)
    log.note(toPlainError(new StillhouseError('data.excluded', { count: dataset.excluded, list: LIST_NAME })));
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  const models = await createModels(job.recipe, dataset.classes);
  stage('engine');
  const engine = await loadEngine(job.engine, {
    threads: job.threads,
    gpu: job.gpu,
    threading: threadingOf(models.student),
  });
  const state = new State(engine);
  let teacher: OpenTeacher | null = null;
  try {
    stage('weights');
    await fillState(state, models.student, job.recipe, begin);
    teacher = models.teacher && (await openTeacher(models.teacher, { engine, state, classes: dataset.classes }));
    const profiler = job.recipe.profile ? profilerOf(job, engine, log) : null;
    const newCrew = (recipe: LoaderRecipe): Crew => pictureCrew(job.engine, engine, recipe);
    const crew = newCrew(trainingRecipe(job.recipe));
    const loader = loaderOf(profiler?.watched(crew) ?? crew, dataset, job.recipe, models.student, log);
    stage('compile');
    const parts = await loopParts({
      job,
      context,
      dataset,
      log,
      engine,
      state,
      student: models.student,
      teacher,
      newCrew,
      loader,
      profiler,
      position: begin.position,
    });
    log.state('running');
    return await runLoop(parts).finally(() => profiler?.close());
  } finally {
    await teacher?.close();
    state.dispose();
  }
}

interface Models {
  student: Model;
  teacher: Teacher | null;
}

/** @throws StillhouseError `recipe.no-distillation-head`, `teacher.*`, `weights.*`, `argument.invalid`. */
export async function createModels(recipe: Recipe, classes: readonly string[]): Promise<Models> {
  const { model, inputSize, dropPath, drop, deit3Style, recompute, distillationType, teacherPath } = recipe;
  const student = createModel(model, { classes: classes.length, inputSize, dropPath, drop, deit3Style, recompute });
  if (distillationType === 'none') return { student, teacher: null };
  if (!student.distilled) throw new StillhouseError('recipe.no-distillation-head', { model });
  if (!teacherPath) throw new StillhouseError('teacher.missing');
  return { student, teacher: await planTeacher(recipe, classes) };
}

async function fillState(
  state: State,
  student: Model,
  recipe: Recipe,
  { checkpoint, pretrained }: Begin,
): Promise<void> {
  if (checkpoint) startResumed(state, student, checkpoint, recipe);
  else if (pretrained) await startPretrained(state, student, pretrained, recipe);
  else startFresh(state, student, recipe);
}

function profilerOf({ run, recipe: { batchSize } }: TrainJob, engine: Engine, log: RunLog): Profiler {
  return openProfiler({ run, engine, batchSize, onFailure: (error) => log.note(toPlainError(error)) });
}

function loaderOf(crew: Crew, dataset: Dataset, recipe: Recipe, student: Model, log: RunLog): Loader {
  return createLoader({
    dataset,
    recipe: trainingRecipe(recipe),
    crew,
    cacheBytes: pictureCacheBytes(),
    noiseRows: student.noise?.shape(1)[0] ?? 0,
    onSkip: ({ file, reason }) =>
      log.note(toPlainError(new StillhouseError('data.unreadable', { path: file, reason }))),
  });
}

interface Wiring {
  job: TrainJob;
  context: JobContext;
  dataset: Dataset;
  log: RunLog;
  engine: Engine;
  state: State;
  student: Model;
  teacher: OpenTeacher | null;
  newCrew(looks: LoaderRecipe): Crew;
  loader: Loader;
  profiler: Profiler | null;
  position: Position;
}

/** The precision that `auto` means on this machine. */
export function precisionOf({ precision }: Recipe, { gpu }: Engine): Precision {
  if (precision !== 'auto') return precision;
  if (multipliesBfloat16(gpu)) return 'bfloat16';
  return gpu ? 'float16' : 'float32';
}

async function loopParts(wiring: Wiring): Promise<LoopParts> {
  const { job, context, dataset, engine, state, student, teacher, newCrew, loader, log, profiler } = wiring;
  const { recipe } = job;
  const { batchSize } = recipe;
  const precision = precisionOf(recipe, engine);
  const parts = { student, teacher: stepTeacher(teacher), recipe, batchSize, precision };
  const taught = taughtSteps(teacher, engine, parts);
  const evaluate = await createEvaluator({
    engine,
    state,
    student,
    average: recipe.modelEma,
    teacher: teacher && {
      opened: teacher,
      loader: teacherLoader(teacher, { dataset, recipe, newCrew, batchSize }),
    },
    batchSize,
    heads: recipe.evalHeads,
    loader,
    context,
  });
  return {
    recipe,
    stepsPerEpoch: loader.stepsPerEpoch,
    parameters: countParameters(trainable(student, recipe)),
    position: wiring.position,
    batches: (epoch, from) => taught.batches(loader.trainBatches(epoch, from)),
    step: taught.step(await measuredStep(engine, state, parts, profiler)),
    // By itself V8 lets the garbage of an epoch grow to several times what is in use.
    evaluate: (stop) => evaluate(stop).finally(() => globalThis.gc?.()),
    save: (position) => save(wiring, position),
    nonFinite: (bad) => nonFinite(wiring, bad),
    emit: log.row,
    ...(profiler && { onSpan: profiler.onSpan }),
    stop: context.stop,
  };
}

async function save({ job, dataset, state, log }: Wiring, position: Position) {
  const { run, recipe } = job;
  const facts = { position: { ...position }, recipe, classes: dataset.classes };
  const started = performance.now();
  const info = await saveCheckpoint(run, facts, tensorsOf(state));
  const { file, epoch, step, bytes } = info;
  const seconds = (performance.now() - started) / 1000;
  log.row({ type: 'checkpoint', time: Date.now(), file, epoch, step, bytes, seconds });
  return { file, amend: async (row: Parameters<typeof amendCheckpoint>[2]) => void amendCheckpoint(run, file, row) };
}

function nonFinite(wiring: Wiring, bad: BadStep): Promise<StillhouseError> {
  const { run, recipe } = wiring.job;
  const { classes } = wiring.dataset;
  return keepBadStep(bad, { run, recipe, classes, state: wiring.state, save: async () => (await save(wiring, bad.position)).file }); // prettier-ignore
}

// The teacher is not part of what the run made: it is read from its own file again.
function tensorsOf(state: State): StateTensor[] {
  const own = state.names().filter((name) => !name.startsWith(PREFIX.teacher));
  return own.map((name) => [name, state.shape(name), () => state.read(name)]);
}
