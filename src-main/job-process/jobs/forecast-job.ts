import type { Model } from '../../model/model.ts';
import type { AnswersForecast } from '../../protocol/data-types.ts';
import { bytesOf, deviceForecast, imagesBytes, stepNeeds, teacherInside } from '../accelerator/device-memory.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { threadingOf } from '../../train/parts.ts';
import { isFrozen } from '../../train/step.ts';
import { updateVariables } from '../../train/update.ts';
import { PREFIX } from '../../train/variables.ts';
import type { Teacher } from '../teacher/teacher.ts';
import { forecastAnswers } from '../teacher/forecast-answers.ts';
import type { Precision } from '../../trace/narrow.ts';
import { recordTeacherAnswers } from '../../train/teacher.ts';
import { listImages } from './open-training.ts';
import { precisionOf } from '../training/precision.ts';
import { createModels } from './models.ts';
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

/**
 * Records the step of a recipe and follows its values through memory.
 * @throws StillhouseError what keeps its models from being made.
 */
export async function runForecastJob(job: ForecastJob): Promise<JobResults['forecast']> {
  const { recipe } = job;
  const classes = job.classes.length > 0 ? job.classes : ASSUMED_CLASSES;
  const { student, teacher } = await createModels(recipe, classes);
  const engine = await openEngine(job, threadingOf(student));
  const { processes = 1 } = job;
  const batchSize = recipe.batchSize / processes;
  const ranks = processes > 1 ? { rank: 0, size: processes } : undefined;
  const precision = precisionOf(recipe, engine);
  const apart = teacherInside({ recipe, teacher }) === 'outside' && teacher?.network ? recordTeacherAnswers(engine, { student, recipe, batchSize }, teacher.network) : null; // prettier-ignore
  const needs = stepNeeds(engine, { recipe, student, teacher }, ranks);
  const programs = [await needs(batchSize), ...(apart ? [await engine.footprint(apart, { precision, isFrozen })] : [])];
  const own = Object.entries(updateVariables(student, recipe));
  const ofModel = own.filter(([name]) => [PREFIX.model, PREFIX.ema].some((prefix) => name.startsWith(prefix)));
  const parameters = bytesOf(ofModel.map(([, { shape }]) => shape));
  const one = {
    parameters,
    optimizer: bytesOf(own.map(([, { shape }]) => shape)) - parameters,
    teacher: programs.reduce((sum, { frozen }) => sum + frozen, 0),
    // One after the other.
    activations: Math.max(...programs.map(({ values }) => values)),
    process: PROCESS + BATCHES * imagesBytes({ ...recipe, batchSize }),
  };
  const forecast = timesProcesses(one, processes);
  const state = forecast.parameters + forecast.optimizer + forecast.teacher;
  const held = { state, activations: forecast.activations };
  const device = engine.device.memory === null ? null : await deviceForecast(held, recipe, engine.device, needs);
  const total = device ? forecast.process : Object.values(forecast).reduce((sum, part) => sum + part, 0);
  const answers = await answersForecast(job, student, teacher, precision);
  return { ...forecast, total, ...(device && { device }), ...(answers && { answers }) };
}

/** Every process of a run holds the same. */
function timesProcesses<Parts extends Record<string, number>>(parts: Parts, processes: number): Parts {
  return Object.fromEntries(Object.entries(parts).map(([name, size]) => [name, size * processes])) as Parts;
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
