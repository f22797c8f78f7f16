import { shapeSize } from '../../base/shape-size.ts';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Dataset } from '../../data/layout/folder.ts';
import type { DecodeWorkers } from '../../data/batches/workers.ts';
import type { Loader, LoaderRecipe } from '../../data/batches/loader.ts';
import { countParameters, type Model } from '../../model/model.ts';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { VERSION } from '../../protocol/version.ts';
import { requireFolder } from '../../base/files.ts';
import { amendCheckpoint, loadCheckpoint, rewindRun, saveCheckpoint, type StateTensor } from '../../runs/checkpoint.ts';
import { openCheckpoint, type Checkpoint } from '../../runs/checkpoint-file.ts';
import { truncateHistory } from '../../runs/history.ts';
import { lockRun, type RunLock } from '../../runs/lock.ts';
import { engineName } from '../../runs/places.ts';
import {
  changeRecipe,
  checkpointsFolder,
  createRun,
  keepEngine,
  keepPrecision,
  keepRanks,
  openRun,
  runOfCheckpoint,
} from '../../runs/run-folder.ts';
import { keepTeacher, keptTeacher } from '../../runs/run-teacher.ts';
import { chooseStart } from '../../runs/start.ts';

import type { CardValues } from '../../protocol/teacher-card.ts';
import type { Engine, State } from '../../engines/engine.ts';
import { outOfDeviceMemory } from '../accelerator/device-memory.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { runLoop, type BadStep, type LoopParts } from '../../train/loop.ts';
import { nextEpoch, type Position } from '../../train/position.ts';
import { threadingOf } from '../../train/parts.ts';
import { startScaler } from '../../train/scaler.ts';
import { isFrozen } from '../../train/step.ts';
import type { TrainStep } from '../../train/step-types.ts';
import { isOfRun, trainable } from '../../train/variables.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { LIST_NAME, readExclusions } from '../../jobs/data-notes.ts';
import { DiskReserve } from '../training/disk-reserve.ts';
import { createEvaluator } from '../evaluation/evaluator.ts';
import type { JobContext } from '../job-context.ts';
import { trainingRecipe } from '../images/loader-recipe.ts';
import { trainingLoader } from '../images/training-loader.ts';
import { precisionOf } from '../training/precision.ts';
import { measuredStep } from '../training/timed-step.ts';
import { keepBadStep } from '../training/non-finite.ts';
import { isOfDeviceMemory, memoryErrorOf } from '../../jobs/out-of-memory.ts';
import { openProfiler, type Profiler } from '../training/profile.ts';
import { KeptDecisions } from '../teacher/kept-decisions.ts';
import { teachKeeping, type Taught } from '../teacher/taught-training.ts';
import { openTeacher, teacherLoader, type OpenTeacher } from '../teacher/teacher.ts';
import { shareOfRecipe } from '../../jobs/ranks/share.ts';
import { Company } from '../ranks/company.ts';
import { createModels } from './models.ts';
import { listImages } from './open-training.ts';
import { withLog, type End, type RunLog } from '../training/run-log.ts';
import { StallGuard } from '../training/step-watchdog.ts';
import { PauseAndSave, type SavedFile } from '../training/pause-and-save.ts';
import { startFresh, startPretrained, startResumed } from '../training/train-state.ts';
import type { JobResults, TrainJob } from '../../jobs/job-protocol.ts';

/**
 * Trains in a run folder: wires data, engine, models, step, loop and files together. Each event is first written to the
 * run's history, then sent.
 * @throws StillhouseError whatever keeps the run from starting or going on; it is in the history too.
 */
export async function runTrainJob(job: TrainJob, context: JobContext): Promise<JobResults['train']> {
  if (!job.ranks) return trainRun(job, context, null);
  const company = await Company.open(job.ranks, context);
  const stop = AbortSignal.any([context.stop, company.stop]);
  try {
    const result = await trainRun(job, { ...context, stop }, company);
    await company.end(null);
    return result;
  } catch (error) {
    await company.end(error);
    throw error;
  }
}

