import * as v from 'valibot';
import { FINDING_KINDS, batchPreview, datasetReport, datasetSummary, excludedList, imagePage } from './dataset-data.ts';
import { DEVICE_PATTERN, ENGINE_DEVICES } from './device.ts';
import { distilOffer, distilReport, distilRequest } from './distillation.ts';
import {
  ANSWERING,
  MOST_PHOTO_BYTES,
  MOST_PIECE_BYTES,
  IMAGE_CHOICES,
  evaluatedPage,
  evaluationList,
  evaluationReport,
  photoAnswer,
} from './evaluation.ts';
import { jobProgress } from './events.ts';
import { MOST_CHECK_IMAGES, exportInfos, exportItem, exportSizes } from './export.ts';
import {
  givenRecipe as recipe,
  keptAnswers,
  lrSchedule,
  memoryForecast,
  modelCards,
  recipeCheck,
  recipeReading,
  timeForecast,
} from './recipe-data.ts';
import {
  HISTORY_FORMATS,
  badStep,
  checkpointInfos,
  processes,
  queueReport,
  runDetail,
  runProfile,
  runRecipes,
  runSummaries,
  trash,
  writtenFile,
} from './run-data.ts';
import { MOST_SERIES_ROWS, runSeries } from './step-columns.ts';
import { engineReport, folder, foundThing, sampleCost, systemInfo } from './system-data.ts';
import { slurmCluster, slurmForm, slurmJob, slurmJobs, slurmLog, slurmScript } from './slurm.ts';
import {
  STUDY_TEMPLATES,
  studyCost,
  reportRequest,
  studyReport,
  studyRequest,
  studySpec,
  studyTables,
} from './study.ts';
import { cardFieldName, cardFields, teacherCard } from './teacher-card.ts';
import { foundWeights, weightList } from './weight-data.ts';

/**
 * Lists every call that a front can make, with the schemas of its parameters and its answer. A call commands; events
 * (`events.ts`) report the effects. The schemas are checked at the port: parameters before any handler, answers before
 * any store.
 *
 * To add a call: "A call" in docs/adding.md.
 */
const text = v.pipe(v.string(), v.maxLength(4096));
const document = v.pipe(v.string(), v.maxLength(256 * 1024));
const runId = v.pipe(v.string(), v.regex(/^[\w.-]{1,128}$/));
const index = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e9));

const device = v.pipe(v.string(), v.regex(new RegExp(DEVICE_PATTERN)));
const engineDevice = v.picklist(ENGINE_DEVICES);

const nothing = v.null();
const job = v.object({ job: v.string() });
const run = v.object({ run: v.string() });
const plan = v.strictObject({ plan: text });
const study = v.strictObject({ study: text });
/** `resume` as `--resume` of the command line; '' or nothing for a new run. */
const slurmWish = v.strictObject({ recipe, form: slurmForm, resume: v.optional(text) });
const slurmName = v.strictObject({ job: runId });

function call<Params extends v.GenericSchema, Result extends v.GenericSchema>(params: Params, result: Result) {
  return { params, result };
}

/** The weights to export. */
const exportSource = {
  run: v.optional(runId),
  /** Of the run: the name of a checkpoint's file, `best`, which it is when left out, or `last`. */
  checkpoint: v.optional(text),
  /** In place of a run: a file, a folder, or the name of published weights that are on this machine. */
  weights: v.optional(text),
};

