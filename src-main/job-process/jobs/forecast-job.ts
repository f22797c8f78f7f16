import { shapeSize } from '../../base/shape-size.ts';
import type { Model } from '../../model/model.ts';
import type { AnswersForecast, MemoryForecast } from '../../protocol/data-types.ts';
import { DTYPES } from '../../runtime/dtypes.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { threadingOf } from '../../train/parts.ts';
import { isFrozen, recordTrainStep } from '../../train/step.ts';
import { updateVariables } from '../../train/update.ts';
import { PREFIX } from '../../train/variables.ts';
import { forecastAnswers } from '../teacher/forecast-answers.ts';
import { asksOutside } from '../teacher/taught-training.ts';
import { stepTeacher, type Teacher } from '../teacher/teacher.ts';
import type { Precision } from '../../trace/narrow.ts';
import { recordTeacherAnswers } from '../../train/teacher.ts';
import { listImages } from './open-training.ts';
import { precisionOf } from '../training/precision.ts';
import { createModels } from './models.ts';
import type { Device } from '../../engines/engine.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { largestBatch } from '../accelerator/largest-batch.ts';
import type { ForecastJob, JobResults } from '../../jobs/job-protocol.ts';

const MIB = 2 ** 20;

/**
 * Bytes that a trainer holds besides the values of its program, as measured: the engine and Node, and code that XLA and
 * oneDNN make. `npm run bench -- memory` compares the sum with what trainers take.
 */
const PROCESS = 770 * MIB;

/** Stands for the classes of data that are not known yet. */
const ASSUMED_CLASSES = Array.from({ length: 1000 }, (_, label) => String(label));

/** Batches that are ready or on their way to the step. */
const BATCHES = 4;

/** Those of them that an accelerator has: the one that it computes, and the next. */
const UPLOADED = 2;

/**
 * Records the step of a recipe and follows its values through memory.
 * @throws StillhouseError what keeps its models from being made.
 */
export async function runForecastJob(job: ForecastJob): Promise<JobResults['forecast']> {
  const { recipe } = job;
  const classes = job.classes.length > 0 ? job.classes : ASSUMED_CLASSES;
  const { student, teacher } = await createModels(recipe, classes);
  const engine = await openEngine(job, threadingOf(student));
  const { batchSize } = recipe;
  const precision = precisionOf(recipe, engine);
  const once = teacher !== null && asksOutside(recipe, teacher);
  const inside = once ? 'outside' : stepTeacher(teacher);
  const apart = once && teacher.network ? recordTeacherAnswers(engine, { student, recipe, batchSize }, teacher.network) : null; // prettier-ignore
  const as = { precision, isFrozen };
  const needs = (batchSize: number): Promise<number> =>
    engine.footprint(recordTrainStep(engine, { student, teacher: inside, recipe, batchSize, precision }), as);
  const own = Object.entries(updateVariables(student, recipe));
  const ofModel = own.filter(([name]) => [PREFIX.model, PREFIX.ema].some((prefix) => name.startsWith(prefix)));
  const parameters = bytesOf(ofModel.map(([, { shape }]) => shape));
  const forecast: Parts = {
    parameters,
    optimizer: bytesOf(own.map(([, { shape }]) => shape)) - parameters,
    teacher: bytesOf((teacher?.network?.specs ?? []).map(({ shape }) => shape)),
    // One after the other.
    activations: Math.max(await needs(batchSize), apart ? await engine.footprint(apart, as) : 0),
    process: PROCESS + BATCHES * imagesBytes(recipe),
  };
  const device = engine.device.memory === null ? null : await deviceForecast(forecast, recipe, engine.device, needs);
  const total = device ? forecast.process : Object.values(forecast).reduce((sum, part) => sum + part, 0);
  const answers = await answersForecast(job, student, teacher, precision);
  return { ...forecast, total, ...(device && { device }), ...(answers && { answers }) };
}

type Parts = Omit<MemoryForecast, 'total' | 'answers' | 'device'>;

function imagesBytes({ batchSize, inputSize }: Recipe): number {
  return batchSize * 3 * inputSize ** 2;
}

/**
 * Adds up what each accelerator holds, and finds the largest batch that fits.
 * @param needs bytes of activations for a batch size, by the compiler of the accelerator
 */
async function deviceForecast(
  { parameters, optimizer, teacher, activations }: Parts,
  recipe: Recipe,
  { name, memory: limit, count }: Device,
  needs: (batchSize: number) => Promise<number>,
): Promise<NonNullable<MemoryForecast['device']>> {
  const state = parameters + optimizer + teacher;
  const fed = (UPLOADED * imagesBytes(recipe)) / count;
  const { batchSize } = recipe;
  const whole = { batch: batchSize, bytes: activations + fed };
  const half = Math.floor(batchSize / (4 * count)) * 2 * count;
  if (limit === null || half === 0) return { name, total: state + whole.bytes, limit, batch: null };
  const smaller = { batch: half, bytes: (await needs(half)) + (fed * half) / batchSize };
  return { name, total: state + whole.bytes, limit, batch: largestBatch(smaller, whole, limit - state, 2 * count) };
}

/** What is kept of the answers of a recipe that is taught once; null for any other, and while its data are not known. */
async function answersForecast(
  { recipe, classes, excluded = [] }: ForecastJob,
  student: Model,
  teacher: Teacher | null,
  precision: Precision,
): Promise<AnswersForecast | null> {
  if (!recipe.teachOnce || !teacher || classes.length === 0) return null;
  const dataset = await listImages(recipe, excluded);
  return forecastAnswers({ recipe, dataset, student, teacher, precision, ahead: 0 });
}

/** Of float32 variables. */
function bytesOf(shapes: readonly (readonly number[])[]): number {
  return shapes.reduce((sum, shape) => sum + DTYPES.float32.bytes * shapeSize(shape), 0);
}
