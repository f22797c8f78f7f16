import type { Device, Engine, Footprint } from '../../engines/engine.ts';
import { readableBytes } from '../../base/bytes.ts';
import { shapeSize } from '../../base/shape-size.ts';
import { deviceMemoryError } from '../../jobs/out-of-memory.ts';
import type { Model } from '../../model/model.ts';
import type { MemoryForecast } from '../../protocol/data-types.ts';
import type { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { DTYPES } from '../../runtime/dtypes.ts';
import { isFrozen, recordTrainStep } from '../../train/step.ts';
import type { Ranks } from '../../train/mix.ts';
import type { StepTeacher } from '../../train/teacher.ts';
import { updateVariables } from '../../train/update.ts';
import { asksOutside } from '../teacher/taught-training.ts';
import { stepTeacher, type Teacher } from '../teacher/teacher.ts';
import { precisionOf } from '../training/precision.ts';
import { largestBatch } from './largest-batch.ts';

/** What a training holds on accelerators, by their compiler's figures. */

/** Batches that an accelerator has: the one that it computes, and the next. */
const UPLOADED = 2;

/** Those who train. */
export interface Trained {
  recipe: Recipe;
  student: Model;
  teacher: Teacher | null;
}

/** Tells how the step asks a teacher. */
export function teacherInside({ recipe, teacher }: Omit<Trained, 'student'>): StepTeacher | 'outside' | null {
  return teacher !== null && asksOutside(recipe, teacher) ? 'outside' : stepTeacher(teacher);
}

/** Returns what a step holds for a batch size, which is a rank's share where ranks train. */
export function stepNeeds(engine: Engine, trained: Trained, ranks?: Ranks): (batchSize: number) => Promise<Footprint> {
  const { recipe, student } = trained;
  const precision = precisionOf(recipe, engine);
  const teacher = teacherInside(trained);
  return (batchSize) => {
    const program = recordTrainStep(engine, { student, teacher, recipe, batchSize, precision, ranks });
    return engine.footprint(program, { precision, isFrozen });
  };
}

/** Counts the bytes of images that wait for a step. */
export function imagesBytes({ batchSize, inputSize }: Recipe): number {
  return batchSize * 3 * inputSize ** 2;
}

/** Counts the bytes of float32 variables. */
export function bytesOf(shapes: readonly (readonly number[])[]): number {
  return shapes.reduce((sum, shape) => sum + DTYPES.float32.bytes * shapeSize(shape), 0);
}

type DeviceForecast = NonNullable<MemoryForecast['device']>;

/**
 * Adds up what each accelerator holds, and finds the largest batch that fits.
 * @param held bytes of parameters, optimizer and teacher, and of the activations of the recipe's batch
 * @param needs bytes of activations for a batch size, by the compiler of the accelerator
 */
export async function deviceForecast(
  { state, activations }: { state: number; activations: number },
  recipe: Recipe,
  { name, memory: limit, count }: Device,
  needs: (batchSize: number) => Promise<Footprint>,
): Promise<DeviceForecast> {
  const fed = (UPLOADED * imagesBytes(recipe)) / count;
  const { batchSize } = recipe;
  const whole = { batch: batchSize, bytes: activations + fed };
  const half = Math.floor(batchSize / (4 * count)) * 2 * count;
  if (limit === null || half === 0) return { name, total: state + whole.bytes, limit, batch: null };
  const smaller = { batch: half, bytes: (await needs(half)).values + (fed * half) / batchSize };
  return { name, total: state + whole.bytes, limit, batch: largestBatch(smaller, whole, limit - state, 2 * count) };
}

/**
 * Makes the error of a training for whose step its accelerators have too little memory, with the largest batch that
 * fits. It compiles the step for half the batch.
 */
export async function outOfDeviceMemory(
  error: StillhouseError,
  engine: Engine,
  trained: Trained,
): Promise<StillhouseError> {
  const found = await forecastOf(engine, trained).catch(() => null);
  const { recipe } = trained;
  if (!found?.limit || found.batch === null) return deviceMemoryError(error, recipe);
  const [total, limit] = [readableBytes(found.total), readableBytes(found.limit)];
  if (found.total <= found.limit)
    return deviceMemoryError(error, recipe, { says: reason('device.memory-shared', { total, limit }) });
  const { batch } = found;
  return deviceMemoryError(error, recipe, { says: reason('device.memory-batch', { total, limit, batch }), batch });
}

async function forecastOf(engine: Engine, { recipe, student, teacher }: Trained): Promise<DeviceForecast> {
  const own = Object.values(updateVariables(student, recipe)).map(({ shape }) => shape);
  const taught = (teacher?.network?.specs ?? []).map(({ shape }) => shape);
  const needs = stepNeeds(engine, { recipe, student, teacher });
  const held = { state: bytesOf([...own, ...taught]), activations: (await needs(recipe.batchSize)).values };
  return deviceForecast(held, recipe, engine.device, needs);
}