export const CALLS = {
  'system.info': call(v.strictObject({}), systemInfo),
  'system.browse': call(v.strictObject({ path: v.optional(text) }), folder),
  /** `device` asks what a training on it would come to; `auto` when left out. */
  'engine.status': call(v.strictObject({ device: v.optional(device) }), engineReport),
  /** Installs TensorFlow or a plugin; the job's result is its EngineStatus. */
  'engine.install': call(v.strictObject({ from: v.optional(text), device: v.optional(engineDevice) }), job),
  'engine.verify': call(v.strictObject({ device: v.optional(engineDevice) }), engineReport),
  /** Looks for NVIDIA's GPUs again, with the driver and with their plugins. */
  'engine.check': call(v.strictObject({ device: v.optional(device) }), engineReport),
  /** The wheels of an engine as pip's requirements. */
  'engine.wheels': call(v.strictObject({ device: engineDevice }), v.string()),
  'job.cancel': call(v.strictObject({ job: text }), nothing),
  'job.list': call(v.strictObject({}), v.array(jobProgress)),
  /** `reading` is kept as how the folder is to be read from now on, '' leaves it to its contents. */
  'dataset.inspect': call(v.strictObject({ path: text, reading: v.optional(text) }), datasetSummary),
  /**
   * Decodes every image that has not been since it changed, with `anew` every image; the job's result is a
   * DatasetReport. One that is cancelled leaves a report of what it has checked, and the next goes on from there.
   */
  /** How a person said the folder is to be read; '' where nobody did. */
  'dataset.reading': call(v.strictObject({ path: text }), text),
  'dataset.check': call(v.strictObject({ path: text, anew: v.optional(v.boolean()) }), job),
  'dataset.report': call(v.strictObject({ path: text }), v.nullable(datasetReport)),
  'dataset.excluded': call(v.strictObject({ path: text }), excludedList),
  /** Leaves out, or uses again, every image that the last check found of one kind. */
  'dataset.exclude': call(
    v.strictObject({ path: text, kind: v.picklist(FINDING_KINDS), out: v.boolean() }),
    excludedList,
  ),
  'dataset.images': call(
    v.strictObject({
      path: text,
      split: v.picklist(['train', 'val']),
      class: v.optional(text),
      offset: index,
      limit: v.pipe(index, v.maxValue(500)),
    }),
    imagePage,
  ),
  /** Images of a batch as the student will see them, with what was drawn; the last batch where there are fewer. */
  'dataset.preview': call(
    v.strictObject({ recipe, epoch: index, batch: index, count: v.pipe(index, v.minValue(1), v.maxValue(64)) }),
    batchPreview,
  ),
  'sample.cost': call(v.strictObject({}), sampleCost),
  /**
   * From nothing to a distilling run on the sample, as one job; its stages are `SAMPLE_STEPS`, its result is the
   * student's run, or null when that waits in the queue. Cancelled, it starts nothing more; a run that trains goes on.
   */
  'sample.start': call(v.strictObject({}), job),
  /** Which of some folders and files are there. */
  'system.exist': call(v.strictObject({ paths: v.pipe(v.array(text), v.maxLength(32)) }), v.array(v.boolean())),
  /** Finds what lies at a path that came from outside of the window; a recipe is read at once. */
  'system.look': call(v.strictObject({ path: text }), foundThing),
  /** Builds the sample data set; the job's result is its path. */
  'dataset.sample': call(v.strictObject({}), job),
  /** Fetches the ImageNet weights of a teacher; the job's result is the file's path. */
  'weights.fetch': call(v.strictObject({ model: text }), job),
  /** Published weights, and those that were fetched by address. */
  'weights.list': call(v.strictObject({}), weightList),
  /** Where weights are on this machine that a name of published ones or an address means. */
  'weights.find': call(v.strictObject({ what: text }), foundWeights),
  /** Fetches them; the job's result is the path of the file, or of the folder of a repository. */
  'weights.get': call(v.strictObject({ what: text }), job),
  /** Frees an entry of the store, whole or in part. */
  'weights.remove': call(v.strictObject({ id: text }), v.object({ bytes: v.number() })),
  /** Reads the card of a teacher: `model` is the network of a weight file. */
  'teacher.card': call(v.strictObject({ path: text, model: text }), teacherCard),
  /** Writes fields to a teacher's card file, and takes those in `drop` out of it. Nothing is written where the whole is wrong. */
  'teacher.describe': call(
    v.strictObject({
      path: text,
      model: text,
      fields: cardFields,
      drop: v.pipe(v.array(cardFieldName), v.maxLength(32)),
    }),
    teacherCard,
  ),
  'models.list': call(v.strictObject({}), modelCards),
  'recipe.check': call(v.strictObject({ recipe }), recipeCheck),
  /** Estimates the memory of a training: an engine records its step, which takes seconds. */
  'recipe.forecast': call(v.strictObject({ recipe, processes: v.optional(processes) }), memoryForecast),
  'recipe.schedule': call(v.strictObject({ recipe }), lrSchedule),
  /** From runs like it or a measurement; null where there was neither. */
  'recipe.time': call(v.strictObject({ recipe, processes: v.optional(processes) }), v.nullable(timeForecast)),
  /** Times a few steps on the recipe's own images; the job's result is images a second. */
  'recipe.measure': call(v.strictObject({ recipe }), job),
  /** Makes the teacher's answers to a recipe ahead, and keeps them; the job's result is a TaughtAhead. */
  'answers.make': call(v.strictObject({ recipe }), job),
  /** Lists the kept answers of teachers, the longest unused first. */
  'answers.list': call(v.strictObject({}), keptAnswers),
  /** Removes kept answers; tells how many bytes they took. */
  'answers.remove': call(v.strictObject({ id: text }), v.object({ id: v.string(), bytes: v.number() })),
  /** A recipe from YAML or JSON. */
  'recipe.read': call(v.strictObject({ text: document }), recipeReading),
  /** A recipe as a file: the settings that differ from the defaults, or `all`. */
  'recipe.write': call(
    v.strictObject({ recipe, format: v.picklist(['yaml', 'json']), all: v.optional(v.boolean()) }),
    v.string(),
  ),
  /** While as many train as may at once, refused as `run.busy` unless `anyway`. */
  'run.start': call(v.strictObject({ recipe, processes: v.optional(processes), anyway: v.optional(v.boolean()) }), run),
  'run.stop': call(v.strictObject({ run: runId }), nothing),
  /** Saves after the step in progress and waits, with everything in memory, until a call continues or stops it. */
  'run.pause': call(v.strictObject({ run: runId }), nothing),
  /** Goes on with a paused run; one that waits for space on the disk looks again at once. */
  'run.continue': call(v.strictObject({ run: runId }), nothing),
  /** `changes` are settings that the run goes on with instead of its own. */
  'run.resume': call(
    v.strictObject({
      run: runId,
      checkpoint: v.optional(text),
      changes: v.optional(recipe),
      anyway: v.optional(v.boolean()),
    }),
    nothing,
  ),
  /** Goes on from a run folder or a checkpoint, by its path: in its own run where it lies in one. */
  'run.resume-from': call(v.strictObject({ path: text, anyway: v.optional(v.boolean()) }), run),
  'queue.list': call(v.strictObject({}), queueReport),
  /** Has a recipe, or a run to resume from its newest checkpoint, wait for its turn. */
  'queue.add': call(
    v.strictObject({ recipe: v.optional(recipe), processes: v.optional(processes), resume: v.optional(runId) }),
    queueReport,
  ),
  /** Moves a waiting run to a place, 0 for the next. */
  'queue.move': call(v.strictObject({ id: text, to: index }), queueReport),
  'queue.remove': call(v.strictObject({ id: text }), queueReport),
  /** Takes the removal of a waiting run back. */
  'queue.restore': call(v.strictObject({ id: text }), queueReport),
  'queue.set': call(
    v.strictObject({
      paused: v.optional(v.boolean()),
      atOnce: v.optional(v.pipe(index, v.minValue(1), v.maxValue(16))),
    }),
    queueReport,
  ),
  /** Plans a distillation on a folder without starting it: its teacher, and its cost. Nothing is begun. */
  'distil.offer': call(distilRequest, distilOffer),
  /** Times a few steps of its trainings, where nothing tells how long they take. */
  'distil.measure': call(distilRequest, job),
  /** Has a distillation wait for its turn in the queue; the same that is not done goes on. */
  'distil.start': call(distilRequest, distilReport),
  /** Goes through a distillation as one job, beside the queue; the job's result is the student's run. */
  'distil.walk': call(distilRequest, job),
  'distil.continue': call(plan, distilReport),
  /** Stops it; what was fetched and trained stays, and `distil.continue` goes on. */
  'distil.stop': call(plan, nothing),
  /** Stops it and forgets the plan; its runs stay. */
  'distil.forget': call(plan, nothing),
  'distil.list': call(v.strictObject({}), v.array(distilReport)),
  'study.list': call(v.strictObject({}), v.array(studyReport)),
  /** Makes a study of one of the paper's kinds; nothing is kept or begun. */
  'study.make': call(v.strictObject({ template: v.picklist(STUDY_TEMPLATES), asked: studyRequest }), studySpec),
  /** Keeps a study under a new id, or other contents under the one named. */
  'study.save': call(v.strictObject({ study: v.optional(runId), spec: studySpec }), studyReport),
  /** Writes a study as YAML, to be edited. */
  'study.text': call(v.strictObject({ study: text }), v.string()),
  /** Reads a study from YAML or JSON and keeps it under the id named, or a new one. */
  'study.read': call(v.strictObject({ study: v.optional(runId), text: document }), studyReport),
  'study.cost': call(study, studyCost),
  /** Times a few steps of each variant that nothing tells the time of. */
  'study.measure': call(study, job),
  /** Has a study wait in the queue, with a turn for each of its trainings; what has finished is not trained again. */
  'study.start': call(study, studyReport),
  /** Goes through a study as one job, beside the queue. */
  'study.walk': call(study, job),
  /** Scores the last checkpoint of every finished run, and keeps its answers image by image. */
  'study.evaluate': call(study, job),
  /** Stops it; what was trained stays, and `study.start` goes on. */
  'study.stop': call(study, nothing),
  /** Stops it and forgets it; its runs stay. */
  'study.remove': call(study, nothing),
  'study.tables': call(study, studyTables),
  /** Writes its report; without a place beside its file. */
  'study.write': call(v.strictObject({ study: text, ...reportRequest.entries }), writtenFile),
  /** The partitions of the Slurm cluster that this machine belongs to, or why it sees none. */
  'slurm.cluster': call(v.strictObject({}), slurmCluster),
  /** The script that `slurm.submit` would submit. */
  'slurm.script': call(slurmWish, slurmScript),
  /** Writes a script and submits it; the job has no number where no Slurm answers. */
  'slurm.submit': call(slurmWish, slurmJob),
  /** The jobs of this home, as Slurm knows them now. */
  'slurm.list': call(v.strictObject({}), slurmJobs),
  /** `job` is a name or Slurm's number, here and below. */
  'slurm.log': call(slurmName, slurmLog),
  /** Has a job save and end. */
  'slurm.cancel': call(slurmName, nothing),
  /** Forgets a job that has ended, with its script and log; its run stays. */
  'slurm.forget': call(slurmName, nothing),
  'run.list': call(v.strictObject({}), runSummaries),
  'run.detail': call(v.strictObject({ run: runId }), runDetail),
  /** Step rows as columns, from a row on: how the whole of a long history is read. */
  'run.series': call(
    v.strictObject({ run: runId, from: index, count: v.pipe(index, v.maxValue(MOST_SERIES_ROWS)) }),
    runSeries,
  ),
  /** The ops of the step that was profiled; null where none was. */
  'run.profile': call(v.strictObject({ run: runId }), v.nullable(runProfile)),
  /** The batch that a run ended at, because its loss or gradients were not finite. */
  'run.bad-step': call(v.strictObject({ run: runId }), badStep),
  /** Reads the recipes of several runs. */
  'run.recipes': call(v.strictObject({ runs: v.pipe(v.array(runId), v.maxLength(64)) }), runRecipes),
  /** Puts a run that lies anywhere on the shelf; nothing is written into its folder. */
  'run.open': call(v.strictObject({ path: text }), run),
  /** Takes a run that lies outside the runs folder off the shelf; its folder stays. */
  'run.forget': call(v.strictObject({ run: runId }), nothing),
  'run.annotate': call(
    v.strictObject({
      run: runId,
      pinned: v.optional(v.boolean()),
      tags: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(32))),
      note: v.optional(text),
    }),
    nothing,
  ),
  /** Into the trash. */
  'run.delete': call(v.strictObject({ run: runId }), nothing),
  'run.restore': call(v.strictObject({ run: runId }), nothing),
  /** Writes a run's history in another format; without `output` into the run's exports. `rows` is for CSV. */
  'history.export': call(
    v.strictObject({
      run: runId,
      format: v.picklist(HISTORY_FORMATS),
      rows: v.optional(v.picklist(['epochs', 'steps'])),
      output: v.optional(text),
    }),
    writtenFile,
  ),
  /** Writes a report of a run; without a place into its exports. */
  'run.report': call(v.strictObject({ run: runId, ...reportRequest.entries }), writtenFile),
  'checkpoint.list': call(v.strictObject({ run: runId }), checkpointInfos),
  /** A pinned checkpoint is never dropped by retention. */
  'checkpoint.pin': call(v.strictObject({ run: runId, file: text, pinned: v.boolean() }), nothing),
  /** Into the trash. */
  'checkpoint.delete': call(v.strictObject({ run: runId, file: text }), nothing),
  /** Out of the trash, by its name there; pinned then. The result is its name as a checkpoint. */
  'checkpoint.restore': call(v.strictObject({ run: runId, file: text }), v.object({ file: v.string() })),
  'trash.list': call(v.strictObject({}), trash),
  /** Removes for good what is named. */
  'trash.empty': call(
    v.strictObject({
      items: v.pipe(v.array(v.strictObject({ run: runId, file: v.nullable(text) })), v.maxLength(10_000)),
    }),
    v.object({ count: v.number(), bytes: v.number() }),
  ),
  /**
   * Scores a run's checkpoint (its best when left out) or any weight file; the job's result is the evaluation's id.
   * `path` may be an address or the name of published weights, which are fetched first.
   */
  'evaluation.start': call(
    v.strictObject({
      run: v.optional(runId),
      checkpoint: v.optional(text),
      path: v.optional(text),
      average: v.optional(v.boolean()),
      folder: v.optional(text),
      classIndex: v.optional(text),
      realLabels: v.optional(text),
      tokens: v.optional(v.boolean()),
      entry: v.optional(text),
      classNames: v.optional(text),
      settings: v.optional(recipe),
    }),
    job,
  ),
  'evaluation.list': call(v.strictObject({}), evaluationList),
  'evaluation.report': call(v.strictObject({ id: runId, head: v.picklist(ANSWERING) }), evaluationReport),
  /** Its images, those with the greatest loss first. */
  'evaluation.images': call(
    v.strictObject({
      id: runId,
      head: v.picklist(ANSWERING),
      choice: v.picklist(IMAGE_CHOICES),
      label: v.optional(index),
      decision: v.optional(index),
      offset: index,
      limit: v.pipe(index, v.maxValue(500)),
    }),
    evaluatedPage,
  ),
  'evaluation.delete': call(v.strictObject({ id: runId }), nothing),
  /** Hands over an image to try, in pieces of base64; tells how many bytes of it there are. */
  'photo.add': call(
    v.strictObject({
      photo: runId,
      offset: v.pipe(index, v.maxValue(MOST_PHOTO_BYTES)),
      data: v.pipe(v.string(), v.maxLength(Math.ceil(MOST_PIECE_BYTES / 3) * 4), v.regex(/^[A-Za-z0-9+/]*={0,2}$/)),
    }),
    v.object({ bytes: v.number() }),
  ),
  /**
   * Asks a run's newest checkpoint, or the one named, about an image that was handed over; without a run the weights at
   * `path` are asked: a file, or published ones that are on this machine.
   */
  'photo.answer': call(
    v.strictObject({
      photo: runId,
      run: v.optional(runId),
      path: v.optional(text),
      checkpoint: v.optional(text),
      average: v.optional(v.boolean()),
    }),
    photoAnswer,
  ),
  /**
   * Writes a checkpoint of a run, or other weights, in several formats, and has each checked as `export.check` does where
   * `images` says on how many. The job's result is `{ written, checks }`: a WrittenExport for each format, and an
   * ExportCheck for each that was checked.
   */
  'export.write': call(
    v.strictObject({
      ...exportSource,
      /** A file with the names of the classes in order, in place of the weights' own. */
      classNames: v.optional(text),
      /** The data to check on, in place of those that the weights were trained on. */
      dataPath: v.optional(text),
      items: v.pipe(v.array(exportItem), v.minLength(1), v.maxLength(32)),
      /** Where those go that name no place; the exports of the run when left out. Weights of no run need it. */
      folder: v.optional(text),
      average: v.optional(v.boolean()),
      /** Sides of the images, where others than in the training. */
      inputSize: v.optional(index),
      inputWidth: v.optional(index),
      licence: v.optional(v.pipe(v.string(), v.maxLength(100))),
      images: v.optional(v.pipe(index, v.minValue(1), v.maxValue(MOST_CHECK_IMAGES))),
    }),
    job,
  ),
  /** Bytes of a checkpoint in each format, or why it cannot be written in it. */
  'export.sizes': call(v.strictObject({ ...exportSource, average: v.optional(v.boolean()) }), exportSizes),
  /** Lists the exports of a run that still exist, newest first, also outside of its folder. */
  'export.list': call(v.strictObject({ run: runId }), exportInfos),
  /** Reads a listed export as a stranger would and compares it with its checkpoint; the job's result is an ExportCheck. */
  'export.check': call(
    v.strictObject({
      run: runId,
      path: text,
      images: v.optional(v.pipe(index, v.minValue(1), v.maxValue(MOST_CHECK_IMAGES))),
    }),
    job,
  ),
  /** Into the trash, with what is kept beside it. */
  'export.delete': call(v.strictObject({ run: runId, path: text }), nothing),
  /** Out of the trash, by its name there. */
  'export.restore': call(v.strictObject({ run: runId, file: text }), nothing),
} as const;

export type CallName = keyof typeof CALLS;
export type CallParams<Name extends CallName> = v.InferOutput<(typeof CALLS)[Name]['params']>;
export type CallResult<Name extends CallName> = v.InferOutput<(typeof CALLS)[Name]['result']>;

/** Functions that answer the calls: those of the workstation, or of a client of one. */
export type Handlers = { [Name in CallName]: (params: CallParams<Name>) => Promise<CallResult<Name>> };