async function trainRun(job: TrainJob, context: JobContext, company: Company | null): Promise<JobResults['train']> {
  context.tell({ tell: 'progress', stage: 'data', done: 0, total: 0 });
  const excluded = readExclusions(join(job.run, LIST_NAME)).out;
  const dataset = await listImages(job.recipe, [...excluded.keys()]);
  const lock = lockFolder(job);
  try {
    requireRun(job, dataset);
    const begin = await chooseBegin(job);
    // Resumed with other settings (more epochs, say), the run goes by these.
    if (JSON.stringify(openRun(job.run).recipe) !== JSON.stringify(job.recipe)) changeRecipe(job.run, job.recipe);
    begin.notes.push(...requireRanks(job, begin), ...engineNotes(job));
    try {
      const guard = new StallGuard(job.recipe.stallMinutes);
      const reserve = new DiskReserve(checkpointsFolder(job.run));
      const ending = (): void => (guard.end(), reserve.release());
      const body = (log: RunLog) =>
        Promise.race([
          train({ job, context, dataset, begin, log, guard, reserve, company, excluded: [...excluded.keys()] }),
          guard.stalled,
        ]).catch((error: unknown) => {
          throw memoryErrorOf(error, job.recipe, process.memoryUsage.rss()) ?? error;
        });
      return await withLog(job.run, context, body, ending);
    } finally {
      begin.checkpoint?.close();
    }
  } finally {
    lock.release();
  }
}

// Locked before anything is written: another that begins here at the same time must find it untouched.
function lockFolder({ run, lock }: TrainJob): RunLock {
  requireFolder(run);
  return lockRun(run, lock);
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

/**
 * Keeps how many ranks train the run. @returns what to note of it.
 * @throws StillhouseError `ranks.changed` within an epoch, whose images other ranks would see in another order.
 */
function requireRanks({ run, ranks }: TrainJob, { position, checkpoint, own }: Begin): PlainError[] {
  const now = ranks?.size ?? 1;
  const from = own === null ? checkpoint && runOfCheckpoint(checkpoint.path) : run;
  const before = from ? (openRun(from).ranks ?? 1) : now;
  if (before !== now && position.batch > 0) throw new StillhouseError('ranks.changed', { before, now });
  keepRanks(run, now);
  return before === now ? [] : [toPlainError(new StillhouseError('ranks.now', { before, now }))];
}

/** Keeps the engine that trains the run. @returns what to note where another one began it. */
function engineNotes({ run, gpu }: TrainJob): PlainError[] {
  const now = engineName(gpu);
  const before = keepEngine(run, now);
  return before === now ? [] : [toPlainError(new StillhouseError('run.engine-now', { before, now }))];
}

/** Where a training begins. */
interface Begin {
  position: Position;
  /** Open; null for a run that begins at step 0. */
  checkpoint: Checkpoint | null;
  /** File of that checkpoint where it is this run's own; null otherwise. */
  own: string | null;
  pretrained: string | null;
  notes: PlainError[];
}

const NEW: Begin = {
  position: { epoch: 0, batch: 0, step: 0, lossSum: 0 },
  ...{ checkpoint: null, own: null, pretrained: null, notes: [] },
};

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
      return { position, checkpoint, own: checkpoint.info.file, pretrained: null, notes };
    }
    case 'named': {
      const checkpoint = openCheckpoint(start.path);
      return { position: checkpoint.position, checkpoint, own: null, pretrained: null, notes: [] };
    }
    case 'pretrained':
      return { ...NEW, pretrained: start.path };
    case 'fresh':
      return NEW;
  }
}

/** The parts that a training starts with. */
interface Setting {
  job: TrainJob;
  context: JobContext;
  dataset: Dataset;
  begin: Begin;
  log: RunLog;
  guard: StallGuard;
  reserve: DiskReserve;
  /** The other ranks; null: this process trains alone. */
  company: Company | null;
  /** Files that the run leaves out. */
  excluded: string[];
}

