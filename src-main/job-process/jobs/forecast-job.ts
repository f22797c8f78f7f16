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
  const { batchSize } = recipe;
  const precision = precisionOf(recipe, engine);
  const once = teacher !== null && asksOutside(recipe, teacher);
  const inside = once ? 'outside' : stepTeacher(teacher);
  const program = recordTrainStep(engine, { student, teacher: inside, recipe, batchSize, precision });
  const apart = once && teacher.network ? recordTeacherAnswers(engine, { student, recipe, batchSize }, teacher.network) : null; // prettier-ignore
  const own = Object.entries(updateVariables(student, recipe));
  const ofModel = own.filter(([name]) => [PREFIX.model, PREFIX.ema].some((prefix) => name.startsWith(prefix)));
  const parameters = bytesOf(ofModel.map(([, { shape }]) => shape));
  const forecast: Omit<MemoryForecast, 'total' | 'answers'> = {
    parameters,
    optimizer: bytesOf(own.map(([, { shape }]) => shape)) - parameters,
    teacher: bytesOf((teacher?.network?.specs ?? []).map(({ shape }) => shape)),
    // One after the other.
    activations: Math.max(
      await engine.footprint(program, { precision, isFrozen }),
      apart ? await engine.footprint(apart, { precision, isFrozen }) : 0,
    ),
    process: PROCESS + BATCHES * batchSize * 3 * recipe.inputSize ** 2,
  };
  const total = Object.values(forecast).reduce((sum, part) => sum + part, 0);
  const answers = await answersForecast(job, student, teacher, precision);
  return { ...forecast, total, ...(answers && { answers }) };
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
