import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createModel } from '../model/zoo.ts';
import { StillhouseError, reasonOf } from '../protocol/errors.ts';
import { reason, sayReason, type Reason } from '../protocol/reasons.ts';
import { flagOf, type Recipe, type RecipeKey } from '../protocol/recipe.ts';
import { readableBytes } from '../base/bytes.ts';
import { partSize } from '../train/parts.ts';

/** How lack of memory is known, and what a person can do about it. */

/**
 * Phrases of TensorFlow, the C++ library, V8 and Node when they get no memory. Linux's own killer says nothing: see
 * {@link kernelKills}.
 */
const SIGNS =
  /RESOURCE_?EXHAUSTED|OOM when allocating|ran out of memory|out of memory|bad_alloc|Array buffer allocation failed|Cannot allocate memory|CUDA_ERROR_OUT_OF_MEMORY/i;

/** Tells whether a text speaks of too little memory. */
export function tellsOfMemory(text: string): boolean {
  return SIGNS.test(text);
}

/**
 * Counts the processes that the kernel has ended for lack of memory since the machine started; 0 where it does not say.
 */
export function kernelKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * Lists settings that need less memory than those of a recipe, as options of the command line. Those that only take
 * longer come first; those that change the result stand after `or`.
 */
export function lighterSettings(recipe: Recipe): string {
  const option = (key: RecipeKey, value?: number): string =>
    `--${flagOf(key)}${value === undefined ? '' : ` ${value}`}`;
  const { microBatch, batchSize, inputSize, recompute, model, numWorkers } = recipe;
  const student = createModel(model, { classes: 1000, inputSize });
  const part = partSize(student, batchSize, availableParallelism(), microBatch);
  const slower = [
    ...(part > 2 ? [option('microBatch', Math.floor(part / 2))] : []),
    ...(!recompute && /^(deit|vit)/.test(model) ? [option('recompute')] : []),
    ...(numWorkers > 1 ? [option('numWorkers', 1)] : []),
  ];
  const half = Math.max(2, 2 * Math.floor(batchSize / 4));
  const smaller = half < batchSize ? [option('batchSize', half)] : [];
  return [slower.join(' '), ...smaller].filter(Boolean).join(', or ') || '--input-size 128';
}

/**
 * Makes the error of a training that got no memory.
 * @param memory resident bytes in the last message; 0 while unknown.
 */
export function memoryError(recipe: Recipe, how: Reason, memory = 0): StillhouseError {
  const told = memory > 0 ? reason('process.held', { how, bytes: readableBytes(memory) }) : how;
  return new StillhouseError('run.out-of-memory', { reason: told, settings: lighterSettings(recipe) });
}

/** Tells whether an accelerator had too little memory. */
export function isOfDeviceMemory(error: unknown): error is StillhouseError {
  return error instanceof StillhouseError && error.code === 'device.out-of-memory';
}

/** Holds what an accelerator's compiler says of a step. */
export interface FittingBatch {
  says: Reason;
  /** The largest batch that fits, 0 where none does; absent: the recipe's own would. */
  batch?: number;
}

/** Makes the error of a training for which an accelerator had too little memory. */
export function deviceMemoryError(error: StillhouseError, recipe: Recipe, fits?: FittingBatch): StillhouseError {
  const how = reason('device.memory', { why: firstLine(sayReason(reasonOf(error))) });
  const told = fits ? reason('device.memory-says', { how, says: fits.says }) : how;
  return new StillhouseError('run.out-of-memory', { reason: told, settings: deviceSettings(recipe, fits?.batch) });
}

/** Lists settings that need less of an accelerator's memory; there a batch is no parts, and no image waits in memory. */
function deviceSettings({ recompute, model, batchSize }: Recipe, fits?: number): string {
  const slower = recompute || !/^(deit|vit)/.test(model) ? [] : ['--recompute'];
  const batch = fits ?? Math.max(2, 2 * Math.floor(batchSize / 4));
  const smaller = batch > 0 && batch < batchSize ? [`--batch-size ${batch}`] : [];
  return [...slower, ...smaller].join(', or ') || '--input-size 128';
}

/**
 * Makes that error of one that ended a training, where memory was the cause: the machine's or an accelerator's.
 * @param memory resident bytes.
 * @returns null for any other cause.
 */
export function memoryErrorOf(error: unknown, recipe: Recipe, memory: number): StillhouseError | null {
  if (isOfDeviceMemory(error)) return deviceMemoryError(error, recipe);
  if (error instanceof StillhouseError && error.code === 'run.out-of-memory') return error;
  const text = error instanceof Error ? error.message : String(error);
  return tellsOfMemory(text) ? memoryError(recipe, reason('raw.text', { text: firstLine(text) }), memory) : null;
}

function firstLine(text: string): string {
  return text.split('\n')[0].slice(0, 200);
}