async function train(setting: Setting): Promise<End> {
  const { job, context, dataset, begin, log, guard, reserve, company } = setting;
  // The images of a step that are this process's own.
  const recipe = shareOfRecipe(job.recipe, company?.size ?? 1);
  const note = onceEach(log);
  if (company) company.onNote = note;
  const known = [...(job.note ? [job.note] : []), ...(job.notes ?? [])];
  for (const one of [...known, ...begin.notes, ...dataset.notes, ...dataset.warnings]) note(one);
  if (dataset.excluded > 0)
    log.note(toPlainError(new StillhouseError('data.excluded', { count: dataset.excluded, list: LIST_NAME })));
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  const kept = begin.own === null ? {} : keptTeacher(job.run, job.recipe.teacherPath);
  const models = await createModels(job.recipe, dataset.classes, kept);
  stage('engine');
  const ranks = company ? { rank: 0, size: company.size } : undefined;
  const cluster = company && (await company.gather(setupOf(setting, kept), dataset));
  const engine = await openEngine(job, threadingOf(models.student), cluster);
  const state = engine.newState();
  let teacher: OpenTeacher | null = null;
  let taught: Taught | null = null;
  try {
    stage('weights');
    for (const one of await fillState(state, models.student, job.recipe, begin)) note(one);
    notePrecision(job, engine, note);
    teacher = models.teacher && (await openTeacher(models.teacher, { engine, state, classes: dataset.classes }));
    for (const one of teacher?.card.notes ?? []) note(one);
    if (teacher?.outside) keepTeacher(job.run, teacher.card);
    const precision = precisionOf(recipe, engine);
    if (precision === 'float16') startScaler(state);
    if (company && cluster) await company.begin(engine, state, { precision, addresses: [...cluster.addresses] });
    // The engine has copies of the weights now.
    globalThis.gc?.();
    const profiler = job.recipe.profile ? profilerOf(job, engine, log) : null;
    const newWorkers = (recipe: LoaderRecipe): DecodeWorkers => decodeWorkers(job.engine, engine, recipe);
    const workers = newWorkers(trainingRecipe(recipe));
    const loader = trainingLoader(profiler?.watched(workers) ?? workers, {
      ...{ dataset, recipe, student: models.student, ...(ranks && { share: { rank: ranks.rank, world: ranks.size } }) },
      onSkip: (skipped) => note(toPlainError(skipped)),
    });
    stage('compile');
    taught = await teachKeeping({
      ...{ engine, state, dataset, loader, teacher, recipe, student: models.student, ranks },
      ...{ precision, position: begin.position, stop: context.stop },
      onNote: (one) => note(toPlainError(one)),
    });
    const parts = await loopParts({
      job,
      context,
      dataset,
      log,
      engine,
      state,
      student: models.student,
      teacher,
      taught,
      newWorkers,
      loader,
      profiler,
      begin,
      guard,
      reserve,
      company,
    });
    state.trim(isFrozen);
    await reserve.make(checkpointBytes(state));
    log.state('running');
    guard.begin();
    const end = await runLoop(parts).finally(() => profiler?.close());
    if (company?.lost) throw company.lost;
    return end;
  } catch (error) {
    if (!isOfDeviceMemory(error)) throw error;
    throw await outOfDeviceMemory(error, engine, { recipe, student: models.student, teacher: models.teacher });
  } finally {
    taught?.close();
    await teacher?.close();
    state.dispose();
  }
}

/** Writes notes down, each once: the check before the start may have found the same. */
function onceEach(log: RunLog): (note: PlainError) => void {
  const said = new Set<string>();
  return (note) => {
    if (!said.has(note.message)) log.note(note);
    said.add(note.message);
  };
}

/** Notes that the run goes on in another precision than before, because `auto` means another on this machine. */
function notePrecision({ run, recipe }: TrainJob, engine: Engine, note: (one: PlainError) => void): void {
  if (recipe.precision !== 'auto') return;
  const now = precisionOf(recipe, engine);
  const before = keepPrecision(run, now);
  if (before !== null) note(toPlainError(new StillhouseError('run.precision-changed', { before, now })));
}

/** @returns what to note of it. */
async function fillState(
  state: State,
  student: Model,
  recipe: Recipe,
  { checkpoint, pretrained }: Begin,
): Promise<PlainError[]> {
  if (checkpoint) startResumed(state, student, checkpoint, recipe);
  else if (pretrained) return startPretrained(state, student, pretrained, recipe);
  else startFresh(state, student, recipe);
  return [];
}

function profilerOf({ run, recipe: { batchSize } }: TrainJob, engine: Engine, log: RunLog): Profiler {
  return openProfiler({ run, engine, batchSize, onFailure: (error) => log.note(toPlainError(error)) });
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
  taught: Taught;
  newWorkers(looks: LoaderRecipe): DecodeWorkers;
  loader: Loader;
  profiler: Profiler | null;
  begin: Begin;
  guard: StallGuard;
  reserve: DiskReserve;
  company: Company | null;
}

