import { shapeSize } from '../../base/shape-size.ts';
import type { MemoryForecast } from '../../protocol/data-types.ts';
import { DTYPES } from '../../runtime/dtypes.ts';
import { loadEngine } from '../../engines/load.ts';
import { threadingOf } from '../../train/parts.ts';
import { isFrozen, recordTrainStep } from '../../train/step.ts';
import { updateVariables } from '../../train/update.ts';
import { PREFIX } from '../../train/variables.ts';
import { stepTeacher } from '../teacher/teacher.ts';
import { createModels, precisionOf } from './train-job.ts';
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
  const engine = await loadEngine(job.engine, { threads: job.threads, gpu: job.gpu, threading: threadingOf(student) });
  const { batchSize } = recipe;
  const precision = precisionOf(recipe, engine);
  const program = recordTrainStep(engine, { student, teacher: stepTeacher(teacher), recipe, batchSize, precision });
  const own = Object.entries(updateVariables(student, recipe));
  const ofModel = own.filter(([name]) => [PREFIX.model, PREFIX.ema].some((prefix) => name.startsWith(prefix)));
  const parameters = bytesOf(ofModel.map(([, { shape }]) => shape));
  const forecast: Omit<MemoryForecast, 'total'> = {
    parameters,
    optimizer: bytesOf(own.map(([, { shape }]) => shape)) - parameters,
    teacher: bytesOf((teacher?.network?.specs ?? []).map(({ shape }) => shape)),
    activations: await engine.footprint(program, { precision, isFrozen }),
    process: PROCESS + BATCHES * batchSize * 3 * recipe.inputSize ** 2,
  };
  return { ...forecast, total: Object.values(forecast).reduce((sum, part) => sum + part, 0) };
}

/** Of float32 variables. */
function bytesOf(shapes: readonly (readonly number[])[]): number {
  return shapes.reduce((sum, shape) => sum + DTYPES.float32.bytes * shapeSize(shape), 0);
}