async function loopParts(wiring: Wiring): Promise<LoopParts> {
  const { job, context, dataset, engine, state, student, teacher, taught, newWorkers, loader, log, profiler } = wiring;
  const { company } = wiring;
  const { recipe } = job;
  const batchSize = recipe.batchSize / (company?.size ?? 1);
  const precision = precisionOf(recipe, engine);
  const ranks = company ? { rank: 0, size: company.size } : undefined;
  const share = company ? { rank: 0, world: company.size } : undefined;
  const parts = { student, teacher: taught.teacher, recipe, batchSize, precision, ranks };
  const pauseAndSave = pauseAndSaveOf(wiring);
  const resting = (loader: Loader): Loader => ({
    ...loader,
    evalBatches: () => pauseAndSave.resting(loader.evalBatches()),
  });
  const evaluate = await createEvaluator({
    engine,
    state,
    student,
    average: recipe.modelEma,
    teacher: teacher && {
      opened: teacher,
      loader: resting(teacherLoader(teacher, { dataset, recipe, newWorkers, batchSize, share })),
      atOnce: taught.rests ? context.stop : null,
      precision,
      kept: recipe.teachOnce && !company ? () => KeptDecisions.open({ recipe, dataset, teacher, precision, onNote: (one) => log.note(toPlainError(one)) }) : null, // prettier-ignore
    },
    others: company,
    batchSize,
    heads: recipe.evalHeads,
    loader: resting(loader),
    context,
  });
  return {
    recipe,
    stepsPerEpoch: loader.stepsPerEpoch,
    parameters: countParameters(trainable(student, recipe)),
    position: wiring.begin.position,
    batches: (epoch, from) => taught.batches(loader.trainBatches(epoch, from), { epoch, batch: from }),
    step: taught.step(guardedStep(await measuredStep(engine, state, parts, profiler), company)),
    // By itself V8 lets the garbage of an epoch grow to several times what is in use.
    evaluate: (stop) =>
      evaluate(stop)
        .then((result) => (company?.evaluated(result), result))
        .finally(() => globalThis.gc?.()),
    save: (position) => pauseAndSave.save(position),
    nonFinite: (bad) => nonFinite(wiring, pauseAndSave, bad),
    between: (position, settle) => pauseAndSave.between(position, settle),
    held: () => pauseAndSave.held,
    leavesState: (error) => error === company?.lost,
    emit: (row) => (company?.row(row), log.row(row)),
    load: engine.load,
    ...(profiler && { onSpan: profiler.onSpan }),
    stop: context.stop,
  };
}

function guardedStep(step: TrainStep, company: Company | null): TrainStep {
  return company?.guarded(step) ?? step;
}

/** What the other ranks need to train the same. */
function setupOf({ job: { recipe }, begin, excluded }: Setting, kept: CardValues) {
  return { say: 'setup' as const, recipe, position: begin.position, kept, excluded };
}

function pauseAndSaveOf(wiring: Wiring): PauseAndSave {
  const { job, context, log, guard, begin } = wiring;
  const { stop, pause } = context;
  const { run, recipe } = job;
  const own = begin.own === null ? null : { step: begin.position.step, ...savedAs(run, begin.own) };
  const write = (position: Position) => save(wiring, position);
  return new PauseAndSave({ run, log, pause, guard, stop, saveMinutes: recipe.saveMinutes, last: own, write });
}

async function save({ job, dataset, state, log, guard, reserve }: Wiring, position: Position): Promise<SavedFile> {
  const { run, recipe } = job;
  const facts = { position: { ...position }, recipe, classes: dataset.classes };
  const started = performance.now();
  const info = await reserve.during(() => saveCheckpoint(run, facts, tensorsOf(state, guard)));
  const { file, epoch, step, bytes } = info;
  const seconds = (performance.now() - started) / 1000;
  log.row({ type: 'checkpoint', time: Date.now(), file, epoch, step, bytes, seconds });
  return { step, ...savedAs(run, file) };
}

function savedAs(run: string, file: string): Omit<SavedFile, 'step'> {
  return { file, amend: async (row) => void amendCheckpoint(run, file, row) };
}

function nonFinite(wiring: Wiring, pauseAndSave: PauseAndSave, bad: BadStep): Promise<StillhouseError> {
  const { run, recipe } = wiring.job;
  const { classes } = wiring.dataset;
  const save = async () => (await pauseAndSave.save(bad.position)).file;
  return keepBadStep(bad, { run, recipe, classes, state: wiring.state, save });
}

function tensorsOf(state: State, guard: StallGuard): StateTensor[] {
  return ownNames(state).map((name) => [name, state.shape(name), () => (guard.mark(), state.read(name))]);
}

// The teacher is not part of what the run made: it is read from its own file again.
function ownNames(state: State): string[] {
  return state.names().filter(isOfRun);
}

/** Bytes of a checkpoint, with more than its header takes. */
function checkpointBytes(state: State): number {
  return ownNames(state).reduce((bytes, name) => bytes + 4 * shapeSize(state.shape(name)), 1 << 20);
}
